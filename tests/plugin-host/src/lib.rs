//! Loads the rpcd plugin as rpcd does, calls its methods and gives what it answers.
//!
//! The program of this package, `plugin-host`, does the loading, in a folder that it takes for the
//! whole file system; this library starts it and talks to it. The same cases run in the real rpcd
//! where `rpcd` and `ubusd` are on PATH, see [`real`], and on what was built for other processors, which
//! `openwrt-package/tests/plugin` emulates.
//!
//! For benches there is `plugin-host repeat PLUGIN ROOT TIMES [all]`, which calls `packagelist` so many
//! times and nothing else; what one call takes is the difference of two runs.

pub mod generate;
mod host;
pub mod plugin;
pub mod real;
mod root;
pub mod sysupgrade_note;

pub use host::{hex, unhex, Answer, Exec, Host};
pub use root::Root;
