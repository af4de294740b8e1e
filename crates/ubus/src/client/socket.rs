//! The socket: bytes in and out, never blocking except where a wait is asked for.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;
use std::vec::Vec;

use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{connect, socket, AddressFamily, SockFlag, SockType, UnixAddr};

use super::error::Error;
use crate::message::{Decoder, Message, MAX_BLOB};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// What may wait for ubusd to read it: two of the longest messages. ubusd reads at once unless it hangs.
const MAX_UNSENT: usize = 2 * MAX_BLOB;

#[derive(Debug)]
pub(super) struct Socket {
    stream: UnixStream,
    decoder: Decoder,
    unsent: Vec<u8>,
}

impl Socket {
    pub(super) fn connect(path: &Path) -> Result<Self, Error> {
        let stream = connect_now(path).map_err(|error| Error::Connect(error.into()))?;
        Ok(Socket {
            stream,
            decoder: Decoder::default(),
            unsent: Vec::new(),
        })
    }

    /// Sends a message, or keeps what the socket does not take at once.
    pub(super) fn send(&mut self, message: &Message) -> Result<(), Error> {
        message.encode(&mut self.unsent);
        self.flush()?;
        if self.unsent.len() > MAX_UNSENT {
            return Err(Error::Overrun);
        }
        Ok(())
    }

    /// Sends what was kept, as far as the socket takes it.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        let mut sent = 0;
        let result = loop {
            let Some(rest @ [_, ..]) = self.unsent.get(sent..) else {
                break Ok(());
            };
            match self.stream.write(rest) {
                Ok(0) => break Err(Error::Disconnected),
                Ok(count) => sent += count,
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => break Ok(()),
                    _ => break Err(lost(error)),
                },
            }
        };
        self.unsent.drain(..sent);
        if self.unsent.is_empty() {
            self.unsent.shrink_to(CHUNK);
        }
        result
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether a message was read already that nobody has looked at.
    pub(super) fn has_message(&self) -> bool {
        self.decoder.is_ready()
    }

    pub(super) fn message(&mut self) -> Result<Option<Message>, Error> {
        Ok(self.decoder.message()?)
    }

    /// Reads a chunk; false if there is nothing to read.
    pub(super) fn fill(&mut self) -> Result<bool, Error> {
        self.flush()?;
        let mut chunk = [0; CHUNK];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Error::Disconnected),
                Ok(count) => {
                    self.decoder.push(chunk.get(..count).unwrap_or_default());
                    return Ok(true);
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => return Ok(false),
                    _ => return Err(lost(error)),
                },
            }
        }
    }

    /// Waits until there is something to read, or room for what is unsent; false if `deadline` comes first.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Result<bool, Error> {
        let mut events = PollFlags::POLLIN;
        events.set(PollFlags::POLLOUT, self.has_unsent());
        loop {
            let mut sockets = [PollFd::new(self.stream.as_fd(), events)];
            match poll(&mut sockets, timeout(deadline)) {
                Ok(0) if deadline.is_some_and(|deadline| deadline <= Instant::now()) => {
                    return Ok(false)
                }
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(true),
                Err(error) => return Err(Error::Socket(error.into())),
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Connects without ever waiting: the standard library would, for as long as a ubusd that hangs has a full queue of newcomers.
fn connect_now(path: &Path) -> Result<UnixStream, Errno> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// The time until `deadline` in whole milliseconds, rounded up so that nothing spins before it.
fn timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else {
        return PollTimeout::NONE;
    };
    let left = deadline.saturating_duration_since(Instant::now());
    let millis = left.as_nanos().div_ceil(1_000_000);
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}

fn lost(error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Error::Disconnected,
        _ => Error::Socket(error),
    }
}
