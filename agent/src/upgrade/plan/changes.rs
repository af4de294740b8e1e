//! What would be other than now: package by package, and in one word.

use super::merge::{Merged, Sides};
use crate::api::{Missing, NamedVersion, PackageChanges, Release, Renamed, Target, Verdict};
use crate::upgrade::newest::order;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// Compares the router with what is asked for; notes what goes and looks older.
pub(super) fn changes(sides: &Sides<'_>, merged: &mut Merged) -> PackageChanges {
    let present = &sides.present;
    let mut changes = PackageChanges::default();
    let missing = std::mem::take(&mut merged.missing);
    let stays = stays(sides, merged, &missing);
    let mut unneeded = Vec::new();
    for package in present.packages() {
        let name = &package.name;
        let (from, to) = (&package.version, sides.available.get(name));
        if let Some(to) = merged.renamed.get(name) {
            changes.renamed.push(Renamed {
                from: name.clone(),
                to: to.clone(),
            });
            continue;
        }
        if missing.iter().any(|missing| missing.name == *name) {
            continue;
        }
        let Some(to) = to.filter(|_| stays.contains(name.as_str())) else {
            if packages::is_pseudo(name) || merged.names.contains(name) {
                continue;
            }
            if !package.wanted {
                unneeded.push(name.as_str());
            }
            changes.gone.push(NamedVersion {
                name: name.clone(),
                version: from.clone(),
            });
            continue;
        };
        changes.compare(name, from, to);
    }
    changes.new = new(sides, merged, &stays);
    changes.missing = missing;
    if !unneeded.is_empty() {
        merged.notes.push(format!(
            "Nothing that is asked for needs these any more, or {} does not have them: {}.",
            sides.version,
            unneeded.join(", ")
        ));
    }
    changes
}

/// What is asked for and all that it needs as things are today; but no package that was wanted and
/// is not asked for any more in the place of another one that provides the same.
///
/// What nothing wanted needs even today is no less likely to be in the image: it stays, too. So
/// does what missing packages need, as long as nobody has decided about those.
fn stays<'s>(
    sides: &'s Sides<'_>,
    merged: &'s Merged,
    missing: &'s [Missing],
) -> BTreeSet<&'s str> {
    let present = &sides.present;
    let roots = merged.names.iter().chain(merged.renamed.keys());
    let roots = roots.chain(missing.iter().map(|missing| &missing.name));
    let roots: Vec<&str> = roots.map(String::as_str).collect();
    let by_name = present.closure_by_name(roots.iter().copied());
    let goes = present.wanted() - &by_name;
    let mut stays = present.closure(roots, &|package, _| !goes.contains(package.name.as_str()));
    let needed_today = present.closure(present.wanted().iter().copied(), &|_, _| true);
    let names = present.packages().map(|package| package.name.as_str());
    stays.extend(names.filter(|name| !needed_today.contains(name)));
    stays
}

/// What is asked for and neither installed nor provided by something that stays.
fn new(sides: &Sides<'_>, merged: &Merged, stays: &BTreeSet<&str>) -> Vec<NamedVersion> {
    let other_names: BTreeSet<&String> = merged.renamed.values().collect();
    let names = merged.names.iter();
    let there = |name: &str| {
        let mut bearers = sides.present.bearers(name);
        bearers.any(|package| stays.contains(package.name.as_str()))
    };
    let names = names.filter(|name| !other_names.contains(name) && !there(name));
    let with_version = |name: &String| NamedVersion {
        name: name.clone(),
        version: sides.available.get(name).cloned().unwrap_or_default(),
    };
    names.map(with_version).collect()
}

/// The plan in one word. What is newer than what runs may still be older than the `newest` release
/// that ran here.
pub(super) fn verdict(
    running: &Release,
    newest: &Release,
    target: &Target,
    changes: &PackageChanges,
    wanted: &BTreeSet<&str>,
) -> Verdict {
    if !changes.missing.is_empty() {
        return Verdict::Blocked;
    }
    let target = Release {
        version: target.version.clone(),
        revision: target.revision.clone(),
    };
    match order(running, &target) {
        Ordering::Equal if !changes.differ(wanted) => Verdict::Current,
        Ordering::Greater => Verdict::Downgrade,
        _ if order(newest, &target) == Ordering::Greater => Verdict::Downgrade,
        Ordering::Less => Verdict::Upgrade,
        Ordering::Equal => Verdict::Rebuild,
    }
}

impl PackageChanges {
    /// Whether an image of the same release is worth while. What went out of use by itself is not
    /// worth a flash, nor are packages that would only become older.
    fn differ(&self, wanted: &BTreeSet<&str>) -> bool {
        let mut gone = self.gone.iter();
        !(self.upgrade.is_empty() && self.new.is_empty() && self.renamed.is_empty())
            || gone.any(|package| wanted.contains(package.name.as_str()))
    }
}

/// Projects change how they count; that alone is no reason to refuse a newer release.
pub(super) fn note_older(changes: &PackageChanges, verdict: Verdict) -> Option<String> {
    if changes.downgrade.is_empty() || verdict == Verdict::Downgrade {
        return None;
    }
    let older = changes.downgrade.iter();
    let older: Vec<String> = older
        .map(|change| format!("{} ({} now, {} then)", change.name, change.from, change.to))
        .collect();
    Some(format!(
        "Older by their numbers, because a project counts in another way or went back: {}.",
        older.join(", ")
    ))
}
