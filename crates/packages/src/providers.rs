//! Who answers to a name.

use alloc::vec::Vec;

use crate::{Error, Installed, Package};

/// The installed packages by every name they answer to: their own, the one without ABI suffix,
/// and what they provide. Made once, for many questions.
#[derive(Clone, Debug)]
pub struct Providers<'a> {
    by_name: Vec<(&'a str, Package<'a>)>,
}

impl<'a> Providers<'a> {
    /// Sorts the names of a set.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(installed: &'a Installed) -> Result<Providers<'a>, Error> {
        let mut by_name = Vec::new();
        for package in installed.packages() {
            let own = Some(package.name()).filter(|&name| name != package.bare_name());
            let provided = package.provides().map(|provide| provide.name);
            for name in own.into_iter().chain([package.bare_name()]).chain(provided) {
                by_name.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
                by_name.push((name, package));
            }
        }
        by_name.sort_unstable_by_key(|&(name, package)| (name, package.name()));
        by_name.dedup_by_key(|&mut (name, package)| (name, package.name()));
        Ok(Providers { by_name })
    }

    /// The packages that answer to this name, sorted by their own.
    pub fn of<'s>(&'s self, name: &'s str) -> impl Iterator<Item = Package<'a>> + 's {
        let start = self.by_name.partition_point(|&(known, _)| known < name);
        let rest = self.by_name.get(start..).unwrap_or(&[]);
        rest.iter()
            .take_while(move |&&(known, _)| known == name)
            .map(|&(_, package)| package)
    }

    /// Whether any does.
    pub fn has(&self, name: &str) -> bool {
        self.of(name).next().is_some()
    }
}
