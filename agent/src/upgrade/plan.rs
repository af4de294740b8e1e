//! Stage 3: which packages to ask for, and what would change.
//!
//! What is wanted now (world, or not `Auto-Installed`) is carried over, through the release's
//! `package_changes`, and checked against the release's index. A wanted name that the release does
//! not have blocks the plan, unless something else that is wanted merely depends on it.

use super::device::{Device, Installed, PSEUDO_PACKAGES};
use super::offer::{Offer, Version};
use super::Inputs;
use crate::api::{
    Missing, NamedVersion, PackageChanges, Plan, Renamed, RequestBody, Target, Verdict,
    VersionChange,
};
use crate::error::{Error, Kind};
use crate::server::answers::PackageChange;
use packages::PackageName;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// The distribution in a request; the servers know no other.
const DISTRO: &str = "openwrt";

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

/// The names that go into the request, before the index was asked.
pub struct Wanted {
    names: BTreeSet<String>,
    /// Old → new name.
    renamed: BTreeMap<String, String>,
    /// Packages that the release says are gone.
    gone: BTreeSet<String>,
    removed: BTreeSet<String>,
    notes: Vec<String>,
}

impl Wanted {
    /// All names about which the index has to be asked.
    pub fn questions<'a>(&'a self, installed: &'a Installed) -> BTreeSet<&'a str> {
        let names = self.names.iter().map(String::as_str);
        names
            .chain(
                installed
                    .packages
                    .iter()
                    .map(|package| package.name.as_str()),
            )
            .collect()
    }
}

/// A plan, and what it needs to become a request.
#[derive(Clone, Debug)]
pub struct Planned {
    /// For people and for the bus.
    pub plan: Plan,
    /// Old → new name of requested packages.
    pub renamed: BTreeMap<String, String>,
    /// Left out on request.
    pub removed: Vec<String>,
}

impl Planned {
    /// The request, unless the plan is blocked or leads back without `force`.
    pub fn request(&self, force: bool) -> Result<BuildRequest, Error> {
        let (Some(body), true) = (&self.plan.request, self.plan.verdict != Verdict::Blocked) else {
            return Err(self.blocked());
        };
        if self.plan.verdict == Verdict::Downgrade && !force {
            let sentence = format!(
                "{} is older than {}, which runs now. Use force if that is what you want.",
                self.plan.target.version, self.plan.running.version
            );
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
            "{} does not have {}. Leave the packages out with \"remove\", or wait until the release has them.",
            self.plan.target.version,
            names.join(", ")
        );
        Error::new(Kind::Packages, sentence)
    }
}

/// What is wanted on the new release, by name.
pub fn wanted(inputs: &Inputs, offer: &Offer) -> Wanted {
    let Inputs {
        installed,
        settings,
        choice,
        ..
    } = inputs;
    let mut wanted = Wanted {
        names: BTreeSet::new(),
        renamed: BTreeMap::new(),
        gone: BTreeSet::new(),
        removed: settings
            .remove
            .iter()
            .chain(&choice.remove)
            .cloned()
            .collect(),
        notes: Vec::new(),
    };
    let present = installed.packages.iter().filter(|package| package.wanted);
    wanted
        .names
        .extend(present.map(|package| package.name.clone()));
    wanted
        .names
        .extend(settings.add.iter().chain(&choice.add).cloned());
    apply_changes(&mut wanted, &offer.package_changes, &offer.revision);
    let removed = std::mem::take(&mut wanted.removed);
    wanted
        .names
        .retain(|name| !removed.contains(name) && !PSEUDO_PACKAGES.contains(&name.as_str()));
    wanted.removed = removed;
    refuse_bad_names(&mut wanted);
    wanted
}

/// Follows the release's list of renamed and vanished packages, oldest change first.
fn apply_changes(wanted: &mut Wanted, changes: &[PackageChange], revision: &str) {
    let Some(revision) = revision_number(revision) else {
        return;
    };
    let mut changes: Vec<&PackageChange> = changes
        .iter()
        .filter(|change| change.revision <= revision)
        .collect();
    changes.sort_by_key(|change| change.revision);
    for change in changes {
        if !wanted.names.remove(&change.source) {
            continue;
        }
        match &change.target {
            Some(target) => {
                wanted.names.insert(target.clone());
                let origin = wanted.renamed.iter().find(|(_, to)| **to == change.source);
                let origin = origin.map_or(&change.source, |(from, _)| from).clone();
                wanted.renamed.insert(origin, target.clone());
            }
            None => {
                wanted.notes.push(format!(
                    "{} is no longer needed in this release.",
                    change.source
                ));
                wanted.gone.insert(change.source.clone());
            }
        }
    }
}

/// A name the server would refuse makes it refuse the whole request.
fn refuse_bad_names(wanted: &mut Wanted) {
    let bad: Vec<String> = wanted
        .names
        .iter()
        .filter(|name| PackageName::new(name).is_err())
        .cloned()
        .collect();
    for name in bad {
        wanted.names.remove(&name);
        wanted.notes.push(format!(
            "{name:?} is not asked for: upgrade servers refuse such a name."
        ));
    }
}

/// `r28739-d9340319c6` → 28739
fn revision_number(revision: &str) -> Option<u32> {
    let digits = revision.strip_prefix('r')?;
    digits.split(['-', '+']).next()?.parse().ok()
}

/// Holds what is wanted against the release's index (`available`: name → version).
pub fn plan(
    inputs: &Inputs,
    offer: &Offer,
    wanted: Wanted,
    available: &BTreeMap<String, String>,
) -> Planned {
    let Inputs {
        device,
        installed,
        settings,
        ..
    } = inputs;
    let mut wanted = wanted;
    let mut changes = PackageChanges::default();
    let absent: Vec<String> = wanted
        .names
        .iter()
        .filter(|name| !available.contains_key(*name))
        .cloned()
        .collect();
    for name in &absent {
        let users = needed_by(installed, name, &wanted.names);
        if settings.ignore.contains(name) {
            wanted.names.remove(name);
            wanted.notes.push(format!("{name} is left out: the release does not have it, and you said that it may be missing."));
        } else if !users.is_empty() {
            wanted.names.remove(name);
            wanted.notes.push(format!("{name} is not asked for: the release does not have it, and it is only there because of {}.", users.join(", ")));
        } else {
            changes.missing.push(Missing {
                name: name.clone(),
                needed_by: users,
            });
        }
    }
    compare(&mut changes, installed, &wanted, available);
    let target = Target {
        version: offer.version.clone(),
        revision: offer.revision.clone(),
        kernel: offer
            .profile
            .linux_kernel
            .clone()
            .map(|kernel| kernel.version)
            .unwrap_or_default(),
        branch: offer.branch.clone(),
        built_at: offer.profile.build_at.clone(),
    };
    let verdict = verdict(device, &target, &changes);
    let request = match changes.missing.is_empty() {
        true => Some(request(inputs, offer, &wanted, available)),
        false => None,
    };
    Planned {
        plan: Plan {
            server: offer.server.clone(),
            running: device.release(),
            target,
            verdict,
            packages: changes,
            defaults: Default::default(),
            notes: wanted.notes,
            request,
        },
        renamed: wanted.renamed,
        removed: wanted.removed.into_iter().collect(),
    }
}

/// The wanted packages that depend on `name`, besides itself.
fn needed_by(installed: &Installed, name: &str, wanted: &BTreeSet<String>) -> Vec<String> {
    let users = installed.packages.iter().filter(|package| {
        package.name != name
            && wanted.contains(&package.name)
            && package.depends.iter().any(|dependency| dependency == name)
    });
    users.map(|package| package.name.clone()).collect()
}

fn compare(
    changes: &mut PackageChanges,
    installed: &Installed,
    wanted: &Wanted,
    available: &BTreeMap<String, String>,
) {
    for package in &installed.packages {
        let name = &package.name;
        if let Some(to) = wanted.renamed.get(name) {
            changes.renamed.push(Renamed {
                from: name.clone(),
                to: to.clone(),
            });
            continue;
        }
        if wanted.removed.contains(name) || wanted.gone.contains(name) {
            changes.gone.push(NamedVersion {
                name: name.clone(),
                version: package.version.clone(),
            });
            continue;
        }
        let Some(to) = available.get(name) else {
            continue;
        };
        let change = VersionChange {
            name: name.clone(),
            from: package.version.clone(),
            to: to.clone(),
        };
        match packages::version::compare(&package.version, to) {
            Ordering::Less => changes.upgrade.push(change),
            Ordering::Greater => changes.downgrade.push(change),
            Ordering::Equal => {}
        }
    }
    let renamed_to: BTreeSet<&String> = wanted.renamed.values().collect();
    for name in wanted
        .names
        .iter()
        .filter(|name| !installed.has(name) && !renamed_to.contains(name))
    {
        if let Some(version) = available.get(name) {
            changes.new.push(NamedVersion {
                name: name.clone(),
                version: version.clone(),
            });
        }
    }
}

fn verdict(device: &Device, target: &Target, changes: &PackageChanges) -> Verdict {
    if !changes.missing.is_empty() {
        return Verdict::Blocked;
    }
    let order = match (
        Version::parse(&device.running.version),
        Version::parse(&target.version),
    ) {
        (Some(running), Some(wanted)) => running.cmp(&wanted),
        _ => Ordering::Less,
    };
    let revisions = (
        revision_number(&device.running.revision),
        revision_number(&target.revision),
    );
    match (order, revisions) {
        (Ordering::Less, _) => Verdict::Upgrade,
        (Ordering::Greater, _) => Verdict::Downgrade,
        (Ordering::Equal, (Some(running), Some(wanted))) if running < wanted => Verdict::Upgrade,
        (Ordering::Equal, (Some(running), Some(wanted))) if running > wanted => Verdict::Downgrade,
        _ if changes.any() => Verdict::Rebuild,
        _ => Verdict::Current,
    }
}

impl PackageChanges {
    /// Whether an image would have other packages than the router now.
    fn any(&self) -> bool {
        !(self.upgrade.is_empty()
            && self.downgrade.is_empty()
            && self.new.is_empty()
            && self.gone.is_empty()
            && self.renamed.is_empty())
    }
}

fn request(
    inputs: &Inputs,
    offer: &Offer,
    wanted: &Wanted,
    available: &BTreeMap<String, String>,
) -> RequestBody {
    let settings = &inputs.settings;
    let versions = wanted
        .names
        .iter()
        .map(|name| Some((name.clone(), available.get(name)?.clone())));
    let packages_versions: BTreeMap<String, String> =
        versions.collect::<Option<_>>().unwrap_or_default();
    let packages = match packages_versions.is_empty() {
        true => wanted.names.iter().cloned().collect(),
        false => Vec::new(),
    };
    RequestBody {
        distro: DISTRO.to_owned(),
        version: offer.version.clone(),
        version_code: offer.revision.clone(),
        target: offer.profile.target.clone(),
        profile: offer.profile.id.clone(),
        packages,
        packages_versions,
        diff_packages: true,
        defaults: inputs.first_boot.clone(),
        rootfs_size_mb: settings.rootfs_size,
        filesystem: settings.fstype.clone(),
        client: concat!("asu/", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}
