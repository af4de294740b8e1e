//! What is asked of a package index, and what was found in it.

use super::error::Error;
use super::index::as_text;
use crate::sorted::{Map, Names};

/// Name → version.
pub type Versions<'a> = Map<String, &'a str>;

/// What is asked about, and what has been found of it.
pub(super) struct Found<'a> {
    names: Names<'a>,
    filter: Filter,
    /// For each of the names.
    versions: Vec<Option<String>>,
}

impl<'a> Found<'a> {
    /// Nothing yet of these names.
    pub fn of(names: &Names<'a>) -> Self {
        Found {
            filter: Filter::of(names),
            versions: vec![None; names.len()],
            names: names.clone(),
        }
    }

    /// What has been found.
    pub fn versions(self) -> Versions<'a> {
        let found = self.names.iter().zip(self.versions);
        found
            .filter_map(|(name, version)| Some((*name, version?)))
            .collect()
    }

    /// The place for a name's version, if it is asked about and has not been found yet.
    pub fn place(&mut self, name: &[u8]) -> Result<Option<&mut Option<String>>, Error> {
        if !self.filter.may_have(name) {
            return Ok(None);
        }
        let place = self.names.position(as_text(name)?);
        let version = place.and_then(|place| self.versions.get_mut(place));
        Ok(version.filter(|version| version.is_none()))
    }
}

/// Tells nearly all names that nobody asked about from the others without comparing a string:
/// of 10,000 names some hundred matter, and looking up the rest would be a third of the work.
struct Filter(Vec<u64>);

/// Of each of the names asked about; then of 64 others one is looked up for nothing.
const BITS_A_NAME: usize = 64;

impl Filter {
    fn of(names: &Names<'_>) -> Self {
        let words = (names.len() * BITS_A_NAME / 64).next_power_of_two();
        let mut filter = Filter(vec![0; words]);
        for name in names {
            let (word, bit) = filter.place(name.as_bytes());
            if let Some(word) = filter.0.get_mut(word) {
                *word |= bit;
            }
        }
        filter
    }

    fn may_have(&self, name: &[u8]) -> bool {
        let (word, bit) = self.place(name);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// One bit, by the name's last eight bytes and its length: names differ at their ends.
    fn place(&self, name: &[u8]) -> (usize, u64) {
        let end = name.last_chunk().map_or_else(
            || name.iter().fold(0, |end, byte| end << 8 | u64::from(*byte)),
            |end| u64::from_be_bytes(*end),
        );
        // The multiplier of Fibonacci hashing: 2^64 by the golden ratio.
        let hash = (end ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let word = (hash >> 32) as usize & (self.0.len() - 1);
        (word, 1 << (hash >> 58))
    }
}
