//! Which file may be flashed: one that nobody but root could have put there, or can change.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::{c_int, CStr};
use core::mem::MaybeUninit;

/// Longer paths are nobody's image.
const MAX_PATH: usize = 1024;

/// Which bits of a mode let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;

/// A file that kept to the rules when it was looked at.
pub struct Image {
    path: CString,
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
        let below = path.strip_prefix(b"/tmp/").ok_or(Refused::Path)?;
        let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
        if path.len() > MAX_PATH || !below.split(|&byte| byte == b'/').all(plain) {
            return Err(Refused::Path);
        }
        let mut at = Handle::open(libc::AT_FDCWD, c"/tmp")?;
        // Others may create files in /tmp itself, but only exchange their own (sticky).
        let sticky = at.status.st_mode & libc::S_ISVTX != 0;
        at.expect_directory(sticky)?;
        let mut parts = below.split(|&byte| byte == b'/').peekable();
        while let Some(part) = parts.next() {
            at = Handle::open(at.fd, &terminated(part)?)?;
            if parts.peek().is_some() {
                at.expect_directory(false)?;
            }
        }
        let path = terminated(path)?;
        Ok(Image {
            path,
            seen: at.expect_image()?,
        })
    }

    /// Looks at it again: it must be the same file, unchanged.
    pub fn look_again(&self) -> Result<(), Refused> {
        let now = Image::look(self.path.to_bytes())?;
        if now.seen == self.seen {
            Ok(())
        } else {
            Err(Refused::Changed)
        }
    }

    pub fn path(&self) -> &CStr {
        &self.path
    }
}

/// An object of the file system that is held, not opened: neither a pipe nor a device notices.
struct Handle {
    fd: c_int,
    status: libc::stat,
}

impl Handle {
    fn open(at: c_int, name: &CStr) -> Result<Handle, Refused> {
        let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        // SAFETY: the name ends with NUL.
        let fd = unsafe { libc::openat(at, name.as_ptr(), flags) };
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

/// A copy with a NUL at its end. blobmsg's strings have none inside.
fn terminated(text: &[u8]) -> Result<CString, Refused> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(text.len() + 1)
        .map_err(|_| Refused::Memory)?;
    copy.extend_from_slice(text);
    copy.push(0);
    CString::from_vec_with_nul(copy).map_err(|_| Refused::Path)
}
