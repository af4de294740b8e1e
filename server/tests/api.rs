//! What this server answers beyond the public one, and how it holds out.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

mod common;

use common::world::{go, World};
use common::{finish, get, poll, post, send};
use serde_json::{json, Value};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const JSON: [(&str, &str); 2] = [
    ("Content-Type", "application/json"),
    ("User-Agent", "test/1.0"),
];

fn request(packages: &[&str]) -> Value {
    json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink,archer-c7-v2", "packages": packages,
        "client": "test/1.0"})
}

fn prepare(world: &World, request: &Value) -> common::Answer {
    let body = request.to_string();
    send(
        world.addr(),
        "POST",
        "/api/v1/build/prepare",
        &JSON,
        body.as_bytes(),
    )
}

/// A page of another server, a router's, may ask and read the answer.
#[test]
fn browsers_may_ask() {
    let world = World::new(|config| config.workers = 0);
    let ask = [
        ("Origin", "http://192.168.1.1"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
        ("Access-Control-Request-Private-Network", "true"),
    ];
    let before = send(world.addr(), "OPTIONS", "/api/v1/build", &ask, &[]);
    assert_eq!((before.status, before.body.len()), (204, 0));
    let expected = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "POST"),
        ("access-control-allow-headers", "Content-Type"),
        ("access-control-allow-private-network", "true"),
    ];
    for (name, value) in expected {
        assert_eq!(before.header(name), Some(value), "{name}");
    }
    let paths = [
        "/json/v1/overview.json",
        "/api/v1/build/x",
        "/store/x/y",
        "/nosuch",
    ];
    for path in paths {
        let answer = get(world.addr(), path);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("*"),
            "{path}"
        );
    }
    let posted = post(world.addr(), &request(&[]));
    let exposed = posted
        .header("access-control-expose-headers")
        .expect("header");
    assert!(exposed.contains("X-Queue-Position"), "{exposed}");
}

/// What was prepared is what is built, and is found again under the hash that was told.
#[test]
fn prepared_and_built() {
    let world = World::new(|_| {});
    let mut asked = request(&["auc", "luci-app-diag-core", "tmux"]);
    asked["from_version"] = json!("22.03.5");
    let prepared = prepare(&world, &asked);
    assert_eq!(prepared.status, 200, "{prepared:?}");
    let prepared = prepared.json();
    assert_eq!(
        prepared["original_packages"],
        json!(["auc", "luci-app-diag-core", "tmux"])
    );
    assert_eq!(prepared["resolved_packages"], json!(["tmux", "owut"]));
    assert_eq!(prepared["cache_available"], json!(false));
    let changes = prepared["changes"].as_array().expect("changes");
    let of = |action: &str| {
        changes
            .iter()
            .find(|change| change["action"] == action)
            .expect("change")
    };
    assert_eq!(
        (&of("replace")["from_package"], &of("replace")["to_package"]),
        (&json!("auc"), &json!("owut"))
    );
    assert_eq!(of("remove")["package"], "luci-app-diag-core");
    assert!(of("remove")["reason"].is_string());

    let body = prepared["prepared_request"].to_string();
    let path = "/api/v1/build?skip_package_resolution=true";
    let posted = send(world.addr(), "POST", path, &JSON, body.as_bytes());
    assert_eq!(posted.status, 202, "{posted:?}");
    assert_eq!(posted.json()["request_hash"], prepared["request_hash"]);
    let done = finish(world.addr(), &posted);
    assert!(done.json()["manifest"].get("owut").is_some(), "{done:?}");
    let again = prepare(&world, &asked).json();
    assert_eq!(again["cache_available"], json!(true));
}

/// Who wants a package that the server would replace gets it, as a build of its own.
#[test]
fn exactly_these_packages() {
    let world = World::new(|_| {});
    let body = request(&["auc"]).to_string();
    let path = |skip: &str| format!("/api/v1/build?skip_package_resolution={skip}");
    let ask = |skip: &str| send(world.addr(), "POST", &path(skip), &JSON, body.as_bytes());
    let plain = finish(world.addr(), &ask("false")).json();
    assert!(plain["manifest"].get("owut").is_some(), "{plain}");
    let exact = finish(world.addr(), &ask("true")).json();
    assert_ne!(exact["request_hash"], plain["request_hash"]);
    assert!(exact["manifest"].get("owut").is_none(), "{exact}");
    assert_eq!(ask("perhaps").status, 422);
}

#[test]
fn preparing_refuses_what_building_refuses() {
    let world = World::new(|config| config.workers = 0);
    let mut wrong = request(&[]);
    wrong["profile"] = json!("nosuch");
    assert_eq!(prepare(&world, &wrong).status, 400);
    wrong["profile"] = json!("a b");
    assert_eq!(prepare(&world, &wrong).status, 422);
    for version in [json!("$(x)"), json!(1), json!(["24.10.2"])] {
        let mut wrong = request(&[]);
        wrong["from_version"] = version;
        assert_eq!(prepare(&world, &wrong).status, 422, "{wrong}");
    }
    assert_eq!(
        send(world.addr(), "GET", "/api/v1/build/prepare", &[], &[]).status,
        405
    );
}

/// Only who runs the server deletes, and then the files are gone too.
#[test]
fn deleting_a_build() {
    let world = World::new(|config| config.admin_token = Some("secret".to_owned()));
    let done = finish(world.addr(), &post(world.addr(), &request(&["tmux"]))).json();
    let hash = done["request_hash"].as_str().expect("hash").to_owned();
    let path = format!("/api/v1/build/{hash}");
    let delete = |token: &str| {
        send(
            world.addr(),
            "DELETE",
            &path,
            &[("Authorization", token)],
            &[],
        )
        .status
    };
    for token in ["", "secret", "Bearer ", "Bearer secre", "Bearer secret2"] {
        assert_eq!(delete(token), 403, "{token}");
    }
    assert!(world.store().join(&hash).is_dir());
    assert_eq!(delete("Bearer secret"), 200);
    assert!(!world.store().join(&hash).exists());
    assert_eq!(get(world.addr(), &path).status, 404);
    assert_eq!(delete("Bearer secret"), 404);
    let closed = World::new(|config| config.workers = 0);
    let answer = send(
        closed.addr(),
        "DELETE",
        &path,
        &[("Authorization", "Bearer ")],
        &[],
    );
    assert_eq!(answer.status, 403);
}

/// A restart of the server forgets neither what was built nor what was asked for.
#[test]
fn a_restart() {
    let jobs = tempfile::tempdir().expect("temporary folder");
    let world = World::new(|config| config.state = Some(jobs.path().to_owned()));
    let done = finish(world.addr(), &post(world.addr(), &request(&["tmux"])));
    let builder = world.hold("24.10.2", "ath79/generic");
    let running = post(world.addr(), &request(&["luci"]));
    poll(
        world.addr(),
        running.json()["request_hash"].as_str().expect("hash"),
        |answer| answer.header("x-imagebuilder-status") == Some("container_setup"),
    );
    let waiting = post(world.addr(), &request(&["luci", "tmux"]));
    assert_eq!(waiting.json()["detail"], "queued");
    let (store, builders) = (world.store(), world.dir.path().join("imagebuilders"));
    let World { server, site, dir } = world;
    server.shutdown();
    // A build that nobody knows any more, and one that was not finished.
    let orphans = ["0".repeat(64), format!(".{}.bin", "0".repeat(64))].map(|name| store.join(name));
    for orphan in &orphans {
        std::fs::create_dir(orphan).expect("folder");
    }
    let mut config = asu_server::Config::new(&site.url(), &store, builders);
    config.state = Some(jobs.path().to_owned());
    let server = asu_server::start(config).expect("server");
    let remembered = get(
        server.addr,
        &format!(
            "/api/v1/build/{}",
            done.json()["request_hash"].as_str().expect("hash")
        ),
    );
    assert_eq!((remembered.status, remembered.body), (200, done.body));
    assert!(orphans.iter().all(|orphan| !orphan.exists()));
    for step in ["info", "manifest", "image"] {
        go(&builder, step);
    }
    for posted in [running, waiting] {
        assert_eq!(finish(server.addr, &posted).status, 200);
    }
    drop(dir);
}

/// Reads all that the server sends until it closes the connection.
fn rest(mut stream: TcpStream) -> String {
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("time-out");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the server closes");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Who sends slowly, or not at all, gives his place back.
#[test]
fn slow_clients() {
    let world = World::new(|config| {
        config.workers = 0;
        config.max_connections = 2;
        config.patience = Duration::from_millis(200);
    });
    let mut head = TcpStream::connect(world.addr()).expect("connection");
    head.write_all(b"GET /api/v1/stats HT")
        .expect("half a head");
    let mut body = TcpStream::connect(world.addr()).expect("connection");
    body.write_all(b"POST /api/v1/build HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        .expect("half a body");
    // There is no room for a third; it is served when the others had their time.
    assert_eq!(get(world.addr(), "/api/v1/stats").status, 200);
    let answer = rest(body);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    rest(head);
}

/// Bodies whose announced length is too much are not even read.
#[test]
fn a_hundred_megabytes() {
    let world = World::new(|config| config.workers = 0);
    let mut stream = TcpStream::connect(world.addr()).expect("connection");
    stream
        .write_all(b"POST /api/v1/build HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 104857600\r\n\r\n{")
        .expect("head");
    let answer = rest(stream);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // In pieces without an announcement.
    let mut stream = TcpStream::connect(world.addr()).expect("connection");
    stream
        .write_all(b"POST /api/v1/build HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        .expect("head");
    let piece = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 1600 && stream.write_all(&piece).is_ok() {
        sent += 1;
    }
    assert!(sent < 1600, "the server read all of it");
}

/// Newer packages of the running release, a newer release, and nothing at all, each in a small answer.
#[test]
fn is_there_something_newer() {
    let world = World::new(|_| {});
    let ask = |query: &str| get(world.addr(), &format!("/api/v1/update?{query}"));
    let current = ask("version=24.10.2&target=ath79/generic&packages=busybox:0.1,nosuch:1,mtd:999");
    assert_eq!(current.status, 200, "{current:?}");
    let answer = current.json();
    assert_eq!(
        (&answer["version"], &answer["newer"]),
        (&json!("24.10.2"), &json!(false))
    );
    let packages = answer["packages"].as_object().expect("packages");
    assert_eq!(packages.keys().collect::<Vec<_>>(), ["busybox"]);
    assert!(answer["revision"]
        .as_str()
        .expect("revision")
        .starts_with('r'));
    let index = "/json/v1/releases/24.10.2/packages/mips_24kc-index.json";
    assert_eq!(
        packages["busybox"],
        get(world.addr(), index).json()["busybox"]
    );
    // A name alone asks for whatever there is.
    let named = ask("version=24.10.2&target=ath79/generic&packages=nosuch,busybox,mtd:999").json();
    assert_eq!(named["packages"], answer["packages"]);
    // What is offered is not newer than itself.
    let same = format!(
        "version=24.10.2&target=ath79/generic&packages=busybox:{}",
        packages["busybox"].as_str().expect("version")
    );
    assert_eq!(ask(&same).json()["packages"], json!({}));

    let old = ask("version=24.10.0&target=ath79%2Fgeneric&packages=busybox:0.1").json();
    assert_eq!(
        (&old["version"], &old["newer"], &old["packages"]),
        (&json!("24.10.2"), &json!(true), &Value::Null)
    );
    let rebuilt = ask("version=24.10.2&target=ath79/generic&revision=r1-0").json();
    assert_eq!(rebuilt["newer"], json!(true));
    for wrong in [
        "",
        "version=24.10.2",
        "version=1.2.3&target=x/y",
        "version=24.10.2&target=x/y",
        "version=24.10.2&target=ath79/generic&packages=busybox,",
        "version=%ff&target=ath79/generic",
    ] {
        assert_eq!(ask(wrong).status, 400, "{wrong}");
    }
}

/// Where routers shall read the indexes, a web server before this one can keep those.
#[test]
fn an_operator_who_prefers_indexes() {
    for offered in [true, false] {
        let world = World::new(|config| config.update = offered);
        let overview = get(world.addr(), "/json/v1/overview.json").json();
        assert_eq!(overview["server"]["update"], json!(offered));
        let answer = get(
            world.addr(),
            "/api/v1/update?version=24.10.2&target=ath79/generic",
        );
        assert_eq!(answer.status, if offered { 200 } else { 404 });
    }
}

/// Each voice counts once.
#[test]
fn reports_and_statistics() {
    let world = World::new(|_| {});
    let done = finish(world.addr(), &post(world.addr(), &request(&["tmux"]))).json();
    assert_eq!(post(world.addr(), &request(&["tmux"])).status, 200);
    assert_eq!(
        finish(world.addr(), &post(world.addr(), &request(&["nosuch"]))).status,
        500
    );
    let told = |result: &str, target: &str| {
        let release = |version| json!({"version": version, "revision": "r1-0"});
        json!({
            "from": release("24.10.0"), "to": release("24.10.2"), "target": target, "profile": "generic", "result": result,
        })
    };
    let report = |body: Value| {
        send(
            world.addr(),
            "POST",
            "/api/v1/report",
            &JSON,
            body.to_string().as_bytes(),
        )
        .status
    };
    let hash = &done["request_hash"];
    for (body, status) in [
        (json!({"request_hash": hash, "result": "good"}), 200),
        (json!({"request_hash": hash, "result": "good"}), 200),
        (json!({"request_hash": hash, "result": "so so"}), 400),
        (json!({"request_hash": 1, "result": "bad"}), 400),
        (
            json!({"request_hash": "0".repeat(64), "result": "bad"}),
            404,
        ),
        (json!([]), 400),
        // As the agent tells it, which names no request.
        (told("confirmed", "x86/64"), 200),
        (told("confirmed", "x86/64"), 200),
        (told("differs", "x86/64"), 200),
        (told("not-applied", "x86/64"), 400),
        (told("confirmed", "a b"), 400),
    ] {
        assert_eq!(report(body.clone()), status, "{body}");
    }
    let metrics = String::from_utf8(get(world.addr(), "/metrics").body).expect("text");
    let figures = [
        "asu_requests_total 3",
        "asu_cache_total{result=\"hit\"} 1",
        "asu_builds_total{result=\"success\"} 1",
        "asu_builds_total{result=\"failure\"} 1",
        "asu_reports_total{result=\"good\"} 2",
        "asu_reports_total{result=\"bad\"} 1",
        "asu_queue_length 0",
    ];
    for figure in figures {
        assert!(
            metrics.lines().any(|line| line == figure),
            "{figure}: {metrics}"
        );
    }
    let top = get(world.addr(), "/api/v1/top-packages?branch=24.10&n=5").json();
    assert_eq!(top["packages"], json!([{"name": "tmux", "count": 1}]));
    assert_eq!(
        get(world.addr(), "/api/v1/top-packages?branch=25.12").json()["packages"],
        json!([])
    );
    let weeks = get(world.addr(), "/api/v1/builds-by-version").json();
    assert_eq!(
        (
            &weeks["datasets"][0]["label"],
            &weeks["datasets"][0]["data"][25]
        ),
        (&json!("24.10"), &json!(1))
    );
    let weeks = get(world.addr(), "/api/v1/builds-by-version?branch=24.10").json();
    assert_eq!(weeks["datasets"][0]["label"], "24.10.2");
    let summary = get(world.addr(), "/api/v1/stats/summary").json();
    assert_eq!(summary, json!({"queue_length": 0, "builds_24h": 1}));
    let failures = String::from_utf8(get(world.addr(), "/api/v1/build-errors").body).expect("text");
    assert!(
        failures.starts_with("Build Errors: 1 entries\n"),
        "{failures}"
    );
    assert!(failures.ends_with(" 24.10.2:ath79/generic:tplink_archer-c7-v2 Error: Impossible package selection: missing (nosuch)"), "{failures}");
}

/// The description names every address there is, and its page shows it without a script.
#[test]
fn the_interface_is_described() {
    let world = World::new(|config| config.workers = 0);
    let described = get(world.addr(), "/openapi.json").json();
    for path in described["paths"].as_object().expect("paths").keys() {
        let path = path.split('{').next().expect("start").to_owned();
        let fixed = !path.ends_with('/');
        if fixed {
            assert_ne!(get(world.addr(), &path).status, 404, "{path}");
        }
    }
    let page = get(world.addr(), "/docs");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(page
        .header("content-security-policy")
        .expect("policy")
        .starts_with("default-src 'none'"));
    let html = String::from_utf8(page.body).expect("text");
    assert!(
        html.contains("<code>POST /api/v1/build/prepare</code>")
            && html.contains("skip_package_resolution")
    );
    assert_eq!(
        get(world.addr(), "/style.css").header("content-type"),
        Some("text/css; charset=utf-8")
    );
}
