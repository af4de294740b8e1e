//! What the owner says of single packages, in the settings and with the call.

use super::merge::Merge;
use super::present::Present;
use super::renames::Renames;
use crate::server::{clean, Versions};
use crate::sorted::{Map, Names};
use crate::upgrade::Inputs;

/// Packages to add, to leave out, and to go without.
pub(super) struct Wishes<'a> {
    /// As said → as the release calls it; none: it is gone.
    pub add: Map<Option<&'a str>, &'a str>,
    /// Old and new names.
    pub remove: Names<'a>,
    /// May be missing.
    ignore: Names<'a>,
    /// Anything may be missing.
    drop_missing: bool,
}

impl<'a> Wishes<'a> {
    /// What is said with the call goes before what is set. An old name counts for the new one where
    /// the release no longer has the old.
    pub fn new(
        inputs: &'a Inputs,
        present: &Present<'a>,
        renames: &Renames<'a>,
        available: &Versions<'_>,
    ) -> Self {
        let (settings, choice) = (&inputs.settings, &inputs.choice);
        let bare = |names: &'a [String]| -> Names<'a> {
            let names = names.iter().filter(|name| !packages::is_pseudo(name));
            names.map(|name| present.bare_name(name)).collect()
        };
        let now = |name: &'a str| match available.contains_key(name) && !renames.is_mandatory(name)
        {
            true => Some(name),
            false => renames.fate(name).name(name),
        };
        let (added, removed) = (bare(&choice.add), bare(&choice.remove));
        let remove = bare(&settings.remove).without(&added).and(&removed);
        let renamed: Names<'_> = remove.iter().filter_map(|name| now(name)).collect();
        let remove = remove.and(&renamed);
        let add = bare(&settings.add).without(&removed).and(&added);
        let add = add.without(&remove);
        Wishes {
            add: add
                .iter()
                .map(|name| (*name, now(name)))
                .filter(|(_, new)| new.is_none_or(|new| !remove.has(new)))
                .collect(),
            remove,
            ignore: bare(&settings.ignore).and(&bare(&choice.ignore)),
            drop_missing: choice.drop_missing,
        }
    }

    /// Whether a package may be missing.
    pub fn does_without(&self, name: &str) -> bool {
        self.drop_missing || self.ignore.has(name)
    }
}

impl<'a> Merge<'_, 'a> {
    /// Takes out what the owner does not want.
    pub fn remove(&mut self) {
        let remove = &self.sides.wishes.remove;
        if remove.is_empty() {
            return;
        }
        let mut gone = self.base.and(&self.additions);
        gone.retain(|name| {
            remove.has(name) || self.old_names(name).iter().all(|old| remove.has(old))
        });
        self.base = self.base.without(&gone);
        self.additions = self.additions.without(&gone);
        let told = gone.iter().flat_map(|new| {
            let olds = self.old_names(new).into_iter();
            olds.map(move |old| match old == *new {
                true => old.to_owned(),
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
        let mut added = Vec::new();
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
                self.out.renamed.insert(name, new);
            }
            added.push(*new);
        }
        self.additions = self.additions.and(&Names::from(added));
        let needed = sides.renames.added.without(&sides.wishes.remove);
        let needed = needed.without(&self.base).without(&self.additions);
        for name in &needed {
            self.note(format!(
                "{} is added: every image needs it by now.",
                clean(name)
            ));
        }
        self.additions = self.additions.and(&needed);
    }
}
