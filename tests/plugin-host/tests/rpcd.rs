//! The same in the real rpcd, where `rpcd` and `ubusd` are on PATH.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::time::Duration;

use common::{program, recorded_list, router, PackageList, Refused};
use plugin_host::real::{wait_for, Real};
use plugin_host::{sysupgrade_note, Root};
use serde_json::{json, Value};
use ubus::{Bus, Status};

const OBJECT: &str = "attendedsysupgrade";
const PATIENCE: Duration = Duration::from_secs(20);

/// rpcd in a root, and a connection to its bus; None, with a word, where the machine has no rpcd.
fn rpcd(root: &Root) -> Option<(Real, Bus)> {
    root.install(program(), "/sbin/sysupgrade").unwrap();
    let Some(real) = Real::start(program(), root).unwrap() else {
        println!("skipped: no rpcd and ubusd on PATH");
        return None;
    };
    let mut bus = Bus::connect(real.socket()).unwrap();
    wait_for(|| bus.lookup(OBJECT).is_ok_and(|found| !found.is_empty())).unwrap();
    Some((real, bus))
}

fn call<R: serde::de::DeserializeOwned>(
    bus: &mut Bus,
    method: &str,
    arguments: Value,
) -> Result<R, Status> {
    bus.call(OBJECT, method, &arguments, PATIENCE)
        .map_err(|error| error.status())
}

#[test]
fn the_recorded_router() {
    let root = router();
    let Some((_real, mut bus)) = rpcd(&root) else {
        return;
    };
    for all in [false, true] {
        let list: PackageList = call(&mut bus, "packagelist", json!({ "all": all })).unwrap();
        assert_eq!(list, recorded_list(all));
    }
    let session = json!({ "ubus_rpc_session": "0123" });
    let list: PackageList = call(&mut bus, "packagelist", session).unwrap();
    assert_eq!(list, recorded_list(false));
    for wrong in [json!({ "all": 1 }), json!({ "al": true })] {
        let status = call::<Value>(&mut bus, "packagelist", wrong).unwrap_err();
        assert_eq!(status, Status::InvalidArgument);
    }
    std::fs::remove_file(root.at("/etc/apk/world")).unwrap();
    let refused: Refused = call(&mut bus, "packagelist", json!({})).unwrap();
    assert_eq!(
        (refused.started, refused.error.kind.as_str()),
        (None, "storage")
    );
}

#[test]
fn sysupgrade_checks_and_starts() {
    let root = router();
    let Some((real, mut bus)) = rpcd(&root) else {
        return;
    };
    let missing = call::<Value>(&mut bus, "sysupgrade", json!({})).unwrap_err();
    assert_eq!(missing, Status::NotFound);

    root.write("/tmp/firmware.bin", "bad image").unwrap();
    let refused: Refused = call(&mut bus, "sysupgrade", json!({})).unwrap();
    assert_eq!(
        (refused.started, refused.error.kind.as_str()),
        (Some(false), "sysupgrade")
    );
    assert!(
        refused.error.detail.contains("Image check failed."),
        "{}",
        refused.error.detail
    );

    root.write("/tmp/firmware.bin", "good image").unwrap();
    let answer: Value = call(&mut bus, "sysupgrade", json!({ "keep": false })).unwrap();
    assert_eq!(answer, json!({ "started": true }));
    let file = root.at(sysupgrade_note::PATH);
    assert!(!file.exists(), "the answer comes first");
    drop(real);
    wait_for(|| file.exists()).unwrap();
    let note = std::fs::read_to_string(file).unwrap();
    assert_eq!(
        note,
        "/sbin/sysupgrade -n /tmp/firmware.bin leads=true open=3+1"
    );
}
