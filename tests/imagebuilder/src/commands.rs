//! The make targets.

use crate::catalog::Package;
use crate::devices::{ImageKind, Profile};
use crate::folder::Folder;
use crate::payload::{Installed, Payload};
use crate::{image, profiles, resolve, trailer, Error};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a build with the package `fake-slow` takes.
const SLOW: Duration = Duration::from_secs(60);
/// Longest file of `FILES` that goes into an image.
const LONGEST_FILE: u64 = 1 << 20;

/// What make passes on in the environment.
#[derive(Debug, Default, Clone)]
pub struct Variables {
    /// `PROFILE`
    pub profile: String,
    /// `PACKAGES`, split at white space
    pub packages: Vec<String>,
    /// `STRIP_ABI`
    pub strip_abi: bool,
    /// `EXTRA_IMAGE_NAME`
    pub extra_image_name: String,
    /// `BIN_DIR`
    pub bin_dir: Option<PathBuf>,
    /// `FILES`
    pub files: Option<PathBuf>,
    /// `ROOTFS_PARTSIZE` in MiB
    pub rootfs_partsize: u64,
    /// `ROOTFS_FILESYSTEM`
    pub rootfs_filesystem: String,
}

/// What a target prints. On failure stderr is in the error, and what was on stdout before it is lost, but for `image`.
#[derive(Debug, Default)]
pub struct Output {
    /// For stdout.
    pub stdout: String,
    /// For stderr.
    pub stderr: String,
    /// Whether make has to fail.
    pub failed: bool,
}

/// Runs the make target `name` in `folder`.
///
/// # Errors
/// [`Error::Unknown`] for a target or profile there isn't, [`Error::Io`] for files. A build that fails as builds do is
/// no error but an [`Output`] that says so.
pub fn run(name: &str, folder: &Folder, variables: &Variables) -> Result<Output, Error> {
    match name {
        "info" => Ok(Output {
            stdout: info(folder),
            ..Output::default()
        }),
        "manifest" => manifest(folder, variables),
        "image" => image(folder, variables),
        "val.KERNEL_BUILD_DIR" => {
            let stdout = format!("{}\n", kernel_build_dir(folder).display());
            Ok(Output {
                stdout,
                ..Output::default()
            })
        }
        "all" | "clean" | "reload" | "package_index" => Ok(Output::default()),
        other => Err(Error::unknown("make target", other)),
    }
}

fn kernel_build_dir(folder: &Folder) -> PathBuf {
    let name = format!("linux-{}", folder.target.dashed().replace('-', "_"));
    folder.dir.join("build_dir").join(name)
}

fn info(folder: &Folder) -> String {
    let (release, target) = (folder.release, folder.target);
    let mut text = format!(
        "Current Target: \"{}\"\nCurrent Architecture: \"{}\"\nCurrent Revision: \"{}\"\nDefault Packages: {}\n\
         Available Profiles:\n\n",
        target.name,
        target.cpu,
        release.revision,
        release.default_packages(target).join(" ")
    );
    for profile in target.profiles {
        let _ = write!(
            text,
            "{}:\n    {}\n    Packages: {}\n    hasImageMetadata: {}\n",
            profile.id,
            profile.title(),
            profile.packages.join(" "),
            u8::from(!profile.supported_devices.is_empty())
        );
        if !profile.supported_devices.is_empty() {
            let _ = writeln!(
                text,
                "    SupportedDevices: {}",
                profile.supported_devices.join(" ")
            );
        }
    }
    text
}

fn profile_of(folder: &Folder, name: &str) -> Result<&'static Profile, Error> {
    folder
        .target
        .profile(name)
        .ok_or_else(|| Error::unknown("profile", name))
}

/// What is asked for: the user's packages, the release's defaults, the device's.
fn world(folder: &Folder, profile: &Profile, packages: &[String]) -> Vec<String> {
    let defaults = folder.release.default_packages(folder.target);
    let others = defaults
        .iter()
        .chain(profile.packages)
        .map(|name| (*name).to_owned());
    packages.iter().cloned().chain(others).collect()
}

/// What the package manager says while it fetches its indexes.
fn fetched(folder: &Folder) -> String {
    let line = |url: &String| match folder.release.apk {
        true => format!("fetch {url}\n"),
        false => {
            let feed = url
                .rsplit('/')
                .nth(usize::from(url.ends_with('/')))
                .unwrap_or("core");
            let feed = if feed == "packages" && url.contains("/targets/") {
                "core"
            } else {
                feed
            };
            let place = folder.dir.join(format!("dl/openwrt_{feed}"));
            format!(
                "Downloading {url}/Packages.gz\nUpdated list of available packages in {}\n",
                place.display()
            )
        }
    };
    folder.repositories.iter().map(line).collect()
}

type Selection<'a> = BTreeMap<&'a str, &'a Package>;

fn select<'a>(folder: &'a Folder, world: &[String]) -> Result<Selection<'a>, Error> {
    let mut names = resolve::effective(world);
    names.push("kernel".to_owned());
    resolve::resolve(&folder.packages, &names, folder.release.apk)
}

fn manifest(folder: &Folder, variables: &Variables) -> Result<Output, Error> {
    let profile = profile_of(folder, &variables.profile)?;
    wait(folder);
    let stderr = fetched(folder);
    match select(folder, &world(folder, profile, &variables.packages)) {
        Ok(selection) => {
            let stdout = manifest_text(folder, &selection, variables.strip_abi);
            Ok(Output {
                stdout,
                stderr,
                failed: false,
            })
        }
        Err(Error::Build(words)) => Ok(Output {
            stdout: String::new(),
            stderr: stderr + &words,
            failed: true,
        }),
        Err(error) => Err(error),
    }
}

fn manifest_text(folder: &Folder, selection: &Selection<'_>, strip_abi: bool) -> String {
    let separator = if folder.release.apk { " " } else { " - " };
    let name = |package: &Package| {
        if strip_abi {
            package.name.clone()
        } else {
            package.full_name()
        }
    };
    selection
        .values()
        .map(|package| format!("{}{separator}{}\n", name(package), package.version))
        .collect()
}

fn image(folder: &Folder, variables: &Variables) -> Result<Output, Error> {
    let profile = profile_of(folder, &variables.profile)?;
    wait(folder);
    let world = world(folder, profile, &variables.packages);
    let mut output = Output {
        stderr: fetched(folder),
        ..Output::default()
    };
    output.stdout = format!(
        "Building images for {} - {}\nPackages: {}\n\n",
        board(folder),
        profile.title(),
        world.join(" ")
    );
    let selection = match select(folder, &world) {
        Ok(selection) => selection,
        Err(Error::Build(words)) => {
            return Ok(Output {
                stderr: output.stderr + &words,
                failed: true,
                ..output
            })
        }
        Err(error) => return Err(error),
    };
    output.stdout.push_str("Installing packages...\n");
    for package in selection.values() {
        let name = package.full_name();
        let _ = write!(
            output.stdout,
            "Installing {name} ({}) to root...\nConfiguring {name}.\n",
            package.version
        );
    }
    output.stdout.push_str("\nFinalizing root filesystem...\n");
    leave_traces(folder, &prefix(folder, profile, variables))?;
    if selection.contains_key("fake-slow") {
        std::thread::sleep(SLOW);
    }
    if selection.contains_key("fake-fail-image") {
        output.stderr.push_str("mksquashfs: simulated failure\n");
        return Ok(Output {
            failed: true,
            ..output
        });
    }
    let bytes: u64 = selection.values().map(|package| package.size).sum();
    let room = profile.image_size_kib * 1024;
    output.stdout.push_str("\nBuilding images...\n");
    let images = if room != 0 && bytes > room {
        let name = format!(
            "{}-squashfs-sysupgrade.bin",
            prefix(folder, profile, variables)
        );
        let _ = writeln!(
            output.stderr,
            "WARNING: Image file {name} is too big: {bytes} > {room}"
        );
        Vec::new()
    } else {
        let payload = payload(folder, profile, &selection, &world, variables)?;
        build_images(folder, profile, variables, &payload)?
    };
    write_lists(folder, profile, variables, &selection, images)?;
    output.stdout.push_str("\nCalculating checksums...\n");
    Ok(output)
}

/// The real one leaves its unfinished images behind, for servers to clean up.
fn leave_traces(folder: &Folder, prefix: &str) -> Result<(), Error> {
    let tmp = kernel_build_dir(folder).join("tmp");
    fs::create_dir_all(&tmp).map_err(Error::io(&tmp))?;
    let path = tmp.join(prefix);
    fs::write(&path, "unfinished").map_err(Error::io(&path))
}

fn wait(folder: &Folder) {
    let milliseconds = std::env::var("MINI_IMAGEBUILDER_DELAY")
        .ok()
        .and_then(|text| text.parse().ok());
    std::thread::sleep(milliseconds.map_or(folder.delay, Duration::from_millis));
}

fn board(folder: &Folder) -> &'static str {
    folder.target.name.split('/').next().unwrap_or_default()
}

fn prefix(folder: &Folder, profile: &Profile, variables: &Variables) -> String {
    profiles::image_prefix(
        folder.release,
        folder.target,
        profile,
        &variables.extra_image_name,
    )
}

fn bin_dir(folder: &Folder, variables: &Variables) -> Result<PathBuf, Error> {
    let default = || folder.dir.join("bin/targets").join(folder.target.name);
    let dir = variables.bin_dir.clone().unwrap_or_else(default);
    fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
    Ok(dir)
}

fn payload(
    folder: &Folder,
    profile: &Profile,
    selection: &Selection<'_>,
    world: &[String],
    variables: &Variables,
) -> Result<Payload, Error> {
    let world = resolve::effective(world);
    let full = |name: &String| {
        selection
            .get(name.as_str())
            .map_or_else(|| name.clone(), |p| p.full_name())
    };
    let installed = selection.values().map(|package| Installed {
        name: package.name.clone(),
        abi: package.abi.clone(),
        version: package.version.clone(),
        arch: package.arch.clone(),
        size: package.size,
        depends: package.depends.iter().map(full).collect(),
        provides: package.provides.clone(),
        requested: world
            .iter()
            .any(|name| *name == package.name || *name == package.full_name()),
    });
    let mut files = BTreeMap::new();
    if let Some(dir) = &variables.files {
        overlay(dir, dir, &mut files)?;
    }
    Ok(Payload {
        version: folder.release.version.to_owned(),
        revision: folder.release.revision.to_owned(),
        kernel: folder.release.kernel.to_owned(),
        target: folder.target.name.to_owned(),
        profile: profile.id.to_owned(),
        apk: folder.release.apk,
        rootfs_mb: variables.rootfs_partsize,
        packages: selection
            .values()
            .map(|p| (p.name.clone(), p.version.clone()))
            .collect(),
        installed: installed.collect(),
        files,
        ..Payload::default()
    })
}

fn overlay(root: &Path, dir: &Path, files: &mut BTreeMap<String, String>) -> Result<(), Error> {
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        let path = entry.path();
        let kind = entry.metadata().map_err(Error::io(&path))?;
        if kind.is_dir() {
            overlay(root, &path, files)?;
        } else if kind.is_file() && kind.len() <= LONGEST_FILE {
            let bytes = fs::read(&path).map_err(Error::io(&path))?;
            let name = path.strip_prefix(root).unwrap_or(&path);
            files.insert(
                format!("/{}", name.display()),
                String::from_utf8_lossy(&bytes).into_owned(),
            );
        }
    }
    Ok(())
}

/// Writes the images, and returns their entries in profiles.json.
fn build_images(
    folder: &Folder,
    profile: &Profile,
    variables: &Variables,
    payload: &Payload,
) -> Result<Vec<Value>, Error> {
    let wanted = |name: &&String| {
        variables.rootfs_filesystem.is_empty() || **name == variables.rootfs_filesystem
    };
    let filesystems: Vec<&str> = folder
        .filesystems
        .iter()
        .filter(wanted)
        .map(String::as_str)
        .collect();
    let mut jobs: Vec<(&str, &ImageKind)> = Vec::new();
    for kind in profile.images {
        match kind.rootfs {
            true => jobs.extend(filesystems.iter().map(|filesystem| (*filesystem, kind))),
            false => jobs.push(("", kind)),
        }
    }
    let bin = bin_dir(folder, variables)?;
    let release = folder.release;
    let metadata = trailer::metadata(
        profile.supported_devices,
        "1.0",
        release.version,
        release.revision,
        folder.target.name,
        profile.id,
    );
    let mut entries = Vec::new();
    for (filesystem, kind) in jobs {
        let dash = if filesystem.is_empty() { "" } else { "-" };
        let name = format!(
            "{}{dash}{filesystem}-{}",
            prefix(folder, profile, variables),
            kind.suffix
        );
        let payload = Payload {
            filesystem: filesystem.to_owned(),
            ..payload.clone()
        };
        let image = image::build(kind, &payload, &metadata.to_string(), folder)?;
        let path = bin.join(&name);
        fs::write(&path, &image.bytes).map_err(Error::io(&path))?;
        let sums = [&*image.sha256, &*image.sha256_unsigned];
        entries.push(profiles::image(&name, kind.kind, filesystem, sums));
    }
    entries.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    Ok(entries)
}

/// Writes the manifest, profiles.json and sha256sums.
fn write_lists(
    folder: &Folder,
    profile: &Profile,
    variables: &Variables,
    selection: &Selection<'_>,
    images: Vec<Value>,
) -> Result<(), Error> {
    let bin = bin_dir(folder, variables)?;
    let prefix = prefix(folder, profile, variables);
    let mut sums: Vec<(String, String)> = images
        .iter()
        .filter_map(|image| {
            Some((
                image["name"].as_str()?.to_owned(),
                image["sha256"].as_str()?.to_owned(),
            ))
        })
        .collect();
    let mut write = |name: String, text: &str| {
        sums.push((name.clone(), crate::sha256_hex(text.as_bytes())));
        let path = bin.join(name);
        fs::write(&path, text).map_err(Error::io(&path))
    };
    write(
        format!("{prefix}.manifest"),
        &manifest_text(folder, selection, false),
    )?;
    let entry = profiles::entry(profile, &prefix, images);
    let document = profiles::document(
        folder.release,
        folder.target,
        Map::from_iter([(profile.id.to_owned(), entry)]),
    );
    write("profiles.json".to_owned(), &document.to_string())?;
    let sums: String = sums
        .iter()
        .map(|(name, sha256)| format!("{sha256} *{name}\n"))
        .collect();
    let path = bin.join("sha256sums");
    fs::write(&path, sums).map_err(Error::io(&path))
}
