//! Where builds put their images.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Where a build puts its images: a folder that nobody sees, which gets the request's name when all is well and goes away
/// when it isn't.
pub struct Place {
    /// The store, as an absolute path.
    pub store: PathBuf,
    /// For make's BIN_DIR.
    pub bin: PathBuf,
    /// For make's FILES.
    pub files: PathBuf,
    kept: PathBuf,
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
            kept: store.join(hash),
            store,
        };
        place.clear();
        fs::create_dir(&place.bin)?;
        Ok(place)
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

    /// Makes the images seen.
    ///
    /// # Errors
    /// Where they can't be moved.
    pub fn keep(&self) -> io::Result<()> {
        if self.kept.exists() {
            // Of an earlier run of the server, that knew it by the same name.
            fs::remove_dir_all(&self.kept)?;
        }
        fs::rename(&self.bin, &self.kept)
    }

    fn clear(&self) {
        for folder in [&self.bin, &self.files] {
            // Usually there is none.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clear();
    }
}
