//! Stage 1: what runs here. The board, the system, and what is installed.

use crate::api::{DeviceInfo, Release, Running};
use crate::error::{Error, Kind};
use crate::json::{Decode, Encode};
use crate::paths::Paths;
use crate::uci;
use std::fs;

pub use super::installed::{Installed, Package};

/// Packages that an image has whatever is asked for, and that no server builds on request.
pub const PSEUDO_PACKAGES: [&str; 3] = ["kernel", "libc", "libgcc"];

/// A board that says nothing of its compatibility has version 1.0.
const COMPAT_VERSION: &str = "1.0";

/// The router, as the later stages need to know it.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Device {
    /// The hardware.
    pub info: DeviceInfo,
    /// The running system.
    pub running: Running,
    /// `uci get system.@system[0].compat_version`
    pub compat_version: String,
}

impl Device {
    /// What runs, in short.
    pub fn release(&self) -> Release {
        Release {
            version: self.running.version.clone(),
            revision: self.running.revision.clone(),
        }
    }
}

/// The answer of `ubus call system board` (procd's system.c), as far as it matters.
#[derive(Clone, Debug, Default, Decode)]
#[field(optional)]
pub struct Board {
    /// `6.12.87`
    pub kernel: String,
    /// For people.
    pub model: String,
    /// `tplink,archer-c7-v2`
    pub board_name: String,
    /// `squashfs`
    pub rootfs_type: String,
    /// /etc/openwrt_release
    pub release: BoardRelease,
}

/// `release` of [`Board`].
#[derive(Clone, Debug, Default, Decode)]
#[field(optional)]
pub struct BoardRelease {
    /// `OpenWrt`
    pub distribution: String,
    /// `24.10.0`
    pub version: String,
    /// `r28427-6df0e3d02a`
    pub revision: String,
    /// `ath79/generic`
    pub target: String,
}

impl Board {
    /// The same from the files procd has it from, for where there is no bus.
    pub fn from_files(paths: &Paths) -> Board {
        let line = |path: &str| {
            let text = fs::read_to_string(paths.real(path)).unwrap_or_default();
            text.lines().next().unwrap_or_default().to_owned()
        };
        let release = fs::read_to_string(paths.real("/etc/openwrt_release")).unwrap_or_default();
        let value = |name: &str| {
            let found = release
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            found
                .unwrap_or_default()
                .trim_matches(['\'', '"'])
                .to_owned()
        };
        Board {
            kernel: line("/proc/sys/kernel/osrelease"),
            model: line("/tmp/sysinfo/model"),
            board_name: line("/tmp/sysinfo/board_name"),
            rootfs_type: rootfs_type(
                &fs::read_to_string(paths.real("/proc/mounts")).unwrap_or_default(),
            ),
            release: BoardRelease {
                distribution: value("DISTRIB_ID"),
                version: value("DISTRIB_RELEASE"),
                revision: value("DISTRIB_REVISION"),
                target: value("DISTRIB_TARGET"),
            },
        }
    }
}

/// As procd finds it: /rom where there is an overlay, else /.
fn rootfs_type(mounts: &str) -> String {
    let kind = |place: &str| {
        mounts.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(1);
            (fields.next() == Some(place)).then(|| fields.next())?
        })
    };
    kind("/rom")
        .or_else(|| kind("/"))
        .unwrap_or_default()
        .to_owned()
}

/// Puts together what is known of the router; refuses where an upgrade would be guesswork.
pub fn device(paths: &Paths, board: Board, installed: &Installed) -> Result<Device, Error> {
    for (value, what) in [
        (
            &board.board_name,
            "which board this is (/tmp/sysinfo/board_name)",
        ),
        (
            &board.release.version,
            "which release runs (/etc/openwrt_release)",
        ),
        (
            &board.release.target,
            "for which target it was built (/etc/openwrt_release)",
        ),
    ] {
        if value.is_empty() {
            let sentence =
                format!("This system does not say {what}, so no image can be chosen for it.");
            return Err(Error::new(Kind::Unsupported, sentence));
        }
    }
    Ok(Device {
        info: DeviceInfo {
            profile: board.board_name.replace(',', "_"),
            boot: boot(paths, &board.release.target).to_owned(),
            arch: installed.architecture(),
            board_name: board.board_name,
            target: board.release.target,
            model: board.model,
            rootfs_type: board.rootfs_type,
        },
        running: Running {
            distribution: board.release.distribution,
            version: board.release.version,
            revision: board.release.revision,
            kernel: board.kernel,
        },
        compat_version: compat_version(paths)?,
    })
}

/// Targets with one image for all boards, whatever those call themselves.
pub(super) fn has_generic_image(target: &str) -> bool {
    let family = target.split('/').next().unwrap_or_default();
    matches!(family, "x86" | "armsr" | "loongarch64")
}

/// `efi` or `bios` for the targets whose images differ in that, else nothing.
fn boot(paths: &Paths, target: &str) -> &'static str {
    if !has_generic_image(target) {
        ""
    } else if paths.real("/sys/firmware/efi").exists() {
        "efi"
    } else {
        "bios"
    }
}

/// The board's compatibility version, which base-files keeps in the `system` configuration.
pub fn compat_version(paths: &Paths) -> Result<String, Error> {
    let path = paths.real("/etc/config/system");
    let Ok(text) = fs::read_to_string(&path) else {
        return Ok(COMPAT_VERSION.to_owned());
    };
    let sections = uci::parse(&text).map_err(|malformed| {
        let sentence = format!(
            "/etc/config/system is not valid in line {}.",
            malformed.line
        );
        Error::new(Kind::Storage, sentence)
    })?;
    let system = sections.iter().find(|section| section.kind == "system");
    let version = system.and_then(|section| section.option("compat_version"));
    Ok(version.unwrap_or(COMPAT_VERSION).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::tests::router;

    #[test]
    fn a_board_without_a_bus() {
        let (_root, paths) = router(&[
            ("/tmp/sysinfo/board_name", "tplink,archer-c7-v2\n"),
            ("/etc/openwrt_release", "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='24.10.0'\nDISTRIB_REVISION='r1-a'\nDISTRIB_TARGET='ath79/generic'\n"),
            ("/proc/mounts", "/dev/root /rom squashfs ro 0 0\noverlayfs:/overlay / overlay rw 0 0\n"),
            ("/etc/config/system", "config system\n\toption compat_version '1.1'\n"),
        ]);
        let device = device(&paths, Board::from_files(&paths), &Installed::default()).unwrap();
        assert_eq!(device.info.profile, "tplink_archer-c7-v2");
        assert_eq!(device.info.rootfs_type, "squashfs");
        assert_eq!(device.info.boot, "");
        assert_eq!(device.compat_version, "1.1");
        assert_eq!(device.release().revision, "r1-a");
    }

    #[test]
    fn efi_is_seen_where_it_matters() {
        let (_root, paths) = router(&[("/sys/firmware/efi/x", "")]);
        assert_eq!(boot(&paths, "x86/64"), "efi");
        assert_eq!(boot(&paths, "ath79/generic"), "");
        let (_root, paths) = router(&[]);
        assert_eq!(boot(&paths, "armsr/armv8"), "bios");
    }

    #[test]
    fn what_does_not_say_what_it_is_gets_no_image() {
        let (_root, paths) = router(&[]);
        let error = device(&paths, Board::from_files(&paths), &Installed::default()).unwrap_err();
        assert_eq!(error.kind, Kind::Unsupported);
        assert!(error.message.contains("which board"), "{error}");
    }
}
