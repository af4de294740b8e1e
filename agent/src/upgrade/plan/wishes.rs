//! What the owner says of single packages, in the settings and with the call.

use super::merge::Merge;
use super::present::Present;
use super::renames::Renames;
use crate::server::clean;
use crate::upgrade::Inputs;
use std::collections::{BTreeMap, BTreeSet};

/// Packages to add, to leave out, and to go without.
pub(super) struct Wishes {
    /// As said → as the release calls it; none: it is gone.
    pub add: BTreeMap<String, Option<String>>,
    /// Old and new names.
    pub remove: BTreeSet<String>,
    /// May be missing.
    ignore: BTreeSet<String>,
    /// Anything may be missing.
    drop_missing: bool,
}

impl Wishes {
    /// What is said with the call goes before what is set. An old name counts for the new one where
    /// the release no longer has the old.
    pub fn new(
        inputs: &Inputs,
        present: &Present<'_>,
        renames: &Renames<'_>,
        available: &BTreeMap<String, String>,
    ) -> Self {
        let (settings, choice) = (&inputs.settings, &inputs.choice);
        let bare = |names: &[String]| -> BTreeSet<String> {
            let names = names.iter().filter(|name| !packages::is_pseudo(name));
            names
                .map(|name| present.bare_name(name).to_owned())
                .collect()
        };
        let now = |name: &str| match available.contains_key(name) && !renames.is_mandatory(name) {
            true => Some(name.to_owned()),
            false => renames.name(name),
        };
        let (added, removed) = (bare(&choice.add), bare(&choice.remove));
        let mut remove: BTreeSet<String> = &(&bare(&settings.remove) - &added) | &removed;
        let renamed: Vec<String> = remove.iter().filter_map(|name| now(name)).collect();
        remove.extend(renamed);
        let add = &(&bare(&settings.add) - &removed) | &added;
        Wishes {
            add: add
                .into_iter()
                .filter(|name| !remove.contains(name))
                .map(|name| (now(&name), name))
                .filter(|(new, _)| new.as_ref().is_none_or(|new| !remove.contains(new)))
                .map(|(new, name)| (name, new))
                .collect(),
            remove,
            ignore: &bare(&settings.ignore) | &bare(&choice.ignore),
            drop_missing: choice.drop_missing,
        }
    }

    /// Whether a package may be missing.
    pub fn does_without(&self, name: &str) -> bool {
        self.drop_missing || self.ignore.contains(name)
    }
}

impl Merge<'_, '_> {
    /// Takes out what the owner does not want.
    pub fn remove(&mut self) {
        let sides = self.sides;
        let remove = &sides.wishes.remove;
        let is_removed = |name: &&String| {
            let olds = self.old_names(name);
            remove.contains(*name) || olds.iter().all(|old| remove.contains(old))
        };
        let asked_for = self.base.iter().chain(&self.additions);
        let gone: BTreeSet<String> = asked_for.filter(is_removed).cloned().collect();
        self.base.retain(|name| !gone.contains(name));
        self.additions.retain(|name| !gone.contains(name));
        let told = gone.iter().flat_map(|new| {
            let olds = self.old_names(new).into_iter();
            olds.map(move |old| match old == *new {
                true => old,
                false => format!("{old} (by now {})", clean(new)),
            })
        });
        let gone: Vec<String> = told.collect();
        self.note_all(&gone, |names| {
            format!("Not asked for, as you said: {names}.")
        });
    }

    /// Puts in what the owner wants besides, and what every image needs.
    pub fn add(&mut self) {
        let sides = self.sides;
        for (name, new) in &sides.wishes.add {
            let Some(new) = new else {
                self.note(format!(
                    "{} is not added: OpenWrt goes without it by now.",
                    clean(name)
                ));
                continue;
            };
            if new != name {
                self.note(format!(
                    "{} is asked for as {}, its name by now.",
                    clean(name),
                    clean(new)
                ));
                self.out.renamed.insert(name.clone(), new.clone());
            }
            self.additions.insert(new.clone());
        }
        for name in &sides.renames.added {
            if !sides.wishes.remove.contains(*name)
                && !self.base.contains(*name)
                && self.additions.insert((*name).to_owned())
            {
                self.note(format!(
                    "{} is added: every image needs it by now.",
                    clean(name)
                ));
            }
        }
    }
}
