//! Makes an ImageBuilder folder, and reads its configuration back.

use crate::catalog::{self, Package, Release};
use crate::devices::{self, Target};
use crate::{image, index, program, Error};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where an ImageBuilder folder keeps its feeds' packages, in the form of [`crate::index`].
pub const PACKAGES: &str = "dl/Packages";
/// Milliseconds that `make manifest` and `make image` wait, as a decimal number; absent for none.
pub const DELAY: &str = ".delay_ms";
/// Bytes of filler in every image, as a decimal number; absent for a few.
pub const FILLER: &str = ".filler_bytes";
/// The name of the program in the folder.
pub const PROGRAM: &str = "mini-imagebuilder";

const MAKEFILE: &str = "\
# A miniature ImageBuilder. Variables given to make reach the program in its environment, not through a shell's eyes.
.PHONY: all info manifest image clean reload package_index
all info manifest image clean reload package_index:
	@./mini-imagebuilder $@
val.%:
	@./mini-imagebuilder $@
";

/// What a folder is made with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The compiled program; found or built where this is `None`, see [`program::find`].
    pub program: Option<PathBuf>,
    /// The download site its repositories are on.
    pub upstream_url: String,
    /// How long `make manifest` and `make image` wait, each.
    pub delay: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            program: None,
            upstream_url: "https://downloads.openwrt.org".to_owned(),
            delay: Duration::ZERO,
        }
    }
}

/// Makes `dir` an ImageBuilder folder of `release` for `target`. The folder may exist; files of the same name are replaced.
///
/// # Errors
/// [`Error::Io`] where something can't be written or the program can't be had.
pub fn create(
    dir: &Path,
    release: &Release,
    target: &Target,
    options: &Options,
) -> Result<(), Error> {
    for folder in ["dl", "keys", "packages"] {
        let folder = dir.join(folder);
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    }
    let write = |name: &str, text: &str| {
        fs::write(dir.join(name), text).map_err(Error::io(&dir.join(name)))
    };
    write("Makefile", MAKEFILE)?;
    write(".config", &config(release, target))?;
    let (name, text) = repositories(release, target, &options.upstream_url);
    write(name, &text)?;
    let packages = release.packages(target)?;
    write(PACKAGES, &index::to_text(&packages, &packages))?;
    if !options.delay.is_zero() {
        write(DELAY, &options.delay.as_millis().to_string())?;
    }
    let program = match &options.program {
        Some(path) => path.clone(),
        None => program::find()?,
    };
    let place = dir.join(PROGRAM);
    fs::copy(&program, &place).map_err(Error::io(&program))?;
    Ok(())
}

/// Makes `ROOT/VERSION/TARGET/SUBTARGET` an ImageBuilder folder, where servers look for it, and returns its path.
///
/// # Errors
/// [`Error::Unknown`] for a version or target there isn't, and as [`create`].
pub fn create_below(
    root: &Path,
    version: &str,
    target: &str,
    options: &Options,
) -> Result<PathBuf, Error> {
    let release = catalog::release(version).ok_or_else(|| Error::unknown("release", version))?;
    let target = devices::target(target).ok_or_else(|| Error::unknown("target", target))?;
    let dir = root.join(version).join(target.name);
    create(&dir, release, target, options)?;
    Ok(dir)
}

fn config(release: &Release, target: &Target) -> String {
    let (board, subtarget) = target.name.split_once('/').unwrap_or((target.name, ""));
    let filesystems = [
        ("squashfs", "SQUASHFS"),
        ("ext4", "EXT4FS"),
        ("jffs2", "JFFS2"),
        ("ubifs", "UBIFS"),
    ];
    let rootfs: String = filesystems
        .iter()
        .map(|(name, option)| match target.filesystems.contains(name) {
            true => format!("CONFIG_TARGET_ROOTFS_{option}=y\n"),
            false => format!("# CONFIG_TARGET_ROOTFS_{option} is not set\n"),
        })
        .collect();
    format!(
        "CONFIG_TARGET_BOARD=\"{board}\"\nCONFIG_TARGET_SUBTARGET=\"{subtarget}\"\nCONFIG_ARCH=\"{}\"\n\
         CONFIG_TARGET_ARCH_PACKAGES=\"{}\"\n{rootfs}CONFIG_TARGET_ROOTFS_PARTSIZE=104\n{}\
         CONFIG_VERSION_NUMBER=\"{}\"\nCONFIG_VERSION_CODE=\"{}\"\n",
        target.cpu,
        target.arch,
        if release.apk { "CONFIG_USE_APK=y\n" } else { "# CONFIG_USE_APK is not set\n" },
        release.version,
        release.revision,
    )
}

fn repositories(release: &Release, target: &Target, upstream: &str) -> (&'static str, String) {
    let base = format!("{upstream}/{}", release.path());
    let feeds = ["base", "luci", "packages", "routing", "telephony"];
    if release.apk {
        let lines =
            feeds.map(|feed| format!("{base}/packages/{}/{feed}/packages.adb\n", target.arch));
        return (
            "repositories",
            format!(
                "{base}/targets/{}/packages/packages.adb\n{}",
                target.name,
                lines.concat()
            ),
        );
    }
    let lines = feeds.map(|feed| {
        format!(
            "src/gz openwrt_{feed} {base}/packages/{}/{feed}\n",
            target.arch
        )
    });
    let core = format!(
        "src/gz openwrt_core {base}/targets/{}/packages\n",
        target.name
    );
    (
        "repositories.conf",
        format!(
            "{core}{}src imagebuilder file:packages\noption check_signature\n",
            lines.concat()
        ),
    )
}

/// An ImageBuilder folder as its own program sees it.
#[derive(Debug)]
pub struct Folder {
    /// The folder.
    pub dir: PathBuf,
    /// Its release.
    pub release: &'static Release,
    /// Its target.
    pub target: &'static Target,
    /// Root file systems its `.config` has switched on: `squashfs`, `ext4`.
    pub filesystems: Vec<String>,
    /// URLs of its repositories.
    pub repositories: Vec<String>,
    /// Packages of its feeds.
    pub packages: Vec<Package>,
    /// How long a step waits.
    pub delay: Duration,
    /// Bytes of filler in an image.
    pub filler: usize,
}

impl Folder {
    /// Reads the folder `dir`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Unknown`] or [`Error::Malformed`] where it is no folder that [`create`] made.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let read =
            |name: &str| fs::read_to_string(dir.join(name)).map_err(Error::io(&dir.join(name)));
        let config = read(".config")?;
        let option = |name: &str| {
            let value = config
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix("=\""));
            value
                .and_then(|value| value.strip_suffix('"'))
                .unwrap_or_default()
        };
        let version = option("CONFIG_VERSION_NUMBER");
        let target = format!(
            "{}/{}",
            option("CONFIG_TARGET_BOARD"),
            option("CONFIG_TARGET_SUBTARGET")
        );
        let release =
            catalog::release(version).ok_or_else(|| Error::unknown("release", version))?;
        let repositories = read(if release.apk {
            "repositories"
        } else {
            "repositories.conf"
        })?;
        let milliseconds = fs::read_to_string(dir.join(DELAY)).unwrap_or_default();
        let filler = fs::read_to_string(dir.join(FILLER)).unwrap_or_default();
        Ok(Self {
            dir: dir.to_path_buf(),
            release,
            target: devices::target(&target).ok_or_else(|| Error::unknown("target", &target))?,
            filesystems: filesystems(&config),
            repositories: repositories
                .split_whitespace()
                .filter(|word| word.contains("://"))
                .map(str::to_owned)
                .collect(),
            packages: index::from_text(&read(PACKAGES)?)?,
            delay: Duration::from_millis(milliseconds.trim().parse().unwrap_or_default()),
            filler: filler.trim().parse().unwrap_or(image::FILLER),
        })
    }
}

fn filesystems(config: &str) -> Vec<String> {
    let options = config.lines().filter_map(|line| {
        line.strip_prefix("CONFIG_TARGET_ROOTFS_")?
            .strip_suffix("=y")
    });
    options
        .map(|name| name.to_lowercase().trim_end_matches("fs").to_owned())
        .map(restore)
        .collect()
}

/// Squashfs keeps its `fs`, the option `EXT4FS` means `ext4`.
fn restore(name: String) -> String {
    if name == "squash" || name == "ubi" {
        format!("{name}fs")
    } else {
        name
    }
}
