//! What `asu job` asks the server for a plan, and what it does when the feeds move meanwhile.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "common/plan_case.rs"]
mod plan_case;
#[path = "common/stand_in.rs"]
mod stand_in;

use asu::api::{DeviceInfo, Plan, Verdict};
use asu::error::{Error, Kind};
use asu::job::{Event, Order, Task, Told};
use asu::upgrade::feeds::Feeds;
use asu::upgrade::installed::{Installed, Package};
use asu::upgrade::Inputs;
use plan_case::Case;
use serde_json::json;
use stand_in::{recorded, Reply, Request, StandIn};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

/// A router with luci and without ppp.
const CASE: &str = r#"{
    "case": "", "database": "apk", "running": "24.10.0 r28427-6df0e3d02a", "target": "", "defaults now": [], "index": [],
    "expect": {}, "world": ["base-files", "luci"], "installed": ["base-files 1", "luci 1"]
}"#;

fn inputs(server: &StandIn) -> Inputs {
    let mut inputs = Case::read(CASE).inputs();
    inputs.settings.servers = vec![server.url()];
    inputs.device.info = DeviceInfo {
        board_name: "tplink,archer-c7-v2".to_owned(),
        target: "ath79/generic".to_owned(),
        arch: "mips_24kc".to_owned(),
        ..DeviceInfo::default()
    };
    inputs
}

/// Runs the job, and returns what it said last.
fn run(task: Task, inputs: Inputs) -> Told {
    let order = Order {
        task,
        inputs,
        upgrade: None,
    };
    let output = run_with(asu::json::text(&order).unwrap().as_bytes());
    let text = String::from_utf8(output.stdout).unwrap();
    asu::json::from_text(text.lines().last().unwrap().as_bytes()).unwrap()
}

fn run_with(order: &[u8]) -> Output {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("tmp/attended-sysupgrade.job")).unwrap();
    let mut job = Command::new(env!("CARGO_BIN_EXE_asu"))
        .arg("--root")
        .arg(root.path())
        .arg("job")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let sent = job.stdin.take().unwrap().write_all(order);
    // A job that was ended does not read to the end.
    sent.or_else(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
    .unwrap();
    job.wait_with_output().unwrap()
}

fn check(server: &StandIn) -> Plan {
    match run(Task::Check, inputs(server)) {
        Event::Plan(plan) => plan,
        other => panic!("{}", asu::json::text(&other).unwrap()),
    }
}

fn failed(event: Told) -> Error {
    match event {
        Event::Failed(error) => error,
        other => panic!("{}", asu::json::text(&other).unwrap()),
    }
}

fn profile(version: &str, revision: &str, defaults: &[&str]) -> Reply {
    let profile = json!({
        "id": "tplink_archer-c7-v2", "target": "ath79/generic", "version_number": version,
        "version_code": revision, "default_packages": defaults,
    });
    Reply::json(200, &profile.to_string())
}

/// 24.10.2 with a new default; `luci` is its version of luci, `then` the answer about 24.10.0.
fn answer(request: &Request, luci: &str, then: &Reply) -> Reply {
    let place = request.path.as_str();
    match place.strip_prefix("/json/v1/releases/").unwrap_or(place) {
        "/json/v1/overview.json" => Reply::recorded("001"),
        "24.10.0/targets/ath79/generic/tplink_archer-c7-v2.json" => then.clone(),
        "24.10.2/targets/ath79/generic/tplink_archer-c7-v2.json" => profile(
            "24.10.2",
            "r28739-d9340319c6",
            &["base-files", "ppp", "zram-swap"],
        ),
        "24.10.2/targets/ath79/generic/index.json" => Reply::json(
            200,
            r#"{"architecture": "mips_24kc", "packages": {"base-files": "2"}}"#,
        ),
        "24.10.2/packages/mips_24kc-index.json" => Reply::json(
            200,
            &json!({"luci": luci, "ppp": "2", "zram-swap": "36"}).to_string(),
        ),
        "/api/v1/build" => {
            let body = json!({"imagebuilder_status": "failed", "detail": format!("Error: Impossible package selection: luci version not as requested: {luci} vs. 9")});
            Reply::json(500, &body.to_string())
        }
        _ => Reply::json(404, "{}"),
    }
}

fn then() -> Reply {
    profile("24.10.0", "r28427-6df0e3d02a", &["base-files", "ppp"])
}

#[test]
fn a_check_asks_for_five_small_things() {
    let server = StandIn::new(|request, _| answer(request, "2", &then()));
    let plan = check(&server);
    assert_eq!(plan.defaults.removed_by_user, ["ppp"]);
    assert_eq!(plan.defaults.added, ["zram-swap"]);
    assert_eq!(
        server.lines(),
        [
            "GET /json/v1/overview.json",
            "GET /json/v1/releases/24.10.2/targets/ath79/generic/tplink_archer-c7-v2.json",
            "GET /json/v1/releases/24.10.0/targets/ath79/generic/tplink_archer-c7-v2.json",
            "GET /json/v1/releases/24.10.2/targets/ath79/generic/index.json",
            "GET /json/v1/releases/24.10.2/packages/mips_24kc-index.json",
        ]
    );
}

#[test]
fn what_the_last_upgrade_wrote_down_need_not_be_asked() {
    let server = StandIn::new(|request, _| answer(request, "2", &Reply::json(404, "{}")));
    let mut inputs = inputs(&server);
    inputs.kept_defaults = ["base-files", "ppp"].map(str::to_owned).to_vec();
    let Event::Plan(plan) = run(Task::Check, inputs) else {
        panic!("no plan")
    };
    assert_eq!(plan.defaults.removed_by_user, ["ppp"]);
    assert!(!server.lines().iter().any(|line| line.contains("24.10.0")));
}

#[test]
fn a_release_that_the_server_forgot_is_no_obstacle_but_is_told() {
    let answers = [
        Reply::recorded("026"),
        Reply::json(404, "{}"),
        Reply::json(400, r#"{"detail": "Unsupported version: 24.10.0"}"#),
        Reply::json(200, r#"{"arch_packages": "mips_24kc"}"#),
        Reply::new(200, "text/html", "<html>moved</html>"),
    ];
    for then in answers {
        let server = StandIn::new(move |request, _| answer(request, "2", &then));
        let plan = check(&server);
        assert!(plan.defaults.added.is_empty());
        assert!(plan.request.unwrap().packages_versions.len() == 2);
        assert!(
            plan.notes[0].contains("left out: ppp, zram-swap."),
            "{:?}",
            plan.notes
        );
    }
}

#[test]
fn a_server_that_is_down_is_an_obstacle() {
    let down = Reply::json(503, r#"{"detail": "down"}"#);
    let server = StandIn::new(move |request, _| answer(request, "2", &down));
    assert_eq!(
        failed(run(Task::Check, inputs(&server))).kind,
        Kind::Overloaded
    );
}

/// A check whose server announces that it prepares, and answers so when it is asked.
fn prepared(reply: Reply, current: bool) -> (Plan, Vec<Request>) {
    let mut overview = recorded("001")["body"].clone();
    overview["server"]["prepare"] = true.into();
    let server = StandIn::new(move |request, _| match request.path.as_str() {
        "/json/v1/overview.json" => Reply::json(200, &overview.to_string()),
        "/api/v1/build/prepare" => reply.clone(),
        _ => answer(request, "2", &then()),
    });
    let mut inputs = inputs(&server);
    if current {
        inputs.device.running.version = "24.10.2".to_owned();
        inputs.device.running.revision = "r28739-d9340319c6".to_owned();
        let mut installed = Installed::new(&inputs.installed.database);
        let packages = inputs.installed.packages();
        for package in packages.filter(|package| package.name != "ppp") {
            installed.push(&Package {
                version: "2",
                ..package
            });
        }
        inputs.installed = installed;
    }
    let Event::Plan(plan) = run(Task::Check, inputs) else {
        panic!("no plan")
    };
    let asked = server.requests().into_iter();
    let asked = asked.filter(|request| request.path.contains("prepare"));
    (plan, asked.collect())
}

#[test]
fn a_server_that_prepares_is_asked_what_it_would_change() {
    let changes = json!({"status": "prepared", "resolved_packages": ["evil"],
        "prepared_request": {"packages": ["evil"], "profile": "x"},
        "changes": [{"action": "replace", "from_package": "luci", "to_package": "luci-light", "reason": "Smaller"}]});
    let (plan, asked) = prepared(Reply::json(200, &changes.to_string()), false);
    let note = "The upgrade server replaces luci by luci-light: Smaller.".to_owned();
    assert!(plan.notes.contains(&note), "{:?}", plan.notes);
    assert_eq!(asked.len(), 1);
    let body: serde_json::Value = serde_json::from_slice(&asked[0].body).unwrap();
    assert_eq!(body["from_version"], "24.10.0");
    let server = StandIn::new(|request, _| answer(request, "2", &then()));
    let alone = check(&server);
    assert_eq!(plan.request, alone.request);
    let (plan, asked) = prepared(Reply::json(200, "{}"), true);
    assert_eq!(plan.verdict, Verdict::Current);
    assert!(asked.is_empty(), "there is nothing to prepare");
}

/// A check whose server announces that it tells versions, and what it was asked.
fn at_once(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> (Plan, Vec<String>) {
    let mut overview = recorded("001")["body"].clone();
    overview["server"]["update"] = true.into();
    let server = StandIn::new(move |request, _| match request.path.split_once('?') {
        None if request.path == "/json/v1/overview.json" => Reply::json(200, &overview.to_string()),
        Some(("/api/v1/update", query)) => reply(query),
        _ => answer(request, "2", &then()),
    });
    let plan = check(&server);
    (plan, server.lines())
}

/// The same plan from one small answer as from the indexes, which then are not fetched.
#[test]
fn versions_in_one_small_answer() {
    let server = StandIn::new(|request, _| answer(request, "2", &then()));
    let alone = check(&server);
    let said = |packages: serde_json::Value| {
        let said = json!({"version": "24.10.2", "revision": "r28739-d9340319c6", "newer": false, "packages": packages});
        Reply::json(200, &said.to_string())
    };
    let all = json!({"base-files": "2", "luci": "2", "ppp": "2", "zram-swap": "36", "evil": "1"});
    let (plan, lines) = at_once(move |_| said(all.clone()));
    assert_eq!(
        plan,
        Plan {
            server: plan.server.clone(),
            ..alone.clone()
        }
    );
    assert_eq!(lines.len(), 4, "{lines:?}");
    let asked = "GET /api/v1/update?version=24.10.2&revision=r28739-d9340319c6&target=ath79/generic&packages=";
    assert!(
        lines[3].starts_with(asked) && lines[3].contains(",luci,"),
        "{lines:?}"
    );
    // Where the server does not tell them, or has something newer by now, there are the indexes.
    let newer = json!({"version": "24.10.3", "revision": "r29000-0123456789", "newer": true});
    let useless = [
        Reply::json(404, "{}"),
        Reply::json(200, &newer.to_string()),
        Reply::json(200, "{}"),
        said(json!({})),
    ];
    for reply in useless {
        let (plan, lines) = at_once(move |_| reply.clone());
        assert_eq!(plan.request, alone.request, "{lines:?}");
        let index = |line: &String| line.ends_with("mips_24kc-index.json");
        assert!(lines.iter().any(index), "{lines:?}");
    }
}

/// What would be two names in an address, or none, is looked up in the indexes.
#[test]
fn names_that_can_not_stand_in_an_address() {
    let mut overview = recorded("001")["body"].clone();
    overview["server"]["update"] = true.into();
    for name in ["a,b", "a&b"] {
        let overview = overview.clone();
        let server = StandIn::new(move |request, _| match request.path.as_str() {
            "/json/v1/overview.json" => Reply::json(200, &overview.to_string()),
            _ => answer(request, "2", &then()),
        });
        let mut inputs = inputs(&server);
        let mut installed = Installed::new(&inputs.installed.database);
        for (place, package) in inputs.installed.packages().enumerate() {
            let name = if place == 0 { name } else { package.name };
            installed.push(&Package { name, ..package });
        }
        inputs.installed = installed;
        let Event::Plan(_) = run(Task::Check, inputs) else {
            panic!("no plan")
        };
        let lines = server.lines();
        assert!(
            !lines.iter().any(|line| line.contains("/update?")),
            "{lines:?}"
        );
        assert!(
            lines.iter().any(|line| line.ends_with("-index.json")),
            "{lines:?}"
        );
    }
}

/// Many names are asked for in several addresses, none too long for a proxy; one without an answer leaves the indexes.
#[test]
fn versions_of_many_packages() {
    let mut overview = recorded("001")["body"].clone();
    overview["server"]["update"] = true.into();
    for answered in [true, false] {
        let overview = overview.clone();
        let server = StandIn::new(
            move |request, _| match request.path.split_once("&packages=") {
                None if request.path == "/json/v1/overview.json" => {
                    Reply::json(200, &overview.to_string())
                }
                Some((_, names)) => {
                    let told = answered || names.contains("luci");
                    let packages: serde_json::Map<_, _> = names
                        .split(',')
                        .filter(|_| told)
                        .map(|name| (name.to_owned(), "2".into()))
                        .collect();
                    Reply::json(200, &json!({"packages": packages}).to_string())
                }
                _ => answer(request, "2", &then()),
            },
        );
        let mut inputs = inputs(&server);
        let mut installed = inputs.installed.clone();
        let mut packages = inputs.installed.packages();
        let luci = packages.find(|package| package.name == "luci");
        let luci = luci.expect("luci");
        for number in 0..1000 {
            let name = &format!("a-package-with-number-{number}");
            installed.push(&Package { name, ..luci });
        }
        drop(packages);
        inputs.installed = installed;
        let Event::Plan(plan) = run(Task::Check, inputs) else {
            panic!("no plan")
        };
        let lines = server.lines();
        let asked: Vec<_> = lines
            .iter()
            .filter(|line| line.contains("/update?"))
            .collect();
        assert!(asked.iter().all(|line| line.len() < 4500), "{asked:?}");
        assert_eq!(asked.len() > 5, answered, "{}", asked.len());
        let index = lines.iter().any(|line| line.ends_with("-index.json"));
        assert_eq!(index, !answered);
        let missing = plan.packages.missing.len();
        assert_eq!(missing, if answered { 0 } else { 1000 });
    }
}

#[test]
fn no_answer_beforehand_is_no_obstacle() {
    let server = StandIn::new(|request, _| answer(request, "2", &then()));
    let alone = check(&server);
    for quiet in [404, 405, 501] {
        let (plan, _) = prepared(Reply::json(quiet, "{}"), false);
        assert_eq!(plan.notes, alone.notes);
    }
    let refused = r#"{"detail": "Unsupported package(s): luci", "status": 422}"#;
    let told = [
        (Reply::json(422, refused), "Unsupported package(s): luci"),
        (Reply::json(503, "{}"), "too much to do"),
        (Reply::new(200, "text/html", "<html>"), "web page"),
        (Reply::json(200, "[[["), "can't be understood"),
        (Reply::json(200, &"[".repeat(100)), "nested"),
        (Reply::Raw(Vec::new()), ""),
    ];
    for (reply, words) in told {
        let (plan, _) = prepared(reply, false);
        assert_eq!(plan.request, alone.request);
        let note = &plan.notes[alone.notes.len()];
        assert!(
            note.starts_with("What the upgrade server would change") && note.contains(words),
            "{note}"
        );
    }
}

#[test]
fn the_running_file_system_is_built_where_it_is_the_devices_own() {
    let images: Vec<_> = ["squashfs", "ext4", "initramfs"]
        .map(|filesystem| json!({"filesystem": filesystem, "name": "x.bin", "sha256": "", "type": "combined"}))
        .to_vec();
    let profile = json!({
        "id": "tplink_archer-c7-v2", "target": "ath79/generic", "version_number": "24.10.2",
        "version_code": "r28739-d9340319c6", "default_packages": [], "images": images,
    });
    let profile = Reply::json(200, &profile.to_string());
    let of_release = "/json/v1/releases/24.10.2/targets/ath79/generic/tplink_archer-c7-v2.json";
    let server = StandIn::new(move |request, _| match request.path == of_release {
        true => profile.clone(),
        false => answer(request, "2", &then()),
    });
    let asked = |running: &str, set: Option<&str>| {
        let mut inputs = inputs(&server);
        inputs.device.info.rootfs_type = running.to_owned();
        inputs.choice.fstype = set.map(str::to_owned);
        match run(Task::Check, inputs) {
            Event::Plan(plan) => Ok(plan.request.clone().unwrap().filesystem),
            Event::Failed(error) => Err(error),
            other => panic!("{}", asu::json::text(&other).unwrap()),
        }
    };
    assert_eq!(asked("ext4", None).unwrap().as_deref(), Some("ext4"));
    assert_eq!(asked("tmpfs", None).unwrap(), None);
    assert_eq!(asked("initramfs", None).unwrap(), None);
    assert_eq!(
        asked("ext4", Some("squashfs")).unwrap().as_deref(),
        Some("squashfs")
    );
    let error = asked("ext4", Some("ubifs")).unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
    assert!(
        error.message.contains("no image with ubifs") && error.message.contains("ext4, squashfs"),
        "{error}"
    );
}

/// The recorded overview's server allows https://feed.libremesh.org/.
#[test]
fn feeds_go_where_the_server_takes_them() {
    let server = StandIn::new(|request, _| answer(request, "2", &then()));
    let asked = |manager: &str| {
        let mut inputs = inputs(&server);
        let feed = |name: &str, host: &str| (name.to_owned(), format!("https://{host}/packages"));
        inputs.feeds = Feeds {
            manager: manager.to_owned(),
            repositories: [
                feed("mesh", "feed.libremesh.org"),
                feed("mine", "feed.example"),
            ]
            .into(),
            keys: vec!["RWS1BD5w".to_owned()],
        };
        match run(Task::Check, inputs) {
            Event::Plan(plan) => (plan.request.clone().unwrap(), plan.notes.join(" ")),
            other => panic!("{}", asu::json::text(&other).unwrap()),
        }
    };
    let (request, notes) = asked("opkg");
    let named: Vec<&str> = request.repositories.keys().map(String::as_str).collect();
    assert_eq!(named, ["mesh"]);
    assert_eq!(request.repository_keys, ["RWS1BD5w"]);
    assert_eq!(request.repositories_mode.as_deref(), Some("append"));
    assert!(
        notes.contains("does not build with your feed mine"),
        "{notes}"
    );
    // 24.10 has opkg.
    let (request, notes) = asked("apk");
    assert!(request.repositories.is_empty() && request.repository_keys.is_empty());
    assert_eq!(request.repositories_mode, None);
    assert!(notes.contains("are for apk"), "{notes}");
}

/// The versions of luci in the requests for a build.
fn asked(server: &StandIn) -> Vec<String> {
    let requests = server.requests();
    let builds = requests.iter().filter(|request| request.method == "POST");
    builds
        .map(|request| {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            body["packages_versions"]["luci"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[test]
fn feeds_that_moved_are_planned_again_once() {
    // The index is another one each time.
    let server = StandIn::new(|request, before| answer(request, &before.to_string(), &then()));
    assert_eq!(
        failed(run(Task::Download, inputs(&server))).kind,
        Kind::Mismatch
    );
    let asked = asked(&server);
    assert!(asked.len() == 2 && asked[0] != asked[1], "{asked:?}");
}

#[test]
fn the_same_plan_is_not_tried_again() {
    assert_eq!(recorded("128")["status"], 500);
    let server = StandIn::new(|request, _| match request.path.as_str() {
        "/api/v1/build" => Reply::recorded("128"),
        _ => answer(request, "2", &then()),
    });
    assert_eq!(
        failed(run(Task::Download, inputs(&server))).kind,
        Kind::Mismatch
    );
    assert_eq!(asked(&server), ["2"]);
}

#[test]
fn a_job_that_needs_too_much_memory_ends() {
    // As JSON below the limit on orders, as texts far beyond that on memory.
    let servers = "\"\",".repeat(700_000);
    let order = format!(r#"{{"inputs": {{"settings": {{"servers": [{servers}""]}}}}}}"#);
    let output = run_with(order.as_bytes());
    assert_eq!(
        output.status.signal(),
        Some(nix::sys::signal::Signal::SIGABRT as i32),
        "{output:?}"
    );
    assert!(output.stdout.is_empty());
}
