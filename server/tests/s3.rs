//! Images in a bucket of S3: a small one of the tests' own, which verifies every signature by code that is not ours.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

mod common;

use asu_server::{Config, S3Config};
use common::world::World;
use common::{finish, get, post, send, Answer};
use mini_imagebuilder::sha256_hex;
use serde_json::{json, Value};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// The bucket.
struct Bucket {
    child: Child,
    url: String,
}

impl Bucket {
    fn start() -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/s3.py");
        let mut child = Command::new("python3")
            .args([program, "images", "access", "secret/+=", "somewhere-1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut lines = BufReader::new(child.stdout.take().expect("output")).lines();
        let url = lines.next().expect("a line").expect("its address");
        Self { child, url }
    }

    fn settings(&self) -> S3Config {
        S3Config {
            endpoint: self.url.clone(),
            bucket: "images".to_owned(),
            region: "somewhere-1".to_owned(),
            access_key: "access".to_owned(),
            secret_key: "secret/+=".to_owned(),
        }
    }

    /// Makes it behave so, and gives the paths of its objects.
    fn behave(&self, mode: &str) -> Vec<String> {
        let addr: SocketAddr = self
            .url
            .trim_start_matches("http://")
            .parse()
            .expect("address");
        let answer = get(addr, &format!("/!{mode}"));
        let text = String::from_utf8(answer.body).expect("text");
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // It is gone then, or was.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn world(change: impl FnOnce(&mut Config)) -> (World, Bucket) {
    let bucket = Bucket::start();
    let world = World::new(|config| {
        config.s3 = Some(bucket.settings());
        config.admin_token = Some("secret".to_owned());
        change(config);
    });
    (world, bucket)
}

fn build(world: &World, package: &str) -> Answer {
    let request = json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink_archer-c7-v2",
        "packages": [package], "client": "test/1.0"});
    finish(world.addr(), &post(world.addr(), &request))
}

/// The path of the first image, and its sum.
fn image(done: &Value) -> (String, String) {
    let image = &done["images"][0];
    let (folder, name) = (done["bin_dir"].as_str(), image["name"].as_str());
    let path = format!("/store/{}/{}", folder.expect("folder"), name.expect("name"));
    (path, image["sha256"].as_str().expect("sum").to_owned())
}

fn hash(done: &Value) -> &str {
    done["request_hash"].as_str().expect("hash")
}

/// Has a build removed; the status of the answer.
fn delete(world: &World, done: &Value) -> u16 {
    let token = [("Authorization", "Bearer secret")];
    let place = format!("/api/v1/build/{}", hash(done));
    send(world.addr(), "DELETE", &place, &token, &[]).status
}

/// Stored, served whole and in parts, deleted as a whole; nothing stays on the server's own disk.
#[test]
fn images_in_a_bucket() {
    let (world, bucket) =
        world(|config| config.signing = Some(config.store.with_file_name("signing")));
    let done = build(&world, "tmux").json();
    assert_eq!(done["detail"], "done", "{done}");
    assert_eq!(fs::read_dir(world.store()).expect("store").count(), 0);
    let (path, sum) = image(&done);
    let whole = get(world.addr(), &path);
    assert_eq!((whole.status, sha256_hex(&whole.body)), (200, sum));
    let etag = whole.header("etag").expect("ETag").to_owned();
    let length = whole.body.len();
    let head = send(world.addr(), "HEAD", &path, &[], &[]);
    assert_eq!(head.header("content-length"), Some(&*length.to_string()));
    assert!(head.body.is_empty());
    for (range, from, to) in [
        ("bytes=100-199", 100, 200),
        ("bytes=5-", 5, length),
        ("bytes=-7", length - 7, length),
    ] {
        let part = send(
            world.addr(),
            "GET",
            &path,
            &[("Range", range), ("If-Range", &etag)],
            &[],
        );
        assert_eq!(
            (part.status, &part.body[..]),
            (206, &whole.body[from..to]),
            "{range}"
        );
        let expected = format!("bytes {from}-{}/{length}", to - 1);
        assert_eq!(part.header("content-range"), Some(&*expected));
    }
    let outside = send(
        world.addr(),
        "GET",
        &path,
        &[("Range", &format!("bytes={length}-"))],
        &[],
    );
    assert_eq!(outside.status, 416);
    let folder = done["bin_dir"].as_str().expect("folder");
    assert_eq!(
        get(world.addr(), &format!("/store/{folder}/sha256sums.sig")).status,
        200
    );
    for path in [
        format!("/store/{folder}/nosuch"),
        format!("/store/{folder}/.files"),
        "/store/x/../x".to_owned(),
    ] {
        assert_eq!(get(world.addr(), &path).status, 404, "{path}");
    }
    let other = build(&world, "luci").json();
    assert_eq!(delete(&world, &done), 200);
    assert_eq!(get(world.addr(), &path).status, 404);
    let left = bucket.behave("none");
    assert!(left.iter().all(|path| !path.contains(folder)), "{left:?}");
    // Asked for once more it is elsewhere: a removal that comes late takes nothing from it.
    let again = build(&world, "tmux").json();
    assert_ne!(again["bin_dir"], done["bin_dir"]);
    assert_eq!(again["request_hash"], done["request_hash"]);
    assert_eq!(get(world.addr(), &image(&again).0).status, 200);
    let (path, sum) = image(&other);
    assert_eq!(sha256_hex(&get(world.addr(), &path).body), sum);
}

/// Another server's bucket, or a wrong key: said, and nobody is told that there is an image.
#[test]
fn a_bucket_that_refuses() {
    let (world, bucket) = world(|config| {
        if let Some(s3) = &mut config.s3 {
            s3.secret_key = "wrong".to_owned();
        }
    });
    let failed = build(&world, "tmux").json();
    let words = failed["detail"].as_str().expect("detail");
    assert!(
        words.starts_with("Error: The images could not be stored: the store answers 403"),
        "{words}"
    );
    assert!(bucket.behave("none").is_empty());
}

/// A bucket that is full, broken, or away: a clear answer, nothing half there, and the next build works.
#[test]
fn a_bucket_that_fails() {
    let (world, bucket) = world(|_| {});
    for (mode, words, package) in [
        ("full", "answers 507", "tmux"),
        ("broken", "answers 500", "luci"),
    ] {
        bucket.behave(mode);
        let failed = build(&world, package);
        let json = failed.json();
        assert!(
            failed.status == 500 && json["detail"].as_str().expect("detail").contains(words),
            "{json}"
        );
        assert!(bucket.behave("none").is_empty(), "{mode}");
    }
    let done = build(&world, "owut").json();
    let (path, sum) = image(&done);
    assert_eq!(sha256_hex(&get(world.addr(), &path).body), sum);
    // What can't be read is no image that isn't there.
    bucket.behave("broken");
    assert_eq!(get(world.addr(), &path).status, 503);
    // What can't be removed is still known.
    assert_eq!(delete(&world, &done), 503);
    bucket.behave("none");
    let place = format!("/api/v1/build/{}", hash(&done));
    assert_eq!(get(world.addr(), &place).status, 200);
    assert_eq!(delete(&world, &done), 200);
    assert!(bucket.behave("none").is_empty());
}

/// One that sends less than it says breaks the connection, one that sends more is cut off, and one that says nothing holds
/// nobody else up.
#[test]
fn a_bucket_that_lies() {
    let (world, bucket) = world(|_| {});
    let done = build(&world, "tmux").json();
    let (path, sum) = image(&done);
    let whole = get(world.addr(), &path).body;
    bucket.behave("short");
    let short = get(world.addr(), &path);
    assert_eq!(
        short.header("content-length"),
        Some(&*whole.len().to_string())
    );
    assert!(
        short.body.len() < whole.len(),
        "the client sees that something is missing"
    );
    bucket.behave("long");
    let part = send(world.addr(), "GET", &path, &[("Range", "bytes=10-19")], &[]);
    assert_eq!((part.status, &part.body[..]), (206, &whole[10..20]));
    assert_eq!(sha256_hex(&get(world.addr(), &path).body), sum);
    bucket.behave("hang");
    let (addr, hanging) = (world.addr(), path.clone());
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let path = hanging.clone();
            std::thread::spawn(move || {
                use std::io::Write as _;
                let mut stream = std::net::TcpStream::connect(addr).expect("connection");
                write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("request");
                stream
            })
        })
        .collect();
    let _streams: Vec<_> = waiting
        .into_iter()
        .map(|thread| thread.join().expect("stream"))
        .collect();
    assert_eq!(get(world.addr(), "/api/v1/stats").status, 200);
    bucket.behave("none");
    assert_eq!(sha256_hex(&get(world.addr(), &path).body), sum);
}
