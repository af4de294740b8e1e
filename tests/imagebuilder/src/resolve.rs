//! Which packages an image gets, in the manner of opkg and apk: few rules, but their words.

use crate::catalog::Package;
use crate::Error;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Removes what a `-name` in the list takes back, and keeps the first of each.
pub fn effective(names: &[String]) -> Vec<String> {
    let removed: Vec<&str> = names
        .iter()
        .filter_map(|name| name.strip_prefix('-'))
        .collect();
    let mut kept: Vec<String> = Vec::new();
    for name in names {
        if !name.starts_with('-') && !removed.contains(&name.as_str()) && !kept.contains(name) {
            kept.push(name.clone());
        }
    }
    kept
}

/// All packages that `world` needs, by name.
///
/// # Errors
/// [`Error::Build`] with the package manager's words: a name that no package answers to, packages that conflict.
pub fn resolve<'a>(
    packages: &'a [Package],
    world: &[String],
    apk: bool,
) -> Result<BTreeMap<&'a str, &'a Package>, Error> {
    let mut selected: BTreeMap<&str, &Package> = BTreeMap::new();
    let mut missing: Vec<(String, Option<&Package>)> = Vec::new();
    // What was asked for comes before what is needed, so that `dnsmasq-full` counts as the `dnsmasq` others need.
    let mut open: Vec<(String, Option<&Package>)> = Vec::new();
    for name in world {
        match find(packages, name) {
            Some(package) => select(package, &mut selected, &mut open),
            None => missing.push((name.clone(), None)),
        }
    }
    while let Some((name, by)) = open.pop() {
        if selected.values().any(|package| package.answers_to(&name)) {
            continue;
        }
        match find(packages, &name) {
            Some(package) => select(package, &mut selected, &mut open),
            None => missing.push((name, by)),
        }
    }
    if !missing.is_empty() {
        return Err(Error::Build(if apk {
            apk_missing(&missing)
        } else {
            opkg_missing(&missing)
        }));
    }
    match conflict(&selected) {
        Some((one, other)) => Err(Error::Build(if apk {
            apk_conflict(one, other)
        } else {
            opkg_conflict(one, other)
        })),
        None => Ok(selected),
    }
}

fn select<'a>(
    package: &'a Package,
    selected: &mut BTreeMap<&'a str, &'a Package>,
    open: &mut Vec<(String, Option<&'a Package>)>,
) {
    if selected.insert(&package.name, package).is_none() {
        open.extend(
            package
                .depends
                .iter()
                .map(|name| (name.clone(), Some(package))),
        );
    }
}

/// A package of that name, else one that provides it.
fn find<'a>(packages: &'a [Package], name: &str) -> Option<&'a Package> {
    packages
        .iter()
        .find(|package| package.name == name)
        .or_else(|| packages.iter().find(|p| p.answers_to(name)))
}

fn conflict<'a>(selected: &BTreeMap<&str, &'a Package>) -> Option<(&'a Package, &'a Package)> {
    selected.values().find_map(|package| {
        let mut names = package.conflicts.iter();
        names
            .find_map(|name| selected.get(name.as_str()))
            .map(|other| (*package, *other))
    })
}

fn opkg_missing(missing: &[(String, Option<&Package>)]) -> String {
    let mut words = String::new();
    for (name, _) in missing.iter().filter(|(_, by)| by.is_none()) {
        let _ = writeln!(words, "Unknown package '{name}'.");
    }
    words.push_str("Collected errors:\n");
    for (name, by) in missing {
        let asked = match by {
            Some(package) => {
                let full = package.full_name();
                let _ = write!(
                    words,
                    " * satisfy_dependencies_for: Cannot satisfy the following dependencies for {full}:\n * \t{name} \n"
                );
                full
            }
            None => name.clone(),
        };
        let _ = writeln!(
            words,
            " * opkg_install_cmd: Cannot install package {asked}."
        );
    }
    words
}

fn apk_missing(missing: &[(String, Option<&Package>)]) -> String {
    let mut words = "ERROR: unable to select packages:\n".to_owned();
    for (name, by) in missing {
        let by = by.map_or_else(
            || "world".to_owned(),
            |package| format!("{}-{}", package.full_name(), package.version),
        );
        let _ = write!(
            words,
            "  {name} (no such package):\n    required by: {by}[{name}]\n"
        );
    }
    words
}

fn opkg_conflict(one: &Package, other: &Package) -> String {
    let (one, other) = (one.full_name(), other.full_name());
    format!(
        "Collected errors:\n * check_conflicts_for: The following packages conflict with {one}:\n \
         * check_conflicts_for: \t{other} * \n * opkg_install_cmd: Cannot install package {one}.\n"
    )
}

fn apk_conflict(one: &Package, other: &Package) -> String {
    let mut pair = [one, other];
    pair.sort_by(|a, b| a.name.cmp(&b.name));
    let full = pair.map(|package| format!("{}-{}", package.full_name(), package.version));
    let mut words = "ERROR: unable to select packages:\n".to_owned();
    for (package, (this, that)) in pair
        .iter()
        .zip([(&full[0], &full[1]), (&full[1], &full[0])])
    {
        let _ = write!(
            words,
            "  {this}:\n    conflicts: {that}[{}={}]\n    satisfies: world[{}]\n",
            package.name, package.version, package.name
        );
    }
    words
}
