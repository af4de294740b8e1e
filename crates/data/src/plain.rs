//! What may stay as it is in a text, found a word at a time: whatever is written or said is looked at.

type Word = usize;

const ONES: Word = Word::MAX / 255;
const HIGHS: Word = ONES << 7;

/// Whether a text is printable ASCII, as nearly all names, versions and sentences are.
pub fn is_printable(text: &[u8]) -> bool {
    // Beyond ASCII, below the space, and the one above the tilde.
    none(text, |word| {
        word | word.wrapping_sub(every(b' ')) | word.wrapping_add(ONES)
    })
}

/// Whether a text may stand between quotes in JSON as it is. Not of all texts that may: of those in
/// ASCII.
pub(crate) fn stands_in_json(text: &[u8]) -> bool {
    none(text, |word| {
        let has = |byte| {
            let zero = word ^ every(byte);
            zero.wrapping_sub(ONES) & !zero
        };
        word | word.wrapping_sub(every(b' ')) | has(b'"') | has(b'\\')
    })
}

const fn every(byte: u8) -> Word {
    ONES * byte as Word
}

/// Whether `bad` sets no byte's highest bit in any of the text's words.
#[inline(always)]
fn none(mut text: &[u8], bad: impl Fn(Word) -> Word) -> bool {
    let is_bad = |word: &[u8; size_of::<Word>()]| bad(Word::from_ne_bytes(*word)) & HIGHS != 0;
    // The last word, which may have a part of the one before it, comes first.
    let mut short = [b' '; size_of::<Word>()];
    let last = match text.last_chunk() {
        Some(last) => last,
        None => {
            for (place, byte) in short.iter_mut().zip(text) {
                *place = *byte;
            }
            &short
        }
    };
    if is_bad(last) {
        return false;
    }
    while let Some((word, rest)) = text.split_first_chunk() {
        if is_bad(word) {
            return false;
        }
        text = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_as_byte_by_byte() {
        let quiet = |byte: u8| matches!(byte, b' '..=b'~');
        let json = |byte: u8| matches!(byte, b' '..=0x7f) && !matches!(byte, b'"' | b'\\');
        for len in 0..20 {
            for other in [b' ', b'!', b'~', b'\t', b'#', b']'] {
                for at in 0..len {
                    for byte in 0..=255 {
                        let mut text = vec![other; len];
                        text[at] = byte;
                        let text = &text;
                        let all = |kind: fn(u8) -> bool| text.iter().all(|byte| kind(*byte));
                        assert_eq!(is_printable(text), all(quiet), "{text:?}");
                        assert_eq!(stands_in_json(text), all(json), "{text:?}");
                    }
                }
            }
        }
        assert!(is_printable(b"") && stands_in_json(b""));
    }
}
