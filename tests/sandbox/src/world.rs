//! What is around a router: a download site, ImageBuilders, an upgrade server.

use crate::Error;
use asu_server::{Config, Server};
use mini_imagebuilder::signing::{self, Key};
use mini_imagebuilder::{catalog, devices, folder};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use upstream::Upstream;

/// The releases that the server can build.
const BUILT: [&str; 4] = ["24.10.0", "24.10.2", "25.12.0", "SNAPSHOT"];

/// An upgrade server with its download site and ImageBuilders.
pub struct World {
    /// The upgrade server; `None` while it is down.
    pub server: Option<Server>,
    config: Config,
    site: Upstream,
    _folder: TempDir,
}

/// How a world is made.
#[derive(Clone, Debug, Default)]
pub struct Knobs {
    /// How long each step of a build takes at least.
    pub delay: Duration,
    /// A folder with a real ImageBuilder for (version, target).
    pub imagebuilder: Option<(String, String, std::path::PathBuf)>,
    /// Packages in the index besides the real ones.
    pub invented_packages: usize,
    /// Bytes in an image besides its packages; 0 for a few.
    pub filler: usize,
    /// Whether routers have to read whole indexes, as with the public server.
    pub indexes: bool,
    /// The key that signs the images, and the certificates that lead to it.
    pub signing: Option<(Key, Vec<u8>)>,
}

impl World {
    /// A world with the miniature ImageBuilder.
    pub fn start(knobs: &Knobs) -> Result<World, Error> {
        let site = upstream::start(&upstream::Options {
            invented_packages: knobs.invented_packages,
            ..upstream::Options::default()
        })?;
        let folder = tempfile::Builder::new().prefix("server-").tempdir()?;
        let builders = folder.path().join("imagebuilders");
        imagebuilders(&builders, &site.url(), knobs)?;
        let mut config = Config::new(&site.url(), folder.path().join("store"), builders);
        config.allow_defaults = true;
        config.update = !knobs.indexes;
        if let Some((version, target, path)) = &knobs.imagebuilder {
            config
                .imagebuilder_folders
                .insert((version.clone(), target.clone()), path.clone());
        }
        let server = asu_server::start(config.clone())?;
        config.listen = server.addr;
        Ok(World {
            server: Some(server),
            config,
            site,
            _folder: folder,
        })
    }

    /// The server's URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.config.listen)
    }

    /// The download site.
    pub fn site(&self) -> &Upstream {
        &self.site
    }

    /// Ends the server.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown();
        }
    }

    /// Ends the server and starts it again on the same port; it has forgotten all requests.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop();
        self.server = Some(asu_server::start(self.config.clone())?);
        Ok(())
    }
}

fn imagebuilders(root: &Path, upstream_url: &str, knobs: &Knobs) -> Result<(), Error> {
    let options = folder::Options {
        delay: knobs.delay,
        upstream_url: upstream_url.to_owned(),
        program: None,
    };
    for version in BUILT {
        let release = catalog::release(version).ok_or("no such release")?;
        for target in devices::targets() {
            let folder = root.join(version).join(target.name);
            folder::create(&folder, release, target, &options)?;
            if knobs.filler > 0 {
                std::fs::write(folder.join(folder::FILLER), knobs.filler.to_string())?;
            }
            if let Some((key, chain)) = &knobs.signing {
                std::fs::write(folder.join(signing::SECRET), key.secret())?;
                std::fs::write(folder.join(signing::CHAIN), chain)?;
            }
        }
    }
    Ok(())
}
