//! What would be other than now: package by package, and in one word.

use super::merge::{Merged, Sides};
use super::present::Part;
use crate::api::{NamedVersion, PackageChanges, Release, Renamed, Target, Verdict};
use crate::sorted::Names;
use crate::upgrade::newest::order;
use std::cmp::Ordering;

/// Compares the router with what is asked for; notes what goes and looks older.
pub(super) fn changes(sides: &Sides<'_>, merged: &mut Merged<'_>) -> PackageChanges {
    let present = &sides.present;
    let mut changes = PackageChanges::default();
    let missing = std::mem::take(&mut merged.missing);
    let names: Names<'_> = missing
        .iter()
        .map(|missing| missing.name.as_str())
        .collect();
    let stays = stays(sides, merged, &names);
    let mut unneeded = Vec::new();
    for (number, package) in present.packages().enumerate() {
        let (name, from) = (package.name, package.version);
        if let Some(to) = merged.renamed.get(name) {
            changes.renamed.push(Renamed {
                from: name.to_owned(),
                to: (*to).to_owned(),
            });
            continue;
        }
        if names.has(name) {
            continue;
        }
        if let (Some(to), true) = (sides.available.get(name), stays.has(number)) {
            changes.compare(name, from, to);
            continue;
        }
        if packages::is_pseudo(name) || merged.names.has(name) {
            continue;
        }
        if !package.wanted {
            unneeded.push(name);
        }
        changes.gone.push(NamedVersion {
            name: name.to_owned(),
            version: from.to_owned(),
        });
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
fn stays(sides: &Sides<'_>, merged: &Merged<'_>, missing: &Names<'_>) -> Part {
    let present = &sides.present;
    let roots = merged
        .names
        .iter()
        .chain(merged.renamed.keys())
        .chain(missing);
    let roots = present.roots(roots);
    let by_name = present.closure_by_name(&roots);
    let goes = present.wanted_part.without(&by_name);
    let mut stays = present.closure(&roots, &|number, _, _| !goes.has(number));
    let needed_today = present.closure(&present.roots(present.wanted()), &|_, _, _| true);
    stays.add_all_but(&needed_today);
    stays
}

/// What is asked for and neither installed nor provided by something that stays.
fn new(sides: &Sides<'_>, merged: &Merged<'_>, stays: &Part) -> Vec<NamedVersion> {
    let other_names: Names<'_> = merged.renamed.values().copied().collect();
    let mut new = merged.names.without(&other_names);
    new.retain(|name| !sides.present.has_in(stays, name));
    let with_version = |name: &&str| NamedVersion {
        name: (*name).to_owned(),
        version: sides.available.get(name).cloned().unwrap_or_default(),
    };
    new.iter().map(with_version).collect()
}

/// The plan in one word. What is newer than what runs may still be older than the `newest` release
/// that ran here.
pub(super) fn verdict(
    running: &Release,
    newest: &Release,
    target: &Target,
    changes: &PackageChanges,
    wanted: &Names<'_>,
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
    fn differ(&self, wanted: &Names<'_>) -> bool {
        let mut gone = self.gone.iter();
        !(self.upgrade.is_empty() && self.new.is_empty() && self.renamed.is_empty())
            || gone.any(|package| wanted.has(&package.name))
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
