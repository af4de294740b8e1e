//! `packagelist`: what is installed.

use core::ffi::c_int;

use packages::{Database, Fault, Reader, Source};
use ubus::Type;

use crate::bindings::{ubus_context, ubus_request_data};
use crate::refused::{before, cut, nth, Refused};
use crate::reply::{error, Reply, Status};

/// Answers with the list, or with what is wrong with the database.
pub fn answer(all: bool, ctx: *mut ubus_context, req: *mut ubus_request_data) -> Status {
    let mut reader = Reader::new(Database::Apk);
    let mut result = read(&mut reader, all);
    loop {
        let file = reader.file();
        let reply = Reply::write(|writer| match result {
            Ok(()) => {
                let packages = writer.open(Type::Table, "packages");
                let mut give = |name: &[u8], version: &[u8]| writer.string(name, version);
                reader.installed_mut().packagelist_to(all, &mut give);
                writer.close(packages);
            }
            Err(fault) => {
                let (detail, _) = cut(path(file), 0);
                error(writer, refused(fault), detail);
            }
        });
        if result.is_err() || !reply.is_empty() {
            return reply.send(ctx, req);
        }
        result = Err(Fault::TooLarge);
    }
}

fn read(reader: &mut Reader, all: bool) -> Result<(), Fault> {
    let mut file = File(-1);
    // Who asks for all needs no world.
    let result = reader.read(&mut file, !all);
    file.close();
    result
}

fn refused(fault: Fault) -> Refused {
    match fault {
        Fault::NoDatabase | Fault::NoWorld => Refused::NoDatabase,
        Fault::Unreadable => Refused::Unreadable,
        Fault::OutOfMemory => Refused::NoMemory,
        _ => Refused::Damaged,
    }
}

/// The paths of all databases, in their order, each with a NUL behind it.
const PATHS: &[u8] = b"/lib/apk/db/installed\0/etc/apk/world\0/usr/lib/opkg/status\0";

/// [`Database::path`] for C, and what happens to stand behind it.
fn path(database: Database) -> &'static [u8] {
    nth(PATHS, database as u8)
}

/// The descriptor of the file that is open; -1 for none.
struct File(c_int);

impl File {
    fn close(&self) {
        // SAFETY: the descriptor is ours, or none at all.
        unsafe { libc::close(self.0) };
    }
}

impl Source for File {
    /// It never waits: what should be a file may be a pipe by somebody's mistake.
    fn open(&mut self, database: Database) -> Result<bool, i32> {
        self.close();
        let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK;
        // SAFETY: the path ends with NUL, and no file is created.
        self.0 = unsafe { libc::open(path(database).as_ptr().cast(), flags) };
        if self.0 >= 0 {
            return Ok(true);
        }
        match errno() {
            libc::ENOENT | libc::ENOTDIR => Ok(false),
            errno => Err(errno),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, i32> {
        // SAFETY: the descriptor is ours, the buffer is as long as it says. No signal interrupts the reading
        // of a file.
        match unsafe { libc::read(self.0, buffer.as_mut_ptr().cast(), buffer.len()) } {
            len @ 0.. => Ok(len as usize),
            _ => Err(errno()),
        }
    }

    fn before(text: &[u8], end: u8) -> &[u8] {
        before(text, end)
    }
}

/// Why the last call into libc failed.
fn errno() -> c_int {
    // SAFETY: libc gives a pointer that is valid in this thread.
    unsafe { *libc::__errno_location() }
}

/// They are what the other crate has.
const _: () = {
    let databases = [Database::Apk, Database::World, Database::Opkg];
    let (mut number, mut start) = (0, 0);
    while number < databases.len() {
        let path = databases[number].path().as_bytes();
        assert!(databases[number] as usize == number);
        let mut at = 0;
        while at < path.len() {
            assert!(PATHS[start + at] == path[at]);
            at += 1;
        }
        assert!(PATHS[start + at] == 0);
        start += at + 1;
        number += 1;
    }
    assert!(start == PATHS.len());
};
