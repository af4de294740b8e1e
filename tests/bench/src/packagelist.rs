//! The plugin's `packagelist` on databases of several sizes: it has to grow with its input.

use crate::callgrind::{self, Counts};
use crate::programs;
use crate::table::{number, ratio, Table};
use plugin_host::generate::{self, Oddity};
use plugin_host::{plugin, Root};
use sandbox::Error;
use std::path::Path;
use std::process::Stdio;

/// Packages, and names in the world.
const SIZES: [(usize, usize); 3] = [(170, 40), (2_000, 400), (10_000, 2_000)];

/// Measures and prints.
pub fn print() -> Result<(), Error> {
    let (host, plugin) = (programs::plugin_host()?, plugin::path()?);
    let mut table = Table::new(&[
        "packagelist",
        "database",
        "bytes",
        "instructions",
        "each package",
        "each byte",
        "same with all",
        "each package",
    ]);
    for (packages, world) in SIZES {
        let made = generate::databases(1, packages, world, Oddity::Plain);
        let apk = Root::new()?;
        apk.write_apk(&made.apk, &made.world)?;
        let opkg = Root::new()?;
        opkg.write("/usr/lib/opkg/status", &made.opkg)?;
        let databases = [
            ("apk", apk, made.apk.len() + made.world.len()),
            ("opkg", opkg, made.opkg.len()),
        ];
        for (name, root, bytes) in databases {
            let wanted = instructions(&host, &plugin, &root, false)?;
            let all = instructions(&host, &plugin, &root, true)?;
            table.row(&[
                &format!(
                    "{} packages, {} in world",
                    number(packages as u64),
                    number(world as u64)
                ),
                name,
                &number(bytes as u64),
                &number(wanted),
                &number(wanted / packages as u64),
                &ratio(wanted, bytes as u64),
                &number(all),
                &number(all / packages as u64),
            ]);
        }
    }
    println!("## packagelist of the rpcd plugin\n");
    table.print();
    println!(
        "\nInstructions of one call (callgrind): from rpcd's call of the method to its return, with \
         what the C library does for it. Linear is what keeps its figure for each package. rpc-sys, \
         for comparison, takes 0.11 ms at 170 packages and grows with packages times world."
    );
    Ok(())
}

/// Of one call: the difference of two runs, so that loading the plugin does not count.
fn instructions(host: &Path, plugin: &Path, root: &Root, all: bool) -> Result<u64, Error> {
    let (once, thrice) = (
        run(host, plugin, root, 1, all)?,
        run(host, plugin, root, 3, all)?,
    );
    match thrice.checked_sub(once) {
        None | Some(0) => Err("no instruction of the plugin was counted".into()),
        Some(two) => Ok(two / 2),
    }
}

fn run(host: &Path, plugin: &Path, root: &Root, times: u32, all: bool) -> Result<u64, Error> {
    // callgrind opens its file when it starts and again when it ends, after the chroot: the path
    // has to be there both outside and inside.
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("plugin");
    std::fs::create_dir_all(root.at(&folder.path().to_string_lossy()))?;
    let mut command = callgrind::command(host.as_os_str(), &out);
    command
        .arg("repeat")
        .arg(plugin)
        .arg(root.path())
        .arg(times.to_string());
    if all {
        command.arg("all");
    }
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| callgrind::missing(&error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("plugin-host ended with {}: {said}", output.status).into());
    }
    let name = plugin.file_name().ok_or("the plugin has no name")?;
    Counts::read(&root.at(&out.to_string_lossy()))?.spent_in(&name.to_string_lossy())
}
