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

impl Refused {
    /// One of the agent's error kinds.
    pub fn kind(self) -> &'static str {
        match self {
            Refused::Busy => "busy",
            Refused::NotChecked | Refused::TooSlow | Refused::Rejected => "sysupgrade",
            Refused::NotStarted => "internal",
            Refused::Memory => "memory",
            Refused::NoDatabase | Refused::Damaged => "packages",
            Refused::Unreadable => "storage",
            _ => "image",
        }
    }

    /// A sentence for the router's owner.
    pub fn message(self) -> &'static str {
        match self {
            Refused::Busy => "An upgrade is already under way.",
            Refused::NotChecked => "The check of the image could not be started.",
            Refused::TooSlow => "The check of the image took longer than rpcd allows.",
            Refused::Rejected => "sysupgrade refuses the image.",
            Refused::NotStarted => "The upgrade could not be started.",
            Refused::Path => "The image must lie below /tmp, named without . and .. and //.",
            Refused::Missing => "There is no such image.",
            Refused::NoFile => "The image must be a regular file, and no part of its path a link.",
            Refused::Open => {
                "The image and its folder must belong to root, and nobody else may write to them."
            }
            Refused::Changed => "The image was changed while it was checked.",
            Refused::Memory => "There is not enough memory.",
            Refused::NoDatabase => "There is no package database.",
            Refused::Unreadable => "The package database can't be read.",
            Refused::Damaged => "The package database is damaged or too large.",
        }
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
