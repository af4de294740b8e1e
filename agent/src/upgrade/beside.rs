//! The signatures that a server may have beside an image: a key the router holds signed
//! `worker.pub`, which signed `sha256sums`, which names the image ([`firmware::detached`]).
//!
//! The job fetches them as they are; whoever has the keys judges them.

use super::build::Built;
use crate::error::Error;
use crate::server::Client;
use crate::sorted::Map;
use firmware::detached::{self, Files, Finding, MAX_SUMS};
use firmware::usign::MAX_TEXT;
use firmware::{KeyRing, Sha256};

/// As `usign -S` names them. The first tells whether there is a chain at all: every build has a
/// `sha256sums`, and OpenWrt's own sites sign theirs with another scheme.
const FILES: [(&str, usize); 4] = [
    ("worker.pub", MAX_TEXT),
    ("worker.pub.sig", MAX_TEXT),
    ("sha256sums", MAX_SUMS),
    ("sha256sums.sig", MAX_TEXT),
];

/// Fetches the files; none where the server does not offer them. One that is missing behind the
/// first is left out, which makes the chain a bad one. They are texts: bytes that are none do not
/// survive, and with them the signature.
pub fn fetch(client: &Client, built: &Built) -> Result<Map<String>, Error> {
    let mut found = Map::new();
    for (name, limit) in FILES {
        match client.beside_image(&built.bin_dir, name, limit)? {
            Some(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                found.insert(name.to_owned(), text);
            }
            None if found.is_empty() => break,
            None => {}
        }
    }
    Ok(found)
}

/// Judges the image called `name` by the files beside it; none where there were none.
pub fn judge(files: &Map<String>, name: &str, sha256: Sha256, keys: &KeyRing) -> Option<Finding> {
    if files.is_empty() {
        return None;
    }
    let file = |name: &str| files.get(name).map_or(&[][..], |text| text.as_bytes());
    let files = Files {
        worker: file("worker.pub"),
        worker_signature: file("worker.pub.sig"),
        sums: file("sha256sums"),
        sums_signature: file("sha256sums.sig"),
    };
    Some(detached::judge(&files, name, sha256, keys))
}
