//! Running the system's own programs: never through a shell, output collected in a file.
//!
//! A file rather than a pipe: were this process to die, a program that goes on writing into a pipe
//! would be killed by it, and the program may be sysupgrade. Nobody else needs the file, so it has
//! no name while it is used; for the moment before it has one that is tidied up at the next start
//! ([`store::tidy`]). So nothing is left behind, whoever dies.

use super::unsafe_calls::own_session;
use crate::error::{tail, Error};
use crate::fault;
use crate::store;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// At most so much of the end of a program's output is looked at.
const OUTPUT_LIMIT: u64 = 8 * 1024;

/// Tells the files of programs apart that run at the same time.
static RUNS: AtomicU32 = AtomicU32::new(0);

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
    // Two may be run for the same purpose at once: a question beside a job.
    let count = RUNS.fetch_add(1, Ordering::Relaxed);
    let log = &log.with_extension(format!("{count}.new"));
    let mut output = private_file(log)?;
    store::remove(log)?;
    let status = status(program, arguments, &output, log)?;
    let output = end_of(&mut output).map_err(|error| Error::file(log, "read", &error))?;
    Ok(Ended { status, output })
}

/// The same, but the file keeps its name, and is locked as long as the program lives (the lock
/// belongs to its outputs): whoever comes after us finds out by [`left_behind`] what became of it.
pub fn run_watched<I, S>(program: &Path, arguments: I, log: &Path) -> Result<Ended, Error>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut output = Flock::lock(private_file(log)?, FlockArg::LockExclusive)
        .map_err(|(_, errno)| Error::file(log, "locked", &errno.into()))?;
    let status = status(program, arguments, &output, log)?;
    let output = end_of(&mut output).map_err(|error| Error::file(log, "read", &error))?;
    Ok(Ended { status, output })
}

/// A program that [`run_watched`] was to run for a process that is no more.
#[derive(Debug)]
pub enum Left {
    /// It still runs.
    Running,
    /// It does not, or never did; the end of its output.
    Ended(String),
}

/// What became of the program with this log; none: there is no such file.
pub fn left_behind(log: &Path) -> Result<Option<Left>, Error> {
    let unreadable = |error: std::io::Error| Error::file(log, "read", &error);
    let file = match File::open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut file) => Ok(Some(Left::Ended(end_of(&mut file).map_err(unreadable)?))),
        Err((_, Errno::EWOULDBLOCK)) => Ok(Some(Left::Running)),
        Err((_, errno)) => Err(unreadable(errno.into())),
    }
}

fn status<I, S>(
    program: &Path,
    arguments: I,
    output: &File,
    log: &Path,
) -> Result<ExitStatus, Error>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let unusable = |error: std::io::Error| Error::file(log, "written", &error);
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(unusable)?)
        .stderr(output.try_clone().map_err(unusable)?);
    own_session(&mut command);
    let started = command.spawn();
    fault::crash("program-started");
    started
        .and_then(|mut child| child.wait())
        .map_err(|error| Error::file(program, "run", &error))
}

fn private_file(path: &Path) -> Result<File, Error> {
    store::remove(path)?;
    OpenOptions::new()
        .read(true)
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| Error::file(path, "written", &error))
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
    fn programs_that_run_at_once_do_not_mix_up_their_words() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        std::thread::scope(|scope| {
            let runs = [(); 40].map(|()| {
                scope.spawn(|| run(Path::new("/bin/sh"), ["-c", "echo $$; echo $$"], &log))
            });
            for run in runs {
                let output = run.join().unwrap().unwrap().output;
                let (first, second) = output.split_once('\n').unwrap();
                assert_eq!(first, second);
            }
        });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
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
    fn who_comes_after_finds_out_what_became_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        assert!(left_behind(&log).unwrap().is_none());
        let gate = folder.path().join("gate");
        std::fs::write(&gate, "").unwrap();
        let script = format!(
            "echo begun; while [ -e {} ]; do sleep 0.02; done",
            gate.display()
        );
        std::thread::scope(|scope| {
            let run = scope.spawn(|| run_watched(Path::new("/bin/sh"), ["-c", &script], &log));
            while !matches!(left_behind(&log), Ok(Some(Left::Running))) {
                assert!(!run.is_finished());
            }
            std::fs::remove_file(&gate).unwrap();
            assert_eq!(run.join().unwrap().unwrap().output, "begun");
        });
        let left = left_behind(&log).unwrap();
        assert!(matches!(left, Some(Left::Ended(output)) if output == "begun"));
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
