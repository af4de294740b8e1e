//! Finds the compiled program that goes into ImageBuilder folders.

use crate::{folder, Error};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The path of the compiled program: `$MINI_IMAGEBUILDER`, or beside the running program in cargo's target folder, where it
/// is built first, so that a test of another crate never works with an old one.
///
/// # Errors
/// [`Error::Unknown`] where it is neither there nor can be built; the name says why.
pub fn find() -> Result<PathBuf, Error> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| match env::var_os("MINI_IMAGEBUILDER") {
        Some(path) => Ok(PathBuf::from(path)),
        None => beside_this_program(),
    });
    found.clone().map_err(|why| Error::unknown("program", &why))
}

fn beside_this_program() -> Result<PathBuf, String> {
    let this = env::current_exe().map_err(|error| error.to_string())?;
    let folder = this
        .ancestors()
        .skip(1)
        .find(|dir| !dir.ends_with("deps") && !dir.ends_with("examples"));
    let place = folder.ok_or("no target folder")?.join(folder::PROGRAM);
    if this.file_name() == place.file_name() {
        return Ok(this);
    }
    // Outside of cargo there is nothing to build with: what is there is taken as it is.
    match env::var_os("CARGO") {
        Some(cargo) => build(Path::new(&cargo), &place).map(|()| place),
        None if place.is_file() => Ok(place),
        None => build(Path::new("cargo"), &place).map(|()| place),
    }
}

fn build(cargo: &Path, place: &Path) -> Result<(), String> {
    let profile = place.parent().ok_or("no target folder")?;
    let target = profile.parent().ok_or("no target folder")?;
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--quiet",
        "--package",
        folder::PROGRAM,
        "--bin",
        folder::PROGRAM,
    ]);
    command
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    command.arg("--target-dir").arg(target);
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let status = command
        .status()
        .map_err(|error| format!("{}: {error}", cargo.display()))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} could not be built ({status})", folder::PROGRAM))
    }
}
