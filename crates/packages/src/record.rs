//! A record while its lines come in, apk's or opkg's.
//!
//! apk's database has lines `X:value`, opkg's status file lines `Field: value`; a blank line ends
//! a record in both.

use crate::error::Fault;
use crate::installed::{Entry, ABI, ARCH, AUTOMATIC, DEPENDS, NAME, PROVIDES, STATUS, VERSION};
use crate::lines::{printable, MAX_LINE};
use crate::list::{head, Entries};
use crate::{Database, Installed, Style};

/// opkg's fields that are kept, in the order of [`Entry::fields`].
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
    entry: Entry,
    /// Some line of the record was seen.
    begun: bool,
    /// Where the set's text ended before this record.
    start: usize,
}

impl Record {
    pub fn new(database: Database) -> Record {
        Record {
            set: Installed::new(database),
            entry: Entry::default(),
            begun: false,
            start: 0,
        }
    }

    /// Takes the next line.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        if line.iter().all(u8::is_ascii_whitespace) && line.len() <= MAX_LINE {
            return self.end();
        }
        // A line that begins with white space goes on with the field before it. opkg folds nothing
        // but lists of files and descriptions, and apk nothing at all.
        self.begun = true;
        let (field, key) = match (self.set.database(), line) {
            (Database::Opkg, _) => opkg_field(line),
            (_, [letter, b':', ..]) => (apk_field(*letter), 1),
            _ => return Ok(()),
        };
        match field {
            Some(field) => self.put(field, text(line, key + 1)?),
            None => Ok(()),
        }
    }

    fn put(&mut self, field: usize, value: &[u8]) -> Result<(), Fault> {
        if field <= VERSION {
            if value.len() > MAX_WORD {
                return Err(Fault::TooLong);
            }
            if value.iter().any(u8::is_ascii_whitespace) {
                return Err(Fault::BadText);
            }
        }
        match self.entry.fields.get_mut(field) {
            Some(place) if place.len == 0 => *place = self.set.append(value)?,
            _ => return Err(Fault::Doubled),
        }
        Ok(())
    }

    /// The record is over: keeps it if it is complete and installed.
    pub fn end(&mut self) -> Result<(), Fault> {
        if !self.begun {
            return Ok(());
        }
        self.begun = false;
        let kept = self.judge()?;
        if kept {
            self.set.push(&self.entry)?;
        } else {
            self.set.truncate(self.start);
        }
        self.start = self.set.text_len();
        self.entry = Entry::default();
        Ok(())
    }

    /// Whether the package is installed; finds out the rest of what is kept of it.
    fn judge(&mut self) -> Result<bool, Fault> {
        let (set, entry) = (&self.set, &mut self.entry);
        let mut abi = set.get(entry, ABI);
        if set.database() == Database::Opkg {
            let status = set.get(entry, STATUS);
            if status.is_empty() {
                return Err(Fault::Incomplete);
            }
            if !is_present(status) {
                return Ok(false);
            }
            entry.wanted = set.get(entry, AUTOMATIC) != b"yes";
        } else {
            let mut tags = Entries::new(abi, Style::Apk);
            abi = tags
                .find_map(|tag| tag.strip_prefix(ABI_TAG))
                .unwrap_or(&[]);
        }
        let name = set.get(entry, NAME);
        if name.is_empty() || set.get(entry, VERSION).is_empty() {
            return Err(Fault::Incomplete);
        }
        entry.bare = without_abi(name, abi).len() as u32;
        Ok(true)
    }
}

/// Which of the fields a letter of apk's stands for.
fn apk_field(letter: u8) -> Option<usize> {
    Some(match letter {
        b'P' => NAME,
        b'V' => VERSION,
        b'D' => DEPENDS,
        b'p' => PROVIDES,
        b'A' => ARCH,
        b'g' => ABI,
        _ => return None,
    })
}

/// Which of opkg's fields a line holds, and where its name ends.
fn opkg_field(line: &[u8]) -> (Option<usize>, usize) {
    let key = head(line.get(..16).unwrap_or(line), |byte| byte == b':');
    let mut fields = OPKG_FIELDS.split(|&byte| byte == b' ');
    (fields.position(|field| field == key), key.len())
}

/// What stands in a line from here on, without the white space around it. Only printable ASCII and
/// tabs are taken: nothing else stands in a name, a version or a list of them, unless the file is damaged.
pub(crate) fn text(line: &[u8], from: usize) -> Result<&[u8], Fault> {
    if line.len() > MAX_LINE {
        return Err(Fault::TooLong);
    }
    let value = line.get(from..).unwrap_or(&[]).trim_ascii();
    let mut rest = value;
    while let Some((odd, after)) = rest.get(printable(rest)..).and_then(<[u8]>::split_first) {
        if *odd != b'\t' {
            return Err(Fault::BadText);
        }
        rest = after;
    }
    Ok(value)
}

/// Whether the state, the last word of `Status: install user installed`, means that the
/// package's files are in place. `unpacked` counts as in opkg's own list: only its script has
/// not run yet, on a router that is booting for the first time.
fn is_present(status: &[u8]) -> bool {
    status.ends_with(b" installed") || status.ends_with(b" unpacked")
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
