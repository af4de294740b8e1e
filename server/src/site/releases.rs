//! Which versions, targets and devices there are: the configured branches, and what the download site has of them.

use super::Site;
use crate::config::{Branch, Config};
use crate::request::changes;
use crate::Error;
use serde_json::{json, Map, Value};
use std::cmp::Reverse;

/// Versions on offer.
pub struct Versions {
    /// The newest of each supported branch, as the download site sees it.
    pub latest: Vec<String>,
    /// All, newest first.
    pub all: Vec<String>,
}

/// Reads `.versions.json`.
///
/// # Errors
/// [`Error::Upstream`] where it can't be had.
pub async fn versions(site: &Site, config: &Config) -> Result<Versions, Error> {
    let file = site.get(".versions.json").await?;
    let json = file.json().unwrap_or_default();
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    let supported = |version: &String| {
        !version.is_empty()
            && is_plain(version)
            && config
                .branch_of(version)
                .is_some_and(|branch| branch.enabled)
    };
    let mut latest: Vec<String> = Vec::new();
    for version in ["upcoming_version", "stable_version", "oldstable_version"].map(text) {
        if supported(&version) && !latest.contains(&version) {
            latest.push(version);
        }
    }
    let listed = json["versions_list"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned);
    let snapshots = config
        .branches
        .iter()
        .map(|branch| match branch.branch_off_rev {
            Some(_) => format!("{}-SNAPSHOT", branch.name),
            None => branch.name.clone(),
        });
    let mut all: Vec<String> = std::iter::once(text("upcoming_version"))
        .chain(listed)
        .chain(snapshots)
        .collect();
    all.retain(supported);
    all.sort_by_cached_key(|version| Reverse(order(version)));
    all.dedup();
    Ok(Versions { latest, all })
}

/// Whether a version can stand in a path.
pub fn is_plain(version: &str) -> bool {
    version
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
        && !version.contains("..")
}

/// What versions are sorted by: SNAPSHOT above all, a branch's snapshot below its releases, a candidate below its release.
fn order(version: &str) -> (bool, Vec<u32>, u32) {
    let (numbers, suffix) = version.split_once('-').unwrap_or((version, ""));
    let stage = suffix
        .strip_prefix("rc")
        .map_or(u32::MAX, |number| number.parse().unwrap_or(0));
    let numbers = numbers
        .split('.')
        .map(|number| number.parse().unwrap_or(0))
        .collect();
    (version == "SNAPSHOT", numbers, stage)
}

/// Reads the targets of a version: name → architecture; empty where it has none.
///
/// # Errors
/// [`Error::Upstream`] where the download site can't be reached.
pub async fn targets(
    site: &Site,
    branch: &Branch,
    version: &str,
) -> Result<Map<String, Value>, Error> {
    let file = site
        .get(&format!("{}/.targets.json", branch.path_of(version)))
        .await?;
    match file.json() {
        Some(Value::Object(targets)) => Ok(targets),
        _ => Ok(Map::new()),
    }
}

/// Reads `profiles.json` of a target; `None` where there is none.
///
/// # Errors
/// [`Error::Upstream`] where the download site can't be reached.
pub async fn profiles(
    site: &Site,
    branch: &Branch,
    version: &str,
    target: &str,
) -> Result<Option<Value>, Error> {
    let path = format!("{}/targets/{target}/profiles.json", branch.path_of(version));
    Ok(site.get(&path).await?.json().filter(Value::is_object))
}

/// The profile that a client means: by its name, by a board it supports, or `generic` where that is the only one.
pub fn profile_of(profiles: &Value, wanted: &str) -> Option<String> {
    let profiles = profiles["profiles"].as_object()?;
    let means = |(name, profile): &(&String, &Value)| {
        let mut boards = profile["supported_devices"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        *name == wanted || boards.any(|board| board.replace(',', "_") == wanted)
    };
    let exact = profiles
        .get_key_value(wanted)
        .or_else(|| profiles.iter().find(means));
    match exact {
        Some((name, _)) => Some(name.clone()),
        None if profiles.len() == 1 && profiles.contains_key("generic") => {
            Some("generic".to_owned())
        }
        None => None,
    }
}

/// `branches` of the overview.
///
/// # Errors
/// [`Error::Upstream`] where the download site can't be reached.
pub async fn branches(
    site: &Site,
    config: &Config,
    all: &[String],
) -> Result<Map<String, Value>, Error> {
    let mut branches = Map::new();
    for branch in &config.branches {
        let own = |version: &&String| {
            config
                .branch_of(version)
                .is_some_and(|other| other.name == branch.name)
        };
        let versions: Vec<&String> = all.iter().filter(own).collect();
        let targets = match versions.first() {
            Some(version) => targets(site, branch, version).await?,
            None => Map::new(),
        };
        let mut value = json!({
            "name": branch.name, "path": branch.path, "enabled": branch.enabled,
            "snapshot": branch.branch_off_rev.is_none(), "path_packages": "DEPRECATED", "versions": versions,
            "targets": targets, "package_changes": changes::until(branch.branch_off_rev),
        });
        if let Some(revision) = branch.branch_off_rev {
            value["branch_off_rev"] = revision.into();
        }
        branches.insert(branch.name.clone(), value);
    }
    Ok(branches)
}

#[cfg(test)]
mod tests {
    use super::{is_plain, order};
    use std::cmp::Reverse;

    #[test]
    fn versions_are_sorted_newest_first() {
        let sorted = [
            "SNAPSHOT",
            "25.12.1-rc1",
            "25.12.0",
            "25.12.0-rc2",
            "25.12.0-rc1",
            "25.12-SNAPSHOT",
            "24.10.10",
            "24.10.9",
            "24.10-SNAPSHOT",
        ];
        let mut shuffled = sorted.map(str::to_owned);
        shuffled.sort();
        shuffled.sort_by_cached_key(|version| Reverse(order(version)));
        assert_eq!(shuffled, sorted);
    }

    #[test]
    fn what_leads_elsewhere_is_no_version() {
        for version in ["24.10.2", "25.12.0-rc1", "SNAPSHOT"] {
            assert!(is_plain(version), "{version}");
        }
        for version in ["..", "24.10.2/..", "24.10.%2e", "a b", "a\0"] {
            assert!(!is_plain(version), "{version}");
        }
    }
}
