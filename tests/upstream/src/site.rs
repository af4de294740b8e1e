//! Generates the site's files.

use crate::feeds;
use crate::{archive, Error, Key};
use mini_imagebuilder::catalog::{self, Package, Release};
use mini_imagebuilder::devices::{self, ImageKind, Profile, Target};
use mini_imagebuilder::{image_prefix, index, profiles, sha256_hex};
use serde_json::{json, Map, Value};
use std::fs;
use std::path::{Path, PathBuf};

/// The feeds beside the target's own packages.
const FEEDS: [&str; 5] = ["base", "packages", "luci", "routing", "telephony"];

/// What is on the site.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its releases; all of the catalog where empty.
    pub versions: Vec<String>,
    /// `stable_version` of `.versions.json`.
    pub stable: String,
    /// `oldstable_version`.
    pub oldstable: String,
    /// `upcoming_version`, or empty.
    pub upcoming: String,
    /// Version and target of the ImageBuilder archives it offers. Each takes some 100 ms to make.
    pub archives: Vec<(String, String)>,
    /// The compiled ImageBuilder for the archives; found or built where `None`.
    pub imagebuilder: Option<PathBuf>,
    /// How many invented packages stand in the feed `packages` of each release. With 10,000 the index is about 545 KB.
    pub invented_packages: usize,
    /// Seed of the key that signs `sha256sums`.
    pub key_seed: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            versions: Vec::new(),
            stable: "25.12.0".to_owned(),
            oldstable: "24.10.2".to_owned(),
            upcoming: String::new(),
            archives: Vec::new(),
            imagebuilder: None,
            invented_packages: 0,
            key_seed: 7,
        }
    }
}

impl Options {
    /// The key that signs `sha256sums`.
    pub fn key(&self) -> Key {
        Key::from_seed(self.key_seed)
    }

    fn has(&self, release: &Release) -> bool {
        self.versions.is_empty()
            || self
                .versions
                .iter()
                .any(|version| version == release.version)
    }
}

/// Generates a site into `dir`.
///
/// # Errors
/// [`Error`] where a file can't be written or an archive not be made.
pub fn generate(dir: &Path, options: &Options) -> Result<(), Error> {
    let releases: Vec<&Release> = catalog::releases()
        .iter()
        .filter(|release| options.has(release))
        .collect();
    let finished = releases
        .iter()
        .rev()
        .filter(|release| !release.is_snapshot());
    let versions = json!({
        "stable_version": options.stable, "oldstable_version": options.oldstable, "upcoming_version": options.upcoming,
        "versions_list": finished.map(|release| release.version).collect::<Vec<_>>(),
    });
    write(&dir.join(".versions.json"), versions.to_string().as_bytes())?;
    for release in releases {
        let root = dir.join(release.path());
        let targets: Map<String, Value> = devices::targets()
            .iter()
            .map(|target| (target.name.to_owned(), target.arch.into()))
            .collect();
        write(
            &root.join(".targets.json"),
            Value::from(targets).to_string().as_bytes(),
        )?;
        for target in devices::targets() {
            generate_target(&root, release, target, options)?;
        }
        write(
            &root.join(".overview.json"),
            overview(release).to_string().as_bytes(),
        )?;
    }
    Ok(())
}

/// All devices of a release, as the firmware selector and the upgrade server's page look for them.
fn overview(release: &Release) -> Value {
    let mut profiles: Vec<Value> = Vec::new();
    for target in devices::targets() {
        profiles.extend(target.profiles.iter().map(|profile| {
            let titles = profiles::entry(profile, "", Vec::new())["titles"].take();
            json!({"id": profile.id, "target": target.name, "titles": titles})
        }));
    }
    json!({"release": release.version, "profiles": profiles})
}

fn generate_target(
    root: &Path,
    release: &Release,
    target: &Target,
    options: &Options,
) -> Result<(), Error> {
    let mut packages = release.packages(target)?;
    packages.extend(feeds::invented(options.invented_packages, target.arch));
    let dir = root.join("targets").join(target.name);
    let of = |wanted: &dyn Fn(&Package) -> bool| {
        packages
            .iter()
            .filter(|p| wanted(p))
            .cloned()
            .collect::<Vec<_>>()
    };
    let core = of(&|package| package.feed == "target" && !package.is_module());
    let modules = of(&|package| package.feed == "target" && package.is_module());
    feeds::write_feed(
        &dir.join("packages"),
        release,
        target.arch,
        &core,
        &packages,
    )?;
    let kmods = format!("kmods/{}-1-{}", release.kernel, release.vermagic());
    feeds::write_feed(&dir.join(kmods), release, target.arch, &modules, &packages)?;
    if !release.apk {
        // Servers older than the split of the modules read this one file, and want them in it.
        let both = index::to_text(&[core, modules].concat(), &packages);
        write(&dir.join("packages/Packages.manifest"), both.as_bytes())?;
    }
    let feeds_dir = root.join("packages").join(target.arch);
    for feed in FEEDS {
        feeds::write_feed(
            &feeds_dir.join(feed),
            release,
            target.arch,
            &of(&|p| p.feed == feed),
            &packages,
        )?;
    }
    let hash = sha256_hex(release.version.as_bytes());
    let conf = FEEDS
        .map(|feed| format!("src-git {feed} https://git.openwrt.org/feed/{feed}.git^{hash}\n"));
    write(&feeds_dir.join("feeds.conf"), conf.concat().as_bytes())?;
    write(
        &dir.join("profiles.json"),
        profiles_json(release, target).to_string().as_bytes(),
    )?;
    write_sums(&dir, release, target, options)
}

fn profiles_json(release: &Release, target: &Target) -> Value {
    let entry = |profile: &Profile| {
        let prefix = image_prefix(release, target, profile, "");
        let mut images: Vec<Value> = Vec::new();
        for kind in profile.images {
            let none = [""];
            let filesystems = if kind.rootfs {
                target.filesystems
            } else {
                &none
            };
            images.extend(
                filesystems
                    .iter()
                    .map(|filesystem| image(&prefix, kind, filesystem)),
            );
        }
        (
            profile.id.to_owned(),
            profiles::entry(profile, &prefix, images),
        )
    };
    profiles::document(release, target, target.profiles.iter().map(entry).collect())
}

/// An image of the site itself. Nobody downloads it, so only its checksums are there, and they are invented.
fn image(prefix: &str, kind: &ImageKind, filesystem: &str) -> Value {
    let dash = if filesystem.is_empty() { "" } else { "-" };
    let name = format!("{prefix}{dash}{filesystem}-{}", kind.suffix);
    let sum = sha256_hex(name.as_bytes());
    profiles::image(&name, kind.kind, filesystem, [&sum, &sum])
}

/// Writes the ImageBuilder archive, if there is to be one, `sha256sums` and its signature.
fn write_sums(
    dir: &Path,
    release: &Release,
    target: &Target,
    options: &Options,
) -> Result<(), Error> {
    let mut names = vec!["profiles.json".to_owned()];
    if options
        .archives
        .iter()
        .any(|(version, name)| version == release.version && name == target.name)
    {
        names.push(archive::write(
            dir,
            release,
            target,
            options.imagebuilder.as_deref(),
        )?);
    }
    let mut sums = String::new();
    for name in names {
        let path = dir.join(&name);
        let bytes = fs::read(&path).map_err(Error::io(&path))?;
        sums.push_str(&format!("{} *{name}\n", sha256_hex(&bytes)));
    }
    write(&dir.join("sha256sums"), sums.as_bytes())?;
    write(
        &dir.join("sha256sums.sig"),
        options.key().sign(sums.as_bytes()).as_bytes(),
    )
}

/// Writes a file and the folders above it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    fs::write(path, bytes).map_err(Error::io(path))
}
