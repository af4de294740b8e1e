//! Answers: blobmsg in memory that C can free.

use alloc::vec::Vec;
use core::ffi::c_int;

use ubus::{Type, Writer};

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
    ParseError = 12,
    SystemError = 13,
}

/// A whole blob, header included.
pub struct Reply(Vec<u8>);

impl Reply {
    /// Writes an answer. None where memory or the bus' limit does not allow it.
    pub fn write(fill: &mut dyn FnMut(&mut Writer<'_, Vec<u8>>)) -> Option<Reply> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        let blob = writer.open_attr(0);
        fill(&mut writer);
        writer.close(blob);
        writer.finish().ok()?;
        (bytes.len() <= MAX_MESSAGE).then_some(Reply(bytes))
    }

    /// `{error: {kind, message, detail}}`; with `started` before it, `started: false`.
    pub fn error(refused: Refused, detail: &[u8], started: bool) -> Option<Reply> {
        Reply::write(&mut |writer| {
            if started {
                writer.bool("started", false);
            }
            let error = writer.open(Type::Table, "error");
            let (kind, message) = refused.texts();
            writer.string("kind", kind);
            writer.string("message", message);
            writer.string("detail", detail);
            writer.close(error);
        })
    }

    /// Sends it as the answer to the call that is being handled.
    pub fn send(mut self, ctx: *mut ubus_context, req: *mut ubus_request_data) -> Status {
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
    pub unsafe fn give_to(self, buf: *mut blob_buf) {
        let mut bytes = core::mem::ManuallyDrop::new(self.0);
        // SAFETY: as the caller promised; the old contents came from realloc, as do ours.
        unsafe {
            libc::free((*buf).buf);
            (*buf).buf = bytes.as_mut_ptr().cast();
            (*buf).head = bytes.as_mut_ptr().cast();
            (*buf).buflen = bytes.len() as c_int;
        }
    }
}
