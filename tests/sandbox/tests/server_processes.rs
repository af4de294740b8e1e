//! Routers upgrade themselves by a server that is a process of its own, or many on Redis, and dies, or a worker of it.
//! Without redis-server or valkey-server installed the latter says so and tests nothing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod common;
#[path = "../../../server/tests/common/redis.rs"]
#[allow(dead_code, reason = "here Redis stays")]
mod redis;

use asu::api::Phase;
use common::*;
use mini_imagebuilder::{catalog, devices, folder};
use redis::Redis;
use sandbox::{Device, Router};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use upstream::Upstream;

const DEVICES: [Device; 4] = [
    Device::ArcherC7,
    Device::ArcherC7Opkg,
    Device::X86 { efi: true },
    Device::X86 { efi: false },
];

/// What each wants besides, so that no two ask for the same image.
const ADDED: [&[&str]; 4] = [&[], &["tmux"], &[], &["tmux"]];

/// How long each step of a build takes: enough to be killed in.
const STEP: Duration = Duration::from_secs(2);

/// A process of the server.
struct Part {
    child: Child,
}

impl Part {
    /// Ends it as a power cut would.
    fn kill_9(&mut self) {
        kill_9(self.child.id().try_into().unwrap());
        self.child.wait().unwrap();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It is gone then, or was.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What all processes of the server share.
struct Shared {
    _redis: Option<Redis>,
    _site: Upstream,
    dir: TempDir,
    program: PathBuf,
}

impl Shared {
    fn new(redis: Option<Redis>) -> Self {
        let site = upstream::start(&upstream::Options::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let options = folder::Options {
            delay: STEP,
            upstream_url: site.url(),
            program: None,
        };
        let release = catalog::release("24.10.2").unwrap();
        for target in devices::targets() {
            let place = path("imagebuilders/24.10.2").join(target.name);
            folder::create(&place, release, target, &options).unwrap();
        }
        let text = format!(
            "queue = '{}'\nupstream = '{}'\ndata = '{}'\n[times]\nlease = '5s'\n",
            redis.as_ref().map(Redis::url).unwrap_or_default(),
            site.url(),
            dir.path().display()
        );
        fs::write(path("asu.toml"), text).unwrap();
        let program = path("asu-server");
        // Not by this process: what the other test starts meanwhile would hold the file open for writing, too.
        let mut copy = Command::new("cp");
        let copy = copy.arg(env!("CARGO_BIN_EXE_sandbox")).arg(&program);
        assert!(copy.status().unwrap().success());
        Shared {
            _redis: redis,
            _site: site,
            dir,
            program,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts a process and gives its URL with it.
    fn start(&self, role: &str) -> (Part, String) {
        self.start_at(Some(role), "127.0.0.1:0")
    }

    /// The same at an address; without a role it is all of a server.
    fn start_at(&self, role: Option<&str>, listen: &str) -> (Part, String) {
        let mut child = Command::new(&self.program)
            .args(role)
            .args(["--listen", listen, "--config"])
            .arg(self.path("asu.toml"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.next().unwrap().unwrap();
        (Part { child }, url)
    }
}

/// What the server counted.
fn metric(url: &str, name: &str) -> u64 {
    let addr = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{text}"))
        .trim()
        .parse()
        .unwrap()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

/// Waits until the image of one of the routers is being made.
fn wait_building(routers: &[Router]) {
    let at = |status: asu::api::Status| {
        let job = status.job?;
        (job.phase == Phase::Building && job.detail == "building_image").then_some(())
    };
    let building = until(|| routers.iter().find_map(|router| at(status(router))));
    assert!(building.is_some(), "{}", log(&routers[0]));
}

/// One process is all of the server, is killed with -9 while it builds, and started again: it knows what was asked for, and
/// every router gets its image.
#[test]
fn routers_upgrade_though_the_server_dies() {
    let shared = Shared::new(None);
    let (mut server, url) = shared.start_at(None, "127.0.0.1:0");
    let routers = [DEVICES[0], DEVICES[2]].map(|device| router_of(device, &url, None));
    for router in &routers {
        start(router, json!({"goal": "upgrade"}));
    }
    wait_building(&routers);
    server.kill_9();
    let listen = url.strip_prefix("http://").unwrap();
    let (_server, again) = shared.start_at(None, listen);
    assert_eq!(url, again);
    thread::scope(|scope| {
        for router in &routers {
            scope.spawn(move || wait_confirmed(router, "24.10.2"));
        }
    });
    let stored = names(&shared.path("store"));
    assert_eq!(stored.len(), routers.len(), "{stored:?}");
    assert_eq!(metric(&url, "asu_builds_total{result=\"failure\"}"), 0);
    assert_eq!(metric(&url, "asu_queue_length"), 0);
    let left = names(&shared.path("work"));
    assert!(left.is_empty(), "{left:?}");
}

/// Three workers, one of them killed with -9 while it builds: every router gets its image, every job ends once, and
/// nothing is lost, doubled or left behind.
#[test]
fn routers_upgrade_though_a_worker_dies() {
    let Some(redis) = Redis::start() else { return };
    let shared = Shared::new(Some(redis));
    let (_api, url) = shared.start("api");
    let (mut first, _) = shared.start("worker");
    let routers: Vec<_> = DEVICES
        .iter()
        .map(|device| router_of(*device, &url, None))
        .collect();
    for (router, add) in routers.iter().zip(ADDED) {
        start(router, json!({"goal": "upgrade", "add": add}));
    }
    // The one worker there is builds one of them.
    wait_building(&routers);
    let _others = [(); 2].map(|()| shared.start("worker"));
    first.kill_9();
    thread::scope(|scope| {
        for router in &routers {
            scope.spawn(move || wait_confirmed(router, "24.10.2"));
        }
    });
    let stored = names(&shared.path("store"));
    let built = metric(&url, "asu_builds_total{result=\"success\"}");
    assert_eq!(built, DEVICES.len() as u64);
    assert_eq!(stored.len() as u64, built, "{stored:?}");
    assert_eq!(metric(&url, "asu_builds_total{result=\"failure\"}"), 0);
    assert_eq!(metric(&url, "asu_queue_length"), 0);
    let again: Vec<_> = stored.iter().filter(|name| name.ends_with("-2")).collect();
    assert_eq!(
        again.len(),
        1,
        "one was built by another worker: {stored:?}"
    );
    let jobs: BTreeSet<_> = stored.iter().map(|name| &name[..64]).collect();
    assert_eq!(jobs.len() as u64, built, "{stored:?}");
    for folder in &stored {
        let files = names(&shared.path("store").join(folder));
        assert!(files.contains("sha256sums.sig"), "{files:?}");
    }
    let left = names(&shared.path("work"));
    assert!(left.is_empty(), "{left:?}");
}
