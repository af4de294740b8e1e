//! What is on the router, indexed: who bears a name, and what needs what.

use crate::upgrade::device::{Installed, Package};
use std::collections::{BTreeMap, BTreeSet};

/// The installed packages by name.
pub(super) struct Present<'a> {
    /// Of several ABI versions of one library the last in the database, which is the newest.
    packages: BTreeMap<&'a str, &'a Package>,
    /// Names, names with ABI suffix and provided names → who answers to them; sorted.
    bearers: Vec<(&'a str, &'a Package)>,
    wanted: BTreeSet<&'a str>,
}

impl<'a> Present<'a> {
    pub fn new(installed: &'a Installed) -> Self {
        let mut bearers = Vec::new();
        for package in &installed.packages {
            bearers.push((package.name.as_str(), package));
            if !package.abi_name.is_empty() {
                bearers.push((package.abi_name.as_str(), package));
            }
            bearers.extend(package.provides.iter().map(|name| (name.as_str(), package)));
        }
        bearers.sort_by_key(|(name, _)| *name);
        let wanted = installed.packages.iter().filter(|package| package.wanted);
        Present {
            packages: installed
                .packages
                .iter()
                .map(|package| (package.name.as_str(), package))
                .collect(),
            bearers,
            wanted: wanted
                .map(|package| package.name.as_str())
                .filter(|name| !packages::is_pseudo(name))
                .collect(),
        }
    }

    /// Each name once, in the order of names.
    pub fn packages(&self) -> impl Iterator<Item = &'a Package> + '_ {
        self.packages.values().copied()
    }

    /// By its name without ABI suffix.
    pub fn package(&self, name: &str) -> Option<&'a Package> {
        self.packages.get(name).copied()
    }

    /// What the owner asked for by name, or the image was made of; without the pseudo packages.
    pub fn wanted(&self) -> &BTreeSet<&'a str> {
        &self.wanted
    }

    /// Who bears or provides a name.
    pub fn bearers<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a Package> + 's {
        let start = self.bearers.partition_point(|(other, _)| *other < name);
        let rest = self.bearers.get(start..).unwrap_or_default();
        rest.iter()
            .take_while(move |(other, _)| *other == name)
            .map(|(_, package)| *package)
    }

    /// Whether something installed bears or provides a name.
    pub fn has(&self, name: &str) -> bool {
        self.bearers(name).next().is_some()
    }

    /// The package's name for one that may have an ABI suffix.
    pub fn bare_name<'s>(&'s self, name: &'s str) -> &'s str {
        let mut bearers = self.bearers(name);
        let same = bearers.find(|package| package.abi_name == name);
        same.map_or(name, |package| &package.name)
    }

    /// The packages called `roots` and all that they need as things are today, `roots` included.
    /// `counts` says whether a package may stand for a name that it bears or provides.
    pub fn closure<'s>(
        &'s self,
        roots: impl IntoIterator<Item = &'s str>,
        counts: &dyn Fn(&Package, &str) -> bool,
    ) -> BTreeSet<&'s str> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = roots.into_iter().collect();
        while let Some(name) = open.pop() {
            for package in self.bearers(name).filter(|package| counts(package, name)) {
                if seen.insert(package.name.as_str()) {
                    open.extend(package.depends.iter().map(String::as_str));
                }
            }
        }
        seen
    }

    /// The closure in which a package counts only under its own name: one that merely provides a
    /// name may be the owner's choice among several.
    pub fn closure_by_name<'s>(
        &'s self,
        roots: impl IntoIterator<Item = &'s str>,
    ) -> BTreeSet<&'s str> {
        self.closure(roots, &|package, name| package.bears(name))
    }

    /// Which of `packages` depend on the package called `name`, besides itself.
    pub fn needed_by(&self, name: &str, packages: &BTreeSet<&str>) -> Vec<String> {
        let Some(package) = self.package(name) else {
            return Vec::new();
        };
        let users = packages.iter().filter_map(|user| self.package(user));
        users
            .filter(|user| user.name != name && user.depends.iter().any(|d| package.bears(d)))
            .map(|user| user.name.clone())
            .collect()
    }
}
