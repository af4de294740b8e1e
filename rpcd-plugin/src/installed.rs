//! `packagelist`: what is installed.

use core::ffi::{c_int, CStr};

use packages::{Database, Error, Files, Pairs, Source};
use ubus::Type;

use crate::bindings::{ubus_context, ubus_request_data};
use crate::refused::Refused;
use crate::reply::{Reply, Status};

/// Answers with the list, or with what is wrong with the database and a status that says so too.
pub fn answer(all: bool, ctx: *mut ubus_context, req: *mut ubus_request_data) -> Status {
    let error = match list(all) {
        Ok(reply) => return reply.send(ctx, req),
        Err(error) => error,
    };
    let refused = match error {
        Error::NoDatabase | Error::NoWorld => Refused::NoDatabase,
        Error::Unreadable(..) => Refused::Unreadable,
        Error::OutOfMemory => return Status::NoMemory,
        _ => Refused::Damaged,
    };
    let detail = error.database().map_or(&b""[..], |it| path(it).to_bytes());
    if let Some(reply) = Reply::error(refused, detail, false) {
        reply.send(ctx, req);
    }
    refused.status()
}

/// [`Database::path`] for C.
fn path(database: Database) -> &'static CStr {
    match database {
        Database::Apk => c"/lib/apk/db/installed",
        Database::World => c"/etc/apk/world",
        Database::Opkg => c"/usr/lib/opkg/status",
    }
}

fn list(all: bool) -> Result<Reply, Error> {
    let mut files = [File(-1); 3];
    let reply = list_of(&mut files, all);
    for file in files {
        // SAFETY: each descriptor is ours, or none at all.
        unsafe { libc::close(file.0) };
    }
    reply
}

/// Leaves it to the caller to close the files.
fn list_of([apk, world, opkg]: &mut [File; 3], all: bool) -> Result<Reply, Error> {
    let installed = packages::read(Files {
        apk: apk.open(Database::Apk)?,
        // Who asks for all needs no world.
        world: match all {
            true => None,
            false => world.open(Database::World)?,
        },
        opkg: opkg.open(Database::Opkg)?,
    })?;
    let mut list = Pairs::new();
    installed.packagelist_bytes(all, &mut list)?;
    let reply = Reply::write(&mut |writer| {
        let packages = writer.open(Type::Table, "packages");
        for (name, version) in &list {
            writer.string(name, version);
        }
        writer.close(packages);
    });
    reply.ok_or(Error::TooLarge(installed.database()))
}

/// The descriptor of an open file; -1 for none.
#[derive(Clone, Copy)]
struct File(c_int);

impl File {
    /// Opens a file to read it; None where there is none. It never waits: what should be a file
    /// may be a pipe by somebody's mistake.
    fn open(&mut self, database: Database) -> Result<Option<File>, Error> {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK;
        // SAFETY: the path ends with NUL, and no file is created.
        self.0 = unsafe { libc::open(path(database).as_ptr(), flags) };
        match self.0 {
            0.. => Ok(Some(*self)),
            _ => match errno() {
                libc::ENOENT | libc::ENOTDIR => Ok(None),
                errno => Err(Error::Unreadable(database, errno)),
            },
        }
    }
}

impl Source for File {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, i32> {
        loop {
            // SAFETY: the descriptor is ours, the buffer is as long as it says.
            let len = unsafe { libc::read(self.0, buffer.as_mut_ptr().cast(), buffer.len()) };
            match usize::try_from(len) {
                Ok(len) => return Ok(len),
                Err(_) if errno() == libc::EINTR => {}
                Err(_) => return Err(errno()),
            }
        }
    }
}

/// Why the last call into libc failed.
fn errno() -> c_int {
    // SAFETY: libc gives a pointer that is valid in this thread.
    unsafe { *libc::__errno_location() }
}
