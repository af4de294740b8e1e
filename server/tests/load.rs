//! Many at once: everybody gets an answer, and the memory stays what it was.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

mod common;

use common::redis::Redis;
use common::world::World;
use common::{finish, get, poll, post, send};
use serde_json::{json, Value};
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many ask at the same time.
const CLIENTS: usize = 40;
const CACHED: usize = 10_000;
const NEW: usize = 500;
/// How much the process may grow by all that, in KiB: answers kept ready, requests that wait, clients of the test.
const GROWTH: u64 = 96 << 10;

fn request(version: &str, target: &str, profile: &str, package: &str) -> Value {
    json!({"version": version, "target": target, "profile": profile, "packages": [package], "client": "test/1.0"})
}

/// Memory of this process, in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line
        .and_then(|line| line.split_whitespace().next())
        .expect("VmRSS");
    number.parse().expect("number")
}

#[test]
fn ten_thousand_cached_and_five_hundred_new() {
    overload(None);
}

/// The same where the queue is shared. Without redis-server or valkey-server installed it says so and tests nothing.
#[test]
fn ten_thousand_cached_and_five_hundred_new_on_redis() {
    if let Some(redis) = Redis::start() {
        overload(Some(redis.url()));
    }
}

/// What is measured is the memory of all tests that run.
static TURN: Mutex<()> = Mutex::new(());

fn overload(queue: Option<String>) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let world = World::new(|config| {
        config.max_pending = 200;
        config.upstream_lifetime = Duration::from_secs(3600);
        config.signing = queue
            .as_ref()
            .map(|_| config.store.with_file_name("signing"));
        config.queue = queue;
    });
    let addr = world.addr();
    let known = request("24.10.2", "ath79/generic", "tplink_archer-c7-v2", "tmux");
    let done = finish(addr, &post(addr, &known));
    assert_eq!(done.status, 200);
    let path = format!(
        "/api/v1/build/{}",
        done.json()["request_hash"].as_str().expect("hash")
    );
    // The only worker has something to do meanwhile.
    world.hold("25.12.0", "x86/64");
    let held = post(addr, &request("25.12.0", "x86/64", "generic", "tmux"));
    let hash = held.json()["request_hash"]
        .as_str()
        .expect("hash")
        .to_owned();
    poll(addr, &hash, |answer| {
        answer.header("x-imagebuilder-status") == Some("container_setup")
    });

    let before = memory();
    let ask = |client: usize| {
        let mut counts = [0; 3];
        for number in (client..CACHED).step_by(CLIENTS) {
            let answer = if number % 2 == 0 {
                get(addr, &path)
            } else {
                post(addr, &known)
            };
            assert_eq!(answer.status, 200, "{answer:?}");
            counts[0] += 1;
            if number < NEW {
                let package = format!("package-{number}");
                let answer = post(addr, &request("24.10.2", "x86/64", "generic", &package));
                match answer.status {
                    202 => counts[1] += 1,
                    529 => counts[2] += 1,
                    other => panic!("{other}: {answer:?}"),
                }
                let later = answer.header("retry-after").is_some();
                assert_eq!(later, answer.status == 529);
            }
        }
        counts
    };
    let counts: Vec<[usize; 3]> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| scope.spawn(move || ask(client)))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("client"))
            .collect()
    });
    let sum = |place: usize| counts.iter().map(|counts| counts[place]).sum::<usize>();
    assert_eq!(sum(0), CACHED);
    assert_eq!(sum(1) + sum(2), NEW);
    assert_eq!(
        sum(1),
        201,
        "one more than may wait, as the public server takes"
    );
    assert_eq!(
        get(addr, "/api/v1/stats").json(),
        json!({"queue_length": 201})
    );
    let grown = memory().saturating_sub(before);
    assert!(grown < GROWTH, "grew by {grown} KiB");
}

/// One address wants a hundred images, then twenty others want one each, all through a proxy of ours.
#[test]
fn who_asks_for_one_does_not_wait_for_who_asks_for_many() {
    let world = World::new(|config| {
        config.workers = 0;
        config.trusted_proxies = vec!["127.0.0.1".parse().expect("address")];
        config.upstream_lifetime = Duration::from_secs(3600);
    });
    let ask = |client: &str, package: usize| {
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Forwarded-For", client),
        ];
        let package = format!("package-{package}");
        let body = request("24.10.2", "x86/64", "generic", &package).to_string();
        let path = "/api/v1/build";
        let answer = send(world.addr(), "POST", path, &headers, body.as_bytes());
        assert_eq!(answer.status, 202, "{answer:?}");
        let position = answer.header("x-queue-position").expect("position");
        position.parse::<usize>().expect("number")
    };
    for number in 0..100 {
        assert_eq!(ask("203.0.113.1, 198.51.100.7", number), number);
    }
    for number in 0..20 {
        let client = format!("203.0.113.{number}");
        assert_eq!(ask(&client, 100 + number), 1 + number, "{client}");
    }
    assert_eq!(ask("198.51.100.7", 1000), 120);
}
