//! What an upgrade server says, as plain structs.
//!
//! Unknown fields are ignored, missing ones have defaults where both the public server and its
//! older releases leave them out. Nothing here is trusted: `verify` compares it with what was asked.

use serde::Deserialize;
use std::collections::BTreeMap;

/// `GET /json/v1/overview.json`
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Overview {
    /// Branch name → branch.
    #[serde(default)]
    pub branches: BTreeMap<String, OverviewBranch>,
    /// Where the server has its ImageBuilders from; older servers don't say.
    #[serde(default)]
    pub upstream_url: Option<String>,
    /// What the server says of itself; older ones say nothing.
    #[serde(default)]
    pub server: Option<ServerSays>,
}

/// `server` of the overview: what may be asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServerSays {
    /// Whether images may have a script for their first boot.
    pub allow_defaults: Option<bool>,
    /// Folders below which feeds have to be.
    pub repository_allow_list: Option<Vec<String>>,
    /// MiB.
    pub max_custom_rootfs_size_mb: Option<u32>,
    /// Bytes.
    pub max_defaults_length: Option<usize>,
    /// Whether it says beforehand what it would change of a request.
    pub prepare: Option<bool>,
    /// Whether it tells the versions of some packages without a whole index.
    pub update: Option<bool>,
}

/// A branch in the overview.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct OverviewBranch {
    /// `releases/{version}` or `snapshots`.
    pub path: String,
    /// Newest first on the public server; not to be relied upon.
    #[serde(default)]
    pub versions: Vec<String>,
    /// Target → package architecture.
    #[serde(default)]
    pub targets: BTreeMap<String, String>,
    /// Renamed and vanished packages.
    #[serde(default)]
    pub package_changes: Vec<PackageChange>,
    /// Whether the server builds for it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether it has no releases.
    #[serde(default)]
    pub snapshot: bool,
}

fn yes() -> bool {
    true
}

/// `source` became `target` at `revision`, or vanished where there is no target.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct PackageChange {
    /// The old name; empty: `target` came anew.
    #[serde(default)]
    pub source: String,
    /// The new name.
    #[serde(default)]
    pub target: Option<String>,
    /// The number in the revision (`r26792-…`) from which on it is so.
    pub revision: u32,
    /// Whether the server does it by itself, asked or not.
    #[serde(default)]
    pub mandatory: bool,
}

/// `GET /json/v1/PATH/targets/T/S/PROFILE.json`
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Profile {
    /// As the ImageBuilder names it.
    pub id: String,
    /// `ath79/generic`
    pub target: String,
    /// `r28739-d9340319c6`
    pub version_code: String,
    /// `24.10.2`
    pub version_number: String,
    /// `mips_24kc`
    #[serde(default)]
    pub arch_packages: String,
    /// What each image of the target has.
    #[serde(default)]
    pub default_packages: Vec<String>,
    /// What the device adds; an entry `-x` removes x.
    #[serde(default)]
    pub device_packages: Vec<String>,
    /// Board names that may use it.
    #[serde(default)]
    pub supported_devices: Vec<String>,
    /// The official images.
    #[serde(default)]
    pub images: Vec<ImageFile>,
    /// The kernel, where the release says so.
    #[serde(default)]
    pub linux_kernel: Option<Kernel>,
    /// `2025-06-23T20:40:36.000000Z`
    #[serde(default)]
    pub build_at: String,
}

/// `linux_kernel` of a profile.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Kernel {
    /// `6.6.93`
    pub version: String,
}

/// One image of a profile or of a finished build.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ImageFile {
    /// `squashfs`, `ext4`, `initramfs`; absent where it has none.
    #[serde(default)]
    pub filesystem: Option<String>,
    /// File name.
    pub name: String,
    /// Of the file.
    pub sha256: String,
    /// Of the file without its signature, where the server says so.
    #[serde(default)]
    pub sha256_unsigned: Option<String>,
    /// `sysupgrade`, `combined-efi`, `factory`, …
    #[serde(rename = "type")]
    pub kind: String,
}

/// What `POST /api/v1/build` and `GET /api/v1/build/HASH` say while there is no image.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Progress {
    /// `queued`, `started`, …; words that nobody has heard of are shown as they are.
    #[serde(default)]
    pub detail: String,
    /// The server's name for the request.
    #[serde(default)]
    pub request_hash: String,
    /// Builds before ours.
    #[serde(default)]
    pub queue_position: Option<u32>,
    /// `init`, `building_image`, …
    #[serde(default)]
    pub imagebuilder_status: Option<String>,
}

/// What the server says of a finished build.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Finished {
    /// Folder of the images below `/store/`.
    pub bin_dir: String,
    /// The profile it was built for.
    pub id: String,
    /// `ath79/generic`
    #[serde(default)]
    pub target: String,
    /// `24.10.2`
    pub version_number: String,
    /// `r28739-d9340319c6`
    pub version_code: String,
    /// The images.
    pub images: Vec<ImageFile>,
    /// Package → version, everything in the image.
    pub manifest: BTreeMap<String, String>,
    /// The release's default packages.
    #[serde(default)]
    pub default_packages: Vec<String>,
    /// The device's.
    #[serde(default)]
    pub device_packages: Vec<String>,
    /// The request as the server understood it; older servers don't say.
    #[serde(default)]
    pub request: Option<Understood>,
    /// The server's name for the request.
    #[serde(default)]
    pub request_hash: String,
}

/// The request as the server understood it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Understood {
    /// `24.10.2`
    #[serde(default)]
    pub version: String,
    /// As the server names it.
    #[serde(default)]
    pub profile: String,
    /// `ath79/generic`
    #[serde(default)]
    pub target: String,
    /// Names after the server's own changes (auc → owut).
    #[serde(default)]
    pub packages: Vec<String>,
}
