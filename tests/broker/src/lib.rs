//! A bus broker that speaks what ubusd speaks, for tests and the sandbox on machines without OpenWrt's own.
//!
//! It answers as ubusd does (compared with recorded frames), quirks included: a caller whose callee dies gets no answer, one's own
//! events don't come back, a path that is taken is an invalid argument. What it leaves out: access control lists (everybody may do
//! everything) and the monitor.
#![forbid(unsafe_code)]

mod client;
mod events;
mod objects;
mod requests;
mod state;

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};

use crate::state::State;

/// A running broker. It stops, and takes its socket away, when it is dropped.
#[derive(Debug)]
pub struct Broker {
    path: PathBuf,
    control: UnixStream,
    thread: Option<JoinHandle<()>>,
}

/// What the other end of the control socket may say.
const DISCONNECT_ALL: u8 = b'd';

impl Broker {
    /// Listens on `path`, where a socket that is left over from before is replaced.
    ///
    /// # Errors
    /// Those of the socket: the folder is missing, the path is longer than 107 bytes.
    pub fn start(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        let (control, end) = UnixStream::pair()?;
        let thread = thread::Builder::new()
            .name("bus-broker".into())
            .spawn(move || serve(&listener, end))?;
        Ok(Broker {
            path: path.into(),
            control,
            thread: Some(thread),
        })
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Throws all clients out and forgets their objects, as a restart does, while the socket stays.
    ///
    /// When this returns it has been done: a program that connects afterwards finds an empty bus.
    ///
    /// # Errors
    /// If the broker's thread has died.
    pub fn disconnect_all(&self) -> io::Result<()> {
        let mut control = &self.control;
        control.write_all(&[DISCONNECT_ALL])?;
        control.read_exact(&mut [0])
    }

    /// Stops the broker and takes its socket away.
    pub fn stop(self) {}

    /// Waits until the broker ends, which it does not by itself.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed already.
            let _ = thread.join();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.control.shutdown(std::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// The broker's loop, until the other end of `control` is closed.
fn serve(listener: &UnixListener, mut control: UnixStream) {
    let mut state = State::default();
    loop {
        let Ok(ready) = wait(listener, &control, &state) else {
            return;
        };
        if ready.control {
            let mut order = [0];
            match control.read(&mut order) {
                Ok(1) if order == [DISCONNECT_ALL] => state.disconnect_all(),
                _ => return,
            }
            if control.write_all(&order).is_err() {
                return;
            }
            continue;
        }
        for id in ready.clients {
            state.serve(id);
        }
        if ready.listener {
            while let Ok((stream, _)) = listener.accept() {
                state.connect(stream);
            }
        }
    }
}

struct Ready {
    control: bool,
    listener: bool,
    /// Ids of the clients whose sockets have something to read, or room to write.
    clients: Vec<u32>,
}

fn wait(listener: &UnixListener, control: &UnixStream, state: &State) -> Result<Ready, Errno> {
    let mut sockets = vec![
        PollFd::new(control.as_fd(), PollFlags::POLLIN),
        PollFd::new(listener.as_fd(), PollFlags::POLLIN),
    ];
    let mut ids = Vec::new();
    for (id, client) in state.clients() {
        let mut events = PollFlags::POLLIN;
        events.set(PollFlags::POLLOUT, client.has_unsent());
        sockets.push(PollFd::new(client.as_fd(), events));
        ids.push(id);
    }
    match poll(&mut sockets, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error),
    }
    let mut any = sockets.iter().map(|socket| socket.any() == Some(true));
    Ok(Ready {
        control: any.next() == Some(true),
        listener: any.next() == Some(true),
        clients: ids
            .into_iter()
            .zip(any)
            .filter_map(|(id, ready)| ready.then_some(id))
            .collect(),
    })
}
