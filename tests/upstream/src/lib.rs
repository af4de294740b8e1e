//! A download site as downloads.openwrt.org lays it out, for tests: generated into a folder in a moment, served on loopback.
//!
//! ```no_run
//! # fn main() -> Result<(), upstream::Error> {
//! let site = upstream::start(&upstream::Options::default())?;
//! println!("{}/releases/24.10.2/targets/ath79/generic/profiles.json", site.url());
//! # Ok(())
//! # }
//! ```
//! What is on it comes from the miniature ImageBuilder's catalog: the releases 24.10.0 to SNAPSHOT for ath79/generic and
//! x86/64, with every package that the tests' router has installed. 24.10.0 and 24.10.1 have package indexes of the first
//! form (names with ABI suffix), later ones of the second; 24.10 has opkg's `Packages` beside, 25.12 and later don't.
#![forbid(unsafe_code)]

mod archive;
mod error;
mod feeds;
mod serve;
mod site;

pub use error::Error;
pub use mini_imagebuilder::signing::Key;
pub use serve::{serve, Server};
pub use site::{generate, Options};

use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;

/// A site in a temporary folder with its server; both go when this is dropped.
#[derive(Debug)]
pub struct Upstream {
    dir: TempDir,
    server: Server,
}

/// Generates a site into a temporary folder and serves it on a free port of the loopback interface.
///
/// # Errors
/// [`Error::Io`] where a file can't be written or the port can't be had.
pub fn start(options: &Options) -> Result<Upstream, Error> {
    let dir = tempfile::tempdir().map_err(Error::io(&std::env::temp_dir()))?;
    generate(dir.path(), options)?;
    let server = serve(dir.path(), SocketAddr::from(([127, 0, 0, 1], 0)))?;
    Ok(Upstream { dir, server })
}

impl Upstream {
    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The folder it serves. What a test changes there is served at once.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}
