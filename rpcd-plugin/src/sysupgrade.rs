//! `sysupgrade`: has an image checked, and starts the upgrade with it.

use core::ffi::{c_char, c_int, c_void};
use core::ptr::{null, null_mut};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use crate::arguments::Arguments;
use crate::bindings::{blob_buf, rpc_daemon_ops, ubus_context, ubus_request_data};
use crate::image::{is_same, look, MAX_PATH};
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
    seen: libc::stat,
    keep: bool,
    /// When it began, see [`now`], and how many milliseconds rpcd lets it run.
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
    let result = check(arguments, ctx, req);
    let Err(refused) = result else {
        return Status::Ok;
    };
    match Reply::started(result, b"").send(ctx, req) {
        Status::Ok if refused == Refused::Missing => Status::NotFound,
        status => status,
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
    let check = unsafe { own.cast::<Check>().as_mut() }.ok_or(Refused::NoMemory)?;
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
    let result = check.judge(stat);
    let said = match result {
        Err(Refused::Rejected) => check.tail.get(..check.tail_len).unwrap_or(&[]),
        _ => &[],
    };
    let reply = Reply::started(result, said);
    // SAFETY: the buffer is rpcd's, empty, and sent and freed by nobody else.
    unsafe { reply.give_to(blob) as c_int }
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
        let path = self.path.get_mut(..self.path_len).unwrap_or(&mut []);
        look(path, &mut self.seen)?;
        self.keep = arguments.flag.unwrap_or(true);
        self.began = now();
        Ok(())
    }

    fn path(&self) -> *const c_char {
        self.path.as_ptr().cast()
    }

    /// Starts the upgrade, or says why not.
    fn judge(&mut self, stat: c_int) -> Result<(), Refused> {
        // rpcd gives no status when it has killed the program for taking too long.
        if now().wrapping_sub(self.began).saturating_mul(TICK) >= self.timeout {
            return Err(Refused::TooSlow);
        }
        if stat != 0 || !is_settled() {
            return Err(Refused::Rejected);
        }
        // SAFETY: zeros are a valid value of it.
        let mut now = unsafe { core::mem::zeroed::<libc::stat>() };
        let path = self.path.get_mut(..self.path_len).unwrap_or(&mut []);
        look(path, &mut now)?;
        if !is_same(&now, &self.seen) {
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
        pause(5);
    }
    true
}

/// How many milliseconds one of [`now`] has, on every Linux.
const TICK: u32 = 10;

/// Ticks of the clock since some moment in the past, and round again every year.
fn now() -> u32 {
    // SAFETY: Linux takes null for who does not want to know more.
    unsafe { libc::times(null_mut()) as u32 }
}

/// Waits.
pub fn pause(milliseconds: c_int) {
    // SAFETY: null is the place of no descriptor.
    unsafe { libc::poll(null_mut(), 0, milliseconds) };
}
