//! What the end-to-end tests share: routers, calls over the bus, commands, patience.
#![allow(dead_code)]

pub mod faults;
pub mod gate;
pub mod proxy;

use asu::api::{History, Outcome, Phase, Status, Upgrade};
use asu::json::Decode;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use sandbox::{Device, Options, Router, World};
use serde_json::{json, Value};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use ubus::Bus;

/// For everything that has to happen at some time: far more than it takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// For an answer of a daemon that may have died.
const ANSWER: Duration = Duration::from_secs(3);

const PAUSE: Duration = Duration::from_millis(20);

/// The object under test.
pub const OBJECT: &str = "attendedsysupgrade";

/// A bus of the sandbox's own, and OpenWrt's where this machine has it.
pub fn buses() -> Vec<Option<PathBuf>> {
    let mut buses = vec![None];
    // ubusd asks for an ACL of everybody but root.
    buses.extend(
        sandbox::bus::real_ubusd()
            .filter(|_| nix::unistd::geteuid().is_root())
            .map(Some),
    );
    buses
}

/// Runs a test over each bus at the same time, and says over which (uncaptured).
pub fn on_each_bus(name: &str, test: impl Fn(Option<&Path>) + Sync) {
    thread::scope(|scope| {
        for ubusd in buses() {
            let bus = ubusd.as_ref().map_or_else(
                || "the broker".to_owned(),
                |file| file.display().to_string(),
            );
            let mut uncaptured = std::io::stderr();
            writeln!(uncaptured, "{name}: over {bus}").unwrap();
            let test = &test;
            let thread = thread::Builder::new().name(format!("{name} over {bus}"));
            thread
                .spawn_scoped(scope, move || test(ubusd.as_deref()))
                .unwrap();
        }
    });
}

/// How a router is made whose upgrade server is at `url`.
pub fn options(url: &str) -> Options {
    Options::new(env!("CARGO_BIN_EXE_sandbox"), &[url.to_owned()])
}

/// A router with an Archer C7's packages.
pub fn router(url: &str, ubusd: Option<&Path>) -> Router {
    router_of(Device::ArcherC7, url, ubusd)
}

/// Any router.
pub fn router_of(device: Device, url: &str, ubusd: Option<&Path>) -> Router {
    Router::start(&Options {
        device,
        ubusd: ubusd.map(Path::to_owned),
        ..options(url)
    })
    .unwrap()
}

/// A world in which builds take no longer than they must.
pub fn world() -> World {
    World::start(&sandbox::Knobs::default()).unwrap()
}

/// A path on the router, for this process.
pub fn at(router: &Router, path: &str) -> PathBuf {
    router.files().real(Path::new(path))
}

/// Calls a method of the object, as any client of the bus would.
pub fn call<T: Decode + Default>(
    router: &Router,
    method: &str,
    arguments: Value,
) -> Result<T, ubus::Error> {
    let mut bus = Bus::connect(&router.files().socket())?;
    let arguments = asu::json::to_bus(&arguments).unwrap();
    let answer = bus.call_raw(OBJECT, method, &arguments, PATIENCE)?;
    Ok(asu::json::from_bus(&answer).unwrap())
}

/// The same where the daemon may be ending: a real ubusd does not tell that who is asked has died.
pub fn ask<T: Decode + Default>(router: &Router, method: &str) -> Option<T> {
    let mut bus = Bus::connect(&router.files().socket()).ok()?;
    let answer = bus.call_raw(OBJECT, method, &[], ANSWER).ok()?;
    Some(asu::json::from_bus(&answer).unwrap())
}

/// Starts a job and gives its id.
pub fn start(router: &Router, arguments: Value) -> u32 {
    let answer: Value = call(router, "start", arguments).unwrap();
    let id = answer["job"].as_u64().unwrap_or_default();
    assert!(answer["error"].is_null() && id > 0, "{answer}");
    u32::try_from(id).unwrap()
}

/// Starts a download.
pub fn start_download(router: &Router) -> u32 {
    start(router, json!({"goal": "download"}))
}

/// What the daemon says is going on.
pub fn status(router: &Router) -> Status {
    call(router, "status", json!({})).unwrap()
}

/// Waits until the status is as `wanted` says; the daemon may be away in between.
pub fn wait_status(router: &Router, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut last = None;
    let found = until(|| {
        last = ask::<Status>(router, "status");
        last.clone().filter(|status| wanted(status))
    });
    found.unwrap_or_else(|| {
        let job = last.and_then(|status| status.job);
        panic!("never {what}: {job:#?}\n{}", log(router))
    })
}

/// Waits for a phase of the job.
pub fn wait_phase(router: &Router, phase: Phase) -> Status {
    wait_status(router, &format!("{phase:?}"), |status| {
        status.job.as_ref().is_some_and(|job| job.phase == phase)
    })
}

/// Waits until the router has come up again and judged what was flashed.
pub fn wait_upgraded(router: &Router) -> Upgrade {
    let history =
        until(|| ask::<History>(router, "history").filter(|history| !history.upgrades.is_empty()));
    let upgrades = history.map(|history| history.upgrades).unwrap_or_default();
    assert!(
        !upgrades.is_empty(),
        "no upgrade: {:#?}\n{}",
        ask::<Status>(router, "status").map(|status| status.job),
        log(router)
    );
    upgrades[0].clone()
}

/// The same where the router has to be as it was promised.
pub fn wait_confirmed(router: &Router, version: &str) -> Upgrade {
    let upgrade = wait_upgraded(router);
    let differences = &upgrade.differences;
    assert_eq!(upgrade.result, Outcome::Confirmed, "{differences:?}");
    assert_eq!(upgrade.to.version, version);
    upgrade
}

/// Asks again and again until there is something.
pub fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let found = look();
        if found.is_some() || start.elapsed() > PATIENCE {
            return found;
        }
        thread::sleep(PAUSE);
    }
}

/// What the daemon wrote to its outputs.
pub fn log(router: &Router) -> String {
    fs::read_to_string(router.files().log()).unwrap_or_default()
}

/// `asu` on the router.
pub fn command(router: &Router, arguments: &[&str]) -> Command {
    let root = router.files().root();
    let mut command = Command::new(root.join("usr/sbin/asu"));
    command.arg("--root").arg(root).args(arguments);
    command.stdin(Stdio::null());
    command
}

/// How `asu` ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// From its output; a panic or a death by signal fails the test.
    pub fn of(output: Output) -> Ended {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(!stderr.contains("panicked"), "{stderr}");
        let code = output.status.code();
        Ended {
            code: code.unwrap_or_else(|| panic!("{}: {stdout}{stderr}", output.status)),
            stdout,
            stderr,
        }
    }

    /// The exit code is one of those of the documentation, and a failure has its sentence.
    pub fn is_as_documented(&self) {
        assert!(matches!(self.code, 0..=6 | 20 | 21), "{self:?}");
        let said = self.stderr.lines().next().unwrap_or_default();
        let failed = (1..=6).contains(&self.code);
        assert!(
            !failed || said.starts_with("asu: ") && said.ends_with('.'),
            "{self:?}"
        );
    }

    /// It failed, and said why.
    pub fn refused_somehow(&self) {
        self.is_as_documented();
        assert!((1..=6).contains(&self.code), "{self:?}");
    }

    /// Its output as an object.
    pub fn json<T: Decode + Default>(&self) -> T {
        asu::json::from_text(self.stdout.as_bytes())
            .unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It failed with `code` and said why, in one sentence, on standard error.
    pub fn refused(&self, code: i32, words: &str) {
        assert_eq!(self.code, code, "{self:?}");
        let first = self.stderr.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("asu: ") && first.contains(words),
            "{self:?}"
        );
        assert!(first.ends_with(['.', '!', '?']), "{self:?}");
    }
}

/// Runs `asu` on the router to its end, on pipes.
pub fn asu(router: &Router, arguments: &[&str]) -> Ended {
    Ended::of(command(router, arguments).output().unwrap())
}

/// The daemon's process.
pub fn daemon(router: &Router) -> i32 {
    until(|| router.procd()?.state().daemon)
        .and_then(|pid| i32::try_from(pid).ok())
        .unwrap()
}

/// Ends a process without a chance to tidy up.
pub fn kill_9(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

/// Whether a process is there (and not only waiting to be noticed).
pub fn lives(pid: i32) -> bool {
    stat(pid).is_some_and(|(_, state)| state != "Z")
}

/// The daemon's child: `asu job`.
pub fn job_child(router: &Router) -> i32 {
    let daemon = daemon(router);
    until(|| children(daemon).into_iter().next()).unwrap_or_else(|| panic!("no job child"))
}

fn children(parent: i32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(of, _)| of == parent))
        .collect()
}

/// Parent and state of a process.
fn stat(pid: i32) -> Option<(i32, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.to_owned();
    Some((fields.next()?.parse().ok()?, state))
}

/// No image, no job folder, no half-written file: nothing in /tmp but what the daemon remembers.
pub fn nothing_left(router: &Router) {
    let job = at(router, "/tmp/attended-sysupgrade.job");
    assert!(!job.exists(), "{:?}", list(&job));
    let kept = list(&at(router, "/tmp/attended-sysupgrade"));
    let known = ["lock", "status.json", "notice"];
    assert!(
        kept.iter().all(|name| known.contains(&name.as_str())),
        "{kept:?}"
    );
    let record = list(&at(router, "/etc/attended-sysupgrade"));
    let known = ["history.json", "keys", "newest.json"];
    assert!(
        record.iter().all(|name| known.contains(&name.as_str())),
        "{record:?}"
    );
}

/// The names in a folder.
pub fn list(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

/// Nothing of ours panicked.
pub fn no_panic(router: &Router) {
    let log = log(router);
    assert!(!log.contains("panicked"), "{log}");
}

/// A settings file's section of ours.
pub fn agent_settings(options: &[(&str, &str)]) -> String {
    let lines = options
        .iter()
        .map(|(name, value)| format!("\toption {name} '{value}'\n"));
    format!("config agent 'agent'\n{}", lines.collect::<String>())
}
