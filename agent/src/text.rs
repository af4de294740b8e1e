//! Text of others (servers, images, other programs) on its way to people.
//!
//! Nothing in it may move a cursor, change colours, end a line of the log, hide what stands there or
//! turn the direction of writing. Every way out uses this file: the terminal ([`line`], [`json`]),
//! the log ([`say`]), the bus and with it LuCI ([`clean_answer`]), the line at the login ([`clean`]).
//! LuCI makes text nodes of all it gets; that is what keeps HTML out there.

use crate::json::{Fields, Value};
use data::is_printable;
use firmware::steers;
use std::fmt::{Display, Write as _};
use std::io::Write as _;
use ubus::{Full, Writer};

/// A server's words in a sentence: enough for a list of packages, short enough for a terminal.
const WORDS_LIMIT: usize = 400;

/// The same text on one line, without characters that do something instead of being shown.
pub fn line(text: &str) -> String {
    if is_printable(text.as_bytes()) || text.chars().all(|c| harmless(c) == c) {
        return text.to_owned();
    }
    text.chars().map(harmless).collect()
}

/// Adds the same text to a line.
pub fn append_line(line: &mut String, text: &str) {
    match is_printable(text.as_bytes()) {
        true => line.push_str(text),
        false => line.extend(text.chars().map(harmless)),
    }
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
    if is_printable(text.as_bytes()) {
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

/// Whether a JSON text has nothing in any of its strings that would have to be cleaned. It is asked of
/// the text as a whole: of each string by itself that is ten times the work.
pub fn is_clean_json(text: &[u8]) -> bool {
    is_printable(text) && !text.contains(&b'\\')
}

/// Cleans all texts of an answer on the bus. A script of the owner's own (`defaults` of a request)
/// stays as it is: it is what will be sent. [`Full`] where it is too large for the bus then.
pub fn clean_answer(answer: Vec<u8>) -> Result<Vec<u8>, Full> {
    if is_clean(Fields::new(&answer)) {
        return Ok(answer);
    }
    let mut cleaned = Vec::with_capacity(answer.len());
    let mut out = Writer::new(&mut cleaned);
    copy_clean(Fields::new(&answer), &mut out);
    // A replacement character may take more bytes than what it stands for.
    out.finish()?;
    Ok(cleaned)
}

fn is_clean(fields: Fields<'_>) -> bool {
    fields.flatten().all(|field| {
        let inside = match field.value {
            Value::String(text) => is_printable(text),
            Value::Array(items) | Value::Table(items) => is_clean(items),
            _ => true,
        };
        inside && is_printable(field.name)
    })
}

fn copy_clean(fields: Fields<'_>, out: &mut Writer<'_, Vec<u8>>) {
    for field in fields.flatten() {
        let name = line(&String::from_utf8_lossy(field.name));
        match field.value {
            Value::String(text) if name == "defaults" => out.string(name, text),
            Value::String(text) => out.string(name, lines(&String::from_utf8_lossy(text))),
            Value::Array(items) => out.array(name, |out| copy_clean(items, out)),
            Value::Table(items) => out.table(name, |out| copy_clean(items, out)),
            Value::Int8(number) => out.int8(name, number),
            Value::Int16(number) => out.int16(name, number),
            Value::Int32(number) => out.int32(name, number),
            Value::Int64(number) => out.int64(name, number),
            Value::Double(number) => out.double(name, number),
            Value::Null => out.null(name),
        }
    }
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
    use crate::json::{from_bus, to_bus};
    use serde_json::{json, Value as Tree};

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
        assert_eq!(serde_json::from_str::<Tree>(&shown).unwrap(), value);
    }

    #[test]
    fn an_answer_is_clean_but_for_the_owners_script() {
        let said = json!({"a": {EVIL: [EVIL]}, "defaults": {"added": [EVIL]}, "request": {"defaults": "\x1b", "n": EVIL}});
        let mut answer: Tree = from_bus(&clean_answer(to_bus(&said).unwrap()).unwrap()).unwrap();
        assert_eq!(answer["request"]["defaults"], "\x1b");
        answer["request"]["defaults"] = Tree::Null;
        let mut texts = vec![answer];
        while let Some(value) = texts.pop() {
            match value {
                Tree::String(text) => assert!(is_harmless(&text), "{text:?}"),
                Tree::Array(items) => texts.extend(items),
                Tree::Object(fields) => {
                    for (name, value) in fields {
                        texts.extend([name.into(), value]);
                    }
                }
                _ => {}
            }
        }
    }
}
