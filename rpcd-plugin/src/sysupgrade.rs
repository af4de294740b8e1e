//! `sysupgrade`: has an image checked, and starts the upgrade with it.

use core::ffi::{c_char, c_int, c_void};
use core::ptr::null;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::arguments::Arguments;
use crate::bindings::{blob_buf, rpc_daemon_ops, ubus_context, ubus_request_data};
use crate::image::{look, Seen, MAX_PATH};
use crate::refused::Refused;
use crate::reply::{Reply, Status};
use crate::start::{is_running, start, SYSUPGRADE};

/// rpcd's functions, from `init` on.
static RPCD: AtomicPtr<rpc_daemon_ops> = AtomicPtr::new(core::ptr::null_mut());

/// An image is being checked.
static CHECKING: AtomicBool = AtomicBool::new(false);

/// How much of sysupgrade's words is kept: the last half of this at least.
const TAIL: usize = 1024;

/// A check while it runs; rpcd carries it from callback to callback, and frees it with free. All of
/// it may be zero.
struct Check {
    /// With a NUL at its end.
    path: [u8; MAX_PATH + 1],
    path_len: usize,
    /// What was found there before the check.
    seen: Seen,
    keep: bool,
    /// When it began, and how long rpcd lets it run, in milliseconds.
    began: u32,
    timeout: u32,
    tail: [u8; TAIL],
    tail_len: usize,
}

pub fn set_rpcd(ops: *const rpc_daemon_ops) {
    RPCD.store(ops.cast_mut(), Ordering::Relaxed);
}

/// Refuses at once, or leaves the answer to [`checked`].
pub fn answer(
    arguments: &Arguments<'_>,
    ctx: *mut ubus_context,
    req: *mut ubus_request_data,
) -> Status {
    let Err(refused) = check(arguments, ctx, req) else {
        return Status::Ok;
    };
    match Reply::error(refused, b"", true).map(|reply| reply.send(ctx, req)) {
        Some(Status::Ok) => refused.status(),
        Some(failed) => failed,
        None => Status::NoMemory,
    }
}

/// Has rpcd run `sysupgrade --test PATH`.
fn check(
    arguments: &Arguments<'_>,
    ctx: *mut ubus_context,
    req: *mut ubus_request_data,
) -> Result<(), Refused> {
    if CHECKING.load(Ordering::Relaxed) || is_running() {
        return Err(Refused::Busy);
    }
    // SAFETY: rpcd gave it to `init`, and keeps it as long as it runs.
    let rpcd = unsafe { RPCD.load(Ordering::Relaxed).as_ref() }.ok_or(Refused::NotChecked)?;
    let exec = rpcd.exec.ok_or(Refused::NotChecked)?;
    // SAFETY: plain memory of that size, all zero, which is what a `Check` may be.
    let own = unsafe { libc::calloc(1, size_of::<Check>()) };
    // SAFETY: as above; where there is any, it is ours until exec takes it.
    let check = unsafe { own.cast::<Check>().as_mut() }.ok_or(Refused::Memory)?;
    let result = check.begin(arguments).and_then(|()| {
        // SAFETY: the pointer, where there is one, is to a number of rpcd's own.
        check.timeout = unsafe { rpcd.exec_timeout.as_ref() }.map_or(0, |&timeout| timeout as u32);
        let mut words = [
            SYSUPGRADE.as_ptr(),
            c"--test".as_ptr(),
            check.path(),
            null(),
        ];
        // SAFETY: the callbacks take what exec's header says, and the last argument is theirs. exec
        // forks and copies nothing, so the words need to live no longer.
        let status = unsafe {
            let (said, words) = (Some(said as _), words.as_mut_ptr());
            exec(words, None, said, said, Some(checked), own, ctx, req)
        };
        if status == 0 {
            Ok(())
        } else {
            Err(Refused::NotChecked)
        }
    });
    CHECKING.store(result.is_ok(), Ordering::Relaxed);
    if result.is_err() {
        // SAFETY: exec has not taken it.
        unsafe { libc::free(own) };
    }
    result
}

/// rpcd has read something that sysupgrade said. Gives how much of it was taken: all.
unsafe extern "C" fn said(
    _: *mut blob_buf,
    text: *mut c_char,
    len: c_int,
    own: *mut c_void,
) -> c_int {
    // SAFETY: `own` is the check we gave to exec, and `text` as long as rpcd says.
    let (check, text) = unsafe {
        let text =
            core::slice::from_raw_parts(text.cast::<u8>(), usize::try_from(len).unwrap_or(0));
        (&mut *own.cast::<Check>(), text)
    };
    check.hear(text);
    len
}

/// sysupgrade has ended, or was ended. rpcd sends what is in `blob` as soon as this returns.
unsafe extern "C" fn checked(blob: *mut blob_buf, stat: c_int, own: *mut c_void) -> c_int {
    CHECKING.store(false, Ordering::Relaxed);
    // SAFETY: `own` is the check we gave to exec, which rpcd frees after this.
    let check = unsafe { &mut *own.cast::<Check>() };
    let reply = match check.judge(stat) {
        Ok(()) => Reply::write(&mut |writer| writer.bool("started", true)),
        Err(refused) => {
            let said = check.tail.get(..check.tail_len).unwrap_or(&[]);
            let rejected = refused == Refused::Rejected;
            Reply::error(refused, if rejected { said } else { b"" }, true)
        }
    };
    let Some(reply) = reply else {
        return Status::NoMemory as c_int;
    };
    // SAFETY: the buffer is rpcd's, empty, and sent and freed by nobody else.
    unsafe { reply.give_to(blob) };
    Status::Ok as c_int
}

impl Check {
    /// Looks at the image that is to be checked.
    fn begin(&mut self, arguments: &Arguments<'_>) -> Result<(), Refused> {
        let path = arguments.path.unwrap_or(b"/tmp/firmware.bin");
        // The byte behind it is the NUL.
        self.path_len = path.len() + 1;
        self.path
            .get_mut(..path.len())
            .filter(|_| path.len() <= MAX_PATH)
            .ok_or(Refused::Path)?
            .copy_from_slice(path);
        self.seen = self.look()?;
        self.keep = arguments.flag.unwrap_or(true);
        self.began = now();
        Ok(())
    }

    fn look(&mut self) -> Result<Seen, Refused> {
        look(self.path.get_mut(..self.path_len).unwrap_or(&mut []))
    }

    fn path(&self) -> *const c_char {
        self.path.as_ptr().cast()
    }

    /// Starts the upgrade, or says why not.
    fn judge(&mut self, stat: c_int) -> Result<(), Refused> {
        // rpcd gives no status when it has killed the program for taking too long.
        if now().wrapping_sub(self.began) >= self.timeout {
            return Err(Refused::TooSlow);
        }
        if stat != 0 || !is_settled() {
            return Err(Refused::Rejected);
        }
        if self.look()? != self.seen {
            return Err(Refused::Changed);
        }
        if !start(self.path(), self.keep) {
            return Err(Refused::NotStarted);
        }
        Ok(())
    }

    /// Keeps the end of what was said, as text that any JSON can hold.
    fn hear(&mut self, text: &[u8]) {
        for &byte in text {
            if self.tail_len == TAIL {
                self.tail.copy_within(TAIL / 2.., 0);
                self.tail_len = TAIL / 2;
            }
            if let Some(place) = self.tail.get_mut(self.tail_len) {
                *place = match byte {
                    b' '..=b'~' | b'\n' => byte,
                    _ => b'?',
                };
                self.tail_len += 1;
            }
        }
    }
}

/// Whether the status that rpcd gave can be believed when it is 0. rpcd calls us when the program
/// has closed its outputs, which may be just before rpcd has learnt its status, still 0 then. So no
/// child may be left that has failed and was not asked for its status; one that is about to end gets
/// a moment to do so. (Should this let a refused image pass, sysupgrade itself still refuses it when
/// it is started.)
fn is_settled() -> bool {
    let pause = libc::timespec {
        tv_sec: 0,
        tv_nsec: 5_000_000,
    };
    for _ in 0..4 {
        // SAFETY: zeros are a valid value of it.
        let mut child = unsafe { core::mem::zeroed::<libc::siginfo_t>() };
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: there is room for what waitid writes; it leaves the child to rpcd.
        let failed = unsafe { libc::waitid(libc::P_ALL, 0, &mut child, flags) } != 0;
        if failed {
            // No child at all: rpcd has its status.
            return true;
        }
        // SAFETY: waitid has filled in these fields, or left them zero.
        let (pid, status) = unsafe { (child.si_pid(), child.si_status()) };
        if pid != 0 {
            return status == 0;
        }
        // SAFETY: plain system call.
        unsafe { libc::nanosleep(&pause, core::ptr::null_mut()) };
    }
    true
}

/// Milliseconds since some moment in the past, and round again every seven weeks.
fn now() -> u32 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: there is room for what clock_gettime writes.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    (time.tv_sec as u32).wrapping_mul(1000) + time.tv_nsec as u32 / 1_000_000
}
