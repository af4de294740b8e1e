//! Default packages in whose place the owner has something else: dnsmasq-full for dnsmasq.

use super::merge::Merge;
use crate::api::Replaced;
use std::collections::{BTreeMap, BTreeSet};

impl Merge<'_, '_> {
    /// A default package in whose place the owner has another one is not asked for.
    pub fn let_replacements_stand(&mut self) {
        let none = BTreeSet::new();
        for default in self.base.clone() {
            let olds = self.olds.get(&default).unwrap_or(&none);
            let names: Vec<&str> = olds.iter().chain([&default]).map(String::as_str).collect();
            let installed = |name: &&str| self.sides.present.package(name).is_some();
            if self.additions.contains(&default) || names.iter().any(installed) {
                continue;
            }
            let in_its_place = names
                .iter()
                .flat_map(|name| self.sides.present.bearers(name));
            let in_its_place = in_its_place
                .filter(|package| package.wanted || self.additions.contains(&package.name));
            let by = in_its_place.map(|package| {
                let new = self.out.renamed.get(&package.name).unwrap_or(&package.name);
                (package.name.clone(), new.clone())
            });
            let by: BTreeMap<String, String> = by.collect();
            let Some((old, _)) = by.first_key_value() else {
                continue;
            };
            match by.values().find(|new| self.additions.contains(*new)) {
                Some(new) => {
                    let replaced = Replaced {
                        default: default.clone(),
                        by: new.clone(),
                    };
                    self.out.defaults.replaced.push(replaced);
                    self.base.remove(&default);
                }
                None if !by.values().any(|new| self.base.contains(new)) => {
                    let note =
                        format!("Without {old} the default package {default} comes in its place.");
                    self.out.notes.push(note);
                }
                None => {}
            }
        }
    }
}
