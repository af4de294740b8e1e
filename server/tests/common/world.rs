//! A server with a download site and ImageBuilders, in a temporary folder.

use asu_server::{Config, Server};
use mini_imagebuilder::folder;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// All of it; it goes when this is dropped.
pub struct World {
    /// The server.
    pub server: Server,
    /// The download site.
    pub site: upstream::Server,
    /// The folder of everything.
    pub dir: TempDir,
}

/// Versions and targets there are ImageBuilders for.
const BUILDERS: [(&str, &str); 6] = [
    ("24.10.2", "ath79/generic"),
    ("24.10.1", "x86/64"),
    ("25.12.0", "ath79/generic"),
    ("25.12.0", "x86/64"),
    ("SNAPSHOT", "ath79/generic"),
    ("24.10-SNAPSHOT", "ath79/generic"),
];

impl World {
    /// A world with the releases 24.10.2 and 25.12.0, whose server's configuration is what `change` makes of the default.
    pub fn new(change: impl FnOnce(&mut Config)) -> Self {
        let versions = ["24.10.2", "25.12.0"].map(str::to_owned).to_vec();
        let options = upstream::Options {
            versions,
            ..upstream::Options::default()
        };
        Self::on(
            |dir| upstream::generate(dir, &options).expect("download site"),
            change,
        )
    }

    /// The same with the download site that `write` makes.
    pub fn on(write: impl FnOnce(&Path), change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        for (version, target) in BUILDERS {
            let root = dir.path().join("imagebuilders");
            folder::create_below(&root, version, target, &folder::Options::default())
                .expect("ImageBuilder");
        }
        let root = dir.path().join("site");
        write(&root);
        let site = upstream::serve(&root, SocketAddr::from(([127, 0, 0, 1], 0))).expect("site");
        let mut config = Config::new(
            &site.url(),
            dir.path().join("store"),
            dir.path().join("imagebuilders"),
        );
        config.upstream_lifetime = Duration::ZERO;
        change(&mut config);
        let server = asu_server::start(config).expect("server");
        Self { server, site, dir }
    }

    /// Where the server listens.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// The store.
    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// Names in the store, sorted, without those of builds that run.
    pub fn stored(&self) -> Vec<String> {
        let entries = fs::read_dir(self.store()).expect("store");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("entry")
                    .file_name()
                    .into_string()
                    .expect("a name")
            })
            .collect();
        names.sort();
        names
    }

    /// The folder of an ImageBuilder.
    pub fn builder(&self, version: &str, target: &str) -> PathBuf {
        self.dir
            .path()
            .join("imagebuilders")
            .join(version)
            .join(target)
    }

    /// Makes every step of an ImageBuilder wait until [`go`] is called for it.
    pub fn hold(&self, version: &str, target: &str) -> PathBuf {
        let builder = self.builder(version, target);
        let program = builder.join(folder::PROGRAM);
        fs::rename(&program, builder.join("real")).expect("program");
        // A build works elsewhere, in a copy.
        let script = format!(
            "#!/bin/sh\nwhile [ ! -e \"{}/go-$1\" ]; do sleep 0.02; done\nexec ./real \"$@\"\n",
            builder.display()
        );
        fs::write(&program, script).expect("script");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("permissions");
        builder
    }
}

/// Lets a step of a held ImageBuilder go on.
pub fn go(builder: &Path, step: &str) {
    fs::write(builder.join(format!("go-{step}")), "").expect("file");
}
