//! apk's world: what somebody asked for by name.

use alloc::vec::Vec;

use crate::lines::{Line, Lines};
use crate::list::Entries;
use crate::record::text;
use crate::{Database, Dependencies, Error, Style};

/// Names of a world, all together. 2,000 names need 40 KiB.
const MAX_TEXT: usize = 1024 * 1024;

/// The names in apk's world. Tags and constraints are left away, as are conflicts (`!name`): they
/// ask for nothing to be there.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Each name and a space.
    text: Vec<u8>,
}

impl World {
    /// The names, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        Dependencies::of_bytes(&self.text, Style::Apk).map(|asked| asked.name)
    }

    pub(crate) fn entries(&self) -> Entries<'_> {
        Entries::new(&self.text, Style::Apk)
    }

    fn line(&mut self, line: Line<'_>) -> Result<(), Error> {
        let entries = text(line.bytes, line, Database::World)?;
        for asked in Entries::new(entries, Style::Apk) {
            if asked.is_conflict() {
                continue;
            }
            let more = asked.name.len() + 1;
            if self.text.len() + more > MAX_TEXT {
                return Err(Error::TooLarge(Database::World));
            }
            self.text
                .try_reserve(more)
                .map_err(|_| Error::OutOfMemory)?;
            self.text.extend_from_slice(asked.name);
            self.text.push(b' ');
        }
        Ok(())
    }
}

/// Reads a world in pieces of any size.
#[derive(Default)]
pub struct WorldReader {
    lines: Lines,
    world: World,
}

impl WorldReader {
    /// Takes the next piece of the file.
    ///
    /// # Errors
    /// A line that is too long or no text, or too many names. Nothing can be read after that.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), Error> {
        let world = &mut self.world;
        self.lines.feed(piece, &mut |line| world.line(line))
    }

    /// The file has ended. An empty one is a world that asks for nothing.
    ///
    /// # Errors
    /// As [`WorldReader::feed`], of the last line.
    pub fn finish(mut self) -> Result<World, Error> {
        let world = &mut self.world;
        self.lines.finish(&mut |line| world.line(line))?;
        Ok(self.world)
    }
}
