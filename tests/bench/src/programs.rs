//! The programs that are measured: as they go onto routers, not as they are tested.

use sandbox::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// An `asu` to measure.
pub struct Asu {
    /// The program.
    pub path: PathBuf,
    /// What it is, for the table.
    pub what: String,
}

/// The workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The one that is asked for; else the one that goes onto x86-64 routers, if it has been built and
/// can run here; else one built now for this machine, with the same profile.
pub fn asu(given: Option<&PathBuf>) -> Result<Asu, Error> {
    if let Some(path) = given {
        return Ok(Asu {
            path: fs::canonicalize(path).map_err(|error| format!("{}: {error}", path.display()))?,
            what: path.display().to_string(),
        });
    }
    let cross_built = workspace().join("dist/x86_64/asu");
    if cfg!(target_arch = "x86_64") && cross_built.is_file() {
        let age = match is_older_than_sources(&cross_built)? {
            true => "; OLDER than the sources, run \"openwrt-package/build x86_64\"",
            false => "",
        };
        return Ok(Asu {
            path: cross_built,
            what: format!("dist/x86_64/asu (musl, static, as it goes onto routers{age})"),
        });
    }
    Ok(Asu {
        path: cargo("agent", "asu")?,
        what:
            "built for this machine with the profile \"router\" (its own C library, whose memory \
               differs from musl's; \"openwrt-package/build x86_64\" makes the one for routers)"
                .to_owned(),
    })
}

/// The program that loads the rpcd plugin as rpcd does.
pub fn plugin_host() -> Result<PathBuf, Error> {
    cargo("release", "plugin-host")
}

/// The upgrade server.
pub fn server() -> Result<PathBuf, Error> {
    cargo("release", "asu-server")
}

/// The target folder that this program is from.
pub fn target() -> Result<PathBuf, Error> {
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(2);
    let target = target.ok_or("this program lies in no target folder")?;
    Ok(target.to_owned())
}

/// Builds a program of the workspace into the target folder that this one is from.
fn cargo(profile: &str, name: &str) -> Result<PathBuf, Error> {
    let target = target()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    eprintln!("bench: building {name}");
    let status = Command::new(cargo)
        .current_dir(workspace())
        .args(["build", "--quiet", "-p", name, "--bin", name])
        .args(["--profile", profile, "--target-dir"])
        .arg(&target)
        .status()
        .map_err(|error| format!("cargo can't be run: {error}"))?;
    match status.success() {
        true => Ok(target.join(profile).join(name)),
        false => Err(format!("{name} does not build").into()),
    }
}

fn is_older_than_sources(program: &Path) -> Result<bool, Error> {
    let built = fs::metadata(program)?.modified()?;
    let mut newest = SystemTime::UNIX_EPOCH;
    for folder in ["agent/src", "crates"] {
        newest = newest.max(newest_below(&workspace().join(folder))?);
    }
    Ok(newest > built)
}

/// When the last of the Rust files below a folder was changed.
fn newest_below(folder: &Path) -> Result<SystemTime, Error> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            newest = newest.max(newest_below(&path)?);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            newest = newest.max(fs::metadata(&path)?.modified()?);
        }
    }
    Ok(newest)
}
