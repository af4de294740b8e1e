//! Wanted packages that the release does not have.

use super::merge::Merge;
use super::translations::is_english;
use crate::api::Missing;
use crate::server::clean;
use std::collections::BTreeSet;

impl Merge<'_, '_> {
    /// What the release does not have is dropped, or blocks the plan.
    pub fn hold_against_the_index(&mut self) {
        let sides = self.sides;
        // A name that is only provided is not in the index, but who provides it is.
        let provided = |name: &str| {
            let mut bearers = sides.present.bearers(name);
            sides.present.package(name).is_none()
                && bearers.any(|package| sides.available.contains_key(&package.name))
        };
        let has = |name: &str| {
            sides.available.contains_key(name) || sides.now.contains(name) || provided(name)
        };
        let mut absent: Vec<String> = self.additions.iter().filter(|n| !has(n)).cloned().collect();
        if absent.is_empty() {
            return;
        }
        if sides.has_feeds {
            let (own, nowhere): (Vec<String>, Vec<String>) = absent
                .into_iter()
                .partition(|name| sides.present.package(name).is_some());
            self.note_all(&own, |names| {
                format!("Not in OpenWrt's index, and so expected from your own feeds: {names}.")
            });
            absent = nowhere;
        }
        let gone: BTreeSet<String> = absent.iter().cloned().collect();
        self.additions.retain(|name| !gone.contains(name));
        let absent: Vec<(String, String)> = absent
            .into_iter()
            .flat_map(|new| {
                let olds = self.old_names(&new).into_iter();
                olds.map(move |old| (old, new.clone()))
            })
            .collect();
        let wishes = &sides.wishes;
        let may_be_missing: BTreeSet<&str> = absent
            .iter()
            .filter(|(old, new)| wishes.does_without(old) || wishes.does_without(new))
            .map(|(old, _)| old.as_str())
            .collect();
        let stays = self.roots();
        let stays: Vec<&str> = stays.iter().map(String::as_str).collect();
        let needed = sides.present.closure_by_name(stays.iter().copied());
        let was_needed = sides
            .present
            .closure_by_name(stays.into_iter().chain(may_be_missing.iter().copied()));
        let everything: BTreeSet<&str> =
            sides.present.packages().map(|p| p.name.as_str()).collect();
        for (old, new) in &absent {
            self.out.renamed.remove(old);
            if is_english(old) {
                self.note(format!(
                    "{old} is not asked for: LuCI speaks English without it."
                ));
            } else if needed.contains(old.as_str()) {
                self.note_dependency(old, &needed, "");
            } else if may_be_missing.contains(old.as_str()) {
                self.note(format!(
                    "{old} is left out: {} does not have it, and you said that it may be missing.",
                    sides.version
                ));
                self.out.left_out.push(old.clone());
            } else if was_needed.contains(old.as_str()) {
                self.note_dependency(old, &was_needed, ", which is left out");
                self.out.left_out.push(old.clone());
            } else {
                if old != new {
                    self.note(format!(
                        "{old} is called {} by now, but {} does not have that either.",
                        clean(new),
                        sides.version
                    ));
                }
                self.out.missing.push(Missing {
                    name: old.clone(),
                    needed_by: sides.present.needed_by(old, &everything),
                });
            }
        }
    }

    fn note_dependency(&mut self, name: &str, users: &BTreeSet<&str>, more: &str) {
        let users = self.sides.present.needed_by(name, users).join(", ");
        self.note(format!(
            "{name} is not asked for: {} does not have it, and it is there only because of {users}{more}.",
            self.sides.version
        ));
    }
}
