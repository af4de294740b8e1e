//! A download site with an archive of an ImageBuilder, signed.

use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;
use upstream::Key;

const TARGET: &str = "releases/24.10.2/targets/x86/64";

/// A site with one ImageBuilder archive, and a folder with the key that signed it.
pub struct Archives {
    /// All of it; it goes when this is dropped.
    pub dir: TempDir,
}

impl Archives {
    /// A site with the ImageBuilder of 24.10.2 for x86/64.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let options = upstream::Options {
            versions: vec!["24.10.2".to_owned()],
            archives: vec![("24.10.2".to_owned(), "x86/64".to_owned())],
            ..upstream::Options::default()
        };
        upstream::generate(&dir.path().join("site"), &options).expect("site");
        let key = options.key();
        let text = format!("untrusted comment: a key\n{}\n", key.public());
        fs::create_dir(dir.path().join("keys")).expect("folder");
        fs::write(dir.path().join("keys").join(key.fingerprint()), text).expect("key");
        Self { dir }
    }

    /// A file of the target on the site.
    pub fn site(&self, path: &str) -> PathBuf {
        self.dir.path().join("site").join(TARGET).join(path)
    }

    /// The archive.
    pub fn archive(&self) -> PathBuf {
        let entries = fs::read_dir(self.site("")).expect("folder");
        let mut paths = entries.map(|entry| entry.expect("entry").path());
        paths
            .find(|path| path.to_string_lossy().contains("imagebuilder"))
            .expect("archive")
    }

    /// Replaces the archive by something else, with its sum signed by the key.
    pub fn replace_archive(&self, bytes: &[u8], key: &Key) {
        let archive = self.archive();
        let name = archive
            .file_name()
            .expect("name")
            .to_string_lossy()
            .into_owned();
        fs::write(&archive, bytes).expect("archive");
        let sums = format!("{} *{name}\n", mini_imagebuilder::sha256_hex(bytes));
        fs::write(self.site("sha256sums.sig"), key.sign(sums.as_bytes())).expect("signature");
        fs::write(self.site("sha256sums"), sums).expect("sums");
    }

    /// The unpacked ImageBuilders and whatever else is with them.
    pub fn unpacked(&self) -> Vec<String> {
        let root = self.dir.path().join("imagebuilders/24.10.2/x86/64");
        let entries = fs::read_dir(root).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }
}
