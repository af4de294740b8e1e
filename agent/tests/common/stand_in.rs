//! A scripted upgrade server on loopback: says what a test tells it to, however wrong.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What the stand-in does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// These bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// The first bytes, then the others again and again until the client has enough.
    Endless(Vec<u8>, Vec<u8>),
    /// Nothing at all until the client goes away.
    Silence,
}

impl Reply {
    /// A proper answer with its length.
    pub fn new(status: u16, kind: &str, body: impl AsRef<[u8]>) -> Self {
        Reply::with_headers(status, &[("Content-Type", kind)], body)
    }

    pub fn json(status: u16, body: &str) -> Self {
        Reply::new(status, "application/json", body)
    }

    pub fn with_headers(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        // Status 529 has an empty reason phrase, as the public server sends it.
        let reason = if status == 529 { "" } else { "Reason" };
        let mut bytes = format!("HTTP/1.1 {status} {reason}\r\nConnection: close\r\n").into_bytes();
        for (name, value) in headers {
            bytes.extend(format!("{name}: {value}\r\n").bytes());
        }
        bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
        bytes.extend(body);
        Reply::Raw(bytes)
    }

    /// An exchange of `tests/recorded/asu`, by its number.
    pub fn recorded(number: &str) -> Self {
        let exchange = recorded(number);
        let body = match &exchange["body"] {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let headers: Vec<(&str, &str)> = exchange["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .filter(|(name, _)| *name != "content-length")
            .collect();
        Reply::with_headers(
            u16::try_from(exchange["status"].as_u64().unwrap()).unwrap(),
            &headers,
            body,
        )
    }
}

/// A recorded exchange as it is.
pub fn recorded(number: &str) -> serde_json::Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/asu");
    let file = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(number)
        })
        .unwrap_or_else(|| panic!("{number} is not in {}", folder.display()));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// The server; it goes away with the test.
pub struct StandIn {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Answers each request with what `script` makes of it and of the number of those before it.
    pub fn new(script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        StandIn::wrapped(|stream| Box::new(stream), script)
    }

    /// The same, with something (TLS) between the socket and HTTP.
    pub fn wrapped(
        wrap: impl Fn(TcpStream) -> Box<dyn Stream> + Send + Sync + 'static,
        script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        StandIn::on(listener, wrap, script)
    }

    /// The same where a test wants it to listen.
    pub fn on(
        listener: TcpListener,
        wrap: impl Fn(TcpStream) -> Box<dyn Stream> + Send + Sync + 'static,
        script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (requests, stop) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(AtomicBool::new(false)),
        );
        let (seen, stopped) = (requests.clone(), stop.clone());
        let (script, wrap) = (Arc::new(script), Arc::new(wrap));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), script, wrap, seen) =
                    (stream, script.clone(), wrap.clone(), seen.clone())
                else {
                    continue;
                };
                // A client that gives up in the middle is what many tests are about.
                thread::spawn(move || serve(wrap(stream), &*script, &seen).ok());
            }
        });
        StandIn {
            address,
            requests,
            stop,
            thread: Some(thread),
        }
    }

    /// Answers everything the same.
    pub fn always(reply: Reply) -> Self {
        StandIn::new(move |_, _| reply.clone())
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What arrived so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// `METHOD path` of what arrived so far.
    pub fn lines(&self) -> Vec<String> {
        self.requests()
            .iter()
            .map(|request| format!("{} {}", request.method, request.path))
            .collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Both directions of a connection.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

fn serve(
    stream: Box<dyn Stream>,
    script: &(dyn Fn(&Request, usize) -> Reply + Send + Sync),
    seen: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(request) = read_request(&mut stream)? else {
        return Ok(());
    };
    let before = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    let reply = script(&request, before);
    let out = stream.get_mut();
    match reply {
        Reply::Raw(bytes) => {
            out.write_all(&bytes)?;
            out.flush()
        }
        Reply::Endless(head, more) => {
            out.write_all(&head)?;
            loop {
                out.write_all(&more)?;
            }
        }
        Reply::Silence => out.read(&mut [0; 1]).map(drop),
    }
}

fn read_request(stream: &mut dyn BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        ..Request::default()
    };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        request
            .headers
            .push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = request
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body)?;
    Ok(Some(request))
}
