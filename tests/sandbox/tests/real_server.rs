//! Upgrades by an upgrade server of others, at the address in ASU_URL: `tests/real-server/run`
//! starts the public server's release 0.7.20 and calls this. What that server built is read from
//! the image that came.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod common;

use asu::api::{Phase, Plan, Status, Verdict};
use common::*;
use mini_imagebuilder::payload::{self, Payload};
use sandbox::{Device, Options, Router};
use serde_json::{json, Value};
use std::fs;

const STATUS: &str = "/usr/lib/opkg/status";

fn router_with(device: Device, settings: &str) -> Router {
    let url = std::env::var("ASU_URL").expect("ASU_URL has to name an upgrade server");
    Router::start(&Options {
        device,
        settings: settings.to_owned(),
        ubusd: sandbox::bus::real_ubusd(),
        ..options(&url)
    })
    .unwrap()
}

fn archer() -> Router {
    router_with(Device::ArcherC7Opkg, "")
}

/// Changes the router's package database.
fn rewrite(router: &Router, change: impl Fn(String) -> String) {
    let file = at(router, STATUS);
    let text = fs::read_to_string(&file).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text);
    fs::write(file, changed).unwrap();
}

/// The database without one package.
fn without(text: &str, name: &str) -> String {
    let start = format!("Package: {name}\n");
    let records = text.split_inclusive("\n\n");
    records
        .filter(|record| !record.starts_with(&start))
        .collect()
}

/// A package that its owner chose, and that no release has.
fn of_strangers(name: &str) -> String {
    format!(
        "Package: {name}\nVersion: 1.0-r1\nStatus: install user installed\nArchitecture: all\n\n"
    )
}

fn plan(router: &Router, arguments: &[&str], code: i32) -> Plan {
    let check = asu(router, &[&["--json", "check"], arguments].concat());
    assert_eq!(check.code, code, "{check:?}");
    check.json()
}

/// Has an image built and fetched, and gives what is in it.
fn built(router: &Router, arguments: &[&str]) -> Payload {
    let download = asu(router, &[&["download"], arguments].concat());
    assert_eq!(download.code, 0, "{download:?}");
    let status: Status = status(router);
    assert_eq!(status.job.unwrap().phase, Phase::Ready);
    let image = status.image.unwrap();
    payload::read(&at(router, &image.path)).unwrap()
}

fn upgrade(router: &Router, arguments: &[&str], version: &str) {
    let upgrade = asu(router, &[&["upgrade", "--yes"], arguments].concat());
    assert_eq!(upgrade.code, 0, "{upgrade:?}");
    wait_confirmed(router, version);
}

/// The names of all that is installed.
fn installed(router: &Router) -> Vec<String> {
    let list: Value = asu(router, &["--json", "list", "--all"]).json();
    let packages = list["packages"].as_object().unwrap();
    packages.keys().cloned().collect()
}

#[test]
#[ignore = "needs the server that tests/real-server/run starts"]
fn an_archer_c7_upgrades_itself_by_the_real_server() {
    let router = archer();
    assert_eq!(plan(&router, &[], 20).verdict, Verdict::Upgrade);
    upgrade(&router, &[], "24.10.2");
}

#[test]
#[ignore = "needs the server that tests/real-server/run starts"]
fn a_pc_upgrades_itself_by_the_real_server() {
    let router = router_with(Device::X86 { efi: true }, "");
    let request = plan(&router, &[], 20).request.unwrap();
    assert_eq!(request.filesystem.as_deref(), Some("squashfs"));
    upgrade(&router, &[], "24.10.2");
}

#[test]
#[ignore = "needs the server that tests/real-server/run starts"]
fn a_renamed_package_comes_under_its_new_name() {
    let router = archer();
    rewrite(&router, |text| {
        text.replace("Package: owut\n", "Package: auc\n")
    });
    let plan = plan(&router, &[], 20);
    let renamed = &plan.packages.renamed;
    assert_eq!(renamed.len(), 1, "{renamed:?}");
    assert_eq!(
        (renamed[0].from.as_str(), renamed[0].to.as_str()),
        ("auc", "owut")
    );
    upgrade(&router, &[], "24.10.2");
    let installed = installed(&router);
    assert!(installed.contains(&"owut".to_owned()) && !installed.contains(&"auc".to_owned()));
}

#[test]
#[ignore = "needs the server that tests/real-server/run starts"]
fn a_missing_package_blocks_until_the_owner_goes_without() {
    let router = archer();
    rewrite(&router, |text| text + &of_strangers("my-vpn"));
    let blocked = plan(&router, &[], 21);
    assert_eq!(blocked.packages.missing[0].name, "my-vpn");
    asu(&router, &["download"]).refused(4, "does not have my-vpn");
    upgrade(&router, &["--ignore", "my-vpn"], "24.10.2");
    assert!(!installed(&router).contains(&"my-vpn".to_owned()));
    let notice = status(&router).notice.unwrap().text;
    assert!(notice.contains("my-vpn"), "{notice}");
}

#[test]
#[ignore = "needs the server that tests/real-server/run starts"]
fn an_added_package_is_built_in() {
    let router = archer();
    let image = built(&router, &["--add", "htop,wireguard-tools"]);
    for name in ["htop", "wireguard-tools"] {
        let package = image.installed.iter().find(|package| package.name == name);
        assert!(package.is_some_and(|package| package.requested), "{name}");
    }
    assert!(
        image.packages.contains_key("kmod-wireguard"),
        "its dependency"
    );
}

#[test]
#[ignore = "needs the server that tests/real-server/run starts"]
fn a_removed_package_is_left_out() {
    let router = archer();
    let image = built(&router, &["--remove", "ppp ppp-mod-pppoe tcpdump"]);
    for name in ["ppp", "ppp-mod-pppoe", "tcpdump"] {
        assert!(!image.packages.contains_key(name), "{name}");
    }
    assert!(image.packages.contains_key("luci"));
}

#[test]
#[ignore = "needs the server that tests/real-server/run starts"]
fn an_init_script_is_in_the_image() {
    let router = router_with(
        Device::ArcherC7Opkg,
        &agent_settings(&[("init_script", "/etc/first-boot.sh")]),
    );
    let script = "uci set system.@system[0].hostname='küche \"2\"'\nuci commit\n";
    fs::write(at(&router, "/etc/first-boot.sh"), script).unwrap();
    let image = built(&router, &[]);
    let files: Vec<_> = image.files.iter().collect();
    let place = "/etc/uci-defaults/99-asu-defaults".to_owned();
    assert_eq!(files, [(&place, &script.to_owned())]);
}

#[test]
#[ignore = "needs the server that tests/real-server/run starts"]
fn a_root_file_system_has_the_size_and_type_that_were_set() {
    let settings = agent_settings(&[("rootfs_size", "64"), ("fstype", "ext4")]);
    let router = router_with(Device::X86 { efi: false }, &settings);
    let image = built(&router, &[]);
    assert_eq!((image.rootfs_mb, image.filesystem.as_str()), (64, "ext4"));
}

#[test]
#[ignore = "needs the server that tests/real-server/run starts"]
fn a_size_that_the_server_does_not_take_is_said() {
    let settings = agent_settings(&[("rootfs_size", "200")]);
    let router = router_with(Device::X86 { efi: false }, &settings);
    let download = asu(&router, &["download"]);
    download.refused_somehow();
    assert!(download.stderr.contains("rootfs_size_mb"), "{download:?}");
}

/// That server has one package index for all versions of a branch, the newest one's.
#[test]
#[ignore = "needs the server that VERSIONS=24.10-SNAPSHOT tests/real-server/run starts"]
fn a_snapshot_stays_one_and_becomes_newer() {
    let router = archer();
    let mut board = router.files().board().unwrap();
    board["release"]["version"] = json!("24.10-SNAPSHOT");
    board["release"]["revision"] = json!("r28850-0123456789");
    fs::write(at(&router, "/rom/board.json"), board.to_string()).unwrap();
    rewrite(&router, |text| without(&text, "ppp-mod-pppoe"));
    let plan = plan(&router, &[], 20);
    assert_eq!(plan.verdict, Verdict::Upgrade);
    assert_eq!(plan.target.revision, "r28900-1f0e5cbd10");
    let left_out = "left out: ppp-mod-pppoe. Whether they are new or you had removed them is not known. The upgrade server has r28900-1f0e5cbd10 in the place of r28850-0123456789.";
    assert!(plan.notes[0].contains(left_out), "{:?}", plan.notes);
    upgrade(&router, &[], "24.10-SNAPSHOT");
    assert_eq!(asu(&router, &["check"]).code, 0, "there is nothing newer");
}

#[test]
#[ignore = "needs the server that tests/real-server/run starts"]
fn feeds_of_ones_own_are_more_than_the_server_does() {
    let router = archer();
    fs::create_dir_all(at(&router, "/etc/opkg")).unwrap();
    let feed = "src/gz own https://feed.example/packages\n";
    fs::write(at(&router, "/etc/opkg/customfeeds.conf"), feed).unwrap();
    rewrite(&router, |text| text + &of_strangers("my-vpn"));
    let blocked = plan(&router, &["--feeds"], 21);
    assert_eq!(blocked.packages.missing[0].name, "my-vpn");
    let note =
        "The upgrade server does not build with your feed own (https://feed.example/packages)";
    let notes = &blocked.notes;
    assert!(notes.iter().any(|text| text.starts_with(note)), "{notes:?}");
    let image = built(&router, &["--feeds", "--ignore", "my-vpn"]);
    assert!(!image.packages.contains_key("my-vpn"));
}

#[test]
#[ignore = "needs the server that tests/real-server/run starts"]
fn another_device_is_planned_but_not_built() {
    let router = archer();
    let other = ["--device", "x86/64:generic:ext4"];
    let request = plan(&router, &other, 20).request.unwrap();
    assert_eq!(
        (request.target.as_str(), request.profile.as_str()),
        ("x86/64", "generic")
    );
    assert_eq!(request.filesystem.as_deref(), Some("ext4"));
    assert!(
        request.packages_versions.contains_key("grub2-bios-setup"),
        "a default there"
    );
    assert!(
        !request.packages_versions.contains_key("swconfig"),
        "a default here"
    );
    let download = asu(&router, &[&["download"], &other[..]].concat());
    assert_eq!(download.code, 2, "{download:?}");
}
