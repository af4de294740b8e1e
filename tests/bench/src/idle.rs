//! The daemon while nothing happens: memory and wake-ups, young and after a check.

use crate::memory::{self, Memory};
use crate::programs::Asu;
use crate::table::{kib, number, Table};
use nix::unistd::Pid;
use sandbox::{Error, Options, Router, World};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Until everything of a start or a check has settled.
const SETTLE: Duration = Duration::from_secs(3);

/// How long wake-ups are counted.
const WATCH: Duration = Duration::from_secs(5);

/// Measures and prints.
pub fn print(world: &World, asu: &Asu) -> Result<(), Error> {
    let router = Router::start(&Options::new(&asu.path, &[world.url()]))?;
    let mut table = Table::new(&[
        "the daemon, idle",
        "RssAnon",
        "private",
        "peak",
        "wake-ups in 5 s",
    ]);
    row(&mut table, "after its start", pid(&router)?)?;
    let before = pid(&router)?;
    let status = Command::new(&asu.path)
        .arg("--root")
        .arg(router.files().root())
        .arg("check")
        .stdout(Stdio::null())
        .status()?;
    if status.code() != Some(20) {
        return Err(format!("\"asu check\" ended with {status}").into());
    }
    if pid(&router)? != before {
        return Err("the daemon did not survive the check".into());
    }
    row(&mut table, "after a check", before)?;
    table.row(&["budget", "512 KiB", "", "", "0"]);
    println!("## The idle daemon");
    println!("asu: {}\n", asu.what);
    table.print();
    println!("\nprivate: with the program's pages that only the daemon uses (Private_Clean + Private_Dirty).");
    Ok(())
}

fn pid(router: &Router) -> Result<Pid, Error> {
    let daemon = router.procd().and_then(|procd| procd.state().daemon);
    let daemon = daemon.ok_or("the daemon does not run")?;
    Ok(Pid::from_raw(i32::try_from(daemon)?))
}

fn row(table: &mut Table, when: &str, pid: Pid) -> Result<(), Error> {
    std::thread::sleep(SETTLE);
    let memory = Memory::of(pid)?;
    let before = memory::sleeps(pid)?;
    std::thread::sleep(WATCH);
    let woken = memory::sleeps(pid)? - before;
    table.row(&[
        when,
        &kib(memory.anonymous),
        &kib(memory.private),
        &kib(memory.peak),
        &number(woken),
    ]);
    Ok(())
}
