//! What is counted: requests, builds and reports, by day and what they were about. No addresses, no names of people.

use crate::request::BuildRequest;
use crate::time;
use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

/// How many days are remembered: the half year that statistics by version show.
pub const DAYS: u64 = 26 * 7;
/// How many different things are counted a day; what comes after is counted together.
const THINGS: usize = 500;
/// How many failures are remembered.
const FAILURES: usize = 500;
/// Longest sentence about a failure, in characters.
const SENTENCE: usize = 200;
/// Longest file that is read.
const LONGEST: u64 = 32 << 20;

/// What happened so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Day since 1970 → thing → how often. A thing is a word or, with more about it, words: `build 24.10.2 x86/64 generic`.
    pub days: BTreeMap<u64, BTreeMap<String, u64>>,
    /// Word → how often ever.
    pub totals: BTreeMap<String, u64>,
    /// A line for each of the last failed builds, newest first.
    pub failures: VecDeque<String>,
}

impl Tally {
    /// Reads what was remembered; nothing where there is no such file, or no sense in it.
    pub fn read(path: &Path) -> Self {
        let short = fs::metadata(path).is_ok_and(|metadata| metadata.len() <= LONGEST);
        let bytes = short.then(|| fs::read(path).ok()).flatten();
        bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// Remembers it.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let draft = path.with_extension("new");
        let write = || {
            let mut file = fs::File::create(&draft)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            fs::rename(&draft, path)
        };
        write().map_err(Error::io(path))
    }

    /// Counts things that happen now.
    pub fn count(&mut self, things: &[String]) {
        let today = time::day(SystemTime::now());
        while self
            .days
            .first_key_value()
            .is_some_and(|(day, _)| day + DAYS <= today)
        {
            self.days.pop_first();
        }
        let day = self.days.entry(today).or_default();
        for thing in things {
            let place = match day.contains_key(thing) || day.len() < THINGS {
                true => thing.as_str(),
                false => "other",
            };
            *day.entry(place.to_owned()).or_default() += 1;
            if !thing.contains(' ') {
                *self.totals.entry(thing.clone()).or_default() += 1;
            }
        }
    }

    /// Remembers a line about a failure.
    pub fn fail(&mut self, line: String) {
        self.failures.push_front(line);
        self.failures.truncate(FAILURES);
    }

    /// How often something happened on each of the last `days` days, today last.
    pub fn series(&self, thing: &str, days: u64) -> Vec<u64> {
        let today = time::day(SystemTime::now());
        let count = |day: u64| Some(*self.days.get(&day)?.get(thing)?);
        (0..days)
            .rev()
            .map(|ago| today.checked_sub(ago).and_then(count).unwrap_or(0))
            .collect()
    }

    /// Everything that begins with `kind` and a space: day, the rest of its words, how often.
    pub fn about<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (u64, &'a str, u64)> {
        let words = move |thing: &'a str| thing.strip_prefix(kind)?.strip_prefix(' ');
        self.days.iter().flat_map(move |(day, things)| {
            things
                .iter()
                .filter_map(move |(thing, count)| Some((*day, words(thing)?, *count)))
        })
    }
}

/// What a request is about, as a thing: `build 24.10.2 x86/64 generic`.
pub fn thing(kind: &str, request: &BuildRequest) -> String {
    let BuildRequest {
        version,
        target,
        profile,
        ..
    } = request;
    format!("{kind} {version} {target} {profile}")
}

/// The line about a failed build. Hashes are left out: they would lead to what somebody asked for.
pub fn failure(request: &BuildRequest, detail: &str) -> String {
    let words: Vec<&str> = detail.split_whitespace().collect();
    let sentence: String = words.join(" ").chars().take(SENTENCE).collect();
    let about = [&*request.version, &request.target, &request.profile].join(":");
    format!("{} {about} {sentence}", time::stamp(SystemTime::now()))
}

#[cfg(test)]
mod tests {
    use super::{Tally, FAILURES, THINGS};

    #[test]
    fn counts_what_happens() {
        let mut tally = Tally::default();
        let things = ["requests", "build 1 a/b c"].map(str::to_owned);
        tally.count(&things);
        tally.count(&things);
        assert_eq!(tally.series("requests", 3), [0, 0, 2]);
        assert_eq!(tally.totals.get("requests"), Some(&2));
        assert_eq!(tally.totals.len(), 1);
        let about: Vec<_> = tally
            .about("build")
            .map(|(_, words, count)| (words, count))
            .collect();
        assert_eq!(about, [("1 a/b c", 2)]);
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("tally.json");
        assert_eq!(Tally::read(&path).totals.len(), 0);
        tally.write(&path).expect("written");
        assert_eq!(Tally::read(&path).series("requests", 1), [2]);
        std::fs::write(&path, "{\"days\": 1").expect("file");
        assert_eq!(Tally::read(&path).totals.len(), 0);
    }

    #[test]
    fn remembers_no_more_than_it_may() {
        let mut tally = Tally::default();
        tally.days.insert(1, Default::default());
        for number in 0..THINGS + 10 {
            tally.count(&[format!("build {number}")]);
            tally.fail(format!("{number}"));
        }
        assert_eq!(tally.days.len(), 1);
        let day = tally.days.values().next().expect("today");
        assert_eq!((day.len(), day.get("other")), (THINGS + 1, Some(&10)));
        assert_eq!(tally.failures.len(), FAILURES);
    }
}
