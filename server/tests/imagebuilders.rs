//! ImageBuilders from the download site: fetched, verified, unpacked once, and none that can't be trusted.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, where a panic is the verdict"
)]

mod common;

use asu_server::Config;
use common::archives::Archives;
use common::{finish, post, Answer};
use serde_json::json;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use upstream::Key;

/// A download site that can break off in the middle of a file and go on from there.
struct FileSite {
    addr: SocketAddr,
    /// How many bytes of archives it has sent.
    sent: Arc<AtomicUsize>,
}

/// Serves `root`. After `cut` bytes of an archive the connection ends, each time.
fn serve(root: &Path, cut: usize) -> FileSite {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    let site = FileSite {
        addr: listener.local_addr().expect("address"),
        sent: Arc::default(),
    };
    let (root, sent) = (root.to_path_buf(), site.sent.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away is its own affair.
            let _ = answer(stream, &root, cut, &sent);
        }
    });
    site
}

fn answer(
    mut stream: TcpStream,
    root: &Path,
    cut: usize,
    sent: &AtomicUsize,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut start = 0;
    for line in lines {
        let line = line?.to_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let Ok(bytes) = fs::read(root.join(path.trim_start_matches('/'))) else {
        return stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        );
    };
    let rest = &bytes[start.min(bytes.len())..];
    let status = if start == 0 {
        "200 OK"
    } else {
        "206 Partial Content"
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        rest.len()
    )?;
    if path.contains("imagebuilder") {
        let part = &rest[..rest.len().min(cut)];
        sent.fetch_add(part.len(), Ordering::SeqCst);
        return stream.write_all(part);
    }
    stream.write_all(rest)
}

fn start(world: &Archives, site: &FileSite, keys: bool) -> asu_server::Server {
    let path = |name: &str| world.dir.path().join(name);
    let mut config = Config::new(
        &format!("http://{}", site.addr),
        path("store"),
        path("imagebuilders"),
    );
    config.upstream_lifetime = std::time::Duration::ZERO;
    config.keys = keys.then(|| path("keys"));
    asu_server::start(config).expect("server")
}

fn build(server: &asu_server::Server, packages: &[&str]) -> Answer {
    let request = json!({"version": "24.10.2", "target": "x86/64", "profile": "generic", "packages": packages,
        "client": "test/1.0"});
    finish(server.addr, &post(server.addr, &request))
}

#[test]
fn fetched_once_and_in_pieces() {
    let world = Archives::new();
    let length = fs::metadata(world.archive()).expect("archive").len() as usize;
    let site = serve(&world.dir.path().join("site"), length / 2 + 1);
    let server = start(&world, &site, true);
    for packages in ["luci", "tmux"] {
        let done = build(&server, &[packages]);
        assert_eq!(done.status, 200, "{done:?}");
    }
    assert_eq!(site.sent.load(Ordering::SeqCst), length, "each byte once");
    let sum = mini_imagebuilder::sha256_hex(&fs::read(world.archive()).expect("archive"));
    assert_eq!(world.unpacked(), [sum]);
    // When the site has none any more, the one in hand is good.
    fs::remove_file(world.site("sha256sums")).expect("removed");
    assert_eq!(build(&server, &["vim"]).status, 200);
    // When it has a new one, that is taken.
    let repacked = std::process::Command::new("sh")
        .arg("-c")
        .arg("xz -dc \"$0\" | xz -1")
        .arg(world.archive())
        .output()
        .expect("xz");
    let bytes = [repacked.stdout.as_slice(), &[0; 4]].concat();
    world.replace_archive(&bytes, &upstream::Options::default().key());
    let done = build(&server, &["nano"]);
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(world.unpacked().len(), 2);
}

/// Nothing is unpacked, let alone run, that no known key stands for.
#[test]
fn none_that_can_not_be_trusted() {
    type Change = fn(&Archives);
    let cases: [(&str, Change); 6] = [
        ("is signed by key", |world| {
            let bytes = fs::read(world.archive()).expect("archive");
            world.replace_archive(&bytes, &Key::from_seed(9));
        }),
        ("its signature is wrong", |world| {
            let path = world.site("sha256sums");
            let sums = fs::read_to_string(&path).expect("sums");
            fs::write(&path, sums.replace('a', "b")).expect("sums");
        }),
        ("can't be trusted", |world| {
            fs::write(world.site("sha256sums.sig"), "x").expect("signature")
        }),
        ("answers 404", |world| {
            fs::remove_file(world.site("sha256sums.sig")).expect("removed")
        }),
        ("is not what the download site's sha256sums says", |world| {
            let mut bytes = fs::read(world.archive()).expect("archive");
            bytes[100] ^= 1;
            fs::write(world.archive(), bytes).expect("archive");
        }),
        ("archive is broken", |world| {
            world.replace_archive(b"no archive", &upstream::Options::default().key());
        }),
    ];
    for (words, change) in cases {
        let world = Archives::new();
        let good = ["sha256sums", "sha256sums.sig"]
            .map(|name| (world.site(name), fs::read(world.site(name))));
        let archive = fs::read(world.archive()).expect("archive");
        change(&world);
        let site = serve(&world.dir.path().join("site"), usize::MAX);
        let server = start(&world, &site, true);
        let failed = build(&server, &[]);
        let detail = failed.json()["detail"].as_str().expect("detail").to_owned();
        assert!(
            failed.status == 500 && detail.contains(words),
            "{words}: {detail}"
        );
        assert!(
            world.unpacked().is_empty(),
            "{words}: {:?}",
            world.unpacked()
        );
        // When the site is put right, the next job works.
        fs::write(world.archive(), archive).expect("archive");
        for (path, bytes) in good {
            fs::write(path, bytes.expect("file")).expect("file");
        }
        assert_eq!(build(&server, &["tmux"]).status, 200, "{words}");
    }
    let world = Archives::new();
    let site = serve(&world.dir.path().join("site"), usize::MAX);
    let detail = build(&start(&world, &site, false), &[]).json()["detail"].clone();
    assert_eq!(
        detail,
        "Error: There is no ImageBuilder for 24.10.2 x86/64 on this server"
    );
}

/// What lies there of an earlier download, whoever wrote it, is never more than a beginning of the right file.
#[test]
fn a_poisoned_cache_file() {
    let world = Archives::new();
    let site = serve(&world.dir.path().join("site"), usize::MAX);
    let archive = fs::read(world.archive()).expect("archive");
    let sum = mini_imagebuilder::sha256_hex(&archive);
    let root = world.dir.path().join("imagebuilders/24.10.2/x86/64");
    fs::create_dir_all(&root).expect("folder");
    let mut longer = archive.clone();
    longer.extend([0; 100]);
    let poison = [
        b"#!/bin/sh\ntouch /tmp/poisoned\n".to_vec(),
        vec![0; 1 << 16],
        longer,
    ];
    for bytes in poison {
        fs::write(root.join(format!(".{sum}.archive")), bytes).expect("poison");
        let server = start(&world, &site, true);
        assert_eq!(build(&server, &["tmux"]).status, 200);
        assert_eq!(world.unpacked(), [sum.as_str()]);
        drop(server);
        fs::remove_dir_all(root.join(&sum)).expect("removed");
        fs::remove_dir_all(world.dir.path().join("store")).expect("removed");
    }
}
