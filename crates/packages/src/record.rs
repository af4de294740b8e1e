//! The files line by line, apk's, opkg's and the world.
//!
//! apk's database has lines `X:value`, opkg's status file lines `Field: value`; a blank line ends
//! a record in both. The world is a list.

use crate::bytes::{
    ahead, before, behind, is, same, until, ANY, APK_FIELDS, BEGINS_APK, BEGINS_OPKG, NOT_IN_LIST,
    NOT_IN_WORD, OPKG_FIELDS, SPACE,
};
use crate::error::Fault;
use crate::list::Entries;
use crate::text::{
    append, push, Entry, Span, ABI, AUTOMATIC, BARE, DEPENDS, NAME, STATUS, VERSION,
};
use crate::{Database, Error, Installed, Style};

/// The tag OpenWrt's build puts the ABI version into, among apk's tags.
const ABI_TAG: &[u8] = b"openwrt:abiversion=";

/// The longest line that may be needed. Real ones with a name, a version or a list of dependencies
/// stay below 4 KiB. Of longer ones the beginning is looked at, and they are refused if they are needed.
const MAX_LINE: usize = 64 * 1024;

/// The longest name or version. They are answered over the bus and sent to the upgrade server; real
/// ones stay below 64 bytes.
const MAX_WORD: usize = 255;

/// What is kept of all records together, in bytes. 10,000 packages need some 2 MiB, the largest
/// router's database 200 KiB.
const MAX_TEXT: usize = 8 * 1024 * 1024;

/// What is known of the line that is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Nothing yet.
    Begins,
    /// It may be needed.
    Kept,
    /// It is not needed: nothing of it is in the text.
    Skipped,
}

/// Reads one file after the other, in pieces of any size.
pub struct Reader {
    pub(crate) set: Installed,
    /// The file that is being read.
    file: Database,
    /// Lines of it so far; once it turned out unreadable, the system's `errno`.
    pub(crate) number: u32,
    /// Where in the set's text the line begins that is being read, and the record.
    line: usize,
    record: usize,
    /// What is known of it.
    state: Line,
    /// Some line of the record was seen.
    begun: bool,
    entry: Entry,
}

impl Reader {
    /// Begins with this file.
    pub fn new(file: Database) -> Reader {
        Reader {
            set: Installed::new(file),
            file,
            number: 0,
            line: 0,
            record: 0,
            state: Line::Begins,
            begun: false,
            entry: Entry::default(),
        }
    }

    /// The file that is being read.
    pub fn file(&self) -> Database {
        self.file
    }

    /// Goes on with another file. The world comes after apk's database, a database only after one
    /// without packages.
    pub fn begin(&mut self, file: Database) {
        self.file = file;
        self.number = 0;
        self.line = self.set.text.len();
        self.record = self.line;
        self.set.begin(file);
    }

    /// Takes the next piece of the file.
    ///
    /// # Errors
    /// See [`Error`]. Nothing can be read after one.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.take(piece, before).map_err(|fault| self.error(fault))
    }

    /// The file has ended. The last record may lack its blank line, see [`Installed::is_cut_off`].
    ///
    /// # Errors
    /// As [`Reader::feed`], of the last record, and [`Error::Empty`].
    pub fn end(&mut self) -> Result<(), Error> {
        self.close().map_err(|fault| self.error(fault))
    }

    /// The last file has ended.
    ///
    /// # Errors
    /// As [`Reader::end`].
    pub fn finish(mut self) -> Result<Installed, Error> {
        self.end()?;
        Ok(self.set)
    }

    /// What was read so far.
    pub fn installed(&self) -> &Installed {
        &self.set
    }

    /// The same, to be listed.
    pub fn installed_mut(&mut self) -> &mut Installed {
        &mut self.set
    }

    /// The same, to keep.
    pub fn into_installed(self) -> Installed {
        self.set
    }

    /// A fault with its place.
    pub fn error(&self, fault: Fault) -> Error {
        fault.at(self.file, self.number)
    }

    pub(crate) fn unreadable(&mut self, file: Database, errno: i32) -> Fault {
        self.file = file;
        self.number = errno as u32;
        Fault::Unreadable
    }

    /// Each line whose first byte does not tell at once that it is not needed is put at the end of the set's text,
    /// and leaves it again if it is not.
    pub(crate) fn take(
        &mut self,
        mut piece: &[u8],
        before: impl Fn(&[u8], u8) -> &[u8],
    ) -> Result<(), Fault> {
        while let Some(&first) = piece.first() {
            if self.state == Line::Begins {
                let needed = match self.file {
                    Database::Apk => SPACE | BEGINS_APK,
                    Database::Opkg => SPACE | BEGINS_OPKG,
                    Database::World => ANY,
                };
                self.state = match is(first, needed) {
                    true => Line::Kept,
                    false => Line::Skipped,
                };
            }
            let part = before(piece, b'\n');
            if self.state == Line::Kept {
                let text = &mut self.set.text;
                let room = self.line + MAX_LINE + 1 - text.len();
                append(text, part.get(..room).unwrap_or(part))?;
            }
            match piece.get(part.len() + 1..) {
                Some(rest) => piece = rest,
                None => break,
            }
            self.end_line()?;
        }
        Ok(())
    }

    /// Ends a line, needed or not.
    fn end_line(&mut self) -> Result<(), Fault> {
        self.number = self.number.wrapping_add(1);
        if core::mem::replace(&mut self.state, Line::Begins) == Line::Kept {
            return self.keep_line();
        }
        self.begun = true;
        Ok(())
    }

    pub(crate) fn close(&mut self) -> Result<(), Fault> {
        if self.state != Line::Begins {
            self.end_line()?;
        }
        if self.file == Database::World {
            return self.set.mark();
        }
        self.set.cut_off = self.begun;
        self.end_record()?;
        match self.set.entries.is_empty() {
            true => Err(Fault::Empty),
            false => Ok(()),
        }
    }

    /// Ends a line that may be needed.
    #[inline(never)] // Most lines are not.
    fn keep_line(&mut self) -> Result<(), Fault> {
        let text = &mut self.set.text;
        let mut value = text.get(self.line..).unwrap_or(&[]);
        let long = value.len() > MAX_LINE;
        while let Some((_, rest)) = value.split_last().filter(|(&last, _)| is(last, SPACE)) {
            value = rest;
        }
        // The world's lines are lists like any other.
        let mut field = DEPENDS;
        if self.file != Database::World {
            if value.is_empty() && !long {
                return self.end_record();
            }
            // A line that begins with white space goes on with the field before it. opkg folds nothing
            // but lists of files and descriptions, and apk nothing at all.
            self.begun = true;
            let mut fields = match self.file {
                Database::Opkg => OPKG_FIELDS,
                _ => APK_FIELDS,
            };
            field = 0;
            loop {
                let Some((&len, rest)) = fields.split_first() else {
                    text.truncate(self.line);
                    return Ok(());
                };
                if rest.first() == value.first() {
                    let known = rest.get(..len as usize).unwrap_or(rest);
                    if let Some(rest) = behind(value, known) {
                        value = rest;
                        break;
                    }
                }
                fields = rest.get(len as usize..).unwrap_or(&[]);
                field += 1;
            }
        }
        while let Some((_, rest)) = value.split_first().filter(|(&first, _)| is(first, SPACE)) {
            value = rest;
        }
        let word = field <= VERSION;
        if long || (word && value.len() > MAX_WORD) {
            return Err(Fault::TooLong);
        }
        if text.len() > MAX_TEXT {
            return Err(Fault::TooLarge);
        }
        let bad = if word { NOT_IN_WORD } else { NOT_IN_LIST };
        if until(value, bad).len() != value.len() {
            return Err(Fault::BadText);
        }
        let value = Span::of(text, value);
        if self.file == Database::World {
            append(text, b" ")?;
        } else {
            match self.entry.fields.get_mut(field) {
                Some(place) if place.len == 0 => *place = value,
                _ => return Err(Fault::Doubled),
            }
        }
        self.line = text.len();
        Ok(())
    }

    /// The record is over: keeps it if it is complete and installed.
    fn end_record(&mut self) -> Result<(), Fault> {
        if self.begun {
            self.begun = false;
            if self.judge()? {
                push(&mut self.set.entries, self.entry)?;
            } else {
                self.set.text.truncate(self.record);
            }
            self.entry = Entry::default();
        }
        self.line = self.set.text.len();
        self.record = self.line;
        Ok(())
    }

    /// Whether the package is installed; finds out the rest of what is kept of it.
    fn judge(&mut self) -> Result<bool, Fault> {
        let (text, entry) = (&self.set.text, &mut self.entry);
        let mut abi = entry.fields[ABI].get(text);
        if self.file == Database::Opkg {
            let status = entry.fields[STATUS].get(text);
            if status.is_empty() {
                return Err(Fault::Incomplete);
            }
            if !is_present(status) {
                return Ok(false);
            }
            entry.wanted = !same(entry.fields[AUTOMATIC].get(text), b"yes");
        } else {
            let mut tags = Entries::new(abi, Style::Apk);
            abi = tags.find_map(|tag| behind(tag, ABI_TAG)).unwrap_or(&[]);
        }
        let name = entry.fields[NAME].get(text);
        if name.is_empty() || entry.fields[VERSION].get(text).is_empty() {
            return Err(Fault::Incomplete);
        }
        entry.fields[BARE] = Span::of(text, without_abi(name, abi));
        Ok(true)
    }
}

/// Whether the state, the last word of `Status: install user installed`, means that the
/// package's files are in place. `unpacked` counts as in opkg's own list: only its script has
/// not run yet, on a router that is booting for the first time.
fn is_present(status: &[u8]) -> bool {
    ahead(status, b" installed")
        .or(ahead(status, b" unpacked"))
        .is_some()
}

/// A package's name without the ABI version at its end. OpenWrt puts a dash between a name that
/// ends in a digit and its ABI version (`libsqlite3-0`); the tag holds it too, in some releases.
fn without_abi<'a>(name: &'a [u8], abi: &[u8]) -> &'a [u8] {
    match ahead(name, abi) {
        Some(bare) if !abi.is_empty() => match bare {
            [] | [b'-'] => name,
            [bare @ .., b'-'] => bare,
            bare => bare,
        },
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_abi_version_leaves_the_name() {
        for (name, abi, bare) in [
            ("libubox20260213", "20260213", "libubox"),
            ("libsqlite3-0", "-0", "libsqlite3"),
            ("libsqlite3-0", "0", "libsqlite3"),
            ("libpcap", "1", "libpcap"),
            ("luci", "", "luci"),
            ("1", "1", "1"),
            ("-1", "1", "-1"),
        ] {
            assert_eq!(
                without_abi(name.as_bytes(), abi.as_bytes()),
                bare.as_bytes(),
                "{name} {abi}"
            );
        }
    }

    #[test]
    fn an_overlong_line_is_known_for_one_wherever_the_pieces_end() {
        let db = |len: usize| {
            let mut text = b"P:a\nV:1\nD:".to_vec();
            text.resize(text.len() + len, b'x');
            text.extend_from_slice(b"\n\n");
            text
        };
        for (len, expected) in [
            (MAX_LINE - 2, Ok(())),
            (MAX_LINE - 1, Err(Error::TooLong(Database::Apk, 3))),
            (MAX_LINE * 2, Err(Error::TooLong(Database::Apk, 3))),
        ] {
            let text = db(len);
            for piece in [1, 7, MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, text.len()] {
                let mut reader = Reader::new(Database::Apk);
                let result = text.chunks(piece).try_for_each(|piece| reader.feed(piece));
                assert_eq!(result, expected, "{len} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_is_not_needed_leaves_nothing_behind() {
        let text = b"F:etc\nC:Q1=\nP:a\nT:text\nV:1\n\nP:b\nV:2\n\n";
        for piece in 1..text.len() {
            let mut reader = Reader::new(Database::Apk);
            for piece in text.chunks(piece) {
                reader.feed(piece).unwrap();
            }
            reader.end().unwrap();
            assert_eq!(reader.number, 9);
            assert_eq!(reader.set.text, b"P:aV:1P:bV:2");
        }
    }
}
