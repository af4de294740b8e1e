//! A server's answers that are read whole, and the texts in its headers.

use super::super::answers::{Finished, Overview, Profile, Progress};
use super::super::error::Error;
use super::super::{address, http, is_plain_name, json, older_packages};
use super::super::{prepare, range_total, refusal, safe_path};
use super::{told, Pieces};
use crate::api::{DeviceInfo, RequestBody, Running};
use crate::sorted::Map;
use crate::text::clean;
use crate::upgrade::build::Built;
use crate::upgrade::{beside, offer};
use data::{Data, Decode};
use firmware::{steers, KeyRing, Sha256};
use serde_json::Value;

/// Any bytes as each of a server's answers, which are read whole; and as the texts in its headers.
pub fn server_json(data: &[u8]) {
    http::check(data);
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
    let (bytes, data) = (data, Data::parse(data).unwrap());
    for sentence in prepare::changes(data.value()) {
        assert!(!sentence.is_empty() && !sentence.contains(steers));
    }
    if let Some(overview) = said::<Overview>(&data) {
        branches(&overview);
    }
    if let Some(finished) = said::<Finished>(&data) {
        images(&finished);
    }
    if let Some(progress) = said::<Progress>(&data) {
        assert!(!clean(&progress.detail).contains(steers));
    }
    said::<Profile>(&data);
    let empty = whole.as_object().is_some_and(|fields| fields.is_empty());
    match json::read_unless_empty::<Value>(&mut { bytes }) {
        Ok(found) => assert!(found.is_some() || empty),
        Err(error) => panic!("read before, and now {error}"),
    }
}

fn said<T: Decode + Default>(data: &Data) -> Option<T> {
    match data::read(data.value()) {
        Ok(said) => Some(said),
        Err(error) => {
            told(Error::NotUnderstood(error.to_string()));
            None
        }
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
                let branch = overview.branches.get(&listed.name).unwrap();
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
                assert!(built.bin_dir.split('/').all(is_plain_name));
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
    let files = Map::from(names.map(|name| (name.to_owned(), text.to_owned())));
    let finding = beside::judge(&files, "firmware.bin", Sha256([0; 32]), &KeyRing::new()).unwrap();
    assert_ne!(finding.verdict(), firmware::signature::Verdict::Good);
}
