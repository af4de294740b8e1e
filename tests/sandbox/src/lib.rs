//! A router, its bus and an upgrade server in a temporary folder, for tests and for a first look.
//!
//! [`Router`] is a folder with what an upgrade finds on a router, a bus, a stand-in for procd
//! ([`procd`]: the `system` object, a daemon that is started again, reboots) and for sysupgrade
//! ([`sysupgrade`]). [`World`] puts an upgrade server with its download site beside it.
#![forbid(unsafe_code)]

pub mod bus;
pub mod database;
pub mod procd;
mod router;
pub mod story;
pub mod sysupgrade;
pub mod tls;
mod world;

pub use router::{Device, Options, Router};
pub use world::{Knobs, World};

/// Why something of the sandbox could not be set up.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
