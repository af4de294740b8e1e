//! Answers: blobmsg in memory that C can free.

use alloc::vec::Vec;
use core::ffi::c_int;

use ubus::{Sink, Type, Writer};

use crate::bindings::{blob_attr, blob_buf, ubus_context, ubus_request_data};
use crate::refused::Refused;

/// ubusd throws out a client that sends more than 1 MiB, and the client here is rpcd as a whole.
const MAX_MESSAGE: usize = 1024 * 1024 - 1024;

extern "C" {
    fn ubus_send_reply(
        ctx: *mut ubus_context,
        req: *mut ubus_request_data,
        msg: *mut blob_attr,
    ) -> c_int;
}

/// How a call ends, as libubus knows it.
#[derive(Clone, Copy)]
#[repr(i32)]
pub enum Status {
    Ok = 0,
    InvalidArgument = 2,
    NotFound = 4,
    UnknownError = 9,
    NoMemory = 11,
}

/// A whole blob, header included; empty where memory or the bus' limit did not allow it.
#[derive(Default)]
pub struct Reply(Vec<u8>);

impl Sink for Reply {
    fn put(&mut self, bytes: &[u8]) -> bool {
        packages::append(&mut self.0, bytes).is_ok()
    }

    fn written(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Reply {
    /// Writes an answer.
    pub fn write(fill: impl FnOnce(&mut Writer<'_, Reply>)) -> Reply {
        let mut reply = Reply::default();
        let mut writer = Writer::new(&mut reply);
        let blob = writer.open_attr(0);
        fill(&mut writer);
        writer.close(blob);
        if writer.finish().is_err() || reply.0.len() > MAX_MESSAGE {
            reply.0.clear();
        }
        reply
    }

    /// `{started: true}`, or `{started: false, error}`.
    pub fn started(result: Result<(), Refused>, detail: &[u8]) -> Reply {
        Reply::write(|writer| {
            writer.bool("started", result.is_ok());
            if let Err(refused) = result {
                error(writer, refused, detail);
            }
        })
    }

    /// Whether nothing can be sent.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sends it as the answer to the call that is being handled.
    pub fn send(mut self, ctx: *mut ubus_context, req: *mut ubus_request_data) -> Status {
        if self.is_empty() {
            return Status::NoMemory;
        }
        // SAFETY: `ctx` and `req` are those libubus called us with, and the blob is whole; libubus
        // copies it to the socket before it returns.
        match unsafe { ubus_send_reply(ctx, req, self.0.as_mut_ptr().cast()) } {
            0 => Status::Ok,
            _ => Status::UnknownError,
        }
    }

    /// Makes it the contents of the buffer that rpcd is about to send, and to free with free.
    ///
    /// # Safety
    /// `buf` is a buffer of libubox' that nobody else holds a part of.
    pub unsafe fn give_to(self, buf: *mut blob_buf) -> Status {
        if self.is_empty() {
            return Status::NoMemory;
        }
        let mut bytes = core::mem::ManuallyDrop::new(self.0);
        // SAFETY: as the caller promised; the old contents came from realloc, as do ours.
        unsafe {
            libc::free((*buf).buf);
            (*buf).buf = bytes.as_mut_ptr().cast();
            (*buf).head = bytes.as_mut_ptr().cast();
            (*buf).buflen = bytes.len() as c_int;
        }
        Status::Ok
    }
}

/// Writes `error: {kind, message, detail}`.
pub fn error(writer: &mut Writer<'_, Reply>, refused: Refused, detail: &[u8]) {
    let error = writer.open(Type::Table, "error");
    let (kind, message) = refused.texts();
    writer.string("kind", kind);
    writer.string("message", message);
    writer.string("detail", detail);
    writer.close(error);
}
