//! A little HTTP, and the recorded exchanges.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

pub mod archives;
pub mod redis;
pub mod site;
pub mod world;

use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// What stands behind the status in the first line.
    pub reason: String,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Sends a request and reads the whole answer.
pub fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut stream = TcpStream::connect(addr).expect("connection");
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() || method == "POST" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    stream
        .write_all(format!("{head}\r\n").as_bytes())
        .expect("request");
    // A server that has refused the request need not read its body.
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("end of the header");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let first = lines.next().expect("status line");
    let (status, reason) = first[9..].split_once(' ').expect("status and reason");
    let fields = lines.filter_map(|line| line.split_once(": "));
    Answer {
        status: status.parse().expect("status"),
        reason: reason.to_owned(),
        headers: fields
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
        body: bytes[end + 4..].to_vec(),
    }
}

/// GET.
pub fn get(addr: SocketAddr, path: &str) -> Answer {
    send(addr, "GET", path, &[], &[])
}

/// POST of a build request.
pub fn post(addr: SocketAddr, request: &Value) -> Answer {
    let headers = [
        ("Content-Type", "application/json"),
        ("User-Agent", "test/1.0"),
    ];
    send(
        addr,
        "POST",
        "/api/v1/build",
        &headers,
        request.to_string().as_bytes(),
    )
}

/// Asks for a build until `done` says it is far enough.
pub fn poll(addr: SocketAddr, hash: &str, done: impl Fn(&Answer) -> bool) -> Answer {
    let start = Instant::now();
    loop {
        let answer = get(addr, &format!("/api/v1/build/{hash}"));
        if done(&answer) {
            return answer;
        }
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "never came: {answer:?}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for the end of a build.
pub fn finish(addr: SocketAddr, posted: &Answer) -> Answer {
    let hash = posted.json()["request_hash"]
        .as_str()
        .expect("hash")
        .to_owned();
    poll(addr, &hash, |answer| answer.status != 202)
}

/// A recorded exchange.
pub struct Exchange {
    /// `041-post-400-bad-profile`
    pub name: String,
    /// Its number.
    pub number: u32,
    /// All of it.
    pub json: Value,
}

impl Exchange {
    /// A text of it.
    pub fn text(&self, field: &str) -> &str {
        self.json[field].as_str().unwrap_or_default()
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.json["status"]
            .as_u64()
            .and_then(|status| status.try_into().ok())
            .expect("status")
    }

    /// A header of the answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.json["headers"].as_array().expect("headers");
        headers
            .iter()
            .find(|pair| pair[0] == name)
            .and_then(|pair| pair[1].as_str())
    }

    /// Sends the same request to another server.
    pub fn send(&self, addr: SocketAddr) -> Answer {
        let headers = self.json["request_headers"].as_object().expect("headers");
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().expect("value")))
            .collect();
        let body = match &self.json["request_body"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
        send(
            addr,
            self.text("method"),
            self.text("path"),
            &headers,
            body.as_bytes(),
        )
    }
}

/// All recorded exchanges in the order of their numbers.
pub fn recorded() -> Vec<Exchange> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let entries = std::fs::read_dir(folder).expect("recorded exchanges");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort();
    paths.iter().map(|path| exchange(path)).collect()
}

fn exchange(path: &Path) -> Exchange {
    let name = path
        .file_stem()
        .expect("name")
        .to_string_lossy()
        .into_owned();
    let number = name[..3].parse().expect("number");
    let json = serde_json::from_slice(&std::fs::read(path).expect("file")).expect("JSON");
    Exchange { name, number, json }
}
