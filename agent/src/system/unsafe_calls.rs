//! The two calls that neither the standard library nor nix offers safely, and a name of the C library
//! that is taken. All unsafe code of the agent stands here.
#![allow(unsafe_code)]

use nix::libc;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has the program run in a session of its own, and hear all signals.
pub fn own_session(command: &mut Command) {
    // SAFETY: between fork and exec only setsid and sigprocmask are called, which are
    // async-signal-safe (POSIX) and touch no memory of ours. The command line blocks signals to
    // hear of them in its loop; what it starts must not inherit that.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            Ok(nix::sys::signal::SigSet::empty().thread_set_mask()?)
        });
    }
}

/// Whether anybody has `file` (opened for reading) open for writing, this process included.
///
/// A read lease is given only on a file that nobody can write to, mappings included (fcntl(2)). It
/// is given back at once: from then on the file's folder and mode have to keep others away. An
/// error: the file system gives no leases, so nobody knows.
pub fn is_open_for_writing(file: &File) -> io::Result<bool> {
    let lease = |kind: libc::c_int| {
        // SAFETY: fcntl gets an open descriptor and two integers; it touches no memory of ours.
        match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    match lease(libc::F_RDLCK) {
        Ok(()) => lease(libc::F_UNLCK).map(|()| false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

/// In the place of musl's, which brings printf along: the standard library calls it for threads that
/// have a name, and none of ours has.
// SAFETY: the signature is the C library's, and the linker takes one of both.
#[cfg(target_env = "musl")]
#[unsafe(no_mangle)]
extern "C" fn pthread_setname_np(_: libc::pthread_t, _: *const libc::c_char) -> libc::c_int {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_can_write_to_a_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let writer = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        let Ok(found) = is_open_for_writing(&reader) else {
            return;
        };
        assert!(found);
        drop(writer);
        assert!(!is_open_for_writing(&reader).unwrap());
        File::options().write(true).open(&path).unwrap();
        assert!(!is_open_for_writing(&reader).unwrap());
    }
}
