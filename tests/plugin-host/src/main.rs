//! Loads the rpcd plugin as rpcd does. See the library for what it is good for.
//!
//! ```text
//! plugin-host serve PLUGIN ROOT              takes calls on stdin, answers on stdout
//! plugin-host repeat PLUGIN ROOT TIMES [all] calls packagelist, for benches
//! plugin-host chroot ROOT PROGRAM ARGUMENT…  runs a program with ROOT for its file system
//! sysupgrade ARGUMENT…                       under this name: notes how it was called
//! ```

#[cfg(target_env = "musl")]
mod elf;
mod rpcd;

use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use plugin_host::sysupgrade_note;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        [name, ..] if name.ends_with("/sysupgrade") => sysupgrade_note::write(&words),
        [_, "serve", plugin, root] => load(plugin, root).and_then(|()| serve()),
        [_, "repeat", plugin, root, times] => {
            load(plugin, root).and_then(|()| repeat(times, false))
        }
        [_, "repeat", plugin, root, times, "all"] => {
            load(plugin, root).and_then(|()| repeat(times, true))
        }
        [_, "chroot", root, program, ref rest @ ..] => {
            rpcd::enter(root).and_then(|()| Err(Command::new(program).args(rest).exec()))
        }
        _ => Err(io::Error::other("usage: plugin-host serve|repeat|chroot …")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "plugin-host: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Loads the library and lets it publish its object; then the root is all there is.
fn load(plugin: &str, root: &str) -> io::Result<()> {
    rpcd::load(plugin)?;
    rpcd::enter(root)
}

fn serve() -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["object"] => rpcd::object(),
            ["exec", ref how @ ..] => rpcd::script(how),
            ["executed"] => rpcd::executed(),
            ["call", method, arguments] => rpcd::call(method, arguments),
            _ => Err(io::Error::other("no such request")),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{}", answer?)?;
        out.flush()?;
    }
    Ok(())
}

fn repeat(times: &str, all: bool) -> io::Result<()> {
    let times: u32 = times.parse().map_err(io::Error::other)?;
    let mut arguments = Vec::new();
    let mut writer = ubus::Writer::new(&mut arguments);
    writer.bool("all", all);
    writer.finish().map_err(io::Error::other)?;
    for _ in 0..times {
        let (status, _) = rpcd::invoke("packagelist", Some(rpcd::blob(&arguments)))?;
        if status != 0 {
            return Err(io::Error::other(format!(
                "packagelist gave status {status}"
            )));
        }
    }
    Ok(())
}
