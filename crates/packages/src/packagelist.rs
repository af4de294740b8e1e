//! The answer to the ubus method `packagelist`.

use alloc::vec::Vec;

use crate::bytes::same;
use crate::text::{sort, Entry, Text, BARE, NAME, VERSION};
use crate::{is_virtual_name, text_of, Error, Installed};

impl Installed {
    /// The pairs of name without ABI suffix and version, sorted by the bytes of the name, no name
    /// twice: what `packagelist {all}` answers as `packages`. Without `all` only the
    /// [`wanted`](Installed::wanted) ones; virtual packages never.
    ///
    /// Where several ABI versions of one library are installed the name has the version of the one
    /// that stands last in the database, which is the newest ABI's in apk's sorted one.
    ///
    /// # Errors
    /// [`Error::NoWorld`] without `all` where apk's world was not read; [`Error::OutOfMemory`].
    pub fn packagelist(&self, all: bool) -> Result<Vec<(&str, &str)>, Error> {
        if !all && !self.wanted_known {
            return Err(Error::NoWorld);
        }
        let mut pairs = Vec::new();
        let mut entries = self.entries.clone();
        let mut give = |name, version| pairs.push((text_of(name), text_of(version)));
        list(&self.text, &mut entries, all, &mut give);
        Ok(pairs)
    }

    /// Gives the same pairs to `give`, as bytes, which all are printable ASCII; without `all` none where apk's
    /// world was not read. Needs no more memory; from now on [`packages`](Installed::packages) have the order of
    /// their names.
    pub fn packagelist_to(&mut self, all: bool, give: &mut impl FnMut(&[u8], &[u8])) {
        list(&self.text, &mut self.entries, all, give);
    }
}

fn list<'a>(
    text: &'a Text,
    entries: &mut Vec<Entry>,
    all: bool,
    give: &mut impl FnMut(&'a [u8], &'a [u8]),
) {
    entries.retain(|entry| (all || entry.wanted) && !is_virtual_name(entry.fields[NAME].get(text)));
    sort(text, entries);
    let mut before: &[u8] = &[];
    for entry in entries {
        let name = entry.fields[BARE].get(text);
        if !same(name, before) {
            before = name;
            give(name, entry.fields[VERSION].get(text));
        }
    }
}
