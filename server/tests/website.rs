//! The pages for people: what they show of hostile data, what their forms do, what they say when things go wrong.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

mod common;

use common::world::World;
use common::{finish, get, poll, post, send, Answer};
use serde_json::{json, Value};
use std::fs;
use std::path::Path;

const EVIL: &str = "<script>alert(1)</script>\"'&\u{202e}\u{1b}[31m";
const ESCAPED: &str = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\\u{202e}\\u{1b}[31m";

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).expect("UTF-8")
}

/// Sends a form as a browser does.
fn submit(world: &World, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    send(world.addr(), "POST", path, &headers, body.as_bytes())
}

const DEVICE: [(&str, &str); 3] = [
    ("version", "24.10.2"),
    ("target", "ath79/generic"),
    ("profile", "tplink_archer-c7-v2"),
];

/// The form with all default packages of the device ticked but those.
fn filled(world: &World, without: &[&str], more: &[(&str, &str)]) -> Answer {
    let page = text(&get(
        world.addr(),
        "/device?version=24.10.2&target=ath79/generic&profile=tplink_archer-c7-v2",
    ));
    let names = page
        .split("name=\"package\" checked value=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().expect("name"))
        .filter(|name| !without.contains(name));
    let mut fields = DEVICE.to_vec();
    fields.extend(names.map(|name| ("package", name)));
    fields.extend(more);
    submit(world, "/device", &fields)
}

fn hash_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", text(answer));
    let location = answer.header("location").expect("location");
    location.strip_prefix("/build/").expect("build").to_owned()
}

#[test]
fn pages_run_no_script_but_their_own() {
    let world = World::new(|config| config.workers = 0);
    let hash = post(
        world.addr(),
        &json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink_archer-c7-v2",
        "client": "test/1"}),
    )
    .json()["request_hash"]
        .as_str()
        .expect("hash")
        .to_owned();
    let build = format!("/build/{hash}");
    let device = "/device?version=24.10.2&target=ath79/generic&profile=tplink_archer-c7-v2";
    for path in [
        "/",
        "/?q=x",
        device,
        &build,
        "/statistics",
        "/docs",
        "/build/x",
        "/device",
    ] {
        let answer = get(world.addr(), path);
        let policy = answer.header("content-security-policy").expect("policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("script-src 'self'"),
            "{path}"
        );
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let page = text(&answer);
        assert_eq!(page.matches("<script").count(), 1, "{path}");
        assert!(
            !page.contains(" style=") && !page.contains(" onclick="),
            "{path}"
        );
    }
    for (path, kind) in [
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let answer = get(world.addr(), path);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(kind))
        );
    }
    let head = send(world.addr(), "HEAD", "/", &[], &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(submit(&world, "/", &[]).status, 405);
}

/// Titles, profiles, packages and revisions come from the download site, which may be anybody's.
#[test]
fn a_hostile_download_site_is_text() {
    let write = |dir: &Path| {
        let options = upstream::Options {
            versions: vec!["24.10.2".to_owned()],
            ..upstream::Options::default()
        };
        upstream::generate(dir, &options).expect("download site");
        let root = dir.join("releases/24.10.2");
        let titles = json!([{"vendor": EVIL, "model": "X"}, {"title": EVIL}, {"title": 7}, null]);
        let overview = json!({"profiles": [{"id": EVIL, "target": "ath79/generic", "titles": titles}, {"id": "x"}, 7]});
        fs::write(root.join(".overview.json"), overview.to_string()).expect("file");
        let path = root.join("targets/ath79/generic/profiles.json");
        let mut profiles: Value =
            serde_json::from_slice(&fs::read(&path).expect("file")).expect("JSON");
        profiles["version_code"] = EVIL.into();
        profiles["default_packages"] = json!([EVIL, "busybox", 7]);
        profiles["profiles"][EVIL] =
            json!({"titles": titles, "device_packages": [format!("{EVIL}2"), "-busybox"]});
        fs::write(&path, profiles.to_string()).expect("file");
    };
    let world = World::on(write, |config| config.workers = 0);
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("q", "script")
        .append_pair("version", "24.10.2")
        .finish();
    let found = text(&get(world.addr(), &format!("/?{query}")));
    assert!(
        found.contains("2 devices found.") && found.contains(ESCAPED),
        "{found}"
    );
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("version", "24.10.2"),
            ("target", "ath79/generic"),
            ("profile", EVIL),
        ])
        .finish();
    let device = text(&get(world.addr(), &format!("/device?{query}")));
    assert!(device.contains("2 packages come with it"), "{device}");
    for page in [found, device] {
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(
            !page.contains('\u{202e}') && !page.contains('\u{1b}'),
            "{page}"
        );
    }
}

#[test]
fn a_form_becomes_a_build() {
    let world = World::new(|config| config.allow_defaults = true);
    let more = [
        ("more", " luci,\r\ntmux "),
        ("defaults", "uci set a=b\r\nuci commit\r\n"),
        ("rootfs_size_mb", " 200 "),
    ];
    let answer = filled(&world, &["ppp", "kmod-usb2"], &more);
    let hash = hash_of(&answer);
    let done = poll(world.addr(), &hash, |answer| answer.status != 202).json();
    let request = &done["request"];
    assert_eq!(
        request["packages"],
        json!(["luci", "tmux", "-kmod-usb2", "-ppp"])
    );
    assert_eq!(request["defaults"], "uci set a=b\nuci commit\n");
    assert_eq!(request["rootfs_size_mb"], 200);
    assert_eq!(done["detail"], "done", "{done}");
    let page = text(&get(world.addr(), &format!("/build/{hash}")));
    let files = fs::read_dir(world.store().join(&hash)).expect("folder");
    for file in files {
        let name = file.expect("file").file_name();
        let name = name.to_str().expect("name");
        assert!(page.contains(&format!("/store/{hash}/{name}\"")), "{name}");
        assert_eq!(
            get(world.addr(), &format!("/store/{hash}/{name}")).status,
            200
        );
    }
    // The same with other words is the same build.
    assert_eq!(
        hash_of(&filled(
            &world,
            &["kmod-usb2", "ppp"],
            &[("more", "tmux luci"), more[1], more[2]]
        )),
        hash
    );
}

#[test]
fn packages_are_found_within_the_form() {
    let world = World::new(|config| config.allow_defaults = true);
    let search = |words: &str, more: &[(&str, &str)]| {
        let fields = [
            &[("action", "find"), ("find", words), ("defaults", "uci x")],
            more,
        ]
        .concat();
        let answer = filled(&world, &["ppp"], &fields);
        assert_eq!(answer.status, 200);
        text(&answer)
    };
    let page = search("LUCI app", &[("more", "nano")]);
    assert!(page.contains("<p role=\"status\">"), "{page}");
    assert!(
        page.contains("name=\"package\" value=\"luci-app-sqm\"> luci-app-sqm <small>"),
        "{page}"
    );
    assert!(!page.contains("value=\"htop\""), "{page}");
    let kept = [
        "name=\"package\" value=\"ppp\"",
        ">uci x</textarea>",
        ">nano</textarea>",
    ];
    for part in kept {
        assert!(page.contains(part), "{part}: {page}");
    }
    // What was ticked is written to the rest, once, and what comes with the device is not offered.
    let page = search(
        "ppp",
        &[
            ("more", "nano"),
            ("package", "luci-app-sqm"),
            ("package", "nano"),
        ],
    );
    assert!(page.contains(">nano luci-app-sqm</textarea>"), "{page}");
    assert_eq!(page.matches("value=\"ppp\"").count(), 1 + 1, "{page}");
    assert!(
        !search(" ", &[]).contains("<p role"),
        "nothing was looked for"
    );
    assert!(search("no-such-thing", &[]).contains("No package has that in its name."));
    assert!(search(EVIL, &[]).contains(ESCAPED));
    let hash = hash_of(&filled(
        &world,
        &[],
        &[("package", "htop"), ("more", "luci")],
    ));
    let done = poll(world.addr(), &hash, |answer| answer.status != 202).json();
    assert_eq!(done["request"]["packages"], json!(["luci", "htop"]));
}

#[test]
fn another_build_begins_with_the_packages_of_the_last() {
    let world = World::new(|config| config.workers = 0);
    let ask = |packages: &[&str], diff: bool| {
        let request = json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink_archer-c7-v2",
            "packages": packages, "diff_packages": diff, "client": "test/1"});
        let hash = post(world.addr(), &request).json()["request_hash"].clone();
        let page = text(&get(
            world.addr(),
            &format!("/build/{}", hash.as_str().expect("hash")),
        ));
        let link = page.split("<a href=\"/device?").nth(1).expect("link");
        let query = link.split('"').next().expect("query").replace("&amp;", "&");
        text(&get(world.addr(), &format!("/device?{query}")))
    };
    let ticked = |page: &str| page.matches("name=\"package\" checked").count();
    let all = ticked(&ask(&[], false));
    let page = ask(&["luci", "-ppp", "-absent"], false);
    assert!(page.contains(">luci -absent</textarea>"), "{page}");
    assert_eq!(ticked(&page), all - 1);
    let page = ask(&["luci", "busybox", "dnsmasq"], true);
    assert!(page.contains(">luci</textarea>"), "{page}");
    assert_eq!(ticked(&page), 2);
    let many: Vec<String> = (0..2000)
        .map(|number| format!("package-{number}"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let page = ask(&many, true);
    assert!(page.contains("></textarea>"), "{page}");
    assert_eq!(ticked(&page), all);
}

#[test]
fn a_report_of_a_form_counts_once() {
    let world = World::new(|_| {});
    let hash = hash_of(&filled(&world, &[], &[]));
    assert_eq!(
        submit(&world, &format!("/build/{hash}"), &[("result", "perhaps")]).status,
        404
    );
    poll(world.addr(), &hash, |answer| answer.status == 200);
    for result in ["bad", "good", "bad"] {
        let answer = submit(&world, &format!("/build/{hash}"), &[("result", result)]);
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/statistics"))
        );
    }
    let page = text(&get(world.addr(), "/statistics"));
    let row = "24.10.2 ath79/generic tplink_archer-c7-v2</th><td>1 <meter max=\"1\" value=\"1\" aria-hidden=\"true\"></meter></td><td>0</td><td class=\"bad\">1</td>";
    assert!(page.contains(row), "{page}");
}

#[test]
fn a_form_that_cannot_be_fulfilled_comes_back() {
    let world = World::new(|config| {
        config.workers = 0;
        config.max_pending = 0;
        config.allow_defaults = true;
    });
    let cases = [
        (("more", EVIL), "is no name of a package."),
        (("rootfs_size_mb", "0"), "may have 1 to 1024 MB"),
        (("rootfs_size_mb", "many"), "may have 1 to 1024 MB"),
        (
            ("defaults", &*"x".repeat(20_481)),
            "may have 20480 characters",
        ),
    ];
    for (field, words) in cases {
        let answer = filled(&world, &["ppp"], &[field]);
        let page = text(&answer);
        assert_eq!(answer.status, 422, "{page}");
        assert!(page.contains(words), "{words}");
        assert!(
            page.contains("name=\"package\" value=\"ppp\""),
            "ppp is not ticked"
        );
        assert_eq!(page.matches("<script").count(), 1);
    }
    // One more than may wait is taken.
    hash_of(&filled(&world, &[], &[("more", "tmux")]));
    let full = filled(&world, &[], &[("more", "luci")]);
    assert_eq!(full.status, 529);
    assert_eq!(full.header("retry-after"), Some("60"));
    assert!(text(&full).contains("Ask again in a minute"));
    assert!(text(&full).contains(">luci</textarea>"));

    let mut unknown = DEVICE;
    unknown[2].1 = "nosuch";
    assert_eq!(submit(&world, "/device", &unknown).status, 404);
    assert_eq!(submit(&world, "/device", &[]).status, 404);
    let long = "x".repeat(600 << 10);
    assert_eq!(submit(&world, "/device", &[("more", &long)]).status, 413);
    assert_eq!(
        submit(
            &world,
            "/device",
            &[("version", "\0"), ("target", "../.."), ("profile", "\0")]
        )
        .status,
        404
    );
}

#[test]
fn while_the_download_site_is_down() {
    let World { server, site, dir } = World::new(|_| {});
    let done = finish(
        server.addr,
        &post(
            server.addr,
            &json!({"version": "24.10.2", "target": "ath79/generic",
        "profile": "tplink_archer-c7-v2", "client": "test/1"}),
        ),
    );
    drop(site);
    for path in [
        "/",
        "/?q=x",
        "/device?version=24.10.2&target=ath79/generic&profile=x",
    ] {
        let answer = get(server.addr, path);
        assert_eq!(answer.status, 502, "{path}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(
            text(&answer).contains("This does not work just now"),
            "{path}"
        );
    }
    let hash = done.json()["request_hash"]
        .as_str()
        .expect("hash")
        .to_owned();
    let page = text(&get(server.addr, &format!("/build/{hash}")));
    assert!(
        page.contains("<h1>tplink_archer-c7-v2 24.10.2</h1>"),
        "{page}"
    );
    assert_eq!(get(server.addr, "/statistics").status, 200);
    drop(dir);
}

/// The firmware selector always sends a script, an empty one where there is none.
#[test]
fn an_empty_script_is_none() {
    let world = World::new(|config| config.allow_defaults = false);
    let request = |script: Value| {
        json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink_archer-c7-v2", "defaults": script,
            "client": "ofs/1", "diff_packages": true, "packages": [], "repositories": {}, "repository_keys": []})
    };
    let taken = post(world.addr(), &request(json!("")));
    assert_eq!(taken.status, 202, "{taken:?}");
    assert_eq!(post(world.addr(), &request(json!("x"))).status, 400);
}

#[test]
fn a_build_is_found_by_its_hash_and_what_it_said_is_text() {
    let world = World::new(|_| {});
    let request = |package: &str| {
        json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink_archer-c7-v2",
        "packages": [package], "client": "test/1"})
    };
    let build = |package: &str| {
        let done = finish(world.addr(), &post(world.addr(), &request(package))).json();
        let hash = done["request_hash"].as_str().expect("hash").to_owned();
        (text(&get(world.addr(), &format!("/build/{hash}"))), hash)
    };
    let (page, hash) = build("tmux");
    assert_eq!(
        text(&get(world.addr(), &format!("/build?hash=+{hash}"))),
        page
    );
    assert!(build("nosuch")
        .0
        .contains("Impossible package selection: missing (nosuch)"));
    assert_eq!(
        get(world.addr(), &format!("/build/{}", "0".repeat(64))).status,
        404
    );

    // A build that says something which a browser would run.
    let builder = world.hold("24.10.2", "ath79/generic");
    let script = format!("#!/bin/sh\ncat <<'EOF'\n{EVIL}\nEOF\nexit 1\n");
    fs::write(builder.join(mini_imagebuilder::folder::PROGRAM), script).expect("script");
    let (page, _) = build("luci");
    assert!(page.contains(ESCAPED), "{page}");
    assert_eq!(page.matches("<script").count(), 1, "{page}");
}
