//! What the caller of `check` and `start` may choose, with the settings behind it.

use super::offer::Limits;
use crate::api::DeviceInfo;
use crate::error::{Error, Kind};
use crate::json::{Decode, Encode};
use crate::settings::Settings;

/// Root file systems that sysupgrade can write; the server's pattern knows two more, which are
/// archives.
const ROOTFS_TYPES: [&str; 6] = ["squashfs", "ext4", "ubifs", "erofs", "jffs2", "jffs2-nand"];

/// Milliseconds: a server that is asked more often serves somebody else less, one that is asked
/// less often may have forgotten the image.
const POLL_INTERVAL: std::ops::RangeInclusive<u32> = 500..=60_000;

/// Instead of a revision: whichever the server has.
const ANY_REVISION: &str = "none";

/// See the module; docs/ubus.md describes each for callers. Where something is said here and in the
/// settings, this counts.
#[derive(Clone, Debug, Default, Eq, PartialEq, Decode, Encode)]
#[field(optional)]
pub struct Choice {
    /// A branch or a full version; none: the newest of the running branch.
    #[field(sparse)]
    pub version: Option<String>,
    /// `r28739-d9340319c6`, or `none` for whichever the server has; none: what it announces.
    #[field(sparse)]
    pub revision: Option<String>,
    /// Packages to add.
    #[field(sparse)]
    pub add: Vec<String>,
    /// Packages to leave out.
    #[field(sparse)]
    pub remove: Vec<String>,
    /// Packages that may be missing in the release.
    #[field(sparse)]
    pub ignore: Vec<String>,
    /// New default packages that are not to come.
    #[field(sparse)]
    pub ignored_defaults: Vec<String>,
    /// Renamed packages, by either name, that are to stay what they are.
    #[field(sparse)]
    pub ignored_changes: Vec<String>,
    /// Any package may be missing.
    pub drop_missing: bool,
    /// The release's default packages, and of the owner's only what `add` names.
    pub clean_slate: bool,
    /// Packages may come from the router's own feeds.
    pub feeds: bool,
    /// The text of a script for the first boot of the new system.
    #[field(sparse)]
    pub init_script: Option<String>,
    /// `squashfs`, `ext4`, …; none: as it is now.
    #[field(sparse)]
    pub fstype: Option<String>,
    /// MiB.
    #[field(sparse)]
    pub rootfs_size: Option<u32>,
    /// Milliseconds between two questions about a build.
    #[field(sparse)]
    pub poll_interval: Option<u32>,
    /// Another device, `TARGET:BOARD[:ROOTFS[:efi]]`: only to look at.
    #[field(sparse)]
    pub device: Option<String>,
    /// Go below the running release.
    pub force: bool,
}

impl Choice {
    /// Fills in what the settings say of what was left open. (What they say of single packages is
    /// weighed against the call's by the plan, which knows their names with ABI suffix.)
    pub fn complete(&mut self, settings: &Settings) {
        let or = |choice: &mut Option<String>, setting: &Option<String>| {
            if choice.is_none() {
                choice.clone_from(setting);
            }
        };
        or(&mut self.version, &settings.version_to);
        or(&mut self.fstype, &settings.fstype);
        self.rootfs_size = self.rootfs_size.or(settings.rootfs_size);
        self.poll_interval = self.poll_interval.or(settings.poll_interval);
        self.clean_slate |= settings.clean_slate;
        self.feeds |= settings.custom_feeds;
        let ignored = &settings.ignored_defaults;
        self.ignored_defaults.extend_from_slice(ignored);
        let ignored = &settings.ignored_changes;
        self.ignored_changes.extend_from_slice(ignored);
    }

    /// Refuses what no server could make sense of, with what would be right.
    pub fn validate(&self) -> Result<(), Error> {
        if let Some(revision) = &self.revision {
            if revision != ANY_REVISION && !is_revision(revision) {
                return Err(wrong(
                    "revision",
                    revision,
                    "such as r28739-d9340319c6, or \"none\" for whichever the server has",
                ));
            }
        }
        if let Some(fstype) = &self.fstype {
            if !ROOTFS_TYPES.contains(&fstype.as_str()) {
                return Err(wrong(
                    "root file system type",
                    fstype,
                    &["one of ", &ROOTFS_TYPES.join(", ")].concat(),
                ));
            }
        }
        if self.rootfs_size == Some(0) {
            return Err(wrong(
                "size of the root file system",
                "0",
                "a number of MiB from 1 on",
            ));
        }
        if let Some(interval) = self.poll_interval {
            if !POLL_INTERVAL.contains(&interval) {
                let right = "500 to 60000 milliseconds";
                return Err(wrong("poll interval", &interval.to_string(), right));
            }
        }
        if let Some(script) = &self.init_script {
            if script.trim().is_empty() || script.contains('\0') {
                let sentence = "The script for the first boot is empty, or no text.";
                return Err(Error::new(Kind::Usage, sentence));
            }
        }
        self.other_device().map(drop)
    }

    /// Refuses what this server does not do.
    pub fn within(&self, limits: &Limits) -> Result<(), Error> {
        let refused = |sentence: String| Err(Error::new(Kind::Unsupported, sentence));
        if let Some(script) = &self.init_script {
            if !limits.allow_defaults {
                return refused("This upgrade server puts no script for the first boot into images. Leave out the init script, or use another server.".to_owned());
            }
            if script.len() > limits.defaults_length {
                return refused(format!(
                    "The script for the first boot has {} bytes; this upgrade server takes at most {}. Shorten it, or let it fetch what it needs.",
                    script.len(),
                    limits.defaults_length
                ));
            }
        }
        match self.rootfs_size.filter(|size| *size > limits.rootfs_size) {
            None => Ok(()),
            Some(size) => refused(format!(
                "A root file system of {size} MiB is asked for; this upgrade server makes at most {} MiB.",
                limits.rootfs_size
            )),
        }
    }

    /// The revision to put into the request where the server announces `announced`.
    pub fn revision_of(&self, announced: &str) -> String {
        match self.revision.as_deref() {
            None => announced.to_owned(),
            Some(ANY_REVISION) => String::new(),
            Some(revision) => revision.to_owned(),
        }
    }

    /// The device to plan for, where it is another one than this router.
    pub fn other_device(&self) -> Result<Option<DeviceInfo>, Error> {
        let Some(text) = &self.device else {
            return Ok(None);
        };
        let mut parts = text.split(':');
        let (target, board) = (parts.next(), parts.next());
        let (rootfs_type, boot) = (parts.next().unwrap_or("squashfs"), parts.next());
        let plain = |part: &&str| crate::server::is_plain_name(part);
        let boot = match boot {
            None | Some("" | "no" | "bios") => Some("bios"),
            Some("efi" | "force") => Some("efi"),
            Some(_) => None,
        };
        let is_target = |target: &&str| {
            target.split('/').count() == 2 && target.split('/').all(crate::server::is_plain_name)
        };
        match (target.filter(is_target), board.filter(plain), boot, parts.next()) {
            (Some(target), Some(board), Some(boot), None) => Ok(Some(DeviceInfo {
                board_name: board.to_owned(),
                profile: board.replace(',', "_"),
                target: target.to_owned(),
                rootfs_type: rootfs_type.to_owned(),
                boot: boot.to_owned(),
                ..DeviceInfo::default()
            })),
            _ => Err(wrong("device", text, "TARGET:BOARD, TARGET:BOARD:ROOTFS or TARGET:BOARD:ROOTFS:efi, for example x86/64:generic:ext4:efi")),
        }
    }
}

fn wrong(what: &str, text: &str, right: &str) -> Error {
    let text = crate::server::clean(text);
    let sentence = format!("\"{text}\" is no {what}; it has to be {right}.");
    Error::new(Kind::Usage, sentence)
}

/// `r28739-d9340319c6`
fn is_revision(text: &str) -> bool {
    let parts = text.strip_prefix('r').and_then(|text| text.split_once('-'));
    parts.is_some_and(|(number, hash)| {
        let digits = |text: &str, is: fn(&u8) -> bool| {
            (1..=40).contains(&text.len()) && text.bytes().all(|byte| is(&byte))
        };
        digits(number, u8::is_ascii_digit) && digits(hash, u8::is_ascii_hexdigit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(choice: Choice) -> String {
        let error = choice.validate().unwrap_err();
        assert_eq!(error.kind, Kind::Usage);
        error.message
    }

    #[test]
    fn what_no_server_understands_is_refused_with_what_would_be_right() {
        let some = |text: &str| Some(text.to_owned());
        for revision in [
            "28739-d934",
            "r28739",
            "r-abc",
            "rx-1",
            "r1-xyz",
            "",
            "R1-a",
        ] {
            let choice = Choice {
                revision: some(revision),
                ..Choice::default()
            };
            assert!(refused(choice).contains("such as r28739-d9340319c6"));
        }
        for device in [
            "",
            "x86/64",
            "x86:generic",
            "x86/64:../a",
            "x86/64:generic:ext4:maybe",
            "a/b:c:d:efi:e",
        ] {
            let choice = Choice {
                device: some(device),
                ..Choice::default()
            };
            assert!(refused(choice).contains("TARGET:BOARD"), "{device}");
        }
        for fstype in ["ext3", "cpiogz", ""] {
            let choice = Choice {
                fstype: some(fstype),
                ..Choice::default()
            };
            assert!(refused(choice).contains("squashfs, ext4"));
        }
        let choice = Choice {
            rootfs_size: Some(0),
            ..Choice::default()
        };
        assert!(refused(choice).contains("from 1 on"));
        for interval in [0, 499, 60_001] {
            let choice = Choice {
                poll_interval: Some(interval),
                ..Choice::default()
            };
            assert!(refused(choice).contains("500 to 60000"));
        }
        for script in ["", " \n", "a\0b"] {
            let choice = Choice {
                init_script: some(script),
                ..Choice::default()
            };
            assert!(refused(choice).contains("first boot"));
        }
    }

    #[test]
    fn what_makes_sense_is_taken() {
        let choice = Choice {
            revision: Some("r28739-d9340319c6".into()),
            fstype: Some("ext4".into()),
            rootfs_size: Some(1),
            poll_interval: Some(500),
            init_script: Some("uci commit\n".into()),
            device: Some("x86/64:generic:ext4:efi".into()),
            ..Choice::default()
        };
        choice.validate().unwrap();
        let device = choice.other_device().unwrap().unwrap();
        assert_eq!(
            (device.target.as_str(), device.boot.as_str()),
            ("x86/64", "efi")
        );
        assert_eq!(device.rootfs_type, "ext4");
        assert_eq!(choice.revision_of("r1-a"), "r28739-d9340319c6");
        let any = Choice {
            revision: Some("none".into()),
            ..Choice::default()
        };
        any.validate().unwrap();
        assert_eq!(any.revision_of("r1-a"), "");
        assert_eq!(Choice::default().revision_of("r1-a"), "r1-a");
    }

    #[test]
    fn a_server_has_limits() {
        let choice = Choice {
            rootfs_size: Some(1025),
            ..Choice::default()
        };
        let limits = Limits::default();
        let error = choice.within(&limits).unwrap_err();
        assert!(error.message.contains("at most 1024 MiB"), "{error}");
        let choice = Choice {
            init_script: Some("x".repeat(20_481)),
            ..Choice::default()
        };
        let error = choice.within(&limits).unwrap_err();
        assert!(error.message.contains("at most 20480"), "{error}");
        let choice = Choice {
            init_script: Some("x".repeat(20_480)),
            rootfs_size: Some(1024),
            ..Choice::default()
        };
        choice.within(&limits).unwrap();
        let strict = Limits {
            allow_defaults: false,
            ..limits
        };
        assert_eq!(choice.within(&strict).unwrap_err().kind, Kind::Unsupported);
    }

    #[test]
    fn the_call_goes_before_the_settings() {
        let settings = Settings {
            fstype: Some("ext4".into()),
            rootfs_size: Some(1),
            ignored_changes: vec!["a".into()],
            clean_slate: true,
            ..Settings::default()
        };
        let mut choice = Choice {
            rootfs_size: Some(2),
            ignored_changes: vec!["b".into()],
            ..Choice::default()
        };
        choice.complete(&settings);
        assert_eq!(choice.fstype.as_deref(), Some("ext4"));
        assert_eq!(choice.rootfs_size, Some(2));
        assert_eq!(choice.ignored_changes, ["b", "a"]);
        assert!(choice.clean_slate && !choice.force);
    }
}
