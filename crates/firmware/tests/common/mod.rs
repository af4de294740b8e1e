//! The images with known verdicts, and the router they are judged on.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

pub mod sign;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use firmware::{Device, KeyRing, Report};
use serde::Deserialize;

/// `tests/images/index.json`.
#[derive(Deserialize)]
pub struct Index {
    pub board: String,
    pub device_compat_version: String,
    pub revoked: Vec<String>,
    pub cases: Vec<Case>,
}

/// One image and what has to be said of it.
#[derive(Deserialize)]
pub struct Case {
    pub file: String,
    pub size: u64,
    pub sha256: String,
    pub expect: Expect,
    pub why: String,
}

#[derive(Deserialize)]
pub struct Expect {
    pub metadata: String,
    pub signature: String,
}

/// `clock` of the index, 2026-11-20T12:00:00Z.
pub const NOW: u64 = 1_795_176_000;

pub fn images() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images")
}

pub fn image(name: &str) -> Vec<u8> {
    fs::read(images().join(name)).unwrap()
}

pub fn index() -> Index {
    let text = fs::read_to_string(images().join("index.json")).unwrap();
    assert!(text.contains("\"clock\": \"2026-11-20T12:00:00Z\""));
    serde_json::from_str(&text).unwrap()
}

impl Index {
    pub fn device(&self) -> Device {
        Device::new(&self.board, Some(&self.device_compat_version))
    }

    /// The router's keys, from a directory as `/etc/opkg/keys` with revocations as ucert makes them.
    pub fn keys(&self) -> KeyRing {
        let directory = tempfile::tempdir().unwrap();
        for key in fs::read_dir(images().join("trusted-keys")).unwrap() {
            let key = key.unwrap();
            fs::copy(key.path(), directory.path().join(key.file_name())).unwrap();
        }
        for number in &self.revoked {
            symlink(".revoked.", directory.path().join(number)).unwrap();
        }
        let mut keys = KeyRing::new();
        let problems = keys.load(directory.path());
        assert!(problems.is_empty(), "{problems:?}");
        keys
    }
}

/// Judges bytes on the router of the index, with metadata and signature as words.
pub fn judge(image: &[u8]) -> Report {
    let index = index();
    judge_with(image, &index.keys())
}

pub fn judge_with(image: &[u8], keys: &KeyRing) -> Report {
    firmware::judge(
        &mut std::io::Cursor::new(image),
        &index().device(),
        keys,
        NOW,
    )
    .unwrap()
}

pub fn words(report: &Report) -> (&'static str, &'static str) {
    (
        report.metadata.verdict().as_str(),
        report.signature.verdict().as_str(),
    )
}
