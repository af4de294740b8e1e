//! The real ubusd and rpcd, where the machine has them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{plugin, Root};

/// rpcd with the plugin loaded, on a bus of its own, both in a [`Root`].
pub struct Real {
    children: Vec<Child>,
    socket: PathBuf,
}

/// Where the bus lies in the root.
const SOCKET: &str = "/var/run/ubus/ubus.sock";

/// Where a program lies on PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

impl Real {
    /// Starts both; None where the machine lacks one. `program` is the `plugin-host` itself, which
    /// leads them into the root.
    pub fn start(program: &Path, root: &Root) -> io::Result<Option<Real>> {
        let (Some(ubusd), Some(rpcd)) = (find("ubusd"), find("rpcd")) else {
            return Ok(None);
        };
        root.install(&ubusd, "/sbin/ubusd")?;
        root.install(&rpcd, "/sbin/rpcd")?;
        // rpcd looks below the prefix it was built with.
        root.copy(&plugin::path()?, "/usr/lib/rpcd/attendedsysupgrade.so")?;
        if let Some(prefix) = rpcd.parent().and_then(Path::parent) {
            let folder = prefix.join("lib/rpcd/attendedsysupgrade.so");
            root.copy(&plugin::path()?, &folder.to_string_lossy())?;
        }
        // Both read random numbers, from a device that only root can make.
        let mut random = [0; 65536];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
        root.write("/dev/urandom", random)?;
        let mut real = Real {
            children: Vec::new(),
            socket: root.at(SOCKET),
        };
        real.run(program, root, &["/sbin/ubusd", "-s", SOCKET])?;
        wait_for(|| real.socket.exists())?;
        real.run(program, root, &["/sbin/rpcd", "-s", SOCKET, "-t", "5"])?;
        Ok(Some(real))
    }

    fn run(&mut self, program: &Path, root: &Root, inside: &[&str]) -> io::Result<()> {
        let mut command = Command::new(program);
        command.arg("chroot").arg(root.path()).args(inside);
        self.children.push(command.stdin(Stdio::null()).spawn()?);
        Ok(())
    }

    /// The bus' socket, from outside of the root.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            // They are a test's own children, and may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until something is so.
///
/// # Errors
/// If it is not after 20 seconds.
pub fn wait_for(mut is_so: impl FnMut() -> bool) -> io::Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        if Instant::now() > end {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "it did not come about",
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
