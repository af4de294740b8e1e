//! What a router does on its own: it checks, fetches and upgrades where its owner said so, and tells.
//!
//! The schedule follows the time since boot, which these tests set; any call wakes the daemon.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::{NoticeKind, Outcome, Phase, ReportState, Status};
use common::proxy::{Proxy, Reply};
use common::*;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use sandbox::procd::Validation;
use sandbox::{Router, World};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;
use ubus::{Bus, Incoming};

/// A router that was just started, checks once a day, and takes images that nobody signed.
fn router_with(world: &str, ubusd: Option<&Path>, settings: &[(&str, &str)]) -> Router {
    let mut all = vec![("check_interval", "24"), ("signature", "off")];
    all.extend(settings);
    let router = Router::start(&sandbox::Options {
        settings: agent_settings(&all),
        ubusd: ubusd.map(Path::to_owned),
        no_daemon: true,
        ..options(world)
    })
    .unwrap();
    set_uptime(&router, 10);
    router.procd().unwrap().state().no_daemon = false;
    router.wait_for(OBJECT, PATIENCE).unwrap();
    router
}

fn set_uptime(router: &Router, seconds: u32) {
    let file = at(router, "/proc/uptime");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    // Whole at all times: the daemon reads it when it likes.
    let new = file.with_extension("new");
    fs::write(&new, format!("{seconds}.42 7.00\n")).unwrap();
    fs::rename(new, file).unwrap();
}

/// So many seconds after the boot.
fn wake_at(router: &Router, seconds: u32) {
    set_uptime(router, seconds);
    status(router);
}

const DAY: u32 = 86_400;

fn notice(status: &Status) -> (NoticeKind, String) {
    let notice = status
        .notice
        .clone()
        .unwrap_or_else(|| panic!("{status:#?}"));
    (notice.kind, notice.text)
}

fn wait_notice(router: &Router, words: &str) -> Status {
    wait_status(router, words, |status| {
        status
            .notice
            .as_ref()
            .is_some_and(|notice| notice.text.contains(words))
    })
}

fn kept(router: &Router) -> Value {
    let text = fs::read(at(router, "/etc/attended-sysupgrade/schedule.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Those who listen for the event, until one with these words comes.
fn event(bus: &mut Bus, words: &str) -> Value {
    let found = until(|| match bus.receive(Duration::from_secs(1)).unwrap() {
        Some(Incoming::Event(event)) => {
            let data: Value = event.data.read().unwrap();
            data["text"]
                .as_str()
                .unwrap()
                .contains(words)
                .then_some(data)
        }
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no event: {words}"))
}

#[test]
fn a_router_upgrades_itself_and_tells() {
    on_each_bus("upgrades itself", |ubusd| {
        let world = world();
        let router = router_with(&world.url(), ubusd, &[("action", "upgrade")]);
        let mut bus = Bus::connect(&router.files().socket()).unwrap();
        bus.listen(OBJECT).unwrap();
        assert!(
            status(&router).check.is_none(),
            "nothing happens right after a boot"
        );
        wake_at(&router, DAY);
        let available = event(&mut bus, "24.10.2 is available");
        assert_eq!(available["kind"], "upgrade-available");
        let upgrade = wait_upgraded(&router);
        assert_eq!(upgrade.result, Outcome::Confirmed);
        assert!(upgrade.kept_settings);
        let upgraded = event(&mut bus, "Upgraded to OpenWrt 24.10.2");
        assert_eq!(upgraded["kind"], "upgraded");
        assert_eq!(notice(&status(&router)).0, NoticeKind::Upgraded);
        let settled = until(|| (kept(&router)["open"] == false).then(|| kept(&router)));
        assert_eq!(settled.unwrap()["failures"], 0);
        let log = log(&router);
        for words in [
            "asu: OpenWrt 24.10.2 is available",
            ": downloading\n",
            ": verifying the image\n",
            ": ready\n",
            ": flashing\n",
            "asu: Upgraded to OpenWrt 24.10.2",
        ] {
            assert!(log.contains(words), "{words}: {log}");
        }
        assert_eq!(
            log.matches("asu: OpenWrt 24.10.2 is available").count(),
            1,
            "{log}"
        );
        no_panic(&router);
    });
}

#[test]
fn a_router_that_may_only_check_or_download_does_no_more() {
    let world = world();
    let check = router_with(&world.url(), None, &[]);
    let download = router_with(&world.url(), None, &[("action", "download")]);
    wake_at(&check, DAY);
    wake_at(&download, DAY);
    let status = wait_notice(&check, "24.10.2 is available");
    assert!(status.job.is_none() && status.image.is_none());
    let status = wait_phase(&download, Phase::Ready);
    assert_eq!(status.image.unwrap().version, "24.10.2");
    // The next turn finds the image in hand.
    let before = status.check.unwrap().at;
    wake_at(&download, 3 * DAY);
    let status = wait_status(&download, "checked again", |status| {
        status
            .check
            .as_ref()
            .is_some_and(|check| !check.running && check.at >= before && check.plan.is_some())
    });
    assert_eq!(status.job.unwrap().id, 1);
    for router in [check, download] {
        assert_eq!(router.procd().unwrap().state().boots, 0);
    }
}

#[test]
fn an_image_with_a_warning_waits_for_its_owner() {
    let world = world();
    let router = router_with(&world.url(), None, &[("action", "upgrade")]);
    router.procd().unwrap().state().validation = Some(Validation {
        valid: false,
        forceable: true,
        allow_backup: true,
    });
    wake_at(&router, DAY);
    let status = wait_notice(&router, "not installed automatically");
    assert_eq!(notice(&status).0, NoticeKind::UpgradeAvailable);
    assert_eq!(status.job.unwrap().phase, Phase::Ready);
    assert_eq!(router.procd().unwrap().state().boots, 0);
    assert_eq!(kept(&router)["failures"], 0);
}

/// It was fetched when its owner did not want to hear of signatures, and now he does.
#[test]
fn an_image_that_gets_a_warning_later_waits_for_its_owner() {
    let world = world();
    let router = router_with(&world.url(), None, &[("action", "download")]);
    wake_at(&router, DAY);
    wait_phase(&router, Phase::Ready);
    let server = format!("config server\n\toption url '{}'\n\n", world.url());
    let settings = [
        ("check_interval", "24"),
        ("action", "upgrade"),
        ("signature", "warn"),
    ];
    let file = at(&router, "/etc/config/attendedsysupgrade");
    fs::write(file, server + &agent_settings(&settings)).unwrap();
    kill(Pid::from_raw(daemon(&router)), Signal::SIGHUP).unwrap();
    wake_at(&router, 3 * DAY);
    let status = wait_notice(&router, "not installed automatically");
    let (kind, text) = notice(&status);
    assert_eq!(kind, NoticeKind::UpgradeAvailable);
    assert!(text.contains("not signed"), "{text}");
    assert_eq!(router.procd().unwrap().state().boots, 0);
    let settled = until(|| (kept(&router)["open"] == false).then(|| kept(&router)));
    assert_eq!(settled.unwrap()["failures"], 0);
    // It is in hand still, for its owner to decide.
    assert!(status.image.is_some());
}

#[test]
fn after_two_upgrades_that_did_not_take_there_are_no_more() {
    let world = world();
    let router = Router::start(&sandbox::Options {
        settings: agent_settings(&[
            ("check_interval", "24"),
            ("action", "upgrade"),
            ("signature", "off"),
        ]),
        no_daemon: true,
        ..options(&world.url())
    })
    .unwrap();
    set_uptime(&router, 10);
    let folder = at(&router, "/etc/attended-sysupgrade");
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("schedule.json"),
        r#"{"checked": 1780000000, "attempted": 1780000000, "open": false, "failures": 1}"#,
    )
    .unwrap();
    router.procd().unwrap().state().flash_fails = true;
    router.procd().unwrap().state().no_daemon = false;
    router.wait_for(OBJECT, PATIENCE).unwrap();
    wake_at(&router, DAY);
    let upgrade = wait_upgraded(&router);
    assert_eq!(upgrade.result, Outcome::NotApplied);
    wait_notice(&router, "Automatic upgrades have stopped");
    assert_eq!(kept(&router)["failures"], 2);
    let boots = router.procd().unwrap().state().boots;
    assert_eq!(boots, 1);
    // Later checks see the release, and leave it alone.
    status(&router);
    wake_at(&router, 3 * DAY);
    wait_status(&router, "checked", |status| {
        status
            .check
            .as_ref()
            .is_some_and(|check| check.plan.is_some())
    });
    assert_eq!(router.procd().unwrap().state().boots, boots);
    assert_eq!(kept(&router)["failures"], 2);
}

#[test]
fn a_server_that_is_behind_is_asked_again_later() {
    let world: World = world();
    let proxy = Proxy::before(&world.url());
    let router = router_with(&proxy.url(), None, &[("action", "download")]);
    proxy.set(|request, _| match request.is_build() {
        true => Reply::json(500, &serde_json::json!({
            "detail": "Error: Received incorrect version r28739-d9340319c6 (requested r28740-000000)",
            "request_hash": "00", "imagebuilder_status": "x", "stdout": "", "stderr": "",
        })),
        false => Reply::Pass,
    });
    wake_at(&router, DAY);
    wait_phase(&router, Phase::Failed);
    proxy.pass();
    let mut hours = 0;
    let ready = until(|| {
        hours += 1;
        wake_at(&router, DAY + hours * 3600);
        let job = status(&router).job.unwrap();
        (job.phase == Phase::Ready).then_some(())
    });
    assert!(ready.is_some(), "{}", log(&router));
    assert_eq!(notice(&status(&router)).0, NoticeKind::UpgradeAvailable);
}

#[test]
fn a_bad_value_is_told_and_nothing_happens() {
    let world = world();
    let router = router_with(
        &world.url(),
        None,
        &[("check_interval", "daily"), ("action", "upgrade")],
    );
    wake_at(&router, 10 * DAY);
    let said = until(|| {
        log(&router)
            .contains("option check_interval can't be \"daily\"")
            .then_some(())
    });
    assert!(said.is_some(), "{}", log(&router));
    assert!(status(&router).check.is_none());
}

/// The bodies of the reports that the server got.
fn reports(proxy: &Proxy) -> Vec<Value> {
    let requests = proxy.requests();
    let reports = requests
        .iter()
        .filter(|request| request.line == "POST /api/v1/report");
    reports
        .map(|request| serde_json::from_slice(request.body()).unwrap())
        .collect()
}

#[test]
fn the_server_is_told_what_came_of_an_upgrade_and_nothing_else() {
    let world = world();
    let proxy = Proxy::before(&world.url());
    let settings = [("check_interval", "0"), ("report", "1")];
    let router = router_with(&proxy.url(), None, &settings);
    start(&router, serde_json::json!({"goal": "upgrade"}));
    let report = wait_upgraded(&router).report.unwrap();
    assert_eq!(report.state, ReportState::Waiting);
    assert!(reports(&proxy).is_empty(), "not right after the boot");
    let wait_report = |state: ReportState| {
        let mut uptime = 300;
        let told = until(|| {
            uptime += 600;
            wake_at(&router, uptime);
            let last = status(&router).last_upgrade?;
            (last.report?.state == state).then_some(())
        });
        assert!(
            told.is_some(),
            "{:#?}\n{}",
            status(&router).last_upgrade,
            log(&router)
        );
    };
    wait_report(ReportState::Sent);
    assert_eq!(
        reports(&proxy),
        [serde_json::json!({
            "from": {"version": "24.10.0", "revision": "r28427-6df0e3d02a"},
            "to": {"version": "24.10.2", "revision": "r28739-d9340319c6"},
            "target": "ath79/generic",
            "profile": "tplink_archer-c7-v2",
            "result": "confirmed",
        })]
    );
    let history = asu(&router, &["history"]);
    assert!(history.stdout.contains("was sent"), "{history:?}");
    // A server that wants none is not asked again.
    proxy.set(|request, _| match request.line.ends_with("/report") {
        true => Reply::json(404, &serde_json::json!({"detail": "Not Found"})),
        false => Reply::Pass,
    });
    set_uptime(&router, 10);
    for upgrade in [2, 3] {
        start(
            &router,
            serde_json::json!({"goal": "upgrade", "add": ["htop"], "force": true}),
        );
        let done = until(|| {
            let history: asu::api::History = ask(&router, "history")?;
            (history.upgrades.len() == upgrade).then(|| history.upgrades[0].clone())
        });
        let done =
            done.unwrap_or_else(|| panic!("{upgrade}: {:#?}\n{}", status(&router), log(&router)));
        match upgrade {
            2 => wait_report(ReportState::Unwanted),
            _ => assert!(done.report.is_none()),
        }
    }
    assert_eq!(reports(&proxy).len(), 2);
}

#[test]
fn nothing_is_told_where_the_owner_did_not_ask_for_it() {
    let world = world();
    let proxy = Proxy::before(&world.url());
    let router = router_with(&proxy.url(), None, &[("check_interval", "0")]);
    start(&router, serde_json::json!({"goal": "upgrade"}));
    assert!(wait_upgraded(&router).report.is_none());
    for uptime in 1..20 {
        wake_at(&router, uptime * 3600);
    }
    assert!(reports(&proxy).is_empty());
}
