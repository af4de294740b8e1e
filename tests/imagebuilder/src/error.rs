//! What can go wrong while an ImageBuilder is made, run or read.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the miniature ImageBuilder.
#[derive(Debug)]
pub enum Error {
    /// A file could not be read or written.
    Io(PathBuf, io::Error),
    /// There is no such release, target, profile or command.
    Unknown(&'static str, String),
    /// A file, or a part of it, is not what it should be.
    Malformed(&'static str, String),
    /// The build ended as the real one does: these are the words for stderr.
    Build(String),
}

impl Error {
    /// Makes an [`Error::Io`] of what went wrong with `path`; for `map_err`.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::Io(path.to_path_buf(), error)
    }

    /// Makes an [`Error::Unknown`].
    pub fn unknown(what: &'static str, name: &str) -> Self {
        Self::Unknown(what, name.to_owned())
    }

    /// Makes an [`Error::Malformed`].
    pub fn malformed(what: &'static str, detail: impl fmt::Display) -> Self {
        Self::Malformed(what, detail.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Unknown(what, name) => write!(f, "There is no {what} called {name:?}."),
            Self::Malformed(what, detail) => write!(f, "This is no {what}: {detail}"),
            Self::Build(words) => f.write_str(words),
        }
    }
}

impl std::error::Error for Error {}
