//! Repositories of others in a request: none by default, those that the operator allows, with their keys.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

mod common;

use common::world::World;
use common::{finish, get, post};
use mini_imagebuilder::folder;
use serde_json::{json, Value};
use std::fs;

/// `Ed`, eight times 0xab, 32 times 7.
const KEY: &str = "RWSrq6urq6urqwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";
const NUMBER: &str = "abababababababab";

fn request(version: &str, url: &str, mode: &str) -> Value {
    json!({"version": version, "target": "ath79/generic", "profile": "tplink_archer-c7-v2", "packages": ["tmux"],
        "repositories": {"mine": url}, "repositories_mode": mode, "repository_keys": [KEY], "client": "test/1.0"})
}

fn allow(list: &[&str]) -> World {
    let list: Vec<String> = list.iter().map(|url| (*url).to_owned()).collect();
    World::new(|config| config.repository_allow_list = list)
}

#[test]
fn only_what_the_operator_allows() {
    let url = "https://feeds.example/mine/x";
    for (allowed, status) in [
        (&[][..], 400),
        (&["https://feeds.example/other"], 400),
        (
            &["https://feeds.example/other", "https://feeds.example/mine"],
            202,
        ),
    ] {
        let world = allow(allowed);
        let answer = post(world.addr(), &request("24.10.2", url, "append"));
        assert_eq!(answer.status, status, "{allowed:?}");
        if status == 400 {
            let words = format!("Repository not allowed: {url}");
            assert_eq!(answer.json()["detail"], words);
        }
        let overview = get(world.addr(), "/json/v1/overview.json").json();
        assert_eq!(overview["server"]["repository_allow_list"], json!(allowed));
    }
    // One that is allowed makes no other so.
    let world = allow(&["https://feeds.example/mine"]);
    let mut both = request("24.10.2", url, "append");
    both["repositories"]["evil"] = "https://evil.example/mine/x".into();
    assert_eq!(post(world.addr(), &both).status, 400);
    let wrong = [
        ("/repositories", json!({"a b": url})),
        ("/repositories", json!({"../x": url})),
        ("/repository_keys", json!(["../../etc/passwd"])),
        ("/repository_keys", json!([format!("{KEY}\nx")])),
        ("/repository_keys", json!(vec![KEY; 17])),
        ("/repositories_mode", json!("prepend")),
    ];
    for (place, value) in wrong {
        let mut asked = request("24.10.2", url, "append");
        *asked.pointer_mut(place).expect("place") = value;
        let answer = post(world.addr(), &asked);
        assert_eq!(answer.status, 422, "{asked}");
    }
}

/// Each ImageBuilder is told in its own words, and the next build hears nothing of it.
#[test]
fn what_the_imagebuilder_is_told() {
    let world = allow(&["https://feeds.example"]);
    let url = "https://feeds.example/packages.adb";
    for (version, file) in [
        ("24.10.2", "repositories.conf"),
        ("25.12.0", "repositories"),
    ] {
        let builder = world.hold(version, "ath79/generic");
        let script = format!(
            "#!/bin/sh\n[ $1 = image ] && {{ cat {file}; cat keys/{NUMBER}; exit 1; }}\nexec ./real \"$@\"\n"
        );
        fs::write(builder.join(folder::PROGRAM), script).expect("script");
        let own = fs::read_to_string(builder.join(file)).expect("repositories");
        let line = match file {
            "repositories" => url.to_owned(),
            _ => format!("src/gz mine {url}"),
        };
        for mode in ["append", "replace"] {
            let answer = finish(
                world.addr(),
                &post(world.addr(), &request(version, url, mode)),
            );
            let said = answer.json()["stdout"].as_str().expect("stdout").to_owned();
            assert!(said.lines().any(|said| said == line), "{mode}: {said}");
            let first = own.lines().next().expect("line");
            assert_eq!(said.contains(first), mode == "append", "{mode}: {said}");
            assert!(
                said.ends_with(&format!("untrusted comment: {NUMBER}\n{KEY}\n")),
                "{said}"
            );
            if file == "repositories.conf" {
                assert_eq!(
                    said.matches("option check_signature\n").count(),
                    1,
                    "{said}"
                );
                assert_eq!(
                    said.matches("src imagebuilder file:packages\n").count(),
                    1,
                    "{said}"
                );
            }
        }
        assert_eq!(
            fs::read_to_string(builder.join(file)).expect("repositories"),
            own
        );
        assert!(!builder.join("keys").join(NUMBER).exists());
    }
}
