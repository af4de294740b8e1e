//! What an upgrade server says, as plain structs.
//!
//! Unknown fields are ignored, missing ones have defaults where both the public server and its
//! older releases leave them out. Nothing here is trusted: `verify` compares it with what was asked.

use crate::json::Decode;
use crate::sorted::Map;

/// `GET /json/v1/overview.json`
#[derive(Clone, Debug, Default, Decode)]
pub struct Overview {
    /// Branch name → branch.
    #[field(optional)]
    pub branches: Map<OverviewBranch>,
    /// Where the server has its ImageBuilders from; older servers don't say.
    pub upstream_url: Option<String>,
    /// What the server says of itself; older ones say nothing.
    pub server: Option<ServerSays>,
}

/// `server` of the overview: what may be asked for.
#[derive(Clone, Debug, Default, Decode)]
#[field(optional)]
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
#[derive(Clone, Debug, Decode)]
pub struct OverviewBranch {
    /// `releases/{version}` or `snapshots`.
    pub path: String,
    /// Newest first on the public server; not to be relied upon.
    #[field(optional)]
    pub versions: Vec<String>,
    /// Target → package architecture.
    #[field(optional)]
    pub targets: Map<String>,
    /// Renamed and vanished packages.
    #[field(optional)]
    pub package_changes: Vec<PackageChange>,
    /// Whether the server builds for it.
    #[field(optional)]
    pub enabled: bool,
    /// Whether it has no releases.
    #[field(optional)]
    pub snapshot: bool,
}

impl Default for OverviewBranch {
    /// Where nobody says anything else, the server builds for it.
    fn default() -> Self {
        OverviewBranch {
            path: String::new(),
            versions: Vec::new(),
            targets: Map::new(),
            package_changes: Vec::new(),
            enabled: true,
            snapshot: false,
        }
    }
}

/// `source` became `target` at `revision`, or vanished where there is no target.
#[derive(Clone, Debug, Default, Eq, PartialEq, Decode)]
pub struct PackageChange {
    /// The old name; empty: `target` came anew.
    #[field(optional)]
    pub source: String,
    /// The new name.
    pub target: Option<String>,
    /// The number in the revision (`r26792-…`) from which on it is so.
    pub revision: u32,
    /// Whether the server does it by itself, asked or not.
    #[field(optional)]
    pub mandatory: bool,
}

/// `GET /json/v1/PATH/targets/T/S/PROFILE.json`
#[derive(Clone, Debug, Default, Decode)]
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
    #[field(optional)]
    pub arch_packages: String,
    /// What each image of the target has.
    #[field(optional)]
    pub default_packages: Vec<String>,
    /// What the device adds; an entry `-x` removes x.
    #[field(optional)]
    pub device_packages: Vec<String>,
    /// Board names that may use it.
    #[field(optional)]
    pub supported_devices: Vec<String>,
    /// The official images.
    #[field(optional)]
    pub images: Vec<ImageFile>,
    /// The kernel, where the release says so.
    pub linux_kernel: Option<Kernel>,
    /// `2025-06-23T20:40:36.000000Z`
    #[field(optional)]
    pub build_at: String,
}

/// `linux_kernel` of a profile.
#[derive(Clone, Debug, Default, Decode)]
pub struct Kernel {
    /// `6.6.93`
    pub version: String,
}

/// One image of a profile or of a finished build.
#[derive(Clone, Debug, Default, Decode)]
pub struct ImageFile {
    /// `squashfs`, `ext4`, `initramfs`; absent where it has none.
    pub filesystem: Option<String>,
    /// File name.
    pub name: String,
    /// Of the file.
    pub sha256: String,
    /// Of the file without its signature, where the server says so.
    pub sha256_unsigned: Option<String>,
    /// `sysupgrade`, `combined-efi`, `factory`, …
    #[field(name = "type")]
    pub kind: String,
}

/// What `POST /api/v1/build` and `GET /api/v1/build/HASH` say while there is no image.
#[derive(Clone, Debug, Default, Decode)]
pub struct Progress {
    /// `queued`, `started`, …; words that nobody has heard of are shown as they are.
    #[field(optional)]
    pub detail: String,
    /// The server's name for the request.
    #[field(optional)]
    pub request_hash: String,
    /// Builds before ours.
    pub queue_position: Option<u32>,
    /// `init`, `building_image`, …
    pub imagebuilder_status: Option<String>,
}

/// What the server says of a finished build.
#[derive(Clone, Debug, Default, Decode)]
pub struct Finished {
    /// Folder of the images below `/store/`.
    pub bin_dir: String,
    /// The profile it was built for.
    pub id: String,
    /// `ath79/generic`
    #[field(optional)]
    pub target: String,
    /// `24.10.2`
    pub version_number: String,
    /// `r28739-d9340319c6`
    pub version_code: String,
    /// The images.
    pub images: Vec<ImageFile>,
    /// Package → version, everything in the image.
    pub manifest: Map<String>,
    /// The release's default packages.
    #[field(optional)]
    pub default_packages: Vec<String>,
    /// The device's.
    #[field(optional)]
    pub device_packages: Vec<String>,
    /// The request as the server understood it; older servers don't say.
    pub request: Option<Understood>,
    /// The server's name for the request.
    #[field(optional)]
    pub request_hash: String,
}

/// The request as the server understood it.
#[derive(Clone, Debug, Default, Decode)]
pub struct Understood {
    /// `24.10.2`
    #[field(optional)]
    pub version: String,
    /// As the server names it.
    #[field(optional)]
    pub profile: String,
    /// `ath79/generic`
    #[field(optional)]
    pub target: String,
    /// Names after the server's own changes (auc → owut).
    #[field(optional)]
    pub packages: Vec<String>,
}
