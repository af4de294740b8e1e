//! The three-way merge: what the owner changed of the former defaults, on the new ones.

use super::defaults::{owned, Then};
use super::present::Present;
use super::renames::{Fate, Renames};
use super::wishes::Wishes;
use crate::api::{Defaults, Missing};
use crate::server::{clean, Versions};
use crate::sorted::{Index, Map, Names};
use packages::PackageName;

/// Everything the merge looks at.
pub(super) struct Sides<'a> {
    /// Of the release that is offered, for sentences: `25.12.0`.
    pub version: &'a str,
    pub present: Present<'a>,
    pub renames: Renames<'a>,
    pub wishes: Wishes<'a>,
    /// The release's default packages.
    pub now: Names<'a>,
    /// Default packages that the owner does not want to hear of.
    pub ignored_defaults: Names<'a>,
    /// Packages may come from the owner's own feeds, whose indexes nobody has read.
    pub has_feeds: bool,
    /// The release's index: name → version.
    pub available: &'a Versions<'a>,
}

impl<'a> Sides<'a> {
    /// What became of a package; what is a default package of the release is what it was.
    fn fate(&self, name: &'a str) -> Fate<'a> {
        match self.now.has(name) {
            true => Fate::Same,
            false => self.renames.fate(name),
        }
    }

    /// The name that a package has in the release, unless it is gone.
    fn name(&self, name: &'a str) -> Option<&'a str> {
        self.fate(name).name(name)
    }
}

/// What came of it.
#[derive(Default)]
pub(super) struct Merged<'a> {
    /// The packages to ask for.
    pub names: Names<'a>,
    /// Old → new name of what was wanted.
    pub renamed: Map<&'a str, &'a str>,
    /// What the owner asked to be left out, and what nothing else brings back; in the order of
    /// names.
    pub removed: Vec<String>,
    /// Dropped because the owner said that they may be missing.
    pub left_out: Vec<String>,
    pub missing: Vec<Missing>,
    pub defaults: Defaults,
    pub notes: Vec<String>,
}

/// Merges, step by step; see design section 5.
pub(super) fn merge<'a>(sides: &Sides<'a>, then: &'a Then) -> Merged<'a> {
    let mut merge = Merge::new(sides);
    match then {
        Then::Known(then) => merge.carry_over(then.iter().map(String::as_str).collect()),
        Then::Unknown(why) => merge.carry_all(why),
    }
    merge.go_on()
}

/// Takes the release's default packages as they are, and of the owner's only those that are to be
/// added.
pub(super) fn start_anew<'a>(sides: &Sides<'a>) -> Merged<'a> {
    let mut merge = Merge::new(sides);
    merge.base.clone_from(&sides.now);
    let mut own = sides.present.wanted().without(&sides.now);
    own.retain(|name| !sides.wishes.add.contains_key(name));
    merge.note_all(&own, |names| {
        format!("A clean slate, as you said: without your own packages {names}.")
    });
    merge.take_new_defaults();
    merge.go_on()
}

impl Merged<'_> {
    /// What is asked for as a change to the default packages `now`: `x` comes besides, `-x` does
    /// not come.
    pub fn selection(&self, now: &Names<'_>) -> Vec<String> {
        let (added, left_out) = (self.names.without(now), now.without(&self.names));
        let added = added.iter().map(|name| (*name).to_owned());
        let left_out = left_out.iter().map(|name| ["-", name].concat());
        added.chain(left_out).collect()
    }
}

/// The merge under way; [`super::wishes`], [`super::missing`] and [`super::replaced`] do their
/// steps of it.
pub(super) struct Merge<'s, 'a> {
    pub sides: &'s Sides<'a>,
    /// Default packages that are asked for.
    pub base: Names<'a>,
    /// The owner's packages, by their new names.
    pub additions: Names<'a>,
    /// The default packages then.
    pub then: Names<'a>,
    /// New name → where it stands among those.
    pub olds: Index<'a>,
    pub out: Merged<'a>,
}

impl<'s, 'a> Merge<'s, 'a> {
    fn new(sides: &'s Sides<'a>) -> Self {
        Merge {
            sides,
            base: Names::default(),
            additions: Names::default(),
            then: Names::default(),
            olds: Index::default(),
            out: Merged {
                notes: sides.renames.note.clone().into_iter().collect(),
                ..Merged::default()
            },
        }
    }

    /// What follows wherever base and additions come from.
    fn go_on(mut self) -> Merged<'a> {
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
    fn carry_over(&mut self, then: Names<'a>) {
        let sides = self.sides;
        let (mut kept, mut olds) = (Vec::new(), Vec::new());
        for (place, old) in then.iter().enumerate() {
            let Some(new) = sides.name(old) else {
                continue;
            };
            if sides.present.package(old).is_some() && sides.now.has(new) {
                if new != *old {
                    self.out.renamed.insert(old, new);
                }
                kept.push(new);
            }
            olds.push((new, place));
        }
        let kept = Names::from(kept);
        self.olds = Index::from(olds);
        let (mut additions, mut dropped) = (Vec::new(), Vec::new());
        for name in sides.present.wanted() {
            let Some(new) = self.new_name(name) else {
                continue;
            };
            if !then.has(name) {
                additions.push(new);
            } else if !kept.has(new) {
                self.out.renamed.remove(name);
                dropped.push(*name);
            }
        }
        self.additions = Names::from(additions);
        self.note_all(&dropped, |names| {
            format!("No longer among the default packages of {}, and so not asked for: {names}. What you need of them can be added.", sides.version)
        });
        let removals = then.iter().filter(|name| !sides.present.has(name));
        let removals: Names<'_> = removals
            .filter_map(|name| sides.name(name))
            .filter(|name| !kept.has(name) && !self.additions.has(name))
            .collect();
        self.then = then;
        self.base = sides.now.without(&removals);
        let removed = sides.now.common(&removals);
        self.out.defaults.removed_by_user = owned(&removed);
        self.take_new_defaults();
    }

    /// Without the defaults then, additions and removals can't be told from them: all that is
    /// wanted now is asked for, and nothing else.
    fn carry_all(&mut self, why: &str) {
        let sides = self.sides;
        let wanted = sides.present.wanted().iter();
        self.additions = wanted.filter_map(|name| self.new_name(name)).collect();
        let mut left = sides.now.without(&self.additions);
        left.retain(|name| !sides.present.has(name));
        let (ignored, left): (Vec<String>, Vec<String>) = left
            .iter()
            .map(|name| clean(name))
            .partition(|name| sides.ignored_defaults.has(name));
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
    fn new_name(&mut self, name: &'a str) -> Option<&'a str> {
        let fate = self.sides.fate(name);
        match fate {
            Fate::Same => {}
            Fate::Renamed(new) => drop(self.out.renamed.insert(name, new)),
            Fate::Gone(revision) => self.note(format!(
                "{name} is not asked for: OpenWrt has gone without it since revision r{revision}."
            )),
        }
        fate.name(name)
    }

    fn take_new_defaults(&mut self) {
        let sides = self.sides;
        let mut new = self.base.without(&self.additions);
        new.retain(|name| self.olds.of(name).is_empty() && !sides.present.has(name));
        let ignored = new.common(&sides.ignored_defaults);
        self.base = self.base.without(&ignored);
        self.out.defaults.added = owned(&new.without(&ignored));
        self.note_ignored(&owned(&ignored));
    }

    /// A name the server would refuse makes it refuse the whole request.
    fn refuse_bad_names(&mut self) {
        let mut bad = self.base.and(&self.additions);
        bad.retain(|name| PackageName::check(name).is_err());
        for name in &bad {
            if let Err(why) = PackageName::check(name) {
                self.note(format!("{} is not asked for. {why}", clean(name)));
            }
        }
        self.base = self.base.without(&bad);
        self.additions = self.additions.without(&bad);
    }

    /// The names under which a package is installed, or was asked for: its old ones, and its new
    /// one where that is wanted already or there is no other.
    pub fn old_names(&self, new: &'a str) -> Vec<&'a str> {
        let renamed = self.out.renamed.iter().filter(|(_, to)| *to == new);
        let mut olds: Vec<&str> = renamed.map(|(old, _)| *old).collect();
        if olds.is_empty() || self.sides.present.wanted().has(new) {
            olds.push(new);
        }
        olds
    }

    /// Old and new names of everything that is asked for.
    pub fn roots(&self) -> Names<'a> {
        let mut renamed = self.out.renamed.clone();
        renamed.retain(|_, to| self.base.has(to) || self.additions.has(to));
        let olds: Names<'_> = renamed.keys().copied().collect();
        self.base.and(&self.additions).and(&olds)
    }

    fn finish(mut self) -> Merged<'a> {
        let sides = self.sides;
        let names = self.base.and(&self.additions);
        if !sides.wishes.remove.is_empty() {
            self.let_needed_stay();
        }
        let added = sides.wishes.add.values().flatten();
        let added = added.filter(|name| !sides.present.has(name) && names.has(name));
        self.note_all(&added.copied().collect::<Vec<_>>(), |names| {
            format!("Added, as you said: {names}.")
        });
        self.out.renamed.retain(|_, new| names.has(new));
        let defaults = &mut self.out.defaults;
        defaults.added.retain(|name| self.base.has(name));
        defaults.removed_by_user.retain(|name| !names.has(name));
        self.out.names = names;
        self.out
    }

    /// What the owner wants to be left out stays where something else needs it.
    fn let_needed_stay(&mut self) {
        let present = &self.sides.present;
        let roots = self.roots();
        let stays = present.closure_by_name(&present.roots(&roots));
        for name in &self.sides.wishes.remove {
            match present.is_in(&stays, name) {
                true => {
                    let users = present.needed_by(name, &stays).join(", ");
                    self.note(format!("{name} stays, because it is needed by {users}."));
                }
                false => self.out.removed.push((*name).to_owned()),
            }
        }
    }
}
