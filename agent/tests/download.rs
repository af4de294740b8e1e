//! An image on its way to the disk, over connections that break and from servers that lie.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/stand_in.rs"]
mod stand_in;

use asu::error::{Error, Kind};
use asu::server::answers::{Finished, ImageFile};
use asu::server::{Client, Options, Patience};
use asu::upgrade::build::Built;
use asu::upgrade::download::{download, Downloaded};
use asu::upgrade::{Progress, Watcher};
use sha2::{Digest, Sha256};
use stand_in::{Reply, Request, StandIn};
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::Path;
use std::time::Duration;

#[derive(Default)]
struct Notes(Vec<Progress>);

impl Watcher for Notes {
    fn progress(&mut self, progress: Progress) {
        self.0.push(progress);
    }
}

/// 200 KB that repeat nowhere at the size of a buffer.
fn content() -> Vec<u8> {
    (0..200_000_u32).map(|i| (i % 251) as u8).collect()
}

fn built(content: &[u8]) -> Built {
    let sha256 = Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let image = ImageFile {
        name: "a+b.bin".to_owned(),
        sha256,
        ..ImageFile::default()
    };
    Built {
        bin_dir: "613c".to_owned(),
        image,
        finished: Finished::default(),
    }
}

fn fetch(server: &StandIn, folder: &Path, watcher: &mut dyn Watcher) -> Result<Downloaded, Error> {
    let patience = Patience {
        pause: Duration::from_millis(1),
        breaks: 3,
        ..Patience::default()
    };
    let client = Client::with_patience(&server.url(), &Options::default(), patience).unwrap();
    let built = built(&content());
    let image = download(&client, &built, folder, &mut |_| Ok(()), watcher)?;
    Ok(image.expect("it is gone"))
}

/// Fails, and leaves nothing.
fn refused(server: &StandIn) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let error = fetch(server, folder.path(), &mut ()).unwrap_err();
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "{error}"
    );
    error
}

fn head(status: u16, length: usize, more: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{more}\r\n").into_bytes()
}

fn raw(head: Vec<u8>, body: &[u8]) -> Reply {
    Reply::Raw([head.as_slice(), body].concat())
}

/// asu 0.7.20 serves an `.img.gz` with this header.
#[test]
fn an_image_that_is_called_gzip_encoded_is_taken_as_it_comes() {
    let headers = "Content-Encoding: gzip\r\n";
    let server = StandIn::always(raw(head(200, 200_000, headers), &content()));
    let folder = tempfile::tempdir().unwrap();
    let image = fetch(&server, folder.path(), &mut ()).unwrap();
    assert_eq!(std::fs::read(&image.path).unwrap(), content());
}

#[test]
fn an_image_arrives_whole() {
    let server = StandIn::always(raw(head(200, 200_000, ""), &content()));
    let folder = tempfile::tempdir().unwrap();
    let mut notes = Notes::default();
    let image = fetch(&server, folder.path(), &mut notes).unwrap();
    assert_eq!(server.lines(), ["GET /store/613c/a+b.bin"]);
    assert_eq!(image.path, folder.path().join("firmware.bin"));
    assert_eq!(
        (image.size, image.sha256),
        (200_000, built(&content()).image.sha256)
    );
    assert_eq!(std::fs::read(&image.path).unwrap(), content());
    assert_eq!(
        std::fs::metadata(&image.path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let (first, last) = (&notes.0[0], notes.0.last().unwrap());
    assert_eq!(
        (first.bytes, first.bytes_total, first.percent),
        (Some(0), Some(200_000), Some(0))
    );
    assert_eq!(
        (last.bytes, last.percent, last.detail.as_deref()),
        (Some(200_000), Some(100), Some("a+b.bin"))
    );
}

#[test]
fn there_has_to_be_room_before_anything_is_read() {
    let server = StandIn::always(Reply::Endless(head(200, 1 << 40, ""), vec![0; 4096]));
    let client = Client::new(&server.url(), &Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut asked = None;
    let mut room = |size| {
        asked = Some(size);
        Err(Error::new(Kind::Memory, "No room."))
    };
    let error = download(
        &client,
        &built(&content()),
        folder.path(),
        &mut room,
        &mut (),
    )
    .unwrap_err();
    assert_eq!((error.kind, asked), (Kind::Memory, Some(1 << 40)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Serves a part on each connection; goes on where it is asked to.
fn in_parts(request: &Request, part: usize) -> Reply {
    let content = content();
    let Some(range) = request.header("range") else {
        return raw(head(200, content.len(), ""), &content[..part]);
    };
    let from: usize = range
        .strip_prefix("bytes=")
        .unwrap()
        .strip_suffix('-')
        .unwrap()
        .parse()
        .unwrap();
    let more = format!(
        "Content-Range: bytes {from}-{}/{}\r\n",
        content.len() - 1,
        content.len()
    );
    let end = content.len().min(from + part);
    raw(head(206, content.len() - from, &more), &content[from..end])
}

#[test]
fn a_broken_connection_goes_on_where_it_broke() {
    let server = StandIn::new(|request, _| in_parts(request, 30_000));
    let folder = tempfile::tempdir().unwrap();
    let image = fetch(&server, folder.path(), &mut ()).unwrap();
    assert_eq!(std::fs::read(image.path).unwrap(), content());
    let ranges: Vec<_> = server
        .requests()
        .iter()
        .skip(1)
        .map(|request| request.header("range").unwrap().to_owned())
        .collect();
    assert_eq!(ranges.len(), 6);
    assert_eq!(ranges[0], "bytes=30000-");
}

#[test]
fn a_connection_that_breaks_again_and_again_is_given_up() {
    let server =
        StandIn::new(|request, before| in_parts(request, if before == 0 { 1000 } else { 0 }));
    assert_eq!(refused(&server).kind, Kind::Offline);
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_server_without_ranges_ends_a_broken_download() {
    let server = StandIn::always(raw(head(200, 200_000, ""), &content()[..1000]));
    assert_eq!(refused(&server).kind, Kind::Offline);
}

/// The header line of a validator.
fn etag(etag: &str) -> String {
    format!("ETag: \"{etag}\"\r\n")
}

#[test]
fn a_file_that_changed_meanwhile_is_fetched_anew() {
    let server = StandIn::new(|request, before| match before {
        0 => raw(head(200, 300_000, &etag("old")), &[7; 50_000]),
        _ => {
            assert_eq!(request.header("if-range"), Some("\"old\""));
            raw(head(200, 200_000, &etag("new")), &content())
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let image = fetch(&server, folder.path(), &mut ()).unwrap();
    assert_eq!(std::fs::read(image.path).unwrap(), content());
    assert_eq!(server.requests()[1].header("range"), Some("bytes=50000-"));
}

#[test]
fn what_says_if_it_is_the_same_file() {
    for (headers, expected) in [
        (etag("a"), Some("\"a\"")),
        ("ETag: W/\"a\"\r\n".to_owned(), None),
        (
            "ETag: W/\"a\"\r\nLast-Modified: Fri, 20 Nov 2026 12:12:28 GMT\r\n".to_owned(),
            Some("Fri, 20 Nov 2026 12:12:28 GMT"),
        ),
        (String::new(), None),
    ] {
        let server = StandIn::new(move |request, _| match request.header("range") {
            None => raw(head(200, 200_000, &headers), &content()[..100_000]),
            Some(_) => in_parts(request, 200_000),
        });
        let folder = tempfile::tempdir().unwrap();
        fetch(&server, folder.path(), &mut ()).unwrap();
        assert_eq!(server.requests()[1].header("if-range"), expected);
    }
}

#[test]
fn a_file_that_became_shorter_is_fetched_anew() {
    let server = StandIn::new(|request, before| match (before, request.header("range")) {
        (0, _) => raw(head(200, 300_000, ""), &[7; 250_000]),
        (_, Some(_)) => Reply::json(416, "{}"),
        _ => raw(head(200, 200_000, ""), &content()),
    });
    let folder = tempfile::tempdir().unwrap();
    let image = fetch(&server, folder.path(), &mut ()).unwrap();
    assert_eq!(std::fs::read(image.path).unwrap(), content());
}

#[test]
fn a_part_of_another_file_is_not_joined() {
    // The rest says that the whole is one byte longer now: begun anew, and it is what was announced.
    let server = StandIn::new(|request, before| match before {
        0 => raw(head(200, 200_000, ""), &content()[..1000]),
        1 => raw(
            head(206, 199_001, "Content-Range: bytes 1000-200000/200001\r\n"),
            &[7; 199_001],
        ),
        _ => in_parts(request, 200_000),
    });
    let folder = tempfile::tempdir().unwrap();
    let image = fetch(&server, folder.path(), &mut ()).unwrap();
    assert_eq!(std::fs::read(image.path).unwrap(), content());
}

#[test]
fn what_a_proxy_joined_wrongly_is_fetched_once_more_as_a_whole() {
    let server = StandIn::new(|request, before| match before {
        0 => raw(head(200, 200_000, ""), &content()[..100_000]),
        // The right range with the wrong bytes.
        1 => raw(
            head(
                206,
                100_000,
                "Content-Range: bytes 100000-199999/200000\r\n",
            ),
            &content()[..100_000],
        ),
        _ => in_parts(request, 200_000),
    });
    let folder = tempfile::tempdir().unwrap();
    let image = fetch(&server, folder.path(), &mut ()).unwrap();
    assert_eq!(std::fs::read(image.path).unwrap(), content());
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_server_that_is_away_at_first_is_asked_again() {
    let server = StandIn::new(|request, before| match before {
        0 => Reply::Raw(Vec::new()),
        1 => Reply::json(503, "{}"),
        _ => in_parts(request, 200_000),
    });
    let folder = tempfile::tempdir().unwrap();
    fetch(&server, folder.path(), &mut ()).unwrap();
}

#[test]
fn an_image_larger_than_announced_is_refused() {
    let server = StandIn::always(raw(head(200, 199_999, ""), &content()));
    assert_eq!(
        refused(&server).kind,
        Kind::Checksum,
        "HTTP ends at the announced length"
    );
    let body = [
        format!("{:x}\r\n", content().len()).into_bytes(),
        content(),
        b"\r\n0\r\n\r\n".to_vec(),
    ]
    .concat();
    let server = StandIn::always(raw(
        head(200, 1000, "Transfer-Encoding: chunked\r\n"),
        &body,
    ));
    let error = refused(&server);
    assert_eq!(error.kind, Kind::Checksum, "{error}");
}

#[test]
fn an_image_smaller_than_announced_is_refused() {
    let server = StandIn::always(raw(head(200, 200_001, ""), &content()));
    assert_eq!(refused(&server).kind, Kind::Offline);
}

#[test]
fn an_image_with_another_hash_is_refused() {
    let mut other = content();
    other[100_000] ^= 1;
    let server = StandIn::always(raw(head(200, 200_000, ""), &other));
    let error = refused(&server);
    assert_eq!(error.kind, Kind::Checksum);
    assert!(error.message.contains("SHA-256 differs"), "{error}");
}

#[test]
fn an_image_that_is_gone() {
    let server = StandIn::always(Reply::json(404, "{}"));
    let client = Client::new(&server.url(), &Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let built = built(&content());
    let gone = download(&client, &built, folder.path(), &mut |_| Ok(()), &mut ()).unwrap();
    assert!(gone.is_none());
}

#[test]
fn links_in_the_folder_are_not_followed() {
    let server = StandIn::always(raw(head(200, 200_000, ""), &content()));
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let victim = elsewhere.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    symlink(&victim, folder.path().join("firmware.part")).unwrap();
    symlink(&victim, folder.path().join("firmware.bin")).unwrap();
    let image = fetch(&server, folder.path(), &mut ()).unwrap();
    assert!(std::fs::symlink_metadata(&image.path).unwrap().is_file());
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "precious");
}

#[test]
fn a_folder_that_is_not_there() {
    let server = StandIn::always(raw(head(200, 200_000, ""), &content()));
    let error = fetch(&server, Path::new("/no/such/folder"), &mut ()).unwrap_err();
    assert_eq!(error.kind, Kind::Storage);
    assert!(
        error.message.contains("/no/such/folder/firmware.part"),
        "{error}"
    );
}
