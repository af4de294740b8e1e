//! What an OpenWrt image says of itself: trailers, metadata, signatures.
//!
//! [`judge`] reads an image once, in pieces, and gives a [`Report`]: what it is (size, hashes), whether it is for this
//! device ([`metadata::Finding`]) and who vouches for it ([`signature::Finding`]). Nothing in an image is an error: what
//! is wrong with it is a verdict, and [`Error`] is left for files that can't be read.
//!
//! Every length is checked before it is used, and no more than some 64 KiB are held, however large the image is.
#![forbid(unsafe_code)]
// On a router `{:?}` says little (`-Z fmt-debug=shallow`), so nothing that anybody reads may need it.
#![cfg_attr(not(test), deny(clippy::use_debug))]

mod crc32;
mod date;
pub mod detached;
mod device;
mod error;
mod image;
mod keyring;
pub mod metadata;
mod plain;
mod sha256;
pub mod signature;
pub mod trailer;
pub mod ucert;
pub mod usign;

pub use device::Device;
pub use error::Error;
pub use image::{judge, Report};
pub use keyring::{KeyProblem, KeyRing, Problem};
pub use plain::steers;
pub use sha256::{NotHex, Sha256};
