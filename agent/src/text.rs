//! Text of others (servers, images, other programs) on its way to people.
//!
//! Nothing in it may move a cursor, change colours, end a line of the log, hide what stands there or
//! turn the direction of writing. Every way out uses this file: the terminal ([`line`], [`json`]),
//! the log ([`say`]), the bus and with it LuCI ([`clean_answer`]), the line at the login ([`clean`]).
//! LuCI makes text nodes of all it gets; that is what keeps HTML out there.

use crate::json::Value;
use firmware::steers;
use std::fmt::{Display, Write as _};
use std::io::Write as _;

/// A server's words in a sentence: enough for a list of packages, short enough for a terminal.
const WORDS_LIMIT: usize = 400;

/// The same text on one line, without characters that do something instead of being shown.
pub fn line(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    text.chars().map(harmless).collect()
}

/// The same of some lines.
pub fn lines(text: &str) -> String {
    let keep = |c| match c {
        '\n' | '\t' => c,
        c => harmless(c),
    };
    text.chars().map(keep).collect()
}

/// The same as words in a sentence: on one line, trimmed and bounded.
pub fn clean(text: &str) -> String {
    let mut rest = text.trim_start().chars();
    let mut words: String = rest.by_ref().take(WORDS_LIMIT).map(harmless).collect();
    if rest.next().is_some() {
        words.push('…');
    }
    words.trim().to_owned()
}

/// JSON that means the same, but can be looked at.
pub fn json(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) && c != '\n' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing into a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Says something in the log (procd passes standard error on to it), as one line.
pub fn say(sentence: &dyn Display) {
    let text = format!("asu: {}\n", line(&sentence.to_string()));
    // Where nobody listens any more, there is nowhere else to say it.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Cleans all texts of an answer on the bus. A script of the owner's own (`defaults` of a request)
/// stays as it is: it is what will be sent.
pub fn clean_answer(answer: &mut Value) {
    match answer {
        Value::String(text) if is_steered(text) => *text = lines(text),
        Value::Array(items) => items.iter_mut().for_each(clean_answer),
        Value::Object(fields) => {
            if fields.keys().any(|name| is_steered(name)) {
                let named = std::mem::take(fields).into_iter();
                *fields = named.map(|(name, value)| (line(&name), value)).collect();
            }
            let scripts = |name: &str, value: &Value| name == "defaults" && value.is_string();
            for (_, value) in fields
                .iter_mut()
                .filter(|(name, value)| !scripts(name, value))
            {
                clean_answer(value);
            }
        }
        _ => {}
    }
}

/// Printable ASCII, as nearly all names, versions and sentences are. Looking at the bytes first
/// saves a daemon that answers on 1,000 packages 4 of 72 million instructions.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn is_steered(text: &str) -> bool {
    !is_plain(text) && text.chars().any(steers)
}

fn harmless(c: char) -> char {
    match c {
        ' '..='~' => c,
        '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() => ' ',
        c if steers(c) => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const EVIL: &str =
        "a\x1b[2J\r\n\u{9b}b\u{202e}c\u{2066}\u{feff}\u{e0041}\u{2028}\u{7f}größer 你";

    fn is_harmless(text: &str) -> bool {
        !text.chars().any(|c| steers(c) && !matches!(c, '\n' | '\t'))
    }

    #[test]
    fn nothing_moves_a_cursor_or_turns_the_writing() {
        assert!(!is_harmless(EVIL));
        for shown in [line(EVIL), lines(EVIL), clean(EVIL), json(EVIL)] {
            assert!(is_harmless(&shown), "{shown:?}");
            assert!(shown.ends_with("größer 你"), "{shown:?}");
        }
        assert!(!line(EVIL).contains('\n'));
        assert_eq!(lines("a\tb\n\u{7}c"), "a\tb\n c");
    }

    #[test]
    fn words_are_bounded() {
        assert_eq!(
            clean(" \u{7}a\u{1b}[31mb\nc\u{202e}d \n"),
            "a [31mb c\u{fffd}d"
        );
        assert_eq!(clean(&"ä".repeat(1000)).chars().count(), WORDS_LIMIT + 1);
    }

    #[test]
    fn json_means_the_same() {
        let value = json!({"text": EVIL, "list": [EVIL, 1]});
        let shown = json(&value.to_string());
        assert!(is_harmless(&shown));
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
    }

    #[test]
    fn an_answer_is_clean_but_for_the_owners_script() {
        let mut answer = json!({"a": {EVIL: [EVIL]}, "defaults": {"added": [EVIL]}, "request": {"defaults": "\x1b", "n": EVIL}});
        clean_answer(&mut answer);
        assert_eq!(answer["request"]["defaults"], "\x1b");
        answer["request"]["defaults"] = Value::Null;
        let mut texts = vec![answer];
        while let Some(value) = texts.pop() {
            match value {
                Value::String(text) => assert!(is_harmless(&text), "{text:?}"),
                Value::Array(items) => texts.extend(items),
                Value::Object(fields) => {
                    for (name, value) in fields {
                        texts.extend([name.into(), value]);
                    }
                }
                _ => {}
            }
        }
    }
}
