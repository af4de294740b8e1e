//! Where builds put their images.

use crate::request::hex;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Longest `profiles.json` of a build.
const LONGEST_PROFILES: u64 = 4 << 20;

/// Where a build puts its images: a folder that nobody sees, which gets the request's name when all is well and goes away
/// when it isn't.
pub struct Place {
    /// The store, as an absolute path.
    pub store: PathBuf,
    /// For make's BIN_DIR.
    pub bin: PathBuf,
    /// For make's FILES.
    pub files: PathBuf,
}

impl Place {
    /// An empty place below `store`.
    ///
    /// # Errors
    /// Where the folder can't be made.
    pub fn new(store: &Path, hash: &str) -> io::Result<Self> {
        let store = store.canonicalize()?;
        let place = Self {
            bin: store.join(format!(".{hash}.bin")),
            files: store.join(format!(".{hash}.files")),
            store,
        };
        place.clear();
        fs::create_dir(&place.bin)?;
        Ok(place)
    }

    /// Removes what a worker that died left of its place.
    pub fn clear_former(store: &Path, name: &str) {
        for folder in [format!(".{name}.bin"), format!(".{name}.files")] {
            // Usually there is none.
            let _ = remove(&store.join(folder));
        }
    }

    /// Lays a script for the first boot over the root file system.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn write_defaults(&self, script: &str) -> io::Result<()> {
        let folder = self.files.join("etc/uci-defaults");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("99-asu-defaults"), script)
    }

    /// Removes what is no plain file: a link that a build left behind would lead whoever reads it out of the store.
    ///
    /// # Errors
    /// Where that can't be done.
    pub fn keep_plain_files(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.bin)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                remove(&entry.path())?;
            } else if !kind.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// The names of its files, in order.
    ///
    /// # Errors
    /// Where they can't be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.bin)?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<io::Result<Vec<String>>>()?;
        names.sort();
        Ok(names)
    }

    fn clear(&self) {
        for folder in [&self.bin, &self.files] {
            // Usually there is none.
            let _ = remove(folder);
        }
    }
}

/// `profiles.json` of a build in `folder`.
///
/// # Errors
/// Where it can't be read; of the kind `NotFound` where it isn't there, or is no JSON of sensible length.
pub fn profiles(folder: &Path) -> io::Result<Value> {
    let mut bytes = Vec::new();
    let file = fs::File::open(folder.join("profiles.json"))?;
    let length = file.take(LONGEST_PROFILES).read_to_end(&mut bytes)? as u64;
    let content = serde_json::from_slice(&bytes).ok();
    content
        .filter(|_| length < LONGEST_PROFILES)
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The SHA-256 of a file, from its start.
///
/// # Errors
/// Where it can't be read.
pub fn digest(file: &mut fs::File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut sum = Sha256::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex(&sum.finalize())),
            read => sum.update(piece.get(..read).unwrap_or_default()),
        }
    }
}

/// Removes a folder with all that is in it, also what was made inaccessible: by a build, or by an overlay for its own use.
///
/// # Errors
/// Where that can't be done.
pub fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(folder)?;
            fs::remove_dir_all(folder)
        }
        result => result,
    }
}

/// The same where there may be no such folder.
///
/// # Errors
/// Where it is there, and can't be removed.
pub fn remove_if_there(folder: &Path) -> io::Result<()> {
    match remove(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Not of a link: it says itself what it is.
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clear();
    }
}
