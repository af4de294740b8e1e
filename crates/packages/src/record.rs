//! A record while its lines come in, apk's or opkg's.
//!
//! apk's database has lines `X:value`, opkg's status file lines `Field: value`; a blank line ends
//! a record in both.

use crate::installed::{Entry, Span, NAME, VERSION};
use crate::lines::{is_printable, Line};
use crate::list::{split, Entries};
use crate::{Database, Error, Installed, Style};

/// opkg's fields that are kept, in the order of [`Entry::fields`], and two more.
const OPKG_FIELDS: &[u8] =
    b"Package Version Depends Provides Architecture ABIVersion Status Auto-Installed";

/// The tag OpenWrt's build puts the ABI version into, among apk's tags.
const ABI_TAG: &[u8] = b"openwrt:abiversion=";

/// The longest name or version. They are answered over the bus and sent to the upgrade server; real
/// ones stay below 64 bytes.
const MAX_WORD: usize = 255;

/// What the lines of the present record said so far.
pub(crate) struct Record {
    pub set: Installed,
    fields: [Span; 8],
    /// Some line of the record was seen.
    begun: bool,
    /// Where the set's text ended before this record.
    start: usize,
}

impl Record {
    pub fn new(database: Database) -> Record {
        Record {
            set: Installed::new(database),
            fields: Default::default(),
            begun: false,
            start: 0,
        }
    }

    /// Takes the next line.
    pub fn line(&mut self, line: Line<'_>) -> Result<(), Error> {
        // A line that begins with white space goes on with the field before it. opkg folds nothing
        // but lists of files and descriptions, and apk nothing at all.
        if line.bytes.first().is_none_or(u8::is_ascii_whitespace)
            && line.bytes.trim_ascii_start().is_empty()
            && line.whole
        {
            return self.end(line.number);
        }
        self.begun = true;
        let (field, value) = match self.set.database() {
            Database::Opkg => {
                let head = line.bytes.get(..16).unwrap_or(line.bytes);
                let (key, _) = split(head, |byte| byte == b':');
                let mut fields = OPKG_FIELDS.split(|&byte| byte == b' ');
                (
                    fields.position(|field| field == key),
                    line.bytes.get(key.len() + 1..),
                )
            }
            Database::Apk | Database::World => match line.bytes {
                [letter, b':', value @ ..] => (apk_field(*letter), Some(value)),
                _ => (None, None),
            },
        };
        match (field, value) {
            (Some(field), Some(value)) => self.put(field, value, line),
            _ => Ok(()),
        }
    }

    fn put(&mut self, field: usize, value: &[u8], line: Line<'_>) -> Result<(), Error> {
        let database = self.set.database();
        let value = text(value, line, database)?;
        if field == NAME || field == VERSION {
            if value.len() > MAX_WORD {
                return Err(Error::TooLong(database, line.number));
            }
            if value.iter().any(u8::is_ascii_whitespace) {
                return Err(Error::BadText(database, line.number));
            }
        }
        let added = self.set.append(value)?;
        match self.fields.get_mut(field) {
            Some(place) if place.len == 0 => *place = added,
            _ => return Err(Error::Doubled(database, line.number)),
        }
        Ok(())
    }

    /// The record is over: keeps it if it is complete and installed.
    pub fn end(&mut self, number: u32) -> Result<(), Error> {
        if !self.begun {
            return Ok(());
        }
        self.begun = false;
        let [fields @ .., status, automatic] = core::mem::take(&mut self.fields);
        let opkg = self.set.database() == Database::Opkg;
        let incomplete = Err(Error::Incomplete(self.set.database(), number));
        if opkg && status.len == 0 {
            return incomplete;
        }
        if opkg && !is_present(self.set.get(status)) {
            self.set.truncate(self.start);
            return Ok(());
        }
        let [name, version, ..] = fields;
        if name.len == 0 || version.len == 0 {
            return incomplete;
        }
        let bare = self.bare(fields).len() as u32;
        let wanted = opkg && self.set.get(automatic) != b"yes";
        self.set.push(Entry {
            fields,
            bare,
            wanted,
        })?;
        self.start = self.set.text_len();
        Ok(())
    }

    /// The name without its ABI version.
    fn bare(&self, fields: [Span; 6]) -> &[u8] {
        let [name, .., abi] = fields;
        let mut abi = self.set.get(abi);
        if self.set.database() != Database::Opkg {
            let mut tags = abi.split(|&byte| byte == b' ');
            abi = tags
                .find_map(|tag| tag.strip_prefix(ABI_TAG))
                .unwrap_or(&[]);
        }
        without_abi(self.set.get(name), abi)
    }
}

/// apk's letters, in the order of the fields.
fn apk_field(letter: u8) -> Option<usize> {
    Some(match letter {
        b'P' => NAME,
        b'V' => VERSION,
        b'D' => 2,
        b'p' => 3,
        b'A' => 4,
        b'g' => 5,
        _ => return None,
    })
}

/// A value without the white space around it. Only printable ASCII is taken: nothing else stands
/// in a name, a version or a list of them, unless the file is damaged.
pub(crate) fn text<'a>(
    value: &'a [u8],
    line: Line<'_>,
    database: Database,
) -> Result<&'a [u8], Error> {
    if !line.whole {
        return Err(Error::TooLong(database, line.number));
    }
    let value = value.trim_ascii();
    if is_printable(value) {
        Ok(value)
    } else {
        Err(Error::BadText(database, line.number))
    }
}

/// Whether the state, the third word of `Status: install user installed`, means that the
/// package's files are in place. `unpacked` counts as in opkg's own list: only its script has
/// not run yet, on a router that is booting for the first time.
fn is_present(status: &[u8]) -> bool {
    let state = Entries::new(status, Style::Apk).nth(2);
    state.is_some_and(|state| matches!(state.text, b"installed" | b"unpacked"))
}

/// A package's name without the ABI version at its end. OpenWrt puts a dash between a name that
/// ends in a digit and its ABI version (`libsqlite3-0`); the tag holds it too, in some releases.
fn without_abi<'a>(name: &'a [u8], abi: &[u8]) -> &'a [u8] {
    match name.strip_suffix(abi) {
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
            assert_eq!(
                without_abi(name.as_bytes(), abi.as_bytes()),
                bare.as_bytes(),
                "{name} {abi}"
            );
        }
    }
}
