//! The same requests as were sent to the public server get the same answers here.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

mod common;

use common::world::{go, World};
use common::{finish, poll, recorded, site, Answer, Exchange};
use serde_json::{json, Map, Value};
use std::net::SocketAddr;

/// Statistics by day, those that failed in the recording, the description of the API: the same address, another content.
/// OPTIONS: answered here, for pages of other servers.
const DIFFERENT: [u32; 6] = [30, 31, 32, 34, 39, 135];

fn world(change: impl FnOnce(&mut asu_server::Config)) -> World {
    World::on(site::write, |config| {
        config.allow_defaults = true;
        change(config);
    })
}

fn numbered(numbers: impl Fn(u32) -> bool) -> Vec<Exchange> {
    recorded()
        .into_iter()
        .filter(|exchange| numbers(exchange.number))
        .collect()
}

fn one(number: u32) -> Exchange {
    numbered(|other| other == number)
        .pop()
        .expect("recorded exchange")
}

/// Without what depends on where and when the recording was made, and what our server announces.
fn without_run(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        if fields.contains_key("upstream_url") {
            fields.insert("upstream_url".to_owned(), json!(null));
            for name in [
                "version",
                "contact",
                "repository_allow_list",
                "prepare",
                "update",
            ] {
                fields["server"][name] = json!(null);
            }
        }
    }
    body
}

fn compare_status(expected: &Exchange, answer: &Answer) {
    assert_eq!(answer.status, expected.status(), "{}", expected.name);
    for header in [
        "content-type",
        "location",
        "x-imagebuilder-status",
        "x-queue-position",
    ] {
        assert_eq!(
            answer.header(header),
            expected.header(header),
            "{} {header}",
            expected.name
        );
    }
}

/// Everything that is the same at every run: indexes, redirects, refusals.
#[test]
fn the_same_body() {
    let world = world(|_| {});
    let fixed = |number: u32| number <= 62 && !DIFFERENT.contains(&number);
    for expected in numbered(|number| fixed(number) || number == 63 || number == 146) {
        let answer = expected.send(world.addr());
        compare_status(&expected, &answer);
        let wanted = &expected.json["body"];
        if wanted.is_null() {
            assert!(answer.body.is_empty(), "{}", expected.name);
        } else if let Value::String(text) = wanted {
            assert_eq!(
                String::from_utf8_lossy(&answer.body),
                text.as_str(),
                "{}",
                expected.name
            );
        } else if expected.number == 59 {
            // Two JSON readers' words about the same mistake.
            assert_eq!(shape(&answer.json()), shape(wanted), "{}", expected.name);
        } else {
            assert_eq!(
                without_run(answer.json()),
                without_run(wanted.clone()),
                "{}",
                expected.name
            );
        }
    }
}

/// What a page draws from: the same names and types.
#[test]
fn the_same_shape_of_statistics() {
    let world = world(|config| config.workers = 0);
    let expected = one(30);
    compare_shape(&expected, &expected.send(world.addr()));
    for (number, fields) in [(31, ["labels", "datasets"]), (32, ["packages", "days"])] {
        let answer = one(number).send(world.addr());
        assert_eq!(answer.status, 200, "the public server failed here");
        assert!(
            fields.iter().all(|name| answer.json().get(name).is_some()),
            "{number}"
        );
    }
}

#[test]
fn the_same_without_first_boot_scripts() {
    let world = world(|config| config.allow_defaults = false);
    for expected in numbered(|number| number == 140 || number == 141) {
        let answer = expected.send(world.addr());
        compare_status(&expected, &answer);
        // The overview's branches were recorded at another time there.
        let field = if expected.number == 141 {
            "server"
        } else {
            "detail"
        };
        assert_eq!(
            without_run(answer.json())[field],
            without_run(expected.json["body"].clone())[field]
        );
    }
}

/// Keys and types. Objects that are dictionaries (manifest, versions) count as such whatever is in them; a list is what
/// its elements have in common.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let inner = |(name, value): (&String, &Value)| {
                let dictionary = [
                    "manifest",
                    "packages_versions",
                    "repositories",
                    "packages_index",
                ];
                let shape = if dictionary.contains(&name.as_str()) {
                    json!("dictionary")
                } else {
                    shape(value)
                };
                (name.clone(), shape)
            };
            Value::Object(fields.iter().map(inner).collect())
        }
        Value::Array(items) => {
            let mut common: Option<Value> = None;
            for item in items.iter().map(shape) {
                common = Some(match common {
                    Some(Value::Object(known)) => Value::Object(shared(known, &item)),
                    _ => item,
                });
            }
            json!([common])
        }
        Value::String(_) => json!("string"),
        Value::Number(_) => json!("number"),
        Value::Bool(_) => json!("bool"),
        Value::Null => json!("null"),
    }
}

fn shared(known: Map<String, Value>, item: &Value) -> Map<String, Value> {
    known
        .into_iter()
        .filter(|(name, _)| item.get(name).is_some())
        .collect()
}

fn compare_shape(expected: &Exchange, answer: &Answer) {
    compare_status(expected, answer);
    let (mut ours, mut theirs) = (shape(&answer.json()), shape(&expected.json["body"]));
    // What is empty at one of them has no shape: `packages` of a request, `build_cmd_packages`.
    for place in [
        "/request/packages",
        "/build_cmd_packages",
        "/request/repository_keys",
    ] {
        let empty = |value: &Value| value.pointer(place) == Some(&json!([null]));
        if empty(&ours) || empty(&theirs) {
            for value in [&mut ours, &mut theirs] {
                *value.pointer_mut(place).expect("both have it") = json!([null]);
            }
        }
    }
    assert_eq!(ours, theirs, "{}", expected.name);
}

/// Posts what was posted, and returns the answer in the end.
fn build(addr: SocketAddr, number: u32) -> Answer {
    let posted = one(number).send(addr);
    assert_eq!(posted.status, 202, "{number}: {posted:?}");
    finish(addr, &posted)
}

/// Builds that succeed: pairs of the request's number and the number of what was answered in the end.
#[test]
fn the_same_shape_of_finished_builds() {
    let world = world(|config| config.workers = 2);
    give_recorded_versions(&world);
    for (request, end) in [
        (64, 79),
        (65, 92),
        (66, 101),
        (103, 109),
        (104, 110),
        (105, 111),
        (106, 112),
        (107, 113),
    ] {
        let (expected, answer) = (one(end), build(world.addr(), request));
        compare_shape(&expected, &answer);
        let (ours, theirs) = (answer.json(), &expected.json["body"]);
        for field in [
            "packages",
            "version",
            "profile",
            "target",
            "defaults",
            "diff_packages",
            "filesystem",
        ] {
            let sorted = |value: &Value| {
                let mut value = value.clone();
                if let (Value::Array(items), true) = (&mut value, request == 104) {
                    items.sort_by_key(Value::to_string);
                }
                value
            };
            assert_eq!(
                sorted(&ours["request"][field]),
                sorted(&theirs["request"][field]),
                "{} {field}",
                expected.name
            );
        }
        for field in [
            "version_code",
            "version_number",
            "target",
            "id",
            "supported_devices",
            "titles",
        ] {
            assert_eq!(ours[field], theirs[field], "{} {field}", expected.name);
        }
    }
}

/// Two packages of the ImageBuilder get the versions that the recorded request asks for.
fn give_recorded_versions(world: &World) {
    let path = world
        .builder("24.10.2", "ath79/generic")
        .join(mini_imagebuilder::folder::PACKAGES);
    let text = std::fs::read_to_string(&path).expect("packages");
    let wanted = one(104).json["request_body"]["packages_versions"].clone();
    let records = text.split("\n\n").map(|record| {
        let name = record
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("Package: "))
            .unwrap_or_default();
        let lines = record.lines().map(|line| {
            match (wanted[name].as_str(), line.strip_prefix("Version: ")) {
                (Some(version), Some(_)) => format!("Version: {version}"),
                _ => line.to_owned(),
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    });
    std::fs::write(&path, records.collect::<Vec<_>>().join("\n\n")).expect("packages");
}

#[test]
fn the_same_sentences_of_failed_builds() {
    let world = world(|_| {});
    for (request, end) in [
        (115, 124),
        (116, 125),
        (118, 127),
        (119, 128),
        (122, 131),
        (123, 132),
    ] {
        let (expected, answer) = (one(end), build(world.addr(), request));
        compare_shape(&expected, &answer);
        let (ours, theirs) = (answer.json(), &expected.json["body"]);
        match end {
            // Names with other versions.
            127 => assert!(ours["detail"].as_str().expect("detail").starts_with(
                "Error: Impossible package selection: conflicts (wpad-basic-mbedtls-"
            )),
            // A server without containers has another reason.
            132 => assert_eq!(
                ours["detail"],
                "Error: There is no ImageBuilder for 24.10.2 ramips/mt7621 on this server"
            ),
            _ => assert_eq!(ours["detail"], theirs["detail"], "{}", expected.name),
        }
    }
    let head = common::send(world.addr(), "HEAD", one(133).text("path"), &[], &[]);
    assert_eq!(head.status, 404, "the same request has another hash here");
    // Recorded as requests only: what comes of them is written in the server's documentation.
    let conflict = build(world.addr(), 117).json();
    assert_eq!(
        conflict["detail"],
        "Error: Impossible package selection: conflicts (dnsmasq, dnsmasq-full)"
    );
    let versions = build(world.addr(), 120).json();
    let words = versions["detail"].as_str().expect("detail");
    assert!(
        words.starts_with(
            "Error: Impossible package selection: nano version not as requested: 1.0-r1 vs. "
        ),
        "{words}"
    );
    let too_big = build(world.addr(), 121).json();
    assert_eq!(
        too_big["detail"],
        "Error: Selected packages exceed device storage"
    );
}

/// Every phase that can be seen, as GET and as HEAD.
#[test]
fn the_same_phases() {
    let world = world(|_| {});
    let addr = world.addr();
    let builder = world.hold("24.10.2", "ath79/generic");
    let posted = one(64).send(addr);
    compare_shape(&one(64), &posted);
    let hash = posted.json()["request_hash"]
        .as_str()
        .expect("hash")
        .to_owned();
    for (get, head, status, step) in [
        (73, 74, "container_setup", "info"),
        (75, 76, "validate_manifest", "manifest"),
        (77, 78, "building_image", "image"),
        (79, 80, "done", ""),
    ] {
        let answer = poll(addr, &hash, |answer| {
            answer.header("x-imagebuilder-status") == Some(status)
        });
        compare_shape(&one(get), &answer);
        let answer = common::send(addr, "HEAD", &format!("/api/v1/build/{hash}"), &[], &[]);
        compare_status(&one(head), &answer);
        assert!(answer.body.is_empty());
        if status == "container_setup" {
            // The same request while it runs; the recorded one came a step earlier.
            let (expected, again) = (one(70), one(70).send(addr));
            assert_eq!(again.status, expected.status());
            assert_eq!(shape(&again.json()), shape(&expected.json["body"]));
        }
        if !step.is_empty() {
            go(&builder, step);
        }
    }
    compare_shape(&one(81), &one(81).send(addr));
}

/// Positions count from 0, and POST and GET say so.
#[test]
fn the_same_queue() {
    let world = world(|config| config.workers = 0);
    let addr = world.addr();
    for number in [64, 65, 66] {
        let (expected, answer) = (one(number), one(number).send(addr));
        assert_eq!(
            shape(&answer.json()),
            shape(&expected.json["body"]),
            "{}",
            expected.name
        );
        // Nobody takes the first one away here.
        assert_eq!(answer.json()["queue_position"], number - 64);
    }
    let answer = get_hash(addr, &one(65).send(addr));
    compare_shape(&one(67), &answer);
    assert_eq!(
        common::get(addr, "/api/v1/stats").json(),
        json!({"queue_length": 3})
    );
}

fn get_hash(addr: SocketAddr, posted: &Answer) -> Answer {
    common::get(
        addr,
        &format!(
            "/api/v1/build/{}",
            posted.json()["request_hash"].as_str().expect("hash")
        ),
    )
}

/// With room for one request two are taken; the next is refused with the recorded words and no reason phrase.
#[test]
fn the_same_overload() {
    let world = world(|config| (config.workers, config.max_pending) = (0, 1));
    for number in [136, 137] {
        compare_shape(&one(number), &one(number).send(world.addr()));
    }
    let refused = one(64).send(world.addr());
    assert_eq!((refused.status, refused.reason.as_str()), (529, ""));
    let words = "server overload, queue contains too many build requests: 2";
    assert_eq!(
        refused.json(),
        json!({"status": 529, "title": "Server overloaded", "detail": words})
    );
    assert_eq!(
        one(136).send(world.addr()).status,
        202,
        "what is in the queue already is no new request"
    );
}

/// The store: names of headers, and what they say where it does not depend on the image.
#[test]
fn the_same_store() {
    let world = world(|_| {});
    let done = build(world.addr(), 64).json();
    let folder = done["bin_dir"].as_str().expect("folder");
    let prefix = done["image_prefix"].as_str().expect("prefix");
    let files = [
        (82, format!("{prefix}-squashfs-sysupgrade.bin")),
        (83, format!("{prefix}-squashfs-sysupgrade.bin")),
        (86, "profiles.json".to_owned()),
        (87, "sha256sums".to_owned()),
        (88, format!("{prefix}.manifest")),
        (89, "nosuch.bin".to_owned()),
    ];
    for (number, name) in files {
        let expected = one(number);
        let answer = common::send(
            world.addr(),
            expected.text("method"),
            &format!("/store/{folder}/{name}"),
            &[],
            &[],
        );
        assert_eq!(answer.status, expected.status(), "{}", expected.name);
        for header in ["content-type", "accept-ranges", "x-content-type-options"] {
            assert_eq!(
                answer.header(header),
                expected.header(header),
                "{} {header}",
                expected.name
            );
        }
        for header in [
            "etag",
            "last-modified",
            "content-length",
            "content-disposition",
        ] {
            assert_eq!(
                answer.header(header).is_some(),
                expected.header(header).is_some(),
                "{} {header}",
                expected.name
            );
        }
        if number == 89 {
            assert_eq!(answer.json(), expected.json["body"]);
        } else {
            assert_eq!(
                answer.header("content-disposition"),
                Some(&*format!("attachment; filename=\"{name}\""))
            );
        }
    }
}

/// Every recorded exchange is compared somewhere, or listed as what it is.
#[test]
fn nothing_recorded_is_forgotten() {
    let compared: [&[u32]; 4] = [
        &[
            63, 64, 65, 66, 67, 70, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 86, 87, 88, 89, 92,
            101,
        ],
        &[
            103, 104, 105, 106, 107, 109, 110, 111, 112, 113, 115, 116, 117, 118, 119, 120, 121,
            122, 123,
        ],
        &[124, 125, 127, 128, 131, 132, 133, 136, 137, 140, 141, 146],
        &DIFFERENT,
    ];
    // Moments too short to be met, seen again for other builds, or builds that only the recording could stop.
    let other = [
        69, 71, 72, 93, 94, 95, 96, 97, 98, 99, 100, 102, 142, 145, 148, 149,
    ];
    for exchange in recorded() {
        let number = exchange.number;
        let known = number <= 62
            || compared.iter().any(|list| list.contains(&number))
            || other.contains(&number);
        assert!(known, "{} is compared nowhere", exchange.name);
    }
}
