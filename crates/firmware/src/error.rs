//! Why an image could not be judged at all.

use std::{fmt, io};

/// Why an image could not be judged at all. What is wrong *with* an image is never an error but a verdict.
#[derive(Debug)]
pub enum Error {
    /// The file could not be read.
    Io(io::Error),
    /// The file was written to, or cut, while it was read: there is nothing to judge.
    Changed,
}

impl Error {
    /// A word for machines: `io` or `changed`.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Io(_) => "io",
            Error::Changed => "changed",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => write!(f, "The image could not be read: {error}."),
            Error::Changed => f.write_str("The image changed while it was being checked."),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(error) => Some(error),
            Error::Changed => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // Only what was there a moment ago is read to its end.
            io::ErrorKind::UnexpectedEof => Error::Changed,
            _ => Error::Io(error),
        }
    }
}
