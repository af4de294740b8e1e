//! The answer to the ubus method `packagelist`.

use alloc::vec::Vec;

use crate::installed::VERSION;
use crate::list::{push, sort, Pairs};
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
        let mut pairs = Pairs::new();
        self.packagelist_bytes(all, &mut pairs)?;
        Ok(pairs
            .into_iter()
            .map(|(name, version)| (text_of(name), text_of(version)))
            .collect())
    }

    /// The same as bytes, which all are printable ASCII, into an empty list.
    ///
    /// # Errors
    /// As [`Installed::packagelist`].
    pub fn packagelist_bytes<'a>(&'a self, all: bool, pairs: &mut Pairs<'a>) -> Result<(), Error> {
        if !all {
            self.expect_wanted()?;
        }
        for entry in self.entries() {
            let (name, bare) = self.names(entry);
            if (all || entry.wanted) && !is_virtual_name(name) {
                push(pairs, bare, self.get(entry, VERSION)).map_err(|_| Error::OutOfMemory)?;
            }
        }
        sort(pairs);
        Ok(())
    }
}
