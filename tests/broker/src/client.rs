//! One program that is connected.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Gid, Group, Uid, User};
use ubus::message::{Decoder, Message, MAX_BLOB};

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// A connected program: its socket, and whose it is.
#[derive(Debug)]
pub(crate) struct Client {
    stream: UnixStream,
    decoder: Decoder,
    unsent: Vec<u8>,
    pub(crate) user: String,
    pub(crate) group: String,
    broken: bool,
}

impl Client {
    /// Takes a connection over; `None` if it is gone already.
    pub(crate) fn new(stream: UnixStream) -> Option<Self> {
        stream.set_nonblocking(true).ok()?;
        let credentials = getsockopt(&stream, PeerCredentials).ok()?;
        Some(Client {
            stream,
            decoder: Decoder::default(),
            unsent: Vec::new(),
            user: user_name(Uid::from_raw(credentials.uid())),
            group: group_name(Gid::from_raw(credentials.gid())),
            broken: false,
        })
    }

    /// Sends a message. What the program does not read is kept up to ubusd's own limit; what is beyond is dropped, as ubusd does.
    pub(crate) fn send(&mut self, message: &Message) {
        let before = self.unsent.len();
        message.encode(&mut self.unsent);
        if before > 0 && self.unsent.len() > MAX_BLOB {
            self.unsent.truncate(before);
        }
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        while !self.unsent.is_empty() && !self.broken {
            match self.stream.write(&self.unsent) {
                Ok(count) => {
                    self.unsent.drain(..count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.broken = true,
            }
        }
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Reads what has come, once.
    pub(crate) fn fill(&mut self) {
        let mut chunk = [0; CHUNK];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.broken = true,
            Ok(count) => self.decoder.push(chunk.get(..count).unwrap_or_default()),
            Err(error) => {
                let later = [ErrorKind::Interrupted, ErrorKind::WouldBlock];
                self.broken = !later.contains(&error.kind());
            }
        }
    }

    /// The next complete message.
    pub(crate) fn message(&mut self) -> Option<Message> {
        match self.decoder.message() {
            Ok(message) => message,
            Err(_) => {
                self.broken = true;
                None
            }
        }
    }

    /// Whether it has gone, or sent something that is no message.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn user_name(uid: Uid) -> String {
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}

fn group_name(gid: Gid) -> String {
    match Group::from_gid(gid) {
        Ok(Some(group)) => group.name,
        _ => gid.to_string(),
    }
}
