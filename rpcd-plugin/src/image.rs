//! Which file may be flashed: one that nobody but root could have put there, or can change.

use packages::same;

use crate::refused::Refused;

/// Longer paths are nobody's image.
pub const MAX_PATH: usize = 1024;

/// Which bits of a mode let others than the owner write.
const OTHERS_WRITE: libc::mode_t = 0o022;

/// Looks at a file, and leaves in `status` what lstat gives for it. No step of its path may be a
/// symlink, and none such that another user can exchange it. The path has a NUL at its end; it is cut
/// short while it is looked at, and comes back as it was if nothing is wrong with it.
pub fn look(path: &mut [u8], status: &mut libc::stat) -> Result<(), Refused> {
    // Others may create files in /tmp itself, but only exchange their own (sticky).
    let mut allowed = libc::S_ISVTX;
    let mut begin = 1;
    for end in 1..path.len() {
        let byte = path.get(end).copied().unwrap_or(0);
        if byte != b'/' && byte != 0 {
            continue;
        }
        set(path, end, 0);
        let below_tmp = begin > 1 || same(path.get(..5).unwrap_or(&[]), b"/tmp\0");
        if !below_tmp || matches!(path.get(begin..end), None | Some(b"" | b"." | b"..")) {
            return Err(Refused::Path);
        }
        // SAFETY: the name ends with NUL, and there is room for what lstat writes.
        let result = unsafe { libc::lstat(path.as_ptr().cast(), status) };
        set(path, end, byte);
        if result != 0 {
            return Err(Refused::Missing);
        }
        let kind = status.st_mode & libc::S_IFMT;
        let last = byte == 0;
        if kind != if last { libc::S_IFREG } else { libc::S_IFDIR } {
            return Err(Refused::NoFile);
        }
        if status.st_uid != 0 || status.st_mode & OTHERS_WRITE != 0 && status.st_mode & allowed == 0
        {
            return Err(Refused::Open);
        }
        if last {
            return Ok(());
        }
        allowed = 0;
        begin = end + 1;
    }
    Err(Refused::Path)
}

/// Whether both are of the same file, unchanged.
pub fn is_same(a: &libc::stat, b: &libc::stat) -> bool {
    a.st_ino == b.st_ino
        && a.st_size == b.st_size
        && a.st_ctime == b.st_ctime
        && a.st_ctime_nsec == b.st_ctime_nsec
        && a.st_dev == b.st_dev
}

fn set(bytes: &mut [u8], at: usize, byte: u8) {
    if let Some(place) = bytes.get_mut(at) {
        *place = byte;
    }
}
