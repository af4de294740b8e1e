//! apk's world: what somebody asked for by name.

use alloc::vec::Vec;

use crate::error::Fault;
use crate::lines::{append, Lines};
use crate::list::Entries;
use crate::record::text;
use crate::{Database, Dependencies, Error, Style};

/// A world as a whole. 2,000 names need 40 KiB.
const MAX_TEXT: usize = 1024 * 1024;

/// The names in apk's world. Tags and constraints are left away, as are conflicts (`!name`): they
/// ask for nothing to be there.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Its lines, with spaces for newlines.
    text: Vec<u8>,
}

impl World {
    /// The names, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        Dependencies::of_bytes(&self.text, Style::Apk)
            .filter(|asked| !asked.conflict)
            .map(|asked| asked.name)
    }

    pub(crate) fn entries(&self) -> Entries<'_> {
        Entries::new(&self.text, Style::Apk)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        let entries = text(line, 0)?;
        if self.text.len() + entries.len() > MAX_TEXT {
            return Err(Fault::TooLarge);
        }
        append(&mut self.text, entries)?;
        append(&mut self.text, b" ")
    }
}

/// Reads a world in pieces of any size.
#[derive(Default)]
pub struct WorldReader {
    lines: Lines,
    pub(crate) world: World,
}

impl WorldReader {
    /// Takes the next piece of the file.
    ///
    /// # Errors
    /// A line that is too long or no text, or too many names. Nothing can be read after that.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), Error> {
        let world = &mut self.world;
        let result = self.lines.feed(piece, &mut |line| world.line(line));
        self.at(result)
    }

    /// The file has ended. An empty one is a world that asks for nothing.
    ///
    /// # Errors
    /// As [`WorldReader::feed`], of the last line.
    pub fn finish(mut self) -> Result<World, Error> {
        self.end()?;
        Ok(self.world)
    }

    pub(crate) fn end(&mut self) -> Result<(), Error> {
        let world = &mut self.world;
        let result = self.lines.finish(&mut |line| world.line(line));
        self.at(result)
    }

    fn at(&self, result: Result<(), Fault>) -> Result<(), Error> {
        result.map_err(|fault| fault.at(Database::World, self.lines.number))
    }
}
