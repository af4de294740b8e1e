//! The set of installed packages, kept as one text and where in it each field stands.

use alloc::string::String;
use alloc::vec::Vec;

use crate::sort::sort;
use crate::{is_pseudo, is_virtual, Database, Dependencies, Error, Style, World};

/// What is kept of all records together, in bytes. 10,000 packages need some 2 MiB, the largest
/// router's database 200 KiB.
const MAX_TEXT: usize = 8 * 1024 * 1024;

/// A piece of the text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    start: u32,
    pub len: u32,
}

/// Where the fields of one package stand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entry {
    pub name: Span,
    /// The name's length without its ABI suffix.
    pub bare: u32,
    pub version: Span,
    pub arch: Span,
    pub provides: Span,
    pub depends: Span,
    pub wanted: bool,
}

/// What is installed, as one of the package managers has it.
#[derive(Clone, Debug)]
pub struct Installed {
    database: Database,
    text: String,
    entries: Vec<Entry>,
    /// Whether `wanted` means anything: opkg's database says it, for apk the world must come.
    wanted_known: bool,
}

/// One installed package.
#[derive(Clone, Copy, Debug)]
pub struct Package<'a> {
    set: &'a Installed,
    entry: &'a Entry,
}

impl Installed {
    pub(crate) fn new(database: Database) -> Installed {
        let wanted_known = database == Database::Opkg;
        Installed {
            database,
            text: String::new(),
            entries: Vec::new(),
            wanted_known,
        }
    }

    /// Whose database it is: [`Database::Apk`] or [`Database::Opkg`].
    pub fn database(&self) -> Database {
        self.database
    }

    /// Every installed package, in the database's order, virtual ones too.
    pub fn packages(&self) -> impl ExactSizeIterator<Item = Package<'_>> + Clone + '_ {
        self.entries
            .iter()
            .map(move |entry| Package { set: self, entry })
    }

    /// The packages somebody asked for, virtual ones left out. With apk these are the packages
    /// the world names, with or without their ABI suffix; those that provide a name in the world
    /// which no package bears; and what a virtual package holds together. With opkg, what is
    /// not marked `Auto-Installed: yes`.
    ///
    /// # Errors
    /// [`Error::NoWorld`] where apk's world was not read.
    pub fn wanted(&self) -> Result<impl Iterator<Item = Package<'_>> + Clone + '_, Error> {
        if !self.wanted_known {
            return Err(Error::NoWorld);
        }
        Ok(self
            .packages()
            .filter(|package| package.is_wanted() && !package.is_virtual()))
    }

    /// Marks what the world asks for. Grows with the packages times the logarithm of the world.
    pub fn set_world(&mut self, world: &World) -> Result<(), Error> {
        let wanted = self.wanted_by(world)?;
        for (entry, wanted) in self.entries.iter_mut().zip(wanted) {
            entry.wanted = wanted;
        }
        self.wanted_known = true;
        Ok(())
    }

    fn wanted_by(&self, world: &World) -> Result<Vec<bool>, Error> {
        let names = self.asked_for(world)?;
        let mut borne = filled(names.len())?;
        let mut wanted = filled(self.entries.len())?;
        let mut provided: Vec<(usize, usize)> = Vec::new();
        for (at, package) in self.packages().enumerate() {
            for name in [package.name(), package.bare_name()] {
                if let Ok(asked) = names.binary_search(&name) {
                    set(&mut borne, asked);
                    set(&mut wanted, at);
                }
            }
            for provide in package.provides() {
                if let Ok(asked) = names.binary_search(&provide.name) {
                    provided.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
                    provided.push((asked, at));
                }
            }
        }
        // Only now is it known which names no package bears itself: these are met by whoever
        // provides them.
        for (asked, at) in provided {
            if borne.get(asked) == Some(&false) {
                set(&mut wanted, at);
            }
        }
        Ok(wanted)
    }

    /// The world's names and what virtual packages depend on, sorted. A virtual package is there
    /// only because the user gave these names one after the other.
    fn asked_for<'a>(&'a self, world: &'a World) -> Result<Vec<&'a str>, Error> {
        let mut names = Vec::new();
        let mut ask = |name| {
            names.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
            names.push(name);
            Ok(())
        };
        for name in world.names() {
            ask(name)?;
        }
        for package in self.packages().filter(Package::is_virtual) {
            for dependency in package.depends().filter(|dependency| !dependency.conflict) {
                ask(dependency.name)?;
            }
        }
        sort(&mut names, |a, b| a <= b)?;
        names.dedup();
        Ok(names)
    }

    pub(crate) fn get(&self, span: Span) -> &str {
        let start = span.start as usize;
        self.text
            .get(start..start + span.len as usize)
            .unwrap_or("")
    }

    /// Adds to the text. `after` must be the piece added last, or an empty one.
    pub(crate) fn append(&mut self, after: Span, more: &str) -> Result<Span, Error> {
        if self.text.len() + more.len() > MAX_TEXT {
            return Err(Error::TooLarge(self.database));
        }
        self.text
            .try_reserve(more.len())
            .map_err(|_| Error::OutOfMemory)?;
        let start = if after.len == 0 {
            self.text.len() as u32
        } else {
            after.start
        };
        self.text.push_str(more);
        Ok(Span {
            start,
            len: after.len + more.len() as u32,
        })
    }

    pub(crate) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// Forgets the text from here on.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.text.truncate(len);
    }

    pub(crate) fn push(&mut self, entry: Entry) -> Result<(), Error> {
        self.entries
            .try_reserve(1)
            .map_err(|_| Error::OutOfMemory)?;
        self.entries.push(entry);
        Ok(())
    }
}

/// So many times false.
fn filled(len: usize) -> Result<Vec<bool>, Error> {
    let mut all = Vec::new();
    all.try_reserve_exact(len).map_err(|_| Error::OutOfMemory)?;
    all.resize(len, false);
    Ok(all)
}

fn set(all: &mut [bool], at: usize) {
    if let Some(one) = all.get_mut(at) {
        *one = true;
    }
}

impl<'a> Package<'a> {
    /// The name as the database has it, with its ABI suffix: `libubox20260213`.
    pub fn name(&self) -> &'a str {
        self.set.get(self.entry.name)
    }

    /// The name without ABI suffix, as the upgrade server knows it: `libubox`.
    pub fn bare_name(&self) -> &'a str {
        self.name()
            .get(..self.entry.bare as usize)
            .unwrap_or(self.name())
    }

    /// The version: `2026.02.13~1aa36ee7-r1`.
    pub fn version(&self) -> &'a str {
        self.set.get(self.entry.version)
    }

    /// The architecture; empty where the database has none.
    pub fn arch(&self) -> &'a str {
        self.set.get(self.entry.arch)
    }

    /// The further names it answers to, with their versions.
    pub fn provides(&self) -> Dependencies<'a> {
        Dependencies::new(self.set.get(self.entry.provides), self.style())
    }

    /// What it needs.
    pub fn depends(&self) -> Dependencies<'a> {
        Dependencies::new(self.set.get(self.entry.depends), self.style())
    }

    /// Whether somebody asked for it, see [`Installed::wanted`]. False for all while apk's world
    /// is unknown.
    pub fn is_wanted(&self) -> bool {
        self.entry.wanted
    }

    /// Whether it stands for something the build makes itself, see [`is_pseudo`].
    pub fn is_pseudo(&self) -> bool {
        is_pseudo(self.bare_name())
    }

    /// Whether it was made up on this router, see [`is_virtual`].
    pub fn is_virtual(&self) -> bool {
        is_virtual(self.name())
    }

    /// Whether it bears this name, with or without ABI suffix, or provides it.
    pub fn answers_to(&self, name: &str) -> bool {
        self.name() == name
            || self.bare_name() == name
            || self.provides().any(|provide| provide.name == name)
    }

    fn style(&self) -> Style {
        match self.set.database {
            Database::Opkg => Style::Opkg,
            Database::Apk | Database::World => Style::Apk,
        }
    }
}
