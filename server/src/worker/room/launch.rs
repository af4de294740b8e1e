//! What the server's own program does between itself and a build: `asu-server launch …`. Each step ends in the next one's
//! program, so that nothing of ours is left in between.

use crate::config::Limits;
use nix::mount::{mount, MsFlags};
use nix::sched::{unshare, CloneFlags};
use nix::sys::resource::{setrlimit, Resource};
use nix::unistd::{getgid, getuid};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitCode};

/// Where a sandboxed build finds the proxy.
const PROXY: ([u8; 4], u16) = ([127, 0, 0, 1], 3128);

/// What a build may use.
#[derive(Debug, Clone, Copy)]
pub struct Confines {
    /// Address space of each process, in bytes.
    memory: u64,
    /// Length of each file, in bytes.
    file: u64,
    /// Number of processes.
    processes: u64,
}

impl Confines {
    /// From the configuration.
    pub fn of(limits: &Limits) -> Self {
        Self {
            memory: limits.memory_mb << 20,
            file: limits.disk_mb << 20,
            processes: limits.processes,
        }
    }

    /// The words that run what follows within these limits, with a way to the proxy at `socket`.
    pub fn words(&self, launcher: &Path, socket: Option<&Path>) -> Vec<OsString> {
        let numbers = [self.memory, self.file, self.processes].map(|number| number.to_string());
        let mut words: Vec<OsString> = vec![launcher.into(), "launch".into(), "within".into()];
        words.extend(numbers.map(OsString::from));
        words.push(socket.map_or_else(|| "-".into(), OsString::from));
        words
    }

    fn apply(&self) -> nix::Result<()> {
        let limits = [
            (Resource::RLIMIT_AS, self.memory),
            (Resource::RLIMIT_FSIZE, self.file),
            (Resource::RLIMIT_NPROC, self.processes),
            (Resource::RLIMIT_CORE, 0),
        ];
        limits
            .into_iter()
            .try_for_each(|(resource, most)| setrlimit(resource, most, most))
    }
}

/// Runs `asu-server launch WORDS`. Returns only if something went wrong, or when a build that has a proxy is done.
///
/// # Errors
/// A sentence for the log of the build.
pub fn launch(words: &[OsString]) -> Result<ExitCode, String> {
    let text = |place: usize| words.get(place).and_then(|word| word.to_str());
    match text(0) {
        Some("overlay") => Err(overlay(words.get(1..).unwrap_or_default())),
        Some("within") => {
            let number = |place| text(place).and_then(|number| number.parse().ok());
            let (Some(memory), Some(file), Some(processes), Some(socket)) =
                (number(1), number(2), number(3), words.get(4))
            else {
                return Err("launch within wants three numbers and a socket".to_owned());
            };
            let confines = Confines {
                memory,
                file,
                processes,
            };
            within(
                confines,
                Path::new(socket),
                words.get(5..).unwrap_or_default(),
            )
        }
        _ => Err("launch is for the server itself".to_owned()),
    }
}

/// Mounts `merged` over `ground` here, for this process and its children only, and becomes the program.
fn overlay(program: &[OsString]) -> String {
    let (uid, gid) = (getuid(), getgid());
    let mounted = || -> io::Result<()> {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
        let options = "lowerdir=ground,upperdir=upper,workdir=scratch,userxattr";
        let (kind, flags) = (Some("overlay"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV);
        mount(Some("overlay"), "merged", kind, flags, Some(options))?;
        Ok(())
    };
    match mounted() {
        Ok(()) => become_program(program),
        Err(error) => format!("no overlay for a build: {error}"),
    }
}

/// Sets the limits and runs the program, or becomes it where there is no proxy to keep open.
fn within(confines: Confines, socket: &Path, program: &[OsString]) -> Result<ExitCode, String> {
    if socket == Path::new("-") {
        confines.apply().map_err(|error| error.to_string())?;
        return Err(become_program(program));
    }
    let listener =
        TcpListener::bind(SocketAddr::from(PROXY)).map_err(|error| format!("no proxy: {error}"))?;
    let (name, arguments) = program.split_first().ok_or("no program")?;
    let address = "http://127.0.0.1:3128";
    let mut command = Command::new(name);
    command.args(arguments);
    for variable in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        command.env(variable, address);
    }
    confines.apply().map_err(|error| error.to_string())?;
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let socket = socket.to_path_buf();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let socket = socket.clone();
            // Ends with the connection; a build that opens too many harms only itself.
            std::thread::spawn(move || {
                UnixStream::connect(socket).map(|other| relay(stream, other))
            });
        }
    });
    let status = child.wait().map_err(|error| error.to_string())?;
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    Ok(ExitCode::from(u8::try_from(code.unwrap_or(1)).unwrap_or(1)))
}

/// Carries bytes both ways until both sides have ended.
fn relay(near: TcpStream, far: UnixStream) {
    let (Ok(mut from_near), Ok(mut to_far)) = (near.try_clone(), far.try_clone()) else {
        return;
    };
    let (mut to_near, mut from_far) = (near, far);
    let out = std::thread::spawn(move || {
        let _ = io::copy(&mut from_near, &mut to_far);
        let _ = to_far.shutdown(Shutdown::Write);
    });
    // A side that is gone ends the copying; there is nobody to tell.
    let _ = io::copy(&mut from_far, &mut to_near);
    let _ = to_near.shutdown(Shutdown::Write);
    let _ = out.join();
}

fn become_program(program: &[OsString]) -> String {
    let Some((name, arguments)) = program.split_first() else {
        return "no program".to_owned();
    };
    let error = Command::new(name).args(arguments).exec();
    format!("{}: {error}", name.to_string_lossy())
}
