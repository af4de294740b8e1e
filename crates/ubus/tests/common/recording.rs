//! The recorded frames, read from their files.
#![allow(dead_code)]

use std::fs;
use std::path::Path;

use serde_json::Value;

/// One scenario.
pub struct Recording {
    pub name: String,
    pub programs: Value,
    pub frames: Vec<Frame>,
}

/// A message, or the end of a side: then without bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    pub connection: u64,
    pub from_client: bool,
    pub kind: u64,
    pub sequence: u64,
    pub peer: u64,
    pub bytes: Vec<u8>,
}

impl Frame {
    pub fn is_eof(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// All recordings, in the order of their names.
pub fn all() -> Vec<Recording> {
    // Used from the broker's tests too, which lie elsewhere.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let folder = root.join("crates/ubus/tests/wire");
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    paths.sort();
    assert_eq!(paths.len(), 20, "recordings");
    paths.iter().map(|path| read(path)).collect()
}

/// The recording of this name.
pub fn named(name: &str) -> Recording {
    let found = all().into_iter().find(|recording| recording.name == name);
    found.unwrap_or_else(|| panic!("no recording {name}"))
}

fn read(path: &Path) -> Recording {
    let mut file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let frames = file["frames"].as_array().unwrap().iter().map(frame);
    Recording {
        name: file["scenario"].as_str().unwrap().into(),
        frames: frames.collect(),
        programs: file["programs"].take(),
    }
}

fn frame(frame: &Value) -> Frame {
    let number = |key: &str| frame[key].as_u64().unwrap_or_default();
    Frame {
        connection: number("conn"),
        from_client: frame["dir"] == "c2s",
        kind: number("type"),
        sequence: number("seq"),
        peer: number("peer"),
        bytes: bytes(frame["hex"].as_str().unwrap_or_default()),
    }
}

/// Hexadecimal digits, spaces between them allowed.
pub fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}
