//! Three upgrade servers of which two are broken, in whatever way: the job is done by the third.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "common/plan_case.rs"]
mod plan_case;
#[path = "common/stand_in.rs"]
mod stand_in;

use asu::api::{DeviceInfo, Phase};
use asu::error::{Error, Kind};
use asu::job::{perform, Order, Task, Told};
use asu::paths::Paths;
use asu::server::Patience;
use asu::upgrade::Inputs;
use plan_case::Case;
use serde_json::json;
use sha2::{Digest, Sha256};
use stand_in::{Reply, Request, StandIn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;
use std::time::Duration;

const CASE: &str = r#"{
    "case": "", "database": "apk", "running": "24.10.0 r28427-6df0e3d02a", "target": "", "defaults now": [], "index": [],
    "expect": {}, "world": ["base-files", "luci"], "installed": ["base-files 1", "luci 1"]
}"#;

const HASH: &str = "613c";

fn content() -> Vec<u8> {
    (0..300_000_u32).map(|i| (i % 251) as u8).collect()
}

fn profile(version: &str, revision: &str) -> Reply {
    let profile = json!({
        "id": "tplink_archer-c7-v2", "target": "ath79/generic", "version_number": version,
        "version_code": revision, "default_packages": ["base-files"],
    });
    Reply::json(200, &profile.to_string())
}

fn waiting() -> Reply {
    let body = json!({"detail": "started", "imagebuilder_status": "init", "request_hash": HASH});
    Reply::json(202, &body.to_string())
}

fn built() -> Reply {
    let sha256 = Sha256::digest(content());
    let sha256: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    let image =
        json!({"name": "a.bin", "sha256": sha256, "type": "sysupgrade", "filesystem": "squashfs"});
    let body = json!({
        "detail": "done", "request_hash": HASH, "bin_dir": HASH, "id": "tplink_archer-c7-v2",
        "target": "ath79/generic", "version_number": "24.10.2", "version_code": "r28739-d9340319c6",
        "images": [image], "manifest": {"base-files": "2", "luci": "2"},
    });
    Reply::json(200, &body.to_string())
}

/// A server that does all it should.
fn good(request: &Request) -> Reply {
    let place = request.path.as_str();
    match place.strip_prefix("/json/v1/releases/").unwrap_or(place) {
        "/json/v1/overview.json" => Reply::recorded("001"),
        "24.10.0/targets/ath79/generic/tplink_archer-c7-v2.json" => {
            profile("24.10.0", "r28427-6df0e3d02a")
        }
        "24.10.2/targets/ath79/generic/tplink_archer-c7-v2.json" => {
            profile("24.10.2", "r28739-d9340319c6")
        }
        "24.10.2/targets/ath79/generic/index.json" => Reply::json(
            200,
            r#"{"architecture": "mips_24kc", "packages": {"base-files": "2"}}"#,
        ),
        "24.10.2/packages/mips_24kc-index.json" => Reply::json(200, r#"{"luci": "2"}"#),
        "/api/v1/build" => waiting(),
        "/api/v1/build/613c" => built(),
        "/store/613c/a.bin" => image(request, content()),
        _ => Reply::json(404, "{}"),
    }
}

/// The whole file, or the rest that is asked for.
fn image(request: &Request, content: Vec<u8>) -> Reply {
    let from = request.header("range").map_or(0, |range| {
        let from = range
            .strip_prefix("bytes=")
            .and_then(|range| range.strip_suffix('-'));
        from.unwrap().parse().unwrap()
    });
    let range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
    match from {
        0 => Reply::with_headers(200, &[], content),
        _ => Reply::with_headers(206, &[("Content-Range", &range)], &content[from..]),
    }
}

/// A part of what a good server would say.
fn cut(reply: Reply, bytes: usize) -> Reply {
    match reply {
        Reply::Raw(mut whole) => {
            whole.truncate(bytes);
            Reply::Raw(whole)
        }
        other => other,
    }
}

fn is(request: &Request, start: &str) -> bool {
    request.path.starts_with(start)
}

type Way = (&'static str, fn(&Request) -> Reply);

/// How a server can be broken.
const WAYS: [Way; 13] = [
    ("closes each connection", |_| Reply::Raw(Vec::new())),
    ("says nothing", |_| Reply::Silence),
    ("a login portal", |_| {
        Reply::new(200, "text/html", "<html>log in</html>")
    }),
    ("overloaded", |_| Reply::json(529, "{}")),
    ("busy for an hour", |request| match is(request, "/api/") {
        true => Reply::with_headers(503, &[("Retry-After", "3600")], "{}"),
        false => good(request),
    }),
    ("half an overview", |request| {
        match is(request, "/json/v1/overview") {
            true => cut(good(request), 700),
            false => good(request),
        }
    }),
    ("does not know the release", |request| {
        match is(request, "/json/v1/releases/24.10.2/targets") {
            true => Reply::json(404, "{}"),
            false => good(request),
        }
    }),
    ("behind the release", |request| match is(request, "/api/") {
        true => {
            let body = json!({
                "detail": "Error: Received incorrect version r28700-0 (requested r28739-d9340319c6)",
                "request_hash": HASH, "imagebuilder_status": "validate_revision", "stdout": "", "stderr": "",
            });
            Reply::json(500, &body.to_string())
        }
        false => good(request),
    }),
    ("down while it builds", |request| {
        match is(request, "/api/v1/build/") {
            true => Reply::Raw(Vec::new()),
            false => good(request),
        }
    }),
    ("forgets each build", |request| {
        match is(request, "/api/v1/build/") {
            true => Reply::json(404, "{}"),
            false => good(request),
        }
    }),
    ("throws each image away", |request| {
        match is(request, "/store/") {
            true => Reply::json(404, "{}"),
            false => good(request),
        }
    }),
    ("a thousand bytes of the image", |request| {
        match is(request, "/store/") {
            true => cut(image(request, content()), 1000),
            false => good(request),
        }
    }),
    ("another image", |request| match is(request, "/store/") {
        true => image(request, vec![7; 300_000]),
        false => good(request),
    }),
];

/// A job for these servers: its last word, and the server and the phases that it told.
fn run(servers: &[String]) -> (Result<Told, Error>, String, Vec<Phase>) {
    let mut inputs: Inputs = Case::read(CASE).inputs();
    inputs.settings.servers = servers.to_vec();
    inputs.choice.poll_interval = Some(1);
    inputs.device.info = DeviceInfo {
        board_name: "tplink,archer-c7-v2".to_owned(),
        target: "ath79/generic".to_owned(),
        arch: "mips_24kc".to_owned(),
        rootfs_type: "squashfs".to_owned(),
        ..DeviceInfo::default()
    };
    let order = Order {
        task: Task::Download,
        inputs,
        upgrade: None,
    };
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("tmp/attended-sysupgrade.job");
    std::fs::create_dir_all(&folder).unwrap();
    let patience = Patience {
        answer: Duration::from_secs(3),
        pause: Duration::from_millis(1),
        ..Patience::default()
    };
    let (mut server, mut phases) = (String::new(), Vec::new());
    let mut tell = |event: &Told| {
        if let Told::Progress(progress) = event {
            server = progress.server.clone().unwrap_or(server.clone());
            phases.extend(progress.phase.filter(|phase| phases.last() != Some(phase)));
        }
        Ok(())
    };
    let paths = Paths::new(root.path(), None);
    let done = perform(&paths, &order, &patience, &mut tell);
    if done.is_ok() {
        let image = std::fs::read(folder.join("firmware.bin")).unwrap();
        assert!(image == content());
    }
    assert!(!folder.join("firmware.part").exists());
    (done, server, phases)
}

#[test]
fn any_two_of_three_may_be_broken_in_any_way() {
    let all: Vec<(usize, usize, usize)> = (0..3)
        .flat_map(|place| (0..WAYS.len()).map(move |one| (place, one)))
        .flat_map(|(place, one)| (0..WAYS.len()).map(move |other| (place, one, other)))
        .collect();
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                while let Some((place, one, other)) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let broken = [*one, *other]
                        .map(|way| StandIn::new(move |request, _| WAYS[way].1(request)));
                    let well = StandIn::new(|request, _| good(request));
                    let mut servers = broken.each_ref().map(StandIn::url).to_vec();
                    servers.insert(*place, well.url());
                    let (done, server, phases) = run(&servers);
                    if !matches!(done, Ok(Told::Image(_))) || server != well.url() {
                        let ways = (WAYS[*one].0, WAYS[*other].0);
                        faults
                            .lock()
                            .unwrap()
                            .push(format!("{place} {ways:?} {phases:?} {:?}", done.err()));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{faults:#?}");
    println!("{} combinations", all.len());
}

#[test]
fn where_all_are_broken_the_first_that_says_something_is_heard() {
    let portal = StandIn::new(|request, _| WAYS[2].1(request));
    let busy = StandIn::new(|request, _| WAYS[3].1(request));
    let away = StandIn::new(|request, _| WAYS[0].1(request));
    let (done, _, phases) = run(&[away.url(), portal.url(), busy.url()]);
    let error = done.unwrap_err();
    assert_eq!(error.kind, Kind::Server, "{error:?}");
    assert!(error.message.contains("web page"), "{error:?}");
    for server in [&away, &portal, &busy] {
        assert!(error.detail.contains(&server.url()), "{error:?}");
    }
    assert_eq!(phases, [Phase::Checking]);
    let error = run(&[away.url(), busy.url()]).0.unwrap_err();
    assert_eq!(error.kind, Kind::Overloaded, "{error:?}");
    assert_eq!(error.retry_after, None);
    // Whoever asks again asks the one that is busy for an hour, too.
    let hour = StandIn::new(|request, _| WAYS[4].1(request));
    let error = run(&[hour.url(), away.url()]).0.unwrap_err();
    assert_eq!(error.retry_after, Some(3600), "{error:?}");
}

#[test]
fn an_image_that_was_thrown_away_is_asked_for_once_more() {
    let server = StandIn::new(|request, before| match request.path.as_str() {
        "/store/613c/a.bin" if before < 9 => Reply::json(404, "{}"),
        _ => good(request),
    });
    let (done, _, phases) = run(&[server.url()]);
    assert!(done.is_ok(), "{:?}", done.err());
    let lines = server.lines();
    let posts = lines.iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(posts, 2, "{lines:#?}");
    assert_eq!(
        phases,
        [
            Phase::Checking,
            Phase::Requesting,
            Phase::Building,
            Phase::Requesting,
            Phase::Building,
            Phase::Downloading,
        ]
    );
}
