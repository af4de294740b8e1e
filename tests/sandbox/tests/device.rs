//! Routers on which something is missing, broken or too small: always a sentence and an exit code,
//! never a panic, never a half-written file.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::{CheckResult, Outcome, Phase, Verification};
use asu::error::Kind;
use common::faults::error;
use common::gate::script;
use common::*;
use sandbox::procd::Validation;
use sandbox::{Device, Router, World};
use serde_json::{json, Value};
use std::fs;
use std::process::Command;

const INSTALLED: &str = "/lib/apk/db/installed";

/// A router of the world, and the world.
fn site() -> (World, Router) {
    let world = world();
    let router = router(&world.url(), None);
    (world, router)
}

fn with_settings(options_text: &str) -> (World, Router) {
    let world = world();
    let router = Router::start(&sandbox::Options {
        settings: options_text.to_owned(),
        ..options(&world.url())
    })
    .unwrap();
    (world, router)
}

/// What `start` answers where it can't.
fn start_refused(router: &Router) -> Value {
    let answer: Value = call(router, "start", json!({"goal": "download"})).unwrap();
    answer["error"].clone()
}

#[test]
fn without_a_package_database() {
    for (device, files) in [
        (Device::ArcherC7, [INSTALLED, "/etc/apk/world"]),
        (Device::ArcherC7Opkg, ["/usr/lib/opkg/status"; 2]),
    ] {
        let world = world();
        let router = router_of(device, &world.url(), None);
        for file in files {
            // The second of one file is gone already.
            let _ = fs::remove_file(at(&router, file));
        }
        for command in ["check", "list", "download"] {
            asu(&router, &[command]).refused(6, "database");
            asu(&router, &["--standalone", command]).refused_somehow();
        }
        assert_eq!(start_refused(&router)["kind"], "storage");
        nothing_left(&router);
        no_panic(&router);
    }
}

#[test]
fn with_half_a_package_database() {
    let (_world, router) = site();
    let whole = fs::read(at(&router, INSTALLED)).unwrap();
    let all = asu(&router, &["list", "--all"]);
    for part in [whole.len() / 2, whole.len() / 3 + 7, 1] {
        fs::write(at(&router, INSTALLED), &whole[..part]).unwrap();
        for command in ["check", "list", "download", "blob"] {
            // Never the plan of half a router.
            asu(&router, &[command]).refused(6, "/lib/apk/db/installed");
        }
        assert_eq!(asu(&router, &["status"]).code, 0);
        nothing_left(&router);
    }
    fs::write(at(&router, INSTALLED), whole).unwrap();
    assert_eq!(asu(&router, &["list", "--all"]).stdout, all.stdout);
    no_panic(&router);
}

#[test]
fn with_a_record_of_a_very_long_line() {
    let (_world, router) = site();
    let before = asu(&router, &["list"]).stdout;
    let whole = fs::read_to_string(at(&router, INSTALLED)).unwrap();
    let line = format!("\nT:{}\n", "x".repeat(100 * 1024));
    fs::write(at(&router, INSTALLED), whole.replacen('\n', &line, 1)).unwrap();
    assert_eq!(asu(&router, &["list"]).stdout, before);
    assert_eq!(asu(&router, &["check"]).code, 20);
    no_panic(&router);
}

#[test]
fn without_a_bus() {
    let (_world, mut router) = site();
    router.procd().unwrap().state().no_daemon = true;
    router.stop_bus();
    let gone = until(|| router.procd()?.state().daemon.is_none().then_some(()));
    assert!(gone.is_some());
    // Without a daemon it does the work itself.
    let ended = asu(&router, &["check"]);
    assert_eq!(ended.code, 20, "{ended:?}");
    for arguments in [["--standalone", "download"].as_slice(), &["download"]] {
        let ended = asu(&router, arguments);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stdout.contains("The image is ready"), "{ended:?}");
    }
    // There is no procd that would flash.
    asu(&router, &["install", "--yes"]).refused(1, "nothing was flashed");
    assert!(!at(&router, "/etc/attended-sysupgrade/pending.json").exists());
    assert_eq!(asu(&router, &["clean"]).code, 0);
    nothing_left(&router);
}

#[test]
fn a_daemon_without_a_bus_waits_for_one() {
    let (_world, mut router) = site();
    router.stop_bus();
    let before = daemon(&router);
    asu(&router, &["check"]).refused(1, "the bus does not answer");
    router.restart_bus().unwrap();
    router.wait_for(OBJECT, PATIENCE).unwrap();
    assert_eq!(daemon(&router), before);
    assert_eq!(asu(&router, &["check"]).code, 20);
}

#[test]
fn without_the_system_object() {
    let (_world, router) = site();
    router.procd().unwrap().state().silent = true;
    assert_eq!(asu(&router, &["check"]).code, 20);
    let ended = asu(&router, &["download"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    asu(&router, &["install", "--yes"]).refused(1, "sysupgrade");
    no_panic(&router);
    // Without even the files in which the board stands.
    fs::remove_dir_all(at(&router, "/tmp/sysinfo")).unwrap();
    asu(&router, &["check"]).refused(4, "which board");
}

#[test]
fn with_too_little_memory() {
    let (_world, router) = site();
    let meminfo = "MemTotal: 32000 kB\nMemFree: 900 kB\nMemAvailable: 2000 kB\n";
    fs::write(at(&router, "/proc/meminfo"), meminfo).unwrap();
    asu(&router, &["download"]).refused(6, "not enough memory");
    assert_eq!(error(&status(&router)).kind, Kind::Memory);
    nothing_left(&router);
    for text in ["", "MemAvailable: lots\n"] {
        fs::write(at(&router, "/proc/meminfo"), text).unwrap();
        asu(&router, &["download"]).refused(1, "how much memory");
    }
    nothing_left(&router);
    no_panic(&router);
}

/// A file system of its own for /tmp, where that can be had.
struct SmallTmp(std::path::PathBuf);

impl SmallTmp {
    fn mount(router: &Router, size: &str) -> Option<SmallTmp> {
        let tmp = at(router, "/tmp");
        let option = format!("size={size},mode=1777");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &option, "tmpfs"])
            .arg(&tmp);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(SmallTmp(tmp))
    }
}

impl Drop for SmallTmp {
    fn drop(&mut self) {
        let mut unmount = Command::new("umount");
        // Lazily: the daemon has its lock open there.
        let ended = unmount.arg("-l").arg(&self.0).status();
        assert!(ended.is_ok_and(|status| status.success()));
    }
}

#[test]
fn with_too_little_space_in_tmp() {
    let (_world, router) = site();
    let state = || router.procd().unwrap().state();
    state().no_daemon = true;
    assert!(until(|| state().daemon.is_none().then_some(())).is_some());
    let sysinfo = ["board_name", "model"].map(|name| {
        let path = format!("/tmp/sysinfo/{name}");
        let text = fs::read_to_string(at(&router, &path)).unwrap();
        (path, text)
    });
    let Some(_tmp) = SmallTmp::mount(&router, "1m") else {
        eprintln!("skipped: this user can't mount a small /tmp");
        return;
    };
    fs::create_dir(at(&router, "/tmp/sysinfo")).unwrap();
    for (path, text) in sysinfo {
        fs::write(at(&router, &path), text).unwrap();
    }
    state().no_daemon = false;
    router.wait_for(OBJECT, PATIENCE).unwrap();
    asu(&router, &["download"]).refused(6, "not enough space in /tmp");
    nothing_left(&router);
    // Not even room for what the daemon remembers: it lives on.
    let rest = vec![0; 2 << 20];
    let _ = fs::write(at(&router, "/tmp/filler"), rest);
    let before = daemon(&router);
    let ended = asu(&router, &["download"]);
    ended.is_as_documented();
    assert_ne!(ended.code, 0, "{ended:?}");
    assert_eq!(daemon(&router), before);
    fs::remove_file(at(&router, "/tmp/filler")).unwrap();
    nothing_left(&router);
    assert_eq!(asu(&router, &["check"]).code, 20);
    no_panic(&router);
}

#[test]
fn with_the_image_of_another_device() {
    let world = world();
    let (ours, other) = (
        router(&world.url(), None),
        router_of(Device::X86 { efi: false }, &world.url(), None),
    );
    start_download(&ours);
    let image = wait_phase(&ours, Phase::Ready).image.unwrap();
    let file = at(&ours, &image.path);
    fs::copy(&file, at(&other, "/tmp/other.bin")).unwrap();
    for arguments in [
        ["verify", "/tmp/other.bin"].as_slice(),
        &["--json", "verify", "/tmp/other.bin"],
    ] {
        let ended = asu(&other, arguments);
        assert_eq!(ended.code, 5, "{ended:?}");
        assert!(ended.stdout.contains("tplink,archer-c7-v2"), "{ended:?}");
    }
    asu(&other, &["install", "--yes", "/tmp/other.bin"]).refused(5, "qemu-standard-pc");
    asu(&other, &["install", "--yes", "--force", "/tmp/other.bin"]).refused(5, "qemu-standard-pc");
    assert_eq!(other.procd().unwrap().state().boots, 0);
    // A file of the owner's is nothing of ours: it stays.
    assert!(at(&other, "/tmp/other.bin").exists());
    nothing_left(&other);
    // Cut off, it is no image for anybody.
    let half = fs::read(&file).unwrap();
    fs::write(at(&ours, "/tmp/half.bin"), &half[..half.len() / 2]).unwrap();
    let verification: Verification =
        call(&ours, "verify", json!({"path": "/tmp/half.bin"})).unwrap();
    let metadata = verification
        .checks
        .iter()
        .find(|check| check.name == "metadata");
    assert!(
        metadata.is_some_and(|check| check.result != CheckResult::Pass),
        "{verification:?}"
    );
    asu(&ours, &["verify", "/tmp/nothing.bin"]).refused(6, "/tmp/nothing.bin");
    asu(&ours, &["verify", "/tmp"]).refused(2, "not a file");
    no_panic(&ours);
    no_panic(&other);
}

#[test]
fn with_a_system_that_refuses_the_image() {
    let (_world, router) = site();
    let validation = |valid, forceable| {
        router.procd().unwrap().state().validation = Some(Validation {
            valid,
            forceable,
            allow_backup: true,
        });
    };
    validation(false, false);
    asu(&router, &["upgrade", "--yes", "--force"]).refused(1, "system refuses the image");
    assert_eq!(error(&status(&router)).kind, Kind::Sysupgrade);
    nothing_left(&router);
    validation(false, true);
    asu(&router, &["upgrade", "--yes"]).refused(5, "force");
    assert_eq!(router.procd().unwrap().state().boots, 0);
    let ended = asu(&router, &["upgrade", "--yes", "--force"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(wait_upgraded(&router).result, Outcome::Confirmed);
}

#[test]
fn with_an_image_that_can_not_take_the_settings() {
    let (_world, router) = site();
    router.procd().unwrap().state().validation = Some(Validation {
        valid: true,
        forceable: false,
        allow_backup: false,
    });
    asu(&router, &["upgrade", "--yes"]).refused(5, "settings");
    let ended = asu(&router, &["install", "--yes", "-n"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let up = until(|| (router.procd()?.state().boots == 1).then_some(()));
    assert!(up.is_some());
}

#[test]
fn with_a_hook_that_says_no() {
    let (_world, router) = with_settings(&agent_settings(&[("pre_install", "/hook")]));
    script(
        &router,
        "/hook",
        "#!/bin/sh\necho not on a Friday\nexit 3\n",
    );
    let ended = asu(&router, &["upgrade", "--yes"]);
    ended.refused(1, "/hook (exit status: 3) stopped the upgrade");
    assert!(ended.stderr.contains("not on a Friday"), "{ended:?}");
    assert_eq!(error(&status(&router)).kind, Kind::Sysupgrade);
    assert_eq!(router.procd().unwrap().state().boots, 0);
    assert!(!at(&router, "/etc/attended-sysupgrade/pending.json").exists());
    script(&router, "/hook", "#!/bin/sh\nexit 0\n");
    let ended = asu(&router, &["install", "--yes"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(wait_upgraded(&router).result, Outcome::Confirmed);
}

#[test]
fn with_a_place_for_backups() {
    let (_world, router) = with_settings(&agent_settings(&[("backup", "/mnt/backups")]));
    asu(&router, &["upgrade", "--yes"]).refused(1, "could not be saved to /mnt/backups");
    assert_eq!(router.procd().unwrap().state().boots, 0);
    fs::create_dir_all(at(&router, "/mnt/backups")).unwrap();
    let ended = asu(&router, &["install", "--yes"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(wait_upgraded(&router).result, Outcome::Confirmed);
    let saved = list(&at(&router, "/mnt/backups"));
    assert!(
        saved.len() == 1 && saved[0].starts_with("backup-24.10.0-"),
        "{saved:?}"
    );
}

#[test]
fn with_settings_that_make_no_sense() {
    for (text, words) in [
        (
            "config agent 'agent'\n\toption rootfs_size 'big'\n",
            "rootfs_size is \"big\"",
        ),
        ("config agent 'agent\n", "not valid in line"),
    ] {
        let (_world, router) = with_settings(text);
        for command in ["check", "download"] {
            asu(&router, &[command]).refused(2, words);
        }
        assert_eq!(start_refused(&router)["kind"], "usage");
        nothing_left(&router);
    }
    let (_world, router) = site();
    fs::write(at(&router, "/etc/config/attendedsysupgrade"), "").unwrap();
    asu(&router, &["check"]).refused(2, "names no upgrade server");
    asu(&router, &["--standalone", "check"]).refused_somehow();
    no_panic(&router);
}
