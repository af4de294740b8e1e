//! The set of installed packages.

use alloc::vec::Vec;

use crate::error::Fault;
use crate::list::{is_conflict, name, Entries};
use crate::text::{
    find, push, sort, Entry, Span, Text, ARCH, BARE, DEPENDS, NAME, PROVIDES, VERSION,
};
use crate::{is_pseudo, is_virtual_name, text_of, Database, Dependencies, Error, Style};

/// What is installed, as one of the package managers has it.
#[derive(Clone, Debug)]
pub struct Installed {
    database: Database,
    /// Printable ASCII and tabs.
    pub(crate) text: Text,
    pub(crate) entries: Vec<Entry>,
    /// Where in the text apk's world begins, which ends it.
    world: usize,
    /// Whether `wanted` means anything: opkg's database says it, for apk the world must come.
    pub(crate) wanted_known: bool,
    pub(crate) cut_off: bool,
}

/// One installed package.
#[derive(Clone, Copy, Debug)]
pub struct Package<'a> {
    set: &'a Installed,
    /// The set's, which is ASCII: looked at once instead of field by field.
    text: &'a str,
    entry: &'a Entry,
}

impl Installed {
    pub(crate) fn new(database: Database) -> Installed {
        Installed {
            database,
            text: Text::new(),
            entries: Vec::new(),
            world: 0,
            wanted_known: database == Database::Opkg,
            cut_off: false,
        }
    }

    /// What is read from now on is from this file.
    pub(crate) fn begin(&mut self, file: Database) {
        self.world = self.text.len();
        if file != Database::World {
            self.database = file;
            self.wanted_known = file == Database::Opkg;
        }
    }

    /// Whose database it is: [`Database::Apk`] or [`Database::Opkg`].
    pub fn database(&self) -> Database {
        self.database
    }

    /// Whether the database ends without the blank line that both package managers write behind
    /// each package, the last one too: what came behind it may be missing.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// Every installed package, in the database's order, virtual ones too.
    pub fn packages(&self) -> impl ExactSizeIterator<Item = Package<'_>> + Clone + '_ {
        let (set, text) = (self, text_of(&self.text));
        let entries = self.entries.iter();
        entries.map(move |entry| Package { set, text, entry })
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

    /// The names in apk's world, in its order; none where it was not read. Tags and constraints
    /// are left away, as are conflicts (`!name`): they ask for nothing to be there.
    pub fn world(&self) -> impl Iterator<Item = &str> + Clone {
        let world = match self.database {
            Database::Apk if self.wanted_known => self.text.get(self.world..),
            _ => None,
        };
        Dependencies::of_bytes(world.unwrap_or(&[]), Style::Apk)
            .filter(|asked| !asked.conflict)
            .map(|asked| asked.name)
    }

    /// Marks what the world asks for, which has just been read. Grows with the packages times the
    /// logarithm of the world.
    pub(crate) fn mark(&mut self) -> Result<(), Fault> {
        let text = &self.text;
        let mut asked = Vec::new();
        ask(text, text.get(self.world..).unwrap_or(&[]), &mut asked)?;
        for entry in &self.entries {
            // A virtual package is there only because the user gave the names it depends on one
            // after the other.
            if is_virtual_name(entry.fields[NAME].get(text)) {
                ask(text, entry.fields[DEPENDS].get(text), &mut asked)?;
            }
        }
        sort(text, &mut asked);
        for entry in &mut self.entries {
            let mut own = entry.fields[NAME];
            loop {
                if let Some(asked) = find(text, &mut asked, own.get(text)) {
                    asked.wanted = true;
                    entry.wanted = true;
                }
                if own.len == entry.fields[BARE].len {
                    break;
                }
                own = entry.fields[BARE];
            }
        }
        // Only now is it known which names no package bears itself: these are met by whoever
        // provides them.
        for entry in &mut self.entries {
            for own in Entries::new(entry.fields[PROVIDES].get(text), Style::Apk) {
                let asked = find(text, &mut asked, name(own));
                entry.wanted |= asked.is_some_and(|asked| !asked.wanted);
            }
        }
        self.wanted_known = true;
        Ok(())
    }

    fn style(&self) -> Style {
        match self.database {
            Database::Opkg => Style::Opkg,
            Database::Apk | Database::World => Style::Apk,
        }
    }
}

/// Adds the names of a list, a part of the text; what must not be there is not asked for.
fn ask(text: &Text, list: &[u8], asked: &mut Vec<Entry>) -> Result<(), Fault> {
    for entry in Entries::new(list, Style::Apk) {
        if !is_conflict(entry) {
            let mut name_alone = Entry::default();
            let place = Span::of(text, name(entry));
            name_alone.fields[NAME] = place;
            name_alone.fields[BARE] = place;
            push(asked, name_alone)?;
        }
    }
    Ok(())
}

impl<'a> Package<'a> {
    fn field(&self, field: usize) -> &'a str {
        let Span { start, len } = self.entry.fields[field];
        let begin = start as usize;
        let text = self.text.get(begin..begin + len as usize);
        text.unwrap_or_default()
    }

    /// The name as the database has it, with its ABI suffix: `libubox20260213`.
    pub fn name(&self) -> &'a str {
        self.field(NAME)
    }

    /// The name without ABI suffix, as the upgrade server knows it: `libubox`.
    pub fn bare_name(&self) -> &'a str {
        self.field(BARE)
    }

    /// The version: `2026.02.13~1aa36ee7-r1`.
    pub fn version(&self) -> &'a str {
        self.field(VERSION)
    }

    /// The architecture; empty where the database has none.
    pub fn arch(&self) -> &'a str {
        self.field(ARCH)
    }

    /// The further names it answers to, with their versions.
    pub fn provides(&self) -> Dependencies<'a> {
        Dependencies::of_bytes(
            self.entry.fields[PROVIDES].get(&self.set.text),
            self.set.style(),
        )
    }

    /// What it needs.
    pub fn depends(&self) -> Dependencies<'a> {
        Dependencies::of_bytes(
            self.entry.fields[DEPENDS].get(&self.set.text),
            self.set.style(),
        )
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
        is_virtual_name(self.entry.fields[NAME].get(&self.set.text))
    }

    /// Whether it bears this name, with or without ABI suffix, or provides it.
    pub fn answers_to(&self, name: &str) -> bool {
        self.name() == name
            || self.bare_name() == name
            || self.provides().any(|provide| provide.name == name)
    }
}
