//! Our client in the place of the recorded programs: given what ubusd said then, it says byte for byte what they said.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/any.rs"]
mod any;
#[path = "common/recording.rs"]
mod recording;
#[path = "common/replay.rs"]
mod replay;

use std::time::Duration;

use any::{any, Any};
use recording::Frame;
use replay::Replay;
use ubus::{Argument, Bus, Error, Incoming, ObjectSpec, Request, Status};

const SOON: Duration = Duration::from_secs(10);

fn as_recorded(_: &mut Frame) {}

/// Runs `client` against a recorded connection.
fn replay<T>(
    name: &str,
    connection: u64,
    change: fn(&mut Frame),
    client: impl FnOnce(&mut Bus) -> T,
) -> T {
    let replay = Replay::start(name, connection, change);
    let mut bus = Bus::connect(&replay.socket).unwrap();
    let result = client(&mut bus);
    drop(bus);
    replay.finish();
    result
}

fn call(name: &str, connection: u64, object: &str, method: &str, json: &str) -> Result<Any, Error> {
    replay(name, connection, as_recorded, |bus| {
        bus.call(object, method, &any(json), SOON)
    })
}

fn demo() -> ObjectSpec {
    let echo = [
        ("text", Argument::String),
        ("number", Argument::Int),
        ("flag", Argument::Bool),
        ("list", Argument::Array),
        ("table", Argument::Table),
    ];
    ObjectSpec::new("capture.demo")
        .method("echo", &echo)
        .method("types", &[])
        .method("fail", &[])
        .method("later", &[])
        .method("shout", &[])
}

fn request(bus: &mut Bus, method: &str) -> Request {
    match bus.receive(SOON).unwrap() {
        Some(Incoming::Request(request)) if request.method() == method => request,
        other => panic!("{other:?}"),
    }
}

fn serve(name: &str, method: &str, act: impl FnOnce(&mut Bus, Request)) {
    replay(name, 1, as_recorded, |bus| {
        bus.add_object(demo()).unwrap();
        let request = request(bus, method);
        assert_eq!(
            (request.user(), request.group()),
            (Some("root"), Some("root"))
        );
        act(bus, request);
    });
}

fn paths(bus: &mut Bus, pattern: &str) -> Vec<String> {
    let objects = bus.lookup(pattern).unwrap();
    objects.into_iter().map(|object| object.path).collect()
}

#[test]
fn list() {
    let paths = replay("list", 1, as_recorded, |bus| paths(bus, "*"));
    assert_eq!(paths.len(), 15);
    assert_eq!(paths.first().unwrap(), "dhcp");
    assert_eq!(paths.last().unwrap(), "uci");
}

#[test]
fn list_wildcard() {
    let paths = replay("list-wildcard", 1, as_recorded, |bus| {
        paths(bus, "network*")
    });
    let expected = [
        "network",
        "network.device",
        "network.interface",
        "network.wireless",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn list_missing() {
    let paths = replay("list-missing", 1, as_recorded, |bus| paths(bus, "nosuch"));
    assert!(paths.is_empty());
}

#[test]
fn list_verbose_one() {
    let objects = replay("list-verbose-one", 1, as_recorded, |bus| {
        bus.lookup("system")
    });
    let [system] = &objects.unwrap()[..] else {
        panic!("one object");
    };
    assert_eq!((system.path.as_str(), system.id), ("system", 0xd84b_ddce));
    let validate = system
        .methods
        .iter()
        .find(|method| method.name == "validate_firmware_image");
    let text = Some(ubus::Type::String);
    let arguments = [("path".into(), text), ("ubus_rpc_session".into(), text)];
    assert_eq!(validate.unwrap().arguments, arguments);
}

#[test]
fn serve_list_seen_by_the_client() {
    let objects = replay("serve-list", 2, as_recorded, |bus| {
        bus.lookup("capture.demo")
    });
    let names: Vec<_> = objects.unwrap()[0]
        .methods
        .iter()
        .map(|method| method.name.clone())
        .collect();
    assert_eq!(names, ["echo", "types", "fail", "later", "shout"]);
}

#[test]
fn call_board_into_a_struct() {
    #[derive(serde::Deserialize)]
    struct Board<'a> {
        board_name: String,
        #[serde(borrow)]
        release: Release<'a>,
    }
    #[derive(serde::Deserialize)]
    struct Release<'a> {
        version: &'a str,
    }
    let bytes = replay("call-board", 1, as_recorded, |bus| {
        bus.call_raw("system", "board", &[], SOON).unwrap()
    });
    let board: Board<'_> = ubus::from_blobmsg(&bytes).unwrap();
    assert_eq!(board.board_name, "tplink,archer-c7-v2");
    assert_eq!(board.release.version, "24.10.0");
}

#[test]
fn call_uci_get() {
    let answer = call(
        "call-uci-get",
        1,
        "uci",
        "get",
        r#"{"config": "attendedsysupgrade"}"#,
    );
    let Any::Table(fields) = answer.unwrap() else {
        panic!("no table");
    };
    assert_eq!(fields[0].0, "values");
}

#[test]
fn packagelist() {
    #[derive(serde::Deserialize)]
    struct Answer {
        packages: std::collections::BTreeMap<String, String>,
    }
    let answer: Answer = replay("packagelist", 1, as_recorded, |bus| {
        let all = std::collections::BTreeMap::from([("all", true)]);
        bus.call("rpc-sys", "packagelist", &all, SOON).unwrap()
    });
    assert_eq!(answer.packages["attendedsysupgrade-common"], "9");
}

#[test]
fn calls_that_fail() {
    for (name, connection, object, method, status) in [
        (
            "call-bad-args",
            1,
            "session",
            "get",
            Status::InvalidArgument,
        ),
        (
            "call-bad-method",
            1,
            "system",
            "nosuch",
            Status::MethodNotFound,
        ),
        ("serve-fail", 2, "capture.demo", "fail", Status::NotFound),
        (
            "serve-object-gone",
            2,
            "capture.demo",
            "later",
            Status::Timeout,
        ),
    ] {
        let answer = call(name, connection, object, method, "{}");
        assert!(
            matches!(answer, Err(Error::Status(got)) if got == status),
            "{name}: {answer:?}"
        );
    }
}

const ECHO: &str = r#"{"text": "héllo", "number": -5, "flag": true, "list": [1, "a", []], "table": {"x": {"y": 2}}}"#;
const TYPES: &str = r#"{"s": "text", "i": 7, "neg": -3, "big": 5000000000, "f": 1.5, "t": true, "n": null,
    "a": [1, "two", {"three": 3}], "o": {"k": "v", "empty": {}, "none": []}}"#;

#[test]
fn calls_of_the_published_object() {
    for (name, method, arguments, expected) in [
        ("serve-echo", "echo", ECHO, ECHO),
        ("serve-types", "types", "{}", TYPES),
        ("serve-deferred", "later", "{}", r#"{"late": true}"#),
        ("serve-notify", "shout", "{}", "{}"),
    ] {
        let connection = if name == "serve-notify" { 3 } else { 2 };
        let answer = call(name, connection, "capture.demo", method, arguments);
        assert_eq!(answer.unwrap(), any(expected), "{name}");
    }
    call("monitor", 2, "system", "board", "{}").unwrap();
}

#[test]
fn serve_echo() {
    serve("serve-echo", "echo", |bus, request| {
        let arguments: Any = request.arguments().read().unwrap();
        assert_eq!(arguments, any(ECHO));
        bus.answer(request, &arguments).unwrap();
    });
}

#[test]
fn serve_types() {
    serve("serve-types", "types", |bus, request| {
        bus.answer(request, &any(TYPES)).unwrap()
    });
}

#[test]
fn serve_fail() {
    serve("serve-fail", "fail", |bus, request| {
        bus.complete(request, Status::NotFound).unwrap()
    });
}

#[test]
fn serve_deferred() {
    serve("serve-deferred", "later", |bus, request| {
        assert!(bus.receive(Duration::ZERO).unwrap().is_none());
        bus.reply(&request, &any(r#"{"late": true}"#)).unwrap();
        bus.complete(request, Status::Ok).unwrap();
    });
}

#[test]
fn serve_object_gone() {
    serve("serve-object-gone", "later", |bus, request| {
        bus.complete(request, Status::Timeout).unwrap();
    });
}

#[test]
fn serve_list_and_a_waited_for_object() {
    for (name, connection) in [
        ("serve-list", 1),
        ("serve-duplicate-path", 1),
        ("wait-for", 2),
    ] {
        replay(name, connection, as_recorded, |bus| {
            bus.add_object(demo()).map(drop)
        })
        .unwrap();
    }
}

#[test]
fn serve_duplicate_path() {
    let added = replay("serve-duplicate-path", 2, as_recorded, |bus| {
        bus.add_object(demo())
    });
    assert!(
        matches!(added, Err(Error::Status(Status::InvalidArgument))),
        "{added:?}"
    );
}

#[test]
fn serve_notify_as_the_publisher() {
    // The recorded program asked for acknowledgements. We don't: each would wake the daemon up.
    let change = |frame: &mut Frame| {
        if frame.from_client && frame.kind == 10 {
            frame.bytes.extend_from_slice(&[0x0a, 0, 0, 5, 1, 0, 0, 0]);
            frame.bytes[11] += 8;
        }
    };
    replay("serve-notify", 1, change, |bus| {
        let object = bus.add_object(demo()).unwrap();
        bus.notify(object, "progress", &any("{}")).unwrap();
        for expected in [true, false] {
            match bus.receive(SOON).unwrap() {
                Some(Incoming::Subscribers { active, .. }) => assert_eq!(active, expected),
                other => panic!("{other:?}"),
            }
            assert_eq!(bus.is_subscribed(object), expected);
            if expected {
                let request = request(bus, "shout");
                bus.notify(object, "progress", &any(r#"{"percent": 42}"#))
                    .unwrap();
                bus.answer(request, &()).unwrap();
            }
        }
    });
}

#[test]
fn serve_notify_as_the_subscriber() {
    // The recorded program acknowledged with "no data", as ucode does. We say what libubus says: 0.
    let change = |frame: &mut Frame| {
        if frame.from_client && frame.kind == 1 {
            frame.bytes[19] = 0;
        }
    };
    replay("serve-notify", 2, change, |bus| {
        let subscription = bus.subscribe("capture.demo").unwrap();
        let Some(Incoming::Notification(notification)) = bus.receive(SOON).unwrap() else {
            panic!("no notification");
        };
        assert_eq!(notification.subscription, subscription);
        assert_eq!(notification.kind, "progress");
        let data: Any = notification.data.read().unwrap();
        assert_eq!(data, any(r#"{"percent": 42}"#));
    });
}

#[test]
fn event_listen_and_send() {
    let hello = any(r#"{"hello": 1}"#);
    replay("event-listen", 1, as_recorded, |bus| {
        let listener = bus.listen("capture.*").unwrap();
        let Some(Incoming::Event(event)) = bus.receive(SOON).unwrap() else {
            panic!("no event");
        };
        assert_eq!(
            (event.listener, event.name.as_str()),
            (listener, "capture.event")
        );
        assert_eq!(event.data.read::<Any>().unwrap(), hello);
    });
    replay("event-listen", 2, as_recorded, |bus| {
        bus.send_event("capture.event", &hello)
    })
    .unwrap();
}

#[test]
fn wait_for() {
    let event = replay("wait-for", 1, as_recorded, |bus| {
        bus.listen("ubus.object.add").unwrap();
        assert_eq!(bus.lookup("*").unwrap().len(), 15);
        bus.receive(SOON).unwrap()
    });
    let Some(Incoming::Event(event)) = event else {
        panic!("no event");
    };
    let path = event.data.fields().find("path").unwrap();
    assert_eq!(path, Some(ubus::Value::String(b"capture.demo")));
}
