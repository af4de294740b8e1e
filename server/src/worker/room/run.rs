//! Runs the program of a build.

use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use std::{fmt, io};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// Most that is read of what a build prints.
const LONGEST: u64 = 8 << 20;

/// How often the size of a build's folders is looked at.
const WATCH: Duration = Duration::from_secs(2);

/// What make printed, and whether it succeeded.
#[derive(Debug, Default)]
pub struct Output {
    /// Whether make's exit status was 0.
    pub success: bool,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// Why make didn't come to an end of its own.
#[derive(Debug)]
pub enum Stopped {
    /// It could not be run.
    Io(io::Error),
    /// It took too long.
    Timeout,
    /// It printed more than anybody would read.
    Chatter,
    /// It filled the disk; how much it might use, in MiB.
    Disk(u64),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "The ImageBuilder could not be run: {error}"),
            Self::Timeout => f.write_str("The build took too long and was stopped"),
            Self::Disk(most) => write!(
                f,
                "The build needed more than {most} MiB of disk and was stopped"
            ),
            Self::Chatter => write!(
                f,
                "The build printed more than {LONGEST} bytes and was stopped"
            ),
        }
    }
}

/// Kills all of make's processes unless they are done: also when the server shuts down in the middle of a build.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // No such process: it ended by itself.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Runs `words` in `folder`, without a shell, with little more in its environment than a PATH, until `deadline`, or until
/// the folders in `grows` have more than `most` bytes together.
///
/// # Errors
/// [`Stopped`] where it didn't come to its end; nothing of it runs any more then.
pub async fn run(
    folder: &Path,
    words: &[OsString],
    deadline: Instant,
    grows: &[PathBuf],
    most: u64,
) -> Result<Output, Stopped> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Stopped::Io(io::ErrorKind::NotFound.into()));
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("LANG", "C.UTF-8")
        .env("HOME", "/tmp");
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn().map_err(Stopped::Io)?;
    let id = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .map(Pid::from_raw);
    let mut group = Group(id);
    let output = tokio::select! {
        output = collect(&mut child) => output?,
        () = tokio::time::sleep_until(deadline) => return Err(Stopped::Timeout),
        () = grown(grows, most) => return Err(Stopped::Disk(most >> 20)),
    };
    group.0 = None;
    Ok(output)
}

/// Waits until folders have more bytes than they may.
async fn grown(folders: &[PathBuf], most: u64) {
    loop {
        tokio::time::sleep(WATCH).await;
        let folders = folders.to_vec();
        let sum =
            tokio::task::spawn_blocking(move || folders.iter().map(|folder| size(folder)).sum());
        if sum.await.unwrap_or(0) > most {
            return;
        }
    }
}

/// Bytes of the files in a folder, as far as they can be seen.
pub fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(of).sum()
}

async fn collect(child: &mut Child) -> Result<Output, Stopped> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = tokio::join!(read(stdout), read(stderr));
    let status = child.wait().await.map_err(Stopped::Io)?;
    Ok(Output {
        success: status.success(),
        stdout: stdout?,
        stderr: stderr?,
    })
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> Result<String, Stopped> {
    let Some(pipe) = pipe else {
        return Ok(String::new());
    };
    let mut bytes = Vec::new();
    let read = pipe
        .take(LONGEST)
        .read_to_end(&mut bytes)
        .await
        .map_err(Stopped::Io)?;
    // Whoever goes on printing gets a broken pipe.
    if read as u64 >= LONGEST {
        Err(Stopped::Chatter)
    } else {
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
