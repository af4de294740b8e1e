//! The answer to the ubus method `packagelist`.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::sort::sort;
use crate::{version, Error, Installed, Package};

impl Installed {
    /// The pairs of name without ABI suffix and version, sorted by the bytes of the name, no name
    /// twice: what `packagelist {all}` answers as `packages`. Without `all` only the
    /// [`wanted`](Installed::wanted) ones; virtual packages never.
    ///
    /// Where several ABI versions of one library are installed the name has the newest version.
    ///
    /// # Errors
    /// [`Error::NoWorld`] without `all` where apk's world was not read; [`Error::OutOfMemory`].
    pub fn packagelist(&self, all: bool) -> Result<Vec<(&str, &str)>, Error> {
        let mut list = Vec::new();
        if all {
            gather(
                &mut list,
                self.packages().filter(|package| !package.is_virtual()),
            )?;
        } else {
            gather(&mut list, self.wanted()?)?;
        }
        sort(&mut list, |a, b| match a.0.cmp(b.0) {
            Ordering::Equal => version::compare(a.1, b.1)
                .then_with(|| a.1.cmp(b.1))
                .is_ge(),
            order => order.is_lt(),
        })?;
        list.dedup_by_key(|pair| pair.0);
        Ok(list)
    }
}

fn gather<'a>(
    list: &mut Vec<(&'a str, &'a str)>,
    packages: impl Iterator<Item = Package<'a>>,
) -> Result<(), Error> {
    for package in packages {
        list.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
        list.push((package.bare_name(), package.version()));
    }
    Ok(())
}
