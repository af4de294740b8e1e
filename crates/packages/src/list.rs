//! Lists of names, as bytes. The parts of this crate that the rpcd plugin is made of keep to bytes:
//! what the standard library brings along for text is larger than the plugin may be.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::error::Fault;
use crate::Style;

/// The entries of a list without white space around them, in its order. Those without a name are
/// passed over.
#[derive(Clone, Debug)]
pub(crate) struct Entries<'a> {
    rest: &'a [u8],
    ends: fn(u8) -> bool,
}

impl<'a> Entries<'a> {
    pub fn new(list: &'a [u8], style: Style) -> Entries<'a> {
        let ends: fn(u8) -> bool = match style {
            Style::Apk => |byte| byte.is_ascii_whitespace(),
            Style::Opkg => |byte| matches!(byte, b',' | b'|'),
        };
        Entries { rest: list, ends }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let entry = head(self.rest, self.ends);
            self.rest = self.rest.get(entry.len() + 1..).unwrap_or(&[]);
            let entry = entry.trim_ascii();
            let first = entry.strip_prefix(b"!").unwrap_or(entry).first();
            if first.is_some_and(|&byte| !ends_name(byte)) {
                return Some(entry);
            }
        }
        None
    }
}

/// The name of an entry, without `!`, tag and constraint.
pub(crate) fn name(entry: &[u8]) -> &[u8] {
    head(entry.strip_prefix(b"!").unwrap_or(entry), ends_name)
}

fn ends_name(byte: u8) -> bool {
    matches!(byte, b'@' | b'<' | b'>' | b'=' | b'~' | b'(' | b' ' | b'\t')
}

/// Whether an entry says that the name must not be there.
pub(crate) fn is_conflict(entry: &[u8]) -> bool {
    entry.first() == Some(&b'!')
}

/// What stands before the first byte of a kind.
pub(crate) fn head(text: &[u8], is_end: fn(u8) -> bool) -> &[u8] {
    let mut end = 0;
    for &byte in text {
        if is_end(byte) {
            break;
        }
        end += 1;
    }
    text.get(..end).unwrap_or(text)
}

/// Names, each with something that belongs to it: its version, who bears it.
pub type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Adds a pair, if there is memory for it.
pub(crate) fn push<'a>(
    pairs: &mut Pairs<'a>,
    name: &'a [u8],
    other: &'a [u8],
) -> Result<(), Fault> {
    pairs.try_reserve(1).map_err(|_| Fault::OutOfMemory)?;
    pairs.push((name, other));
    Ok(())
}

/// Sorts by the bytes of the names, and of each name keeps the pair that was added last. Names must
/// be parts of one text, in its order.
pub(crate) fn sort(pairs: &mut Pairs<'_>) {
    // Without std this is a heap sort, small and in place, that needs the names' own places to keep
    // equal ones in order.
    pairs.sort_unstable_by(order);
    let mut kept = 0;
    for at in 0..pairs.len() {
        let next = pairs.get(at + 1).map(|next| next.0);
        match pairs.get(at).copied() {
            Some(pair) if next != Some(pair.0) => {
                if let Some(place) = pairs.get_mut(kept) {
                    *place = pair;
                }
                kept += 1;
            }
            _ => {}
        }
    }
    pairs.truncate(kept);
}

fn order(a: &(&[u8], &[u8]), b: &(&[u8], &[u8])) -> Ordering {
    match a.0.cmp(b.0) {
        Ordering::Equal => a.0.as_ptr().cmp(&b.0.as_ptr()),
        order => order,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_sorts_and_keeps_the_last_of_equals(
            names in proptest::collection::vec("[ab]{0,3}", 0..80),
        ) {
            let text = names.join(" ");
            let marks: Vec<[u8; 1]> = (0..80).map(|mark| [mark]).collect();
            let mut pairs = Pairs::new();
            let mut expected = alloc::collections::BTreeMap::new();
            for (name, mark) in text.split(' ').zip(&marks) {
                push(&mut pairs, name.as_bytes(), mark).unwrap();
                expected.insert(name.as_bytes(), &mark[..]);
            }
            sort(&mut pairs);
            prop_assert_eq!(pairs, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
