//! From the opened files to the installed set.

use crate::lines::Lines;
use crate::record::Record;
use crate::{Database, Error, Installed, WorldReader};

/// A file the caller has opened.
pub trait Source {
    /// Reads the next bytes into `buffer` and gives their number, 0 at the end, or the system's
    /// `errno`.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, i32>;
}

#[cfg(feature = "std")]
impl<R: std::io::Read> Source for R {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, i32> {
        loop {
            match std::io::Read::read(self, buffer) {
                Ok(len) => return Ok(len),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.raw_os_error().unwrap_or(0)),
            }
        }
    }
}

/// The files that say what is installed, opened; `None` where one is not there. Their places are
/// [`Database::path`].
pub struct Files<S> {
    /// [`Database::Apk`]
    pub apk: Option<S>,
    /// [`Database::World`]
    pub world: Option<S>,
    /// [`Database::Opkg`]
    pub opkg: Option<S>,
}

/// Reads what is installed. Where both databases are there apk's counts: it is the one that
/// newer releases came with, and opkg's is what an older one left behind. Only an apk database
/// without any package (`apk add --initdb` on a router that has opkg) gives way to opkg's.
///
/// # Errors
/// Whatever keeps a package from being known for certain, see [`Error`]. A world that is missing
/// is an error only to who asks for [`Installed::wanted`].
pub fn read<S: Source>(files: Files<S>) -> Result<Installed, Error> {
    let mut reader = Reader::new(Database::Apk);
    let mut result = Err(Error::NoDatabase);
    if let Some(mut apk) = files.apk {
        result = reader.drain(&mut apk);
    }
    match (result, files.opkg, files.world) {
        (Err(Error::NoDatabase | Error::Empty(_)), Some(mut opkg), _) => {
            // Nothing was read so far, or no more than blank lines.
            reader.lines = Lines::default();
            reader.record.set.become_opkg();
            reader.drain(&mut opkg)?;
        }
        (Ok(()), _, Some(mut source)) => {
            let mut world = WorldReader::default();
            drain(&mut source, Database::World, &mut |piece| world.feed(piece))?;
            world.end()?;
            reader.record.set.set_world(&world.world)?;
        }
        (result, ..) => result?,
    }
    Ok(reader.record.set)
}

#[inline(never)] // Once for both kinds of files.
fn drain(
    source: &mut dyn Source,
    database: Database,
    feed: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut buffer = [0; 4096];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => feed(buffer.get(..len).unwrap_or(&buffer))?,
            Err(errno) => return Err(Error::Unreadable(database, errno)),
        }
    }
}

/// Reads one database in pieces of any size.
pub struct Reader {
    lines: Lines,
    record: Record,
}

impl Reader {
    /// Begins with [`Database::Apk`] or [`Database::Opkg`]; the world has its own
    /// [`WorldReader`], and is taken for apk's database here.
    pub fn new(database: Database) -> Reader {
        let database = match database {
            Database::Opkg => Database::Opkg,
            Database::Apk | Database::World => Database::Apk,
        };
        Reader {
            lines: Lines::default(),
            record: Record::new(database),
        }
    }

    /// Takes the next piece of the file.
    ///
    /// # Errors
    /// See [`Error`]. Nothing can be read after one.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), Error> {
        let record = &mut self.record;
        let result = self.lines.feed(piece, &mut |line| record.line(line));
        result.map_err(|fault| fault.at(self.record.set.database(), self.lines.number))
    }

    /// The file has ended; the last record may lack its blank line.
    ///
    /// # Errors
    /// As [`Reader::feed`], of the last record, and [`Error::Empty`].
    pub fn finish(mut self) -> Result<Installed, Error> {
        self.end()?;
        Ok(self.record.set)
    }

    fn end(&mut self) -> Result<(), Error> {
        let record = &mut self.record;
        let mut result = self.lines.finish(&mut |line| record.line(line));
        if result.is_ok() {
            result = record.end();
        }
        let database = self.record.set.database();
        match result {
            Err(fault) => Err(fault.at(database, self.lines.number)),
            Ok(()) if self.record.set.entries().is_empty() => Err(Error::Empty(database)),
            Ok(()) => Ok(()),
        }
    }

    /// Reads a whole file.
    fn drain(&mut self, source: &mut dyn Source) -> Result<(), Error> {
        let database = self.record.set.database();
        drain(source, database, &mut |piece| self.feed(piece))?;
        self.end()
    }
}
