//! The image on its way to the disk: hashed while it streams, in one pass, whatever its size.

use super::build::Built;
use super::{Progress, Watcher};
use crate::api::Phase;
use crate::error::{Error, Kind};
use crate::fault;
use crate::server::{self, recover, Body, Client};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Large enough that neither TLS records nor writes are cut, small against any router's memory.
const BUFFER: usize = 64 * 1024;

/// A watcher is told four times a second.
const TELL: Duration = Duration::from_millis(250);

/// A connection that breaks so often without a byte in between will not get better.
const MOST_BREAKS: u32 = 3;

/// Less than this since the last break is no progress: else a server could keep us for years with a
/// byte for each connection.
const PROGRESS: u64 = 16 * 1024;

/// A complete image whose hash is as announced.
#[derive(Clone, Debug)]
pub struct Downloaded {
    /// The file.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Hexadecimal, of the whole file.
    pub sha256: String,
}

/// Fetches the built image into `folder/firmware.bin`.
///
/// `room` is asked with the announced size before the first byte is read. Whatever goes wrong,
/// no file is left.
pub fn download(
    client: &Client,
    built: &Built,
    folder: &Path,
    room: &mut dyn FnMut(u64) -> Result<(), Error>,
    watcher: &mut dyn Watcher,
) -> Result<Downloaded, Error> {
    let image = client.open_image(&built.bin_dir, &built.image.name, 0)?;
    let total = image.total;
    room(total)?;
    let mut part = Part::create(folder, total)?;
    let mut teller = Teller::new(watcher, &built.image.name, total);
    let mut body = image.body;
    let mut breaks = 0;
    while let Err(error) = part.receive(&mut body, &mut teller)? {
        body = resume(client, built, &mut part, &mut breaks, error)?;
    }
    teller.tell(part.received);
    part.finish(&built.image.sha256)
}

/// Goes on where the connection broke, a few times; any other trouble ends the download.
fn resume(
    client: &Client,
    built: &Built,
    part: &mut Part,
    breaks: &mut u32,
    mut broken: server::Error,
) -> Result<Body, Error> {
    if part.received - part.received_before >= PROGRESS {
        *breaks = 0;
    }
    part.received_before = part.received;
    while broken.is_passing() && *breaks < MOST_BREAKS {
        *breaks += 1;
        std::thread::sleep(client.patience().pause);
        match client.open_image(&built.bin_dir, &built.image.name, part.received) {
            Ok(image) if image.total == part.total => return Ok(image.body),
            Ok(image) => return Err(other_size(part.total, image.total)),
            Err(error) => broken = error,
        }
    }
    Err(broken.into())
}

fn other_size(announced: u64, found: u64) -> Error {
    Error::new(
        Kind::Checksum,
        format!(
            "The image is not as large as announced ({announced} bytes, now {found}). Start again."
        ),
    )
}

/// The unfinished file; it goes away unless it is finished.
struct Part {
    file: File,
    path: PathBuf,
    folder: PathBuf,
    hash: Sha256,
    received: u64,
    /// At the last break.
    received_before: u64,
    total: u64,
    kept: bool,
}

impl Part {
    fn create(folder: &Path, total: u64) -> Result<Self, Error> {
        let path = folder.join("firmware.part");
        // One that a killed job left; a link there is removed, not followed.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::file(&path, "removed", &error));
            }
            _ => {}
        }
        fault::point("download-create").map_err(|error| Error::file(&path, "created", &error))?;
        // O_EXCL: whoever else has a file or a link there since, it is not used.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Error::file(&path, "created", &error))?;
        let hash = Sha256::new();
        Ok(Part {
            file,
            path,
            folder: folder.to_owned(),
            hash,
            received: 0,
            received_before: 0,
            total,
            kept: false,
        })
    }

    /// Takes what comes; the inner error is the connection's, the outer one ends the download.
    fn receive(
        &mut self,
        body: &mut Body,
        teller: &mut Teller<'_>,
    ) -> Result<Result<(), server::Error>, Error> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let read = match body.read(&mut buffer) {
                Ok(read) => read,
                Err(error) => return Ok(Err(recover(error))),
            };
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            self.received += read as u64;
            if self.received > self.total {
                return Err(other_size(self.total, self.received));
            }
            self.hash.update(bytes);
            fault::write_all("download-write", &mut self.file, bytes)
                .map_err(|error| Error::file(&self.path, "written", &error))?;
            teller.progress(self.received);
        }
        match self.received == self.total {
            true => Ok(Ok(())),
            false => Ok(Err(server::Error::Cut)),
        }
    }

    fn finish(mut self, announced: &str) -> Result<Downloaded, Error> {
        let digest = std::mem::take(&mut self.hash).finalize();
        let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        if !sha256.eq_ignore_ascii_case(announced) {
            return Err(Error::new(
                Kind::Checksum,
                "The image is not what the upgrade server announced (its SHA-256 differs), so it \
                 was removed. Start again; if it stays so, report it to the server's operator.",
            ));
        }
        let path = self.folder.join("firmware.bin");
        fault::point("download-rename")
            .and_then(|()| std::fs::rename(&self.path, &path))
            .map_err(|error| Error::file(&path, "written", &error))?;
        self.kept = true;
        fault::crash("download-renamed");
        Ok(Downloaded {
            path,
            size: self.received,
            sha256,
        })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing more can be done here, and the error that led here is already told.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Tells the watcher, but not too often.
struct Teller<'w> {
    watcher: &'w mut dyn Watcher,
    name: String,
    total: u64,
    last: Option<Instant>,
}

impl<'w> Teller<'w> {
    fn new(watcher: &'w mut dyn Watcher, name: &str, total: u64) -> Self {
        let mut teller = Teller {
            watcher,
            name: name.to_owned(),
            total,
            last: None,
        };
        teller.tell(0);
        teller
    }

    fn progress(&mut self, received: u64) {
        if self.last.is_none_or(|last| last.elapsed() >= TELL) {
            self.tell(received);
        }
    }

    fn tell(&mut self, received: u64) {
        self.last = Some(Instant::now());
        let percent = u128::from(received) * 100 / u128::from(self.total.max(1));
        self.watcher.progress(Progress {
            phase: Some(Phase::Downloading),
            percent: u8::try_from(percent.min(100)).ok(),
            detail: Some(self.name.clone()),
            bytes: Some(received),
            bytes_total: Some(self.total),
            ..Progress::default()
        });
    }
}
