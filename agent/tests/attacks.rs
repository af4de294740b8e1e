//! Attacks on the way to an upgrade server, each by its name in docs/security.md.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/stand_in.rs"]
mod stand_in;

use asu::api::RequestBody;
use asu::error::{Error, Kind};
use asu::server::answers::ImageFile;
use asu::server::{Client, Options, Patience};
use asu::sorted::Names;
use asu::upgrade::build::{wait_for, Built, Pace};
use asu::upgrade::download::download;
use stand_in::{Reply, StandIn};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// A client that does not wait long.
fn hasty(url: &str) -> Client {
    let short = Duration::from_millis(400);
    let patience = Patience {
        answer: short,
        grace: short,
        pause: Duration::from_millis(1),
        ..Patience::default()
    };
    Client::with_patience(url, &Options::default(), patience).unwrap()
}

/// A server that sends `start` and then a byte every now and then, for each of its connections,
/// until the client is gone. Its address.
fn dripping(start: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let drip = move |stream: TcpStream| -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line)? > 2 {
            line.clear();
        }
        let out = stream.get_mut();
        out.write_all(start.as_bytes())?;
        loop {
            thread::sleep(Duration::from_millis(20));
            out.write_all(b"x")?;
        }
    };
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // It ends with the client's connection.
            thread::spawn(move || drip(stream).ok());
        }
    });
    url
}

fn image(client: &Client, folder: &Path) -> Error {
    let built = Built {
        bin_dir: "00".to_owned(),
        image: ImageFile {
            name: "a.bin".to_owned(),
            sha256: "0".repeat(64),
            ..ImageFile::default()
        },
        finished: Default::default(),
    };
    let error = download(client, &built, folder, &mut |_| Ok(()), &mut ()).unwrap_err();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    error
}

#[test]
fn slow_loris() {
    let folder = tempfile::tempdir().unwrap();
    // Never a whole line, never all headers, never the body, never the image.
    for start in ["HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\nX: "] {
        let client = hasty(&dripping(start));
        let error: Error = client.overview().unwrap_err().into();
        assert_eq!(error.kind, Kind::Offline, "{start:?}: {error}");
    }
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n";
    let client = hasty(&dripping(HEAD));
    let error: Error = client.overview().unwrap_err().into();
    assert_eq!(error.kind, Kind::Offline, "{error}");
    assert!(error.message.contains("too slowly"), "{error}");
    let error = image(&client, folder.path());
    assert_eq!(error.kind, Kind::Offline, "{error}");
    // A few bytes on each of any number of connections.
    let server = StandIn::new(|request, _| {
        let range = request.header("range").unwrap_or("bytes=0-");
        let from = range.trim_start_matches("bytes=").trim_end_matches('-');
        let from: u64 = from.parse().unwrap();
        let status = if from == 0 { "200 OK" } else { "206 Partial" };
        let head = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\nContent-Range: bytes {from}-99999999/100000000\r\n\r\nfew bytes",
            100_000_000 - from
        );
        Reply::Raw(head.into_bytes())
    });
    let error = image(&hasty(&server.url()), folder.path());
    assert_eq!(error.kind, Kind::Offline, "{error}");
    assert!(server.lines().len() < 10, "{}", server.lines().len());
}

#[test]
fn server_500_429_202_forever() {
    let pace = Pace {
        near: Duration::from_millis(1),
        far: Duration::from_millis(1),
        longest: Duration::from_millis(1),
        patience: Duration::from_millis(300),
        failures: 3,
        ..Pace::default()
    };
    let waiting = || Reply::json(202, r#"{"detail": "queued", "request_hash": "00"}"#);
    for (status, kind) in [
        (500, Kind::Server),
        (429, Kind::Overloaded),
        (202, Kind::Overloaded),
    ] {
        // At once, and after the build was taken.
        for taken in [0, 1] {
            let server = StandIn::new(move |_, before| match status {
                _ if before < taken => waiting(),
                202 => waiting(),
                _ => Reply::json(status, r#"{"detail": "no"}"#),
            });
            let client = hasty(&server.url());
            let error = wait_for(&client, &RequestBody::default(), &pace, &mut ()).unwrap_err();
            assert_eq!(error.kind, kind, "{status}: {error}");
        }
    }
}

#[test]
fn response_json_1_gib() {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n";
    for (start, more) in [
        ("{\"branches\": {", "\"a\": {\"path\": \"releases/1\"}, "),
        ("{\"x\": \"", "xxxxxxxxxxxxxxxxxxxx"),
        ("", "                              "),
    ] {
        let reply = Reply::Endless(
            format!("{head}{start}").into_bytes(),
            more.repeat(1000).into_bytes(),
        );
        let server = StandIn::always(reply);
        let client = Client::new(&server.url(), &Options::default()).unwrap();
        let error: Error = client.overview().unwrap_err().into();
        assert_eq!(error.kind, Kind::Server, "{start:?}: {error}");
        assert!(error.message.contains("was not read"), "{error}");
    }
}

#[test]
fn deep_nesting() {
    let nested = |open: &str, close: &str| {
        let depth = 100_000;
        format!(
            "{{\"branches\": {}1{}}}",
            open.repeat(depth),
            close.repeat(depth)
        )
    };
    for text in [nested("[", "]"), nested("{\"a\":", "}")] {
        let server = StandIn::always(Reply::json(200, &text));
        let client = Client::new(&server.url(), &Options::default()).unwrap();
        let error: Error = client.overview().unwrap_err().into();
        assert_eq!(error.kind, Kind::Server, "{error}");
        assert!(error.message.contains("nested too deeply"), "{error}");
        let names = Names::from_iter(["luci"]);
        let found = client.versions_of("releases/24.10.2", "a/b", "c", &names);
        let error: Error = found.unwrap_err().into();
        assert_eq!(error.kind, Kind::Server, "{error}");
    }
}

#[test]
fn non_utf_8() {
    let texts: [&[u8]; 4] = [
        b"{\"branches\": {\"\xff\xfe\": {\"path\": \"x\"}}}",
        b"{\"detail\": \"\xc3\x28\"}",
        b"{\"detail\": \"\\ud800\"}",
        b"\xef\xbb\xbf\xff",
    ];
    for text in texts {
        let server = StandIn::always(Reply::new(200, "application/json", text));
        let client = Client::new(&server.url(), &Options::default()).unwrap();
        let refused = [
            client.overview().map(drop).err(),
            client.build_state("00").map(drop).err(),
            client.profile("releases/1", "a/b", "c").map(drop).err(),
        ];
        let errors: Vec<Error> = refused.into_iter().flatten().map(Error::from).collect();
        assert!(!errors.is_empty());
        for error in errors {
            assert_eq!(error.kind, Kind::Server, "{error}");
            assert!(!error.message.chars().any(char::is_control), "{error}");
        }
    }
    // A name that nobody asked about is passed over, one that somebody did can't be meant.
    let index: &[u8] = b"{\"packages\": {\"luc\xff\": \"1\", \"luci\": \"2\xff\"}}";
    let server = StandIn::always(Reply::new(200, "application/json", index));
    let client = Client::new(&server.url(), &Options::default()).unwrap();
    let names = Names::from_iter(["luci"]);
    let found = client.versions_of("releases/24.10.2", "a/b", "c", &names);
    assert_eq!(Error::from(found.unwrap_err()).kind, Kind::Server);
}
