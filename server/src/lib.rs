//! An upgrade server: answers as the public attended sysupgrade server does, and builds images by running an ImageBuilder.
//!
//! All in one process: the API, a bounded queue, workers, the store. It can be embedded:
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

mod answer;
mod api;
mod build;
mod changes;
mod complaints;
mod config;
mod error;
mod imagebuilder;
mod indexes;
mod job;
mod make;
mod place;
mod queue;
mod releases;
mod request;
mod server;
mod store;
mod time;
mod upstream;
mod validate;

pub use config::{Branch, Config, Lifetimes};
pub use error::Error;
pub use server::{start, Server};
