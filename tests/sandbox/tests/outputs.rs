//! What a hostile server says, on every way to people: the terminal, JSON on it, the bus (and with it
//! LuCI's pages), the log, the line at the login. (That the pages show it as text, and never as HTML,
//! is tested in a browser: tests/browser/pages.test.js.)
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;

use asu::api::{Phase, Status};
use common::faults::ANSWER;
use common::proxy::{Proxy, Reply};
use common::*;
use sandbox::Router;
use serde_json::{json, Value};
use std::fs;
use std::path::Path;

/// Clears the screen by two means, ends a line, hides, turns the writing.
const EVIL: &str = "x\u{1b}[2J\u{9b}2J\r\nasu: \u{202e}y\u{2066}\u{200b}\u{2028}\u{feff}";

fn is_harmless(text: &str) -> bool {
    !text.chars().any(|c| c != '\n' && firmware::steers(c))
}

fn all_harmless(value: &Value) -> bool {
    match value {
        Value::String(text) => !text
            .chars()
            .any(|c| !"\n\t".contains(c) && firmware::steers(c)),
        Value::Array(items) => items.iter().all(all_harmless),
        Value::Object(fields) => fields
            .iter()
            .all(|(name, value)| is_harmless(name) && all_harmless(value)),
        _ => true,
    }
}

/// Puts evil words after every text of a server's answer that is free text there.
fn spoil(value: &mut Value, name: &str) {
    const FREE: [&str; 8] = [
        "latest",
        "version",
        "build_at",
        "detail",
        "stderr",
        "stdout",
        "imagebuilder_status",
        "filesystem",
    ];
    match value {
        Value::String(text) if FREE.contains(&name) => text.push_str(EVIL),
        Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, name)),
        Value::Object(fields) => fields
            .iter_mut()
            .for_each(|(name, value)| spoil(value, name)),
        _ => {}
    }
}

/// Looks at all outputs at once.
fn judge(router: &Router, what: &str) {
    for arguments in [
        ["status"].as_slice(),
        &["--json", "status"],
        &["check"],
        &["--json", "check"],
        &["check", "--verbose"],
        &["versions"],
        &["download"],
    ] {
        let ended = asu(router, arguments);
        for text in [&ended.stdout, &ended.stderr] {
            assert!(is_harmless(text), "{what}: {arguments:?}: {text:?}");
        }
    }
    let status: Value = call(router, "status", json!({})).unwrap();
    assert!(all_harmless(&status), "{what}: {status}");
    let plan: Value = call(router, "check", json!({})).unwrap();
    assert!(all_harmless(&plan), "{what}: {plan}");
    let log = log(router);
    assert!(is_harmless(&log), "{what}: {log:?}");
}

/// Whoever writes to the log writes through `text`.
#[test]
fn nothing_is_printed_past_the_cleaning() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agent/src")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // A test that prints what it simulates.
            if path.ends_with("daemon/schedule/simulation.rs") {
                continue;
            }
            files += 1;
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains("println!("), "{}", path.display());
        }
    }
    assert!(files > 50, "{files}");
}

#[test]
fn what_a_server_says_is_harmless_on_every_output() {
    let world = world();
    let proxy = Proxy::before(&world.url());
    let router = Router::start(&sandbox::Options {
        settings: agent_settings(&[("login_notice", "1")]),
        ..options(&proxy.url())
    })
    .unwrap();
    judge(&router, "nothing yet");
    proxy.set(|request, server| {
        let mut answer = server().json();
        if request.line.ends_with("/overview.json") {
            for (_, branch) in answer["branches"].as_object_mut().unwrap() {
                let versions = branch["versions"].as_array_mut().unwrap();
                versions.push(json!(format!("99.1{EVIL}")));
            }
            return Reply::json(200, &answer);
        }
        spoil(&mut answer, "");
        Reply::json(200, &answer)
    });
    judge(&router, "every answer");
    proxy.set(|request, server| {
        if request.line.contains("/api/v1/update?") {
            return Reply::json(404, &json!({}));
        }
        if !request.line.contains("index.json") {
            return Reply::Pass;
        }
        let text = String::from_utf8(server().body().to_vec()).unwrap();
        let evil = serde_json::to_string(EVIL).unwrap();
        // Behind every version: the quote ends a value, not a name.
        let evil = format!("{}\",", evil.trim_matches('"'));
        Reply::text(200, "application/json", &text.replace("\",", &evil))
    });
    judge(&router, "versions of packages");
    for status in [202, 400, 422, 500] {
        proxy.set(move |request, _| match ANSWER(request) {
            true => Reply::json(
                status,
                &json!({
                    "detail": EVIL, "request_hash": "00", "imagebuilder_status": EVIL,
                    "stderr": EVIL, "stdout": EVIL,
                }),
            ),
            false => Reply::Pass,
        });
        start_download(&router);
        let seen = wait_status(&router, "an end or a wait", |status: &Status| {
            let job = status.job.as_ref().unwrap();
            matches!(job.phase, Phase::Failed | Phase::Building)
        });
        let told: Value = call(&router, "status", json!({})).unwrap();
        assert!(all_harmless(&told), "{told}");
        if seen.job.unwrap().phase == Phase::Building {
            assert_eq!(asu(&router, &["cancel"]).code, 0);
        } else {
            judge(&router, &status.to_string());
        }
    }
    let notice = fs::read_to_string(at(&router, "/tmp/attended-sysupgrade/notice"));
    let notice = notice.unwrap_or_default();
    assert!(is_harmless(&notice), "{notice:?}");
    assert!(notice.lines().count() <= 1, "{notice:?}");
    no_panic(&router);
}
