//! What a broken, hostile or merely unwilling server does, and what the router's owner reads.
#![allow(clippy::unwrap_used)]

#[path = "common/stand_in.rs"]
mod stand_in;

use asu::api::RequestBody;
use asu::error::{Error, Kind};
use asu::server::{self, Client, Options, Patience};
use asu::sorted::Names;
use stand_in::{Reply, StandIn};
use std::net::TcpListener;
use std::time::Duration;

type Call = fn(&Client) -> Result<(), server::Error>;

fn overview(client: &Client) -> Result<(), server::Error> {
    client.overview().map(drop)
}

fn profile(client: &Client) -> Result<(), server::Error> {
    client.profile("snapshots", "x/y", "z").map(drop)
}

fn index(client: &Client) -> Result<(), server::Error> {
    client
        .versions_of("snapshots", "x/y", "z", &Names::from_iter(["a"]))
        .map(drop)
}

fn post(client: &Client) -> Result<(), server::Error> {
    client.request_build(&RequestBody::default()).map(drop)
}

fn poll(client: &Client) -> Result<(), server::Error> {
    client.build_state("613c").map(drop)
}

fn image(client: &Client) -> Result<(), server::Error> {
    client.open_image("613c", "a.bin", 0, None).map(drop)
}

/// The error of a call as the job tells it.
fn told(reply: Reply, call: Call) -> Error {
    // Only who says nothing is given up at once; the others may be slow on a busy machine.
    let answer = match reply {
        Reply::Silence => Duration::from_millis(100),
        _ => Patience::default().answer,
    };
    let patience = Patience {
        answer,
        ..Patience::default()
    };
    let server = StandIn::always(reply);
    let client = Client::with_patience(&server.url(), &Options::default(), patience).unwrap();
    let error = call(&client).unwrap_err();
    // No sentence moves the cursor or fills the screen, whatever the server says.
    let sentence = error.to_string();
    assert!(!sentence.chars().any(char::is_control), "{sentence:?}");
    assert!(sentence.chars().count() < 800, "{sentence}");
    error.into()
}

fn raw(text: impl Into<Vec<u8>>) -> Reply {
    Reply::Raw(text.into())
}

const JSON_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

#[test]
fn each_trouble_has_its_kind_and_its_words() {
    let endless = |start: &str, more: &str| {
        Reply::Endless(
            format!("{JSON_HEAD}\r\n{start}").into_bytes(),
            more.repeat(4096).into_bytes(),
        )
    };
    let deep = "[".repeat(10_000);
    let cases: Vec<(&str, Call, Reply, Kind, &str)> = vec![
        (
            "400",
            post,
            Reply::recorded("041"),
            Kind::Unsupported,
            "Unsupported profile: nosuch_router.",
        ),
        (
            "400, a feed",
            post,
            Reply::recorded("046"),
            Kind::Unsupported,
            "Repository not allowed: https://example.org/feed. Go on without them (no --feeds",
        ),
        (
            "422 as a list",
            post,
            Reply::recorded("050"),
            Kind::Packages,
            "packages.0: String should match pattern",
        ),
        (
            "422 about something else",
            post,
            Reply::json(
                422,
                r#"{"detail":[{"loc":["body","rootfs_size_mb"],"msg":"too large","input":2000}]}"#,
            ),
            Kind::Unsupported,
            "rootfs_size_mb: too large.",
        ),
        (
            "422 of 0.7.20",
            post,
            Reply::json(
                422,
                r#"{"detail":"Unsupported package(s): foo, bar","status":422}"#,
            ),
            Kind::Packages,
            "Unsupported package(s): foo, bar.",
        ),
        (
            "404 on the hash",
            poll,
            Reply::recorded("035"),
            Kind::Server,
            "has forgotten",
        ),
        (
            "404 on the image",
            image,
            Reply::json(404, "{}"),
            Kind::Server,
            "has forgotten",
        ),
        (
            "500, missing",
            poll,
            Reply::recorded("124"),
            Kind::Packages,
            "missing (no-such-package).",
        ),
        (
            "500, missing, apk",
            poll,
            Reply::recorded("125"),
            Kind::Packages,
            "other-missing",
        ),
        (
            "500, another revision",
            poll,
            Reply::recorded("128"),
            Kind::Mismatch,
            "Received incorrect version",
        ),
        (
            "500, another version",
            poll,
            Reply::json(
                500,
                r#"{"detail":"Error: Impossible package selection: a version not as requested: 1 vs. 2","request_hash":"613c"}"#,
            ),
            Kind::Mismatch,
            "Try again in a few minutes.",
        ),
        (
            "500, too big",
            poll,
            Reply::json(
                500,
                r#"{"detail":"Error: Selected packages exceed device storage","imagebuilder_status":"failed"}"#,
            ),
            Kind::Build,
            "would not fit into the device's flash",
        ),
        (
            "500 with stderr",
            poll,
            Reply::recorded("131"),
            Kind::Build,
            "Error while building firmware",
        ),
        (
            "500 without a container",
            poll,
            Reply::recorded("132"),
            Kind::Build,
            "could not build the image",
        ),
        (
            "500 as text",
            post,
            Reply::recorded("063"),
            Kind::Server,
            "answered with an error (500)",
        ),
        (
            "500 as text, overview",
            overview,
            Reply::recorded("063"),
            Kind::Server,
            "(500)",
        ),
        (
            "500 as a web page",
            overview,
            Reply::new(500, "text/html", "<h1>Oops"),
            Kind::Server,
            "(500)",
        ),
        (
            "403",
            overview,
            Reply::json(403, r#"{"detail":"Go away"}"#),
            Kind::Server,
            "(403): Go away.",
        ),
        (
            "405",
            post,
            Reply::json(405, r#"{"detail":"Method Not Allowed"}"#),
            Kind::Server,
            "(405): Method Not Allowed.",
        ),
        (
            "529",
            post,
            Reply::json(529, r#"{"detail":"server overload"}"#),
            Kind::Overloaded,
            "Try again later.",
        ),
        (
            "503 with a time",
            post,
            Reply::with_headers(503, &[("Retry-After", "90")], ""),
            Kind::Overloaded,
            "Try again in 2 minutes.",
        ),
        (
            "429",
            poll,
            Reply::new(429, "text/html", "<h1>Slow down"),
            Kind::Overloaded,
            "Try again later.",
        ),
        (
            "a web page",
            overview,
            Reply::new(200, "text/html", "<html>Log in!"),
            Kind::Server,
            "login portal",
        ),
        (
            "a web page as JSON",
            overview,
            Reply::json(200, "\n<!doctype html>"),
            Kind::Server,
            "login portal",
        ),
        (
            "a web page as index",
            index,
            Reply::json(200, "<!doctype html>"),
            Kind::Server,
            "login portal",
        ),
        (
            "a web page as image",
            image,
            Reply::new(200, "text/html", "<html>"),
            Kind::Server,
            "login portal",
        ),
        (
            "a web page for a build",
            post,
            Reply::new(200, "text/html", "<html>"),
            Kind::Server,
            "login portal",
        ),
        (
            "a page that is not there",
            overview,
            Reply::new(404, "text/html", "<html>"),
            Kind::Server,
            "login portal",
        ),
        (
            "511",
            overview,
            Reply::new(511, "text/plain", "x"),
            Kind::Server,
            "login portal",
        ),
        (
            "not JSON",
            overview,
            Reply::json(200, "Hello"),
            Kind::Server,
            "can't be understood",
        ),
        (
            "other JSON",
            poll,
            Reply::json(200, r#"{"detail":"done"}"#),
            Kind::Server,
            "missing field",
        ),
        (
            "a list for a profile",
            profile,
            Reply::json(200, "[]"),
            Kind::Server,
            "can't be understood",
        ),
        (
            "a number for a state",
            poll,
            Reply::json(202, r#"{"detail":7}"#),
            Kind::Server,
            "can't be understood",
        ),
        (
            "bad UTF-8",
            overview,
            Reply::new(200, "application/json", b"{\"branches\":\"\xff\"}"),
            Kind::Server,
            "understood",
        ),
        (
            "not HTTP",
            overview,
            raw("SSH-2.0-dropbear\r\n"),
            Kind::Server,
            "What answers is no upgrade server",
        ),
        (
            "nothing at all",
            overview,
            raw(""),
            Kind::Offline,
            "closed without an answer",
        ),
        (
            "silence",
            overview,
            Reply::Silence,
            Kind::Offline,
            "does not answer",
        ),
        (
            "a body that stops",
            overview,
            raw(format!("{JSON_HEAD}Content-Length: 100\r\n\r\n{{\"bran")),
            Kind::Offline,
            "ended in the middle",
        ),
        (
            "an index that stops",
            index,
            raw(format!(
                "{JSON_HEAD}Content-Length: 100\r\n\r\n{{\"packages\":{{"
            )),
            Kind::Offline,
            "ended in the middle",
        ),
        (
            "bad chunks",
            overview,
            raw(format!(
                "{JSON_HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n"
            )),
            Kind::Server,
            "no upgrade server",
        ),
        (
            "an endless body",
            overview,
            endless("{\"x\":[", "1234567890,                              "),
            Kind::Server,
            "longer than 2048 KiB",
        ),
        (
            "an endless list",
            overview,
            endless("{\"x\":[", "1,"),
            Kind::Server,
            "more than 65536 parts",
        ),
        (
            "an endless string",
            overview,
            endless("{\"x\":\"", "a"),
            Kind::Server,
            "longer than 64 KiB",
        ),
        (
            "an endless log",
            poll,
            endless("{\"stdout\":\"", "a"),
            Kind::Server,
            "longer than 2048 KiB",
        ),
        (
            "an endless index",
            index,
            endless("{\"packages\":{", "\"a\":\"1\","),
            Kind::Server,
            "longer than 16384 KiB",
        ),
        (
            "an endless name",
            index,
            endless("{\"packages\":{\"", "a"),
            Kind::Server,
            "longer than",
        ),
        (
            "endless headers",
            overview,
            Reply::Endless(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'a'; 4096]),
            Kind::Server,
            "no upgrade server",
        ),
        (
            "an endless error",
            overview,
            {
                Reply::Endless(
                    b"HTTP/1.1 500 OK\r\n\r\n{\"stderr\":\"".to_vec(),
                    vec![b'a'; 4096],
                )
            },
            Kind::Server,
            "(500)",
        ),
        (
            "deep JSON",
            overview,
            Reply::json(200, &deep),
            Kind::Server,
            "nested too deeply",
        ),
        (
            "deep JSON inside",
            overview,
            Reply::json(200, &format!("{{\"x\":{deep}")),
            Kind::Server,
            "nested too deeply",
        ),
        (
            "a deep index",
            index,
            Reply::json(200, &format!("{{\"x\":{deep}")),
            Kind::Server,
            "nested too deeply",
        ),
        (
            "a deep refusal",
            post,
            Reply::json(400, &format!("{{\"detail\":{deep}")),
            Kind::Server,
            "(400)",
        ),
        (
            "redirects in a circle",
            overview,
            Reply::with_headers(302, &[("Location", "/again")], ""),
            Kind::Server,
            "from one address to the next",
        ),
        (
            "a redirect to nowhere",
            overview,
            Reply::with_headers(302, &[("Location", "file:///etc/passwd")], ""),
            Kind::Server,
            "which is no address",
        ),
        (
            "an image without length",
            image,
            raw("HTTP/1.1 200 OK\r\n\r\nabc"),
            Kind::Server,
            "how large the image is",
        ),
        (
            "words that would paint the terminal",
            post,
            Reply::json(400, r#"{"detail":"\u001b[2J\u202ereversed\r\n\u0000"}"#),
            Kind::Unsupported,
            "[2J\u{fffd}reversed",
        ),
        (
            "too many words",
            post,
            Reply::json(400, &format!(r#"{{"detail":"{}"}}"#, "word".repeat(5000))),
            Kind::Unsupported,
            "word…",
        ),
    ];
    for (name, call, reply, kind, words) in cases {
        let error = told(reply, call);
        assert_eq!(error.kind, kind, "{name}: {error}");
        assert!(error.message.contains(words), "{name}: {error}");
    }
}

#[test]
fn a_failed_build_brings_the_end_of_its_log() {
    let error = told(Reply::recorded("131"), poll);
    assert!(error.detail.contains("make"), "{}", error.detail);
    let log = format!(
        r#"{{"detail":"failed","request_hash":"x","stderr":"{}the end"}}"#,
        "line\\n".repeat(20_000)
    );
    let error = told(Reply::json(500, &log), poll);
    assert!(error.detail.len() <= 8 * 1024 && error.detail.ends_with("the end"));
}

#[test]
fn states_that_nobody_has_heard_of_are_shown_as_they_are() {
    let server = StandIn::always(Reply::json(
        202,
        r#"{"detail":"meditating","request_hash":"613c","imagebuilder_status":"om\u0007","queue_position":null,"more":{}}"#,
    ));
    let client = Client::new(&server.url(), &Options::default()).unwrap();
    let server::BuildState::Waiting(progress) = client.build_state("613c").unwrap() else {
        panic!("done?")
    };
    assert_eq!(progress.detail, "meditating");
    assert_eq!(progress.imagebuilder_status.as_deref(), Some("om"));
}

#[test]
fn names_from_the_server_never_leave_their_folder() {
    let server = StandIn::always(Reply::json(200, "{}"));
    let client = Client::new(&server.url(), &Options::default()).unwrap();
    for name in ["../x", "a/b", "..", ".x", "", "a\0", "a b", "a?b"] {
        let opened = client.open_image("613c", name, 0, None).map(drop);
        assert!(
            matches!(opened, Err(server::Error::Unfit("file name", _))),
            "{name:?}"
        );
    }
    for folder in ["../x", "/x", "a//b", "", "a/..", "http://x"] {
        let opened = client.open_image(folder, "a.bin", 0, None).map(drop);
        assert!(
            matches!(opened, Err(server::Error::Unfit("bin_dir", _))),
            "{folder:?}"
        );
    }
    assert!(client.build_state("../../x").is_err());
    assert!(client.profile("releases/{version}", "x/y", "z").is_err());
    assert_eq!(server.requests().len(), 0, "nothing was asked");
}

#[test]
fn a_server_that_is_not_there() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let client = Client::new(&format!("http://127.0.0.1:{port}"), &Options::default()).unwrap();
    let error = Error::from(client.overview().unwrap_err());
    assert_eq!(error.kind, Kind::Offline);
    assert!(
        error
            .message
            .contains(&format!("http://127.0.0.1:{port} can't be reached")),
        "{error}"
    );
}

#[test]
fn a_name_that_nobody_knows() {
    // No resolver has to be asked: a label has 63 characters at most.
    let client = Client::new(
        &format!("http://{}.invalid", "a".repeat(64)),
        &Options::default(),
    )
    .unwrap();
    let error = Error::from(client.overview().unwrap_err());
    assert_eq!(error.kind, Kind::Offline);
    assert!(error.message.contains("can't be resolved"), "{error}");
}

#[test]
fn settings_that_make_no_sense() {
    let bad = Client::new("sysupgrade.example", &Options::default())
        .map(drop)
        .unwrap_err();
    assert_eq!(bad.kind(), Kind::Usage);
    let options = Options {
        proxy: Some("no proxy".to_owned()),
        ..Options::default()
    };
    let client = Client::new("http://127.0.0.1:9", &options).unwrap();
    assert_eq!(client.overview().unwrap_err().kind(), Kind::Usage);
}
