//! Plain structs into blobmsg and out of it, by way of serde.
//!
//! The mapping is the one between JSON and blobmsg that libubox has: a struct or map is a table, a sequence an array, an integer is
//! 32 bit wide where it fits and else 64, a boolean has 8 bits, a missing value is an attribute of type 0.

mod de;
mod ser;

use alloc::string::{String, ToString};
use core::fmt;

pub use de::from_blobmsg;
pub use ser::to_blobmsg;

use crate::blob::Malformed;
use crate::write::Full;

/// How deep tables and arrays may nest, in both directions.
pub const MAX_DEPTH: usize = 64;

/// Why data could not be written as blobmsg or read from it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataError {
    /// The bytes are no blobmsg.
    Malformed,
    /// A length does not fit into its field.
    TooLarge,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// What stands alone in a message has to be a struct or a map.
    NotATable,
    /// An unsigned integer beyond the signed 64 bits that blobmsg has.
    OutOfRange,
    /// A map whose keys are neither texts, numbers nor booleans.
    KeyNotAText,
    /// The data is not what the type expects; serde's words.
    Unexpected(String),
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataError::Malformed => Malformed.fmt(f),
            DataError::TooLarge => Full.fmt(f),
            DataError::TooDeep => write!(f, "the data is nested more than {MAX_DEPTH} levels deep"),
            DataError::NotATable => f.write_str("a message has to be a table"),
            DataError::OutOfRange => f.write_str("a number does not fit into 64 bits with a sign"),
            DataError::KeyNotAText => f.write_str("a key of a table has to be a text"),
            DataError::Unexpected(words) => write!(f, "the data is not as expected: {words}"),
        }
    }
}

impl core::error::Error for DataError {}

impl From<Malformed> for DataError {
    fn from(_: Malformed) -> Self {
        DataError::Malformed
    }
}

impl From<Full> for DataError {
    fn from(_: Full) -> Self {
        DataError::TooLarge
    }
}

impl serde::ser::Error for DataError {
    fn custom<T: fmt::Display>(words: T) -> Self {
        DataError::Unexpected(words.to_string())
    }
}

impl serde::de::Error for DataError {
    fn custom<T: fmt::Display>(words: T) -> Self {
        DataError::Unexpected(words.to_string())
    }
}
