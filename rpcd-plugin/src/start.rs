//! Starting sysupgrade, so that it outlives rpcd and the answer outruns it.

use core::ffi::{c_char, c_int, CStr};
use core::ptr::null;

use crate::sysupgrade::pause;

pub const SYSUPGRADE: &CStr = c"/sbin/sysupgrade";

/// How many milliseconds the started process waits before it becomes sysupgrade. rpcd sends the answer as soon as we
/// return to it; this is for the answer's way on through ubusd, uhttpd and the network.
const DELAY: c_int = 2000;

/// Descriptors a process of rpcd's may have inherited.
const MAX_FDS: c_int = 1024;

/// The upgrade that was started last.
pub struct Upgrade {
    /// One above the reading end of a pipe whose writing end the upgrade and all that it starts hold; 0 before the
    /// first one.
    pipe: c_int,
}

impl Upgrade {
    /// Whether it is still at work.
    pub fn is_running(&mut self) -> bool {
        if self.pipe == 0 {
            return false;
        }
        let mut byte = 0u8;
        // SAFETY: the descriptor is ours and does not block; there is room for one byte.
        let len = unsafe { libc::read(self.pipe - 1, (&raw mut byte).cast(), 1) };
        if len != 0 {
            return true;
        }
        // Nobody holds the other end any more.
        // SAFETY: the descriptor is ours, and from now on unknown.
        unsafe { libc::close(self.pipe - 1) };
        self.pipe = 0;
        false
    }

    /// Starts `sysupgrade [-n] PATH` in a session of its own; `path` is a text with a NUL at its end. False
    /// where the system has no process or descriptor left.
    pub fn start(&mut self, path: *const c_char, keep: bool) -> bool {
        let mut pipe = [-1; 2];
        // The writing end has to stay open in the new program. That other programs of rpcd's inherit the reading one
        // changes nothing: it ends when nobody writes any more.
        // SAFETY: there is room for two descriptors.
        if unsafe { libc::pipe2(pipe.as_mut_ptr(), libc::O_NONBLOCK) } != 0 {
            return false;
        }
        let [reading, writing] = pipe;
        // SAFETY: rpcd has one thread, so the child may do anything.
        let child = unsafe { libc::fork() };
        if child == 0 {
            become_sysupgrade(path, keep, writing);
        }
        // SAFETY: the descriptor is ours.
        unsafe { libc::close(writing) };
        if child < 0 {
            // SAFETY: as above.
            unsafe { libc::close(reading) };
            return false;
        }
        self.pipe = reading + 1;
        true
    }
}

/// The child's part. Nothing of rpcd's goes along: no descriptor, and not the one signal that rpcd
/// ignores. It blocks none, and its folder is `/` already.
fn become_sysupgrade(path: *const c_char, keep: bool, alive: c_int) -> ! {
    let flag: *const c_char = if keep { path } else { c"-n".as_ptr() };
    let file: *const c_char = if keep { null() } else { path };
    let arguments = [SYSUPGRADE.as_ptr(), flag, file, null()];
    // SAFETY: these are plain system calls in a process of its own; all pointers are to NUL-ended
    // texts and to values that live until the process becomes another program or ends.
    unsafe {
        libc::setsid();
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        for fd in (0..MAX_FDS).filter(|&fd| fd != alive) {
            libc::close(fd);
        }
        // The lowest that are free.
        for _ in 0..3 {
            libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        }
        pause(DELAY);
        libc::execv(SYSUPGRADE.as_ptr(), arguments.as_ptr());
        libc::_exit(127)
    }
}
