//! A folder that is a router's whole file system to the programs that run in it.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A temporary folder with `/tmp`, the package databases and what programs need to run in it.
pub struct Root {
    folder: tempfile::TempDir,
}

impl Root {
    /// An empty one, with the folders a router has.
    pub fn new() -> io::Result<Root> {
        let root = Root {
            folder: tempfile::tempdir()?,
        };
        std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755))?;
        for folder in [
            "lib/apk/db",
            "etc/apk",
            "usr/lib/opkg",
            "sbin",
            "dev",
            "var/run/ubus",
        ] {
            std::fs::create_dir_all(root.at(folder))?;
        }
        std::fs::create_dir(root.at("tmp"))?;
        std::fs::set_permissions(root.at("tmp"), PermissionsExt::from_mode(0o1777))?;
        std::fs::write(root.at("dev/null"), "")?;
        // ubusd wants to know the name of who connects.
        root.write("/etc/passwd", "root:x:0:0:root:/root:/bin/false\n")?;
        root.write("/etc/group", "root:x:0:\n")?;
        Ok(root)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where a path of the router lies outside.
    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file, readable by all and writable by its owner.
    pub fn write(&self, path: &str, contents: impl AsRef<[u8]>) -> io::Result<()> {
        std::fs::write(self.at(path), contents)?;
        std::fs::set_permissions(self.at(path), PermissionsExt::from_mode(0o644))
    }

    /// Writes apk's database and its world.
    pub fn write_apk(
        &self,
        installed: impl AsRef<[u8]>,
        world: impl AsRef<[u8]>,
    ) -> io::Result<()> {
        self.write("/lib/apk/db/installed", installed)?;
        self.write("/etc/apk/world", world)
    }

    /// Copies a program to a place in the root, with the libraries it needs.
    pub fn install(&self, program: &Path, place: &str) -> io::Result<()> {
        // The loader itself tells: what `ldd` does, without a shell.
        let listed = Command::new(program)
            .env("LD_TRACE_LOADED_OBJECTS", "1")
            .output()?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let libraries: BTreeSet<&str> = listed
            .split_ascii_whitespace()
            .filter(|word| word.starts_with('/'))
            .collect();
        for library in libraries {
            // Programs name their loader by its full path; all else is found in /lib.
            self.copy(Path::new(library), library)?;
            if let Some(name) = Path::new(library).file_name() {
                self.copy(
                    Path::new(library),
                    &format!("/lib/{}", name.to_string_lossy()),
                )?;
            }
        }
        self.copy(program, place)
    }

    /// Copies a file, with its mode; once.
    pub fn copy(&self, from: &Path, to: &str) -> io::Result<()> {
        let to = self.at(to);
        if to.exists() {
            return Ok(());
        }
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::copy(from, to).map(|_| ())
    }
}
