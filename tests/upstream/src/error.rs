//! What can go wrong with a site.

use std::path::{Path, PathBuf};
use std::{fmt, io};

/// An error while a site is generated or served.
#[derive(Debug)]
pub enum Error {
    /// A file could not be read or written, a program not run, an address not be had.
    Io(PathBuf, io::Error),
    /// The miniature ImageBuilder failed.
    ImageBuilder(mini_imagebuilder::Error),
    /// `xz` failed.
    Xz(String),
}

impl Error {
    /// Makes an [`Error::Io`] of what went wrong with `path`; for `map_err`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::Io(path.to_path_buf(), error)
    }
}

impl From<mini_imagebuilder::Error> for Error {
    fn from(error: mini_imagebuilder::Error) -> Self {
        Self::ImageBuilder(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::ImageBuilder(error) => error.fmt(f),
            Self::Xz(why) => write!(f, "xz failed: {why}"),
        }
    }
}

impl std::error::Error for Error {}
