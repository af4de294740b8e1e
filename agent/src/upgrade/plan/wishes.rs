//! What the owner says of single packages, in the settings and with the call.

use super::present::Present;
use super::renames::Renames;
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
