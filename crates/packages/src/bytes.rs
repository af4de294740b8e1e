//! Bytes and their kinds. The parts of this crate that the rpcd plugin is made of keep to bytes: what the
//! standard library brings along for text is larger than the plugin may be.

use core::cmp::Ordering;

/// White space, all that a line may begin and end with; in apk's lists it parts the entries.
pub(crate) const SPACE: u8 = 1;
/// Parts the entries of opkg's lists.
pub(crate) const COMMA: u8 = 2;
/// Ends a name in an entry: a tag, a constraint, or white space before one.
pub(crate) const ENDS_NAME: u8 = 4;
/// Stands in no name and no version, unless the file is damaged.
pub(crate) const NOT_IN_WORD: u8 = 8;
/// Stands in no list of them either.
pub(crate) const NOT_IN_LIST: u8 = 16;
/// Begins a field that is kept, of apk's database.
pub(crate) const BEGINS_APK: u8 = 32;
/// The same of opkg's.
pub(crate) const BEGINS_OPKG: u8 = 64;

/// What the lines of the fields begin with that are kept, in the order of [`crate::text::Entry::fields`], each
/// behind its length.
pub(crate) const APK_FIELDS: &[u8] = b"\x02P:\x02V:\x02D:\x02p:\x02A:\x02g:";
pub(crate) const OPKG_FIELDS: &[u8] = b"\x08Package:\x08Version:\x08Depends:\x09Provides:\
    \x0dArchitecture:\x0bABIVersion:\x07Status:\x0fAuto-Installed:";

/// All bytes are of it.
pub(crate) const ANY: u8 = 128;

/// The kinds of each ASCII character; all else is of the last one's.
static KINDS: [u8; 128] = {
    let mut kinds = [ANY; 128];
    add(&mut kinds, b" \t\n\x0b\x0c\r", SPACE);
    add(&mut kinds, b",|", COMMA);
    add(&mut kinds, b"@<>=~( \t", ENDS_NAME);
    add(&mut kinds, b" \t", NOT_IN_WORD);
    let mut control = 0;
    while control < b' ' {
        let kind = if control == b'\t' { 0 } else { NOT_IN_LIST };
        kinds[control as usize] |= NOT_IN_WORD | kind;
        control += 1;
    }
    kinds[0x7f] |= NOT_IN_WORD | NOT_IN_LIST;
    add_first(&mut kinds, APK_FIELDS, BEGINS_APK);
    add_first(&mut kinds, OPKG_FIELDS, BEGINS_OPKG);
    kinds
};

const fn add(kinds: &mut [u8; 128], bytes: &[u8], kind: u8) {
    let mut at = 0;
    while at < bytes.len() {
        kinds[bytes[at] as usize] |= kind;
        at += 1;
    }
}

/// Adds the first bytes of words that stand behind their lengths.
const fn add_first(kinds: &mut [u8; 128], words: &[u8], kind: u8) {
    let mut at = 0;
    while at < words.len() {
        kinds[words[at + 1] as usize] |= kind;
        at += 1 + words[at] as usize;
    }
}

/// Whether a byte is of one of these kinds.
pub(crate) fn is(byte: u8, kinds: u8) -> bool {
    KINDS[byte.min(0x7f) as usize] & kinds != 0
}

/// How two texts are ordered by their bytes.
#[cfg(not(feature = "std"))]
#[inline(never)] // Once for all of the plugin.
pub fn order(a: &[u8], b: &[u8]) -> Ordering {
    a.cmp(b)
}

/// The same for the agent, which can afford the code: found word by word, since names have long
/// beginnings in common and musl compares byte by byte.
#[cfg(feature = "std")]
#[inline(never)]
pub fn order(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while let (Some((x, more)), Some((y, rest))) = (a.split_first_chunk(), b.split_first_chunk()) {
        if x != y {
            return usize::from_be_bytes(*x).cmp(&usize::from_be_bytes(*y));
        }
        (a, b) = (more, rest);
    }
    a.cmp(b)
}

/// Whether two texts are the same. With `==` the plugin would need another of libc's functions, bcmp.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    order(a, b).is_eq()
}

/// What follows such a beginning; nothing where the text does not begin so.
pub(crate) fn behind<'t>(text: &'t [u8], begin: &[u8]) -> Option<&'t [u8]> {
    let (own, rest) = text.split_at_checked(begin.len())?;
    same(own, begin).then_some(rest)
}

/// What comes before such an end; nothing where the text does not end so.
#[inline(never)]
pub(crate) fn ahead<'t>(text: &'t [u8], end: &[u8]) -> Option<&'t [u8]> {
    let (rest, own) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    same(own, end).then_some(rest)
}

/// What stands before the first byte of one of these kinds, which are all but those that lines begin with.
#[inline(never)] // It is small, but called all over the plugin.
pub(crate) fn until(text: &[u8], kinds: u8) -> &[u8] {
    let mut len = begins_ordinary(text);
    while text.get(len).is_some_and(|&byte| !is(byte, kinds)) {
        len += 1;
    }
    text.get(..len).unwrap_or(text)
}

/// How many ordinary bytes a text begins with at least: letters, digits and what stands between them in names
/// and versions, which are of no kind. The plugin has no room for finding that out.
#[cfg(not(feature = "std"))]
fn begins_ordinary(_: &[u8]) -> usize {
    0
}

/// The same, a word at a time.
#[cfg(feature = "std")]
fn begins_ordinary(text: &[u8]) -> usize {
    const ONES: usize = usize::MAX / 255;
    let mut rest = text;
    while let Some((word, after)) = rest.split_first_chunk() {
        let word = usize::from_ne_bytes(*word);
        // The highest bit of each byte that is above a limit, as long as all are ASCII.
        let above = |limit: u8| word.wrapping_add(ONES * (0x7f - limit) as usize);
        let others = word | word.wrapping_sub(ONES * b'-' as usize) | above(b'{');
        let signs = above(b';') & !above(b'@');
        if (others | signs) & (ONES << 7) != 0 {
            break;
        }
        rest = after;
    }
    text.len() - rest.len()
}

/// What stands before the first such byte, found a word at a time.
pub fn before(text: &[u8], end: u8) -> &[u8] {
    const ONES: usize = usize::MAX / 255;
    let mut rest = text;
    while let Some((word, after)) = rest.split_first_chunk() {
        // The byte becomes the lowest one from which a one has to be borrowed.
        let word = usize::from_le_bytes(*word) ^ (ONES * end as usize);
        let found = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if found != 0 {
            let len = text.len() - rest.len() + found.trailing_zeros() as usize / 8;
            return text.get(..len).unwrap_or(text);
        }
        rest = after;
    }
    let last = rest.iter().position(|&byte| byte == end);
    let len = text.len() - rest.len() + last.unwrap_or(rest.len());
    text.get(..len).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_its_kinds() {
        let all = |kind| (0..=255u8).filter(move |&byte| is(byte, kind));
        let few = |kind| all(kind).collect::<alloc::vec::Vec<u8>>();
        assert_eq!(few(SPACE), b"\t\n\x0b\x0c\r ");
        assert_eq!(few(COMMA), b",|");
        assert_eq!(few(ENDS_NAME), b"\t (<=>@~");
        assert!(all(NOT_IN_WORD).eq((0..=255).filter(|byte| !(b'!'..=b'~').contains(byte))));
        assert!(all(NOT_IN_LIST).eq(all(NOT_IN_WORD).filter(|byte| !b" \t".contains(byte))));
        assert_eq!(few(BEGINS_APK), b"ADPVgp");
        assert_eq!(few(BEGINS_OPKG), b"ADPSV");
    }

    #[test]
    fn texts_are_ordered_as_ever() {
        let texts: alloc::vec::Vec<&[u8]> = (0..30)
            .map(|len| &b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"[..len])
            .collect();
        for a in &texts {
            for b in &texts {
                assert_eq!(order(a, b), a.cmp(b));
                for at in 0..b.len() {
                    for byte in [b'`', b'b', 0, 0xff] {
                        let mut other = b.to_vec();
                        other[at] = byte;
                        assert_eq!(order(a, &other), (**a).cmp(&other), "{a:?} {other:?}");
                        assert_eq!(order(&other, a), other.as_slice().cmp(a), "{other:?} {a:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn words_are_passed_over_only_where_no_byte_is_of_a_kind() {
        for kinds in [SPACE, COMMA, ENDS_NAME, NOT_IN_WORD, NOT_IN_LIST] {
            for byte in 0..=255 {
                for at in 0..24 {
                    for ordinary in [b'-', b';', b'A', b'z'] {
                        let mut text = [ordinary; 24];
                        text[at] = byte;
                        let expected = if is(byte, kinds) { at } else { 24 };
                        assert_eq!(until(&text, kinds).len(), expected, "{text:?} {kinds}");
                    }
                }
            }
        }
    }

    #[test]
    fn it_stops_at_the_first_such_byte() {
        for len in 0..40 {
            let mut text = alloc::vec![b'\x0b'; len];
            assert_eq!(before(&text, b'\n'), text);
            for at in 0..len {
                for other in [b'\n', 0, 0x8a, b'\t'] {
                    text.truncate(len);
                    text.fill(b'\x0b');
                    text[at..].fill(other);
                    text[at] = b'\n';
                    assert_eq!(before(&text, b'\n').len(), at);
                    assert_eq!(until(&text, SPACE).len(), 0);
                    assert_eq!(until(&text, COMMA), text);
                }
            }
        }
    }
}
