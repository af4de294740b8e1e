//! What can go wrong in the server itself; what goes wrong in a build is an answer, not an error.

use std::path::{Path, PathBuf};
use std::{fmt, io};

/// An error of the server.
#[derive(Debug)]
pub enum Error {
    /// A file, a folder or an address could not be used.
    Io(PathBuf, io::Error),
    /// The download site could not be reached, or its answer not be read.
    Upstream(String, String),
    /// The queue that many processes share could not be reached.
    Queue(String),
}

impl Error {
    /// Makes an [`Error::Io`] of what went wrong with `path`; for `map_err`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::Io(path.to_path_buf(), error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Queue(why) => write!(f, "The queue could not be reached: {why}"),
            Self::Upstream(url, why) => {
                write!(f, "{url} could not be had from the download site: {why}")
            }
        }
    }
}

impl std::error::Error for Error {}
