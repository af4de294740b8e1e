//! Whatever the power or the daemon was cut off in: the next start is clean, and says what happened.
//!
//! Each state is put together from the files that it leaves behind. After a power cut /tmp is empty;
//! where only the daemon died, or the kernel was started anew in place, it is as it was.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::{Goal, Image, Job, NoticeKind, Outcome, Phase, Release, Status};
use asu::daemon::engine::Engine;
use asu::json::Object;
use asu::paths::Paths;
use asu::upgrade::confirm::Pending;
use common::*;
use sandbox::Router;
use serde_json::json;
use std::fs;

const PHASES: [Phase; 11] = [
    Phase::Checking,
    Phase::Requesting,
    Phase::Queued,
    Phase::Building,
    Phase::Downloading,
    Phase::Verifying,
    Phase::Ready,
    Phase::Flashing,
    Phase::Done,
    Phase::Failed,
    Phase::Cancelled,
];

/// What lies in /tmp.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tmp {
    /// Everything.
    Kept,
    /// Everything, but status.json was being written.
    HalfWritten,
    /// Nothing.
    Lost,
}

/// What lies in /etc/attended-sysupgrade.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Promise {
    /// No pending.json.
    None,
    /// One that was being written: the old name does not exist yet.
    HalfWritten,
    /// One of another boot.
    Written,
    /// One that the flash damaged.
    Damaged,
}

fn job(phase: Phase) -> Job {
    Job {
        id: 7,
        goal: Goal::Upgrade,
        phase,
        percent: None,
        detail: String::new(),
        queue_position: None,
        bytes: None,
        bytes_total: None,
        server: "http://127.0.0.1:9".to_owned(),
        version: "24.10.2".to_owned(),
        revision: "r28739-d9340319c6".to_owned(),
        request_hash: String::new(),
        started: 1_790_000_000,
        updated: 1_790_000_000,
        error: None,
    }
}

fn has_image(phase: Phase) -> bool {
    matches!(phase, Phase::Verifying | Phase::Ready | Phase::Flashing)
}

fn lay_out(router: &Router, phase: Phase, tmp: Tmp, promise: Promise) {
    for folder in [
        "/tmp/attended-sysupgrade",
        "/tmp/attended-sysupgrade.job",
        "/etc/attended-sysupgrade",
    ] {
        let folder = at(router, folder);
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
    let put = |path: &str, bytes: &[u8]| fs::write(at(router, path), bytes).unwrap();
    if tmp == Tmp::Lost {
        fs::remove_dir(at(router, "/tmp/attended-sysupgrade")).unwrap();
        fs::remove_dir(at(router, "/tmp/attended-sysupgrade.job")).unwrap();
    } else {
        let image = has_image(phase).then(|| Image {
            path: "/tmp/attended-sysupgrade/firmware.bin".to_owned(),
            sha256: String::new(),
            size: 5,
            version: "24.10.2".to_owned(),
            revision: String::new(),
            profile: String::new(),
            checks: Vec::new(),
            keep_allowed: true,
        });
        let status = Status {
            job: Some(job(phase)),
            image: image.filter(|_| phase != Phase::Verifying),
            ..Status::default()
        };
        let text = asu::json::text(&Object(&[("status", &status)])).unwrap();
        let text = text.as_bytes();
        match tmp {
            Tmp::Kept => put("/tmp/attended-sysupgrade/status.json", text),
            _ => put(
                "/tmp/attended-sysupgrade/status.new",
                &text[..text.len() / 2],
            ),
        }
        put("/tmp/attended-sysupgrade.job/firmware.part", b"half");
        if has_image(phase) {
            put("/tmp/attended-sysupgrade/firmware.bin", b"image");
        }
    }
    let release = |version: &str| Release {
        version: version.to_owned(),
        revision: String::new(),
    };
    let pending = Pending {
        from: release("24.10.0"),
        to: release("24.10.2"),
        at: 1_790_000_000,
        boot_id: "of another boot".to_owned(),
        ..Pending::default()
    };
    let text = asu::json::text(&pending).unwrap().into_bytes();
    match promise {
        Promise::None => {}
        Promise::HalfWritten => put(
            "/etc/attended-sysupgrade/pending.new",
            &text[..text.len() / 2],
        ),
        Promise::Written => put("/etc/attended-sysupgrade/pending.json", &text),
        Promise::Damaged => put(
            "/etc/attended-sysupgrade/pending.json",
            &text[..text.len() / 2],
        ),
    }
}

fn start_and_judge(router: &Router, phase: Phase, tmp: Tmp, promise: Promise) {
    let what = format!("{phase:?}, /tmp {tmp:?}, promise {promise:?}");
    lay_out(router, phase, tmp, promise);
    let paths = Paths::new(router.files().root(), None);
    let mut engine = Engine::new(&paths).unwrap_or_else(|error| panic!("{what}: {error}"));
    let status = engine.status().clone();
    // Nothing goes on, and nothing is in the way of the next job.
    assert_eq!(engine.working(), None, "{what}: {:?}", status.job);
    assert!(
        engine.deadline().is_none() && engine.fds().is_empty(),
        "{what}"
    );
    assert!(
        !at(router, "/tmp/attended-sysupgrade.job").exists(),
        "{what}"
    );
    assert!(
        !at(router, "/etc/attended-sysupgrade/pending.json").exists(),
        "{what}"
    );
    let ready = phase == Phase::Ready && tmp == Tmp::Kept;
    let image = at(router, "/tmp/attended-sysupgrade/firmware.bin");
    assert_eq!(image.exists(), ready, "{what}");
    assert_eq!(status.image.is_some(), ready, "{what}");
    // It says what happened: of the job where that is known …
    let known = (tmp == Tmp::Kept).then_some(phase);
    let job = status.job.as_ref();
    match known {
        None => assert!(job.is_none(), "{what}"),
        Some(Phase::Ready | Phase::Done | Phase::Failed | Phase::Cancelled) => {
            assert_eq!(job.unwrap().phase, phase, "{what}");
        }
        Some(Phase::Flashing) if promise == Promise::Written => {
            assert_eq!(job.unwrap().phase, Phase::Done, "{what}");
        }
        Some(_) => {
            let job = job.unwrap();
            assert_eq!(job.phase, Phase::Failed, "{what}");
            let sentence = job.error.as_ref().unwrap().to_string();
            assert!(
                sentence.contains("nothing was flashed"),
                "{what}: {sentence}"
            );
        }
    }
    // … and of a flash that was promised: the router runs 24.10.0 still.
    if promise == Promise::Written {
        let notice = status.notice.unwrap_or_else(|| panic!("{what}"));
        assert_eq!(notice.kind, NoticeKind::UpgradeFailed, "{what}");
        let last = status.last_upgrade.unwrap();
        assert_ne!(last.result, Outcome::Confirmed, "{what}");
        assert!(notice.text.contains("24.10"), "{what}: {}", notice.text);
    } else {
        assert!(status.last_upgrade.is_none(), "{what}");
    }
    if promise == Promise::Damaged {
        assert!(
            at(router, "/etc/attended-sysupgrade/pending.damaged").exists(),
            "{what}"
        );
    }
    // The same start once more finds nothing to do, and says the same.
    let said = engine.status().clone();
    engine.clean().unwrap();
    drop(engine);
    let again = Engine::new(&paths).unwrap();
    if !ready {
        assert_eq!(again.status().job, said.job, "{what}");
    }
    assert_eq!(again.status().last_upgrade, said.last_upgrade, "{what}");
}

#[test]
fn every_state_before_a_flash_is_left_behind_cleanly() {
    let router = Router::start(&sandbox::Options {
        no_daemon: true,
        ..options("http://127.0.0.1:9")
    })
    .unwrap();
    let mut states = 0;
    for phase in PHASES {
        for tmp in [Tmp::Kept, Tmp::HalfWritten, Tmp::Lost] {
            for promise in [
                Promise::None,
                Promise::HalfWritten,
                Promise::Written,
                Promise::Damaged,
            ] {
                start_and_judge(&router, phase, tmp, promise);
                states += 1;
            }
        }
    }
    println!("{states} states");
}

/// The power goes between the record of an automatic upgrade and the flash: that was the attempt.
#[test]
fn an_automatic_upgrade_that_was_cut_off_counts_as_one_that_did_not_take() {
    let router = Router::start(&sandbox::Options {
        no_daemon: true,
        settings: agent_settings(&[("check_interval", "24"), ("action", "upgrade")]),
        ..options("http://127.0.0.1:9")
    })
    .unwrap();
    lay_out(&router, Phase::Flashing, Tmp::Lost, Promise::None);
    let file = at(&router, "/etc/attended-sysupgrade/schedule.json");
    fs::write(
        &file,
        r#"{"checked": 1790000000, "attempted": 1790000000, "open": true, "failures": 0, "job": 7}"#,
    )
    .unwrap();
    router.procd().unwrap().state().no_daemon = false;
    router.wait_for(OBJECT, PATIENCE).unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(
        (&kept["open"], &kept["failures"]),
        (&json!(false), &json!(1)),
        "{kept}"
    );
}
