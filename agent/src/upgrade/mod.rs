//! The upgrade, one file a stage; each takes the former's result as its argument:
//!
//! [`device`] (what runs here) → [`offer`] (what the server has) → [`plan`] (which packages, what
//! changes) → [`build`] (request, poll) → [`download`] → [`verify`] → [`flash`], and after the
//! reboot [`confirm`].
//!
//! The types carry the proof: only `plan` makes a `BuildRequest`, only `verify` makes a
//! `VerifiedImage`, and `flash` takes nothing else.

pub mod build;
pub mod confirm;
pub mod device;
pub mod download;
pub mod flash;
pub mod installed;
pub mod offer;
pub mod plan;
pub mod promise;
pub mod verify;

use crate::api::Phase;
use crate::settings::Settings;
use device::{Device, Installed};
use serde::{Deserialize, Serialize};

/// What an upgrade starts from.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Inputs {
    /// The router.
    pub device: Device,
    /// What is on it.
    pub installed: Installed,
    /// What its owner set.
    pub settings: Settings,
    /// The text of the script for the first boot of the new system, where the owner set one.
    pub first_boot: Option<String>,
    /// What its owner asks for now.
    pub choice: Choice,
    /// The default packages of the image that runs, where one of the last upgrades wrote them down
    /// (`-x` removes x); else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_defaults: Vec<String>,
}

/// What the caller of `check` and `start` may choose.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Choice {
    /// A branch or a full version; none: the newest of the running branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Packages to add.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    /// Packages to leave out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Packages that may be missing in the release.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Any package may be missing.
    pub drop_missing: bool,
    /// Go below the running release.
    pub force: bool,
}

/// What a stage tells while it works; a field that is `None` did not change.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Progress {
    /// Where the job is.
    pub phase: Option<Phase>,
    /// Of the phase, 0 to 100.
    pub percent: Option<u8>,
    /// The server's own step, or the file being fetched.
    pub detail: Option<String>,
    /// Builds before ours.
    pub queue_position: Option<u32>,
    /// Received so far.
    pub bytes: Option<u64>,
    /// To be received.
    pub bytes_total: Option<u64>,
    /// Which server does the work.
    pub server: Option<String>,
    /// What is being built.
    pub version: Option<String>,
    /// Its revision.
    pub revision: Option<String>,
    /// The server's name for the request.
    pub request_hash: Option<String>,
}

/// Where a stage tells what it is doing.
pub trait Watcher {
    /// Called whenever something changed; must not block for long.
    fn progress(&mut self, progress: Progress);
}

/// For those who don't want to know.
impl Watcher for () {
    fn progress(&mut self, _: Progress) {}
}
