//! A Redis of the test's own, on a socket in a temporary folder.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long Redis may take to start, in steps of 20 ms.
const STEPS: u32 = 3000;

/// It ends when this is dropped.
pub struct Redis {
    program: &'static str,
    child: Child,
    dir: TempDir,
}

impl Redis {
    /// A running one; `None` where none is installed.
    pub fn start() -> Option<Self> {
        let there = |program: &&str| {
            Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .status()
                .is_ok()
        };
        let Some(program) = ["redis-server", "valkey-server"].into_iter().find(there) else {
            eprintln!("SKIPPED: neither redis-server nor valkey-server is installed");
            return None;
        };
        let dir = tempfile::tempdir().expect("temporary folder");
        let child = launch(program, &dir);
        let redis = Self {
            program,
            child,
            dir,
        };
        redis.wait();
        Some(redis)
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// Its address, for a `queue`.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn wait(&self) {
        let answers = || -> std::io::Result<bool> {
            let mut stream = UnixStream::connect(self.socket())?;
            stream.write_all(b"PING\r\n")?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer)?;
            Ok(&answer == b"+PONG")
        };
        for _ in 0..STEPS {
            if matches!(answers(), Ok(true)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("Redis never came");
    }

    /// Kills it; all it knew is gone.
    pub fn stop(&mut self) {
        // It is gone then, or was.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again.
    pub fn again(&mut self) {
        self.child = launch(self.program, &self.dir);
        self.wait();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

fn launch(program: &str, dir: &TempDir) -> Child {
    Command::new(program)
        .args(["--port", "0", "--save", "", "--appendonly", "no"])
        .arg("--unixsocket")
        .arg(dir.path().join("socket"))
        .arg("--dir")
        .arg(dir.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("Redis")
}
