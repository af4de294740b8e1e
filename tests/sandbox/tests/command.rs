//! The command line on its own: what it prints, for people and for programs, its exit codes, and
//! what it does without a daemon.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::{
    DifferenceKind, History, Job, Outcome, PackageList, Phase, Plan, RequestBody, Status, Verdict,
    Verification, Versions,
};
use asu::json::Decode;
use common::gate::Gate;
use common::*;
use sandbox::{Options, Router, World};
use serde_json::Value;
use std::fs;

fn site() -> (World, Router) {
    let world = world();
    let router = router(&world.url(), None);
    (world, router)
}

/// The output of `asu --json`, which has to be an object of the bus and nothing else.
fn json<T: Decode + Default>(router: &Router, arguments: &[&str], code: i32) -> T {
    let ended = asu(router, &[&["--json"], arguments].concat());
    assert_eq!(ended.code, code, "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
    ended.json()
}

#[test]
fn check_prints_package_by_package() {
    let (_world, router) = site();
    let ended = asu(&router, &["check"]);
    assert_eq!(ended.code, 20, "{ended:?}");
    let plan: Plan = json(&router, &["check"], 20);
    assert_eq!(plan.verdict, Verdict::Upgrade);
    assert!(!plan.packages.upgrade.is_empty());
    for change in plan.packages.upgrade.iter() {
        let shown = ended.stdout.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words == [change.name, change.from, "→", change.to]
        });
        assert!(shown, "{change:?} is not in {}", ended.stdout);
    }
    assert!(
        ended.stdout.contains("OpenWrt 24.10.2 is available"),
        "{ended:?}"
    );
    // Nothing was fetched, nothing was asked to be built.
    nothing_left(&router);
    let verbose = asu(&router, &["-v", "check"]).stdout;
    let request = verbose
        .lines()
        .find_map(|line| line.strip_prefix("Request: "));
    let request: RequestBody = asu::json::from_text(request.unwrap().as_bytes()).unwrap();
    assert_eq!(Some(request), plan.request);
    assert!(!ended.stdout.contains("Request: "), "{ended:?}");
    let quiet = asu(&router, &["-q", "check"]);
    assert_eq!((quiet.code, quiet.stdout.as_str()), (20, ""));
}

#[test]
fn check_is_blocked_by_a_package_that_is_nowhere() {
    let (_world, router) = site();
    let ended = asu(&router, &["check", "--add", "no-such-package"]);
    assert_eq!(ended.code, 21, "{ended:?}");
    assert!(ended.stdout.contains("no-such-package"), "{ended:?}");
    asu(&router, &["upgrade", "--yes", "--add", "no-such-package"]).refused(4, "no-such-package");
    nothing_left(&router);
}

#[test]
fn what_the_server_would_change_is_noted_and_changes_nothing() {
    let (_world, router) = site();
    let words = [
        "check",
        "--version-to",
        "SNAPSHOT",
        "--add",
        "kmod-nf-conntrack6",
    ];
    let plan: Plan = json(&router, &words, 20);
    let noted =
        |note: &&String| note.starts_with("The upgrade server leaves out kmod-nf-conntrack6: ");
    assert_eq!(
        plan.notes.iter().filter(noted).count(),
        1,
        "{:?}",
        plan.notes
    );
    let request = plan.request.unwrap();
    assert!(request.packages_versions.contains_key("kmod-nf-conntrack6"));
}

#[test]
fn json_is_what_the_bus_says() {
    let (world, router) = site();
    let status: Status = json(&router, &["status"], 0);
    assert_eq!(status, common::status(&router));
    let versions: Versions = json(&router, &["versions"], 0);
    assert_eq!(versions.server, world.url());
    let list: PackageList = json(&router, &["list"], 0);
    let called: PackageList = call(&router, "packagelist", serde_json::json!({})).unwrap();
    assert_eq!(list, called);
    let request: RequestBody = json(&router, &["blob"], 0);
    assert_eq!(
        (request.version.as_str(), request.target.as_str()),
        ("24.10.2", "ath79/generic")
    );
    let history: History = json(&router, &["history"], 0);
    assert!(history.upgrades.is_empty());
    // One object a line: the job as it goes on.
    let ended = asu(&router, &["--json", "download"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let jobs: Vec<Job> = ended
        .stdout
        .lines()
        .filter_map(|line| {
            let object: Value = serde_json::from_str(line).unwrap();
            object["phase"]
                .is_string()
                .then(|| asu::json::from_text(line.as_bytes()).unwrap())
        })
        .collect();
    assert_eq!(
        jobs.last().map(|job| job.phase),
        Some(Phase::Ready),
        "{ended:?}"
    );
    let verification: Verification = json(&router, &["verify"], 0);
    assert!(verification.valid);
    // A failure is an object, too.
    fs::write(at(&router, "/etc/config/attendedsysupgrade"), "").unwrap();
    let failed: Value = json(&router, &["check"], 2);
    assert_eq!(failed["error"]["kind"], "usage", "{failed}");
}

#[test]
fn wrong_usage_is_said() {
    let router = router("http://127.0.0.1:9", None);
    for (arguments, words) in [
        (["upgrad"].as_slice(), "did you mean \"asu upgrade\"?"),
        (&["check", "--forse"], "did you mean --force?"),
        (&["inspect"], "needs FILE"),
        (&["status", "--add", "a"], "does not go with \"asu status\""),
        (&["check", "--rootfs-size", "big"], "a whole number of MiB"),
        (&["verify", "a", "--image", "b"], "Name the image once"),
        (&["list", "--all", "--add", "a"], "choose one"),
        (&[], "No command"),
    ] {
        asu(&router, arguments).refused(2, words);
    }
    asu(&router, &["job"]).is_as_documented();
    assert_eq!(asu(&router, &["--help"]).code, 0);
}

#[test]
fn a_router_without_the_daemon_upgrades_itself_too() {
    let world = world();
    let router = Router::start(&Options {
        no_daemon: true,
        ..options(&world.url())
    })
    .unwrap();
    assert_eq!(asu(&router, &["check"]).code, 20);
    let ended = asu(&router, &["--standalone", "upgrade", "--yes"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let up = until(|| (router.procd()?.state().boots == 1).then_some(()));
    assert!(up.is_some());
    // Whoever looks first after the reboot judges what came of it.
    let history: History = json(&router, &["history"], 0);
    assert_eq!(
        history.upgrades[0].result,
        Outcome::Confirmed,
        "{history:?}"
    );
    assert_eq!(asu(&router, &["check"]).code, 0);
    nothing_left(&router);
}

#[test]
fn a_daemon_is_not_gone_behind() {
    let (_world, router) = site();
    asu(&router, &["--standalone", "check"]).refused(1, "Another asu is at work");
}

#[test]
fn afterwards_the_router_is_current() {
    let (_world, router) = site();
    assert_eq!(asu(&router, &["upgrade", "--yes"]).code, 0);
    assert_eq!(wait_upgraded(&router).result, Outcome::Confirmed);
    for command in ["check", "upgrade", "download"] {
        let ended = asu(&router, &[command]);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(
            ended.stdout.contains("This router is up to date."),
            "{ended:?}"
        );
    }
    let plan: Plan = json(&router, &["check"], 0);
    assert_eq!(plan.verdict, Verdict::Current);
    asu(&router, &["upgrade", "--yes", "--version", "24.10.0"]).refused(2, "older than what runs");
}

#[test]
fn a_flash_that_does_not_take_is_told() {
    let (_world, router) = site();
    router.procd().unwrap().state().flash_fails = true;
    assert_eq!(asu(&router, &["upgrade", "--yes"]).code, 0);
    let upgrade = wait_upgraded(&router);
    assert_eq!(upgrade.result, Outcome::NotApplied, "{upgrade:?}");
    let history = asu(&router, &["history"]);
    assert!(history.stdout.contains("it did not take"), "{history:?}");
    let notice = status(&router).notice.expect("no notice");
    assert!(notice.text.contains("did not take"), "{notice:?}");
    nothing_left(&router);
    // And it can be tried again.
    router.procd().unwrap().state().flash_fails = false;
    assert_eq!(asu(&router, &["upgrade", "--yes"]).code, 0);
    let confirmed = |status: &Status| {
        let last = status.last_upgrade.as_ref();
        last.is_some_and(|upgrade| upgrade.result == Outcome::Confirmed)
    };
    wait_status(&router, "confirmed", confirmed);
}

#[test]
fn a_promise_that_was_not_kept_is_told() {
    let (_world, router) = site();
    Gate::Flash.close(&router);
    start(&router, serde_json::json!({"goal": "upgrade"}));
    Gate::Flash.wait(&router);
    // sysupgrade is on its own; nobody looks at the new system before it has changed.
    let state = || router.procd().unwrap().state();
    state().no_daemon = true;
    assert!(until(|| state().daemon.is_none().then_some(())).is_some());
    Gate::Flash.open(&router);
    assert!(until(|| (state().boots == 1).then_some(())).is_some());
    // A 24.10 has opkg's database.
    let file = at(&router, "/usr/lib/opkg/status");
    let text = fs::read_to_string(&file).unwrap();
    let record = text
        .split("\n\n")
        .find(|record| record.starts_with("Package: tcpdump\n"));
    let version = record
        .unwrap()
        .lines()
        .find(|line| line.starts_with("Version: "))
        .unwrap();
    let other = record.unwrap().replace(version, "Version: 0.1-r1");
    fs::write(&file, text.replace(record.unwrap(), &other)).unwrap();
    state().no_daemon = false;
    let upgrade = wait_upgraded(&router);
    assert_eq!(upgrade.result, Outcome::Differs, "{upgrade:?}");
    assert_eq!(upgrade.differences.len(), 1, "{upgrade:?}");
    let difference = &upgrade.differences[0];
    assert_eq!(
        (difference.kind, difference.name.as_str()),
        (DifferenceKind::Package, "tcpdump")
    );
    assert_eq!(
        difference.expected.as_deref(),
        version.strip_prefix("Version: ")
    );
    assert_eq!(difference.found.as_deref(), Some("0.1-r1"));
    let history = asu(&router, &["history"]);
    assert!(history.stdout.contains("not as promised"), "{history:?}");
    assert!(history.stdout.contains("tcpdump: expected"), "{history:?}");
}
