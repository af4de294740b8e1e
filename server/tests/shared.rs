//! Many processes on one Redis. Without redis-server or valkey-server installed they say so and test nothing.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

mod common;

use asu_server::Config;
use common::redis::Redis;
use common::world::World;
use common::{finish, get, poll, post, Answer};
use mini_imagebuilder::{folder, sha256_hex};
use redis::Commands as _;
use serde_json::{json, Value};
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process that only builds, or does something else only.
struct Worker(Child);

impl Worker {
    fn start(world: &World, redis: &Redis) -> Self {
        Self::of("worker", world, redis)
    }

    fn of(role: &str, world: &World, redis: &Redis) -> Self {
        let path = |name: &str| world.dir.path().join(name);
        let text = format!(
            "queue = '{}'\nupstream = '{}'\nstore = '{}'\nimagebuilders = '{}'\nwork = '{}'\nsigning = '{}'\nisolation = 'copy'\n[times]\nlease = '5s'\n",
            redis.url(),
            world.site.url(),
            path("store").display(),
            path("imagebuilders").display(),
            path("store.work").display(),
            path("signing").display()
        );
        // Another worker may just be reading its own.
        let file = tempfile::NamedTempFile::new_in(world.dir.path()).expect("file");
        let (_, file) = file.keep().expect("file");
        fs::write(&file, text).expect("configuration");
        let mut command = Command::new(env!("CARGO_BIN_EXE_asu-server"));
        let command = command.args([role, "--config"]).arg(file);
        Self(command.stdout(Stdio::null()).spawn().expect("worker"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // With -9: a worker that dies is what is tested.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A connection of somebody who has no business there.
fn connection(redis: &Redis) -> redis::Connection {
    let client = redis::Client::open(redis.url()).expect("client");
    client.get_connection().expect("connection")
}

/// A server that only answers, and its Redis.
fn world(change: impl FnOnce(&mut Config)) -> Option<(World, Redis)> {
    let redis = Redis::start()?;
    let world = World::new(|config| {
        config.queue = Some(redis.url());
        config.workers = 0;
        config.lease = Duration::from_secs(5);
        config.signing = Some(config.store.with_file_name("signing"));
        change(config);
    });
    Some((world, redis))
}

fn request(packages: &[&str]) -> Value {
    json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink_archer-c7-v2", "packages": packages,
        "client": "test/1.0"})
}

fn hash(answer: &Answer) -> String {
    answer.json()["request_hash"]
        .as_str()
        .expect("hash")
        .to_owned()
}

fn metric(addr: SocketAddr, name: &str) -> u64 {
    let text = String::from_utf8(get(addr, "/metrics").body).expect("text");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .expect("metric");
    line.trim().parse().expect("number")
}

/// Three workers, one of them killed in the middle of a build: every job ends once, with one set of images.
#[test]
fn a_worker_dies() {
    let Some((world, redis)) = world(|_| {}) else {
        return;
    };
    let builder = world.builder("24.10.2", "ath79/generic");
    fs::write(builder.join(folder::DELAY), "1000").expect("delay");
    let names = ["luci", "tmux", "vim", "nano", "owut", "htop", "curl", "mtd"];
    let first = Worker::start(&world, &redis);
    let posted: Vec<Answer> = names
        .iter()
        .map(|name| post(world.addr(), &request(&[name])))
        .collect();
    poll(world.addr(), &hash(&posted[0]), |answer| {
        answer.header("x-imagebuilder-status") == Some("building_image")
    });
    let _others = [(); 2].map(|()| Worker::start(&world, &redis));
    drop(first);
    let mut folders = Vec::new();
    for posted in &posted {
        let done = poll(world.addr(), &hash(posted), |answer| answer.status != 202);
        let json = done.json();
        let missing = json["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("missing"));
        if missing {
            // A name that the miniature ImageBuilder does not know.
            continue;
        }
        assert_eq!(done.status, 200, "{json}");
        let folder = json["bin_dir"].as_str().expect("folder").to_owned();
        for image in json["images"].as_array().expect("images") {
            let path = format!("/store/{folder}/{}", image["name"].as_str().expect("name"));
            let answer = get(world.addr(), &path);
            assert_eq!(
                sha256_hex(&answer.body),
                image["sha256"].as_str().expect("sum"),
                "{path}"
            );
        }
        folders.push(folder);
    }
    let successes = metric(world.addr(), "asu_builds_total{result=\"success\"}");
    let failures = metric(world.addr(), "asu_builds_total{result=\"failure\"}");
    assert_eq!(successes + failures, names.len() as u64, "each ends once");
    assert!(folders.len() >= 3 && successes == folders.len() as u64);
    assert_eq!(
        folders[0],
        format!("{}-2", hash(&posted[0])),
        "another one built it"
    );
    folders.sort();
    assert_eq!(world.stored(), folders, "no image is lost or doubled");
}

/// A worker that was only away for a while finds that another one has its job: its images go, and nothing ends twice.
#[test]
fn a_worker_that_was_only_slow() {
    let Some((world, redis)) = world(|_| {}) else {
        return;
    };
    let builder = world.builder("24.10.2", "ath79/generic");
    fs::write(builder.join(folder::DELAY), "1000").expect("delay");
    let slow = Worker::start(&world, &redis);
    let posted = post(world.addr(), &request(&["tmux"]));
    poll(world.addr(), &hash(&posted), |answer| {
        answer.header("x-imagebuilder-status") == Some("building_image")
    });
    let id = nix::unistd::Pid::from_raw(slow.0.id().try_into().expect("id"));
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGSTOP).expect("stopped");
    let other = Worker::start(&world, &redis);
    let done = finish(world.addr(), &posted).json();
    let folder = format!("{}-2", hash(&posted));
    assert_eq!(done["bin_dir"], folder.as_str(), "{done}");
    drop(other);
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGCONT).expect("gone on");
    // It is the only worker now: when it has built something else, it is done with what was not its own any more.
    let next = finish(world.addr(), &post(world.addr(), &request(&["luci"])));
    assert_eq!(next.status, 200);
    assert_eq!(
        get(world.addr(), &format!("/api/v1/build/{}", hash(&posted))).json(),
        done
    );
    let built = metric(world.addr(), "asu_builds_total{result=\"success\"}");
    assert_eq!(built, 2, "each ended once");
    let mut expected = [folder, hash(&next)];
    expected.sort();
    assert_eq!(world.stored(), expected, "no image is lost or doubled");
}

/// All that answer know the same jobs, keep the same order, and refuse what is too much.
#[test]
fn many_that_answer() {
    let Some((world, redis)) = world(|config| config.max_pending = 1) else {
        return;
    };
    let mut config = Config::new(
        &world.site.url(),
        world.store(),
        world.dir.path().join("imagebuilders"),
    );
    config.queue = Some(redis.url());
    config.signing = Some(world.dir.path().join("signing"));
    config.workers = 0;
    config.max_pending = 1;
    config.admin_token = Some("secret".to_owned());
    let other = asu_server::start(config).expect("server");
    let first = post(world.addr(), &request(&["luci"]));
    let joined = post(other.addr, &request(&["luci"]));
    assert_eq!((first.status, hash(&first)), (202, hash(&joined)));
    let second = post(other.addr, &request(&["tmux"]));
    assert_eq!(second.json()["queue_position"], 1);
    let full = post(world.addr(), &request(&["vim"]));
    assert_eq!((full.status, full.header("retry-after")), (529, Some("60")));
    assert_eq!(
        get(other.addr, "/api/v1/stats").json(),
        json!({"queue_length": 2})
    );
    let worker = Worker::start(&world, &redis);
    for posted in [&first, &second] {
        assert_eq!(finish(other.addr, posted).status, 200);
    }
    drop(worker);
    // Deleted at one, gone at all.
    let path = format!("/api/v1/build/{}", hash(&first));
    let token = [("Authorization", "Bearer secret")];
    assert_eq!(
        common::send(other.addr, "DELETE", &path, &token, &[]).status,
        200
    );
    poll(world.addr(), &hash(&first), |answer| answer.status == 404);
    assert!(
        !world.store().join(hash(&first)).exists() && world.store().join(hash(&second)).exists()
    );
}

/// What somebody else wrote into Redis is no answer, and stops nobody.
#[test]
fn poisoned_jobs() {
    let Some((world, redis)) = world(|_| {}) else {
        return;
    };
    let done = {
        let _worker = Worker::start(&world, &redis);
        finish(world.addr(), &post(world.addr(), &request(&["luci"])))
    };
    let mut connection = connection(&redis);
    let text: String = connection
        .get(format!("asu:done:{}", hash(&done)))
        .expect("job");
    let other = "0".repeat(64);
    for poison in [text.as_str(), "{", "null", ""] {
        for place in ["job", "done"] {
            let () = connection
                .set(format!("asu:{place}:{other}"), poison)
                .expect("poison");
            assert_eq!(
                get(world.addr(), &format!("/api/v1/build/{other}")).status,
                404,
                "{poison}"
            );
        }
    }
    // One that waits, spoiled: the worker goes on with the next.
    let spoiled = post(world.addr(), &request(&["tmux"]));
    let () = connection
        .set(format!("asu:job:{}", hash(&spoiled)), "{")
        .expect("poison");
    let next = post(world.addr(), &request(&["vim"]));
    let _worker = Worker::start(&world, &redis);
    poll(world.addr(), &hash(&next), |answer| answer.status != 202);
    assert_eq!(
        get(world.addr(), &format!("/api/v1/build/{}", hash(&spoiled))).status,
        404
    );
}

/// A sealed text with something else in it.
fn altered(sealed: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut outer: Value = serde_json::from_str(sealed).expect("sealed");
    let mut job: Value = serde_json::from_str(outer["text"].as_str().expect("text")).expect("job");
    change(&mut job);
    outer["text"] = job.to_string().into();
    outer.to_string()
}

/// The result of a build, as its worker sealed it.
fn sealed(world: &World, redis: &Redis, packages: &[&str]) -> String {
    let done = finish(world.addr(), &post(world.addr(), &request(packages)));
    assert_eq!(done.status, 200, "{done:?}");
    let place = format!("asu:done:{}", hash(&done));
    connection(redis).get(place).expect("result")
}

/// Who can write to Redis and has no worker's key invents no results, neither for what is done nor for what waits. The
/// request is answered with what a worker built.
#[test]
fn forged_worker_results() {
    let Some((world, redis)) = world(|_| {}) else {
        return;
    };
    let worker = Worker::start(&world, &redis);
    let other = {
        let (other, redis) = self::world(|_| {}).expect("another server");
        let _worker = Worker::start(&other, &redis);
        sealed(&other, &redis, &["tmux"])
    };
    let ours = sealed(&world, &redis, &["luci"]);
    drop(worker);
    let waiting = post(world.addr(), &request(&["tmux"]));
    let name = hash(&waiting);
    let hash_of = |job: &mut Value| job["hash"] = name.as_str().into();
    let text = |sealed: &str| {
        let outer: Value = serde_json::from_str(sealed).expect("sealed");
        outer["text"].as_str().expect("text").to_owned()
    };
    let forgeries = [
        ("of another server's worker", other.clone()),
        ("of a worker, for another request", ours.clone()),
        ("of a worker, and altered", altered(&ours, hash_of)),
        ("without a seal", text(&other)),
    ];
    let mut connection = connection(&redis);
    let path = format!("/api/v1/build/{name}");
    for (what, forgery) in &forgeries {
        let () = connection
            .set(format!("asu:done:{name}"), forgery)
            .expect("forgery");
        let answer = get(world.addr(), &path);
        assert_eq!(
            (answer.status, &answer.json()["detail"]),
            (202, &json!("queued")),
            "{what}"
        );
    }
    // The request itself, changed on its way to the worker: it is not built, and can be asked for again.
    let queued: String = connection.get(format!("asu:job:{name}")).expect("job");
    let evil = altered(&queued, |job| job["request"]["packages"] = json!(["luci"]));
    let () = connection
        .set(format!("asu:job:{name}"), evil)
        .expect("forgery");
    let _worker = Worker::start(&world, &redis);
    poll(world.addr(), &name, |answer| answer.status == 404);
    let done = finish(world.addr(), &post(world.addr(), &request(&["tmux"])));
    let manifest = &done.json()["manifest"];
    assert!(
        manifest.get("tmux").is_some() && manifest.get("luci").is_none(),
        "{manifest}"
    );
    // What was done: forged it is not there any more, and is built again.
    for (what, forgery) in &forgeries {
        let () = connection
            .set(format!("asu:done:{name}"), forgery)
            .expect("forgery");
        poll(world.addr(), &name, |answer| answer.status == 404);
        let again = finish(world.addr(), &post(world.addr(), &request(&["tmux"])));
        assert_eq!(again.json()["manifest"], *manifest, "{what}");
        let image = &again.json()["images"][0];
        let path = format!("/store/{name}/{}", image["name"].as_str().expect("name"));
        let bytes = get(world.addr(), &path).body;
        assert_eq!(
            sha256_hex(&bytes),
            image["sha256"].as_str().expect("sum"),
            "{what}"
        );
    }
}

/// A process of its own prepares requests: here for one that can't reach the download site. Without it, or where somebody
/// else answers in its place, who was asked does it himself.
#[test]
fn a_process_that_prepares() {
    let Some((world, redis)) = world(|_| {}) else {
        return;
    };
    let mut config = Config::new(
        "http://127.0.0.1:1",
        world.store(),
        world.dir.path().join("x"),
    );
    config.queue = Some(redis.url());
    config.signing = Some(world.dir.path().join("signing"));
    config.workers = 0;
    let cut_off = asu_server::start(config).expect("server");
    let prepare = |addr: SocketAddr, packages: &[&str]| {
        let mut request = request(packages);
        request["from_version"] = "22.03.5".into();
        let json = [
            ("Content-Type", "application/json"),
            ("User-Agent", "test/1.0"),
        ];
        let body = request.to_string();
        common::send(
            addr,
            "POST",
            "/api/v1/build/prepare",
            &json,
            body.as_bytes(),
        )
    };
    let alone = prepare(world.addr(), &["auc"]);
    assert_eq!(
        (alone.status, prepare(cut_off.addr, &["auc"]).status),
        (200, 502)
    );
    let preparer = Worker::of("prepare", &world, &redis);
    let mut connection = connection(&redis);
    let there = |connection: &mut redis::Connection| -> bool {
        connection.exists("asu:preparers").expect("key")
    };
    let start = std::time::Instant::now();
    while !there(&mut connection) {
        assert!(start.elapsed() < Duration::from_secs(120), "it never came");
        std::thread::sleep(Duration::from_millis(20));
    }
    let by_it = prepare(cut_off.addr, &["auc"]);
    assert_eq!((by_it.status, by_it.json()), (200, alone.json()));
    assert_eq!(by_it.json()["resolved_packages"], json!(["owut"]));
    let mut unknown = request(&[]);
    unknown["profile"] = "nosuch".into();
    let json = [
        ("Content-Type", "application/json"),
        ("User-Agent", "test/1.0"),
    ];
    let body = unknown.to_string();
    let refused = common::send(
        cut_off.addr,
        "POST",
        "/api/v1/build/prepare",
        &json,
        body.as_bytes(),
    );
    assert_eq!(refused.status, 400);
    drop(preparer);
    while there(&mut connection) {
        std::thread::sleep(Duration::from_millis(20));
    }
    // Somebody else says that he prepares, and answers what he likes.
    let () = connection.set("asu:preparers", "me").expect("sign");
    let addr = world.addr();
    std::thread::scope(|scope| {
        let asked = scope.spawn(move || prepare(addr, &["auc"]));
        let question = loop {
            let question: Option<String> = connection.rpop("asu:questions", None).expect("list");
            match question {
                Some(question) => break question,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let text: Value = serde_json::from_str(&question).expect("sealed");
        let parcel: Value =
            serde_json::from_str(text["text"].as_str().expect("text")).expect("question");
        let id = parcel["id"].as_str().expect("id");
        let evil = altered(&question, |parcel| {
            let ready =
                json!({"original": [], "request": parcel["content"]["request"], "changes": []});
            parcel["content"] = json!({"Ready": ready});
        });
        let () = connection
            .set(format!("asu:prepared:{id}"), evil)
            .expect("answer");
        let answer = asked.join().expect("answer");
        assert_eq!((answer.status, answer.json()), (200, alone.json()));
    });
}

/// Without Redis there is a clear answer, and when it is back all goes on.
#[test]
fn redis_goes_away() {
    let Some((world, mut redis)) = world(|_| {}) else {
        return;
    };
    redis.stop();
    let answer = post(world.addr(), &request(&["luci"]));
    let words = answer.json()["detail"].as_str().expect("detail").to_owned();
    assert!(
        answer.status == 503 && words.starts_with("The queue could not be reached"),
        "{words}"
    );
    redis.again();
    let (start, mut status) = (std::time::Instant::now(), 503);
    while status == 503 && start.elapsed() < Duration::from_secs(60) {
        status = post(world.addr(), &request(&["luci"])).status;
    }
    assert_eq!(status, 202);
}
