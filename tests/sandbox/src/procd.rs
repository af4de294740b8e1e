//! A stand-in for procd: the `system` object, a daemon that is started again when it dies, and
//! reboots into the image that sysupgrade was given.

use crate::router::Files;
use crate::sysupgrade;
use crate::Error;
use firmware::metadata::Verdict;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use ubus::{Argument, Incoming, ObjectSpec, Request, Service, Status};

/// How often procd looks after its daemon.
const TICK: Duration = Duration::from_millis(20);
/// How soon a daemon that died is started again.
const RESPAWN: Duration = Duration::from_millis(200);
/// From the call of sysupgrade to the end of all processes.
const GOING_DOWN: Duration = Duration::from_millis(400);

/// Arguments of `system sysupgrade`, as far as the stand-in needs them.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SysupgradeArguments {
    /// In the router's terms.
    pub path: PathBuf,
    /// Keep the settings.
    pub keep: bool,
}

/// The answer of `system validate_firmware_image`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Validation {
    /// sysupgrade would take it.
    pub valid: bool,
    /// sysupgrade would take it with force.
    pub forceable: bool,
    /// The settings may be kept.
    pub allow_backup: bool,
}

/// How procd behaves; tests change it while it runs.
#[derive(Debug, Default)]
pub struct State {
    /// The `system` object is published.
    pub silent: bool,
    /// What `validate_firmware_image` answers instead of the truth.
    pub validation: Option<Validation>,
    /// A flash does nothing: the old system comes up again.
    pub flash_fails: bool,
    /// sysupgrade is taken, but the system never goes down.
    pub never_reboots: bool,
    /// The daemon is not started (again).
    pub no_daemon: bool,
    /// Counts the reboots.
    pub boots: u32,
    /// The SHA-256 of each image that was written to the flash.
    pub flashed: Vec<String>,
    /// The daemon's process id.
    pub daemon: Option<u32>,
    pub(crate) stop: bool,
}

/// The running procd.
#[derive(Debug)]
pub struct Procd {
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

/// How the daemon is started.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// Program and arguments.
    pub command: Vec<OsString>,
}

impl Procd {
    /// Starts procd, and with it the daemon, unless `state` says otherwise.
    pub fn start(files: Files, daemon: Daemon, state: State) -> Result<Procd, Error> {
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let thread = std::thread::Builder::new()
            .name("procd".into())
            .spawn(move || {
                Runner {
                    files,
                    daemon,
                    state: shared,
                    child: None,
                    died: None,
                    down: None,
                }
                .run();
            })?;
        Ok(Procd {
            state,
            thread: Some(thread),
        })
    }

    /// To look at and to change.
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Procd {
    fn drop(&mut self) {
        self.state().stop = true;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Runner {
    files: Files,
    daemon: Daemon,
    state: Arc<Mutex<State>>,
    child: Option<Child>,
    died: Option<Instant>,
    down: Option<(Instant, SysupgradeArguments)>,
}

fn spec() -> ObjectSpec {
    ObjectSpec::new("system")
        .method("board", &[])
        .method("validate_firmware_image", &[("path", Argument::String)])
        .method(
            "sysupgrade",
            &[("path", Argument::String), ("keep", Argument::Bool)],
        )
}

impl Runner {
    fn run(mut self) {
        let mut service = None;
        while !lock(&self.state).stop {
            let silent = lock(&self.state).silent;
            match (&service, silent) {
                (None, false) => service = Some(Service::new(&self.files.socket(), spec())),
                (Some(_), true) => service = None,
                _ => {}
            }
            if let Some(service) = &mut service {
                for incoming in service.dispatch() {
                    if let Incoming::Request(request) = incoming {
                        self.handle(service, request);
                    }
                }
                let fds = service.fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN));
                // Interrupted or not, the next round comes.
                let _ = poll(&mut fds.into_iter().collect::<Vec<_>>(), tick());
            } else {
                std::thread::sleep(TICK);
            }
            self.look_after_daemon();
            self.reboot_if_due();
        }
        self.end_daemon();
    }

    fn handle(&mut self, service: &mut Service, request: Request) {
        let answered = match request.method() {
            "board" => match self.files.board() {
                Ok(board) => service.answer(request, &board),
                Err(error) => {
                    eprintln!("procd: {error}");
                    service.complete(request, Status::UnknownError);
                    Ok(())
                }
            },
            "validate_firmware_image" => {
                let validation = self.validate(&request);
                service.answer(request, &validation)
            }
            "sysupgrade" => {
                if let Ok(arguments) = request.arguments().read::<SysupgradeArguments>() {
                    if !lock(&self.state).never_reboots {
                        self.down = Some((Instant::now() + GOING_DOWN, arguments));
                    }
                }
                // procd is replaced by upgraded, and with it goes the connection.
                service.complete(request, Status::ConnectionFailed);
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(error) = answered {
            eprintln!("procd: {error}");
        }
    }

    fn validate(&self, request: &Request) -> Validation {
        #[derive(Deserialize)]
        struct Arguments {
            path: PathBuf,
        }
        if let Some(validation) = lock(&self.state).validation {
            return validation;
        }
        let path = request
            .arguments()
            .read::<Arguments>()
            .map(|arguments| arguments.path);
        let verdict = path
            .map_err(Error::from)
            .and_then(|path| sysupgrade::verdict(self.files.root(), &self.files.real(&path)));
        let verdict = verdict.unwrap_or(Verdict::Corrupt);
        Validation {
            valid: matches!(verdict, Verdict::Match | Verdict::MatchWithoutSettings),
            forceable: verdict == Verdict::Absent,
            allow_backup: verdict == Verdict::Match,
        }
    }

    fn look_after_daemon(&mut self) {
        if let Some(child) = &mut self.child {
            if !matches!(child.try_wait(), Ok(None)) {
                self.child = None;
                self.died = Some(Instant::now());
                lock(&self.state).daemon = None;
            }
        }
        let wanted = !lock(&self.state).no_daemon;
        if !wanted {
            self.end_daemon();
        } else if self.child.is_none() && self.died.is_none_or(|at| at.elapsed() > RESPAWN) {
            match self.spawn() {
                Ok(child) => {
                    lock(&self.state).daemon = Some(child.id());
                    self.child = Some(child);
                }
                Err(error) => {
                    eprintln!("procd: the daemon can't be started: {error}");
                    self.died = Some(Instant::now());
                }
            }
        }
    }

    fn spawn(&self) -> Result<Child, Error> {
        let (program, arguments) = self.daemon.command.split_first().ok_or("no daemon")?;
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.files.log())?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command.spawn()?)
    }

    fn end_daemon(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            lock(&self.state).daemon = None;
        }
    }

    fn reboot_if_due(&mut self) {
        let due = self
            .down
            .as_ref()
            .is_some_and(|(at, _)| Instant::now() >= *at);
        let Some((_, arguments)) = self.down.take_if(|_| due) else {
            return;
        };
        self.end_daemon();
        let flash_fails = lock(&self.state).flash_fails;
        if !flash_fails {
            let image = self.files.real(&arguments.path);
            let flashed = sysupgrade::sha256(&image)
                .and_then(|sum| self.files.flash(&image, arguments.keep).map(|()| sum));
            match flashed {
                Ok(sum) => lock(&self.state).flashed.push(sum),
                Err(error) => eprintln!("procd: the image can't be flashed: {error}"),
            }
        }
        if let Err(error) = self.files.boot() {
            eprintln!("procd: the router does not boot: {error}");
        }
        lock(&self.state).boots += 1;
        self.died = None;
    }
}

fn tick() -> PollTimeout {
    PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO)
}
