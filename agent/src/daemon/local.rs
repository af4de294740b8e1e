//! Taking possession of image files: the job's, and those that the owner names.

use crate::error::{Error, Kind};
use crate::paths::{Paths, IMAGE, JOB_FOLDER};
use crate::store;
use crate::system::room;
use crate::upgrade::verify::Candidate;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Takes the job's image over into our own folder. The job has ended: nobody else has it open.
pub fn take_over(paths: &Paths) -> Result<Candidate, Error> {
    let theirs = paths.real(JOB_FOLDER).join("firmware.bin");
    let ours = paths.real(IMAGE);
    let metadata =
        fs::symlink_metadata(&theirs).map_err(|error| Error::file(&theirs, "found", &error))?;
    if !metadata.is_file() || metadata.nlink() != 1 {
        return Err(Error::new(
            Kind::Internal,
            "What the job left behind is not a file of its own.",
        ));
    }
    fs::rename(&theirs, &ours).map_err(|error| Error::file(&ours, "written", &error))?;
    store::remove_folder(&paths.real(JOB_FOLDER))?;
    let owner = (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    );
    std::os::unix::fs::lchown(&ours, Some(owner.0), Some(owner.1))
        .and_then(|()| fs::set_permissions(&ours, fs::Permissions::from_mode(0o600)))
        .map_err(|error| Error::file(&ours, "taken over", &error))?;
    Candidate::open(paths, Path::new(IMAGE))
}

/// The file that the owner wants to be flashed. One that only we can change stays where it is in
/// /tmp: a copy would need its memory twice. Every other one is copied into our folder.
pub fn candidate(paths: &Paths, path: &Path) -> Result<Candidate, Error> {
    let candidate = Candidate::open(paths, path)?;
    if path == Path::new(IMAGE) || is_ours(paths, path)? {
        return Ok(candidate);
    }
    copy(paths, path)?;
    Candidate::open(paths, Path::new(IMAGE))
}

/// A file of ours directly in /tmp, which others can neither write to nor, since /tmp is sticky,
/// replace.
fn is_ours(paths: &Paths, path: &Path) -> Result<bool, Error> {
    let real = paths.real(path);
    let metadata =
        fs::symlink_metadata(&real).map_err(|error| Error::file(path, "looked at", &error))?;
    let private = metadata.mode() & 0o022 == 0 && metadata.nlink() == 1;
    let owned = metadata.uid() == nix::unistd::geteuid().as_raw();
    Ok(private && owned && real.parent() == Some(paths.real("/tmp").as_path()))
}

fn copy(paths: &Paths, path: &Path) -> Result<(), Error> {
    let unreadable = |error: std::io::Error| Error::file(path, "read", &error);
    let mut from = File::open(paths.real(path)).map_err(unreadable)?;
    room::require(paths, from.metadata().map_err(unreadable)?.len())?;
    let ours = paths.real(IMAGE);
    store::remove(&ours)?;
    let to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&ours);
    let copied = to.and_then(|mut to| std::io::copy(&mut from, &mut to));
    if let Err(error) = copied {
        store::remove(&ours)?;
        return Err(Error::file(&ours, "written", &error));
    }
    Ok(())
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
        fs::remove_file(&theirs).unwrap();
        fs::hard_link(paths.real("/mnt/secret"), &theirs).unwrap();
        assert_eq!(take_over(&paths).unwrap_err().kind, Kind::Internal);
        fs::remove_file(&theirs).unwrap();
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
}
