//! Where built images are: a folder, or a bucket of S3 that many machines share. In either, what belongs to a build is below
//! one name and is made and removed as a whole.

mod s3;
mod sign;

use crate::worker::place;
use crate::{time, Config, Error};
use s3::S3;
use sha2::{Digest as _, Sha256};
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::UNIX_EPOCH;
use tokio::fs::OpenOptions;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _, SeekFrom};

/// How much of a file is on its way from a bucket to a client, in bytes.
const PIECE: usize = 64 << 10;

/// Where built images are.
#[derive(Debug, Clone)]
pub enum Store {
    /// A folder.
    Folder(PathBuf),
    /// A bucket, and a thread that removes from it what nobody waits for.
    S3(S3, mpsc::Sender<String>),
}

/// A file of the store.
#[derive(Debug)]
pub struct Found {
    /// In bytes.
    pub length: u64,
    /// As Last-Modified has it.
    pub modified: String,
    /// As ETag has it.
    pub etag: String,
    source: Source,
}

#[derive(Debug)]
enum Source {
    File(tokio::fs::File),
    S3(S3, String, String),
}

/// Whether a name is one plain name, in a path as in an address.
pub fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".,_-+~".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(allowed)
}

/// The plain files of a folder that have plain names, in order: nobody could ask for others.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.extend(
                entry
                    .file_name()
                    .into_string()
                    .ok()
                    .filter(|name| is_plain(name)),
            );
        }
    }
    names.sort();
    Ok(names)
}

impl Store {
    /// The store of a configuration.
    pub fn open(config: &Config) -> Self {
        let Some(settings) = &config.s3 else {
            return Self::Folder(config.store.clone());
        };
        let s3 = S3::new(settings);
        let (sender, receiver) = mpsc::channel::<String>();
        let bucket = s3.clone();
        // It ends with the last store that sends to it.
        std::thread::spawn(move || {
            for folder in receiver {
                if let Err(error) = bucket.remove(&folder) {
                    eprintln!("{folder} could not be removed: {error}");
                }
            }
        });
        Self::S3(s3, sender)
    }

    /// Its folder, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(root) => Some(root),
            Self::S3(..) => None,
        }
    }

    /// Takes the files in `from` as `folder`, in place of what was there. Blocks.
    ///
    /// # Errors
    /// Where they can't be moved or stored.
    pub fn keep(&self, from: &Path, folder: &str) -> io::Result<()> {
        match self {
            Self::Folder(root) => {
                let kept = root.join(folder);
                // Of an earlier run of the server, that knew it by the same name.
                place::remove_if_there(&kept)?;
                std::fs::rename(from, kept)
            }
            Self::S3(s3, _) => {
                s3.remove(folder)?;
                s3.keep(from, folder)
            }
        }
    }

    /// Removes a folder, if there is one. Blocks.
    ///
    /// # Errors
    /// Where it is there and can't be removed.
    pub fn remove(&self, folder: &str) -> io::Result<()> {
        match self {
            Self::Folder(root) => place::remove_if_there(&root.join(folder)),
            Self::S3(s3, _) => s3.remove(folder),
        }
    }

    /// The same without blocking.
    ///
    /// # Errors
    /// [`Error::Io`] where it is there and can't be removed.
    pub async fn remove_now(self, folder: String) -> Result<(), Error> {
        let path = PathBuf::from(&folder);
        blocking(move || self.remove(&folder))
            .await
            .map_err(Error::io(&path))
    }

    /// The same without blocking for a bucket, where nobody waits for it: what goes wrong is said on stderr.
    pub fn discard(&self, folder: &str) {
        match self {
            Self::Folder(root) => {
                let path = root.join(folder);
                if let Err(error) = place::remove_if_there(&path) {
                    // The next start of the server tries again.
                    eprintln!("{} could not be removed: {error}", path.display());
                }
            }
            Self::S3(_, sender) => {
                if sender.send(folder.to_owned()).is_err() {
                    eprintln!("{folder} could not be removed: nobody does it");
                }
            }
        }
    }

    /// The file `folder/name`, both plain names.
    ///
    /// # Errors
    /// Where a bucket doesn't say.
    pub async fn find(&self, folder: &str, name: &str) -> io::Result<Option<Found>> {
        match self {
            Self::Folder(root) => Ok(open(&root.join(folder).join(name)).await),
            Self::S3(s3, _) => {
                let (s3, folder, name) = (s3.clone(), folder.to_owned(), name.to_owned());
                blocking(move || s3.find(&folder, &name)).await
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(act)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

async fn open(path: &Path) -> Option<Found> {
    // The last part of the path is never a link in the store.
    let nofollow = nix::fcntl::OFlag::O_NOFOLLOW.bits();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nofollow)
        .open(path)
        .await
        .ok()?;
    let metadata = file
        .metadata()
        .await
        .ok()
        .filter(|metadata| metadata.is_file())?;
    let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    let hash = Sha256::digest(format!("{}-{}", since.as_nanos(), metadata.len()));
    let hash = crate::request::hex(hash.get(..16).unwrap_or_default());
    Some(Found {
        length: metadata.len(),
        modified: time::http(modified),
        etag: format!("\"{hash}\""),
        source: Source::File(file),
    })
}

impl Found {
    /// The bytes of a part, or less where the rest can't be had.
    ///
    /// # Errors
    /// Where nothing can be had.
    pub async fn read(
        self,
        range: RangeInclusive<u64>,
    ) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        let count = match self.length {
            0 => return Ok(Box::new(tokio::io::empty())),
            _ => range.end() - range.start() + 1,
        };
        match self.source {
            Source::File(mut file) => {
                file.seek(SeekFrom::Start(*range.start())).await?;
                Ok(Box::new(file.take(count)))
            }
            Source::S3(s3, folder, name) => {
                let etag = self.etag;
                let mut reader = blocking(move || s3.read(&folder, &name, &range, &etag)).await?;
                let (ours, theirs) = tokio::io::duplex(PIECE);
                let mut bridge = tokio_util::io::SyncIoBridge::new(theirs);
                // Ends with the file or with the client, whichever is first; a part that is missing breaks the connection.
                tokio::task::spawn_blocking(move || io::copy(&mut reader, &mut bridge));
                Ok(Box::new(ours))
            }
        }
    }
}
