//! An upgrade server: answers as the public attended sysupgrade server does, and builds images by running an ImageBuilder.
//!
//! All in one process: the API, a bounded queue, workers, the store. A request flows through the modules in this order: `api`
//! reads it, `request` judges it with what `site` knows of the download site, `queue` keeps it, `worker` builds it. As a library:
//!
//! ```no_run
//! # fn main() -> Result<(), asu_server::Error> {
//! let config = asu_server::Config::new("https://downloads.openwrt.org", "/srv/store", "/srv/imagebuilders");
//! let server = asu_server::start(config)?;
//! println!("{}/json/v1/overview.json", server.url());
//! server.shutdown();
//! # Ok(())
//! # }
//! ```
//! An ImageBuilder is looked for in `IMAGEBUILDERS/VERSION/TARGET/SUBTARGET`, for instance
//! `/srv/imagebuilders/24.10.2/ath79/generic`: an unpacked archive of the upstream site.
#![forbid(unsafe_code)]

mod api;
mod config;
#[cfg(feature = "demo")]
mod demo;
mod error;
mod pages;
mod program;
mod queue;
mod rebuild;
mod request;
mod server;
mod signing;
mod site;
mod store;
mod time;
mod webhook;
mod worker;

pub use config::file;
pub use config::{Branch, Config, Isolation, Lifetimes, Limits, S3Config};
#[cfg(feature = "demo")]
pub use demo::Demo;
pub use error::Error;
pub use program::main;
pub use server::{start, Server};
use worker::launch;
