//! The set of installed packages, kept as one text and where in it each field stands.

use alloc::vec::Vec;

use crate::error::Fault;
use crate::lines::append;
use crate::list::{is_conflict, name, push, sort, Entries, Pairs};
use crate::{is_pseudo, is_virtual_name, text_of, Database, Dependencies, Error, Style, World};

/// What is kept of all records together, in bytes. 10,000 packages need some 2 MiB, the largest
/// router's database 200 KiB.
const MAX_TEXT: usize = 8 * 1024 * 1024;

/// A piece of the text. An empty one is a field that is not there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    start: u32,
    pub len: u32,
}

// The fields of a package.
pub(crate) const NAME: usize = 0;
pub(crate) const VERSION: usize = 1;
pub(crate) const DEPENDS: usize = 2;
pub(crate) const PROVIDES: usize = 3;
pub(crate) const ARCH: usize = 4;
/// opkg's ABI version, or apk's tags.
pub(crate) const ABI: usize = 5;
/// opkg's alone, as the next one.
pub(crate) const STATUS: usize = 6;
pub(crate) const AUTOMATIC: usize = 7;

/// Where the fields of one package stand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entry {
    pub fields: [Span; 8],
    /// The name's length without its ABI suffix.
    pub bare: u32,
    /// Whether it was asked for by name.
    pub wanted: bool,
}

/// What is installed, as one of the package managers has it.
#[derive(Clone, Debug)]
pub struct Installed {
    database: Database,
    /// Printable ASCII.
    text: Vec<u8>,
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
        let wanted_known = matches!(database, Database::Opkg);
        Installed {
            database,
            text: Vec::new(),
            entries: Vec::new(),
            wanted_known,
        }
    }

    /// Makes the empty set one of opkg's.
    pub(crate) fn become_opkg(&mut self) {
        self.database = Database::Opkg;
        self.wanted_known = true;
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
        self.expect_wanted()?;
        Ok(self
            .packages()
            .filter(|package| package.is_wanted() && !package.is_virtual()))
    }

    pub(crate) fn expect_wanted(&self) -> Result<(), Error> {
        if self.wanted_known {
            Ok(())
        } else {
            Err(Error::NoWorld)
        }
    }

    /// Marks what the world asks for. Grows with the packages times the logarithm of the world.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn set_world(&mut self, world: &World) -> Result<(), Error> {
        let mut entries = core::mem::take(&mut self.entries);
        let mut asked = Pairs::new();
        let result = self.mark(world, &mut entries, &mut asked);
        self.entries = entries;
        self.wanted_known = result.is_ok();
        result.map_err(|_| Error::OutOfMemory)
    }

    /// `asked` becomes each name asked for, and the package that bears it.
    fn mark<'a>(
        &'a self,
        world: &'a World,
        entries: &mut [Entry],
        asked: &mut Pairs<'a>,
    ) -> Result<(), Fault> {
        self.ask(world, entries, asked)?;
        for entry in &mut *entries {
            let (name, bare) = self.names(entry);
            entry.wanted = false;
            for own in [name, bare] {
                if let Some(pair) = find(asked, own) {
                    pair.1 = name;
                    entry.wanted = true;
                }
            }
        }
        // Only now is it known which names no package bears itself: these are met by whoever
        // provides them.
        if asked.iter().any(is_unmet) {
            for entry in entries {
                let mut provides = self.list(entry, PROVIDES);
                entry.wanted |=
                    provides.any(|own| find(asked, name(own)).is_some_and(|pair| is_unmet(pair)));
            }
        }
        Ok(())
    }

    /// The world's names and what virtual packages depend on, sorted. A virtual package is there
    /// only because the user gave these names one after the other.
    fn ask<'a>(
        &'a self,
        world: &'a World,
        entries: &[Entry],
        asked: &mut Pairs<'a>,
    ) -> Result<(), Fault> {
        ask_for(asked, world.entries())?;
        for entry in entries {
            if is_virtual_name(self.get(entry, NAME)) {
                ask_for(asked, self.list(entry, DEPENDS))?;
            }
        }
        sort(asked);
        Ok(())
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The name with and without ABI suffix.
    pub(crate) fn names(&self, entry: &Entry) -> (&[u8], &[u8]) {
        let name = self.get(entry, NAME);
        (name, name.get(..entry.bare as usize).unwrap_or(name))
    }

    fn list(&self, entry: &Entry, field: usize) -> Entries<'_> {
        Entries::new(self.get(entry, field), self.style())
    }

    fn style(&self) -> Style {
        match self.database {
            Database::Opkg => Style::Opkg,
            Database::Apk | Database::World => Style::Apk,
        }
    }

    /// A field of a package; empty where it has none.
    #[inline(never)] // It is small, but called all over the plugin.
    pub(crate) fn get(&self, entry: &Entry, field: usize) -> &[u8] {
        let span = entry.fields.get(field).copied().unwrap_or_default();
        let rest = self.text.get(span.start as usize..).unwrap_or(&[]);
        rest.get(..span.len as usize).unwrap_or(&[])
    }

    /// Adds to the text.
    pub(crate) fn append(&mut self, more: &[u8]) -> Result<Span, Fault> {
        let start = self.text.len();
        if start + more.len() > MAX_TEXT {
            return Err(Fault::TooLarge);
        }
        append(&mut self.text, more)?;
        Ok(Span {
            start: start as u32,
            len: more.len() as u32,
        })
    }

    /// Forgets the text from here on.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.text.truncate(len);
    }

    pub(crate) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// Adds a package.
    pub(crate) fn push(&mut self, entry: &Entry) -> Result<(), Fault> {
        self.entries
            .try_reserve(1)
            .map_err(|_| Fault::OutOfMemory)?;
        self.entries.push(*entry);
        Ok(())
    }
}

/// Adds the names of a list; what must not be there is not asked for.
fn ask_for<'a>(asked: &mut Pairs<'a>, list: Entries<'a>) -> Result<(), Fault> {
    for entry in list {
        if !is_conflict(entry) {
            push(asked, name(entry), &[])?;
        }
    }
    Ok(())
}

/// The pair of this name, of those asked for.
fn find<'p, 'a>(asked: &'p mut Pairs<'a>, name: &[u8]) -> Option<&'p mut (&'a [u8], &'a [u8])> {
    let at = asked.binary_search_by(|pair| pair.0.cmp(name)).ok()?;
    asked.get_mut(at)
}

/// Whether no package bears the name that was asked for.
fn is_unmet(pair: &(&[u8], &[u8])) -> bool {
    pair.1.is_empty()
}

impl<'a> Package<'a> {
    /// The name as the database has it, with its ABI suffix: `libubox20260213`.
    pub fn name(&self) -> &'a str {
        text_of(self.set.names(self.entry).0)
    }

    /// The name without ABI suffix, as the upgrade server knows it: `libubox`.
    pub fn bare_name(&self) -> &'a str {
        text_of(self.set.names(self.entry).1)
    }

    /// The version: `2026.02.13~1aa36ee7-r1`.
    pub fn version(&self) -> &'a str {
        text_of(self.set.get(self.entry, VERSION))
    }

    /// The architecture; empty where the database has none.
    pub fn arch(&self) -> &'a str {
        text_of(self.set.get(self.entry, ARCH))
    }

    /// The further names it answers to, with their versions.
    pub fn provides(&self) -> Dependencies<'a> {
        Dependencies::of_bytes(self.set.get(self.entry, PROVIDES), self.set.style())
    }

    /// What it needs.
    pub fn depends(&self) -> Dependencies<'a> {
        Dependencies::of_bytes(self.set.get(self.entry, DEPENDS), self.set.style())
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

    /// Whether it was made up on this router, see [`crate::is_virtual`].
    pub fn is_virtual(&self) -> bool {
        is_virtual_name(self.set.names(self.entry).0)
    }

    /// Whether it bears this name, with or without ABI suffix, or provides it.
    pub fn answers_to(&self, name: &str) -> bool {
        self.name() == name
            || self.bare_name() == name
            || self.provides().any(|provide| provide.name == name)
    }
}
