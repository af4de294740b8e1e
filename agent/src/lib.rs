//! Attended sysupgrade for OpenWrt: the agent that has an image built with the router's packages,
//! makes sure of it, flashes it and after the reboot says whether the promise was kept.
//!
//! [`upgrade`] is the pipeline; [`job`] runs the half of it that touches the network, [`daemon`]
//! the half that may flash; [`cli`] asks the daemon.
#![deny(unsafe_code)]
// On a router `{:?}` says little (`-Z fmt-debug=shallow`), so nothing that anybody reads may need it.
#![cfg_attr(not(test), deny(clippy::use_debug))]

pub mod api;
pub mod cli;
#[cfg(test)]
mod corpus;
pub mod daemon;
pub mod error;
mod fault;
pub mod job;
pub mod json;
pub mod paths;
pub mod server;
pub mod settings;
pub mod sorted;
mod store;
pub mod system;
pub mod text;
mod uci;
pub mod upgrade;

#[cfg(any(test, feature = "fuzz"))]
pub use server::checks;
