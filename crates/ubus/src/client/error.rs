//! What can go wrong between us and the bus.

use std::fmt;
use std::io;

use crate::blob::Malformed;
use crate::data::DataError;
use crate::status::Status;
use crate::write::Full;

/// Why something on the bus failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// ubusd can't be reached: its socket is missing, or nobody listens on it.
    Connect(io::Error),
    /// The socket failed later on.
    Socket(io::Error),
    /// ubusd closed the connection, or it was given up after a former error.
    Disconnected,
    /// ubusd sent something that is no message.
    Malformed,
    /// ubusd sends more than is taken in, or takes in less than is sent.
    Overrun,
    /// The time for an answer is over.
    Timeout,
    /// The call ended with this status, never [`Status::Ok`].
    Status(Status),
    /// Arguments or an answer could not be written or read.
    Data(DataError),
}

impl Error {
    /// The status that a program would see on the bus.
    pub fn status(&self) -> Status {
        match self {
            Error::Connect(_) | Error::Socket(_) | Error::Disconnected | Error::Overrun => {
                Status::ConnectionFailed
            }
            Error::Malformed | Error::Data(_) => Status::ParseError,
            Error::Timeout => Status::Timeout,
            Error::Status(status) => *status,
        }
    }

    /// Whether the connection is of no use any more.
    pub fn is_fatal(&self) -> bool {
        matches!(
            self,
            Error::Connect(_)
                | Error::Socket(_)
                | Error::Disconnected
                | Error::Malformed
                | Error::Overrun
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Connect(error) => write!(f, "the bus (ubusd) can't be reached: {error}"),
            Error::Socket(error) => write!(f, "the connection to the bus failed: {error}"),
            Error::Disconnected => f.write_str("the bus closed the connection"),
            Error::Malformed => f.write_str("the bus sent something that is not a message"),
            Error::Overrun => f.write_str("the bus and this program can't keep up with each other"),
            Error::Timeout => f.write_str("there was no answer on the bus in time"),
            Error::Status(status) => status.fmt(f),
            Error::Data(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Connect(error) | Error::Socket(error) => Some(error),
            Error::Data(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Malformed> for Error {
    fn from(_: Malformed) -> Self {
        Error::Malformed
    }
}

impl From<Full> for Error {
    fn from(error: Full) -> Self {
        Error::Data(error.into())
    }
}

impl From<DataError> for Error {
    fn from(error: DataError) -> Self {
        Error::Data(error)
    }
}
