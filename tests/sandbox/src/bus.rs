//! The sandbox's bus: the broker of this repository, or a real ubusd.

use crate::Error;
use bus_broker::Broker;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long a ubusd may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A bus on a socket; it ends when it is dropped.
#[derive(Debug)]
pub enum Bus {
    /// In this process.
    Broker(Broker),
    /// OpenWrt's own.
    Ubusd(Child),
}

impl Bus {
    /// Starts a bus on `socket`: the program `ubusd` where one is given.
    pub fn start(socket: &Path, ubusd: Option<&Path>) -> Result<Bus, Error> {
        let Some(program) = ubusd else {
            return Ok(Bus::Broker(Broker::start(socket)?));
        };
        let _ = std::fs::remove_file(socket);
        let child = Command::new(program).arg("-s").arg(socket).spawn()?;
        let bus = Bus::Ubusd(child);
        let start = Instant::now();
        while UnixStream::connect(socket).is_err() {
            if start.elapsed() > PATIENCE {
                return Err(format!("{} does not listen", program.display()).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(bus)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        if let Bus::Ubusd(child) = self {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The ubusd that the machine has, if any.
pub fn real_ubusd() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("ubusd"))
        .find(|file| file.is_file())
}
