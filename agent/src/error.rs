//! What can go wrong, as the owner of a router gets to see it.
//!
//! Every layer has an enum of its own; on its way to the bus or the terminal it becomes this
//! [`Error`]: a kind for programs, a sentence for people and the raw words of other programs.

use crate::json::{Decode, Encode};
use core::fmt;
use std::io::ErrorKind;

/// At most so much of other programs' output travels with an error: enough for the end of an
/// ImageBuilder's log, small against the 1 MiB a bus message may have.
const DETAIL_LIMIT: usize = 8 * 1024;

/// The machine-readable kind of an error (`error.kind` on the bus).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub enum Kind {
    /// The caller asked for something that makes no sense.
    Usage,
    /// Another job is running.
    Busy,
    /// The server can't be reached.
    Offline,
    /// The router's clock is implausible.
    Clock,
    /// The connection is not secure.
    Tls,
    /// The server answered with something it should not.
    Server,
    /// The server has too much to do.
    Overloaded,
    /// The server knows nothing for this device, version or request.
    Unsupported,
    /// The wanted packages can't be had together.
    Packages,
    /// The server could not build the image.
    Build,
    /// The answer is not for what was asked.
    Mismatch,
    /// Not enough memory.
    Memory,
    /// Not enough space, or a file can't be read or written.
    Storage,
    /// Size or hash are not as announced.
    Checksum,
    /// The signature is bad, or missing where one is required.
    Signature,
    /// The image is not for this device or is damaged.
    Image,
    /// sysupgrade or one of its tests refused.
    Sysupgrade,
    /// Somebody cancelled.
    Cancelled,
    /// A fault of this program, or of the system below it.
    #[default]
    Internal,
}

impl Kind {
    /// The exit code of the command line for an error of this kind (design section 4).
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Usage => 2,
            Kind::Offline | Kind::Clock | Kind::Tls | Kind::Server | Kind::Overloaded => 3,
            Kind::Unsupported | Kind::Packages | Kind::Build => 4,
            Kind::Mismatch | Kind::Checksum | Kind::Signature | Kind::Image => 5,
            Kind::Memory | Kind::Storage => 6,
            Kind::Busy | Kind::Sysupgrade | Kind::Cancelled | Kind::Internal => 1,
        }
    }
}

/// An error as it crosses the bus: `{kind, message, detail}`, and `retry_after` where a server said so.
#[derive(Clone, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub struct Error {
    /// For programs.
    pub kind: Kind,
    /// One sentence or two which a router owner understands, with what to do.
    pub message: String,
    /// The last words of another program (stdout, stderr, an answer), at most 8 KiB, or empty.
    #[field(optional)]
    pub detail: String,
    /// How many seconds a server wants to be left alone.
    #[field(sparse)]
    pub retry_after: Option<u64>,
}

impl Error {
    /// An error with nothing but its sentence.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            detail: String::new(),
            retry_after: None,
        }
    }

    /// The same with the words of another program; only their end is kept.
    pub fn with_detail(mut self, detail: &str) -> Self {
        self.detail = tail(detail, DETAIL_LIMIT).to_owned();
        self
    }

    /// A file that can't be read or written; the path is never lost.
    pub fn file(path: &std::path::Path, what: &str, error: &std::io::Error) -> Self {
        let hint = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                " Remove files that you can do without, then try again."
            }
            ErrorKind::FileTooLarge => {
                " It would be larger than this router has room for: stop services that you can do without, or remove files from /tmp."
            }
            _ => "",
        };
        let sentence = format!("{} can't be {what}: {error}.{hint}", path.display());
        Error::new(Kind::Storage, sentence)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The last `limit` bytes of `text`, cut at a character.
pub fn tail(text: &str, limit: usize) -> &str {
    let mut start = text.len().saturating_sub(limit);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_cut_at_a_character() {
        assert_eq!(tail("aäb", 2), "b");
        assert_eq!(tail("aäb", 3), "äb");
        assert_eq!(tail("ab", 10), "ab");
    }

    #[test]
    fn kinds_are_lower_case_words() {
        let text = crate::json::text(&Error::new(Kind::Overloaded, "x")).unwrap();
        assert_eq!(text, r#"{"kind":"overloaded","message":"x","detail":""}"#);
    }
}
