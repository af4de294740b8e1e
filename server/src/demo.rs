//! A server to look at: the tests' download site and miniature ImageBuilder behind it, all on loopback and in a temporary folder.

use crate::{start, Config, Error, Isolation, Server};
use mini_imagebuilder::{catalog, devices, folder};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::signal::unix::{signal, SignalKind};
use upstream::Upstream;

/// How long the steps of a build take, so that there is something to see.
const DELAY: Duration = Duration::from_secs(2);

/// A running demonstration; all of it goes when this is dropped.
#[derive(Debug)]
pub struct Demo {
    /// The upgrade server.
    pub server: Server,
    /// The download site.
    pub site: Upstream,
    folder: TempDir,
}

impl Demo {
    /// Starts one at `listen`.
    ///
    /// # Errors
    /// [`Error::Io`] where its folder can't be made or the address not be had.
    pub fn start(listen: SocketAddr) -> Result<Self, Error> {
        let wrong = |path: &Path, why: String| Error::Io(path.to_owned(), io::Error::other(why));
        let temporary = std::env::temp_dir();
        let folder = tempfile::tempdir().map_err(Error::io(&temporary))?;
        let site = upstream::start(&upstream::Options::default())
            .map_err(|error| wrong(&temporary, error.to_string()))?;
        let builders = folder.path().join("imagebuilders");
        let options = folder::Options {
            delay: DELAY,
            upstream_url: site.url(),
            program: None,
        };
        for release in catalog::releases() {
            for target in devices::targets() {
                let place = builders.join(release.version).join(target.name);
                folder::create(&place, release, target, &options)
                    .map_err(|error| wrong(&place, error.to_string()))?;
            }
        }
        let mut config = Config::new(&site.url(), folder.path().join("store"), builders);
        config.listen = listen;
        config.allow_defaults = true;
        config.workers = 2;
        config.launcher = std::env::current_exe().ok();
        config.isolation = Isolation::Auto;
        config.signing = Some(folder.path().join("signing"));
        Ok(Self {
            server: start(config)?,
            site,
            folder,
        })
    }

    /// Serves until somebody wants the process to end; then everything it made is removed.
    ///
    /// # Errors
    /// [`Error::Io`] where signals can't be waited for.
    pub fn wait(self) -> Result<(), Error> {
        let wrong = |error| Error::Io(self.folder.path().to_owned(), error);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(&wrong)?;
        runtime.block_on(async {
            let mut end = signal(SignalKind::terminate()).map_err(&wrong)?;
            tokio::select! {
                asked = tokio::signal::ctrl_c() => asked.map_err(&wrong),
                _ = end.recv() => Ok(()),
            }
        })
    }
}
