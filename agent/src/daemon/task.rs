//! Work that goes on beside the daemon's loop: the job (a child process) or a thread of our own
//! that hashes a file or waits for sysupgrade. Both tell what happens as one JSON event a line.

use crate::error::{Error, Kind};
use crate::fault;
use crate::job::{told, Event, Order, MEMORY};
use crate::json;
use crate::paths::{Paths, JOB_FOLDER};
use crate::store;
use crate::system::{self, room::mib};
use crate::text::say;
use crate::upgrade::flash::Started;
use crate::upgrade::verify::Judged;
use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

/// No event is longer than a message of the bus may be.
const LINE_LIMIT: usize = 1024 * 1024;
/// How much is read before other work has its turn.
const PIECE: usize = 64 * 1024;

/// Work under way.
pub struct Task {
    stream: File,
    buffer: Vec<u8>,
    worker: Option<Worker>,
}

enum Worker {
    Job(Child),
    Thread(JoinHandle<Finished>),
}

/// What a thread brings home.
pub enum Finished {
    /// An image was judged.
    Judged(Result<Judged, Error>),
    /// sysupgrade was called.
    Flashed(Result<Started, Error>),
    /// The job ended; what it had to say it said in events.
    Job(ExitStatus),
}

/// Where a thread tells what it does.
pub struct Teller(UnixStream);

impl Teller {
    /// Tells an event. When nobody listens any more the daemon is on its way out, and so is the
    /// thread; there is nothing left to do about it.
    pub fn tell(&mut self, event: &Event) {
        if let Ok(line) = json::line(event) {
            let _ = self.0.write_all(line.as_bytes());
        }
    }
}

impl Task {
    /// Starts `asu job` with its order.
    pub fn job(paths: &Paths, order: &Order) -> Result<Task, Error> {
        let folder = paths.real(JOB_FOLDER);
        let fetches = order.task == crate::job::Task::Download;
        if fetches {
            store::remove_folder(&folder)?;
            store::private_folder(&folder)?;
        }
        let failed = |error: std::io::Error| {
            Error::new(
                Kind::Internal,
                format!("The job can't be started: {error}."),
            )
        };
        let mut command = Command::new("/proc/self/exe");
        command
            .args(paths.arguments())
            .arg("job")
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        fault::pass_on(&mut command);
        if let Some((uid, gid)) = system::job_user(paths) {
            if fetches {
                std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).map_err(failed)?;
            }
            // Other groups are dropped with the user.
            command.uid(uid).gid(gid);
        }
        let mut child = command.spawn().map_err(failed)?;
        fault::crash("job-started");
        let sent = send(&mut child, order);
        let Some(stdout) = child.stdout.take() else {
            return Err(failed(ErrorKind::BrokenPipe.into()));
        };
        let task = Task::new(OwnedFd::from(stdout), Worker::Job(child))?;
        // A job that died before it read its order tells of it by its end.
        sent.or_else(|error| {
            if error.kind() == ErrorKind::BrokenPipe {
                Ok(())
            } else {
                Err(error)
            }
        })
        .map_err(failed)?;
        Ok(task)
    }

    /// Starts a thread.
    pub fn thread(
        work: impl FnOnce(&mut Teller) -> Finished + Send + 'static,
    ) -> Result<Task, Error> {
        let failed = |error: std::io::Error| {
            Error::new(
                Kind::Internal,
                format!("A thread can't be started: {error}."),
            )
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let thread = std::thread::Builder::new().spawn(move || {
            let mut teller = Teller(theirs);
            work(&mut teller)
        });
        Task::new(OwnedFd::from(ours), Worker::Thread(thread.map_err(failed)?))
    }

    fn new(stream: OwnedFd, worker: Worker) -> Result<Task, Error> {
        let set = fcntl(&stream, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        set.map_err(|errno| Error::new(Kind::Internal, format!("A pipe can't be used: {errno}.")))?;
        Ok(Task {
            stream: File::from(stream),
            buffer: Vec::new(),
            worker: Some(worker),
        })
    }

    /// To wait for.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// The events that have come; the second value says that there will be no more.
    pub fn events(&mut self) -> Result<(Vec<Event>, bool), Error> {
        let mut piece = vec![0; PIECE];
        let end = match self.stream.read(&mut piece) {
            Ok(0) => true,
            Ok(len) => {
                self.buffer
                    .extend_from_slice(piece.get(..len).unwrap_or_default());
                false
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                false
            }
            Err(error) => {
                return Err(Error::new(
                    Kind::Internal,
                    format!("The job can't be heard: {error}."),
                ))
            }
        };
        let mut events = Vec::new();
        loop {
            let line = packages::before(&self.buffer, b'\n');
            let end = line.len();
            if end == self.buffer.len() {
                break;
            }
            let mut event: Event = json::from_text(line)?;
            if let Event::Plan(plan) = &mut event {
                plan.clean(told(line))?;
            }
            events.push(event);
            self.buffer.drain(..=end);
        }
        if self.buffer.len() > LINE_LIMIT {
            return Err(Error::new(
                Kind::Internal,
                "The job says more than it should.",
            ));
        }
        Ok((events, end))
    }

    /// Waits for the end of a task that has no more to say. A job that only pretends to be at its
    /// end is ended.
    pub fn finish(mut self) -> Result<Finished, Error> {
        match self.worker.take() {
            Some(Worker::Job(mut child)) => {
                let ended = end(&mut child).map_err(|error| {
                    Error::new(Kind::Internal, format!("The job can't be ended: {error}."))
                })?;
                Ok(Finished::Job(ended))
            }
            Some(Worker::Thread(thread)) => thread
                .join()
                .map_err(|_| Error::new(Kind::Internal, "A thread of the agent died.")),
            None => Err(Error::new(Kind::Internal, "A task ended twice.")),
        }
    }
}

impl Drop for Task {
    /// A job that nobody waits for any more ends; so does a thread, by itself.
    fn drop(&mut self) {
        if let Some(Worker::Job(child)) = &mut self.worker {
            if let Err(error) = end(child) {
                say(&format_args!("the job can't be ended: {error}"));
            }
        }
    }
}

/// Why a job is over that did not say it itself.
pub fn died(ended: ExitStatus, doing: &str) -> Error {
    // The library ends a program that way which is not given memory; a panic exits (see main).
    if ended.signal() == Some(Signal::SIGABRT as i32) {
        let sentence = format!(
            "The job needed more than the {} of memory it may have while it was {doing}; nothing was flashed. What the server says may be too large to be true: report it to the server's operator.",
            mib(MEMORY)
        );
        return Error::new(Kind::Memory, sentence);
    }
    let sentence = format!(
        "The job died while it was {doing} ({ended}); nothing was flashed. Start it again."
    );
    Error::new(Kind::Internal, sentence)
}

fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    child.kill()?;
    child.wait()
}

fn send(child: &mut Child, order: &Order) -> std::io::Result<()> {
    let Some(mut stdin) = child.stdin.take() else {
        return Err(ErrorKind::BrokenPipe.into());
    };
    let line = json::line(order).map_err(std::io::Error::other)?;
    stdin.write_all(line.as_bytes())
}
