//! Running the system's own programs: never through a shell, output collected in a file.
//!
//! A file rather than a pipe: were this process to die, a program that goes on writing into a pipe
//! would be killed by it, and the program may be sysupgrade. Nobody else needs the file, so it has
//! no name while it is used: nothing is left behind, whoever dies.

use super::unsafe_calls::own_session;
use crate::error::{tail, Error};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// At most so much of the end of a program's output is looked at.
const OUTPUT_LIMIT: u64 = 8 * 1024;

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// With what.
    pub status: ExitStatus,
    /// The end of what it wrote to both its outputs.
    pub output: String,
}

/// Runs `program` (a path of this process) to its end, in a session of its own, so that neither a
/// closed terminal nor our own end reaches it. Its output goes to a file that was made as `log`.
pub fn run<I, S>(program: &Path, arguments: I, log: &Path) -> Result<Ended, Error>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let unusable = |error: std::io::Error| Error::file(log, "written", &error);
    let mut output = private_file(log).map_err(unusable)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(unusable)?)
        .stderr(output.try_clone().map_err(unusable)?);
    own_session(&mut command);
    let status = command
        .status()
        .map_err(|error| Error::file(program, "run", &error))?;
    let output = end_of(&mut output).map_err(|error| Error::file(log, "read", &error))?;
    Ok(Ended { status, output })
}

fn private_file(path: &Path) -> std::io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

fn end_of(file: &mut File) -> std::io::Result<String> {
    let size = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(size.saturating_sub(OUTPUT_LIMIT)))?;
    let mut bytes = Vec::new();
    file.take(OUTPUT_LIMIT).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(tail(
        text.trim(),
        usize::try_from(OUTPUT_LIMIT).unwrap_or(usize::MAX),
    )
    .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_collected_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let ended = run(
            Path::new("/bin/sh"),
            ["-c", "echo out; echo err >&2; exit 3"],
            &log,
        )
        .unwrap();
        assert_eq!(ended.status.code(), Some(3));
        assert_eq!(ended.output, "out\nerr");
        let ended = run(
            Path::new("/bin/sh"),
            ["-c", "head -c 100000 /dev/zero | tr '\\0' x; echo end"],
            &log,
        )
        .unwrap();
        assert!(ended.output.ends_with("xend") && ended.output.len() <= 8192);
        assert!(!log.exists());
    }

    #[test]
    fn the_session_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let script = "cut -d' ' -f1,6 /proc/self/stat | cat; echo $$";
        let ended = run(Path::new("/bin/sh"), ["-c", script], &log).unwrap();
        let words: Vec<&str> = ended.output.split_whitespace().collect();
        assert_eq!(words[1], words[2], "the shell leads the session: {words:?}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = run(
            Path::new("/nonexistent/x"),
            ["a"],
            &folder.path().join("log"),
        )
        .unwrap_err();
        assert!(
            error.message.contains("/nonexistent/x can't be run"),
            "{error}"
        );
    }
}
