//! The one text that what is needed of the databases is kept in.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::bytes::order;
use crate::error::Fault;

/// The text. What takes it takes it as it is, not as a slice: a pointer is passed with less code than two words.
pub(crate) type Text = Vec<u8>;

/// A piece of the text. An empty one is a field that is not there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub start: u32,
    pub len: u32,
}

impl Span {
    /// The place of a part of the text.
    pub fn of(text: &Text, part: &[u8]) -> Span {
        Span {
            start: (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize) as u32,
            len: part.len() as u32,
        }
    }

    /// What stands there.
    #[inline(never)] // It is small, but called all over the plugin.
    pub fn get<'t>(&self, text: &'t Text) -> &'t [u8] {
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
/// The name without its ABI suffix, in the place of what is needed no more once it is known.
pub(crate) const BARE: usize = ABI;
/// opkg's alone, as the next one.
pub(crate) const STATUS: usize = 6;
pub(crate) const AUTOMATIC: usize = 7;

/// Where the fields of one package stand; of a name that is asked for, the name alone.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(8))] // It is moved about by words.
pub(crate) struct Entry {
    pub fields: [Span; 8],
    /// Of a package: whether it was asked for by name. Of a name: whether a package bears it.
    pub wanted: bool,
}

/// Adds to a text, if there is memory for it.
///
/// # Errors
/// [`Fault::OutOfMemory`]; nothing was added then.
#[inline(never)] // Once for all of the plugin.
pub fn append(text: &mut Vec<u8>, more: &[u8]) -> Result<(), Fault> {
    if text.capacity() - text.len() < more.len() && text.try_reserve(more.len()).is_err() {
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
pub(crate) fn sort(text: &Text, entries: &mut [Entry]) {
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
fn is_behind(text: &Text, a: &Entry, b: &Entry) -> bool {
    match order(a.fields[BARE].get(text), b.fields[BARE].get(text)) {
        Ordering::Equal => a.fields[NAME].start < b.fields[NAME].start,
        order => order.is_gt(),
    }
}

/// The entry of this name, of sorted ones.
pub(crate) fn find<'e>(text: &Text, sorted: &'e mut [Entry], name: &[u8]) -> Option<&'e mut Entry> {
    let (mut begin, mut end) = (0, sorted.len());
    while begin < end {
        let middle = (begin + end) / 2;
        match order(sorted.get(middle)?.fields[BARE].get(text), name) {
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
            let text = &text.into_bytes();
            let mut entries = Vec::new();
            for name in text.split(|&byte| byte == b' ') {
                let name = Span::of(text, name);
                let mut entry = Entry::default();
                entry.fields[BARE] = name;
                entry.fields[NAME] = name;
                push(&mut entries, entry).unwrap();
            }
            let mut expected = entries.clone();
            expected.sort_by(|a, b| {
                let start = |entry: &Entry| entry.fields[NAME].start;
                a.fields[BARE].get(text).cmp(b.fields[BARE].get(text)).then(start(b).cmp(&start(a)))
            });
            sort(text, &mut entries);
            let names = |entries: &[Entry]| -> Vec<_> {
                entries.iter().map(|entry| (entry.fields[NAME].start, entry.fields[BARE].len)).collect()
            };
            prop_assert_eq!(names(&entries), names(&expected));
        }
    }
}
