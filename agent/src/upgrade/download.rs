//! The image on its way to the disk: hashed while it streams, in one pass, whatever its size.

use super::build::Built;
use super::{Progress, Watcher};
use crate::api::Phase;
use crate::error::{Error, Kind};
use crate::fault;
use crate::server::{self, recover, Body, Client, Patience};
use crate::system::random::{self, Random};
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

/// The longest pause after a break.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Less than this since the last break is no progress: else a server could keep us for years with a
/// byte for each connection.
const PROGRESS: u64 = 16 * 1024;

/// So often a download may begin anew: a file may change once while it is fetched, a proxy spoil one.
const MOST_BEGINNINGS: u32 = 3;

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

/// Fetches the built image into `folder/firmware.bin`; none: the server has it no longer.
///
/// `room` is asked with the announced size before the first byte is read. Where the connection breaks
/// the download goes on, and begins anew where the file has become another one. Whatever goes wrong in
/// the end, no file is left.
pub fn download(
    client: &Client,
    built: &Built,
    folder: &Path,
    room: &mut dyn FnMut(u64) -> Result<(), Error>,
    watcher: &mut dyn Watcher,
) -> Result<Option<Downloaded>, Error> {
    let (folder_name, name) = (&built.bin_dir, &built.image.name);
    let mut breaks = Breaks::new(client.patience());
    let mut teller = Teller::new(watcher, name);
    let mut part: Option<Part> = None;
    let mut beginnings = 0;
    loop {
        let (offset, validator) = part.as_ref().map_or((0, None), Part::reached);
        let image = match client.open_image(folder_name, name, offset, validator) {
            Ok(image) => image,
            Err(server::Error::Gone) => return Ok(None),
            Err(error) => {
                breaks.pause(error, offset)?;
                continue;
            }
        };
        let goes_on = |part: &Part| image.from == part.received && image.total == part.total;
        let mut current = match part.take().filter(goes_on) {
            Some(part) => part,
            None if beginnings == MOST_BEGINNINGS => return Err(breaks.give_up()),
            None if image.from > 0 => continue,
            None => {
                beginnings += 1;
                room(image.total)?;
                Part::create(folder, image.total, image.validator)?
            }
        };
        let resumed = image.from > 0;
        match current.receive(image.body, &mut teller)? {
            Ok(()) => match current.finish(&built.image.sha256) {
                // Put together from several answers it may have been put together wrongly.
                Err(error)
                    if error.kind == Kind::Checksum && resumed && beginnings < MOST_BEGINNINGS => {}
                result => return result.map(Some),
            },
            Err(error) => {
                breaks.pause(error, current.received)?;
                part = Some(current);
            }
        }
    }
}

/// How often in a row the connection broke before there was any progress.
struct Breaks {
    patience: Patience,
    count: u32,
    /// With all before.
    all: u32,
    last: Option<server::Error>,
    /// What had been received at the last one.
    since: u64,
    random: Random,
}

impl Breaks {
    fn new(patience: &Patience) -> Breaks {
        Breaks {
            patience: patience.clone(),
            count: 0,
            all: 0,
            last: None,
            since: 0,
            random: Random::new(random::seed()),
        }
    }

    /// Sleeps before the next try, longer each time and never quite the same; gives up after some, and
    /// at once for trouble that does not pass.
    fn pause(&mut self, error: server::Error, received: u64) -> Result<(), Error> {
        let Some(wanted) = error.pause(Duration::ZERO, self.patience.put_off) else {
            return Err(error.into());
        };
        if received.saturating_sub(self.since) >= PROGRESS {
            self.count = 0;
        }
        self.since = received;
        if self.count == self.patience.breaks {
            self.last = Some(error);
            return Err(self.give_up());
        }
        let pause = self
            .patience
            .pause
            .saturating_mul(1 << self.count.min(10))
            .min(LONGEST_PAUSE);
        self.count += 1;
        let chance = i64::try_from(pause.as_millis() / 2).unwrap_or(0);
        let more = u64::try_from(self.random.below(chance)).unwrap_or(0);
        std::thread::sleep(pause.max(wanted) + Duration::from_millis(more));
        (self.all, self.last) = (self.all + 1, Some(error));
        Ok(())
    }

    /// What to say in the end.
    fn give_up(&mut self) -> Error {
        let last = self.last.take().unwrap_or(server::Error::Cut);
        server::Error::GivenUp(self.all + 1, Box::new(last)).into()
    }
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
    total: u64,
    validator: Option<String>,
    kept: bool,
}

impl Part {
    fn create(folder: &Path, total: u64, validator: Option<String>) -> Result<Self, Error> {
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
            total,
            validator,
            kept: false,
        })
    }

    /// How far it is, and of which file.
    fn reached(&self) -> (u64, Option<&str>) {
        (self.received, self.validator.as_deref())
    }

    /// Takes what comes; the inner error is the connection's, the outer one ends the download.
    fn receive(
        &mut self,
        mut body: Body,
        teller: &mut Teller<'_>,
    ) -> Result<Result<(), server::Error>, Error> {
        teller.tell(self.received, self.total);
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
            teller.progress(self.received, self.total);
        }
        match self.received == self.total {
            true => {
                teller.tell(self.received, self.total);
                Ok(Ok(()))
            }
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
    last: Option<Instant>,
}

impl<'w> Teller<'w> {
    fn new(watcher: &'w mut dyn Watcher, name: &str) -> Self {
        Teller {
            watcher,
            name: name.to_owned(),
            last: None,
        }
    }

    fn progress(&mut self, received: u64, total: u64) {
        if self.last.is_none_or(|last| last.elapsed() >= TELL) {
            self.tell(received, total);
        }
    }

    fn tell(&mut self, received: u64, total: u64) {
        self.last = Some(Instant::now());
        let percent = u128::from(received) * 100 / u128::from(total.max(1));
        self.watcher.progress(Progress {
            phase: Some(Phase::Downloading),
            percent: u8::try_from(percent.min(100)).ok(),
            detail: Some(self.name.clone()),
            bytes: Some(received),
            bytes_total: Some(total),
            ..Progress::default()
        });
    }
}
