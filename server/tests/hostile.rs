//! Requests that mean harm, or none.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

mod common;

use common::world::World;
use common::{get, post, send};
use serde_json::{json, Value};
use std::fs;

const JSON: [(&str, &str); 2] = [
    ("Content-Type", "application/json"),
    ("User-Agent", "test/1.0"),
];

/// No path leads out of the store or of the download site, however it is written.
#[test]
fn paths_that_lead_elsewhere() {
    let world = World::new(|config| config.workers = 0);
    fs::write(world.store().join("../secret"), "secret").expect("file");
    fs::create_dir(world.store().join(".hidden")).expect("folder");
    fs::write(world.store().join(".hidden/file"), "secret").expect("file");
    let paths = [
        "/store/../secret",
        "/store/..%2fsecret",
        "/store/%2e%2e/secret",
        "/store/x/../../secret",
        "/store/.hidden/file",
        "/store/a/b/c",
        "/store/",
        "/store",
        "/store/a%00/b",
        "/json/v1/../../secret",
        "/json/v1/%2e%2e/secret/index.json",
        "/json/v1/releases/24.10.2/../../x/index.json",
        "/json/v1/releases//index.json",
        "/json/v1/",
        "/json/v1/releases/24.10.2/targets/ath79/generic/x.txt",
        "/api/v1/build/a/b",
        "/build/../secret",
        "/build",
    ];
    for path in paths {
        let answer = get(world.addr(), path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            !String::from_utf8_lossy(&answer.body).contains("secret"),
            "{path}"
        );
    }
    for path in [
        "/api/v1/revision/../x/y",
        "/api/v1/revision/24.10.%2e/x/y",
        "/api/v1/revision/24.10.2/%2e%2e/y",
    ] {
        assert_eq!(get(world.addr(), path).status, 400, "{path}");
    }
}

/// What would mean something to a shell, to make, to a path or to an argument list is refused before anything runs.
#[test]
fn fields_with_more_than_names_in_them() {
    let world = World::new(|config| config.workers = 0);
    let good = json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink_archer-c7-v2",
        "client": "test/1.0"});
    let evil = [
        "$(touch x)",
        "`touch x`",
        "$(shell touch x)",
        "a;b",
        "a b",
        "a\nb",
        "a\0b",
        "../x",
        "/etc",
        "a'b",
        "a\"b",
        "a=b",
        "a%2e",
        "é",
        "\u{202e}",
    ];
    for text in evil {
        for field in ["distro", "version", "version_code", "profile", "target"] {
            let mut request = good.clone();
            request[field] = text.into();
            let answer = post(world.addr(), &request);
            // Some stay within the pattern, as `/etc` for a target does; they are no version and no target.
            assert!(
                [400, 422].contains(&answer.status),
                "{field} {text:?}: {answer:?}"
            );
        }
        let lists = [
            ("packages", json!([text])),
            ("packages_versions", json!({text: "1"})),
        ];
        for (field, value) in lists
            .into_iter()
            .chain([("packages_versions", json!({"luci": text}))])
        {
            let mut request = good.clone();
            request[field] = value;
            assert_eq!(post(world.addr(), &request).status, 422, "{field} {text:?}");
        }
    }
    assert_eq!(
        get(world.addr(), "/api/v1/stats").json(),
        json!({"queue_length": 0})
    );
}

/// CVE-2024-54143 of the public server: its hash of a request was so short that another request with the same could be
/// found, and a package's name could hold a command for the shell that ran `make`. Together, whoever was clever enough gave
/// others his image.
#[test]
fn the_hash_collision_and_command_injection_of_cve_2024_54143() {
    let world = World::new(|_| {});
    let ask = |packages: &[&str]| {
        let request = json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink_archer-c7-v2",
            "packages": packages, "client": "test/1.0"});
        post(world.addr(), &request)
    };
    // Words for the shell that runs recipes, for make itself, and for the program behind; none reaches them.
    let marker = world.dir.path().join("marker");
    let marker = marker.display();
    for name in [
        format!("`touch {marker}`"),
        format!("tmux;touch\t{marker}"),
        format!("$(shell touch {marker})"),
        format!("tmux' PROFILE='x && touch {marker} #"),
        "$(eval x)".to_owned(),
        "--add-arch".to_owned() + "=x y",
    ] {
        assert_eq!(ask(&[&name]).status, 422, "{name}");
    }
    // What has the form of a name and looks like an option is only a package that isn't there, or to be left out.
    for name in ["--help", "-f", "-"] {
        let ended = common::finish(world.addr(), &ask(&[name]));
        assert!([200, 500].contains(&ended.status), "{name}");
    }
    assert!(!world.dir.path().join("marker").exists());
    // All 256 bits of the sum name a request, wherever it is named: job, folder, journal.
    let mut seen = std::collections::BTreeSet::new();
    for packages in [
        &["luci", "tmux"][..],
        &["lucitmux"],
        &["luci-tmux"],
        &["luci", "-tmux"],
        &[],
    ] {
        let hash = ask(packages).json()["request_hash"].clone();
        let hash = hash.as_str().expect("hash").to_owned();
        assert!(
            hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{hash}"
        );
        assert!(seen.insert(hash), "{packages:?}");
    }
    let hash = seen.first().expect("hash");
    for short in [&hash[..12], &hash[..32], &hash[..63]] {
        let path = format!("/api/v1/build/{short}");
        assert_eq!(get(world.addr(), &path).status, 404, "{short}");
    }
    let done = common::finish(world.addr(), &ask(&["luci", "tmux"])).json();
    assert_eq!(done["bin_dir"], done["request_hash"]);
}

/// `..` and NUL in every field there is: refused, or no more than text.
#[test]
fn dots_and_nul_in_every_field() {
    let world = World::new(|config| config.allow_defaults = true);
    let good = json!({"distro": "openwrt", "version": "24.10.2", "version_code": "", "target": "ath79/generic",
        "profile": "tplink_archer-c7-v2", "packages": ["tmux"], "packages_versions": {}, "diff_packages": false,
        "defaults": "x", "rootfs_size_mb": 100, "filesystem": "squashfs", "repositories": {}, "repositories_mode": "append",
        "repository_keys": [], "client": "test/1.0"});
    let before: Vec<_> = fs::read_dir(world.dir.path())
        .expect("folder")
        .map(|entry| entry.expect("entry").path())
        .collect();
    for text in ["..", "../..", "../../../../tmp/x", "a\0b", "\0", "..\0"] {
        for (field, value) in good.as_object().expect("fields") {
            let values = match value {
                Value::Object(_) => vec![json!({text: "1"}), json!({"x": text})],
                Value::Array(_) => vec![json!([text])],
                _ => vec![json!(text)],
            };
            for value in values {
                let mut request = good.clone();
                request[field] = value;
                let answer = post(world.addr(), &request);
                let harmless = match field.as_str() {
                    // Text that is in no path and no argument.
                    "client" | "defaults" => true,
                    // Dots alone have the form of a name, but there is no such thing.
                    "packages" | "packages_versions" | "version_code" => text == "..",
                    _ => false,
                };
                let expected: &[u16] = if harmless {
                    &[200, 202, 500]
                } else {
                    &[400, 422]
                };
                assert!(
                    expected.contains(&answer.status),
                    "{field} {text:?}: {answer:?}"
                );
                if answer.status == 202 {
                    common::finish(world.addr(), &answer);
                }
            }
        }
    }
    let after: Vec<_> = fs::read_dir(world.dir.path())
        .expect("folder")
        .map(|entry| entry.expect("entry").path())
        .collect();
    assert_eq!(before.len(), after.len(), "{after:?}");
    for entry in fs::read_dir(world.store()).expect("store") {
        let name = entry
            .expect("entry")
            .file_name()
            .to_string_lossy()
            .into_owned();
        assert!(name.len() == 64, "{name}");
    }
}

/// A request for 5,000 packages is built, or told which of them is missing; the next one is built.
#[test]
fn five_thousand_packages() {
    let world = World::new(|_| {});
    let names: Vec<String> = (0..5000)
        .map(|number| format!("package-{number}"))
        .collect();
    let versions: serde_json::Map<String, Value> = names
        .iter()
        .map(|name| (name.clone(), json!("1.0-r1")))
        .collect();
    let with = |field: &str, value: Value| {
        let mut request = json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink_archer-c7-v2",
            "client": "test/1.0"});
        request[field] = value;
        common::finish(world.addr(), &post(world.addr(), &request))
    };
    for failed in [
        with("packages", json!(names)),
        with("packages_versions", versions.into()),
    ] {
        let json = failed.json();
        let words = json["detail"].as_str().expect("detail");
        assert!(
            failed.status == 500 && words.contains("missing (package-"),
            "{:.200}",
            words
        );
    }
    assert_eq!(with("packages", json!(["tmux"])).status, 200);
}

/// Values of the wrong type are complaints of the right form.
#[test]
fn fields_of_another_type() {
    let world = World::new(|config| config.workers = 0);
    let good = json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink_archer-c7-v2",
        "client": "test/1.0"});
    let cases = [
        ("version", json!(24.10), "string_type"),
        ("packages", json!([1]), "string_type"),
        ("packages", json!({}), "list_type"),
        ("packages_versions", json!([]), "dict_type"),
        ("packages_versions", json!({"luci": null}), "string_type"),
        ("diff_packages", json!("perhaps"), "bool_type"),
        ("defaults", json!(1), "string_type"),
        ("rootfs_size_mb", json!("big"), "int_type"),
        ("rootfs_size_mb", json!(-1), "greater_than_equal"),
        ("rootfs_size_mb", json!(1e300), "int_type"),
        ("filesystem", json!([]), "literal_error"),
        ("repositories", json!("x"), "dict_type"),
        ("repositories_mode", json!("x"), "literal_error"),
        ("repository_keys", json!(1), "list_type"),
        ("client", json!([]), "string_type"),
    ];
    for (field, value, kind) in cases {
        let mut request = good.clone();
        request[field] = value;
        let answer = post(world.addr(), &request);
        assert_eq!(answer.status, 422, "{field}");
        let complaint = &answer.json()["detail"][0];
        assert_eq!(
            (complaint["type"].as_str(), complaint["loc"][1].as_str()),
            (Some(kind), Some(field))
        );
    }
}

/// Bodies that are too long, too deep, cut off, or no text.
#[test]
fn bodies_that_are_no_requests() {
    let world = World::new(|config| config.workers = 0);
    let long = vec![b' '; 1 << 20];
    assert_eq!(
        send(world.addr(), "POST", "/api/v1/build", &JSON, &long).status,
        413
    );
    let deep = "[".repeat(100_000);
    let bodies: [&[u8]; 5] = [
        deep.as_bytes(),
        b"{\"version\":",
        b"\xff\xfe",
        b"\0",
        b"null",
    ];
    for body in bodies {
        let answer = send(world.addr(), "POST", "/api/v1/build", &JSON, body);
        assert_eq!(answer.status, 422, "{:?}", body.get(..10));
        assert!(answer.json()["detail"].is_array());
    }
    let names: Vec<String> = (0..9000)
        .map(|number| format!("some-package-{number}"))
        .collect();
    let many = json!({"version": "24.10.2", "target": "ath79/generic", "profile": "x", "packages": names, "client": "a"});
    let answer = post(world.addr(), &many);
    assert_eq!(
        (answer.status, &answer.json()["detail"][0]["type"]),
        (422, &json!("too_long"))
    );
}

/// A download site that is away, or talks nonsense, is said so.
#[test]
fn a_download_site_that_fails() {
    let world = World::new(|config| {
        config.upstream_url = "http://127.0.0.1:1".to_owned();
        config.workers = 0;
    });
    let request = json!({"version": "24.10.2", "target": "ath79/generic", "profile": "x", "client": "test/1.0"});
    for path in [
        "/json/v1/overview.json",
        "/json/v1/latest.json",
        "/api/v1/revision/24.10.2/x/y",
    ] {
        assert_eq!(get(world.addr(), path).status, 502, "{path}");
    }
    let answer = post(world.addr(), &request);
    assert_eq!(answer.status, 502);
    let words = answer.json()["detail"].as_str().expect("detail").to_owned();
    assert!(
        words.contains("could not be had from the download site"),
        "{words}"
    );

    let nonsense = World::on(
        |dir| {
            fs::create_dir_all(dir.join("releases/24.10.2/targets/ath79/generic")).expect("folder");
            fs::write(
                dir.join(".versions.json"),
                r#"{"stable_version": 1, "versions_list": ["24.10.2", "../x", 7]}"#,
            )
            .expect("file");
            fs::write(
                dir.join("releases/24.10.2/.targets.json"),
                r#"{"ath79/generic": "mips"}"#,
            )
            .expect("file");
            fs::write(
                dir.join("releases/24.10.2/targets/ath79/generic/profiles.json"),
                "[",
            )
            .expect("file");
        },
        |config| config.workers = 0,
    );
    let overview = get(nonsense.addr(), "/json/v1/overview.json");
    assert_eq!(overview.status, 200);
    assert_eq!(
        overview.json()["branches"]["24.10"]["versions"],
        json!(["24.10.2", "24.10-SNAPSHOT"])
    );
    let answer = post(nonsense.addr(), &request);
    let words: Value = answer.json()["detail"].clone();
    assert_eq!(answer.status, 400);
    assert!(
        words
            .as_str()
            .expect("detail")
            .starts_with("Unsupported profile: x."),
        "{words}"
    );
}

/// What was read of the download site a moment ago is still known when it goes away.
#[test]
fn a_download_site_that_goes_away() {
    let world = World::new(|config| {
        config.upstream_lifetime = std::time::Duration::from_secs(3600);
        config.workers = 0;
    });
    let path = "/json/v1/releases/24.10.2/targets/ath79/generic/index.json";
    let before = get(world.addr(), path);
    let World { server, site, dir } = world;
    drop(site);
    let after = get(server.addr, path);
    assert_eq!((after.status, after.body), (200, before.body));
    assert_eq!(
        get(
            server.addr,
            "/json/v1/releases/25.12.0/targets/ath79/generic/index.json"
        )
        .status,
        502
    );
    drop(dir);
}

/// A download site that is away for a while: who asks meanwhile hears so, and afterwards all is as before.
#[test]
fn a_download_site_that_comes_back() {
    let world = World::new(|_| {});
    let request = |package: &str| {
        json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink_archer-c7-v2", "packages": [package],
            "client": "test/1.0"})
    };
    let done = common::finish(world.addr(), &post(world.addr(), &request("tmux")));
    assert_eq!(done.status, 200);
    let World { server, site, dir } = world;
    let (addr, root) = (site.addr(), dir.path().join("site"));
    drop(site);
    let refused = post(server.addr, &request("luci"));
    assert_eq!(refused.status, 502);
    assert_eq!(
        post(server.addr, &request("tmux")).status,
        200,
        "what is built needs no site"
    );
    let _site = upstream::serve(&root, addr).expect("the same address");
    let done = common::finish(server.addr, &post(server.addr, &request("luci")));
    assert_eq!(done.status, 200, "{done:?}");
}
