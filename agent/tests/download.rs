//! An image on its way to the disk, over connections that break and from servers that lie.
#![allow(clippy::unwrap_used)]

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
        hash: "613c".to_owned(),
        bin_dir: "613c".to_owned(),
        image,
        finished: Finished::default(),
    }
}

fn fetch(server: &StandIn, folder: &Path, watcher: &mut dyn Watcher) -> Result<Downloaded, Error> {
    let patience = Patience {
        pause: Duration::from_millis(1),
        ..Patience::default()
    };
    let client = Client::with_patience(&server.url(), &Options::default(), patience).unwrap();
    download(
        &client,
        &built(&content()),
        folder,
        &mut |_| Ok(()),
        watcher,
    )
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

#[test]
fn an_image_that_changed_meanwhile_is_refused() {
    let server = StandIn::new(|_, before| match before {
        0 => raw(head(200, 200_000, ""), &content()[..1000]),
        _ => raw(
            head(206, 1, "Content-Range: bytes 1000-1000/1001\r\n"),
            b"x",
        ),
    });
    assert_eq!(refused(&server).kind, Kind::Checksum);
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
    assert_eq!(
        refused(&StandIn::always(Reply::json(404, "{}"))).kind,
        Kind::Server
    );
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
