//! The status every call on the bus ends with.

use core::fmt;

/// How a call ended. The numbers are those of ubusd (ubusmsg.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 0: done.
    Ok,
    /// 1: ubusd does not know this kind of message.
    InvalidCommand,
    /// 2: an argument is unknown, missing or of the wrong type; also a path that is taken.
    InvalidArgument,
    /// 3: the object has no such method.
    MethodNotFound,
    /// 4: no such object, or what the method was asked about does not exist.
    NotFound,
    /// 5: nobody answered, or there is nothing to answer.
    NoData,
    /// 6: the caller may not do this.
    PermissionDenied,
    /// 7: it took too long.
    Timeout,
    /// 8: this system can't do it.
    NotSupported,
    /// 9: it failed without saying why.
    UnknownError,
    /// 10: the connection failed.
    ConnectionFailed,
    /// 11: not enough memory.
    NoMemory,
    /// 12: the data could not be read.
    ParseError,
    /// 13: the system refused something.
    SystemError,
    /// A number that nobody has given a meaning to.
    Other(u32),
}

const KNOWN: [Status; 14] = [
    Status::Ok,
    Status::InvalidCommand,
    Status::InvalidArgument,
    Status::MethodNotFound,
    Status::NotFound,
    Status::NoData,
    Status::PermissionDenied,
    Status::Timeout,
    Status::NotSupported,
    Status::UnknownError,
    Status::ConnectionFailed,
    Status::NoMemory,
    Status::ParseError,
    Status::SystemError,
];

impl Status {
    /// The status with this number.
    pub fn from_code(code: u32) -> Self {
        let known = KNOWN.get(code as usize).copied();
        known.unwrap_or(Status::Other(code))
    }

    /// The number on the wire.
    pub fn code(self) -> u32 {
        match self {
            Status::Other(code) => code,
            Status::Ok => 0,
            Status::InvalidCommand => 1,
            Status::InvalidArgument => 2,
            Status::MethodNotFound => 3,
            Status::NotFound => 4,
            Status::NoData => 5,
            Status::PermissionDenied => 6,
            Status::Timeout => 7,
            Status::NotSupported => 8,
            Status::UnknownError => 9,
            Status::ConnectionFailed => 10,
            Status::NoMemory => 11,
            Status::ParseError => 12,
            Status::SystemError => 13,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Ok => "it succeeded",
            Status::InvalidCommand => "the bus does not know this command",
            Status::InvalidArgument => {
                "an argument is unknown, missing, of the wrong type, or taken"
            }
            Status::MethodNotFound => "the object has no such method",
            Status::NotFound => "there is no such object",
            Status::NoData => "there was no response",
            Status::PermissionDenied => "permission denied",
            Status::Timeout => "the request timed out",
            Status::NotSupported => "this system does not support it",
            Status::UnknownError => "the call failed without a reason",
            Status::ConnectionFailed => "the connection failed",
            Status::NoMemory => "there is not enough memory",
            Status::ParseError => "the data of the message could not be read",
            Status::SystemError => "the system refused the operation",
            Status::Other(code) => return write!(f, "the call failed with status {code}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        for code in 0..20 {
            assert_eq!(Status::from_code(code).code(), code);
        }
        assert_eq!(Status::from_code(13), Status::SystemError);
        assert_eq!(Status::from_code(14), Status::Other(14));
    }
}
