//! A router upgrades itself, end to end: driven over the bus by any client, and by `asu`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::{Goal, Outcome, PackageList, Phase, Status, Upgrade};
use common::proxy::{Proxy, Reply};
use common::*;
use sandbox::{Device, Router};
use serde_json::{json, Value};
use std::fs;
use std::thread;
use ubus::{Bus, Incoming};

const DEVICES: [Device; 4] = [
    Device::ArcherC7,
    Device::ArcherC7Opkg,
    Device::X86 { efi: true },
    Device::X86 { efi: false },
];

/// The phases of an upgrade in their order.
const WAY: [Phase; 8] = [
    Phase::Checking,
    Phase::Requesting,
    Phase::Queued,
    Phase::Building,
    Phase::Downloading,
    Phase::Verifying,
    Phase::Ready,
    Phase::Flashing,
];

/// The whole upgrade as any client of the bus sees it; gives the statuses it was told.
fn upgrade_over_the_bus(router: &Router, arguments: Value) -> Vec<Status> {
    let mut bus = Bus::connect(&router.files().socket()).unwrap();
    bus.subscribe(OBJECT).unwrap();
    let answer: Value = bus.call(OBJECT, "start", &arguments, PATIENCE).unwrap();
    assert!(answer["job"].as_u64().is_some_and(|id| id > 0), "{answer}");
    let mut told = Vec::new();
    loop {
        match bus.receive(PATIENCE).unwrap().expect("no more is told") {
            Incoming::Notification(notification) => {
                assert_eq!(notification.kind, "status");
                told.push(asu::json::from_bus::<Status>(notification.data.as_bytes()).unwrap());
            }
            // The daemon ends with the system.
            Incoming::Unsubscribed(_) => return told,
            _ => {}
        }
        let job = told.last().and_then(|status| status.job.as_ref());
        assert!(job.is_none_or(|job| job.error.is_none()), "{job:?}");
    }
}

fn confirmed(router: &Router, version: &str) -> Upgrade {
    let upgrade = wait_upgraded(router);
    assert_eq!(upgrade.result, Outcome::Confirmed, "{upgrade:?}");
    assert!(upgrade.differences.is_empty(), "{upgrade:?}");
    assert_eq!(upgrade.from.version, "24.10.0");
    assert_eq!(upgrade.to.version, version);
    let board = router.files().board().unwrap();
    assert_eq!(board["release"]["version"], version);
    assert_eq!(board["release"]["revision"], upgrade.to.revision);
    assert_eq!(router.procd().unwrap().state().boots, 1);
    nothing_left(router);
    no_panic(router);
    upgrade
}

#[test]
fn every_device_upgrades_itself_over_every_bus() {
    let world = world();
    on_each_bus("upgrade", |ubusd| {
        thread::scope(|scope| {
            for device in DEVICES {
                let url = world.url();
                scope.spawn(move || {
                    let proxy = Proxy::before(&url);
                    let router = router_of(device, &proxy.url(), ubusd);
                    let before: PackageList = call(&router, "packagelist", json!({})).unwrap();
                    let told = upgrade_over_the_bus(&router, json!({"goal": "upgrade"}));
                    judge_told(&told);
                    judge_fetched(device, &proxy.lines());
                    confirmed(&router, "24.10.2");
                    let after: PackageList = call(&router, "packagelist", json!({})).unwrap();
                    // The miniature ImageBuilder has no toolchain, and so none of its libraries.
                    let toolchain = ["libc", "libgcc"];
                    let names = before.packages.keys().map(String::as_str);
                    let lost: Vec<_> = names
                        .filter(|name| !after.packages.contains_key(name))
                        .filter(|name| !toolchain.contains(name))
                        .collect();
                    assert!(lost.is_empty(), "{device:?} lost {lost:?}");
                    let status = status(&router);
                    assert!(status.job.is_none() && status.image.is_none(), "{status:?}");
                    let notice = status.notice.expect("no notice");
                    assert!(notice.text.contains("24.10.2"), "{notice:?}");
                });
            }
        });
    });
}

/// What subscribers saw: the phases in their order, and in the end a verified image.
fn judge_told(told: &[Status]) {
    let jobs: Vec<_> = told
        .iter()
        .filter_map(|status| status.job.as_ref())
        .collect();
    let phases: Vec<Phase> = jobs.iter().map(|job| job.phase).collect();
    // A phase that takes less than a quarter of a second need not be told.
    let places: Vec<_> = phases
        .iter()
        .map(|phase| WAY.iter().position(|at| at == phase))
        .collect();
    assert!(
        places.is_sorted() && places.first() != Some(&None),
        "{phases:?}"
    );
    assert_eq!(phases.last(), Some(&Phase::Flashing), "{phases:?}");
    let last = jobs.last().unwrap();
    assert_eq!(
        (last.goal, last.version.as_str()),
        (Goal::Upgrade, "24.10.2")
    );
    assert_eq!(last.detail, "restarting");
    let image = told.last().unwrap().image.as_ref().expect("no image");
    assert!(
        image.keep_allowed && image.size > 0 && image.sha256.len() == 64,
        "{image:?}"
    );
    let names: Vec<&str> = image
        .checks
        .iter()
        .map(|check| check.name.as_str())
        .collect();
    for name in [
        "size",
        "sha256",
        "request",
        "metadata",
        "signature",
        "rebuilders",
        "memory",
        "validation",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    let plan = told
        .last()
        .unwrap()
        .check
        .as_ref()
        .and_then(|check| check.plan.clone());
    assert!(
        plan.is_some_and(|plan| plan.read().unwrap().request.is_some()),
        "no request"
    );
}

/// Exactly one image was fetched, and it is the one for the device.
fn judge_fetched(device: Device, lines: &[String]) {
    let kind = match device {
        Device::X86 { efi: true } => "-squashfs-combined-efi.",
        Device::X86 { efi: false } => "-squashfs-combined.",
        _ => "-squashfs-sysupgrade.",
    };
    let images: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("/store/") && !line.contains("/worker.pub"))
        .collect();
    assert!(images.len() == 1 && images[0].contains(kind), "{images:?}");
}

#[test]
fn asu_upgrades_and_prints_plain_lines_on_a_pipe() {
    let world = world();
    let proxy = Proxy::before(&world.url());
    // Watchers hear four times a second what the state is, so a fast download may pass unseen.
    proxy.set(|request, server| match request.is_image() {
        true => Reply::Slow(server().bytes),
        false => Reply::Pass,
    });
    on_each_bus("asu upgrade", |ubusd| {
        let router = router(&proxy.url(), ubusd);
        let asked = asu(&router, &["upgrade"]);
        asked.refused(2, "--yes");
        let ended = asu(&router, &["upgrade", "--yes"]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(!ended.stdout.contains(['\r', '\x1b']), "{ended:?}");
        for words in ["24.10.0", "luci-base", "MiB: openwrt-24.10.2", "Installing"] {
            assert!(ended.stdout.contains(words), "{words}: {ended:?}");
        }
        let upgrade = confirmed(&router, "24.10.2");
        assert!(upgrade.kept_settings);
        let history = asu(&router, &["history"]);
        assert!(
            history.stdout.contains("everything is as promised"),
            "{history:?}"
        );
    });
}

#[test]
fn a_bar_moves_on_a_terminal() {
    let world = world();
    let proxy = Proxy::before(&world.url());
    proxy.set(|request, server| match request.is_image() {
        true => Reply::Slow(server().bytes),
        false => Reply::Pass,
    });
    let router = router(&proxy.url(), None);
    let asu = at(&router, "/usr/sbin/asu");
    let root = router.files().root();
    let line = format!("{} --root {} upgrade --yes", asu.display(), root.display());
    // script gives it a terminal, and ends as it ends.
    let mut script = std::process::Command::new("script");
    let output = script.args(["-qec", &line, "/dev/null"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("\r\x1b[K"), "{text:?}");
    // Neither empty nor full: the full one may be followed too soon by the next phase.
    assert!(text.contains(" [#") && text.contains("#."), "{text:?}");
    confirmed(&router, "24.10.2");
}

#[test]
fn settings_are_not_kept_where_nobody_wants_them() {
    let world = world();
    let router = router(&world.url(), None);
    fs::write(
        at(&router, "/etc/config/network"),
        "config interface 'lan'\n",
    )
    .unwrap();
    let arguments = json!({"goal": "upgrade", "keep": false});
    upgrade_over_the_bus(&router, arguments);
    let up = until(|| {
        let board = router.files().board().ok()?;
        (board["release"]["version"] == "24.10.2").then_some(())
    });
    assert!(up.is_some(), "{}", log(&router));
    router.wait_for(OBJECT, PATIENCE).unwrap();
    assert!(!at(&router, "/etc/config/network").exists());
    // The promise went with the settings.
    assert_eq!(
        asu(&router, &["history"]).stdout,
        "No upgrade is on record.\n"
    );
    nothing_left(&router);
}

#[test]
fn another_branch_is_reached_by_its_version() {
    let world = world();
    let router = router(&world.url(), None);
    let ended = asu(&router, &["upgrade", "--yes", "--version", "25.12.0"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    confirmed(&router, "25.12.0");
}

#[test]
fn first_the_image_then_the_flash() {
    let world = world();
    on_each_bus("download, then sysupgrade", |ubusd| {
        let router = router(&world.url(), ubusd);
        start_download(&router);
        let ready = wait_phase(&router, Phase::Ready);
        let image = ready.image.expect("no image");
        assert_eq!(image.path, "/tmp/attended-sysupgrade/firmware.bin");
        assert_eq!(
            fs::metadata(at(&router, &image.path)).unwrap().len(),
            image.size
        );
        assert!(!at(&router, "/tmp/attended-sysupgrade.job").exists());
        let answer: Value = call(&router, "sysupgrade", json!({})).unwrap();
        assert_eq!(answer["started"], true, "{answer}");
        confirmed(&router, "24.10.2");
    });
    let router = router(&world.url(), None);
    let ended = asu(&router, &["download"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("The image is ready"), "{ended:?}");
    let ended = asu(&router, &["install", "--yes"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    confirmed(&router, "24.10.2");
}
