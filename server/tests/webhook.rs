//! Who wants to know is told when a build ends, and nobody waits for who doesn't listen.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

mod common;

use common::world::World;
use common::{finish, post};
use serde_json::{json, Value};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{channel, Receiver};
use std::time::Duration;

/// What came with a POST.
struct Told {
    first: String,
    authorization: Option<String>,
    body: Value,
}

/// Answers each POST with the next of `statuses`, then with the last one; 0 is no answer at all.
fn listen(statuses: &'static [u16]) -> (SocketAddr, Receiver<Told>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    let addr = listener.local_addr().expect("address");
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let status = statuses
                .get(number)
                .or(statuses.last())
                .copied()
                .unwrap_or(0);
            let Some(told) = read(&stream) else { continue };
            let _ = sender.send(told);
            if status == 0 {
                kept.push(stream);
                continue;
            }
            let location = "Location: http://127.0.0.1:1/\r\n";
            // A client that goes away is its own affair.
            let _ = write!(
                &stream,
                "HTTP/1.1 {status} X\r\n{location}Content-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
    });
    (addr, receiver)
}

fn read(stream: &TcpStream) -> Option<Told> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let (name, value) = match line.trim_end().split_once(": ") {
            Some((name, value)) => (name.to_lowercase(), value),
            None => break,
        };
        match name.as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Told {
        first,
        authorization,
        body: serde_json::from_slice(&body).ok()?,
    })
}

fn world(addr: SocketAddr) -> World {
    World::new(|config| {
        config.webhook = Some(format!("http://{addr}/hook?x=1"));
        config.webhook_token = Some("secret".to_owned());
    })
}

fn build(world: &World, package: &str) -> Value {
    let request = json!({"version": "24.10.2", "target": "ath79/generic", "profile": "tplink_archer-c7-v2",
        "packages": [package], "client": "test/1.0"});
    finish(world.addr(), &post(world.addr(), &request)).json()
}

fn next(told: &Receiver<Told>) -> Told {
    told.recv_timeout(Duration::from_secs(120)).expect("told")
}

/// Of good builds and bad ones, each once; again where it was not taken.
#[test]
fn who_wants_to_know_is_told() {
    let (addr, told) = listen(&[503, 200]);
    let world = world(addr);
    let done = build(&world, "tmux");
    for _ in 0..2 {
        let told = next(&told);
        assert_eq!(told.first, "POST /hook?x=1 HTTP/1.1\r\n");
        assert_eq!(told.authorization.as_deref(), Some("Bearer secret"));
        let expected = json!({"request_hash": done["request_hash"], "status": 200, "result": "done", "detail": "done",
            "version": "24.10.2", "version_code": done["version_code"], "target": "ath79/generic",
            "profile": "tplink_archer-c7-v2", "bin_dir": done["bin_dir"]});
        assert_eq!(told.body, expected);
    }
    let failed = build(&world, "nosuch");
    let told_of = next(&told);
    assert_eq!(told_of.body["status"], 500);
    assert_eq!(told_of.body["detail"], failed["detail"]);
    assert!(told.try_recv().is_err(), "once is enough");
}

/// What is refused for good is not said twice, and no redirection is followed.
#[test]
fn who_refuses_is_not_asked_again() {
    let (addr, told) = listen(&[404, 302, 200]);
    let world = world(addr);
    let hashes =
        ["tmux", "luci", "nosuch"].map(|package| build(&world, package)["request_hash"].clone());
    for hash in hashes {
        assert_eq!(next(&told).body["request_hash"], hash);
    }
}

/// Somebody who takes the connection and says nothing keeps no build waiting, and no server from ending.
#[test]
fn who_does_not_listen_keeps_nobody_waiting() {
    let (addr, told) = listen(&[0]);
    let world = world(addr);
    for package in ["tmux", "luci"] {
        assert_eq!(build(&world, package)["detail"], "done");
    }
    next(&told);
    assert_eq!(build(&world, "owut")["detail"], "done");
    world.server.shutdown();
}
