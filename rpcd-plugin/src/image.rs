//! Which file may be flashed: one that nobody but root could have put there, or can change.

use alloc::vec::Vec;
use core::ffi::{c_char, c_int};
use core::mem::MaybeUninit;

/// Longer paths are nobody's image.
const MAX_PATH: usize = 1024;

/// Which bits of a mode let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;

/// A file that kept to the rules when it was looked at.
pub struct Image {
    /// With a NUL at its end.
    path: Vec<u8>,
    seen: Seen,
}

/// What tells a file from another one, or from itself changed.
#[derive(PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// Why a file may not be flashed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The path does not lead straight below /tmp.
    Path,
    /// There is nothing of that name.
    Missing,
    /// It is a directory, a device, a symlink or another thing that is no file.
    NoFile,
    /// Somebody else owns it or may write to it.
    Open,
    /// As [`Refused::Open`], but a directory on the way to it.
    OpenDirectory,
    /// It is not the file that was looked at before.
    Changed,
    /// No memory for the path.
    Memory,
}

impl Refused {
    pub fn message(self) -> &'static str {
        match self {
            Refused::Path => {
                "The image must lie below /tmp, named without \".\", \"..\" or \"//\"."
            }
            Refused::Missing => "There is no such image; it must be uploaded or downloaded first.",
            Refused::NoFile => "The image must be a regular file, and no part of its path a link.",
            Refused::Open => "The image must belong to root, and nobody else may write to it.",
            Refused::OpenDirectory => {
                "The image's folder must belong to root, and nobody else may write to it."
            }
            Refused::Changed => "The image was changed while it was being checked.",
            Refused::Memory => "There is not enough memory to check the image.",
        }
    }
}

impl Image {
    /// Looks at a file. No step of its path is followed if it is a symlink, and none may be one
    /// that another user can exchange.
    pub fn look(path: &[u8]) -> Result<Image, Refused> {
        if path.len() > MAX_PATH {
            return Err(Refused::Path);
        }
        let mut copy = Vec::new();
        copy.try_reserve_exact(path.len() + 1)
            .map_err(|_| Refused::Memory)?;
        copy.extend_from_slice(path);
        copy.push(0);
        let mut parts = path.split(|&byte| byte == b'/');
        if (parts.next(), parts.next()) != (Some(b""), Some(b"tmp")) {
            return Err(Refused::Path);
        }
        let mut at = Handle::open(libc::AT_FDCWD, b"/tmp\0")?;
        // Others may create files in /tmp itself, but only exchange their own (sticky).
        let mut sticky = at.status.st_mode & libc::S_ISVTX != 0;
        let mut start = b"/tmp/".len();
        for part in parts {
            at.expect_directory(sticky)?;
            sticky = false;
            if matches!(part, b"" | b"." | b"..") {
                return Err(Refused::Path);
            }
            let end = start + part.len();
            // Ends the name where the path goes on, for as long as it is looked up.
            let after = set(&mut copy, end, 0);
            at = Handle::open(at.fd, copy.get(start..=end).ok_or(Refused::Path)?)?;
            set(&mut copy, end, after);
            start = end + 1;
        }
        Ok(Image {
            seen: at.expect_image()?,
            path: copy,
        })
    }

    /// Looks at it again: it must be the same file, unchanged.
    pub fn look_again(&self) -> Result<(), Refused> {
        let now = Image::look(self.path.strip_suffix(b"\0").unwrap_or(&[]))?;
        if now.seen == self.seen {
            Ok(())
        } else {
            Err(Refused::Changed)
        }
    }

    /// The path, for C: with a NUL at its end.
    pub fn path(&self) -> *const c_char {
        self.path.as_ptr().cast()
    }
}

/// An object of the file system that is held, not opened: neither a pipe nor a device notices.
struct Handle {
    fd: c_int,
    status: libc::stat,
}

impl Handle {
    /// The name must end with NUL.
    fn open(at: c_int, name: &[u8]) -> Result<Handle, Refused> {
        let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        // SAFETY: the name ends with NUL.
        let fd = unsafe { libc::openat(at, name.as_ptr().cast(), flags) };
        if fd < 0 {
            return Err(Refused::Missing);
        }
        let mut status = MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: the descriptor was just opened, and there is room for what fstat writes.
        let failed = unsafe { libc::fstat(fd, status.as_mut_ptr()) } != 0;
        // SAFETY: all of it was zero at least, which is a valid value of each of its fields.
        let status = unsafe { status.assume_init() };
        let handle = Handle { fd, status };
        if failed {
            return Err(Refused::Missing);
        }
        Ok(handle)
    }

    fn is(&self, kind: libc::mode_t) -> bool {
        self.status.st_mode & libc::S_IFMT == kind
    }

    fn is_roots_alone(&self) -> bool {
        self.status.st_uid == 0 && self.status.st_mode & OTHERS_WRITE == 0
    }

    fn expect_directory(&self, sticky: bool) -> Result<(), Refused> {
        if !self.is(libc::S_IFDIR) {
            return Err(Refused::NoFile);
        }
        if self.is_roots_alone() || sticky && self.status.st_uid == 0 {
            Ok(())
        } else {
            Err(Refused::OpenDirectory)
        }
    }

    #[allow(
        clippy::unnecessary_cast,
        clippy::useless_conversion,
        reason = "these fields have another width on 32-bit targets"
    )]
    fn expect_image(&self) -> Result<Seen, Refused> {
        if !self.is(libc::S_IFREG) {
            return Err(Refused::NoFile);
        }
        if !self.is_roots_alone() {
            return Err(Refused::Open);
        }
        Ok(Seen {
            device: self.status.st_dev as u64,
            inode: self.status.st_ino as u64,
            size: self.status.st_size as u64,
            changed: (
                self.status.st_ctime as i64,
                self.status.st_ctime_nsec as i64,
            ),
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours.
        unsafe { libc::close(self.fd) };
    }
}

/// Exchanges a byte, and gives the one before.
fn set(bytes: &mut [u8], at: usize, byte: u8) -> u8 {
    bytes
        .get_mut(at)
        .map_or(0, |place| core::mem::replace(place, byte))
}
