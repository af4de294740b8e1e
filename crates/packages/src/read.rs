//! From the files to the installed set.

use crate::bytes::before;
use crate::error::Fault;
use crate::{Database, Reader};

/// The router's files, one of them open at a time. Their places are [`Database::path`].
pub trait Source {
    /// Opens a file in place of the one before; false where there is none. An error is the
    /// system's `errno`.
    fn open(&mut self, file: Database) -> Result<bool, i32>;

    /// Reads the next bytes into `buffer` and gives their number, 0 at the end, or the system's
    /// `errno`.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, i32>;

    /// What stands before the first such byte. Nearly all of a database is passed over with it: who has
    /// another way that is fast brings it along.
    fn before(text: &[u8], end: u8) -> &[u8] {
        before(text, end)
    }
}

impl Reader {
    /// Reads what is installed and, if `world` says so, what was asked for. Where both databases
    /// are there apk's counts: it is the one that newer releases came with, and opkg's is what an
    /// older one left behind. Only an apk database without any package (`apk add --initdb` on a
    /// router that has opkg) gives way to opkg's. A file that does not count is not opened.
    ///
    /// # Errors
    /// Whatever keeps a package from being known for certain; [`Reader::error`] makes an
    /// [`Error`](crate::Error) of it. After [`Fault::NoWorld`] all else is known.
    pub fn read(&mut self, source: &mut impl Source, world: bool) -> Result<(), Fault> {
        let mut result = self.load(source, Database::Apk);
        if matches!(result, Err(Fault::NoDatabase | Fault::Empty)) {
            match self.load(source, Database::Opkg) {
                Err(Fault::NoDatabase) => {}
                of_opkg => return of_opkg,
            }
        } else if result.is_ok() && world {
            result = self.load(source, Database::World);
            if result == Err(Fault::NoDatabase) {
                result = Err(Fault::NoWorld);
            }
        }
        result
    }

    /// Reads a whole file.
    fn load<S: Source>(&mut self, source: &mut S, file: Database) -> Result<(), Fault> {
        let mut buffer = [0; 4096];
        let errno = match source.open(file) {
            Ok(false) => return Err(Fault::NoDatabase),
            Ok(true) => {
                self.begin(file);
                loop {
                    match source.read(&mut buffer) {
                        Ok(0) => {
                            self.close()?;
                            return match self.set.cut_off {
                                true => Err(Fault::CutOff),
                                false => Ok(()),
                            };
                        }
                        Ok(len) => self.take(buffer.get(..len).unwrap_or(&buffer), S::before)?,
                        Err(errno) => break errno,
                    }
                }
            }
            Err(errno) => errno,
        };
        Err(self.unreadable(file, errno))
    }
}

/// Opened files; `None` where one is not there.
#[cfg(feature = "std")]
#[derive(Debug, Default)]
pub struct Files<R> {
    /// [`Database::Apk`]
    pub apk: Option<R>,
    /// [`Database::World`]
    pub world: Option<R>,
    /// [`Database::Opkg`]
    pub opkg: Option<R>,
}

/// Reads what is installed and asked for from opened files, see [`Reader::read`].
///
/// # Errors
/// As [`read_from`].
#[cfg(feature = "std")]
pub fn read<R: std::io::Read>(files: Files<R>) -> Result<crate::Installed, crate::Error> {
    read_from(&mut Opened {
        files,
        current: None,
    })
}

/// Reads what is installed and asked for, see [`Reader::read`].
///
/// # Errors
/// As [`Reader::read`], but a world that is missing is an error only to who asks for
/// [`Installed::wanted`](crate::Installed::wanted).
pub fn read_from(source: &mut impl Source) -> Result<crate::Installed, crate::Error> {
    let mut reader = Reader::new(Database::Apk);
    match reader.read(source, true) {
        Ok(()) | Err(Fault::NoWorld) => Ok(reader.into_installed()),
        Err(fault) => Err(reader.error(fault)),
    }
}

#[cfg(feature = "std")]
struct Opened<R> {
    files: Files<R>,
    current: Option<R>,
}

#[cfg(feature = "std")]
impl<R: std::io::Read> Source for Opened<R> {
    fn open(&mut self, file: Database) -> Result<bool, i32> {
        self.current = match file {
            Database::Apk => self.files.apk.take(),
            Database::World => self.files.world.take(),
            Database::Opkg => self.files.opkg.take(),
        };
        Ok(self.current.is_some())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, i32> {
        match &mut self.current {
            Some(file) => read_some(file, buffer),
            None => Ok(0),
        }
    }
}

/// The next bytes of a file as [`Source::read`] gives them.
///
/// # Errors
/// The system's `errno`, 0 where it gave none.
#[cfg(feature = "std")]
pub fn read_some(file: &mut impl std::io::Read, buffer: &mut [u8]) -> Result<usize, i32> {
    loop {
        match file.read(buffer) {
            Ok(len) => return Ok(len),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.raw_os_error().unwrap_or(0)),
        }
    }
}
