//! Why a method did not do what it was asked for.

use crate::reply::Status;

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
    Memory,
    /// There is no package database, or no world.
    NoDatabase,
    /// The system does not give the package database out.
    Unreadable,
    /// The package database makes no sense, or is larger than the bus allows.
    Damaged,
}

/// A line for each, in their order: a table of texts would need a relocation for every one.
const TEXTS: &[u8] = b"\
busy An upgrade is under way.
sysupgrade The check could not be started.
sysupgrade The check took longer than rpcd allows.
sysupgrade sysupgrade refuses the image.
internal The upgrade could not be started.
image The image must lie below /tmp, without . or .. or //.
image There is no such image.
image The image must be a regular file.
image Image and folder must be root's; nobody else may write there.
image The image has changed.
memory No memory is left.
packages There is no package database.
storage The database can't be read.
packages The database is damaged or too large.";

impl Refused {
    /// One of the agent's error kinds, and a sentence for the router's owner.
    pub fn texts(self) -> (&'static [u8], &'static [u8]) {
        let mut texts = TEXTS.split(|&byte| byte == b'\n');
        let text = texts.nth(self as usize).unwrap_or(&[]);
        let kind = text.iter().position(|&byte| byte == b' ').unwrap_or(0);
        (
            text.get(..kind).unwrap_or(&[]),
            text.get(kind + 1..).unwrap_or(&[]),
        )
    }

    /// What the call ends with.
    pub fn status(self) -> Status {
        match self {
            Refused::Missing | Refused::NoDatabase => Status::NotFound,
            Refused::Unreadable => Status::SystemError,
            Refused::Damaged => Status::ParseError,
            _ => Status::Ok,
        }
    }
}
