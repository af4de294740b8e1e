//! Wanted packages that the release does not have.

use super::merge::Merge;
use super::present::Part;
use super::translations::is_english;
use crate::api::Missing;
use crate::server::clean;
use crate::sorted::Names;

impl Merge<'_, '_> {
    /// What the release does not have is dropped, or blocks the plan.
    pub fn hold_against_the_index(&mut self) {
        let sides = self.sides;
        // A name that is only provided is not in the index, but who provides it is.
        let provided = |name: &str| {
            let mut bearers = sides.present.bearers(name);
            sides.present.package(name).is_none()
                && bearers.any(|package| sides.available.contains_key(package.name))
        };
        let has = |name: &str| {
            sides.available.contains_key(name) || sides.now.has(name) || provided(name)
        };
        let mut absent = self.additions.clone();
        absent.retain(|name| !has(name));
        if absent.is_empty() {
            return;
        }
        if sides.has_feeds {
            let is_own = |name: &str| sides.present.package(name).is_some();
            let mut own = absent.clone();
            own.retain(is_own);
            self.note_all(&own, |names| {
                format!("Not in OpenWrt's index, and so expected from your own feeds: {names}.")
            });
            absent.retain(|name| !is_own(name));
        }
        self.additions = self.additions.without(&absent);
        let absent: Vec<(&str, &str)> = absent
            .iter()
            .flat_map(|new| {
                let olds = self.old_names(new).into_iter();
                olds.map(move |old| (old, *new))
            })
            .collect();
        let wishes = &sides.wishes;
        let may_be_missing = absent
            .iter()
            .filter(|(old, new)| wishes.does_without(old) || wishes.does_without(new));
        let may_be_missing: Names<'_> = may_be_missing.map(|(old, _)| *old).collect();
        let (present, stays) = (&sides.present, self.roots());
        let needed = present.closure_by_name(&present.roots(&stays));
        let with_them = stays.and(&may_be_missing);
        let was_needed = present.closure_by_name(&present.roots(&with_them));
        for (old, new) in absent {
            self.out.renamed.remove(old);
            if is_english(old) {
                self.note(format!(
                    "{old} is not asked for: LuCI speaks English without it."
                ));
            } else if present.is_in(&needed, old) {
                self.note_dependency(old, &needed, "");
            } else if may_be_missing.has(old) {
                self.note(format!(
                    "{old} is left out: {} does not have it, and you said that it may be missing.",
                    sides.version
                ));
                self.out.left_out.push(old.to_owned());
            } else if present.is_in(&was_needed, old) {
                self.note_dependency(old, &was_needed, ", which is left out");
                self.out.left_out.push(old.to_owned());
            } else {
                if old != new {
                    self.note(format!(
                        "{old} is called {} by now, but {} does not have that either.",
                        clean(new),
                        sides.version
                    ));
                }
                self.out.missing.push(Missing {
                    name: old.to_owned(),
                    needed_by: present.needed_by(old, &present.all()),
                });
            }
        }
    }

    fn note_dependency(&mut self, name: &str, users: &Part, more: &str) {
        let users = self.sides.present.needed_by(name, users).join(", ");
        self.note(format!(
            "{name} is not asked for: {} does not have it, and it is there only because of {users}{more}.",
            self.sides.version
        ));
    }
}
