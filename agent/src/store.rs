//! Small JSON files that must be whole at all times: a temporary file, fsync, rename.

use crate::error::{Error, Kind};
use crate::fault;
use crate::json::{self, Decode, Encode};
use crate::text::say;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// No record of ours comes near; whatever does is not ours.
const LIMIT: u64 = 1024 * 1024;

/// Makes a folder that only we may enter, with its parents. One that is there already has to be
/// such a folder: in /tmp somebody else may have been first.
pub fn private_folder(path: &Path) -> Result<(), Error> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(path);
    created.map_err(|error| Error::file(path, "created", &error))?;
    let there =
        fs::symlink_metadata(path).map_err(|error| Error::file(path, "looked at", &error))?;
    let ours = there.is_dir() && there.uid() == nix::unistd::geteuid().as_raw();
    if !ours || there.mode() & 0o022 != 0 {
        let sentence = format!(
            "{} belongs to somebody else or others may write to it: remove it, then try again.",
            path.display()
        );
        return Err(Error::new(Kind::Storage, sentence));
    }
    Ok(())
}

/// Writes `value` so that after a power cut either the old or the new file is there.
pub fn write(path: &Path, value: &dyn Encode) -> Result<(), Error> {
    write_bytes(path, json::text(value)?.as_bytes())
}

/// The same with bytes.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let new = path.with_extension("new");
    let result = write_new(&new, bytes).and_then(|()| fs::rename(&new, path));
    if let Err(error) = result {
        // The write error is what the caller has to hear of, not that of tidying up behind it.
        let _ = fs::remove_file(&new);
        return Err(Error::file(path, "written", &error));
    }
    fault::written(path);
    // The rename itself has to reach the flash too; where a folder can't be synced (some file
    // systems refuse), the file still is whole.
    if let Some(folder) = path.parent().and_then(|parent| File::open(parent).ok()) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    fault::write_file(path, &mut file, bytes)?;
    file.sync_all()
}

/// Reads what [`write`] wrote; `None` when there is nothing.
pub fn read<T: Decode + Default>(path: &Path) -> Result<Option<T>, Error> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file
            .take(LIMIT)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::file(path, "read", &error))?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file(path, "read", &error)),
    };
    let understood = json::from_text(&bytes);
    understood.map(Some).map_err(|error| {
        let sentence = format!("{} is damaged: {error}", path.display());
        Error::new(Kind::Storage, sentence)
    })
}

/// Reads a record that must not stand in the way: one that can't be understood (half a file after a
/// power cut, one of another version) is set aside as `NAME.damaged` and said in the log.
pub fn read_record<T: Decode + Default>(path: &Path) -> Result<Option<T>, Error> {
    read(path).or_else(|error| {
        let aside = path.with_extension("damaged");
        fs::rename(path, &aside).map_err(|error| Error::file(path, "set aside", &error))?;
        say(&format_args!(
            "{error} It is set aside as {}.",
            aside.display()
        ));
        Ok(None)
    })
}

/// Removes what has its name only for a moment, `NAME.new`, from `folder`: what [`write`] and others
/// left there when the process died in the middle of it.
pub fn tidy(folder: &Path) -> Result<(), Error> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| Error::file(folder, "read", &error))?,
    };
    for entry in entries {
        let path = entry
            .map_err(|error| Error::file(folder, "read", &error))?
            .path();
        if path.extension().is_some_and(|extension| extension == "new") {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Removes a file that may not be there.
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::file(path, "removed", &error))
        }
        _ => Ok(()),
    }
}

/// Removes a folder and all in it, where it is there.
pub fn remove_folder(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::file(path, "removed", &error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/record.json");
        private_folder(path.parent().unwrap()).unwrap();
        assert_eq!(read::<Vec<u32>>(&path).unwrap(), None);
        write(&path, &vec![1, 2]).unwrap();
        write(&path, &vec![3]).unwrap();
        assert_eq!(read::<Vec<u32>>(&path).unwrap(), Some(vec![3]));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        remove(&path).unwrap();
        remove(&path).unwrap();
    }

    #[test]
    fn a_folder_of_others_or_a_link_is_not_taken_for_ours() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(private_folder(&open).unwrap_err().kind, Kind::Storage);
        let link = folder.path().join("link");
        let target = folder.path().join("target");
        private_folder(&target).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(private_folder(&link).is_err());
        private_folder(&target).unwrap();
    }

    #[test]
    fn half_a_file_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        fs::write(&path, "[1,").unwrap();
        let error = read::<Vec<u32>>(&path).unwrap_err();
        assert_eq!(error.kind, Kind::Storage);
        assert!(error.message.contains("record.json"), "{error}");
        assert_eq!(read_record::<Vec<u32>>(&path).unwrap(), None);
        assert_eq!(
            fs::read(folder.path().join("record.damaged")).unwrap(),
            b"[1,"
        );
        assert!(!path.exists());
    }

    #[test]
    fn what_a_crash_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name| folder.path().join(name);
        for name in ["status.json", "status.new", "pending.new", "notice"] {
            fs::write(file(name), "").unwrap();
        }
        tidy(folder.path()).unwrap();
        tidy(&file("nowhere")).unwrap();
        assert!(file("status.json").exists() && file("notice").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        write(&path, &1).unwrap();
        fs::create_dir(folder.path().join("record.new")).unwrap();
        write(&path, &2).unwrap_err();
        assert_eq!(read::<u32>(&path).unwrap(), Some(1));
    }
}
