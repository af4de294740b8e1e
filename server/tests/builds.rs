//! Builds from the first request to the last byte of the image.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

mod common;

use asu_server::Lifetimes;
use common::world::{go, World};
use common::{finish, get, poll, post, send, Answer};
use mini_imagebuilder::{folder, payload, sha256_hex};
use serde_json::{json, Value};
use std::fs;
use std::path::Path;
use std::time::Duration;

fn request(packages: &[&str]) -> Value {
    json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink,archer-c7-v2", "packages": packages,
        "client": "test/1.0"})
}

fn with(mut request: Value, name: &str, value: impl Into<Value>) -> Value {
    request[name] = value.into();
    request
}

fn hash(answer: &Answer) -> String {
    answer.json()["request_hash"]
        .as_str()
        .expect("hash")
        .to_owned()
}

/// Path of the sysupgrade image in an answer.
fn image(done: &Value) -> (String, Value) {
    let images = done["images"].as_array().expect("images");
    let image = images
        .iter()
        .find(|image| image["type"] == "sysupgrade")
        .expect("sysupgrade image");
    let (folder, name) = (
        done["bin_dir"].as_str().expect("folder"),
        image["name"].as_str().expect("name"),
    );
    (format!("/store/{folder}/{name}"), image.clone())
}

#[test]
fn the_image_holds_what_was_asked_for() {
    let world = World::new(|config| config.allow_defaults = true);
    let script = "uci set system.@system[0].hostname='$(touch /tmp/x)'\n";
    let asked = with(
        with(
            request(&["luci", "-ppp", "-ppp-mod-pppoe"]),
            "defaults",
            script,
        ),
        "rootfs_size_mb",
        256,
    );
    let done = finish(world.addr(), &post(world.addr(), &asked));
    assert_eq!(done.status, 200, "{}", String::from_utf8_lossy(&done.body));
    let (path, image) = image(&done.json());
    let answer = get(world.addr(), &path);
    assert_eq!(
        sha256_hex(&answer.body),
        image["sha256"].as_str().expect("sha256")
    );
    let file = world.store().join("../image");
    fs::write(&file, &answer.body).expect("file");
    let content = payload::read(&file).expect("payload");
    assert!(content.packages.contains_key("luci") && !content.packages.contains_key("ppp"));
    assert_eq!(
        content
            .files
            .get("/etc/uci-defaults/99-asu-defaults")
            .map(String::as_str),
        Some(script)
    );
    assert_eq!(content.rootfs_mb, 256);
    assert_eq!(world.stored().len(), 1, "nothing is left beside the images");
}

/// All of the absolute list and nothing of the defaults but that.
#[test]
fn diff_packages_takes_defaults_back() {
    let world = World::new(|_| {});
    let asked = with(
        request(&["base-files", "busybox", "libc", "dropbear"]),
        "diff_packages",
        true,
    );
    let done = finish(world.addr(), &post(world.addr(), &asked)).json();
    let packages = done["build_cmd_packages"].as_array().expect("packages");
    assert!(
        packages.contains(&json!("-dnsmasq")) && packages.contains(&json!("dropbear")),
        "{packages:?}"
    );
    assert!(
        done["manifest"].get("dnsmasq").is_none() && done["manifest"].get("dropbear").is_some()
    );
}

#[test]
fn an_image_comes_in_parts() {
    let world = World::new(|_| {});
    let done = finish(world.addr(), &post(world.addr(), &request(&[]))).json();
    let (path, _) = image(&done);
    let whole = get(world.addr(), &path);
    let etag = whole.header("etag").expect("ETag").to_owned();
    let modified = whole
        .header("last-modified")
        .expect("Last-Modified")
        .to_owned();
    let range = |headers: &[(&str, &str)]| send(world.addr(), "GET", &path, headers, &[]);
    let length = whole.body.len();

    let part = range(&[("Range", "bytes=100-199")]);
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[100..200]));
    assert_eq!(
        part.header("content-range"),
        Some(&*format!("bytes 100-199/{length}"))
    );
    let rest = range(&[
        ("Range", &format!("bytes={}-", length - 10)),
        ("If-Range", &etag),
    ]);
    assert_eq!(
        (rest.status, &rest.body[..]),
        (206, &whole.body[length - 10..])
    );
    assert_eq!(
        range(&[("Range", "bytes=1-"), ("If-Range", &modified)]).status,
        206
    );
    let other = range(&[("Range", "bytes=100-199"), ("If-Range", "\"another\"")]);
    assert_eq!((other.status, other.body.len()), (200, length));
    let outside = range(&[("Range", &format!("bytes={length}-"))]);
    assert_eq!(
        (outside.status, outside.header("content-range")),
        (416, Some(&*format!("bytes */{length}")))
    );
    let head = send(world.addr(), "HEAD", &path, &[], &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(&*length.to_string()));
}

/// The same wish in other words is the same build.
#[test]
fn equal_requests_join() {
    let world = World::new(|_| {});
    let builder = world.hold("24.10.2", "ath79/generic");
    let first = post(world.addr(), &request(&["luci", "tmux"]));
    let second = post(
        world.addr(),
        &with(request(&["tmux", "luci"]), "client", "other/2.0"),
    );
    let board = post(
        world.addr(),
        &with(request(&["luci", "tmux"]), "profile", "tplink_archer-c7-v2"),
    );
    assert_eq!((hash(&first), hash(&first)), (hash(&second), hash(&board)));
    for step in ["info", "manifest", "image"] {
        go(&builder, step);
    }
    assert_eq!(finish(world.addr(), &first).status, 200);
    let cached = post(world.addr(), &request(&["luci", "tmux"]));
    assert_eq!((cached.status, hash(&cached)), (200, hash(&first)));
}

/// What a build leaves behind goes with it, after good builds and bad ones; the ImageBuilder is as it was.
#[test]
fn the_imagebuilder_is_left_clean() {
    let world = World::new(|_| {});
    let builder = world.builder("24.10.2", "ath79/generic");
    let names = || {
        let entries = fs::read_dir(&builder).expect("ImageBuilder");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("entry").file_name())
            .collect();
        names.sort();
        names
    };
    let before = names();
    for (packages, status) in [("luci", 200), ("fake-fail-image", 500)] {
        assert_eq!(
            finish(world.addr(), &post(world.addr(), &request(&[packages]))).status,
            status
        );
        assert_eq!(names(), before, "{packages}");
        let work = world.store().with_extension("work");
        assert_eq!(fs::read_dir(work).expect("folder").count(), 0, "{packages}");
    }
}

/// Builds with one ImageBuilder don't wait for each other, and don't see each other.
#[test]
fn builds_beside_each_other() {
    let world = World::new(|config| config.workers = 2);
    let addr = world.addr();
    let builder = world.hold("24.10.2", "ath79/generic");
    let posted = [&["luci"], &["tmux"]].map(|packages| post(addr, &request(packages)));
    for posted in &posted {
        poll(addr, &hash(posted), |answer| {
            answer.header("x-imagebuilder-status") == Some("container_setup")
        });
    }
    for step in ["info", "manifest", "image"] {
        go(&builder, step);
    }
    for (posted, other) in [(&posted[0], "tmux"), (&posted[1], "luci")] {
        let done = finish(addr, posted);
        assert_eq!(done.status, 200);
        assert!(done.json()["manifest"].get(other).is_none(), "{other}");
    }
}

/// A build that takes too long is stopped with all its children, and the next one works.
#[test]
fn a_build_that_hangs_is_killed() {
    let world = World::new(|config| config.job_timeout = Duration::from_millis(500));
    let builder = world.hold("24.10.2", "ath79/generic");
    let hanging = format!(
        "#!/bin/sh\nsleep 1000 & echo $! > {0}/child; echo $$ > {0}/parent; wait\n",
        builder.display()
    );
    fs::write(builder.join(folder::PROGRAM), hanging).expect("script");
    let failed = finish(world.addr(), &post(world.addr(), &request(&["luci"])));
    assert_eq!(failed.status, 500);
    assert_eq!(
        failed.json()["detail"],
        "Error: The build took too long and was stopped"
    );
    for name in ["child", "parent"] {
        let id = fs::read_to_string(builder.join(name)).expect("id");
        wait_until_gone(id.trim());
    }
    // The next ones have no more time than that, which a slow machine may not keep to at once.
    let built = (0..100).any(|number| {
        let package = ["tmux", "luci", "owut"].get(number % 3).expect("package");
        let other = json!({"version": "25.12.0", "target": "x86/64", "profile": "generic", "packages": [package],
            "rootfs_size_mb": 100 + number, "client": "test/1.0"});
        finish(world.addr(), &post(world.addr(), &other)).status == 200
    });
    assert!(built, "no other build works any more");
}

/// Killed processes may be zombies for a moment.
fn wait_until_gone(id: &str) {
    let stat = Path::new("/proc").join(id).join("stat");
    for _ in 0..1000 {
        match fs::read_to_string(&stat) {
            Ok(text) if !text.contains(") Z ") => std::thread::sleep(Duration::from_millis(10)),
            _ => return,
        }
    }
    panic!("process {id} lives on");
}

/// Stopping the server leaves neither a process nor a half-made image, and its address is free again.
#[test]
fn shutdown_in_the_middle_of_a_build() {
    let world = World::new(|_| {});
    let builder = world.hold("24.10.2", "ath79/generic");
    let script = format!(
        "#!/bin/sh\n[ $1 != image ] && exec ./real \"$@\"\ncd {}; echo $$ > parent.new; mv parent.new parent\nsleep 1000\n",
        builder.display()
    );
    fs::write(builder.join(folder::PROGRAM), script).expect("script");
    let posted = post(world.addr(), &request(&["luci"]));
    poll(world.addr(), &hash(&posted), |answer| {
        answer.header("x-imagebuilder-status") == Some("building_image")
    });
    while !builder.join("parent").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (addr, store) = (world.addr(), world.store());
    let World { server, site, dir } = world;
    server.shutdown();
    wait_until_gone(
        fs::read_to_string(builder.join("parent"))
            .expect("id")
            .trim(),
    );
    assert_eq!(fs::read_dir(&store).expect("store").count(), 0);
    let mut config = asu_server::Config::new(&site.url(), &store, dir.path().join("imagebuilders"));
    config.listen = addr;
    let server = asu_server::start(config).expect("the same address");
    let forgotten = get(server.addr, &format!("/api/v1/build/{}", hash(&posted)));
    assert_eq!(forgotten.status, 404, "the queue was in the process");
}

/// What is kept no longer is gone with its images, and can be asked for again.
#[test]
fn answers_expire() {
    let world = World::new(|config| {
        config.lifetimes = Lifetimes {
            unversioned: Duration::ZERO,
            ..config.lifetimes.clone()
        };
        config.workers = 1;
    });
    let versioned = json!({"version": "24.10.2", "target": "ath79/generic", "profile": "8dev_carambola2",
        "packages_versions": {"mtd": "27"}, "client": "test/1.0"});
    let kept = finish(world.addr(), &post(world.addr(), &versioned));
    assert_eq!(kept.status, 200, "{}", String::from_utf8_lossy(&kept.body));
    let posted = post(world.addr(), &request(&["luci"]));
    // Its end can't be seen: it is stale at once.
    poll(world.addr(), &hash(&posted), |answer| answer.status != 202);
    assert_eq!(
        get(world.addr(), &format!("/api/v1/build/{}", hash(&posted))).status,
        404
    );
    assert_eq!(world.stored(), [hash(&kept)]);
    assert_eq!(post(world.addr(), &request(&["luci"])).status, 202);
}

/// The feeds moved between the index and the build.
#[test]
fn a_version_that_is_no_longer_there() {
    let world = World::new(|_| {});
    let path = world
        .builder("24.10.2", "ath79/generic")
        .join(folder::PACKAGES);
    let feeds = fs::read_to_string(&path).expect("feeds");
    fs::write(
        &path,
        feeds.replace("Package: mtd\nVersion: 27\n", "Package: mtd\nVersion: 28\n"),
    )
    .expect("feeds");
    let asked = with(request(&[]), "packages_versions", json!({"mtd": "27"}));
    let failed = finish(world.addr(), &post(world.addr(), &asked));
    let words = "Error: Impossible package selection: mtd version not as requested: 27 vs. 28";
    assert_eq!(
        (failed.status, failed.json()["detail"].as_str()),
        (500, Some(words))
    );
}

/// An ImageBuilder that prints without end, or nothing, or lies about its files.
#[test]
fn a_broken_imagebuilder() {
    let cases = [
        ("#!/bin/sh\nexec yes\n", "The build printed more than 8388608 bytes and was stopped"),
        ("#!/bin/sh\nexit 0\n", "The ImageBuilder does not know the profile tplink_archer-c7-v2"),
        ("#!/bin/sh\n[ $1 = image ] && exit 0\nexec ./real \"$@\"\n", "No JSON file found"),
        (
            "#!/bin/sh\n[ $1 = image ] && { echo '{\"profiles\": [1]}' > $BIN_DIR/profiles.json; exit 0; }\nexec ./real \"$@\"\n",
            "Profile not found in JSON file",
        ),
    ];
    for (script, words) in cases {
        let world = World::new(|_| {});
        let builder = world.hold("24.10.2", "ath79/generic");
        fs::write(builder.join(folder::PROGRAM), script).expect("script");
        let failed = finish(world.addr(), &post(world.addr(), &request(&["luci"])));
        assert_eq!(failed.status, 500, "{words}");
        assert_eq!(failed.json()["detail"], format!("Error: {words}"));
        assert!(world.stored().is_empty(), "{words}");
    }
}

/// Images, sums and the chain of keys, as a router that holds the server's key finds them.
#[test]
fn a_signed_build() {
    let keys = tempfile::tempdir().expect("temporary folder");
    let folder = keys.path().join("signing");
    let world = World::new(|config| config.signing = Some(folder.clone()));
    let done = finish(world.addr(), &post(world.addr(), &request(&["tmux"]))).json();
    let (path, image) = image(&done);
    let bytes = get(world.addr(), &path).body;
    assert_eq!(sha256_hex(&bytes), image["sha256"].as_str().expect("sum"));
    assert_ne!(image["sha256"], image["sha256_unsigned"]);
    let beside = |name: &str| {
        let answer = get(
            world.addr(),
            &format!(
                "/store/{}/{name}",
                done["bin_dir"].as_str().expect("folder")
            ),
        );
        assert_eq!(answer.status, 200, "{name}");
        answer.body
    };
    let files = [
        "worker.pub",
        "worker.pub.sig",
        "sha256sums",
        "sha256sums.sig",
    ]
    .map(beside);
    let files = firmware::detached::Files {
        worker: &files[0],
        worker_signature: &files[1],
        sums: &files[2],
        sums_signature: &files[3],
    };
    let mut trusted = firmware::KeyRing::new();
    let server = fs::read(folder.join("server.pub")).expect("key");
    trusted
        .add(firmware::usign::PublicKey::parse(&server).expect("key"))
        .expect("new key");
    let name = image["name"].as_str().expect("name");
    let sum = sha2_of(&bytes);
    let finding = firmware::detached::judge(&files, name, sum, &trusted);
    assert!(
        matches!(finding, firmware::detached::Finding::Good { .. }),
        "{finding}"
    );
    let finding = firmware::detached::judge(&files, name, sum, &firmware::KeyRing::new());
    assert!(
        matches!(finding, firmware::detached::Finding::UnknownKey(_)),
        "{finding}"
    );
}

fn sha2_of(bytes: &[u8]) -> firmware::Sha256 {
    use sha2::Digest as _;
    firmware::Sha256(sha2::Sha256::digest(bytes).into())
}
