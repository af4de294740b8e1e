//! The one text that what is needed of the databases is kept in.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::error::Fault;

/// A piece of the text. An empty one is a field that is not there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub start: u32,
    pub len: u32,
}

impl Span {
    /// The place of a part of the text.
    pub fn of(text: &[u8], part: &[u8]) -> Span {
        Span {
            start: (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize) as u32,
            len: part.len() as u32,
        }
    }

    /// What stands there.
    #[inline(never)] // It is small, but called all over the plugin.
    pub fn get(self, text: &[u8]) -> &[u8] {
        let rest = text.get(self.start as usize..).unwrap_or(&[]);
        rest.get(..self.len as usize).unwrap_or(&[])
    }
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

/// Where the fields of one package stand; of a name that is asked for, the name alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entry {
    pub fields: [Span; 8],
    /// The name's length without its ABI suffix.
    pub bare: u32,
    /// Of a package: whether it was asked for by name. Of a name: whether a package bears it.
    pub wanted: bool,
}

impl Entry {
    /// The name without its ABI suffix.
    pub fn bare<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let len = self.bare;
        Span {
            len,
            ..self.fields[NAME]
        }
        .get(text)
    }
}

/// Adds to a text, if there is memory for it.
///
/// # Errors
/// [`Fault::OutOfMemory`]; nothing was added then.
#[inline(never)] // Once for all of the plugin.
pub fn append(text: &mut Vec<u8>, more: &[u8]) -> Result<(), Fault> {
    if text.try_reserve(more.len()).is_err() {
        return Err(Fault::OutOfMemory);
    }
    text.extend_from_slice(more);
    Ok(())
}

/// Adds an entry, if there is memory for it.
pub(crate) fn push(entries: &mut Vec<Entry>, entry: Entry) -> Result<(), Fault> {
    if entries.try_reserve(1).is_err() {
        return Err(Fault::OutOfMemory);
    }
    entries.push(entry);
    Ok(())
}

/// Sorts by the bytes of the names without ABI suffix; of one name, what stands last in the text
/// comes first.
///
/// This is Shell's sort: in place, and small. It stays near `n log n` for any number of packages.
pub(crate) fn sort(text: &[u8], entries: &mut [Entry]) {
    let mut gap = entries.len();
    while gap > 1 {
        gap = (gap * 7 / 16).max(1);
        for begin in gap..entries.len() {
            let mut at = begin;
            while let Some(before) = at.checked_sub(gap) {
                let (front, back) = entries.split_at_mut_checked(at).unwrap_or_default();
                match (front.get_mut(before), back.first_mut()) {
                    (Some(a), Some(b)) if is_behind(text, a, b) => core::mem::swap(a, b),
                    _ => break,
                }
                at = before;
            }
        }
    }
}

/// Whether the first of two belongs behind the other.
fn is_behind(text: &[u8], a: &Entry, b: &Entry) -> bool {
    match a.bare(text).cmp(b.bare(text)) {
        Ordering::Equal => a.fields[NAME].start < b.fields[NAME].start,
        order => order.is_gt(),
    }
}

/// The entry of this name, of sorted ones.
pub(crate) fn find<'e>(text: &[u8], sorted: &'e mut [Entry], name: &[u8]) -> Option<&'e mut Entry> {
    let (mut begin, mut end) = (0, sorted.len());
    while begin < end {
        let middle = (begin + end) / 2;
        match sorted.get(middle)?.bare(text).cmp(name) {
            Ordering::Less => begin = middle + 1,
            Ordering::Equal => return sorted.get_mut(middle),
            Ordering::Greater => end = middle,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_sorts_and_puts_the_last_of_equals_first(
            names in proptest::collection::vec("[ab]{0,3}", 0..80),
        ) {
            let text = names.join(" ");
            let text = text.as_bytes();
            let mut entries = Vec::new();
            for name in text.split(|&byte| byte == b' ') {
                let name = Span::of(text, name);
                let mut entry = Entry { bare: name.len, ..Entry::default() };
                entry.fields[NAME] = name;
                push(&mut entries, entry).unwrap();
            }
            let mut expected = entries.clone();
            expected.sort_by(|a, b| {
                let start = |entry: &Entry| entry.fields[NAME].start;
                a.bare(text).cmp(b.bare(text)).then(start(b).cmp(&start(a)))
            });
            sort(text, &mut entries);
            let names = |entries: &[Entry]| -> Vec<_> {
                entries.iter().map(|entry| (entry.fields[NAME].start, entry.bare)).collect()
            };
            prop_assert_eq!(names(&entries), names(&expected));
        }
    }
}
