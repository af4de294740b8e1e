//! Runs make in an ImageBuilder's folder.

use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;
use std::path::Path;
use std::process::Stdio;
use std::{fmt, io};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// Most that is read of what a build prints.
const LONGEST: u64 = 8 << 20;

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
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "The ImageBuilder could not be run: {error}"),
            Self::Timeout => f.write_str("The build took too long and was stopped"),
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

/// Runs `make` with `arguments` in `folder`, without a shell, with little more in its environment than a PATH, until
/// `deadline`.
///
/// # Errors
/// [`Stopped`] where it didn't come to its end; nothing of it runs any more then.
pub async fn run(
    folder: &Path,
    arguments: &[String],
    deadline: Instant,
) -> Result<Output, Stopped> {
    let mut command = Command::new("make");
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("LANG", "C.UTF-8")
        .env("HOME", folder);
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
    let output = tokio::time::timeout_at(deadline, collect(&mut child))
        .await
        .unwrap_or(Err(Stopped::Timeout))?;
    group.0 = None;
    Ok(output)
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
