//! Broken and hostile upgrade servers before a real daemon: what its owner gets to read, and that
//! nothing is left behind.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::Phase;
use asu::error::Kind;
use common::faults::{error, Case, Site, ANSWER, BUILD, IMAGE, INDEX, OVERVIEW};
use common::proxy::{Reply, Response};
use common::*;
use sandbox::Router;
use serde_json::{json, Value};

/// The finished build with something else in it.
fn altered(server: &dyn Fn() -> Response, alter: fn(&mut Value)) -> Reply {
    let response = server();
    assert_eq!(response.status(), 200, "it is not built yet");
    let mut build = response.json();
    alter(&mut build);
    Reply::json(200, &build)
}

/// The image with another length, and so many more bytes.
fn with_length(server: &dyn Fn() -> Response, length: u64, more: usize) -> Reply {
    let response = server();
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend(response.body());
    bytes.extend(vec![0; more]);
    Reply::Raw(bytes)
}

#[test]
fn a_server_that_refuses() {
    Site::new().judge_all(&[
        Case {
            name: "400",
            place: BUILD,
            fault: |_| Reply::json(400, &json!({"detail": "Unsupported profile: tplink_x", "status": 400})),
            kind: Kind::Unsupported,
            code: 4,
            words: "Unsupported profile: tplink_x",
        },
        Case {
            name: "422, a list",
            place: BUILD,
            fault: |_| {
                let complaint = json!({"loc": ["body", "packages", 0], "msg": "String should match pattern", "type": "x"});
                Reply::json(422, &json!({"detail": [complaint]}))
            },
            kind: Kind::Packages,
            code: 4,
            words: "packages.0: String should match pattern",
        },
        Case {
            name: "422, a list about something else",
            place: BUILD,
            fault: |_| {
                let complaint = json!({"loc": ["body", "version"], "msg": "Field required", "type": "missing"});
                Reply::json(422, &json!({"detail": [complaint]}))
            },
            kind: Kind::Unsupported,
            code: 4,
            words: "version: Field required",
        },
        Case {
            name: "500 with stderr",
            place: ANSWER,
            fault: |_| {
                Reply::json(500, &json!({
                    "detail": "Error: Impossible package selection: unable to select packages", "status": 500,
                    "request_hash": "0123456789abcdef", "stdout": "", "stderr": "luci-x (no such package)",
                }))
            },
            kind: Kind::Packages,
            code: 4,
            words: "Remove the packages",
        },
        Case {
            name: "500, the build",
            place: ANSWER,
            fault: |_| {
                Reply::json(500, &json!({
                    "detail": "Error: make: *** [Makefile:1] Error 2", "status": 500,
                    "request_hash": "0123456789abcdef", "stdout": "", "stderr": "disk full",
                }))
            },
            kind: Kind::Build,
            code: 4,
            words: "could not build the image",
        },
        Case {
            name: "500 as plain text",
            place: BUILD,
            fault: |_| Reply::text(500, "text/plain", "Internal Server Error"),
            kind: Kind::Server,
            code: 3,
            words: "(500)",
        },
        Case {
            name: "529 without a reason phrase",
            place: BUILD,
            fault: |_| Reply::json(529, &json!({"detail": "server overload, queue contains too many build specs", "status": 529})),
            kind: Kind::Overloaded,
            code: 3,
            words: "Try again later",
        },
    ]);
}

#[test]
fn what_the_imagebuilder_said_goes_with_the_error() {
    let site = Site::new();
    site.proxy.set(|request, _| match ANSWER(request) {
        true => Reply::json(
            500,
            &json!({"detail": "Error", "request_hash": "00", "stdout": "out", "stderr": "collect2: \u{1b}[31merror"}),
        ),
        false => Reply::Pass,
    });
    start_download(&site.router);
    let error = error(&wait_phase(&site.router, Phase::Failed));
    assert_eq!(error.detail, "out\ncollect2:  [31merror");
    let ended = asu(&site.router, &["download"]);
    assert!(ended.stderr.contains("collect2"), "{ended:?}");
}

#[test]
fn a_server_that_talks_nonsense() {
    Site::new().judge_all(&[
        Case {
            name: "HTML",
            place: OVERVIEW,
            fault: |_| Reply::text(200, "text/html", "<html>Please log in</html>"),
            kind: Kind::Server,
            code: 3,
            words: "web page",
        },
        Case {
            name: "HTML of a build",
            place: BUILD,
            fault: |_| Reply::text(200, "text/html", "<html>Please log in</html>"),
            kind: Kind::Server,
            code: 3,
            words: "web page",
        },
        Case {
            name: "a body that stops half way",
            place: OVERVIEW,
            fault: |server| Reply::Raw(server().half()),
            kind: Kind::Offline,
            code: 3,
            words: "in the middle",
        },
        Case {
            name: "an index that stops half way",
            place: INDEX,
            fault: |server| Reply::Raw(server().half()),
            kind: Kind::Offline,
            code: 3,
            words: "in the middle",
        },
        Case {
            name: "an endless body",
            place: OVERVIEW,
            fault: |_| {
                let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"branches\":{".to_vec();
                Reply::Endless(head, b"\"a\":1,".repeat(10_000))
            },
            kind: Kind::Server,
            code: 3,
            words: "more than 65536 parts",
        },
        Case {
            name: "an endless text",
            place: BUILD,
            fault: |_| {
                let head = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n\r\n{\"detail\":\"".to_vec();
                Reply::Endless(head, vec![b'x'; 60_000])
            },
            kind: Kind::Server,
            code: 3,
            words: "longer than",
        },
        Case {
            name: "JSON 10,000 deep",
            place: ANSWER,
            fault: |_| {
                let deep = "[".repeat(10_000) + &"]".repeat(10_000);
                Reply::text(200, "application/json", &format!("{{\"x\":{deep}}}"))
            },
            kind: Kind::Server,
            code: 3,
            words: "nested too deeply",
        },
    ]);
}

#[test]
fn a_server_with_the_wrong_image() {
    Site::new().judge_all(&[
        Case {
            name: "larger than announced",
            place: IMAGE,
            fault: |server| {
                let size = u64::try_from(server().body().len()).unwrap();
                with_length(server, size + 100, 100)
            },
            kind: Kind::Checksum,
            code: 5,
            words: "SHA-256",
        },
        Case {
            name: "larger than the router",
            place: IMAGE,
            fault: |server| with_length(server, 1 << 40, 0),
            kind: Kind::Memory,
            code: 6,
            words: "not enough memory",
        },
        Case {
            name: "a file name that leads elsewhere",
            place: ANSWER,
            fault: |server| altered(server, |build| rename(build, "../../etc/passwd")),
            kind: Kind::Server,
            code: 3,
            words: "file name",
        },
        Case {
            name: "a file name with a slash",
            place: ANSWER,
            fault: |server| altered(server, |build| rename(build, "x/sysupgrade.bin")),
            kind: Kind::Server,
            code: 3,
            words: "file name",
        },
        Case {
            name: "a folder that leads elsewhere",
            place: ANSWER,
            fault: |server| altered(server, |build| build["bin_dir"] = json!("../..")),
            kind: Kind::Server,
            code: 3,
            words: "bin_dir",
        },
        Case {
            name: "an image for another device",
            place: ANSWER,
            fault: |server| altered(server, |build| build["id"] = json!("tplink_archer-c5-v1")),
            kind: Kind::Mismatch,
            code: 5,
            words: "tplink_archer-c5-v1",
        },
    ]);
}

fn rename(build: &mut Value, name: &str) {
    for image in build["images"].as_array_mut().unwrap() {
        image["name"] = json!(name);
    }
}

#[test]
fn nobody_listens() {
    // Bound and given back: the port is free.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let router = router(&url, None);
    start_download(&router);
    let error = error(&wait_phase(&router, Phase::Failed));
    assert_eq!(error.kind, Kind::Offline, "{error:?}");
    asu(&router, &["download"]).refused(3, "can't be reached");
    asu(&router, &["check"]).refused(3, "Is the router online?");
    asu(&router, &["versions"]).refused(3, "can't be reached");
    nothing_left(&router);
}

#[test]
fn the_next_server_is_asked_where_the_first_is_down() {
    let world = world();
    let router = Router::start(&sandbox::Options {
        servers: vec!["http://127.0.0.1:9".to_owned(), world.url()],
        ..options(&world.url())
    })
    .unwrap();
    start_download(&router);
    let job = wait_phase(&router, Phase::Ready).job.unwrap();
    assert_eq!(job.server, world.url());
}

#[test]
fn a_server_that_was_restarted_is_asked_again() {
    let mut site = Site::new();
    // Another request than the one that was built already, so that the server has work to do.
    site.proxy.set(|request, server| {
        if request.is_build() {
            let mut waiting = server().json();
            waiting["detail"] = json!("queued");
            return Reply::json(202, &waiting);
        }
        match request.is_poll() {
            true => Reply::Hold,
            false => Reply::Pass,
        }
    });
    let before = site.proxy.lines().len();
    start(&site.router, json!({"goal": "download", "add": ["htop"]}));
    wait_phase(&site.router, Phase::Queued);
    site.world.restart().unwrap();
    site.proxy.pass();
    let job = wait_phase(&site.router, Phase::Ready).job.unwrap();
    assert!(job.error.is_none());
    let lines = site.proxy.lines().split_off(before);
    let asked = lines.iter().filter(|line| *line == "POST /api/v1/build");
    assert_eq!(asked.count(), 2, "{lines:?}");
}

#[test]
fn states_that_nobody_has_heard_of_are_shown_as_they_are() {
    let site = Site::new();
    for (answer, shown) in [
        (
            json!({"detail": "frobnicating", "request_hash": "00"}),
            "frobnicating",
        ),
        (
            json!({"detail": "started", "imagebuilder_status": "polishing_image", "request_hash": "00"}),
            "polishing_image",
        ),
        (
            json!({"detail": "moon\u{1b}[2J\u{202e}", "request_hash": "00"}),
            "moon [2J\u{fffd}",
        ),
    ] {
        site.proxy.set(move |request, _| match ANSWER(request) {
            true => Reply::json(202, &answer),
            false => Reply::Pass,
        });
        start_download(&site.router);
        let job = wait_phase(&site.router, Phase::Building).job.unwrap();
        assert_eq!(job.detail, shown);
        let status = asu(&site.router, &["status"]);
        assert!(status.stdout.contains(shown), "{status:?}");
        let cancelled: Value = call(&site.router, "cancel", json!({})).unwrap();
        assert_eq!(cancelled["cancelled"], true);
        nothing_left(&site.router);
    }
}
