//! Starting sysupgrade, so that it outlives rpcd and the answer outruns it.

use core::ffi::{c_char, c_int, CStr};
use core::ptr::{null, null_mut};
use core::sync::atomic::{AtomicI32, Ordering};

pub const SYSUPGRADE: &CStr = c"/sbin/sysupgrade";

/// How long the started process waits before it becomes sysupgrade. rpcd sends the answer as soon as we
/// return to it; this is for the answer's way on through ubusd, uhttpd and the network.
const DELAY_SECONDS: i32 = 2;

/// Descriptors a process of rpcd's may have inherited.
const MAX_FDS: c_int = 1024;

/// The reading end of a pipe whose writing end the upgrade and all that it starts hold; -1 before
/// the first one.
static UPGRADE: AtomicI32 = AtomicI32::new(-1);

/// Whether an upgrade that was started here is still at work.
pub fn is_running() -> bool {
    let fd = UPGRADE.load(Ordering::Relaxed);
    if fd < 0 {
        return false;
    }
    let mut byte = 0u8;
    // SAFETY: the descriptor is ours and does not block; there is room for one byte.
    let len = unsafe { libc::read(fd, (&raw mut byte).cast(), 1) };
    if len != 0 {
        return true;
    }
    // Nobody holds the other end any more.
    UPGRADE.store(-1, Ordering::Relaxed);
    // SAFETY: the descriptor is ours, and from now on unknown.
    unsafe { libc::close(fd) };
    false
}

/// Starts `sysupgrade [-n] PATH` in a session of its own; `path` is a text with a NUL at its end. False
/// where the system has no process or descriptor left.
pub fn start(path: *const c_char, keep: bool) -> bool {
    let mut pipe = [-1; 2];
    // SAFETY: there is room for two descriptors.
    if unsafe { libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } != 0 {
        return false;
    }
    let [reading, writing] = pipe;
    // SAFETY: rpcd has one thread, so the child may do anything.
    match unsafe { libc::fork() } {
        0 => become_sysupgrade(path, keep, writing),
        child => {
            // SAFETY: the descriptor is ours.
            unsafe { libc::close(writing) };
            if child < 0 {
                // SAFETY: as above.
                unsafe { libc::close(reading) };
                return false;
            }
            UPGRADE.store(reading, Ordering::Relaxed);
            true
        }
    }
}

/// The child's part. Nothing of rpcd's goes along: no descriptor, no ignored or blocked signal.
#[allow(
    clippy::useless_conversion,
    reason = "seconds have another width on 32-bit targets"
)]
fn become_sysupgrade(path: *const c_char, keep: bool, alive: c_int) -> ! {
    let flag: *const c_char = if keep { path } else { c"-n".as_ptr() };
    let file: *const c_char = if keep { null() } else { path };
    let arguments = [SYSUPGRADE.as_ptr(), flag, file, null()];
    let delay = libc::timespec {
        tv_sec: DELAY_SECONDS.into(),
        tv_nsec: 0,
    };
    // SAFETY: these are plain system calls in a process of its own; all pointers are to NUL-ended
    // texts and to values that live until the process becomes another program or ends.
    unsafe {
        libc::setsid();
        libc::chdir(c"/".as_ptr());
        // Zeros are the empty set in every libc of Linux.
        let none = core::mem::zeroed::<libc::sigset_t>();
        libc::sigprocmask(libc::SIG_SETMASK, &none, null_mut());
        for signal in [libc::SIGPIPE, libc::SIGINT, libc::SIGTERM, libc::SIGCHLD] {
            libc::signal(signal, libc::SIG_DFL);
        }
        let nowhere = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        for fd in 0..3 {
            libc::dup2(nowhere, fd);
        }
        libc::dup2(alive, 3);
        libc::fcntl(3, libc::F_SETFD, 0);
        for fd in 4..MAX_FDS {
            libc::close(fd);
        }
        libc::nanosleep(&delay, null_mut());
        libc::execv(SYSUPGRADE.as_ptr(), arguments.as_ptr());
        libc::_exit(127)
    }
}
