//! Which file may be flashed: one that nobody but root could have put there, or can change.

use core::mem::MaybeUninit;

use crate::refused::Refused;

/// Longer paths are nobody's image.
pub const MAX_PATH: usize = 1024;

/// Which bits of a mode let others than the owner write.
const OTHERS_WRITE: libc::mode_t = 0o022;

/// What tells a file that kept to the rules from another one, or from itself changed.
#[derive(PartialEq, Eq)]
pub struct Seen {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// Looks at a file. No step of its path may be a symlink, and none such that another user can
/// exchange it. The path has a NUL at its end; it is cut short while it is looked at, and comes back
/// as it was if nothing is wrong with it.
pub fn look(path: &mut [u8]) -> Result<Seen, Refused> {
    // Others may create files in /tmp itself, but only exchange their own (sticky).
    let mut allowed = libc::S_ISVTX;
    let mut begin = 1;
    let mut end = 0;
    while end + 1 < path.len() {
        end += 1;
        let byte = set(path, end, 0);
        if byte != b'/' && byte != 0 {
            set(path, end, byte);
            continue;
        }
        let part = path.get(begin..end).unwrap_or(&[]);
        let below_tmp = begin > 1 || path.starts_with(b"/tmp\0");
        if !below_tmp || matches!(part, b"" | b"." | b"..") {
            return Err(Refused::Path);
        }
        let status = status(path)?;
        set(path, end, byte);
        let kind = status.st_mode & libc::S_IFMT;
        let last = byte == 0;
        if kind != if last { libc::S_IFREG } else { libc::S_IFDIR } {
            return Err(Refused::NoFile);
        }
        let open = status.st_mode & OTHERS_WRITE != 0 && status.st_mode & allowed == 0;
        if status.st_uid != 0 || open {
            return Err(Refused::Open);
        }
        if last {
            return Ok(seen(&status));
        }
        allowed = 0;
        begin = end + 1;
    }
    Err(Refused::Path)
}

/// What is known of the file with this name, which must end with NUL; of a symlink itself.
fn status(path: &[u8]) -> Result<libc::stat, Refused> {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the name ends with NUL, and there is room for what lstat writes.
    if unsafe { libc::lstat(path.as_ptr().cast(), status.as_mut_ptr()) } != 0 {
        return Err(Refused::Missing);
    }
    // SAFETY: all of it was zero at least, which is a valid value of each of its fields.
    Ok(unsafe { status.assume_init() })
}

#[allow(
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "these fields have another width on 32-bit targets"
)]
fn seen(status: &libc::stat) -> Seen {
    Seen {
        device: status.st_dev as u64,
        inode: status.st_ino as u64,
        size: status.st_size as u64,
        changed: (status.st_ctime as i64, status.st_ctime_nsec as i64),
    }
}

/// Exchanges a byte, and gives the one before.
fn set(bytes: &mut [u8], at: usize, byte: u8) -> u8 {
    bytes
        .get_mut(at)
        .map_or(0, |place| core::mem::replace(place, byte))
}
