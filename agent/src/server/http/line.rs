//! A connection that never waits for ever: TCP, maybe through a proxy, maybe with TLS on it.

use super::super::error::Error;
use super::address::Address;
use super::message::Head;
use rustls::client::ClientConnection;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, StreamOwned};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Of what comes in. A download reads more at once and passes by it.
const BUFFER: usize = 16 * 1024;

/// Nobody has more, and no list of a stranger's is unbounded.
const MOST_ADDRESSES: usize = 16;

/// An end of a connection, with what was read ahead.
pub(super) type Reader = BufReader<Line>;

/// A socket that gives up at a point in time, however often something arrives until then.
pub(super) struct Socket {
    stream: TcpStream,
    until: Instant,
}

impl Socket {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(ErrorKind::TimedOut.into()),
            false => Ok(left),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the time was up: the system calls it `EAGAIN`, [`Socket`] by its name.
pub(super) fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Both directions of a connection.
pub(super) enum Line {
    Plain(Socket),
    Secure(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Line {
    fn socket(&mut self) -> &mut Socket {
        match self {
            Line::Plain(socket) => socket,
            Line::Secure(stream) => &mut stream.sock,
        }
    }

    /// Until when the next reads and writes may wait.
    pub(super) fn wait(&mut self, time: Duration) {
        self.socket().until = Instant::now() + time;
    }

    /// Whether nothing has come since, neither an end nor bytes that nobody asked for.
    pub(super) fn is_quiet(&mut self) -> bool {
        let stream = &self.socket().stream;
        let quiet = stream.set_nonblocking(true).is_ok()
            && matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        quiet && stream.set_nonblocking(false).is_ok()
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Line::Plain(socket) => socket.read(buffer),
            Line::Secure(stream) => stream.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Line::Plain(socket) => socket.write(bytes),
            Line::Secure(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Line::Plain(socket) => socket.flush(),
            Line::Secure(stream) => stream.flush(),
        }
    }
}

/// Connects to where `address` points, TLS included, within `time`; `tls` is for https alone.
pub(super) fn open(
    address: &Address<'_>,
    proxy: Option<&Address<'_>>,
    tls: Option<&Arc<ClientConfig>>,
    time: Duration,
) -> io::Result<Reader> {
    let until = Instant::now() + time;
    let stream = connect(proxy.unwrap_or(address), until)?;
    // Requests are written in one piece; nothing is gained by waiting for more.
    stream.set_nodelay(true)?;
    let mut socket = Socket { stream, until };
    if let Some(proxy) = proxy {
        socket = through(proxy, address, socket)?;
    }
    let line = match tls {
        Some(config) => Line::Secure(Box::new(secure(config, address.host, socket)?)),
        None => Line::Plain(socket),
    };
    Ok(BufReader::with_capacity(BUFFER, line))
}

/// Tries the host's addresses one after the other. Each has half of the time that is left, so that a
/// router whose IPv6 leads nowhere still comes to IPv4.
///
/// The name is looked up in place: musl gives up by itself after five seconds.
fn connect(place: &Address<'_>, until: Instant) -> io::Result<TcpStream> {
    let found: Vec<SocketAddr> = (place.host, place.port)
        .to_socket_addrs()?
        .take(MOST_ADDRESSES)
        .collect();
    let mut last = unknown(place.host);
    for (number, address) in found.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = if number + 1 < found.len() {
            left / 2
        } else {
            left
        };
        if share.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn unknown(host: &str) -> io::Error {
    io::Error::other(Error::UnknownHost(host.to_owned()))
}

/// Has the proxy connect us (RFC 9110, 9.3.6).
fn through(proxy: &Address<'_>, address: &Address<'_>, socket: Socket) -> io::Result<Socket> {
    let (host, port) = (address.host, address.port);
    let place = match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n");
    if let Some(value) = proxy.authorization() {
        request += &format!("Proxy-Authorization: {value}\r\n");
    }
    let mut reader = BufReader::new(Line::Plain(socket));
    reader.get_mut().write_all((request + "\r\n").as_bytes())?;
    let head = Head::read(&mut reader)?;
    let refused = |why: String| Err(io::Error::other(format!("the proxy refuses ({why})")));
    if !matches!(head.status, 200..=299) {
        return refused(head.status.to_string());
    }
    // What is said now is for the server to say, and it was not asked yet.
    match (reader.buffer().is_empty(), reader.into_inner()) {
        (true, Line::Plain(socket)) => Ok(socket),
        _ => refused("it says more than it should".to_owned()),
    }
}

fn secure(
    config: &Arc<ClientConfig>,
    host: &str,
    mut socket: Socket,
) -> io::Result<StreamOwned<ClientConnection, Socket>> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| unknown(host))?;
    let mut connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    // Here, so that a refusal comes before anything of ours is sent, and within the connection's time.
    connection.complete_io(&mut socket)?;
    Ok(StreamOwned::new(connection, socket))
}
