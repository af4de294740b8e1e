//! `sysupgrade`: has an image checked, and starts the upgrade with it.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int, c_void};
use core::ptr::null;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use ubus::Status;

use crate::arguments::Sysupgrade;
use crate::bindings::{blob_buf, rpc_daemon_ops, ubus_context, ubus_request_data};
use crate::image::{Image, Refused};
use crate::reply::{code, Refusal, Reply};
use crate::start::{is_running, start, SYSUPGRADE};

/// rpcd's functions, from `init` on.
static RPCD: AtomicPtr<rpc_daemon_ops> = AtomicPtr::new(core::ptr::null_mut());

/// An image is being checked.
static CHECKING: AtomicBool = AtomicBool::new(false);

/// How much of sysupgrade's words is kept, its last ones.
const TAIL: usize = 1024;

/// A check while it runs; rpcd carries it from callback to callback, and frees it with free.
struct Check {
    image: Image,
    keep: bool,
    /// When it began, and how long rpcd lets it run, in milliseconds.
    began: i64,
    timeout: i64,
    tail: [u8; TAIL],
    tail_len: usize,
}

pub fn set_rpcd(ops: *const rpc_daemon_ops) {
    RPCD.store(ops.cast_mut(), Ordering::Relaxed);
}

/// Refuses at once, or leaves the answer to [`checked`].
pub fn answer(
    arguments: &Sysupgrade<'_>,
    ctx: *mut ubus_context,
    req: *mut ubus_request_data,
) -> Status {
    if CHECKING.load(Ordering::Relaxed) || is_running() {
        let message = "An upgrade is already under way.";
        return refuse("busy", message, ctx, req);
    }
    let image = match Image::look(arguments.path) {
        Ok(image) => image,
        Err(refused) => {
            let status = refuse(kind(refused), refused.message(), ctx, req);
            return match refused {
                Refused::Missing => Status::NotFound,
                _ => status,
            };
        }
    };
    if check(image, arguments.keep, ctx, req) {
        Status::Ok
    } else {
        let message = "The check of the image could not be started.";
        refuse("sysupgrade", message, ctx, req)
    }
}

fn refuse(
    kind: &'static str,
    message: &'static str,
    ctx: *mut ubus_context,
    req: *mut ubus_request_data,
) -> Status {
    let refusal = Refusal {
        kind,
        message,
        detail: b"",
    };
    match refused(refusal) {
        Some(reply) => reply.send(ctx, req),
        None => Status::NoMemory,
    }
}

fn refused(refusal: Refusal<'_>) -> Option<Reply> {
    Reply::error(refusal, true)
}

fn kind(refused: Refused) -> &'static str {
    match refused {
        Refused::Memory => "memory",
        _ => "image",
    }
}

/// Has rpcd run `sysupgrade --test PATH`.
fn check(image: Image, keep: bool, ctx: *mut ubus_context, req: *mut ubus_request_data) -> bool {
    // SAFETY: rpcd gave it to `init`, and keeps it as long as it runs.
    let Some(rpcd) = (unsafe { RPCD.load(Ordering::Relaxed).as_ref() }) else {
        return false;
    };
    // SAFETY: the pointer, where there is one, is to a number of rpcd's own.
    let (Some(exec), Some(timeout)) = (rpcd.exec, unsafe { rpcd.exec_timeout.as_ref() }) else {
        return false;
    };
    // A vector of one, because its memory may be refused.
    let mut own = Vec::new();
    if own.try_reserve_exact(1).is_err() {
        return false;
    }
    own.push(Check {
        image,
        keep,
        began: now(),
        timeout: i64::from(*timeout),
        tail: [0; TAIL],
        tail_len: 0,
    });
    let mut own = core::mem::ManuallyDrop::new(own);
    let check = own.as_mut_ptr();
    // SAFETY: just made. exec forks and copies nothing, so the arguments need to live no longer.
    let path = unsafe { (*check).image.path() };
    let mut arguments = [SYSUPGRADE.as_ptr(), c"--test".as_ptr(), path, null()];
    CHECKING.store(true, Ordering::Relaxed);
    // SAFETY: the callbacks take what exec's header says, and the last argument is theirs.
    let status = unsafe {
        exec(
            arguments.as_mut_ptr(),
            None,
            Some(said),
            Some(said),
            Some(checked),
            check.cast(),
            ctx,
            req,
        )
    };
    if status != 0 {
        CHECKING.store(false, Ordering::Relaxed);
        // exec has not taken it.
        drop(core::mem::ManuallyDrop::into_inner(own));
    }
    status == 0
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
    // SAFETY: `own` is the check we gave to exec. rpcd frees its memory after this, but not what it
    // holds: that is taken out here.
    let check = unsafe { &mut *own.cast::<Check>() };
    let reply = match check.judge(stat) {
        Ok(()) => Reply::write(&mut |writer| writer.bool("started", true)),
        Err(refusal) => refused(refusal),
    };
    // SAFETY: as above; nothing uses the image from here on.
    unsafe { core::ptr::drop_in_place(&raw mut check.image) };
    let Some(reply) = reply else {
        return code(Status::NoMemory);
    };
    // SAFETY: the buffer is rpcd's, empty, and sent and freed by nobody else.
    unsafe { reply.give_to(blob) };
    code(Status::Ok)
}

impl Check {
    /// Starts the upgrade, or says why not.
    fn judge(&mut self, stat: c_int) -> Result<(), Refusal<'_>> {
        let refuse = |kind, message| Refusal {
            kind,
            message,
            detail: b"",
        };
        // rpcd gives no status when it has killed the program for taking too long.
        if now() - self.began >= self.timeout {
            let message = "The check of the image took longer than rpcd allows.";
            return Err(refuse("sysupgrade", message));
        }
        if stat != 0 || !is_settled() {
            let message = "sysupgrade refuses the image.";
            let detail = self.tail.get(..self.tail_len).unwrap_or(&[]);
            return Err(Refusal {
                kind: "sysupgrade",
                message,
                detail,
            });
        }
        if let Err(refused) = self.image.look_again() {
            return Err(refuse(kind(refused), refused.message()));
        }
        if !start(self.image.path(), self.keep) {
            return Err(refuse("internal", "The upgrade could not be started."));
        }
        Ok(())
    }

    /// Keeps the end of what was said, as text that any JSON can hold.
    fn hear(&mut self, text: &[u8]) {
        let text = text.get(text.len().saturating_sub(TAIL)..).unwrap_or(text);
        let excess = (self.tail_len + text.len()).saturating_sub(TAIL);
        self.tail.copy_within(excess..self.tail_len, 0);
        self.tail_len -= excess;
        for (place, &byte) in self.tail.iter_mut().skip(self.tail_len).zip(text) {
            *place = match byte {
                b' '..=b'~' | b'\n' => byte,
                _ => b'?',
            };
        }
        self.tail_len += text.len();
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

/// Milliseconds since some moment in the past.
#[allow(
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "these fields have another width on 32-bit targets"
)]
fn now() -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: there is room for what clock_gettime writes.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as i64 * 1000 + time.tv_nsec as i64 / 1_000_000
}
