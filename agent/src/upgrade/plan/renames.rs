//! The branch's list of packages that were renamed, dropped or added (`package_changes`).

use crate::server::{answers::PackageChange, clean};
use crate::upgrade::newest::revision_number;
use std::collections::{BTreeMap, BTreeSet};

/// What became of a package.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// It is called what it was called.
    Same,
    /// It has another name.
    Renamed(String),
    /// It is not needed any more, from this revision on.
    Gone(u32),
}

/// The changes that count for a release.
pub(super) struct Renames<'a> {
    /// Old name → its changes in the order of their revisions, with their place in it.
    by_source: BTreeMap<&'a str, Vec<(usize, &'a PackageChange)>>,
    /// Packages that every image has to have from some revision on.
    pub added: BTreeSet<&'a str>,
    /// Why none of them counts.
    pub note: Option<String>,
}

impl<'a> Renames<'a> {
    /// Those up to `revision`, but the ones that the owner ignores, unless they are mandatory; and
    /// none that leads from a name that the release has (`available`) to one that it has not.
    pub fn new(
        changes: &'a [PackageChange],
        revision: &str,
        ignored: &[String],
        available: &BTreeMap<String, String>,
    ) -> Self {
        let mut renames = Renames {
            by_source: BTreeMap::new(),
            added: BTreeSet::new(),
            note: None,
        };
        let Some(number) = revision_number(revision) else {
            renames.note = (!changes.is_empty()).then(|| format!(
                "The server's list of renamed packages is not used: \"{}\" is no revision to compare with.",
                clean(revision)
            ));
            return renames;
        };
        let is_ignored = |change: &PackageChange| {
            !change.mandatory
                && (ignored.contains(&change.source)
                    || change.target.as_ref().is_some_and(|t| ignored.contains(t)))
        };
        let leads_nowhere = |change: &PackageChange| {
            let has = |name: &str| available.contains_key(name);
            let target = change.target.as_deref();
            !change.mandatory && has(&change.source) && target.is_some_and(|to| !has(to))
        };
        let counts = |change: &&PackageChange| {
            change.revision <= number && !is_ignored(change) && !leads_nowhere(change)
        };
        let mut counting: Vec<&PackageChange> = changes.iter().filter(counts).collect();
        counting.sort_by_key(|change| change.revision);
        for (place, change) in counting.into_iter().enumerate() {
            match (change.source.as_str(), &change.target) {
                ("", Some(target)) if change.mandatory => {
                    renames.added.insert(target);
                }
                ("", _) => {}
                (source, _) => {
                    let list = renames.by_source.entry(source).or_default();
                    list.push((place, change));
                }
            }
        }
        renames
    }

    /// Follows a name through all of them; each counts once, so circles end.
    pub fn fate(&self, name: &str) -> Fate {
        let mut now = name;
        let mut after = None;
        while let Some((place, change)) = self.next(now, after) {
            match &change.target {
                Some(target) => now = target,
                None => return Fate::Gone(change.revision),
            }
            after = Some(place);
        }
        match now == name {
            true => Fate::Same,
            false => Fate::Renamed(now.to_owned()),
        }
    }

    fn next(&self, name: &str, after: Option<usize>) -> Option<(usize, &'a PackageChange)> {
        let changes = self.by_source.get(name)?;
        // They are in the order of their places.
        let past =
            |(place, _): &(usize, &PackageChange)| after.is_some_and(|after| *place <= after);
        changes.get(changes.partition_point(past)).copied()
    }

    /// Whether the server itself insists on the change of a name.
    pub fn is_mandatory(&self, name: &str) -> bool {
        self.next(name, None)
            .is_some_and(|(_, change)| change.mandatory)
    }

    /// The name that a package has now, unless it is gone.
    pub fn name(&self, name: &str) -> Option<String> {
        match self.fate(name) {
            Fate::Same => Some(name.to_owned()),
            Fate::Renamed(to) => Some(to),
            Fate::Gone(_) => None,
        }
    }
}
