//! Asks a server as fast as it answers, over connections that stay open where the server lets them.

use sandbox::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many ask at once.
pub const CLIENTS: usize = 16;
/// How long they ask.
pub const TIME: Duration = Duration::from_secs(4);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often `meanwhile` is called.
const LOOK: Duration = Duration::from_millis(250);

/// An HTTP server on loopback: `127.0.0.1:8000`.
#[derive(Clone, Debug)]
pub struct Address(pub String);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Where it sends who asked.
    pub location: Option<String>,
    /// Body.
    pub body: Vec<u8>,
}

impl Address {
    /// Of `http://127.0.0.1:8000`.
    pub fn of(url: &str) -> Result<Address, Error> {
        let address = url.trim().strip_prefix("http://");
        let address = address.ok_or_else(|| format!("no address of a server: {url}"))?;
        Ok(Address(address.trim_end_matches('/').to_owned()))
    }

    /// A request without a body.
    pub fn get(&self, path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.0).into_bytes()
    }

    /// A request with JSON.
    pub fn post(&self, path: &str, json: &str) -> Vec<u8> {
        let head = format!("POST {path} HTTP/1.1\r\nHost: {}", self.0);
        let length = json.len();
        format!(
            "{head}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}"
        )
        .into_bytes()
    }

    /// Asks once.
    pub fn ask(&self, request: &[u8]) -> Result<Answer, Error> {
        Ok(Client::connect(self)?.ask(request)?.0)
    }

    /// How many answers with status 200 come a second, and how long they are. `meanwhile` is called now and then.
    pub fn rate(
        &self,
        request: &[u8],
        mut meanwhile: impl FnMut() -> Result<(), Error>,
    ) -> Result<(f64, usize), Error> {
        let (stop, begin) = (AtomicBool::new(false), Instant::now());
        let ask = || -> Result<(u64, usize), String> {
            let (mut count, mut length, mut client) = (0, 0, None);
            while !stop.load(Ordering::Relaxed) {
                let said = |error: Error| error.to_string();
                let mut open = match client.take() {
                    Some(open) => open,
                    None => Client::connect(self).map_err(said)?,
                };
                let (answer, stays) = open.ask(request).map_err(said)?;
                if answer.status != 200 {
                    return Err(format!("status {}", answer.status));
                }
                client = stays.then_some(open);
                count += 1;
                length = answer.body.len();
            }
            Ok((count, length))
        };
        let counts: Vec<Result<(u64, usize), String>> = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
            let mut looked = Ok(());
            while begin.elapsed() < TIME && looked.is_ok() {
                thread::sleep(LOOK);
                looked = meanwhile();
            }
            stop.store(true, Ordering::Relaxed);
            let ended = clients.into_iter().map(|client| {
                let died = |_| Err("a client died".to_owned());
                client.join().unwrap_or_else(died)
            });
            let mut counts: Vec<_> = ended.collect();
            counts.extend(looked.err().map(|error| Err(error.to_string())));
            counts
        });
        let seconds = begin.elapsed().as_secs_f64();
        let counts = counts.into_iter().collect::<Result<Vec<_>, String>>()?;
        let sum: u64 = counts.iter().map(|(count, _)| count).sum();
        let length = counts.first().map_or(0, |(_, length)| *length);
        Ok((sum as f64 / seconds, length))
    }
}

/// A connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: &Address) -> Result<Client, Error> {
        let stream = TcpStream::connect(&address.0)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client(BufReader::with_capacity(64 << 10, stream)))
    }

    /// The answer, and whether the connection can be used again.
    fn ask(&mut self, request: &[u8]) -> Result<(Answer, bool), Error> {
        self.0.get_mut().write_all(request)?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or("the server closed the connection")?;
        let (mut length, mut stays, mut location) = (0, true, None);
        loop {
            line.clear();
            self.0.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse()?,
                "connection" => stays = !value.trim().eq_ignore_ascii_case("close"),
                "location" => location = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        let answer = Answer {
            status,
            location,
            body,
        };
        Ok((answer, stays))
    }
}
