//! Texts from strangers, made fit to stand in a sentence.

/// The first `most` characters of `text`, without those that steer a terminal or turn the direction of writing.
pub(crate) fn plain(text: &str, most: usize) -> String {
    text.chars()
        .filter(|character| !steers(*character))
        .take(most)
        .collect()
}

/// Whether a character does something (moves a cursor, changes colours, turns the direction of writing, hides what
/// stands there) instead of being shown.
pub fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_is_left_that_steers() {
        assert_eq!(
            plain("a\x1b[2J\r\n\tb\u{7f}\u{9b}\u{202e}c\u{2066}\u{feff}é", 100),
            "a[2Jbcé"
        );
        assert_eq!(plain("äöü", 2), "äö");
    }
}
