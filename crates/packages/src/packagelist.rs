//! The answer to the ubus method `packagelist`.

use alloc::vec::Vec;

use crate::error::Fault;
use crate::text::{sort, Entry, NAME, VERSION};
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
        let mut pairs = Vec::new();
        let mut entries = self.entries.clone();
        let mut give = |name, version| pairs.push((text_of(name), text_of(version)));
        match self.list(&mut entries, all, &mut give) {
            Ok(()) => Ok(pairs),
            Err(_) => Err(Error::NoWorld),
        }
    }

    /// Gives the same pairs to `give`, as bytes, which all are printable ASCII. Needs no more memory; from now on
    /// [`packages`](Installed::packages) have the order of their names.
    ///
    /// # Errors
    /// [`Fault::NoWorld`], as [`Installed::packagelist`].
    pub fn packagelist_to(
        &mut self,
        all: bool,
        give: &mut impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Fault> {
        let mut entries = core::mem::take(&mut self.entries);
        let result = self.list(&mut entries, all, give);
        self.entries = entries;
        result
    }

    fn list<'a>(
        &'a self,
        entries: &mut [Entry],
        all: bool,
        give: &mut impl FnMut(&'a [u8], &'a [u8]),
    ) -> Result<(), Fault> {
        if !all && !self.wanted_known {
            return Err(Fault::NoWorld);
        }
        let text = &self.text;
        sort(text, entries);
        let mut before: &[u8] = &[];
        for entry in entries {
            let name = entry.bare(text);
            if (all || entry.wanted) && !is_virtual_name(entry.get(text, NAME)) && name != before {
                before = name;
                give(name, entry.get(text, VERSION));
            }
        }
        Ok(())
    }
}
