//! What survives what: the job its watcher, the daemon its job, the status the daemon, all of them
//! the bus.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::{Outcome, Phase, Status};
use asu::error::Kind;
use common::gate::Gate;
use common::proxy::{Proxy, Reply, Request, Response};
use common::*;
use sandbox::Router;
use serde_json::{json, Value};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

/// The phases in which `asu job` is at work, in their order.
const FETCHING: [Phase; 5] = [
    Phase::Checking,
    Phase::Requesting,
    Phase::Queued,
    Phase::Building,
    Phase::Downloading,
];

/// Makes the server keep the next job in `phase`, until another script is set.
fn hold(proxy: &Proxy, phase: Phase) {
    proxy.set(move |request, server| held(phase, request, server));
}

fn held(phase: Phase, request: &Request, server: &dyn Fn() -> Response) -> Reply {
    let waiting = |detail: &str, position: Option<u32>, step: Option<&str>| {
        let body = json!({
            "detail": detail, "status": 202, "queue_position": position,
            "imagebuilder_status": step, "request_hash": "0123456789abcdef",
        });
        Reply::json(202, &body)
    };
    let is_build = request.is_build() || request.is_poll();
    match phase {
        Phase::Checking if request.line.ends_with("/overview.json") => Reply::Hold,
        Phase::Requesting if request.is_build() => Reply::Hold,
        Phase::Queued if is_build => waiting("queued", Some(2), None),
        Phase::Building if is_build => waiting("started", None, Some("building_image")),
        Phase::Downloading if request.is_image() => Reply::Stuck(server().half()),
        _ => Reply::Pass,
    }
}

/// A router whose server can be held.
struct Held {
    router: Router,
    proxy: Proxy,
    _world: sandbox::World,
}

impl Held {
    fn new(ubusd: Option<&Path>) -> Held {
        let world = world();
        let proxy = Proxy::before(&world.url());
        let router = router(&proxy.url(), ubusd);
        let held = Held {
            router,
            proxy,
            _world: world,
        };
        // Built once, the image is there at once for all later jobs.
        start_download(&held.router);
        wait_phase(&held.router, Phase::Ready);
        held
    }

    /// A job that stays in `phase`.
    fn job_in(&self, phase: Phase) -> u32 {
        if phase == Phase::Verifying {
            // Without a system object the agent has sysupgrade --test judge.
            self.router.procd().unwrap().state().silent = true;
            wait_gone(&self.router, "system");
            Gate::Test.close(&self.router);
        }
        hold(&self.proxy, phase);
        let id = start_download(&self.router);
        wait_phase(&self.router, phase);
        id
    }

    /// Nothing is held any more.
    fn release(&self, phase: Phase) {
        self.proxy.pass();
        if phase == Phase::Verifying {
            Gate::Test.open(&self.router);
            self.router.procd().unwrap().state().silent = false;
            self.router.wait_for("system", PATIENCE).unwrap();
        }
    }
}

fn wait_gone(router: &Router, path: &str) {
    let gone = until(|| {
        let found =
            ubus::Bus::connect(&router.files().socket()).and_then(|mut bus| bus.lookup(path));
        found.is_ok_and(|found| found.is_empty()).then_some(())
    });
    assert!(gone.is_some(), "{path} stays");
}

/// The job failed by no fault of its owner, and what is said of it can be understood.
fn failed(status: &Status, id: u32, words: &str) {
    let job = status.job.as_ref().expect("no job");
    assert_eq!((job.id, job.phase), (id, Phase::Failed), "{job:?}");
    let error = job.error.as_ref().expect("no error");
    assert_eq!(error.kind, Kind::Internal, "{error:?}");
    assert!(error.message.contains(words), "{error:?}");
    assert!(
        error
            .message
            .contains("nothing was flashed. Start it again."),
        "{error:?}"
    );
}

#[test]
fn a_job_child_killed_in_any_phase_is_told_of() {
    on_each_bus("job child killed", |ubusd| {
        let held = Held::new(ubusd);
        let daemon_before = daemon(&held.router);
        for phase in FETCHING {
            let id = held.job_in(phase);
            kill_9(job_child(&held.router));
            let status = wait_phase(&held.router, Phase::Failed);
            failed(&status, id, "died while it was");
            nothing_left(&held.router);
            assert_eq!(daemon(&held.router), daemon_before, "{phase:?}");
            held.release(phase);
        }
        start_download(&held.router);
        wait_phase(&held.router, Phase::Ready);
        no_panic(&held.router);
    });
}

#[test]
fn a_question_whose_child_is_killed_is_answered() {
    let held = Held::new(None);
    hold(&held.proxy, Phase::Checking);
    thread::scope(|scope| {
        let check = scope.spawn(|| asu(&held.router, &["check"]));
        kill_9(job_child(&held.router));
        check.join().unwrap().refused(1, "died");
    });
    held.release(Phase::Checking);
    assert_eq!(asu(&held.router, &["check"]).code, 20);
}

#[test]
fn a_daemon_killed_in_any_phase_says_what_became_of_the_job() {
    on_each_bus("daemon killed", |ubusd| {
        let held = Held::new(ubusd);
        for phase in FETCHING.into_iter().chain([Phase::Verifying]) {
            let id = held.job_in(phase);
            let child = (phase != Phase::Verifying).then(|| job_child(&held.router));
            kill_daemon(&held.router);
            let status = wait_phase(&held.router, Phase::Failed);
            failed(&status, id, "The agent was restarted while the job was");
            let dead = until(|| child.is_none_or(|child| !lives(child)).then_some(()));
            assert!(dead.is_some(), "the job's process goes on in {phase:?}");
            nothing_left(&held.router);
            held.release(phase);
        }
        no_panic(&held.router);
    });
}

/// Kills the daemon, and waits for the next one.
fn kill_daemon(router: &Router) {
    let before = daemon(router);
    kill_9(before);
    let next = until(|| (daemon(router) != before).then_some(()));
    assert!(next.is_some());
    router.wait_for(OBJECT, PATIENCE).unwrap();
}

#[test]
fn a_daemon_killed_when_the_image_is_ready_has_it_still() {
    on_each_bus("daemon killed when ready", |ubusd| {
        let held = Held::new(ubusd);
        kill_daemon(&held.router);
        let status = status(&held.router);
        assert_eq!(status.job.unwrap().phase, Phase::Ready);
        assert!(status.image.is_some());
        // Somebody else may have had the file meanwhile: it is verified once more.
        let answer: Value = call(&held.router, "sysupgrade", json!({})).unwrap();
        assert_eq!(answer["started"], true, "{answer}");
        assert_eq!(wait_upgraded(&held.router).result, Outcome::Confirmed);
    });
}

#[test]
fn a_daemon_killed_while_sysupgrade_works_leaves_it_alone() {
    on_each_bus("daemon killed while flashing", |ubusd| {
        let held = Held::new(ubusd);
        Gate::Flash.close(&held.router);
        start(&held.router, json!({"goal": "upgrade"}));
        Gate::Flash.wait(&held.router);
        kill_daemon(&held.router);
        let job = status(&held.router).job.unwrap();
        assert_eq!(job.phase, Phase::Flashing, "{job:?}");
        let answer: Value = call(&held.router, "cancel", json!({})).unwrap();
        assert_eq!(answer["cancelled"], false);
        Gate::Flash.open(&held.router);
        assert_eq!(wait_upgraded(&held.router).result, Outcome::Confirmed);
        nothing_left(&held.router);
    });
}

#[test]
fn a_sysupgrade_that_gives_up_while_the_daemon_is_away_is_told_of() {
    let world = world();
    let router = router(&world.url(), None);
    let gate = at(&router, "/gate");
    std::fs::write(&gate, "").unwrap();
    let program = format!(
        "#!/bin/sh\n: > {0}.passed\nwhile [ -e {0} ]; do sleep 0.05; done\necho Cannot save config\nexit 1\n",
        gate.display()
    );
    gate::script(&router, "/sbin/sysupgrade", &program);
    let id = start(&router, json!({"goal": "upgrade"}));
    let passed = at(&router, "/gate.passed");
    assert!(until(|| passed.exists().then_some(())).is_some());
    kill_daemon(&router);
    let job = status(&router).job.unwrap();
    assert_eq!((job.id, job.phase), (id, Phase::Flashing), "{job:?}");
    std::fs::remove_file(gate).unwrap();
    let status = wait_phase(&router, Phase::Failed);
    let job = status.job.unwrap();
    let error = job.error.unwrap();
    assert_eq!((job.id, error.kind), (id, Kind::Sysupgrade), "{error:?}");
    assert!(error.message.contains("nothing was flashed"), "{error:?}");
    assert_eq!(error.detail, "Cannot save config");
    let promise = at(&router, "/etc/attended-sysupgrade/pending.json");
    assert!(!promise.exists());
    assert_eq!(router.procd().unwrap().state().boots, 0);
}

#[test]
fn a_daemon_killed_before_sysupgrade_was_called_has_flashed_nothing() {
    let world = world();
    let settings = "config agent 'agent'\n\toption pre_install '/hook'\n";
    let router = Router::start(&sandbox::Options {
        settings: settings.to_owned(),
        ..options(&world.url())
    })
    .unwrap();
    gate::script(
        &router,
        "/hook",
        "#!/bin/sh\nwhile [ -e \"$0\" ]; do sleep 0.05; done\n",
    );
    let id = start(&router, json!({"goal": "upgrade"}));
    wait_phase(&router, Phase::Flashing);
    kill_daemon(&router);
    failed(
        &wait_phase(&router, Phase::Failed),
        id,
        "while the job was flashing",
    );
    nothing_left(&router);
    std::fs::remove_file(at(&router, "/hook")).unwrap();
    assert_eq!(router.procd().unwrap().state().boots, 0);
}

#[test]
fn the_job_outlives_who_started_it() {
    on_each_bus("watcher killed", |ubusd| {
        let held = Held::new(ubusd);
        hold(&held.proxy, Phase::Building);
        let mut upgrade = command(&held.router, &["upgrade", "--yes"]);
        let mut upgrade = upgrade.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(upgrade.stdout.take().unwrap()).lines();
        let shown = lines
            .map_while(Result::ok)
            .any(|line| line.contains("building_image"));
        assert!(shown, "asu upgrade does not show the build");
        upgrade.kill().unwrap();
        upgrade.wait().unwrap();
        let job = status(&held.router).job.unwrap();
        assert_eq!(job.phase, Phase::Building);
        let mut watch = command(&held.router, &["watch"]);
        let watch = watch
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        held.proxy.pass();
        let watch = Ended::of(watch.wait_with_output().unwrap());
        assert_eq!(watch.code, 0, "{watch:?}");
        assert!(watch.stdout.contains("building_image"), "{watch:?}");
        assert!(watch.stdout.contains("Installing"), "{watch:?}");
        assert_eq!(wait_upgraded(&held.router).result, Outcome::Confirmed);
    });
}

#[test]
fn a_bus_that_restarts_does_not_concern_the_job() {
    on_each_bus("bus restarted", |ubusd| {
        let mut held = Held::new(ubusd);
        let id = held.job_in(Phase::Downloading);
        let (daemon_before, child) = (daemon(&held.router), job_child(&held.router));
        // The best of three: what else this machine does is not the agent's fault.
        let away = (0..3).map(|_| {
            held.router.restart_bus().unwrap();
            let start = Instant::now();
            held.router.wait_for(OBJECT, PATIENCE).unwrap();
            start.elapsed()
        });
        let away = away.min().unwrap();
        assert!(away < Duration::from_secs(2), "back after {away:?}");
        let job = status(&held.router).job.unwrap();
        assert_eq!((job.id, job.phase), (id, Phase::Downloading));
        assert_eq!(daemon(&held.router), daemon_before);
        assert!(lives(child));
        held.release(Phase::Downloading);
        let job = wait_phase(&held.router, Phase::Ready).job.unwrap();
        assert_eq!(job.id, id);
        no_panic(&held.router);
    });
}

#[test]
fn of_two_who_start_at_once_the_second_learns_of_the_first() {
    on_each_bus("two at once", |ubusd| {
        let held = Held::new(ubusd);
        hold(&held.proxy, Phase::Checking);
        let arguments = json!({"goal": "download"});
        let answers: Vec<Value> = thread::scope(|scope| {
            let both = [(); 2]
                .map(|()| scope.spawn(|| call(&held.router, "start", arguments.clone()).unwrap()));
            both.map(|thread| thread.join().unwrap()).into()
        });
        let (won, lost): (Vec<&Value>, Vec<&Value>) =
            answers.iter().partition(|answer| answer["error"].is_null());
        assert_eq!((won.len(), lost.len()), (1, 1), "{answers:?}");
        assert_eq!(won[0]["job"], lost[0]["job"], "{answers:?}");
        assert_eq!(lost[0]["error"]["kind"], "busy", "{answers:?}");
        asu(&held.router, &["clean"]).refused(1, "at work");
        held.release(Phase::Checking);
        wait_phase(&held.router, Phase::Ready);
    });
}

#[test]
fn cancelling_in_any_phase_leaves_nothing() {
    on_each_bus("cancel", |ubusd| {
        let held = Held::new(ubusd);
        for phase in FETCHING.into_iter().chain([Phase::Verifying, Phase::Ready]) {
            let id = held.job_in(phase);
            let fetching = FETCHING.contains(&phase);
            let child = fetching.then(|| job_child(&held.router));
            let ended = asu(&held.router, &["cancel"]);
            assert_eq!(ended.code, 0, "{phase:?} {ended:?}");
            let job = status(&held.router).job.unwrap();
            assert_eq!((job.id, job.phase), (id, Phase::Cancelled), "{job:?}");
            assert!(child.is_none_or(|child| !lives(child)), "{phase:?}");
            held.release(phase);
            nothing_left(&held.router);
        }
        assert_eq!(asu(&held.router, &["cancel"]).code, 1);
        no_panic(&held.router);
    });
}

#[test]
fn what_is_being_flashed_can_not_be_cancelled() {
    let held = Held::new(None);
    Gate::Flash.close(&held.router);
    start(&held.router, json!({"goal": "upgrade"}));
    wait_phase(&held.router, Phase::Flashing);
    let ended = asu(&held.router, &["cancel"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let answer: Value = call(&held.router, "start", json!({"goal": "download"})).unwrap();
    assert_eq!(answer["error"]["kind"], "busy", "{answer}");
    Gate::Flash.open(&held.router);
    assert_eq!(wait_upgraded(&held.router).result, Outcome::Confirmed);
}
