//! A proxy before the upgrade server, which passes on, changes or holds what a test tells it to.

use super::until;
use nix::sys::socket::{shutdown, Shutdown};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often who is held looks whether it may go on.
const TICK: Duration = Duration::from_millis(20);

/// Into how many pieces a slow answer is cut, and the pause after each: longer than the quarter of
/// a second in which watchers are told at most once.
const SLOW_PIECES: usize = 4;
const SLOW_PAUSE: Duration = Duration::from_millis(600);

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST /api/v1/build`
    pub line: String,
    /// Without those that concern the connection.
    headers: String,
    body: Vec<u8>,
}

impl Request {
    /// What came with it.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether it asks for a build.
    pub fn is_build(&self) -> bool {
        self.line == "POST /api/v1/build"
    }

    /// Whether it asks how a build goes.
    pub fn is_poll(&self) -> bool {
        self.line.starts_with("GET /api/v1/build/")
    }

    /// From which byte on it wants a file, where it says so.
    pub fn range(&self) -> Option<usize> {
        let headers = self.headers.to_ascii_lowercase();
        let (_, range) = headers.split_once("range: bytes=")?;
        range.split_once('-')?.0.parse().ok()
    }

    /// Whether it fetches an image.
    pub fn is_image(&self) -> bool {
        self.line.starts_with("GET /store/") && !self.is_beside()
    }

    /// Whether it fetches what an image may have beside it.
    pub fn is_beside(&self) -> bool {
        let files = [
            "/worker.pub",
            "/worker.pub.sig",
            "/sha256sums",
            "/sha256sums.sig",
        ];
        files.iter().any(|name| self.line.ends_with(name))
    }
}

type Own = dyn FnOnce(&mut TcpStream) -> std::io::Result<()>;

/// What the proxy does with a request.
pub enum Reply {
    /// The server's own answer.
    Pass,
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// The first bytes, then the others until the client has enough.
    Endless(Vec<u8>, Vec<u8>),
    /// These bytes in some pieces, so slowly that everybody hears of each.
    Slow(Vec<u8>),
    /// Nothing until there is another script; then what that one says.
    Hold,
    /// These bytes, then nothing until there is another script, then the end of the connection.
    Stuck(Vec<u8>),
    /// What the test writes itself.
    Own(Box<Own>),
}

impl Reply {
    /// A proper answer.
    pub fn json(status: u16, body: &Value) -> Reply {
        Reply::text(status, "application/json", &body.to_string())
    }

    /// The same of another type.
    pub fn text(status: u16, kind: &str, body: &str) -> Reply {
        Reply::Raw(answer(status, kind, body.as_bytes()))
    }
}

/// An answer's bytes. Status 529 has an empty reason phrase, as the public server sends it.
pub fn answer(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    let reason = if status == 529 { "" } else { "Reason" };
    let length = body.len();
    let mut bytes = format!(
        "HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend(body);
    bytes
}

/// The server's own answer.
pub struct Response {
    /// All of it.
    pub bytes: Vec<u8>,
    head: usize,
}

impl Response {
    /// The number in its first line; 0 where there is no answer.
    pub fn status(&self) -> u16 {
        let head = String::from_utf8_lossy(&self.bytes);
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        status.unwrap_or(0)
    }

    /// What stands behind the headers.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.head..]
    }

    /// The same as an object.
    pub fn json(&self) -> Value {
        serde_json::from_slice(self.body()).unwrap()
    }

    /// Everything up to the middle of the body.
    pub fn half(&self) -> Vec<u8> {
        self.bytes[..(self.head + self.bytes.len()) / 2].to_vec()
    }
}

type Script = dyn Fn(&Request, &dyn Fn() -> Response) -> Reply + Send + Sync;

struct Shared {
    backend: SocketAddr,
    script: Mutex<Arc<Script>>,
    generation: AtomicU64,
    stop: AtomicBool,
    requests: Mutex<Vec<Request>>,
}

/// The proxy; it goes away with the test.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Passes everything on to the server at `url`.
    pub fn before(url: &str) -> Proxy {
        Proxy::on(TcpListener::bind("127.0.0.1:0").unwrap(), url)
    }

    /// The same where the test says.
    pub fn on(listener: TcpListener, url: &str) -> Proxy {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            backend: url.strip_prefix("http://").unwrap().parse().unwrap(),
            script: Mutex::new(Arc::new(|_, _| Reply::Pass)),
            generation: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            requests: Mutex::new(Vec::new()),
        });
        let theirs = shared.clone();
        let accepting = listener.try_clone().unwrap();
        let thread = thread::spawn(move || {
            for stream in accepting.incoming().map_while(Result::ok) {
                let shared = theirs.clone();
                // A client that goes away in the middle is what many tests are about.
                thread::spawn(move || serve(stream, &shared).ok());
            }
        });
        Proxy {
            address,
            shared,
            listener,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on does what `script` says, which gets the request and a way to the server's answer.
    pub fn set(
        &self,
        script: impl Fn(&Request, &dyn Fn() -> Response) -> Reply + Send + Sync + 'static,
    ) {
        *lock(&self.shared.script) = Arc::new(script);
        self.shared.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// From now on passes everything on.
    pub fn pass(&self) {
        self.set(|_, _| Reply::Pass);
    }

    /// The requests so far.
    pub fn lines(&self) -> Vec<String> {
        let requests = self.requests().into_iter();
        requests.map(|request| request.line).collect()
    }

    /// The same with what came with them.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// Waits for a request that begins so.
    pub fn wait_for(&self, start: &str) {
        let found = until(|| {
            let lines = self.lines();
            lines
                .iter()
                .any(|line| line.starts_with(start))
                .then_some(())
        });
        assert!(found.is_some(), "never {start}: {:?}", self.lines());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, whose network may be another than ours.
        let woken = shutdown(self.listener.as_raw_fd(), Shutdown::Both);
        woken.expect("the proxy goes on listening");
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(request) = read_request(&mut stream)? else {
        return Ok(());
    };
    lock(&shared.requests).push(request.clone());
    let out = stream.get_mut();
    loop {
        let generation = shared.generation.load(Ordering::SeqCst);
        let script = lock(&shared.script).clone();
        let ask = || ask(shared.backend, &request);
        match script(&request, &ask) {
            Reply::Pass => return out.write_all(&ask().bytes),
            Reply::Raw(bytes) => return out.write_all(&bytes),
            Reply::Endless(head, more) => {
                out.write_all(&head)?;
                loop {
                    out.write_all(&more)?;
                }
            }
            Reply::Slow(bytes) => {
                for piece in bytes.chunks(bytes.len().div_ceil(SLOW_PIECES).max(1)) {
                    out.write_all(piece)?;
                    thread::sleep(SLOW_PAUSE);
                }
                return Ok(());
            }
            Reply::Hold => wait(shared, generation, out)?,
            Reply::Stuck(bytes) => {
                out.write_all(&bytes)?;
                return wait(shared, generation, out);
            }
            Reply::Own(write) => return write(out),
        }
    }
}

/// Until there is another script; an error where the client or the test is gone.
fn wait(shared: &Shared, generation: u64, stream: &mut TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(TICK))?;
    while shared.generation.load(Ordering::SeqCst) == generation {
        let gone = matches!(stream.peek(&mut [0]), Ok(0));
        if gone || shared.stop.load(Ordering::SeqCst) {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
    }
    Ok(())
}

/// The server's answer; empty where it is down.
fn ask(backend: SocketAddr, request: &Request) -> Response {
    let exchange = || -> std::io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(backend)?;
        let head = format!(
            "{} HTTP/1.1\r\nHost: {backend}\r\nConnection: close\r\n{}\r\n",
            request.line, request.headers
        );
        server.write_all(head.as_bytes())?;
        server.write_all(&request.body)?;
        let mut bytes = Vec::new();
        server.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = exchange().unwrap_or_default();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    Response {
        head: end.map_or(bytes.len(), |end| end + 4),
        bytes,
    }
}

fn read_request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut first = String::new();
    if stream.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let line = first.rsplit_once(" HTTP/").map_or("", |(line, _)| line);
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "connection" | "host" => continue,
            "content-length" => length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
        headers.push_str(&header);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some(Request {
        line: line.to_owned(),
        headers,
        body,
    }))
}
