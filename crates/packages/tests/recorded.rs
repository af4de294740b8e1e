//! A router's databases give what OpenWrt's own rpc-sys gave for them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::{apk, data, opkg};
use packages::{Database, Installed, Providers};
use serde_json::{Map, Value};

fn assert_as_recorded(installed: &Installed) {
    for (all, file) in [
        (false, "rpc-sys-packagelist.json"),
        (true, "rpc-sys-packagelist-all.json"),
    ] {
        let recorded: Value = serde_json::from_slice(&data(file)).unwrap();
        let ours: Map<String, Value> = installed
            .packagelist(all)
            .unwrap()
            .into_iter()
            .map(|(name, version)| (name.into(), version.into()))
            .collect();
        assert_eq!(recorded["packages"], Value::Object(ours), "all: {all}");
    }
}

#[test]
fn apk_as_rpc_sys_answered() {
    let installed = apk(data("apk-installed"), data("apk-world")).unwrap();
    assert_eq!(installed.database(), Database::Apk);
    assert_eq!(installed.packages().len(), 169);
    assert_eq!(installed.wanted().unwrap().count(), 43);
    assert_as_recorded(&installed);
}

#[test]
fn opkg_gives_the_same_for_the_same_router() {
    let installed = opkg(data("opkg-status")).unwrap();
    assert_eq!(installed.database(), Database::Opkg);
    assert_as_recorded(&installed);
}

#[test]
fn the_fields_of_a_package() {
    let installed = apk(data("apk-installed"), data("apk-world")).unwrap();
    let ubox = installed
        .packages()
        .find(|p| p.bare_name() == "libubox")
        .unwrap();
    assert_eq!(ubox.name(), "libubox20260213");
    assert_eq!(ubox.arch(), "mips_24kc");
    assert_eq!(ubox.depends().map(|d| d.name).collect::<Vec<_>>(), ["libc"]);
    let provides: Vec<_> = ubox.provides().map(|d| (d.name, d.version)).collect();
    assert_eq!(
        provides,
        [("libubox20260213-any", ""), ("libubox", ubox.version())]
    );
    assert!(!ubox.is_wanted() && !ubox.is_pseudo() && !ubox.is_virtual());
    assert!(installed
        .packages()
        .any(|p| p.name() == "libgcc1" && p.is_pseudo() && p.is_wanted()));
}

#[test]
fn who_provides_a_name() {
    let installed = apk(data("apk-installed"), data("apk-world")).unwrap();
    let providers = Providers::new(&installed).unwrap();
    for name in ["jansson", "jansson4", "jansson4-any"] {
        let found: Vec<_> = providers.of(name).map(|package| package.name()).collect();
        assert_eq!(found, ["jansson4"], "{name}");
    }
    assert!(!providers.has("jansson5") && !providers.has(""));
    for package in installed.packages() {
        assert!(providers
            .of(package.bare_name())
            .any(|p| p.name() == package.name()));
    }
}
