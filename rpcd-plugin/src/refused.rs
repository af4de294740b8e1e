//! Why a method did not do what it was asked for.

/// The reasons, in one byte each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// An upgrade is checked or at work.
    Busy,
    /// rpcd could not run the check.
    NotChecked,
    /// rpcd has ended the check.
    TooSlow,
    /// sysupgrade does not want the image.
    Rejected,
    /// The system has no process or descriptor left.
    NotStarted,
    /// The path does not lead straight below /tmp.
    Path,
    /// There is nothing of that name.
    Missing,
    /// It is a directory, a device, a symlink or another thing that is no file.
    NoFile,
    /// Somebody else owns it, or a directory on the way to it, or may write to one of them.
    Open,
    /// It is not the file that was looked at before.
    Changed,
    /// No memory.
    NoMemory,
    /// There is no package database, or no world.
    NoDatabase,
    /// The system does not give the package database out.
    Unreadable,
    /// The package database makes no sense, or is larger than the bus allows.
    Damaged,
}

/// One for each, in their order, one of the agent's error kinds before it.
const TEXTS: &[u8] = b"\
    busy An upgrade is under way.\0\
    sysupgrade Its check could not start.\0\
    sysupgrade Its check took too long.\0\
    sysupgrade sysupgrade refuses the image.\0\
    internal The upgrade could not start.\0\
    image The image must lie below /tmp, no . .. or //.\0\
    image No such image.\0\
    image It must be a regular file.\0\
    image Only root may own or write image and folder.\0\
    image The image has changed.\0\
    memory Out of memory.\0\
    storage No package database found.\0\
    storage The database can't be read.\0\
    storage The database is damaged or too large.\0";

impl Refused {
    /// One of the agent's error kinds, and a sentence for the router's owner.
    pub fn texts(self) -> (&'static [u8], &'static [u8]) {
        let (text, _) = cut(nth(TEXTS, self as u8), 0);
        cut(text, b' ')
    }
}

/// Of texts that each have a NUL behind them, one and all that follow. (A table of them would need a relocation for
/// every one.)
pub fn nth(texts: &'static [u8], number: u8) -> &'static [u8] {
    let mut rest = texts;
    for _ in 0..number {
        (_, rest) = cut(rest, 0);
    }
    rest
}

/// What stands before the first such byte.
#[inline(always)] // Once for the databases, where each instruction counts, and once for all else.
pub fn before(text: &[u8], end: u8) -> &[u8] {
    // SAFETY: so many bytes may be read.
    let found = unsafe { libc::memchr(text.as_ptr().cast(), end.into(), text.len()) };
    let len = (found as usize).wrapping_sub(text.as_ptr() as usize);
    text.get(..len).unwrap_or(text)
}

/// What stands before the first such byte, and what behind it.
#[inline(never)]
pub fn cut(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    let before = before(text, at);
    (before, text.get(before.len() + 1..).unwrap_or(&[]))
}
