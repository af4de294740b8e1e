//! Short ways to the host and the real rpcd.
#![allow(dead_code, reason = "each test file takes what it needs")]
#![allow(missing_docs, reason = "they are tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use plugin_host::{Answer, Host, Root};
use serde::{Deserialize, Serialize};

/// The program of this package; `PLUGIN_HOST` names one that was built for another processor, to be run by emulation.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match std::env::var_os("PLUGIN_HOST") {
        Some(other) => other.into(),
        None => env!("CARGO_BIN_EXE_plugin-host").into(),
    })
}

/// What `packagelist` answers, as the agent has it.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub struct PackageList {
    pub packages: BTreeMap<String, String>,
}

/// What a refusal has, beside `started: false`.
#[derive(Debug, Deserialize, PartialEq)]
pub struct Refused {
    pub started: Option<bool>,
    pub error: Error,
}

#[derive(Debug, Deserialize, PartialEq)]
pub struct Error {
    pub kind: String,
    pub message: String,
    pub detail: String,
}

/// A root with the recorded router's apk database.
pub fn router() -> Root {
    let root = Root::new().unwrap();
    root.write_apk(recorded("apk-installed"), recorded("apk-world"))
        .unwrap();
    root
}

/// A file of the recorded router, see crates/packages/tests/data/README.md.
pub fn recorded(name: &str) -> Vec<u8> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../crates/packages/tests/data"
    );
    std::fs::read(Path::new(folder).join(name)).unwrap()
}

/// What rpc-sys answered for it.
pub fn recorded_list(all: bool) -> PackageList {
    let name = if all {
        "rpc-sys-packagelist-all.json"
    } else {
        "rpc-sys-packagelist.json"
    };
    serde_json::from_slice(&recorded(name)).unwrap()
}

pub fn start(root: &Root) -> Host {
    Host::start(program(), root).unwrap()
}

/// Calls with JSON for arguments.
pub fn call(host: &mut Host, method: &str, arguments: serde_json::Value) -> Answer {
    let arguments = ubus::to_blobmsg(&arguments).unwrap();
    host.call(method, Some(&arguments)).unwrap()
}

/// A refusal's status, kind and message.
pub fn refused(answer: &Answer) -> (i32, String, String) {
    let data = answer.data.as_ref().expect("an answer");
    let refused: Refused = ubus::from_blobmsg(data).unwrap();
    (answer.status, refused.error.kind, refused.error.message)
}
