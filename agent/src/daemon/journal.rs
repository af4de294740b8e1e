//! What the daemon remembers between its own starts, in /tmp/attended-sysupgrade: status.json, the
//! line for the login, and the lock that makes it the only one.

use super::schedule::Kept;
use crate::api::{Notice, Status};
use crate::error::{Error, Kind};
use crate::job::Downloaded;
use crate::json::{Decode, Encode};
use crate::paths::{Paths, STATE_FOLDER};
use crate::store;
use crate::text::say;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// What the login script takes for a line.
const LINE_LIMIT: usize = 200;

/// The content of status.json.
#[derive(Clone, Debug, Default, Decode, Encode)]
pub struct Remembered {
    /// What everybody gets to see.
    pub status: Status,
    /// What the image in hand is held against.
    pub downloaded: Option<Downloaded>,
    /// Where the schedule is.
    pub schedule: Option<Kept>,
}

/// The folder, locked.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    _lock: Flock<File>,
}

impl Journal {
    /// Takes possession of the folder; nobody else may have it.
    pub fn open(paths: &Paths) -> Result<Journal, Error> {
        let folder = paths.real(STATE_FOLDER);
        store::private_folder(&folder)?;
        let path = folder.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Error::file(&path, "opened", &error))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Journal { folder, _lock: lock }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(Error::new(
                Kind::Busy,
                "Another asu is at work on this router. If it is the daemon, leave out --standalone.",
            )),
            Err((_, errno)) => Err(Error::file(&path, "locked", &errno.into())),
        }
    }

    /// What was remembered. A file that can't be understood (of another version) is as good as none.
    pub fn load(&self) -> Remembered {
        match store::read(&self.folder.join("status.json")) {
            Ok(remembered) => remembered.unwrap_or_default(),
            Err(error) => {
                say(&format_args!("{error} It is left aside."));
                Remembered::default()
            }
        }
    }

    /// Remembers.
    pub fn save(&self, remembered: &Remembered) -> Result<(), Error> {
        store::write(&self.folder.join("status.json"), remembered)
    }

    /// The line that /etc/profile.d/attended-sysupgrade.sh prints; none: no line. It may name what a
    /// server said, and a shell prints it as it is.
    pub fn login_line(&self, notice: Option<&Notice>) -> Result<(), Error> {
        let path = self.folder.join("notice");
        let Some(notice) = notice else {
            return store::remove(&path);
        };
        let line: String = crate::text::clean(&notice.text)
            .chars()
            .take(LINE_LIMIT)
            .collect();
        store::write_bytes(&path, format!("{line}\n").as_bytes())
    }
}
