//! Taking possession of image files: the job's, and those that the owner names.

use crate::error::{Error, Kind};
use crate::fault;
use crate::paths::{Paths, COPY, IMAGE, JOB_FOLDER};
use crate::store;
use crate::system::unsafe_calls::is_open_for_writing;
use crate::system::{job_user, room};
use crate::upgrade::verify::Candidate;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::{fchown, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Takes the job's image over into our own folder.
///
/// The job has ended, but a program that it may have left behind could still replace the file, or
/// have it open. So it is first moved to where only we can reach it; whatever it then is, is judged
/// by one descriptor, and one that somebody can still write to is refused.
pub fn take_over(paths: &Paths) -> Result<Candidate, Error> {
    let theirs = paths.real(JOB_FOLDER).join("firmware.bin");
    let ours = paths.real(IMAGE);
    fault::crash("take-over");
    fs::rename(&theirs, &ours).map_err(|error| Error::file(&theirs, "taken over", &error))?;
    fault::crash("taken-over");
    store::remove_folder(&paths.real(JOB_FOLDER))?;
    let opened = Candidate::open(paths, Path::new(IMAGE)).map_err(|_| not_its_own());
    let taken = opened.and_then(|candidate| {
        own(paths, candidate.file())?;
        settle(paths, candidate)
    });
    if taken.is_err() {
        store::remove(&ours).or_else(|_| store::remove_folder(&ours))?;
    }
    taken
}

fn not_its_own() -> Error {
    let sentence = "What the job left behind is not a file of its own; nothing was flashed. Start again, and look for strange programs if it stays so.";
    Error::new(Kind::Internal, sentence)
}

/// Makes a file ours that has to be the job's, and nobody else's by another name.
fn own(paths: &Paths, file: &File) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::file(Path::new(IMAGE), "taken over", &error);
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let theirs = job_user(paths).map_or(uid.as_raw(), |(uid, _)| uid);
    let metadata = file.metadata().map_err(failed)?;
    if metadata.uid() != theirs || metadata.nlink() != 1 {
        return Err(not_its_own());
    }
    fchown(file, Some(uid.as_raw()), Some(gid.as_raw()))
        .and_then(|()| file.set_permissions(Permissions::from_mode(0o600)))
        .map_err(failed)
}

/// A file in our folder that nobody can open any more: neither may anybody have it open.
fn settle(paths: &Paths, candidate: Candidate) -> Result<Candidate, Error> {
    match is_open_for_writing(candidate.file()) {
        Ok(false) => Ok(candidate),
        Ok(true) => Err(Error::new(
            Kind::Internal,
            "Another program can still write to the image; nothing was flashed. Start again, and look for strange programs if it stays so.",
        )),
        // A copy of our own is beyond doubt.
        Err(_) => copy(paths, candidate),
    }
}

/// The file that the owner wants to be flashed. One that only we can change stays where it is in
/// /tmp: a copy would need its memory twice. Every other one is copied into our folder.
pub fn candidate(paths: &Paths, path: &Path) -> Result<Candidate, Error> {
    let candidate = Candidate::open(paths, path)?;
    if path == Path::new(IMAGE) {
        return Ok(candidate);
    }
    if !is_ours(paths, path, candidate.file())? {
        return copy(paths, candidate);
    }
    if is_open_for_writing(candidate.file()).unwrap_or(false) {
        let sentence = format!(
            "{} is still being written: wait until it is complete, then try again.",
            path.display()
        );
        return Err(Error::new(Kind::Usage, sentence));
    }
    Ok(candidate)
}

/// A file of ours directly in /tmp, which others can neither write to nor, where /tmp is sticky or
/// nobody else may write to it, replace.
fn is_ours(paths: &Paths, path: &Path, file: &File) -> Result<bool, Error> {
    let tmp = paths.real("/tmp");
    if paths.real(path).parent() != Some(&tmp) {
        return Ok(false);
    }
    let unreadable = |error| Error::file(path, "looked at", &error);
    let us = nix::unistd::geteuid().as_raw();
    let private = |metadata: &Metadata| metadata.uid() == us && metadata.mode() & 0o022 == 0;
    let file = file.metadata().map_err(unreadable)?;
    let folder = fs::symlink_metadata(&tmp).map_err(unreadable)?;
    let sticky = folder.uid() == us && folder.mode() & 0o1000 != 0;
    Ok(private(&file) && file.nlink() == 1 && folder.is_dir() && (sticky || private(&folder)))
}

/// Copies what was opened, whatever its name stands for by now, and puts the copy into its place.
fn copy(paths: &Paths, candidate: Candidate) -> Result<Candidate, Error> {
    let unreadable = |error: std::io::Error| Error::file(candidate.path(), "read", &error);
    let mut from = candidate.file();
    room::require(paths, from.metadata().map_err(unreadable)?.len())?;
    from.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let (ours, new) = (paths.real(IMAGE), paths.real(COPY));
    store::remove(&new)?;
    let to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new);
    let copied = to.and_then(|mut to| {
        std::io::copy(&mut from, &mut to)?;
        fault::point("copy-written")
    });
    if let Err(error) = copied.and_then(|()| fs::rename(&new, &ours)) {
        store::remove(&new)?;
        return Err(Error::file(&ours, "written", &error));
    }
    Candidate::open(paths, Path::new(IMAGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router() -> (tempfile::TempDir, Paths) {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path(), None);
        store::private_folder(&paths.real(crate::paths::STATE_FOLDER)).unwrap();
        store::private_folder(&paths.real(JOB_FOLDER)).unwrap();
        fs::create_dir_all(paths.real("/mnt")).unwrap();
        (root, paths)
    }

    #[test]
    fn a_link_in_place_of_the_image_is_not_taken_over() {
        let (_root, paths) = router();
        let theirs = paths.real(JOB_FOLDER).join("firmware.bin");
        fs::write(paths.real("/mnt/secret"), "x").unwrap();
        std::os::unix::fs::symlink(paths.real("/mnt/secret"), &theirs).unwrap();
        assert_eq!(take_over(&paths).unwrap_err().kind, Kind::Internal);
        store::private_folder(&paths.real(JOB_FOLDER)).unwrap();
        fs::hard_link(paths.real("/mnt/secret"), &theirs).unwrap();
        assert_eq!(take_over(&paths).unwrap_err().kind, Kind::Internal);
        assert_eq!(fs::read(paths.real("/mnt/secret")).unwrap(), b"x");
        assert!(fs::symlink_metadata(paths.real(IMAGE)).is_err());
        store::private_folder(&paths.real(JOB_FOLDER)).unwrap();
        fs::create_dir(&theirs).unwrap();
        assert_eq!(take_over(&paths).unwrap_err().kind, Kind::Internal);
        store::private_folder(&paths.real(JOB_FOLDER)).unwrap();
        fs::write(&theirs, "image").unwrap();
        take_over(&paths).unwrap();
        assert_eq!(
            fs::metadata(paths.real(IMAGE)).unwrap().mode() & 0o777,
            0o600
        );
        assert!(!paths.real(JOB_FOLDER).exists());
    }

    #[test]
    fn a_file_of_others_is_copied_and_ours_is_not() {
        let (_root, paths) = router();
        fs::write(paths.real("/mnt/x.bin"), "image").unwrap();
        candidate(&paths, Path::new("/mnt/x.bin")).unwrap();
        assert_eq!(fs::read(paths.real(IMAGE)).unwrap(), b"image");
        fs::remove_file(paths.real(IMAGE)).unwrap();
        fs::write(paths.real("/tmp/y.bin"), "image").unwrap();
        fs::set_permissions(paths.real("/tmp/y.bin"), fs::Permissions::from_mode(0o644)).unwrap();
        candidate(&paths, Path::new("/tmp/y.bin")).unwrap();
        assert!(!paths.real(IMAGE).exists());
        fs::set_permissions(paths.real("/tmp/y.bin"), fs::Permissions::from_mode(0o666)).unwrap();
        candidate(&paths, Path::new("/tmp/y.bin")).unwrap();
        assert!(paths.real(IMAGE).exists());
    }

    /// Where the file system can't tell, an own copy is taken, so that nothing can be seen here.
    #[test]
    fn an_image_that_somebody_can_still_write_to_is_refused() {
        let (_root, paths) = router();
        let theirs = paths.real(JOB_FOLDER).join("firmware.bin");
        fs::write(&theirs, "image").unwrap();
        let held = OpenOptions::new().write(true).open(&theirs).unwrap();
        let tells = is_open_for_writing(&File::open(&theirs).unwrap()).is_ok();
        let taken = take_over(&paths);
        if tells {
            assert!(taken.unwrap_err().message.contains("can still write"));
            assert!(!paths.real(IMAGE).exists());
        }
        drop(held);
    }

    #[test]
    fn a_file_that_is_still_being_written_is_waited_for() {
        let (_root, paths) = router();
        let path = Path::new("/tmp/y.bin");
        let held = File::create(paths.real(path)).unwrap();
        held.set_permissions(Permissions::from_mode(0o600)).unwrap();
        let Ok(true) = is_open_for_writing(&File::open(paths.real(path)).unwrap()) else {
            return;
        };
        let error = candidate(&paths, path).unwrap_err();
        assert_eq!(error.kind, Kind::Usage);
        assert!(error.message.contains("still being written"), "{error}");
        drop(held);
        candidate(&paths, path).unwrap();
    }

    #[test]
    fn links_of_the_owner_lead_nowhere() {
        let (_root, paths) = router();
        fs::write(paths.real("/mnt/x.bin"), "image").unwrap();
        let link = paths.real("/tmp/link.bin");
        std::os::unix::fs::symlink(paths.real("/mnt/x.bin"), &link).unwrap();
        assert_eq!(
            candidate(&paths, Path::new("/tmp/link.bin"))
                .unwrap_err()
                .kind,
            Kind::Storage
        );
        // A file with two names may be changed by the other: a copy is taken.
        fs::hard_link(paths.real("/mnt/x.bin"), paths.real("/tmp/hard.bin")).unwrap();
        candidate(&paths, Path::new("/tmp/hard.bin")).unwrap();
        assert!(paths.real(IMAGE).exists());
    }
}
