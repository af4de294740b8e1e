//! Sizes of what has been built for routers.

use crate::programs::workspace;
use sandbox::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Measures and prints.
pub fn print() -> Result<(), Error> {
    let dist = workspace().join("dist");
    let plugins = files(&dist, "attendedsysupgrade.so")?;
    if plugins.is_empty() && files(&dist, "asu")?.is_empty() {
        return Err(
            "nothing is built for routers yet; \"openwrt-package/build all\" does that".into(),
        );
    }
    let output = Command::new(workspace().join("openwrt-package/sizes")).output()?;
    println!("## Sizes\n\n{}", String::from_utf8_lossy(&output.stdout));
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    for plugin in plugins {
        let found = match has_text_relocations(&plugin)? {
            true => "TEXT RELOCATIONS",
            false => "no text relocations",
        };
        let place = plugin.strip_prefix(&dist).unwrap_or(&plugin);
        println!("{}: {found}", place.display());
    }
    Ok(())
}

/// `dist/*/name`, sorted.
fn files(dist: &Path, name: &str) -> Result<Vec<PathBuf>, Error> {
    if !dist.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for target in fs::read_dir(dist)? {
        let path = target?.path().join(name);
        if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// As binutils see it; they come with the C linker.
fn has_text_relocations(library: &Path) -> Result<bool, Error> {
    let output = Command::new("readelf").arg("-dW").arg(library).output();
    let output = output.map_err(|error| format!("readelf can't be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match output.status.success() && text.contains("Dynamic section") {
        true => Ok(text.contains("TEXTREL")),
        false => Err(format!("readelf can't read {}", library.display()).into()),
    }
}
