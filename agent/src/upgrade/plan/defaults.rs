//! The packages that a release puts into each image for a device, then and now.

use crate::server::answers::Profile;
use crate::sorted::Names;
use crate::upgrade::offer::{Offer, Version};
use crate::upgrade::Inputs;

/// The default packages of the running release, or why they are not known.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// Their names.
    Known(Vec<String>),
    /// A sentence.
    Unknown(String),
}

impl Then {
    /// What is known without asking: the offer is for the release that runs, or the last upgrade
    /// wrote the image's defaults down; or nobody needs to know.
    pub fn at_hand(inputs: &Inputs, offer: &Offer) -> Option<Then> {
        let running = &inputs.device.running;
        if inputs.choice.clean_slate {
            return Some(Then::Known(Vec::new()));
        }
        let same_device = inputs.other_device.is_none();
        if same_device && offer.version == running.version && is_of(&offer.profile, inputs) {
            return Some(Then::Known(owned(&now(&offer.profile))));
        }
        let kept = &inputs.kept_defaults;
        (!kept.is_empty()).then(|| Then::Known(owned(&effective(kept.iter()))))
    }

    /// From what the server has in the place of the running release.
    pub fn of_profile(profile: Option<&Profile>, inputs: &Inputs) -> Then {
        let running = &inputs.device.running;
        match profile {
            Some(profile) if is_of(profile, inputs) => Then::Known(owned(&now(profile))),
            Some(profile) => Then::Unknown(format!(
                "The upgrade server has {} in the place of {}.",
                profile.version_code, running.revision
            )),
            None => Then::Unknown(format!(
                "The upgrade server has nothing about {} for this device any more.",
                running.version
            )),
        }
    }
}

/// A release is the same whoever built it; a snapshot is another one with each revision.
fn is_of(profile: &Profile, inputs: &Inputs) -> bool {
    let running = &inputs.device.running;
    let release = Version::parse(&running.version).is_some_and(|version| !version.is_snapshot());
    release || profile.version_code == running.revision
}

/// The default packages of the release and the device, without the pseudo packages.
pub(super) fn now(profile: &Profile) -> Names<'_> {
    effective(
        profile
            .default_packages
            .iter()
            .chain(&profile.device_packages),
    )
}

/// An entry `-x` removes x, wherever it stands.
fn effective<'a>(list: impl Iterator<Item = &'a String> + Clone) -> Names<'a> {
    let removed: Names<'_> = list
        .clone()
        .filter_map(|name| name.strip_prefix('-'))
        .collect();
    let names = list.filter(|name| !name.is_empty() && !name.starts_with('-'));
    names
        .filter(|name| !removed.has(name) && !packages::is_pseudo(name))
        .map(String::as_str)
        .collect()
}

/// Copies of names.
pub(super) fn owned(names: &Names<'_>) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
