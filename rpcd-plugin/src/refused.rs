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

/// A line for each, in their order, one of the agent's error kinds before it: a table of texts would
/// need a relocation for every one.
const TEXTS: &[u8] = b"\
busy An upgrade is under way.
sysupgrade Its check could not start.
sysupgrade Its check took too long.
sysupgrade sysupgrade refuses the image.
internal The upgrade could not start.
image The image must lie below /tmp, without . .. or //.
image No such image.
image The image must be a regular file.
image Image and folder must be root's, nobody else may write.
image The image has changed.
memory Out of memory.
storage No package database found.
storage The database can't be read.
storage The database is damaged or too large.
";

impl Refused {
    /// One of the agent's error kinds, and a sentence for the router's owner.
    pub fn texts(self) -> (&'static [u8], &'static [u8]) {
        let mut rest = TEXTS;
        let mut before = self as u8;
        loop {
            let (line, after) = cut(rest, b'\n');
            if before == 0 {
                return cut(line, b' ');
            }
            before -= 1;
            rest = after;
        }
    }
}

/// What stands before the first such byte, and what behind it.
pub fn cut(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    let before = packages::before(text, at);
    (before, text.get(before.len() + 1..).unwrap_or(&[]))
}
