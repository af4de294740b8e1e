//! `sysupgrade`: has an image checked, and starts the upgrade with it.

use core::ffi::{c_char, c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::{null, null_mut};

use crate::arguments::Arguments;
use crate::bindings::{blob_buf, rpc_daemon_ops, ubus_context, ubus_request_data};
use crate::image::{is_same, look, MAX_PATH};
use crate::refused::Refused;
use crate::reply::{Reply, Status};
use crate::start::{Upgrade, SYSUPGRADE};

/// How much of sysupgrade's words is kept: the last half of this at least.
const TAIL: usize = 1024;

/// What is known between two calls. All of it may be zero.
struct Check {
    /// rpcd's functions, from `init` on.
    rpcd: *const rpc_daemon_ops,
    /// An image is being checked.
    running: bool,
    /// The upgrade that was started last.
    upgrade: Upgrade,
    /// With a NUL at its end.
    path: [u8; MAX_PATH + 1],
    path_len: usize,
    /// What was found there before the check, and after it.
    seen: libc::stat,
    now: libc::stat,
    keep: bool,
    /// What the system said of rpcd's children.
    child: libc::siginfo_t,
    /// When it began, see [`now`], and how many milliseconds rpcd lets it run.
    began: u32,
    timeout: u32,
    tail: [u8; TAIL],
    tail_len: usize,
}

/// The one check there is at a time. rpcd has one thread, and never calls us from within a call.
static mut CHECK: MaybeUninit<Check> = MaybeUninit::zeroed();

/// [`CHECK`].
///
/// # Safety
/// What was given before must be in use no more.
unsafe fn the_check() -> &'static mut Check {
    // SAFETY: as the caller promised, and zeros are a valid check.
    unsafe { &mut *(&raw mut CHECK).cast::<Check>() }
}

pub fn set_rpcd(ops: *const rpc_daemon_ops) {
    // SAFETY: nobody has it yet.
    unsafe { the_check().rpcd = ops };
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
    // SAFETY: rpcd calls nobody else while this runs.
    let check = unsafe { the_check() };
    if check.running || check.upgrade.is_running() {
        return Err(Refused::Busy);
    }
    // SAFETY: rpcd gave it to `init`, and keeps it as long as it runs.
    let rpcd = unsafe { check.rpcd.as_ref() }.ok_or(Refused::NotChecked)?;
    let exec = rpcd.exec.ok_or(Refused::NotChecked)?;
    check.begin(arguments)?;
    // SAFETY: the pointer, where there is one, is to a number of rpcd's own.
    check.timeout = unsafe { rpcd.exec_timeout.as_ref() }.map_or(0, |&timeout| timeout as u32);
    let mut words = [
        SYSUPGRADE.as_ptr(),
        c"--test".as_ptr(),
        check.path(),
        null(),
    ];
    // SAFETY: the callbacks take what exec's header says. exec forks and copies nothing, so the words
    // need to live no longer.
    let status = unsafe {
        let (said, words) = (Some(said as _), words.as_mut_ptr());
        exec(words, None, said, said, Some(checked), null_mut(), ctx, req)
    };
    if status != 0 {
        return Err(Refused::NotChecked);
    }
    check.running = true;
    Ok(())
}

/// rpcd has read something that sysupgrade said. Gives how much of it was taken: all.
unsafe extern "C" fn said(
    _: *mut blob_buf,
    text: *mut c_char,
    len: c_int,
    _: *mut c_void,
) -> c_int {
    // SAFETY: the check is in nobody's use between two callbacks, and `text` as long as rpcd says.
    let (check, text) = unsafe {
        let len = usize::try_from(len).unwrap_or(0);
        (
            the_check(),
            core::slice::from_raw_parts(text.cast::<u8>(), len),
        )
    };
    check.hear(text);
    len
}

/// sysupgrade has ended, or was ended. rpcd sends what is in `blob` as soon as this returns.
unsafe extern "C" fn checked(blob: *mut blob_buf, stat: c_int, _: *mut c_void) -> c_int {
    // SAFETY: the check is in nobody's use between two callbacks.
    let check = unsafe { the_check() };
    check.running = false;
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
        let room = self.path.get_mut(..=path.len());
        let (end, text) = room.and_then(<[u8]>::split_last_mut).ok_or(Refused::Path)?;
        *end = 0;
        text.copy_from_slice(path);
        self.path_len = path.len() + 1;
        let path = self.path.get_mut(..self.path_len).unwrap_or(&mut []);
        look(path, &mut self.seen)?;
        self.tail_len = 0;
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
        if stat != 0 || !is_settled(&mut self.child) {
            return Err(Refused::Rejected);
        }
        let path = self.path.get_mut(..self.path_len).unwrap_or(&mut []);
        look(path, &mut self.now)?;
        if !is_same(&self.now, &self.seen) {
            return Err(Refused::Changed);
        }
        if !self.upgrade.start(self.path.as_ptr().cast(), self.keep) {
            return Err(Refused::NotStarted);
        }
        Ok(())
    }

    /// Keeps the end of what was said, as text that any JSON can hold.
    fn hear(&mut self, text: &[u8]) {
        for &byte in text {
            if self.tail_len == TAIL {
                let (older, newer) = self.tail.split_at_mut(TAIL / 2);
                older.copy_from_slice(newer);
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
fn is_settled(child: &mut libc::siginfo_t) -> bool {
    for _ in 0..4 {
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: there is room for what waitid writes; it leaves the child to rpcd.
        let failed = unsafe { libc::waitid(libc::P_ALL, 0, child, flags) } != 0;
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
