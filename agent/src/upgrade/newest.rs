//! Never older by accident: the newest release that this router has run is kept, across upgrades,
//! and who wants to go below it has to say so.

use super::confirm::Pending;
use super::offer::Version;
use crate::api::{Outcome, Release};
use crate::error::Error;
use crate::paths::{Paths, RECORD_FOLDER};
use crate::store;
use crate::text::say;
use std::cmp::Ordering;
use std::path::PathBuf;

/// What to do about a warning that stands in the way.
pub const USE_FORCE: &str = "Use force (\"--force\") if that is what you want.";

fn file(paths: &Paths) -> PathBuf {
    paths.real(RECORD_FOLDER).join("newest.json")
}

/// The newest release that ran here: of the record and `running`. A record that can't be had stands
/// in nobody's way; the log says so.
pub fn newest(paths: &Paths, running: &Release) -> Release {
    match recorded(paths) {
        Some(record) if order(running, &record) == Ordering::Less => record,
        _ => running.clone(),
    }
}

fn recorded(paths: &Paths) -> Option<Release> {
    store::read_record(&file(paths)).unwrap_or_else(|error| {
        say(&error);
        None
    })
}

/// Writes down what runs, if it is newer than all before. `confirmed` is an upgrade that has just
/// been looked at: where its owner insisted on an older release, and it runs, that is from now on
/// the newest. Nothing is written that stands there already: each write wears the flash.
pub fn note(
    paths: &Paths,
    running: &Release,
    confirmed: Option<(&Pending, Outcome)>,
) -> Result<(), Error> {
    let insisted = confirmed.is_some_and(|(pending, outcome)| {
        pending.forced && outcome != Outcome::NotApplied && pending.to == *running
    });
    if running.version.is_empty() {
        return Ok(());
    }
    let newest = match insisted {
        true => running.clone(),
        false => newest(paths, running),
    };
    if recorded(paths).as_ref() == Some(&newest) {
        return Ok(());
    }
    store::private_folder(&paths.real(RECORD_FOLDER))?;
    store::write(&file(paths), &newest)
}

/// Says that a release is older than the `newest` that ran here.
pub fn older(version: &str, newest: &Release) -> String {
    format!(
        "OpenWrt {version} is older than {} ({}), which runs or ran on this router.",
        newest.version, newest.revision
    )
}

/// Releases by their version, then by their revision; where a snapshot is one of them, or a name
/// that is none of OpenWrt's, only the revision tells.
pub fn order(running: &Release, target: &Release) -> Ordering {
    let revisions = revision_number(&running.revision).zip(revision_number(&target.revision));
    let revisions = revisions.map(|(running, target)| running.cmp(&target));
    let versions = Version::parse(&running.version).zip(Version::parse(&target.version));
    match versions {
        Some((a, b)) if !a.is_snapshot() && !b.is_snapshot() => {
            a.cmp(&b).then(revisions.unwrap_or(Ordering::Equal))
        }
        _ if running.version == target.version => revisions.unwrap_or(Ordering::Equal),
        // Of two that can't be compared, the one the owner asked for is taken for the newer one.
        _ => revisions.unwrap_or(Ordering::Less),
    }
}

/// `r28739-d9340319c6` → 28739
pub fn revision_number(revision: &str) -> Option<u32> {
    let digits = revision.strip_prefix('r')?;
    digits.split(['-', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn release(version: &str, revision: &str) -> Release {
        Release {
            version: version.to_owned(),
            revision: revision.to_owned(),
        }
    }

    fn router() -> (tempfile::TempDir, Paths) {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path(), None);
        (root, paths)
    }

    #[test]
    fn the_newest_that_ran_is_kept() {
        let (_root, paths) = router();
        let (old, new) = (release("24.10.0", "r1-a"), release("24.10.2", "r2-b"));
        note(&paths, &old, None).unwrap();
        assert_eq!(newest(&paths, &old), old);
        note(&paths, &new, None).unwrap();
        note(&paths, &old, None).unwrap();
        assert_eq!(newest(&paths, &old), new);
        let later = release("24.10.2", "r3-c");
        assert_eq!(newest(&paths, &later), later);
    }

    #[test]
    fn who_insisted_on_an_older_one_is_not_asked_again() {
        let (_root, paths) = router();
        let (old, new) = (release("24.10.0", "r1-a"), release("24.10.2", "r2-b"));
        let pending = |forced| Pending {
            to: old.clone(),
            forced,
            ..Pending::default()
        };
        note(&paths, &new, None).unwrap();
        for (forced, outcome) in [(false, Outcome::Confirmed), (true, Outcome::NotApplied)] {
            note(&paths, &old, Some((&pending(forced), outcome))).unwrap();
            assert_eq!(newest(&paths, &old), new, "{forced} {outcome:?}");
        }
        note(&paths, &old, Some((&pending(true), Outcome::Confirmed))).unwrap();
        assert_eq!(newest(&paths, &old), old);
    }

    #[test]
    fn a_damaged_record_is_set_aside() {
        let (_root, paths) = router();
        let running = release("24.10.0", "r1-a");
        note(&paths, &running, None).unwrap();
        fs::write(file(&paths), "{\"version\": \"99").unwrap();
        assert_eq!(newest(&paths, &running), running);
        assert!(file(&paths).with_extension("damaged").exists());
        note(&paths, &running, None).unwrap();
        assert_eq!(recorded(&paths), Some(running));
    }

    #[test]
    fn snapshots_are_told_apart_by_their_revisions() {
        let snapshot = |revision| release("SNAPSHOT", revision);
        assert_eq!(
            order(&snapshot("r2-a"), &snapshot("r1-b")),
            Ordering::Greater
        );
        assert_eq!(
            order(&snapshot("r30000-a"), &release("24.10.2", "r28739-b")),
            Ordering::Greater
        );
        assert_eq!(order(&snapshot("x"), &release("y", "z")), Ordering::Less);
    }
}
