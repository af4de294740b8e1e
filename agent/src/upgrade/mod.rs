//! The upgrade, one file a stage; each takes the former's result as its argument:
//!
//! [`device`] (what runs here) → [`offer`] (what the server has) → [`plan`] (which packages, what
//! changes) → [`build`] (request, poll) → [`download`] → [`verify`] → [`flash`], and after the
//! reboot [`confirm`].
//!
//! The types carry the proof: only `plan` makes a `BuildRequest`, only `verify` makes a
//! `VerifiedImage`, and `flash` takes nothing else.

pub mod beside;
pub mod build;
pub mod choice;
pub mod confirm;
pub mod device;
pub mod download;
pub mod feeds;
pub mod flash;
pub mod installed;
pub mod newest;
pub mod offer;
pub mod plan;
pub mod promise;
pub mod rebuild;
pub mod trust;
pub mod verify;

use crate::api::{DeviceInfo, Phase, Release};
use crate::json::{Decode, Encode};
use crate::settings::Settings;
pub use choice::Choice;
use device::{Device, Installed};
use feeds::Feeds;

/// What an upgrade starts from.
#[derive(Clone, Debug, Default, Decode, Encode)]
pub struct Inputs {
    /// The router.
    pub device: Device,
    /// What is on it.
    pub installed: Installed,
    /// What its owner set.
    pub settings: Settings,
    /// What its owner asks for now, completed from the settings.
    pub choice: Choice,
    /// Its own feeds, where packages may come from them.
    #[field(optional)]
    pub feeds: Feeds,
    /// The device to plan for, where it is another one.
    #[field(sparse)]
    pub other_device: Option<DeviceInfo>,
    /// The newest release that ran here; empty where nobody said.
    #[field(optional)]
    pub newest: Release,
    /// The default packages of the image that runs, where one of the last upgrades wrote them down
    /// (`-x` removes x); else empty.
    #[field(sparse)]
    pub kept_defaults: Vec<String>,
}

impl Inputs {
    /// The device to plan for.
    pub fn target_device(&self) -> &DeviceInfo {
        self.other_device.as_ref().unwrap_or(&self.device.info)
    }
}

/// What a stage tells while it works; a field that is `None` did not change.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
#[field(optional)]
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
