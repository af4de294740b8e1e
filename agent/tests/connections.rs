//! How connections are kept for the next question, and what becomes of one that the server closed.
#![allow(clippy::unwrap_used)]

use asu::api::RequestBody;
use asu::error::{Error, Kind};
use asu::server::{Client, Options};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;

const ANSWERS: [&str; 2] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
];

/// A server that ends each connection after so many answers: at once, or where it is `late` only when
/// it has read the next question. Its address, and how many connections it has had.
fn server(most: usize, late: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let shared = count.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            shared.fetch_add(1, Ordering::SeqCst);
            // A client that goes away ends it, too.
            thread::spawn(move || serve(stream, most, late).ok());
        }
    });
    (url, count)
}

fn serve(stream: TcpStream, most: usize, late: bool) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    for answer in ANSWERS.iter().cycle().take(most) {
        question(&mut reader)?;
        reader.get_mut().write_all(answer.as_bytes())?;
    }
    if late {
        question(&mut reader)?;
    }
    Ok(())
}

fn question(reader: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        let (name, value) = line.trim().split_once(": ").unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap();
        }
        line.clear();
    }
    reader.read_exact(&mut vec![0; length])
}

fn client(url: &str) -> Client {
    Client::new(url, &Options::default()).unwrap()
}

#[test]
fn all_questions_go_over_one_connection() {
    let (url, connections) = server(usize::MAX, false);
    let client = client(&url);
    for _ in 0..4 {
        client.overview().unwrap();
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_connection_that_the_server_closed_is_made_anew() {
    for late in [false, true] {
        let (url, connections) = server(2, late);
        let client = client(&url);
        for _ in 0..6 {
            client.overview().unwrap();
        }
        assert_eq!(connections.load(Ordering::SeqCst), 3, "late: {late}");
    }
}

/// It may have been taken: the job asks again itself, and says so.
#[test]
fn an_order_is_not_sent_twice() {
    let (url, connections) = server(1, true);
    let client = client(&url);
    client.overview().unwrap();
    let error = client.request_build(&RequestBody::default()).unwrap_err();
    assert_eq!(Error::from(error).kind, Kind::Offline);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}
