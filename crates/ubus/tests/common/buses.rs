//! The buses that tests run over: the broker always, and OpenWrt's own ubusd where one is on the PATH.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;
use std::{env, fs, thread};

use bus_broker::Broker;

/// A running bus in a folder of its own.
pub struct TestBus {
    pub socket: PathBuf,
    server: Option<Server>,
    ubusd: Option<PathBuf>,
    _folder: tempfile::TempDir,
}

enum Server {
    /// Held for its drop.
    Broker(#[allow(dead_code)] Broker),
    Ubusd(Child),
}

/// Runs a test over each bus there is, and says which.
pub fn over_each_bus(test: impl Fn(&mut TestBus)) {
    println!("over the broker");
    test(&mut TestBus::start(None));
    match ubusd() {
        Some(path) => {
            println!("over {}", path.display());
            test(&mut TestBus::start(Some(path)));
        }
        None => println!("no ubusd on the PATH: over the broker only"),
    }
}

fn ubusd() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut candidates = env::split_paths(&path).map(|folder| folder.join("ubusd"));
    candidates.find(|candidate| candidate.is_file())
}

impl TestBus {
    fn start(ubusd: Option<PathBuf>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut bus = TestBus {
            socket: folder.path().join("ubus.sock"),
            server: None,
            ubusd,
            _folder: folder,
        };
        bus.restart();
        bus
    }

    /// Stops the bus, if it runs, and starts it anew on the same path.
    pub fn restart(&mut self) {
        self.stop();
        self.server = Some(match &self.ubusd {
            None => Server::Broker(Broker::start(&self.socket).unwrap()),
            Some(ubusd) => Server::Ubusd(start(ubusd, &self.socket)),
        });
    }

    pub fn stop(&mut self) {
        if let Some(Server::Ubusd(mut child)) = self.server.take() {
            child.kill().unwrap();
            child.wait().unwrap();
            fs::remove_file(&self.socket).unwrap();
        }
    }
}

impl Drop for TestBus {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts ubusd and waits until it listens.
fn start(ubusd: &Path, socket: &Path) -> Child {
    let mut child = Command::new(ubusd).arg("-s").arg(socket).spawn().unwrap();
    let listens = (0..1000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        UnixStream::connect(socket).is_ok()
    });
    if !listens {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("ubusd does not listen");
    }
    child
}
