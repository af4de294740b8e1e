//! `asu list`: instructions and memory of its only process. It asks neither daemon nor server.

use crate::callgrind::{self, Counts};
use crate::check::{self, Index, MANY};
use crate::installed;
use crate::memory;
use crate::programs::Asu;
use crate::table::{kib, number, Table};
use sandbox::{Error, Router, World};
use std::path::Path;
use std::process::{Command, Stdio};

/// Measures and prints.
pub fn print(world: &World, asu: &Asu) -> Result<(), Error> {
    println!("## asu list\nasu: {}\n", asu.what);
    let mut table = Table::new(&["installed packages", "", "instructions", "peak"]);
    let router = check::router_without_daemon(&[world.url()], "", asu)?;
    rows(&mut table, &router, asu)?;
    installed::grow(router.files().root(), &Index::read(world)?.names, MANY)?;
    rows(&mut table, &router, asu)?;
    table.print();
    Ok(())
}

fn rows(table: &mut Table, router: &Router, asu: &Asu) -> Result<(), Error> {
    let root = router.files().root();
    let packages = number(installed::count(root)?);
    for arguments in [&["list"][..], &["list", "--all"]] {
        let instructions = instructions(asu, root, arguments)?;
        let (status, peaks) = memory::of_all(quiet(check::command(asu, root, arguments)), &[])?;
        let peak = peaks.iter().map(|memory| memory.peak).max();
        let (true, Some(peak)) = (status.success(), peak) else {
            return Err(format!("\"asu list\" ended with {status}").into());
        };
        table.row(&[
            &packages,
            &format!("asu {}", arguments.join(" ")),
            &number(instructions),
            &kib(peak),
        ]);
    }
    Ok(())
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn instructions(asu: &Asu, root: &Path, arguments: &[&str]) -> Result<u64, Error> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("list");
    let mut command = quiet(callgrind::command(asu.path.as_os_str(), &out));
    command.arg("--root").arg(root).args(arguments);
    let status = command
        .status()
        .map_err(|error| callgrind::missing(&error))?;
    match status.success() {
        true => Counts::read(&out)?.total(),
        false => Err(format!("\"asu list\" ended with {status}").into()),
    }
}
