//! A server whose disk is full: it says so, goes on answering, and builds again when there is room. Its disk is a small one
//! in memory; where the system lets no user mount one, this says so and tests nothing.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

mod common;

use common::{finish, get, post, Answer};
use mini_imagebuilder::folder;
use serde_json::json;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Mounts a disk of 8 MiB at the first word, and becomes the server.
const SCRIPT: &str = "mount -t tmpfs -o size=8m tmpfs \"$1\" && exec \"$0\" --config \"$2\"";
/// Has an ImageBuilder write 4 MiB more than it would.
const BIG: &str = "#!/bin/sh\n[ $1 = image ] && { head -c 4M /dev/zero > $BIN_DIR/big || exit 1; }\nexec ./real \"$@\"\n";

struct Server {
    child: Child,
    addr: SocketAddr,
    _site: upstream::Server,
    dir: TempDir,
}

impl Server {
    fn start() -> Option<Self> {
        let there = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "mount",
                "-t",
                "tmpfs",
                "tmpfs",
                "/mnt",
            ])
            .output();
        if !there.is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED: a user may not mount anything here");
            return None;
        }
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = |name: &str| dir.path().join(name);
        let options = upstream::Options {
            versions: vec!["24.10.2".to_owned()],
            ..upstream::Options::default()
        };
        upstream::generate(&path("site"), &options).expect("download site");
        let site = upstream::serve(&path("site"), ([127, 0, 0, 1], 0).into()).expect("site");
        let builders = path("imagebuilders");
        for target in ["ath79/generic", "x86/64"] {
            folder::create_below(&builders, "24.10.2", target, &folder::Options::default())
                .expect("ImageBuilder");
        }
        let builder = builders.join("24.10.2/ath79/generic");
        let program = builder.join(folder::PROGRAM);
        fs::rename(&program, builder.join("real")).expect("program");
        fs::write(&program, BIG).expect("script");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("permissions");
        fs::create_dir(path("disk")).expect("folder");
        let text = format!(
            "listen = '127.0.0.1:0'\nupstream = '{}'\ndata = '{}'\nimagebuilders = '{}'\nwork = '{}'\nisolation = 'copy'\n",
            site.url(),
            path("disk").display(),
            builders.display(),
            path("work").display(),
        );
        fs::write(path("asu.toml"), text).expect("configuration");
        let mut child = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT])
            .arg(env!("CARGO_BIN_EXE_asu-server"))
            .args([path("disk"), path("asu.toml")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("server");
        let mut lines = BufReader::new(child.stdout.take().expect("output")).lines();
        let url = lines.next().expect("a line").expect("its address");
        let addr = url.trim_start_matches("http://").parse().expect("address");
        Some(Self {
            child,
            addr,
            _site: site,
            dir,
        })
    }

    /// A file on the server's disk, which only its own processes see at its path.
    fn disk(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join("disk").join(name);
        let root = PathBuf::from(format!("/proc/{}/root", self.child.id()));
        root.join(path.strip_prefix("/").expect("absolute"))
    }

    /// Fills the disk up to this many MiB, or until it is full.
    fn fill(&self, megabytes: usize) {
        let piece = vec![0; 1 << 20];
        let mut bytes = Vec::new();
        for _ in 0..megabytes {
            bytes.extend(&piece);
        }
        // It may not fit; then the disk is full.
        let _ = fs::write(self.disk("hog"), bytes);
    }

    fn ask(&self, target: &str, profile: &str, package: &str) -> Answer {
        let request = json!({"version": "24.10.2", "target": target, "profile": profile, "packages": [package],
            "client": "test/1.0"});
        post(self.addr, &request)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone then, or was.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_full_disk() {
    let Some(server) = Server::start() else {
        return;
    };
    // No room for a job: nobody is told that it waits.
    server.fill(9);
    let refused = server.ask("x86/64", "generic", "tmux");
    let words = refused.json()["detail"]
        .as_str()
        .expect("detail")
        .to_owned();
    assert_eq!(refused.status, 503, "{words}");
    assert!(words.contains("No space left on device"), "{words}");
    assert!(
        !words.contains(server.dir.path().to_str().expect("path")),
        "{words}"
    );
    assert_eq!(
        get(server.addr, "/api/v1/stats").json(),
        json!({"queue_length": 0})
    );
    // Room for a job, and not for its images.
    server.fill(6);
    let failed = finish(
        server.addr,
        &server.ask("ath79/generic", "tplink_archer-c7-v2", "tmux"),
    );
    assert_eq!(failed.status, 500);
    assert_eq!(
        failed.json()["detail"],
        "Error: The disk of this server is full"
    );
    // What it had written of them is gone, and the next build works while the disk is as full as before.
    let done = finish(server.addr, &server.ask("x86/64", "generic", "tmux"));
    assert_eq!(done.status, 200, "{done:?}");
    fs::remove_file(server.disk("hog")).expect("removed");
    let done = finish(
        server.addr,
        &server.ask("ath79/generic", "tplink_archer-c7-v2", "luci"),
    );
    assert_eq!(done.status, 200, "{done:?}");
}
