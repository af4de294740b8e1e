//! The plugin as a shared library.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Builds the plugin for this machine, once a process, and gives its path. `RPCD_PLUGIN` names
/// another one that is there already.
///
/// # Errors
/// Cargo's words, if it does not build.
pub fn path() -> io::Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| match std::env::var_os("RPCD_PLUGIN") {
        Some(given) => Ok(given.into()),
        None => build(),
    });
    built.clone().map_err(io::Error::other)
}

/// The command that rpcd-plugin/src/lib.rs names, in a target folder of its own: cargo holds the
/// ordinary one while tests run.
fn build() -> Result<PathBuf, String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target).join("plugin-host"),
        None => workspace.join("target/plugin-host"),
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(&workspace)
        .env("CARGO_TARGET_DIR", &target)
        .args(["rustc", "--quiet", "-p", "rpcd-plugin", "--lib"])
        .args(["--profile", "router", "--features", "plugin"])
        .args(["--crate-type", "cdylib"])
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(target.join("router/libattendedsysupgrade.so"))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
