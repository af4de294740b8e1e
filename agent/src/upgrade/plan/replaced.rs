//! Default packages in whose place the owner has something else: dnsmasq-full for dnsmasq.

use super::merge::Merge;
use crate::api::Replaced;
use crate::sorted::Map;

impl Merge<'_, '_> {
    /// A default package in whose place the owner has another one is not asked for.
    pub fn let_replacements_stand(&mut self) {
        for default in &self.base.without(&self.additions) {
            let present = &self.sides.present;
            let olds = self.olds.of(default).iter();
            let mut names: Vec<&str> = olds
                .filter_map(|(_, place)| self.then.get(*place).copied())
                .collect();
            names.push(default);
            if names.iter().any(|name| present.package(name).is_some()) {
                continue;
            }
            let in_its_place = names.iter().flat_map(|name| present.bearers(name));
            let in_its_place =
                in_its_place.filter(|package| package.wanted || self.additions.has(package.name));
            let by: Map<&str, &str> = in_its_place
                .map(|package| {
                    let new = self.out.renamed.get(package.name);
                    (package.name, *new.unwrap_or(&package.name))
                })
                .collect();
            let Some((old, _)) = by.first() else {
                continue;
            };
            match by.iter().find(|(_, new)| self.additions.has(new)) {
                Some((_, new)) => {
                    let replaced = Replaced {
                        default: (*default).to_owned(),
                        by: (*new).to_owned(),
                    };
                    self.out.defaults.replaced.push(replaced);
                    self.base.remove(default);
                }
                None if !by.iter().any(|(_, new)| self.base.has(new)) => self.note(format!(
                    "Without {old} the default package {default} comes in its place."
                )),
                None => {}
            }
        }
    }
}
