//! What has to hold of any input: the fuzz targets call these, and the ordinary tests on the corpus
//! (`agent/src/corpus.rs`). Compiled as a part of the agent, for the readers are private there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::use_debug,
    reason = "a test fails by panicking, and shows what it failed on"
)]

use super::answers::{Finished, Overview, Profile, Progress};
use super::error::Error;
use super::{address, http, index, json, older_packages, prepare, range_total, refusal, safe_path};
use crate::api::{DeviceInfo, RequestBody, Running};
use crate::json::{read, understand, value};
use crate::settings::Settings;
use crate::text::clean;
use crate::upgrade::build::Built;
use crate::upgrade::{beside, offer, Choice};
use crate::{error, uci};
use firmware::{steers, KeyRing, Sha256};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::io::{self, Read};

/// Any bytes as each of a server's answers, which are read whole; and as the texts in its headers.
pub fn server_json(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        addresses(text);
        signatures(text);
    }
    for status in [400, 404, 422, 500] {
        if let Ok(refusal) = json::read::<refusal::Refusal>(&mut { data }) {
            told(refusal.meaning(status));
        }
    }
    let whole = json::read::<Value>(&mut { data });
    let pieces = json::read::<Value>(&mut Pieces(data, 7));
    assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
    let whole = match whole {
        Ok(value) => value,
        Err(error) => return told(error),
    };
    assert!(depth(&whole) <= json::DEPTH_LIMIT);
    for sentence in prepare::changes(&whole) {
        assert!(!sentence.is_empty() && !sentence.contains(steers));
    }
    if let Some(overview) = alike::<Overview>(&whole) {
        branches(&overview);
    }
    if let Some(finished) = alike::<Finished>(&whole) {
        images(&finished);
    }
    if let Some(progress) = alike::<Progress>(&whole) {
        assert!(!clean(&progress.detail).contains(steers));
    }
    alike::<Profile>(&whole);
    let empty = whole.as_object().is_some_and(|fields| fields.is_empty());
    match json::read_unless_empty::<Value>(&mut { data }) {
        Ok(found) => assert!(found.is_some() || empty),
        Err(error) => panic!("read before, and now {error}"),
    }
}

/// What our reader makes of a value, serde_json's makes of it as well: ours takes null for a missing
/// field, and no list for an object.
fn alike<T: DeserializeOwned + Debug>(value: &Value) -> Option<T> {
    let ours = match understand::<T>(value.clone()) {
        Ok(ours) => ours,
        Err(error) => {
            told(Error::NotUnderstood(error.to_string()));
            return None;
        }
    };
    let theirs: T = serde_json::from_value(without_nulls(value)).unwrap();
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    Some(ours)
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_nulls(value)))
            .collect(),
        value => value.clone(),
    }
}

fn depth(value: &Value) -> usize {
    let below = |items: &mut dyn Iterator<Item = &Value>| items.map(depth).max().unwrap_or(0);
    match value {
        Value::Array(items) => 1 + below(&mut items.iter()),
        Value::Object(fields) => 1 + below(&mut fields.values()),
        _ => 0,
    }
}

/// An error becomes words that only say something, and not endlessly.
fn told(error: Error) {
    let told = error::Error::from(error);
    assert!(!told.message.is_empty() && !told.message.contains(steers));
    assert!(told.message.len() < 8 * 1024 && told.detail.len() <= 8 * 1024);
    let moves = |c| steers(c) && !matches!(c, '\n' | '\t');
    assert!(!told.detail.contains(moves));
}

/// Every release that a branch lists is listed, none twice as often.
fn branches(overview: &Overview) {
    let all = overview.branches.values();
    let targets = all.flat_map(|branch| branch.targets.keys().cloned());
    for target in targets.take(3).chain([String::new()]) {
        let device = device(&target, "");
        for version in ["24.10.2", "24.10.0-rc1", "SNAPSHOT", ""] {
            let running = Running {
                version: version.to_owned(),
                ..Running::default()
            };
            for listed in offer::versions(overview, &device, &running).branches {
                let branch = &overview.branches[&listed.name];
                assert!(branch.enabled);
                assert_eq!(listed.versions.len(), branch.versions.len());
                assert!(listed.latest.is_empty() || branch.versions.contains(&listed.latest));
            }
        }
    }
}

/// What is fetched has a plain name in a plain folder, and a sum.
fn images(finished: &Finished) {
    for (target, boot) in [
        ("ath79/generic", ""),
        ("x86/64", "efi"),
        ("x86/64", "bios"),
        ("armsr/armv8", "efi"),
    ] {
        let device = device(target, boot);
        match Built::of(finished.clone(), &RequestBody::default(), &device) {
            Ok(built) => {
                assert!(safe_path("name", &built.image.name).is_ok());
                assert!(!built.image.name.contains('/'));
                assert!(built.bin_dir.split('/').all(super::is_plain_name));
                assert_eq!(built.image.sha256.len(), 64);
            }
            Err(error) => assert!(!error.message.contains(steers)),
        }
    }
}

fn device(target: &str, boot: &str) -> DeviceInfo {
    DeviceInfo {
        target: target.to_owned(),
        boot: boot.to_owned(),
        ..DeviceInfo::default()
    }
}

fn addresses(text: &str) {
    if let Some(total) = range_total(Some(text), 5) {
        assert!(total > 5);
    }
    older_packages(text);
    if let Ok(path) = safe_path("path", text) {
        assert!(path.split('/').all(|part| !part.is_empty() && part != ".."));
    }
    match address(text) {
        Ok(url) => assert!(url.starts_with("http") && url.bytes().all(|b| b.is_ascii_graphic())),
        Err(error) => told(error),
    }
    match http::redirect("https://a.example/x", text) {
        Ok(to) => assert!(to.starts_with("https://")),
        Err(error) => told(error),
    }
    if let Err(error) = http::redirect("http://a.example", text) {
        told(error);
    }
}

/// Nobody vouches where the router holds no key.
fn signatures(text: &str) {
    let names = [
        "worker.pub",
        "worker.pub.sig",
        "sha256sums",
        "sha256sums.sig",
    ];
    let files = BTreeMap::from(names.map(|name| (name.to_owned(), text.to_owned())));
    let finding = beside::judge(&files, "firmware.bin", Sha256([0; 32]), &KeyRing::new()).unwrap();
    assert_ne!(finding.verdict(), firmware::signature::Verdict::Good);
}

/// Any bytes as a package index and as upstream's profiles: where they are JSON, what is found is what
/// serde_json finds; and it never matters in which pieces they come.
pub fn index(data: &[u8]) {
    let map = serde_json::from_slice::<BTreeMap<String, String>>(data);
    let map = map.unwrap_or_default();
    let some = map.keys().step_by(2).map(String::as_str);
    let some: BTreeSet<&str> = some.chain(["luci", "base-files"]).collect();
    let nested = [b"{\"more\":[{}],\"packages\":", data, b"}"].concat();
    if let Err(error) = versions(data, false, &some) {
        told(error);
    }
    for (found, flat) in [
        (versions(data, true, &some), true),
        (versions(&nested, false, &some), false),
    ] {
        let (seen, found) = match found {
            Ok(found) => found,
            // Names may be longer for serde_json.
            Err(error) => {
                assert!(
                    map.is_empty() || matches!(error, Error::TooLong(_)),
                    "{error}"
                );
                told(error);
                continue;
            }
        };
        assert!(
            found.keys().all(|name| some.contains(name.as_str())),
            "{flat}"
        );
        assert!(seen >= map.len() && seen >= found.len());
        // Of doubles and of half characters each makes something else.
        if seen == map.len() && !map.is_empty() && !data.contains(&b'\\') {
            let wanted = map.iter().filter(|(name, _)| some.contains(name.as_str()));
            assert!(wanted.eq(found.iter()));
        }
    }
    profiles(data);
}

type Found = Result<(usize, BTreeMap<String, String>), Error>;

fn versions(data: &[u8], flat: bool, names: &BTreeSet<&str>) -> Found {
    let read = |size: usize| {
        let mut found = BTreeMap::new();
        let seen = index::versions(&mut Pieces(data, size), flat, names, &mut found)?;
        Ok::<_, Error>((seen, found))
    };
    let whole = read(data.len().max(1));
    assert_eq!(format!("{whole:?}"), format!("{:?}", read(3)));
    whole
}

#[derive(serde::Deserialize)]
struct Profiles {
    profiles: BTreeMap<String, Devices>,
}

#[derive(serde::Deserialize)]
struct Devices {
    supported_devices: Vec<String>,
}

fn profiles(data: &[u8]) {
    let known = serde_json::from_slice::<Profiles>(data).ok();
    let known = known.filter(|_| !data.contains(&b'\\'));
    let boards = known.iter().flat_map(|known| known.profiles.values());
    let board = boards.flat_map(|devices| &devices.supported_devices).next();
    let name = board.map_or("tplink,archer-c7-v2", String::as_str);
    let find = |size| index::profile_of(&mut Pieces(data, size), name);
    let whole = find(data.len().max(1));
    assert_eq!(format!("{whole:?}"), format!("{:?}", find(3)));
    match whole {
        Ok(found) => assert!(board.is_none() || found.is_some()),
        Err(error) => {
            let limited = matches!(error, Error::TooLong(_) | Error::TooDeep);
            assert!(board.is_none() || limited, "{error}");
            told(error);
        }
    }
}

/// Any text as the settings: what is read, written quoted and read again is the same.
pub fn uci(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let settings = Settings::parse(text);
    let sections = match uci::parse(text) {
        Ok(sections) => sections,
        Err(malformed) => {
            assert!((1..=text.split('\n').count()).contains(&malformed.line));
            assert_eq!(settings.unwrap_err().kind, error::Kind::Usage);
            return;
        }
    };
    let written: String = sections.iter().map(written).collect();
    assert_eq!(uci::parse(&written).as_ref(), Ok(&sections));
    assert_eq!(settings, Settings::parse(&written));
    match settings {
        Ok(settings) => hold(settings),
        Err(error) => assert_eq!(error.kind, error::Kind::Usage),
    }
}

fn written(section: &uci::Section) -> String {
    let quoted = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
    let mut text = format!(
        "config {} {}\n",
        quoted(&section.kind),
        quoted(&section.name)
    );
    for (key, value) in &section.values {
        text.push_str(&format!("list {} {}\n", quoted(key), quoted(value)));
    }
    text
}

/// They go to the job as they are, and a choice that they complete is refused or makes sense.
fn hold(settings: Settings) {
    let sent = value(&settings).unwrap();
    let shown = Settings {
        image: None,
        verbosity: 0,
        keep_files: false,
        ..settings.clone()
    };
    assert_eq!(read::<Settings>(sent).unwrap(), shown);
    for (server, others) in &settings.rebuilders {
        assert!(settings.servers.contains(server) && !others.contains(server));
    }
    let mut choice = Choice::default();
    choice.complete(&settings);
    if let Err(error) = choice.validate() {
        assert_eq!(error.kind, error::Kind::Usage);
    }
}

/// Hands out so many bytes at a time.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.1.min(buffer.len());
        (&mut self.0).take(size as u64).read(buffer)
    }
}
