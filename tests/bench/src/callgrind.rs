//! Instructions, counted by valgrind's callgrind.

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use sandbox::Error;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// A command that runs `program` and leaves its counts in `out`.
///
/// Not for a program that starts `/proc/self/exe`: below valgrind 3.19 that is valgrind.
pub fn command(program: &OsStr, out: &Path) -> Command {
    let mut file = std::ffi::OsString::from("--callgrind-out-file=");
    file.push(out);
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet", "--vgdb=no"])
        .arg(file)
        .arg("--")
        .arg(program);
    command
}

/// The same for a program that takes from itself the right to write files and to open more than so
/// many: valgrind keeps twelve descriptors for itself and refuses a limit that is not its own less
/// those. `out` has to be a [`Pipe`].
pub fn confined(program: &OsStr, out: &Path, files: u32) -> Command {
    let valgrind = command(program, out);
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            &format!("ulimit -n {}; exec \"$0\" \"$@\"", files + 12),
        ])
        .arg(valgrind.get_program())
        .args(valgrind.get_args());
    shell
}

/// A named pipe for the counts of a program that may not write into files.
pub struct Pipe {
    path: PathBuf,
    over: Arc<AtomicBool>,
    reader: JoinHandle<std::io::Result<String>>,
}

impl Pipe {
    /// Makes it, and begins to read.
    pub fn new(path: &Path) -> Result<Pipe, Error> {
        mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let over = Arc::new(AtomicBool::new(false));
        let (place, ended) = (path.to_owned(), over.clone());
        // callgrind opens its file once to see whether it can, and once more at the end.
        let reader = std::thread::spawn(move || loop {
            let text = std::fs::read_to_string(&place)?;
            if !text.is_empty() || ended.load(Ordering::Relaxed) {
                return Ok(text);
            }
        });
        Ok(Pipe {
            path: path.to_owned(),
            over,
            reader,
        })
    }

    /// What came, once the program has ended.
    pub fn counts(self) -> Result<Counts, Error> {
        self.over.store(true, Ordering::Relaxed);
        while !self.reader.is_finished() {
            // Wakes a reader for whom nobody writes; where it does not wait, that fails.
            let nobody = std::fs::OpenOptions::new()
                .write(true)
                .custom_flags(OFlag::O_NONBLOCK.bits())
                .open(&self.path);
            drop(nobody);
            std::thread::sleep(Duration::from_millis(10));
        }
        let text = self.reader.join().map_err(|_| "the pipe's reader died")?;
        Ok(Counts(text?))
    }
}

/// Why valgrind could not be run.
pub fn missing(error: &std::io::Error) -> String {
    format!("valgrind can't be run ({error}); it comes with Debian's package \"valgrind\"")
}

/// What callgrind wrote.
pub struct Counts(String);

impl Counts {
    /// Reads its file.
    pub fn read(file: &Path) -> Result<Counts, Error> {
        let text = std::fs::read_to_string(file);
        text.map(Counts)
            .map_err(|error| format!("callgrind left no {}: {error}", file.display()).into())
    }

    /// Instructions of the whole process.
    pub fn total(&self) -> Result<u64, Error> {
        let line = self.0.lines().find_map(|line| line.strip_prefix("totals:"));
        let total = line.and_then(|total| total.trim().parse().ok());
        total.ok_or_else(|| "callgrind's file has no total".into())
    }

    /// Instructions from each call of a function in `object` (the end of its path) until it
    /// returns, where the caller is in another one: what the object does, with all it makes the C
    /// library do for it.
    pub fn spent_in<'a>(&'a self, object: &str) -> Result<u64, Error> {
        let mut known: HashMap<&str, bool> = HashMap::new();
        // "(7) /path" the first time, later "(7)".
        let mut is_it = |place: &'a str| match place.split_once(' ') {
            Some((id, path)) => {
                known.insert(id, path.ends_with(object));
                path.ends_with(object)
            }
            None => known.get(place).copied().unwrap_or(false),
        };
        let (mut here, mut callee, mut spent, mut calls) = (false, None, 0, false);
        for line in self.0.lines() {
            if let Some(place) = line.strip_prefix("ob=") {
                here = is_it(place);
            } else if let Some(place) = line.strip_prefix("cob=") {
                callee = Some(is_it(place));
            } else if line.starts_with("calls=") {
                calls = true;
            } else if calls {
                // The line behind "calls=": a position and what the call cost.
                if !here && callee == Some(true) {
                    let cost = line
                        .split(' ')
                        .nth(1)
                        .and_then(|cost| cost.parse::<u64>().ok());
                    spent +=
                        cost.ok_or_else(|| format!("callgrind's line {line:?} has no cost"))?;
                }
                (calls, callee) = (false, None);
            }
        }
        Ok(spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_through_a_pipe_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let pipe = Pipe::new(&path).unwrap();
        drop(std::fs::OpenOptions::new().write(true).open(&path).unwrap());
        std::fs::write(&path, "totals: 7\n").unwrap();
        assert_eq!(pipe.counts().unwrap().total().unwrap(), 7);
        let silent = Pipe::new(&folder.path().join("silent")).unwrap();
        assert!(silent.counts().unwrap().total().is_err());
    }

    #[test]
    fn calls_into_an_object_are_added_up() {
        let counts = Counts(
            "version: 1\nevents: Ir\n\nob=(1) /bin/host\nfn=(1) main\n1 10\n\
             cob=(2) /lib/x.so\ncfn=(2) f\ncalls=1 0\n1 500\ncfn=(3) own\ncalls=1 0\n1 7\n\n\
             ob=(2)\nfn=(2)\n0 100\ncob=(3) /lib/libc.so\ncfn=(4) malloc\ncalls=2 0\n0 400\n\n\
             ob=(3)\nfn=(4)\n0 400\ncob=(2)\ncfn=(2)\ncalls=1 0\n0 30\n\ntotals: 517\n"
                .to_owned(),
        );
        assert_eq!(counts.total().unwrap(), 517);
        assert_eq!(counts.spent_in("/x.so").unwrap(), 530);
        assert_eq!(counts.spent_in("/y.so").unwrap(), 0);
    }
}
