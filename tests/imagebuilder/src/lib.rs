//! A miniature ImageBuilder for tests: a folder that `make info`, `make manifest` and `make image` work in as they do in
//! OpenWrt's, with the same words on stdout and stderr, but which is made in milliseconds and builds in milliseconds.
//!
//! Its images are small and deterministic; they carry the list of their packages (see [`payload`]) and end in a metadata
//! trailer as OpenWrt's fwtool writes it (see [`trailer`]). With a key they are signed (see [`signing`]).
//!
//! ```no_run
//! # fn main() -> Result<(), mini_imagebuilder::Error> {
//! use mini_imagebuilder::{folder, payload};
//! let dir = folder::create_below("/tmp/ib".as_ref(), "24.10.2", "ath79/generic", &folder::Options::default())?;
//! // ... `make image` there, and then of the image:
//! let content = payload::read("/tmp/sysupgrade.bin".as_ref())?;
//! println!("{} with {} packages", content.version, content.packages.len());
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod catalog;
pub mod commands;
pub mod devices;
mod error;
pub mod folder;
mod image;
pub mod index;
pub mod payload;
pub mod profiles;
pub mod program;
mod resolve;
pub mod signing;
pub mod trailer;

pub use error::Error;
pub use profiles::image_prefix;

/// The SHA-256 of `bytes` in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
