//! The LuCI views in a browser, without a router: what uhttpd, rpcd, cgi-io and LuCI's dispatcher do for them, as far as they use it.
//!
//! `/ubus` answers as uhttpd does (tests/recorded) and hands calls to a real bus, or to answers a test has written. Sessions and
//! access rights are rpcd's: the acl.d file of the package decides. The loader that runs the views is in `static/`.
//!
//! It is a test host: it listens on loopback, knows its users from the program that starts it, and has no TLS.
#![forbid(unsafe_code)]

mod access;
mod backend;
mod cgi;
mod files;
mod jsonrpc;
mod pages;
mod po;
mod server;
mod session;
mod uci;
mod uci_object;

pub use access::Right;
pub use backend::{Backend, Scripted};
pub use server::{Options, PageHost};
pub use session::User;
