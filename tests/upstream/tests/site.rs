//! The site as servers read it.
#![allow(
    clippy::expect_used,
    reason = "helpers of tests, where a panic is the verdict"
)]

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use upstream::{Options, Upstream};

/// Status, header lines and body.
fn get(site: &Upstream, method: &str, path: &str) -> (u16, String, Vec<u8>) {
    let host = site.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&host).expect("connection");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .expect("request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answer");
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("end of the header");
    let head = String::from_utf8(answer[..end].to_vec()).expect("header");
    (
        head[9..12].parse().expect("status"),
        head.to_lowercase(),
        answer[end + 4..].to_vec(),
    )
}

fn json(site: &Upstream, path: &str) -> Value {
    let (status, _, body) = get(site, "GET", path);
    assert_eq!(status, 200, "{path}");
    serde_json::from_slice(&body).expect("JSON")
}

fn names(index: &Value) -> BTreeSet<String> {
    index["packages"]
        .as_object()
        .expect("packages")
        .keys()
        .cloned()
        .collect()
}

#[test]
fn lists_versions_targets_and_profiles() {
    let site = upstream::start(&Options::default()).expect("site");
    let versions = json(&site, "/.versions.json");
    assert_eq!(versions["stable_version"], "25.12.0");
    let list = serde_json::json!(["25.12.1-rc1", "25.12.0", "24.10.2", "24.10.1", "24.10.0"]);
    assert_eq!(versions["versions_list"], list);
    assert_eq!(json(&site, "/snapshots/.targets.json")["x86/64"], "x86_64");
    let targets = json(&site, "/releases/24.10.2/targets?json-targets");
    assert_eq!(targets, serde_json::json!(["ath79/generic", "x86/64"]));
    let profiles = json(
        &site,
        "/releases/24.10.2/targets/ath79/generic/profiles.json",
    );
    assert_eq!(profiles["version_code"], "r28739-d9340319c6");
    assert_eq!(
        profiles["profiles"]["tplink_archer-c7-v2"]["supported_devices"][0],
        "tplink,archer-c7-v2"
    );
    let (status, head, body) = get(
        &site,
        "HEAD",
        "/releases/24.10.2/targets/ath79/generic/sha256sums.sig",
    );
    assert_eq!((status, body.len()), (200, 0));
    assert!(head.contains("last-modified: "), "{head}");
    for path in [
        "/releases/24.10.9/.targets.json",
        "/../etc/passwd",
        "/releases/../../etc/passwd",
        "/%2e%2e/x",
    ] {
        assert_eq!(get(&site, "GET", path).0, 404, "{path}");
    }
    assert_eq!(get(&site, "POST", "/.versions.json").0, 405);
}

/// First form with ABI suffixes and `Packages` beside, second form without; modules in a folder of their own.
#[test]
fn has_both_forms_of_package_indexes() {
    let site = upstream::start(&Options::default()).expect("site");
    let old = json(
        &site,
        "/releases/24.10.0/packages/mips_24kc/base/index.json",
    );
    assert!(old.get("version").is_none() && names(&old).contains("libubox20260213"));
    let new = json(
        &site,
        "/releases/24.10.2/packages/mips_24kc/base/index.json",
    );
    assert!(new["version"] == 2 && names(&new).contains("libubox"));
    let (status, _, packages) = get(
        &site,
        "GET",
        "/releases/24.10.0/packages/mips_24kc/base/Packages",
    );
    let packages = String::from_utf8(packages).expect("text");
    assert_eq!(status, 200);
    assert!(packages
        .contains("Package: libubox20260213\nVersion: 2026.02.13~1aa36ee7-r1\nDepends: libc\n"));
    assert!(packages.contains("\nABIVersion: 20260213\n"));
    assert_eq!(
        get(
            &site,
            "GET",
            "/releases/25.12.0/packages/mips_24kc/base/Packages"
        )
        .0,
        404
    );

    let target = "/releases/24.10.2/targets/ath79/generic";
    let kernel = &json(&site, &format!("{target}/profiles.json"))["linux_kernel"];
    let part = |name: &str| {
        kernel[name]
            .as_str()
            .expect("part of the kernel's version")
            .to_owned()
    };
    let kmods = format!(
        "{target}/kmods/{}-{}-{}/index.json",
        part("version"),
        part("release"),
        part("vermagic")
    );
    assert!(names(&json(&site, &kmods)).contains("kmod-ath9k"));
    assert!(!names(&json(&site, &format!("{target}/packages/index.json"))).contains("kmod-ath9k"));
    let (_, _, conf) = get(
        &site,
        "GET",
        "/releases/24.10.2/packages/mips_24kc/feeds.conf",
    );
    assert!(String::from_utf8(conf)
        .expect("text")
        .starts_with("src-git base "));
}

#[test]
fn an_invented_feed_is_as_long_as_asked() {
    let options = Options {
        invented_packages: 10_000,
        versions: vec!["24.10.2".to_owned()],
        ..Options::default()
    };
    let site = upstream::start(&options).expect("site");
    let (_, _, body) = get(
        &site,
        "GET",
        "/releases/24.10.2/packages/mips_24kc/packages/index.json",
    );
    assert!((540_000..560_000).contains(&body.len()), "{}", body.len());
}

/// The archive is found as servers find it, its checksum is right, and it is an ImageBuilder.
#[test]
fn offers_signed_imagebuilders() {
    let archives = vec![("24.10.2".to_owned(), "ath79/generic".to_owned())];
    let options = Options {
        archives,
        versions: vec!["24.10.2".to_owned()],
        ..Options::default()
    };
    let site = upstream::start(&options).expect("site");
    let dir = site.dir().join("releases/24.10.2/targets/ath79/generic");
    let sums = fs::read_to_string(dir.join("sha256sums")).expect("sums");
    let name = "openwrt-imagebuilder-24.10.2-ath79-generic.Linux-x86_64.tar.xz";
    let (sum, _) = sums
        .lines()
        .find_map(|line| line.split_once(&format!(" *{name}")))
        .expect("line of the archive");
    assert_eq!(
        sum,
        mini_imagebuilder::sha256_hex(&fs::read(dir.join(name)).expect("archive"))
    );
    let signature = fs::read_to_string(dir.join("sha256sums.sig")).expect("signature");
    assert_eq!(signature, options.key().sign(sums.as_bytes()));

    let folder = tempfile::tempdir().expect("temporary folder");
    let mut tar = Command::new("tar");
    tar.arg("-xf")
        .arg(dir.join(name))
        .args(["--strip-components=1", "-C"])
        .arg(folder.path());
    assert!(tar.status().expect("tar").success());
    let info = Command::new("make")
        .arg("info")
        .current_dir(folder.path())
        .output()
        .expect("make");
    assert!(
        String::from_utf8_lossy(&info.stdout).contains("Current Revision: \"r28739-d9340319c6\""),
        "{info:?}"
    );
}
