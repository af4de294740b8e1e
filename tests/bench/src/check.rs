//! `asu check` against a package index of 545 KB: instructions and memory of all its processes.

use crate::callgrind::{self, Counts};
use crate::exec;
use crate::installed;
use crate::memory::{self, Memory};
use crate::programs::Asu;
use crate::table::{kib, millions, number, Table};
use asu::api::Plan;
use asu::daemon::router;
use asu::job::{Order, Task, Told};
use asu::paths::Paths;
use asu::upgrade::Choice;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use sandbox::{Error, Knobs, Options, Router, World};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Files that the job allows itself (agent/src/job/confine.rs).
const JOB_FILES: u32 = 64;

/// Installed packages of a router whose owner collects them.
pub const MANY: usize = 1000;

/// What `check` ends with where an upgrade is available.
const AVAILABLE: i32 = 20;

/// How long a daemon may take to publish its object.
const PATIENCE: Duration = Duration::from_secs(60);

/// Until the daemon has nothing more to do.
const SETTLE: Duration = Duration::from_secs(2);

/// One of the processes of a check.
struct Process {
    name: &'static str,
    instructions: u64,
    memory: Memory,
}

/// Measures and prints: the router as it is, and one with many packages.
pub fn print(world: &World, asu: &Asu) -> Result<(), Error> {
    let router = router_without_daemon(&[world.url()], "", asu)?;
    let index = Index::read(world)?;
    let names = index.names.len() as u64;
    println!(
        "## asu check: {} names, {} bytes of index\nasu: {}",
        number(names),
        number(index.bytes),
        asu.what
    );
    let processes = measure(&router, asu)?;
    show(&router, &processes)?;
    let large = router_without_daemon(&[world.url()], "", asu)?;
    installed::grow(large.files().root(), &index.names, MANY)?;
    show(&large, &measure(&large, asu)?)?;

    let with = processes.iter().find(|process| process.name == "job");
    let with = with.map_or(0, |job| job.instructions);
    let (few, without) = job_with_real_names_only(asu)?;
    let each = with.saturating_sub(without) / names.saturating_sub(few).max(1);
    println!(
        "\nThe job with {few} names: {}. So each name more costs {each} instructions, and what does \
         not depend on their number {}.",
        number(without),
        millions(with.saturating_sub(each * names))
    );
    let told = World::start(&Knobs {
        invented_packages: crate::INVENTED_PACKAGES,
        ..Knobs::default()
    })?;
    let router = router_without_daemon(&[told.url()], "", asu)?;
    println!(
        "The job with a server that tells versions by name, so that no index is read: {}.",
        number(job(asu, router.files().root())?)
    );
    println!(
        "The sum of the peaks is an upper bound: they need not be at the same time. The daemon's \
         part is what it executes more for one check, the others' is all from start to end. \
         The program's pages are those of its libraries too, where it is not static."
    );
    Ok(())
}

fn show(router: &Router, processes: &[Process]) -> Result<(), Error> {
    let packages = installed::count(router.files().root())?;
    println!("\n{} packages installed:\n", number(packages));
    table(processes).print();
    Ok(())
}

fn measure(router: &Router, asu: &Asu) -> Result<[Process; 3], Error> {
    let job = job(asu, router.files().root())?;
    let client = client(asu, router)?;
    let (idle, busy) = (daemon(asu, router, 0)?, daemon(asu, router, 1)?);
    let peaks = peaks(asu, router)?;
    let process = |name, instructions| -> Result<Process, Error> {
        let found = peaks.iter().find(|memory| memory.command == name);
        Ok(Process {
            name,
            instructions,
            memory: found
                .cloned()
                .ok_or_else(|| format!("no end of \"asu {name}\" was seen"))?,
        })
    };
    Ok([
        process("check", client)?,
        process("job", job)?,
        process("daemon", busy.saturating_sub(idle))?,
    ])
}

fn table(processes: &[Process]) -> Table {
    let mut table = Table::new(&[
        "process",
        "instructions",
        "peak",
        "of its own",
        "program's pages",
    ]);
    let mut row = |name: &str, instructions, peak, anonymous, file| {
        table.row(&[
            name,
            &number(instructions),
            &kib(peak),
            &kib(anonymous),
            &kib(file),
        ]);
    };
    for Process {
        name,
        instructions,
        memory,
    } in processes
    {
        let name = format!("asu {name}");
        row(
            &name,
            *instructions,
            memory.peak,
            memory.anonymous,
            memory.file,
        );
    }
    let sum = |of: fn(&Process) -> u64| processes.iter().map(of).sum::<u64>();
    let files = processes.iter().map(|process| process.memory.file);
    let shared = sum(|process| process.memory.file) - files.max().unwrap_or(0);
    row(
        "together, the program's pages once",
        sum(|process| process.instructions),
        sum(|process| process.memory.peak).saturating_sub(shared),
        sum(|process| process.memory.anonymous),
        sum(|process| process.memory.file) - shared,
    );
    table.row(&["budget", "30,000,000", "4,096 KiB", "", ""]);
    table
}

/// Its daemons are this process' own children, or they could not be traced.
pub fn router_without_daemon(
    servers: &[String],
    settings: &str,
    asu: &Asu,
) -> Result<Router, Error> {
    let mut options = Options::new(&asu.path, servers);
    options.no_daemon = true;
    settings.clone_into(&mut options.settings);
    Router::start(&options)
}

/// A daemon that this process may trace; it ends when it is dropped.
pub struct Daemon(Child);

impl Daemon {
    /// Waits until it is there.
    pub fn start(asu: &Asu, router: &Router) -> Result<Daemon, Error> {
        Daemon::run(command(asu, router.files().root(), &["daemon"]), router)
    }

    fn run(mut command: Command, router: &Router) -> Result<Daemon, Error> {
        let child = command.stdin(Stdio::null()).spawn();
        let program = command.get_program().to_string_lossy();
        let daemon = Daemon(child.map_err(|error| format!("{program} can't be run: {error}"))?);
        router.wait_for("attendedsysupgrade", PATIENCE)?;
        Ok(daemon)
    }

    /// Its process.
    pub fn pid(&self) -> Result<Pid, Error> {
        Ok(Pid::from_raw(i32::try_from(self.0.id())?))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn command(asu: &Asu, root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(&asu.path);
    command.arg("--root").arg(root).args(arguments);
    command
}

/// Runs a check, and makes sure that it found the upgrade.
fn checked(mut command: Command) -> Result<(), Error> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.code() == Some(AVAILABLE) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "\"asu check\" ended with {} instead of {AVAILABLE}: {said}",
        output.status
    )
    .into())
}

/// Instructions of the command line, with the daemon beside it.
fn client(asu: &Asu, router: &Router) -> Result<u64, Error> {
    let _daemon = Daemon::start(asu, router)?;
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("client");
    let mut command = callgrind::command(asu.path.as_os_str(), &out);
    command
        .arg("--root")
        .arg(router.files().root())
        .arg("check");
    checked(command)?;
    Counts::read(&out)?.total()
}

/// Instructions of a daemon that is asked for so many checks.
fn daemon(asu: &Asu, router: &Router, checks: u32) -> Result<u64, Error> {
    let folder = tempfile::tempdir()?;
    std::os::unix::fs::symlink(&asu.path, folder.path().join(exec::PROGRAM))?;
    let root = router.files().root();
    let out = folder.path().join("daemon");
    let mut command = callgrind::command(asu.path.as_os_str(), &out);
    command
        .current_dir(folder.path())
        .arg("--root")
        .arg(root)
        .arg("daemon");
    let daemon = Daemon::run(command, router)?;
    let pid = daemon.pid()?;
    let (ready, watched) = channel();
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| exec::redirect(pid, &ready));
        let worked = match watched.recv_timeout(PATIENCE) {
            Ok(()) => (0..checks).try_for_each(|_| checked(self::command(asu, root, &["check"]))),
            Err(_) => Ok(()),
        };
        // What it does behind its answer counts as well.
        std::thread::sleep(SETTLE);
        let ended = kill(pid, Signal::SIGTERM).map_err(Error::from);
        let watched = watcher.join().map_err(|_| "the watcher died")?;
        watched.map_err(|errno| format!("the daemon can't be traced: {errno}"))?;
        worked.and(ended)
    })?;
    Counts::read(&out)?.total()
}

/// Instructions of the job, with the order that the daemon would give it.
fn job(asu: &Asu, root: &Path) -> Result<u64, Error> {
    let order = Order {
        task: Task::Check,
        inputs: router::inputs(&Paths::new(root, None), Choice::default())?,
        upgrade: None,
    };
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("job");
    let counts = callgrind::Pipe::new(&out)?;
    let mut command = callgrind::confined(asu.path.as_os_str(), &out, JOB_FILES);
    command.arg("--root").arg(root).arg("job");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| callgrind::missing(&error))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(asu::json::text(&order)?.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8(output.stdout)?;
    match asu::json::from_text(said.lines().last().unwrap_or_default().as_bytes()) {
        Ok(Told::Plan(plan)) => plausible(&plan)?,
        _ => return Err(format!("the job did not end with a plan: {said}").into()),
    }
    counts.counts()?.total()
}

/// The same with an index that has only the router's own packages: names, and instructions.
fn job_with_real_names_only(asu: &Asu) -> Result<(u64, u64), Error> {
    let world = World::start(&Knobs {
        indexes: true,
        ..Knobs::default()
    })?;
    let router = router_without_daemon(&[world.url()], "", asu)?;
    let names = Index::read(&world)?.names.len() as u64;
    Ok((names, job(asu, router.files().root())?))
}

/// A plan that found nothing in the index would have been made in less time.
fn plausible(plan: &Plan) -> Result<(), Error> {
    match plan.packages.upgrade.is_empty() {
        true => Err("the plan upgrades no package".into()),
        false => Ok(()),
    }
}

/// What client, job and daemon have in memory.
fn peaks(asu: &Asu, router: &Router) -> Result<Vec<Memory>, Error> {
    let daemon = Daemon::start(asu, router)?;
    let mut check = command(asu, router.files().root(), &["check"]);
    check.stdin(Stdio::null()).stdout(Stdio::null());
    let (status, mut peaks) = memory::of_all(check, &[daemon.pid()?])?;
    if status.code() != Some(AVAILABLE) {
        return Err(format!("\"asu check\" ended with {status}").into());
    }
    peaks.push(Memory::of(daemon.pid()?)?);
    Ok(peaks)
}

/// The index that the check will read.
pub struct Index {
    bytes: u64,
    /// Names of packages.
    pub names: Vec<String>,
}

impl Index {
    /// Asks the server for it.
    pub fn read(world: &World) -> Result<Index, Error> {
        let path = "/json/v1/releases/24.10.2/packages/mips_24kc-index.json";
        let url = world.url();
        let host = url
            .strip_prefix("http://")
            .ok_or("the server has no plain address")?;
        let mut stream = TcpStream::connect(host)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        let body = body.ok_or("the server sent no index")?;
        let versions: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(body).map_err(|error| format!("{path} is no index: {error}"))?;
        Ok(Index {
            bytes: body.len() as u64,
            names: versions.into_iter().map(|(name, _)| name).collect(),
        })
    }
}
