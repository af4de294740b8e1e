//! The branch's list of packages that were renamed, dropped or added (`package_changes`).

use crate::server::{answers::PackageChange, clean, Versions};
use crate::sorted::{Index, Names};
use crate::upgrade::newest::revision_number;

/// What became of a package.
#[derive(Clone, Copy)]
pub(super) enum Fate<'a> {
    /// It is called what it was called.
    Same,
    /// It has another name.
    Renamed(&'a str),
    /// It is not needed any more, from this revision on.
    Gone(u32),
}

impl<'a> Fate<'a> {
    /// The name that the package `name` has now, unless it is gone.
    pub fn name(self, name: &'a str) -> Option<&'a str> {
        match self {
            Fate::Same => Some(name),
            Fate::Renamed(to) => Some(to),
            Fate::Gone(_) => None,
        }
    }
}

/// The changes that count for a release.
pub(super) struct Renames<'a> {
    /// In the order of their revisions.
    changes: Vec<&'a PackageChange>,
    /// Old name → the places of its changes.
    by_source: Index<'a>,
    /// Packages that every image has to have from some revision on.
    pub added: Names<'a>,
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
        available: &Versions<'_>,
    ) -> Self {
        let mut renames = Renames {
            changes: Vec::new(),
            by_source: Index::default(),
            added: Names::default(),
            note: None,
        };
        let Some(number) = revision_number(revision) else {
            renames.note = (!changes.is_empty()).then(|| format!(
                "The server's list of renamed packages is not used: \"{}\" is no revision to compare with.",
                clean(revision)
            ));
            return renames;
        };
        let ignored: Names<'_> = ignored.iter().map(String::as_str).collect();
        let is_ignored = |change: &PackageChange| {
            let target = change.target.as_deref();
            !change.mandatory
                && (ignored.has(&change.source) || target.is_some_and(|to| ignored.has(to)))
        };
        let leads_nowhere = |change: &PackageChange| {
            let target = change.target.as_deref();
            !change.mandatory
                && available.contains_key(&change.source)
                && target.is_some_and(|to| !available.contains_key(to))
        };
        let counts = |change: &&PackageChange| {
            change.revision <= number && !is_ignored(change) && !leads_nowhere(change)
        };
        let mut counting: Vec<&PackageChange> = changes.iter().filter(counts).collect();
        counting.sort_by_key(|change| change.revision);
        let sources = counting.iter().map(|change| change.source.as_str());
        let sources = sources.zip(0..).filter(|(source, _)| !source.is_empty());
        renames.by_source = Index::from(sources.collect::<Vec<_>>());
        let added = counting.iter().filter(|change| change.source.is_empty());
        let added = added.filter(|change| change.mandatory);
        renames.added = added
            .filter_map(|change| change.target.as_deref())
            .collect();
        renames.changes = counting;
        renames
    }

    /// Follows a name through all of them; each counts once, so circles end.
    pub fn fate(&self, name: &'a str) -> Fate<'a> {
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
            false => Fate::Renamed(now),
        }
    }

    fn next(&self, name: &str, after: Option<usize>) -> Option<(usize, &'a PackageChange)> {
        let places = self.by_source.of(name);
        // They are in the order of their places.
        let past = |(_, place): &(&str, usize)| after.is_some_and(|after| *place <= after);
        let (_, place) = places.get(places.partition_point(past))?;
        Some((*place, self.changes.get(*place)?))
    }

    /// Whether the server itself insists on the change of a name.
    pub fn is_mandatory(&self, name: &str) -> bool {
        self.next(name, None)
            .is_some_and(|(_, change)| change.mandatory)
    }
}
