//! A large image over a line that is cut again and again, and slow in between.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use asu::server::answers::{Finished, ImageFile};
use asu::server::{Client, Options, Patience};
use asu::system::random::Random;
use asu::upgrade::build::Built;
use asu::upgrade::download::download;
use sha2::{Digest, Sha256};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SIZE: usize = 20 * 1024 * 1024;
const CUTS: usize = 50;

/// Repeats nowhere at the size of a buffer.
fn content() -> Vec<u8> {
    let mut random = Random::new(20);
    (0..SIZE / 4)
        .flat_map(|_| (random.below(1 << 31) as u32).to_le_bytes())
        .collect()
}

/// What went over the line.
#[derive(Default)]
struct Seen {
    connections: usize,
    /// How often each byte of the image was sent.
    sent: Vec<u8>,
}

/// How a connection ends before its time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// As a proxy closes it: what was sent arrives.
    Closed,
    /// As a modem does: what has not been read is lost.
    Reset,
}

/// A server with an image behind a line that is cut `CUTS` times, each time somewhere else, and now
/// and then stops for a moment. Not all that stands in the way knows ETags.
fn line(content: Arc<Vec<u8>>) -> (SocketAddr, Arc<Mutex<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Seen {
        connections: 0,
        sent: vec![0; SIZE],
    }));
    let shared = seen.clone();
    std::thread::spawn(move || {
        let mut random = Random::new(50);
        for stream in listener.incoming().map_while(Result::ok) {
            let cut = {
                let mut seen = shared.lock().unwrap();
                seen.connections += 1;
                seen.connections <= CUTS
            };
            let bytes = 100_000 + usize::try_from(random.below(500_000)).unwrap();
            let end = [End::Closed, End::Reset][usize::try_from(random.below(2)).unwrap()];
            let plan = cut.then_some((bytes, end));
            // The client goes away when it has all.
            let _ = serve(stream, &content, plan, &shared);
        }
    });
    (address, seen)
}

fn serve(
    stream: TcpStream,
    content: &[u8],
    plan: Option<(usize, End)>,
    seen: &Mutex<Seen>,
) -> std::io::Result<()> {
    let mut from = None;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
        let line = line.to_ascii_lowercase();
        let range = line
            .strip_prefix("range: bytes=")
            .and_then(|range| range.strip_suffix('-'));
        from = range.map_or(from, |from| from.parse().ok());
    }
    let start = from.unwrap_or(0);
    let head = match from {
        None => "200 OK\r\n".to_owned(),
        Some(from) => format!(
            "206 Part\r\nContent-Range: bytes {from}-{}/{SIZE}\r\n",
            SIZE - 1
        ),
    };
    let mut stream = stream;
    let head = format!(
        "HTTP/1.1 {head}ETag: \"1\"\r\nContent-Length: {}\r\n\r\n",
        SIZE - start
    );
    stream.write_all(head.as_bytes())?;
    let stop = plan.map_or(SIZE, |(bytes, _)| SIZE.min(start + bytes));
    let mut at = start;
    for piece in content[start..stop].chunks(64 * 1024) {
        stream.write_all(piece)?;
        let mut seen = seen.lock().unwrap();
        for count in &mut seen.sent[at..at + piece.len()] {
            *count += 1;
        }
        at += piece.len();
        drop(seen);
        if plan.is_some() {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    if plan.is_some_and(|(_, end)| end == End::Reset) {
        // Closed with something unread, a connection is reset; the client sends nothing, so it is
        // told to linger not at all.
        nix::sys::socket::setsockopt(
            &stream,
            nix::sys::socket::sockopt::Linger,
            &nix::libc::linger {
                l_onoff: 1,
                l_linger: 0,
            },
        )?;
        return Ok(());
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read(&mut [0]).map(drop)
}

#[test]
fn an_image_arrives_through_fifty_cuts() {
    let content = Arc::new(content());
    let (address, seen) = line(content.clone());
    let patience = Patience {
        pause: Duration::from_millis(1),
        ..Patience::default()
    };
    let url = format!("http://{address}");
    let client = Client::with_patience(&url, &Options::default(), patience).unwrap();
    let sha256 = Sha256::digest(content.as_slice());
    let built = Built {
        bin_dir: "613c".to_owned(),
        image: ImageFile {
            name: "a.bin".to_owned(),
            sha256: sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            ..ImageFile::default()
        },
        finished: Finished::default(),
    };
    let folder = tempfile::tempdir().unwrap();
    let image = download(&client, &built, folder.path(), &mut |_| Ok(()), &mut ());
    let image = image.unwrap().unwrap();
    assert!(
        std::fs::read(image.path).unwrap() == *content,
        "byte for byte"
    );
    let seen = seen.lock().unwrap();
    assert_eq!(seen.connections, CUTS + 1);
    let most = seen.sent.iter().max().unwrap();
    let twice = seen.sent.iter().filter(|count| **count == 2).count();
    assert!(*most <= 2, "a byte was sent {most} times");
    println!("{SIZE} bytes, {CUTS} cuts, {twice} bytes sent twice, none more often");
}
