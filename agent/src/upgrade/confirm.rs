//! Stage 8, after the reboot: was the promise kept?
//!
//! pending.json is written before the flash and survives it (keep.d); the history keeps the last
//! ten upgrades, each with the default packages of the image that was flashed.

use super::device::Device;
use super::newest;
use crate::api::{Difference, DifferenceKind, Outcome, Release, Report, ReportState, Upgrade};
use crate::error::Error;
use crate::json::{Decode, Encode};
use crate::paths::{Paths, RECORD_FOLDER};
use crate::sorted::Map;
use crate::store;
use crate::text::say;
use std::path::PathBuf;

/// How many upgrades the history keeps: a few hundred bytes each on a small flash.
const HISTORY_LIMIT: usize = 10;

/// A flash that was begun.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
#[field(optional)]
pub struct Pending {
    /// What ran.
    pub from: Release,
    /// What is to run.
    pub to: Release,
    /// When it was begun; see [`begins_at`].
    pub at: i64,
    /// During which boot; while it is the same, the flash is still to come.
    pub boot_id: String,
    /// Whether the settings are kept.
    pub kept_settings: bool,
    /// Whether its owner insisted (`force`).
    pub forced: bool,
    /// Package → version of the image; empty where nobody said.
    pub manifest: Map<String>,
    /// The image's default packages, as far as known.
    pub defaults: Vec<String>,
    /// Packages that the owner goes without, because the release does not have them.
    pub left_out: Vec<String>,
    /// What its server is to be told of it, if anything.
    pub report: Option<Report>,
    /// What was installed before.
    pub packages_before: Map<String>,
}

/// An entry of history.json.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Record {
    /// What the owner gets to see.
    pub upgrade: Upgrade,
    /// The image's default packages: what the next plan needs to tell them from the owner's.
    #[field(optional)]
    pub defaults: Vec<String>,
}

fn pending_file(paths: &Paths) -> PathBuf {
    paths.real(RECORD_FOLDER).join("pending.json")
}

fn history_file(paths: &Paths) -> PathBuf {
    paths.real(RECORD_FOLDER).join("history.json")
}

/// Writes down what the router is to become.
pub fn promise(paths: &Paths, pending: &Pending) -> Result<(), Error> {
    store::private_folder(&paths.real(RECORD_FOLDER))?;
    store::write(&pending_file(paths), pending)
}

/// Takes it back: nothing was flashed.
pub fn withdraw(paths: &Paths) -> Result<(), Error> {
    store::remove(&pending_file(paths))
}

/// What is still to be confirmed.
pub fn pending(paths: &Paths) -> Result<Option<Pending>, Error> {
    store::read_record(&pending_file(paths))
}

/// The past, newest first.
pub fn history(paths: &Paths) -> Result<Vec<Record>, Error> {
    Ok(store::read_record(&history_file(paths))?.unwrap_or_default())
}

/// When an upgrade begins, in seconds of the epoch: `now`, or the next second that no former upgrade
/// has. The history tells upgrades apart by it.
pub fn begins_at(paths: &Paths, now: i64) -> Result<i64, Error> {
    let history = history(paths)?;
    let is_free = |at: &i64| history.iter().all(|record| record.upgrade.at != *at);
    Ok((now..).find(is_free).unwrap_or(now))
}

/// Whether a server has said before that it takes no reports.
pub fn takes_no_reports(paths: &Paths, server: &str) -> Result<bool, Error> {
    let unwanted =
        |report: &Report| report.server == server && report.state == ReportState::Unwanted;
    let history = history(paths)?;
    let mut reports = history
        .iter()
        .filter_map(|record| record.upgrade.report.as_ref());
    Ok(reports.any(unwanted))
}

/// Writes down what became of the report on the last upgrade, and gives that upgrade.
pub fn reported(paths: &Paths, state: ReportState) -> Result<Option<Upgrade>, Error> {
    let mut history = history(paths)?;
    if let Some(report) = history
        .first_mut()
        .and_then(|record| record.upgrade.report.as_mut())
    {
        report.state = state;
        store::write(&history_file(paths), &history)?;
    }
    Ok(history.into_iter().next().map(|record| record.upgrade))
}

/// The default packages of the image that runs, if it is one of those that we flashed; else none.
pub fn kept_defaults(paths: &Paths, running: &Release) -> Result<Vec<String>, Error> {
    let history = history(paths)?;
    let mut of_running = history
        .into_iter()
        .filter(|record| record.upgrade.to == *running && !record.defaults.is_empty());
    Ok(of_running
        .next()
        .map(|record| record.defaults)
        .unwrap_or_default())
}

/// Holds the router against the promise, and writes down what came of it.
pub fn confirm(
    paths: &Paths,
    pending: &Pending,
    device: &Device,
    packages: &Map<String>,
) -> Result<Record, Error> {
    let running = device.release();
    let record = judge(pending, &running, packages);
    let confirmed = Some((pending, record.upgrade.result));
    if let Err(error) = newest::note(paths, &running, confirmed) {
        say(&error);
    }
    let mut history = history(paths)?;
    // It was written down already if we died before the promise was withdrawn.
    let same = |former: &Record| former.upgrade.at == pending.at;
    if !history.first().is_some_and(same) {
        history.insert(0, record.clone());
        history.truncate(HISTORY_LIMIT);
        store::write(&history_file(paths), &history)?;
    }
    withdraw(paths)?;
    Ok(record)
}

fn judge(pending: &Pending, running: &Release, packages: &Map<String>) -> Record {
    let mut differences = release_differences(pending, running);
    differences.extend(package_differences(&pending.manifest, packages));
    let same_release = *running == pending.from;
    let result = match differences.is_empty() {
        true => Outcome::Confirmed,
        false if same_release && *packages == pending.packages_before => Outcome::NotApplied,
        false => Outcome::Differs,
    };
    Record {
        upgrade: Upgrade {
            from: pending.from.clone(),
            to: pending.to.clone(),
            at: pending.at,
            result,
            differences: if result == Outcome::Differs {
                differences
            } else {
                Vec::new()
            },
            kept_settings: pending.kept_settings,
            left_out: pending.left_out.clone(),
            report: match result {
                // The old system runs: nobody learns anything of the image.
                Outcome::NotApplied => None,
                _ => pending.report.clone(),
            },
        },
        defaults: pending.defaults.clone(),
    }
}

/// An image without metadata promised no release.
fn release_differences(pending: &Pending, running: &Release) -> Vec<Difference> {
    let pairs = [
        (
            DifferenceKind::Version,
            &pending.to.version,
            &running.version,
        ),
        (
            DifferenceKind::Revision,
            &pending.to.revision,
            &running.revision,
        ),
    ];
    let other = pairs
        .into_iter()
        .filter(|(_, to, found)| !to.is_empty() && to != found);
    other
        .map(|(kind, to, found)| Difference {
            kind,
            name: String::new(),
            expected: Some(to.clone()),
            found: Some(found.clone()),
        })
        .collect()
}

/// An image that nobody described promised no packages.
fn package_differences(manifest: &Map<String>, packages: &Map<String>) -> Vec<Difference> {
    if manifest.is_empty() {
        return Vec::new();
    }
    let difference =
        |name: &String, expected: Option<&String>, found: Option<&String>| Difference {
            kind: DifferenceKind::Package,
            name: name.clone(),
            expected: expected.cloned(),
            found: found.cloned(),
        };
    let other = manifest
        .iter()
        .filter(|(name, version)| packages.get(name) != Some(version));
    let other = other.map(|(name, version)| difference(name, Some(version), packages.get(name)));
    let extra = packages
        .iter()
        .filter(|(name, _)| !manifest.contains_key(name));
    other
        .chain(extra.map(|(name, version)| difference(name, None, Some(version))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(version: &str) -> Release {
        Release {
            version: version.to_owned(),
            revision: format!("r-{version}"),
        }
    }

    fn packages(list: &[(&str, &str)]) -> Map<String> {
        list.iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn pending() -> Pending {
        Pending {
            from: release("1"),
            to: release("2"),
            manifest: packages(&[("luci", "2"), ("libc", "2")]),
            packages_before: packages(&[("luci", "1"), ("libc", "1")]),
            ..Pending::default()
        }
    }

    #[test]
    fn each_outcome_has_its_case() {
        let pending = pending();
        let as_promised = judge(&pending, &release("2"), &pending.manifest);
        assert_eq!(as_promised.upgrade.result, Outcome::Confirmed);
        let untouched = judge(&pending, &release("1"), &pending.packages_before);
        assert_eq!(untouched.upgrade.result, Outcome::NotApplied);
        assert!(untouched.upgrade.differences.is_empty());
        let other = judge(
            &pending,
            &release("2"),
            &packages(&[("libc", "2"), ("luci", "3"), ("x", "1")]),
        );
        assert_eq!(other.upgrade.result, Outcome::Differs);
        let told: Vec<_> = other
            .upgrade
            .differences
            .iter()
            .map(|d| (d.name.as_str(), d.found.as_deref()))
            .collect();
        assert_eq!(told, [("luci", Some("3")), ("x", Some("1"))]);
    }

    #[test]
    fn a_rebuild_of_the_same_release_is_told_apart_by_its_packages() {
        let mut pending = pending();
        pending.to = release("1");
        let untouched = judge(&pending, &release("1"), &pending.packages_before);
        assert_eq!(untouched.upgrade.result, Outcome::NotApplied);
        let done = judge(&pending, &release("1"), &pending.manifest);
        assert_eq!(done.upgrade.result, Outcome::Confirmed);
    }

    #[test]
    fn the_history_keeps_ten_and_the_promise_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path(), None);
        let device = Device::default();
        for n in 0..12 {
            promise(&paths, &Pending { at: n, ..pending() }).unwrap();
            let there = super::pending(&paths).unwrap().unwrap();
            confirm(&paths, &there, &device, &Map::new()).unwrap();
        }
        let history = history(&paths).unwrap();
        assert_eq!(history.len(), 10);
        assert_eq!(history[0].upgrade.at, 11);
        assert_eq!(super::pending(&paths).unwrap(), None);
    }

    #[test]
    fn upgrades_of_one_second_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path(), None);
        for expected in [7, 8, 9] {
            let at = begins_at(&paths, 7).unwrap();
            assert_eq!(at, expected);
            let pending = Pending { at, ..pending() };
            // The second time is that of a daemon that died before the promise was withdrawn.
            for _ in 0..2 {
                promise(&paths, &pending).unwrap();
                confirm(&paths, &pending, &Device::default(), &Map::new()).unwrap();
            }
        }
        let history = history(&paths).unwrap();
        let times: Vec<i64> = history.iter().map(|record| record.upgrade.at).collect();
        assert_eq!(times, [9, 8, 7]);
    }

    #[test]
    fn the_defaults_of_the_image_that_runs_are_found_again() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path(), None);
        assert!(kept_defaults(&paths, &release("2")).unwrap().is_empty());
        let upgrades = [("2", "of two"), ("3", "of three"), ("2", "of two, later")];
        for (at, (to, defaults)) in (0..).zip(upgrades) {
            let pending = Pending {
                at,
                to: release(to),
                defaults: vec![defaults.to_owned()],
                ..pending()
            };
            promise(&paths, &pending).unwrap();
            confirm(&paths, &pending, &Device::default(), &Map::new()).unwrap();
        }
        let kept = |version| kept_defaults(&paths, &release(version)).unwrap();
        assert_eq!(kept("2"), ["of two, later"]);
        assert_eq!(kept("3"), ["of three"]);
        assert!(kept("1").is_empty());
    }
}
