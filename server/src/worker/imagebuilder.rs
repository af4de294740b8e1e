//! What an ImageBuilder says of itself, and where it is.

use crate::site::releases::is_plain;
use crate::Config;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Where the ImageBuilder for a version and target is, or is to be. Neither leads out of `imagebuilders`, whatever the
/// download site calls its targets.
pub fn folder(config: &Config, version: &str, target: &str) -> Option<PathBuf> {
    let plain = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let (board, subtarget) = target.split_once('/')?;
    if !plain(board) || !plain(subtarget) || !is_plain(version) {
        return None;
    }
    let named = config
        .imagebuilder_folders
        .get(&(version.to_owned(), target.to_owned()))
        .cloned();
    Some(named.unwrap_or_else(|| config.imagebuilders.join(version).join(target)))
}

/// What `make info` says.
#[derive(Debug, PartialEq, Eq)]
pub struct Info {
    /// `r28739-d9340319c6`
    pub revision: String,
    /// The release's default packages and the device's, in order; the device's may be `-x`.
    pub packages: BTreeSet<String>,
}

/// Reads the words of `make info` about a profile; `None` where the profile is missing or the words are others.
pub fn parse_info(text: &str, profile: &str) -> Option<Info> {
    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    let revision = line("Current Revision: \"")?.strip_suffix('"')?;
    let defaults = line("Default Packages: ")?;
    let start = format!("{profile}:");
    let mut block = text
        .lines()
        .skip_while(|line| *line != start)
        .skip(1)
        .take_while(|line| line.starts_with("    "));
    let own = block.find_map(|line| line.trim_start().strip_prefix("Packages:"))?;
    let packages = defaults
        .split_whitespace()
        .chain(own.split_whitespace())
        .map(str::to_owned)
        .collect();
    Some(Info {
        revision: revision.to_owned(),
        packages,
    })
}

/// What goes to make as PACKAGES: as requested, or with every default that is not requested taken back before.
pub fn build_packages(requested: &[String], info: &Info, diff: bool) -> Vec<String> {
    if !diff {
        return requested.to_vec();
    }
    let unwanted = info
        .packages
        .iter()
        .filter(|package| !requested.contains(package));
    // A device's `-x` is itself a removal, and taking that back would be `--x`.
    let removals: BTreeSet<String> = unwanted
        .map(|package| format!("-{}", package.strip_prefix('-').unwrap_or(package)))
        .collect();
    removals
        .into_iter()
        .chain(requested.iter().cloned())
        .collect()
}

/// Reads a manifest: `name - version` (opkg) or `name version` (apk) a line.
pub fn parse_manifest(text: &str) -> BTreeMap<String, String> {
    let separator = if text.contains(" - ") { " - " } else { " " };
    let pairs = text.lines().filter_map(|line| line.split_once(separator));
    pairs
        .map(|(name, version)| (name.to_owned(), version.trim().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{build_packages, folder, parse_info, parse_manifest, Info};
    use crate::Config;

    const INFO: &str = "Current Target: \"ath79/generic\"\nCurrent Revision: \"r1-abc\"\nDefault Packages: a b\n\
                        Available Profiles:\n\nx_one:\n    X One\n    Packages: c -b\n    hasImageMetadata: 1\n\
                        x_two:\n    X Two\n    Packages: \n";

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn info_of_a_profile() {
        let info = Info {
            revision: "r1-abc".to_owned(),
            packages: words("a b c -b").into_iter().collect(),
        };
        assert_eq!(parse_info(INFO, "x_one").as_ref(), Some(&info));
        assert_eq!(
            parse_info(INFO, "x_two").map(|info| info.packages.len()),
            Some(2)
        );
        for (text, profile) in [
            (INFO, "x"),
            (INFO, "one"),
            ("", "x_one"),
            ("Current Revision: \"r1\"", "x_one"),
        ] {
            assert_eq!(parse_info(text, profile), None, "{profile}");
        }
        assert_eq!(
            build_packages(&words("c d"), &info, true),
            words("-a -b c d")
        );
        assert_eq!(build_packages(&words("c d"), &info, false), words("c d"));
    }

    #[test]
    fn folders_stay_where_they_are() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let inside = dir.path().join("ib");
        let config = Config::new("http://127.0.0.1:1", "/nonexistent", &inside);
        assert_eq!(folder(&config, "1.0", "a/b"), Some(inside.join("1.0/a/b")));
        let absolute = format!("{}", dir.path().join("a").display());
        for (version, target) in [
            ("1.0", "a"),
            ("1.0", "a/.."),
            ("1.0", "a/b/c"),
            ("1.0", "../../a"),
            ("..", "a/b"),
            ("1.0", &absolute),
            ("1.0", "/a"),
        ] {
            assert_eq!(folder(&config, version, target), None, "{version} {target}");
        }
    }

    #[test]
    fn manifests_of_both_package_managers() {
        for text in ["a - 1-r1\nb - 2~x\n", "a 1-r1\nb 2~x\n"] {
            let manifest = parse_manifest(text);
            assert_eq!(
                manifest.get("a").map(String::as_str),
                Some("1-r1"),
                "{text}"
            );
            assert_eq!(manifest.get("b").map(String::as_str), Some("2~x"), "{text}");
        }
    }
}
