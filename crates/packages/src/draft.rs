//! A record while its lines come in.

use crate::installed::{Entry, Span};
use crate::lines::Line;
use crate::{Database, Error, Installed};

/// Names and versions are answered over the bus and sent to the upgrade server. Real ones stay
/// below 64 bytes.
const MAX_WORD: usize = 255;

/// A field that is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Name,
    Version,
    Arch,
    Abi,
    Provides,
    Depends,
}

/// What the lines of the present record said so far.
pub(crate) struct Draft {
    pub set: Installed,
    entry: Entry,
    abi: Span,
    /// Whether it is really installed, where the database has a state for that.
    pub present: Option<bool>,
    /// Whether opkg installed it on its own, for another package's sake.
    pub automatic: bool,
    /// Some line of the record was seen.
    begun: bool,
    /// The set's text before this record.
    start: usize,
}

impl Draft {
    pub fn new(database: Database) -> Draft {
        // apk's database holds what is installed and nothing else.
        let present = (database == Database::Apk).then_some(true);
        let set = Installed::new(database);
        Draft {
            set,
            entry: Entry::default(),
            abi: Span::default(),
            present,
            automatic: false,
            begun: false,
            start: 0,
        }
    }

    /// Notes that the record has begun, with whatever line.
    pub fn begin(&mut self) {
        self.begun = true;
    }

    /// Takes a field's value from its line.
    pub fn put(&mut self, field: Field, value: &[u8], line: Line<'_>) -> Result<(), Error> {
        let db = self.set.database();
        let value = text(value, line, db)?;
        let list = matches!(field, Field::Provides | Field::Depends);
        if !list && value.len() > MAX_WORD {
            return Err(Error::TooLong(db, line.number));
        }
        if !list && value.bytes().any(|byte| byte == b' ' || byte == b'\t') {
            return Err(Error::BadText(db, line.number));
        }
        let place = match field {
            Field::Name => &mut self.entry.name,
            Field::Version => &mut self.entry.version,
            Field::Arch => &mut self.entry.arch,
            Field::Abi => &mut self.abi,
            Field::Provides => &mut self.entry.provides,
            Field::Depends => &mut self.entry.depends,
        };
        if place.len != 0 {
            return Err(Error::Doubled(db, line.number));
        }
        *place = self.set.append(Span::default(), value)?;
        Ok(())
    }

    /// The record is over: keeps it if it is complete and installed.
    pub fn end(&mut self, number: u32) -> Result<(), Error> {
        if !self.begun {
            return Ok(());
        }
        let incomplete = Error::Incomplete(self.set.database(), number);
        if self.present.ok_or(incomplete)? {
            if self.entry.name.len == 0 || self.entry.version.len == 0 {
                return Err(incomplete);
            }
            let name = self.set.get(self.entry.name);
            self.entry.bare = without_abi(name, self.set.get(self.abi)).len() as u32;
            self.entry.wanted = self.set.database() == Database::Opkg && !self.automatic;
            self.set.push(self.entry)?;
        } else {
            self.set.truncate(self.start);
        }
        self.entry = Entry::default();
        self.abi = Span::default();
        self.begun = false;
        self.automatic = false;
        if self.set.database() == Database::Opkg {
            self.present = None;
        }
        self.start = self.set.text_len();
        Ok(())
    }
}

/// A value without the white space around it. Only printable ASCII is taken: nothing else stands
/// in a name, a version or a list of them, unless the file is damaged.
pub(crate) fn text<'a>(value: &'a [u8], line: Line<'_>, db: Database) -> Result<&'a str, Error> {
    if !line.whole {
        return Err(Error::TooLong(db, line.number));
    }
    let value = value.trim_ascii();
    let plain = value
        .iter()
        .all(|&byte| matches!(byte, b' '..=b'~' | b'\t'));
    let value = core::str::from_utf8(value).ok().filter(|_| plain);
    value.ok_or(Error::BadText(db, line.number))
}

/// A package's name without the ABI version at its end. OpenWrt puts a dash between a name that
/// ends in a digit and its ABI version (`libsqlite3-0`); the tag holds it too, in some releases.
fn without_abi<'a>(name: &'a str, abi: &str) -> &'a str {
    match name.strip_suffix(abi) {
        Some(bare) if !abi.is_empty() => {
            let bare = bare.strip_suffix("-").unwrap_or(bare);
            if bare.is_empty() {
                name
            } else {
                bare
            }
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::without_abi;

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
            assert_eq!(without_abi(name, abi), bare, "{name} {abi}");
        }
    }
}
