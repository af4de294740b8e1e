//! Finds in the words of opkg and apk which packages are to blame.

use std::collections::BTreeSet;

/// A sentence about what `make manifest` said on stderr: `Impossible package selection: missing (vim)`.
pub fn sentence(stderr: &str) -> String {
    let mut conflicts = BTreeSet::new();
    let mut missing = BTreeSet::new();
    let mut lines = stderr.lines().peekable();
    while let Some(line) = lines.next() {
        opkg(line, &mut missing, &mut conflicts);
        apk(line, lines.peek().copied(), &mut missing, &mut conflicts);
    }
    // opkg says of a package in conflict that it can't be installed either.
    missing.retain(|name| !conflicts.contains(name));
    let list = |what: &str, names: &BTreeSet<&str>| match names.is_empty() {
        true => String::new(),
        false => format!(
            " {what} ({})",
            names.iter().copied().collect::<Vec<_>>().join(", ")
        ),
    };
    let who = list("missing", &missing) + &list("conflicts", &conflicts);
    let colon = if who.is_empty() { "" } else { ":" };
    format!("Impossible package selection{colon}{who}")
}

fn opkg<'a>(line: &'a str, missing: &mut BTreeSet<&'a str>, conflicts: &mut BTreeSet<&'a str>) {
    let line = line.trim_end();
    if let Some((_, name)) = line.split_once("Cannot install package ") {
        missing.extend(name.strip_suffix('.').filter(|name| !name.contains(' ')));
    }
    if let Some((_, rest)) = line.split_once("check_data_file_clashes: Package ") {
        conflicts.extend(rest.split_once(" wants to").map(|(name, _)| name));
    }
    if let Some((_, name)) = line.split_once("is already provided by package  * ") {
        conflicts.insert(name);
    }
    if let Some((_, rest)) = line.split_once("* check_conflicts_for:") {
        conflicts.extend(
            rest.trim_end_matches([' ', '*', ':'])
                .rsplit([' ', '\t'])
                .next(),
        );
    }
}

fn apk<'a>(
    line: &'a str,
    next: Option<&'a str>,
    missing: &mut BTreeSet<&'a str>,
    conflicts: &mut BTreeSet<&'a str>,
) {
    if let Some((before, _)) = line.split_once(" (no such package)") {
        missing.extend(before.rsplit(' ').next().filter(|name| !name.is_empty()));
    }
    if let Some(other) = next.and_then(|next| next.trim_start().strip_prefix("conflicts: ")) {
        conflicts.extend(line.trim().strip_suffix(':'));
        conflicts.extend(other.split('[').next());
    }
    if let Some((before, after)) = line.split_once(": trying to overwrite ") {
        conflicts.extend(before.strip_prefix("ERROR: "));
        conflicts.extend(
            after
                .rsplit_once(" owned by ")
                .map(|(_, name)| name.trim_end_matches('.')),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn names_who_is_to_blame() {
        let cases = [
            ("", "Impossible package selection"),
            (
                "Unknown package 'a'.\nCollected errors:\n * opkg_install_cmd: Cannot install package a.\n",
                "Impossible package selection: missing (a)",
            ),
            (
                "Collected errors:\n * check_conflicts_for: The following packages conflict with b:\n \
                 * check_conflicts_for: \tc * \n * opkg_install_cmd: Cannot install package b.\n",
                "Impossible package selection: conflicts (b, c)",
            ),
            (
                " * check_data_file_clashes: Package d wants to install file /some/file\n\
                 \tBut that file is already provided by package  * e\n * opkg_install_cmd: Cannot install package e.\n",
                "Impossible package selection: conflicts (d, e)",
            ),
            (
                "ERROR: unable to select packages:\n  f (no such package):\n    required by: world[f]\n",
                "Impossible package selection: missing (f)",
            ),
            (
                "ERROR: unable to select packages:\n  g-1:\n    conflicts: h-2[nftables=1]\n    satisfies: world[g]\n  \
                 h-2:\n    conflicts: g-1[nftables=1]\n",
                "Impossible package selection: conflicts (g-1, h-2)",
            ),
            (
                "ERROR: i: trying to overwrite some/file owned by j.\n",
                "Impossible package selection: conflicts (i, j)",
            ),
        ];
        for (stderr, expected) in cases {
            assert_eq!(sentence(stderr), expected, "{stderr}");
        }
    }
}
