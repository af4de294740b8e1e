//! The three-way merge: what the owner changed of the former defaults, on the new ones.

use super::defaults::Then;
use super::present::Present;
use super::renames::{Fate, Renames};
use super::wishes::Wishes;
use crate::api::{Defaults, Missing};
use crate::server::clean;
use packages::PackageName;
use std::collections::{BTreeMap, BTreeSet};

/// Everything the merge looks at.
pub(super) struct Sides<'a> {
    /// Of the release that is offered, for sentences: `25.12.0`.
    pub version: &'a str,
    pub present: Present<'a>,
    pub renames: Renames<'a>,
    pub wishes: Wishes,
    /// The release's default packages.
    pub now: BTreeSet<String>,
    /// Default packages that the owner does not want to hear of.
    pub ignored_defaults: &'a [String],
    /// Packages may come from the owner's own feeds, whose indexes nobody has read.
    pub has_feeds: bool,
    /// The release's index: name → version.
    pub available: &'a BTreeMap<String, String>,
}

impl Sides<'_> {
    /// What became of a package; what is a default package of the release is what it was.
    fn fate(&self, name: &str) -> Fate {
        match self.now.contains(name) {
            true => Fate::Same,
            false => self.renames.fate(name),
        }
    }

    /// The name that a package has in the release, unless it is gone.
    fn name(&self, name: &str) -> Option<String> {
        match self.fate(name) {
            Fate::Same => Some(name.to_owned()),
            Fate::Renamed(to) => Some(to),
            Fate::Gone(_) => None,
        }
    }
}

/// What came of it.
#[derive(Default)]
pub(super) struct Merged {
    /// The packages to ask for.
    pub names: BTreeSet<String>,
    /// Old → new name of what was wanted.
    pub renamed: BTreeMap<String, String>,
    /// What the owner asked to be left out, and what nothing else brings back.
    pub removed: BTreeSet<String>,
    /// Dropped because the owner said that they may be missing.
    pub left_out: Vec<String>,
    pub missing: Vec<Missing>,
    pub defaults: Defaults,
    pub notes: Vec<String>,
}

/// Merges, step by step; see design section 5.
pub(super) fn merge(sides: &Sides<'_>, then: &Then) -> Merged {
    let mut merge = Merge::new(sides);
    match then {
        Then::Known(then) => merge.carry_over(then),
        Then::Unknown(why) => merge.carry_all(why),
    }
    merge.go_on()
}

/// Takes the release's default packages as they are, and of the owner's only those that are to be
/// added.
pub(super) fn start_anew(sides: &Sides<'_>) -> Merged {
    let mut merge = Merge::new(sides);
    merge.base.clone_from(&sides.now);
    let own = sides.present.wanted().iter().copied();
    let goes = |name: &&str| !sides.now.contains(*name) && !sides.wishes.add.contains_key(*name);
    let own: Vec<&str> = own.filter(goes).collect();
    merge.note_all(&own, |names| {
        format!("A clean slate, as you said: without your own packages {names}.")
    });
    merge.take_new_defaults();
    merge.go_on()
}

impl Merged {
    /// What is asked for as a change to the default packages `now`: `x` comes besides, `-x` does
    /// not come.
    pub fn selection(&self, now: &BTreeSet<String>) -> Vec<String> {
        let added = self.names.difference(now).cloned();
        let left_out = now.difference(&self.names);
        added
            .chain(left_out.map(|name| format!("-{name}")))
            .collect()
    }
}

/// The merge under way; [`super::wishes`], [`super::missing`] and [`super::replaced`] do their
/// steps of it.
pub(super) struct Merge<'s, 'a> {
    pub sides: &'s Sides<'a>,
    /// Default packages that are asked for.
    pub base: BTreeSet<String>,
    /// The owner's packages, by their new names.
    pub additions: BTreeSet<String>,
    /// New name → names that default packages had then.
    pub olds: BTreeMap<String, BTreeSet<String>>,
    pub out: Merged,
}

impl<'s, 'a> Merge<'s, 'a> {
    fn new(sides: &'s Sides<'a>) -> Self {
        Merge {
            sides,
            base: BTreeSet::new(),
            additions: BTreeSet::new(),
            olds: BTreeMap::new(),
            out: Merged {
                notes: sides.renames.note.clone().into_iter().collect(),
                ..Merged::default()
            },
        }
    }

    /// What follows wherever base and additions come from.
    fn go_on(mut self) -> Merged {
        self.remove();
        self.add();
        self.refuse_bad_names();
        self.hold_against_the_index();
        self.let_replacements_stand();
        self.finish()
    }

    pub fn note(&mut self, note: String) {
        self.out.notes.push(note);
    }

    /// Says something of several packages at once, if there are any.
    pub fn note_all<T: AsRef<str>>(&mut self, names: &[T], sentence: impl FnOnce(&str) -> String) {
        if !names.is_empty() {
            let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
            self.note(sentence(&names.join(", ")));
        }
    }

    /// The defaults then are known, so the owner's additions and removals are.
    fn carry_over(&mut self, then: &BTreeSet<String>) {
        let sides = self.sides;
        let mut kept = BTreeSet::new();
        for old in then {
            let Some(new) = sides.name(old) else {
                continue;
            };
            if sides.present.package(old).is_some() && sides.now.contains(&new) {
                if new != *old {
                    self.out.renamed.insert(old.clone(), new.clone());
                }
                kept.insert(new.clone());
            }
            self.olds.entry(new).or_default().insert(old.clone());
        }
        let mut dropped = Vec::new();
        for name in sides.present.wanted() {
            let Some(new) = self.new_name(name) else {
                continue;
            };
            if !then.contains(*name) {
                self.additions.insert(new);
            } else if !kept.contains(&new) {
                self.out.renamed.remove(*name);
                dropped.push(*name);
            }
        }
        self.note_all(&dropped, |names| {
            format!("No longer among the default packages of {}, and so not asked for: {names}. What you need of them can be added.", sides.version)
        });
        let removals = then.iter().filter(|name| !sides.present.has(name));
        let removals: BTreeSet<String> = removals
            .filter_map(|name| sides.name(name))
            .filter(|name| !kept.contains(name) && !self.additions.contains(name))
            .collect();
        self.base = &sides.now - &removals;
        self.out.defaults.removed_by_user = (&sides.now & &removals).into_iter().collect();
        self.take_new_defaults();
    }

    /// Without the defaults then, additions and removals can't be told from them: all that is
    /// wanted now is asked for, and nothing else.
    fn carry_all(&mut self, why: &str) {
        let sides = self.sides;
        for name in sides.present.wanted() {
            let new = self.new_name(name);
            self.additions.extend(new);
        }
        let left = sides
            .now
            .iter()
            .filter(|name| !self.additions.contains(*name) && !sides.present.has(name));
        let (ignored, left): (Vec<String>, Vec<String>) = left
            .map(|name| clean(name))
            .partition(|name| sides.ignored_defaults.contains(name));
        self.note_ignored(&ignored);
        self.note_all(&left, |names| {
            format!("Default packages of {} that are left out: {names}. Whether they are new or you had removed them is not known. {} What you need of them can be added.", sides.version, clean(why))
        });
    }

    fn note_ignored(&mut self, defaults: &[String]) {
        self.note_all(defaults, |names| {
            format!(
                "Default packages that are left out, because ignored_defaults names them: {names}."
            )
        });
    }

    /// The new name of a wanted package; none, with a note, where it is gone.
    fn new_name(&mut self, name: &str) -> Option<String> {
        match self.sides.fate(name) {
            Fate::Same => Some(name.to_owned()),
            Fate::Renamed(new) => {
                self.out.renamed.insert(name.to_owned(), new.clone());
                Some(new)
            }
            Fate::Gone(revision) => {
                self.note(format!(
                    "{name} is not asked for: OpenWrt has gone without it since revision r{revision}."
                ));
                None
            }
        }
    }

    fn take_new_defaults(&mut self) {
        let sides = self.sides;
        let is_new = |name: &&String| {
            !self.olds.contains_key(*name)
                && !sides.present.has(name)
                && !self.additions.contains(*name)
        };
        let new: Vec<String> = self.base.iter().filter(is_new).cloned().collect();
        let (ignored, added): (Vec<String>, Vec<String>) = new
            .into_iter()
            .partition(|name| sides.ignored_defaults.contains(name));
        self.base.retain(|name| !ignored.contains(name));
        self.note_ignored(&ignored);
        self.out.defaults.added = added;
    }

    /// A name the server would refuse makes it refuse the whole request.
    fn refuse_bad_names(&mut self) {
        let all = self.base.iter().chain(&self.additions);
        let bad = all.filter_map(|name| Some((name.clone(), PackageName::new(name).err()?)));
        let bad: BTreeMap<String, _> = bad.collect();
        for (name, why) in bad {
            self.base.remove(&name);
            self.additions.remove(&name);
            self.note(format!("{} is not asked for. {why}", clean(&name)));
        }
    }

    /// The names under which a package is installed, or was asked for: its old ones, and its new
    /// one where that is wanted already or there is no other.
    pub fn old_names(&self, new: &str) -> Vec<String> {
        let renamed = self.out.renamed.iter().filter(|(_, to)| *to == new);
        let mut olds: Vec<String> = renamed.map(|(old, _)| old.clone()).collect();
        if olds.is_empty() || self.sides.present.wanted().contains(new) {
            olds.push(new.to_owned());
        }
        olds
    }

    /// Old and new names of everything that is asked for.
    pub fn roots(&self) -> BTreeSet<String> {
        let names = self.base.iter().chain(&self.additions);
        let renamed = self.out.renamed.iter();
        let olds =
            renamed.filter(|(_, to)| self.base.contains(*to) || self.additions.contains(*to));
        names.chain(olds.map(|(old, _)| old)).cloned().collect()
    }

    fn finish(mut self) -> Merged {
        let sides = self.sides;
        let roots = self.roots();
        let stays = sides
            .present
            .closure_by_name(roots.iter().map(String::as_str));
        for name in &sides.wishes.remove {
            match stays.contains(name.as_str()) {
                true => {
                    let users = sides.present.needed_by(name, &stays).join(", ");
                    self.out
                        .notes
                        .push(format!("{name} stays, because it is needed by {users}."));
                }
                false => drop(self.out.removed.insert(name.clone())),
            }
        }
        self.out.names = &self.base | &self.additions;
        let added = sides.wishes.add.values().flatten();
        let added = added.filter(|name| !sides.present.has(name) && self.out.names.contains(*name));
        self.note_all(&added.collect::<Vec<_>>(), |names| {
            format!("Added, as you said: {names}.")
        });
        let names = &self.out.names;
        self.out.renamed.retain(|_, new| names.contains(new));
        let defaults = &mut self.out.defaults;
        defaults.added.retain(|name| self.base.contains(name));
        defaults
            .removed_by_user
            .retain(|name| !names.contains(name));
        self.out
    }
}
