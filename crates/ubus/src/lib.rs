//! The OpenWrt bus in safe Rust.
//!
//! The crate is layered so that the smallest user pays least:
//!
//! - without features: `no_std`, no allocation. [`Fields`] reads blobmsg, [`Writer`] writes it into any [`Sink`].
//! - `alloc`: a `Vec<u8>` is a [`Sink`].
//! - `serde`: [`to_blobmsg`] and [`from_blobmsg`] for plain structs.
//! - `client`: [`Bus`], a connection to ubusd; [`Service`], a published object that outlives its connections; [`message`], the
//!   frames themselves.
//!
//! The reference for the bytes are frames recorded between OpenWrt's own programs (tests/wire).
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "client")]
extern crate std;

mod blob;
mod blobmsg;
#[cfg(feature = "client")]
mod client;
#[cfg(feature = "serde")]
mod data;
#[cfg(feature = "client")]
pub mod message;
mod status;
mod write;

pub use blob::{Attr, Attrs, Malformed, MAX_ATTR};
pub use blobmsg::{Field, Fields, RawField, Type, Value};
#[cfg(feature = "client")]
pub use client::{
    Argument, Bus, Error, Event, Incoming, Listener, Method, Notification, Object, ObjectSpec,
    Payload, Published, Request, Service, Subscription, ToMessage,
};
#[cfg(feature = "serde")]
pub use data::{from_blobmsg, to_blobmsg, DataError, MAX_DEPTH};
pub use status::Status;
pub use write::{Full, Nested, Sink, Writer};
