//! The OpenWrt bus in safe Rust.
//!
//! The crate is layered so that the smallest user pays least:
//!
//! - without features: `no_std`, no allocation. [`Fields`] reads blobmsg, [`Writer`] writes it into any [`Sink`].
//! - `alloc`: a `Vec<u8>` is a [`Sink`].
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod blob;
mod blobmsg;
mod write;

pub use blob::{Attr, Attrs, Malformed, MAX_ATTR};
pub use blobmsg::{Field, Fields, Type, Value};
pub use write::{Full, Nested, Sink, Writer};
