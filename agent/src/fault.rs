//! Faults at named points, for tests: the process dies there, the disk is full, a write stops halfway.
//!
//! Compiled in only by the feature `faults` in a build with debug assertions, which no program for a
//! router has; anywhere else these functions are empty. A point goes wrong once, when the folder that
//! the environment variable `ASU_FAULTS` names has a file of its name, with the fault as its text:
//! `crash`, `full` or `short`. With a file `hurry` there, pauses between tries are short.

pub use imp::{crash, hurry, pass_on, point, write_all, write_file, written};

#[cfg(not(all(feature = "faults", debug_assertions)))]
#[allow(missing_docs)]
mod imp {
    use std::io::{Result, Write};
    use std::path::Path;
    use std::process::Command;

    #[inline(always)]
    pub fn crash(_: &str) {}

    #[inline(always)]
    pub fn point(_: &str) -> Result<()> {
        Ok(())
    }

    #[inline(always)]
    pub fn write_all(_: &str, to: &mut impl Write, bytes: &[u8]) -> Result<()> {
        to.write_all(bytes)
    }

    #[inline(always)]
    pub fn write_file(_: &Path, to: &mut impl Write, bytes: &[u8]) -> Result<()> {
        to.write_all(bytes)
    }

    #[inline(always)]
    pub fn written(_: &Path) {}

    #[inline(always)]
    pub fn hurry() -> bool {
        false
    }

    #[inline(always)]
    pub fn pass_on(_: &mut Command) {}
}

#[cfg(all(feature = "faults", debug_assertions))]
mod imp {
    use nix::errno::Errno;
    use nix::sys::signal::{kill, Signal};
    use nix::unistd::Pid;
    use std::io::{Result, Write};
    use std::path::{Path, PathBuf};
    use std::process::Command;

    const FOLDER: &str = "ASU_FAULTS";

    /// What is to go wrong at a point, if anything is; from then on nothing.
    fn fault(name: &str) -> Option<String> {
        let file = PathBuf::from(std::env::var_os(FOLDER)?).join(name);
        let fault = std::fs::read_to_string(&file).ok()?;
        // Two may come by at once; it goes wrong for one of them.
        std::fs::remove_file(&file).ok()?;
        Some(fault)
    }

    fn die() {
        // SIGKILL arrives before kill returns.
        let _ = kill(Pid::this(), Signal::SIGKILL);
    }

    fn full() -> std::io::Error {
        Errno::ENOSPC.into()
    }

    /// A point at which the process may die.
    pub fn crash(name: &str) {
        if fault(name).is_some() {
            die();
        }
    }

    /// A point at which the process may die or find the disk full.
    pub fn point(name: &str) -> Result<()> {
        match fault(name).as_deref() {
            None => Ok(()),
            Some("crash") => {
                die();
                Ok(())
            }
            Some(_) => Err(full()),
        }
    }

    /// A write that may fail at once (`full`), or end in the middle with the disk full (`short`) or
    /// with the process (`crash`).
    pub fn write_all(name: &str, to: &mut impl Write, bytes: &[u8]) -> Result<()> {
        let fault = fault(name);
        let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
        match fault.as_deref() {
            None => to.write_all(bytes),
            Some("crash") => {
                to.write_all(half)?;
                die();
                Ok(())
            }
            Some("short") => {
                to.write_all(half)?;
                Err(full())
            }
            Some(_) => Err(full()),
        }
    }

    /// The same at the point `NAME-write`, after the name of the file.
    pub fn write_file(path: &Path, to: &mut impl Write, bytes: &[u8]) -> Result<()> {
        write_all(&named(path, "write"), to, bytes)
    }

    /// The point `NAME-written`, at which the process may die.
    pub fn written(path: &Path) {
        crash(&named(path, "written"));
    }

    fn named(path: &Path, what: &str) -> String {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        format!("{name}-{what}")
    }

    /// Whether pauses between tries are to be short.
    pub fn hurry() -> bool {
        std::env::var_os(FOLDER).is_some_and(|folder| PathBuf::from(folder).join("hurry").exists())
    }

    /// What is started goes wrong too.
    pub fn pass_on(command: &mut Command) {
        if let Some(folder) = std::env::var_os(FOLDER) {
            command.env(FOLDER, folder);
        }
    }
}
