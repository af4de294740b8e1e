//! Where everything is, below `--root`.
//!
//! A path in the router's own terms (`/tmp/firmware.bin`, as the bus and the owner name it) becomes
//! a path of this process by [`Paths::real`]; on a router both are the same.

use std::path::{Component, Path, PathBuf};

/// What this program keeps in memory between boots: image, status.json, notice. Mode 0700.
pub const STATE_FOLDER: &str = "/tmp/attended-sysupgrade";
/// Where the job works. Beside the state folder, which only root may enter.
pub const JOB_FOLDER: &str = "/tmp/attended-sysupgrade.job";
/// What survives an upgrade: pending.json, history.json.
pub const RECORD_FOLDER: &str = "/etc/attended-sysupgrade";
/// What becomes the image, while it is copied; named as what [`crate::store::tidy`] removes.
pub const COPY: &str = "/tmp/attended-sysupgrade/firmware.new";
/// The verified image in hand.
pub const IMAGE: &str = "/tmp/attended-sysupgrade/firmware.bin";

/// The root folder of the router this program works on.
#[derive(Clone, Debug)]
pub struct Paths {
    root: PathBuf,
    socket: Option<PathBuf>,
}

impl Paths {
    /// Everything below `root`; the bus at `socket`, else where ubusd has it.
    pub fn new(root: impl Into<PathBuf>, socket: Option<PathBuf>) -> Self {
        Paths {
            root: root.into(),
            socket,
        }
    }

    /// The root folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path in the router's terms, as this process has to open it. `..` does not lead out.
    pub fn real(&self, path: impl AsRef<Path>) -> PathBuf {
        let mut real = self.root.clone();
        for part in path.as_ref().components() {
            match part {
                Component::Normal(name) => real.push(name),
                Component::ParentDir if real != self.root => {
                    real.pop();
                }
                _ => {}
            }
        }
        real
    }

    /// The inverse of [`Paths::real`]; a path outside of the root stays as it is.
    pub fn on_router(&self, real: &Path) -> PathBuf {
        match real.strip_prefix(&self.root) {
            Ok(rest) => Path::new("/").join(rest),
            Err(_) => real.to_owned(),
        }
    }

    /// ubusd's socket.
    pub fn socket(&self) -> PathBuf {
        match &self.socket {
            Some(socket) => socket.clone(),
            None => self.real("/var/run/ubus/ubus.sock"),
        }
    }

    /// The command line's way to another process on the same router.
    pub fn arguments(&self) -> Vec<std::ffi::OsString> {
        let mut arguments: Vec<std::ffi::OsString> =
            vec!["--root".into(), self.root.clone().into()];
        if let Some(socket) = &self.socket {
            arguments.push("--socket".into());
            arguments.push(socket.clone().into());
        }
        arguments
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;

    /// A router with these files.
    pub fn router(files: &[(&str, &str)]) -> (tempfile::TempDir, Paths) {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path(), None);
        for (name, text) in files {
            let path = paths.real(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        (root, paths)
    }

    #[test]
    fn nothing_leads_out_of_the_root() {
        let paths = Paths::new("/box", None);
        assert_eq!(paths.real("/tmp/a"), Path::new("/box/tmp/a"));
        assert_eq!(
            paths.real("/../../etc/./passwd"),
            Path::new("/box/etc/passwd")
        );
        assert_eq!(
            paths.on_router(Path::new("/box/tmp/a")),
            Path::new("/tmp/a")
        );
        assert_eq!(Paths::new("/", None).real("/tmp/a"), Path::new("/tmp/a"));
    }
}
