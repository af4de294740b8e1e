//! Stage 3: which packages to ask for, and what would change.
//!
//! A three-way merge: what the owner added to and removed from the running release's default
//! packages ([`defaults`]) is done again to those of the release that is offered ([`merge`]),
//! through the branch's list of renamed packages ([`renames`]) and under what the owner says of
//! single packages ([`wishes`]). A wanted name that the release does not have blocks the plan,
//! unless something else that is wanted merely depends on it, or its owner can go without it
//! ([`missing`]). [`changes`] says what would be other than now.

mod changes;
mod defaults;
mod merge;
mod missing;
mod present;
mod renames;
mod replaced;
mod translations;
mod wishes;

pub use defaults::Then;
pub use translations::name_translations;

use super::feeds::Feeds;
use super::newest;
use super::offer::Offer;
use super::{Choice, Inputs};
use crate::api::{Plan, Release, RequestBody, Target, Verdict};
use crate::error::{Error, Kind};
use crate::server::{clean, Versions};
use crate::sorted::{Map, Names};
use merge::{Merged, Sides};
use present::Present;
use renames::Renames;
use wishes::Wishes;

/// The distribution in a request; the servers know no other.
const DISTRO: &str = "openwrt";

/// Feeds of a request come besides the server's own; without the word they replace them.
const ADD_FEEDS: &str = "append";

/// A request that a plan stands behind. Only [`Planned::request`] makes one.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    body: RequestBody,
}

impl BuildRequest {
    /// What is sent.
    pub fn body(&self) -> &RequestBody {
        &self.body
    }
}

/// A plan, and what it needs to become a request.
#[derive(Clone, Debug)]
pub struct Planned {
    /// For people and for the bus.
    pub plan: Plan,
    /// Old → new name of requested packages.
    pub renamed: Map<String>,
    /// Left out on request, and not to be in the image.
    pub removed: Vec<String>,
    /// Missing in the release, which the owner said is all right.
    pub left_out: Vec<String>,
    /// The default packages of the release for the device: the next plan has to know them.
    pub defaults: Vec<String>,
    /// The newest release that ran here.
    pub newest: Release,
}

impl Planned {
    /// The request, unless the plan is blocked or leads back without `force`.
    pub fn request(&self, force: bool) -> Result<BuildRequest, Error> {
        let (Some(body), true) = (&self.plan.request, self.plan.verdict != Verdict::Blocked) else {
            return Err(self.blocked());
        };
        if self.plan.verdict == Verdict::Downgrade && !force {
            let sentence = newest::older(&self.plan.target.version, &self.newest);
            let sentence = format!("{sentence} {}", newest::USE_FORCE);
            return Err(Error::new(Kind::Usage, sentence));
        }
        Ok(BuildRequest { body: body.clone() })
    }

    fn blocked(&self) -> Error {
        let missing = &self.plan.packages.missing;
        let names: Vec<&str> = missing
            .iter()
            .map(|missing| missing.name.as_str())
            .collect();
        let sentence = format!(
            "{} does not have {}. Leave the packages out with \"remove\" or \"ignore\", or wait until the release has them.",
            self.plan.target.version,
            names.join(", ")
        );
        Error::new(Kind::Packages, sentence)
    }
}

/// All names about which the release's index has to be asked.
pub fn questions<'a>(inputs: &'a Inputs, offer: &'a Offer) -> Names<'a> {
    let installed = inputs.installed.names();
    let defaults = offer.profile.default_packages.iter();
    let wishes = inputs.settings.add.iter().chain(&inputs.choice.add);
    let renamed = offer
        .package_changes
        .iter()
        .filter_map(|change| change.target.as_ref());
    let names = defaults.chain(&offer.profile.device_packages);
    let names = names.chain(wishes).chain(renamed).map(String::as_str);
    installed.chain(names).collect()
}

/// Plans: `then` are the running release's default packages, `available` what the index answered
/// to the [`questions`] (name → version).
pub fn plan(inputs: &Inputs, offer: &Offer, then: &Then, available: &Versions<'_>) -> Planned {
    let choice = &inputs.choice;
    let present = Present::new(&inputs.installed);
    let ignored = &choice.ignored_changes;
    let (feeds, feed_notes) = inputs.feeds.for_offer(offer);
    let (running, target) = (inputs.device.release(), target(offer, choice));
    let renames = Renames::new(&offer.package_changes, &target.revision, ignored, available);
    let wishes = Wishes::new(inputs, &present, &renames, available);
    let sides = Sides {
        version: &offer.version,
        present,
        renames,
        wishes,
        now: defaults::now(&offer.profile),
        ignored_defaults: choice.ignored_defaults.iter().map(String::as_str).collect(),
        has_feeds: !feeds.repositories.is_empty(),
        available,
    };
    let mut merged = match choice.clean_slate {
        true => merge::start_anew(&sides),
        false => merge::merge(&sides, then),
    };
    merged.notes.extend(feed_notes);
    if choice.feeds && inputs.feeds.repositories.is_empty() {
        merged
            .notes
            .push("This router has no feeds of its own.".to_owned());
    }
    let packages = changes::changes(&sides, &mut merged);
    let newest = match inputs.newest.version.as_str() {
        "" => running.clone(),
        _ => inputs.newest.clone(),
    };
    let wanted = sides.present.wanted();
    let verdict = changes::verdict(&running, &newest, &target, &packages, wanted);
    if verdict == Verdict::Downgrade && newest != running {
        merged.notes.push(newest::older(&target.version, &newest));
    }
    merged.notes.extend(changes::note_older(&packages, verdict));
    let request = match verdict {
        Verdict::Blocked => None,
        _ => Some(request(inputs, offer, &mut merged, available, feeds)),
    };
    let selection = merged.selection(&sides.now);
    Planned {
        plan: Plan {
            server: offer.server.clone(),
            running,
            target,
            verdict,
            packages,
            defaults: merged.defaults,
            selection,
            notes: merged.notes,
            request,
        },
        renamed: merged.renamed.iter().map(owned_pair).collect(),
        removed: merged.removed,
        left_out: merged.left_out,
        defaults: defaults::owned(&sides.now),
        newest,
    }
}

fn owned_pair((name, value): &(&str, &str)) -> (String, String) {
    ((*name).to_owned(), (*value).to_owned())
}

fn target(offer: &Offer, choice: &Choice) -> Target {
    let kernel = offer.profile.linux_kernel.as_ref();
    let asked = choice.revision_of(&offer.revision);
    Target {
        version: offer.version.clone(),
        revision: match asked.is_empty() {
            true => offer.revision.clone(),
            false => asked,
        },
        kernel: kernel
            .map(|kernel| kernel.version.clone())
            .unwrap_or_default(),
        branch: offer.branch.clone(),
        built_at: offer.profile.build_at.clone(),
    }
}

/// With versions, where the index is that of the revision asked for and knows all of them.
fn request(
    inputs: &Inputs,
    offer: &Offer,
    merged: &mut Merged<'_>,
    available: &Versions<'_>,
    feeds: Feeds,
) -> RequestBody {
    let choice = &inputs.choice;
    let version_code = choice.revision_of(&offer.revision);
    let names = &merged.names;
    let known = names.iter();
    let known = known.filter_map(|name| Some((*name, available.get(name)?)));
    let known: Vec<(&str, &String)> = known.collect();
    let why = if !version_code.is_empty() && version_code != offer.revision {
        let announced = clean(&offer.revision);
        Some(format!("the index is for {announced}"))
    } else if known.len() < names.len() {
        let unknown = names.iter().filter(|name| !available.contains_key(name));
        let unknown: Vec<&str> = unknown.copied().collect();
        Some(format!("the index does not list {}", unknown.join(", ")))
    } else {
        None
    };
    let (mut packages, mut packages_versions) = (Vec::new(), Map::new());
    match why {
        None => {
            let versions = known.into_iter();
            let owned = |(name, version): (&str, &String)| (name.to_owned(), version.clone());
            packages_versions = versions.map(owned).collect();
        }
        Some(why) => {
            packages = defaults::owned(names);
            merged.notes.push(format!(
                "Packages are asked for without their versions, because {why}."
            ));
        }
    }
    RequestBody {
        distro: DISTRO.to_owned(),
        version: offer.version.clone(),
        version_code,
        target: offer.profile.target.clone(),
        profile: offer.profile.id.clone(),
        packages,
        packages_versions,
        diff_packages: true,
        defaults: choice.init_script.clone(),
        rootfs_size_mb: choice.rootfs_size,
        filesystem: filesystem(inputs, offer),
        repositories_mode: (!feeds.repositories.is_empty()).then(|| ADD_FEEDS.to_owned()),
        repositories: feeds.repositories,
        repository_keys: feeds.keys,
        client: crate::server::CLIENT.to_owned(),
    }
}

/// What is set, else the running one where the device's images come with it: then the server
/// builds no others (for a PC each image twice).
fn filesystem(inputs: &Inputs, offer: &Offer) -> Option<String> {
    let running = &inputs.target_device().rootfs_type;
    let is_built = offer.filesystems().has(running);
    let set = inputs.choice.fstype.clone();
    set.or_else(|| is_built.then(|| running.clone()))
}
