//! Package indexes and upstream's profiles as a stream: hundreds of kilobytes of which a few
//! names are wanted, so nothing is kept but those.
//!
//! A pull reader of its own instead of serde_json's: that costs three times as much on a
//! stream (a call for each byte), and these answers are most of what a check reads.

use super::error::Error;
use super::found::Found;
use super::http::recover;
use super::json::DEPTH_LIMIT;
use data::strings::{self, field, string};
use std::io::Read;

/// Thirty times the public server's largest index, ten times upstream's largest profiles.json.
const STREAM_LIMIT: u64 = 16 * 1024 * 1024;

/// Names, versions and boards are far shorter.
const TEXT_LIMIT: usize = 256;

/// Read at once.
const BUFFER: usize = 8 * 1024;

/// Reads `{"architecture": …, "packages": {name: version}}` or, `flat`, `{name: version}`; the first
/// version of a name stays. Says how many packages it saw.
pub(super) fn versions(
    body: &mut dyn Read,
    flat: bool,
    found: &mut Found<'_>,
) -> Result<usize, Error> {
    let mut tokens = Tokens::new(body);
    let mut seen = 0;
    if flat {
        tokens.packages(&mut seen, found)?;
    } else {
        tokens.object(&mut |tokens, key| match key {
            b"packages" => tokens.packages(&mut seen, found),
            _ => tokens.skip(),
        })?;
    }
    Ok(seen)
}

/// Looks through upstream's `{"profiles": {id: {"supported_devices": [board]}}}` for a board; comma
/// and underscore are one. Where none supports it, `generic` does, if there is no other profile.
pub(super) fn profile_of(body: &mut dyn Read, board: &str) -> Result<Option<String>, Error> {
    let plain = |name: &str| name.replace(',', "_");
    let board = plain(board);
    let (mut found, mut generic, mut others) = (None, false, false);
    Tokens::new(body).object(&mut |tokens, key| {
        if key != b"profiles" {
            return tokens.skip();
        }
        tokens.object(&mut |tokens, id| {
            match id {
                b"generic" => generic = true,
                _ => others = true,
            }
            tokens.object(&mut |tokens, key| {
                if key != b"supported_devices" {
                    return tokens.skip();
                }
                tokens.array(&mut |tokens| {
                    if plain(&tokens.text()?) == board && found.is_none() {
                        found = Some(as_text(id)?.to_owned());
                    }
                    Ok(())
                })
            })
        })
    })?;
    Ok(found.or_else(|| (generic && !others).then(|| "generic".to_owned())))
}

/// Called after each key; has to take the value.
type Member<'m> = &'m mut dyn FnMut(&mut Tokens<'_>, &[u8]) -> Result<(), Error>;

/// JSON, token by token.
struct Tokens<'a> {
    source: &'a mut dyn Read,
    room: Box<[u8; BUFFER]>,
    buffer: Vec<u8>,
    at: usize,
    total: u64,
}

impl<'a> Tokens<'a> {
    fn new(source: &'a mut dyn Read) -> Self {
        Tokens {
            source,
            room: Box::new([0; BUFFER]),
            buffer: Vec::new(),
            at: 0,
            total: 0,
        }
    }

    /// The bytes at hand, at least one.
    fn bytes(&mut self) -> Result<&[u8], Error> {
        if self.at >= self.buffer.len() {
            self.fill()?;
        }
        Ok(self.buffer.get(self.at..).unwrap_or_default())
    }

    fn fill(&mut self) -> Result<(), Error> {
        let read = self.source.read(&mut self.room[..]).map_err(recover)?;
        self.buffer.clear();
        self.buffer
            .extend_from_slice(self.room.get(..read).unwrap_or_default());
        self.at = 0;
        self.total += read as u64;
        match read {
            0 => Err(Error::NotUnderstood("it ends too early".to_owned())),
            _ if self.total > STREAM_LIMIT => Err(Error::TooLong(STREAM_LIMIT)),
            _ => Ok(()),
        }
    }

    /// The next byte that is not space; it stays where it is.
    fn peek(&mut self) -> Result<u8, Error> {
        // Nearly always: no space, and something at hand.
        if let Some(byte @ b'!'..) = self.buffer.get(self.at) {
            return Ok(*byte);
        }
        loop {
            match self.bytes()?.first() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(&byte) => return Ok(byte),
                None => {}
            }
        }
    }

    fn expect(&mut self, wanted: u8) -> Result<(), Error> {
        match self.peek()? {
            byte if byte == wanted => self.at += 1,
            b'<' if self.total <= BUFFER as u64 => return Err(Error::WebPage),
            byte => return Err(unexpected(byte)),
        }
        Ok(())
    }

    fn object(&mut self, member: Member<'_>) -> Result<(), Error> {
        let mut key = Vec::new();
        self.list(b'{', b'}', &mut |tokens| {
            tokens.string(Some(&mut key))?;
            tokens.expect(b':')?;
            member(tokens, &key)
        })
    }

    /// Takes an object of names and versions.
    fn packages(&mut self, seen: &mut usize, found: &mut Found<'_>) -> Result<(), Error> {
        let mut name = Vec::new();
        self.list(b'{', b'}', &mut |tokens| {
            tokens.plain_packages(seen, found)?;
            tokens.string(Some(&mut name))?;
            tokens.expect(b':')?;
            *seen += 1;
            match found.place(&name)? {
                Some(version) => *version = Some(tokens.text()?),
                None => tokens.skip()?,
            }
            Ok(())
        })
    }

    /// Takes those packages that lie in the buffer as a whole and have no escapes, as nearly all
    /// do, up to one that is not so or has none behind it. Without this an index costs half
    /// as many instructions again.
    fn plain_packages(&mut self, seen: &mut usize, found: &mut Found<'_>) -> Result<(), Error> {
        let mut rest = self.buffer.get(self.at..).unwrap_or_default();
        while let Some((name, version, next)) = field(rest, TEXT_LIMIT) {
            if let Some(place) = found.place(name)? {
                *place = Some(as_text(version)?.to_owned());
            }
            *seen += 1;
            rest = next;
        }
        self.at = self.buffer.len() - rest.len();
        Ok(())
    }

    fn array(
        &mut self,
        element: &mut dyn FnMut(&mut Tokens<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.list(b'[', b']', element)
    }

    /// What stands between brackets, separated by commas.
    fn list(
        &mut self,
        open: u8,
        close: u8,
        entry: &mut dyn FnMut(&mut Tokens<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.expect(open)?;
        if self.peek()? == close {
            self.at += 1;
            return Ok(());
        }
        loop {
            entry(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                byte if byte == close => break,
                byte => return Err(unexpected(byte)),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn text(&mut self) -> Result<String, Error> {
        let mut text = Vec::new();
        self.string(Some(&mut text))?;
        as_text(&text).map(str::to_owned)
    }

    /// Takes a string, into `text` if there is one; only what is kept is bounded.
    fn string(&mut self, mut text: Option<&mut Vec<u8>>) -> Result<(), Error> {
        if let Some(text) = text.as_mut() {
            text.clear();
        }
        if self.whole_string(text.as_deref_mut()) {
            return Ok(());
        }
        self.expect(b'"')?;
        loop {
            let bytes = self.bytes()?;
            let run = strings::length_of(bytes);
            if let (Some(text), Some(bytes)) = (text.as_mut(), bytes.get(..run)) {
                text.extend_from_slice(bytes);
                if text.len() > TEXT_LIMIT {
                    return Err(Error::TooLong(TEXT_LIMIT as u64));
                }
            }
            let end = bytes.get(run).copied();
            self.at += run + usize::from(end.is_some());
            match end {
                Some(b'"') => return Ok(()),
                Some(_) => {
                    let c = self.escape()?;
                    if let Some(text) = text.as_mut() {
                        text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                }
                None => {}
            }
        }
    }

    /// Takes a string that comes next, lies in the buffer as a whole and has no escapes, as nearly
    /// all do; else nothing. Saves a fifth of the instructions for an index.
    fn whole_string(&mut self, text: Option<&mut Vec<u8>>) -> bool {
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        let Some((string, rest)) = string(rest) else {
            return false;
        };
        match text {
            Some(_) if string.len() > TEXT_LIMIT => return false,
            Some(text) => text.extend_from_slice(string),
            None => {}
        }
        self.at = self.buffer.len() - rest.len();
        true
    }

    /// What follows a backslash; half a surrogate pair is no character, and no name has one.
    fn escape(&mut self) -> Result<char, Error> {
        let c = match self.byte()? {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let mut code = 0;
                for _ in 0..4 {
                    let digit = self.byte()?;
                    code = code * 16
                        + char::from(digit)
                            .to_digit(16)
                            .ok_or_else(|| unexpected(digit))?;
                }
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            byte => return Err(unexpected(byte)),
        };
        Ok(c)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        let byte = self.bytes()?.first().copied().unwrap_or(0);
        self.at += 1;
        Ok(byte)
    }

    /// Takes a value that nobody wants, whatever it is.
    fn skip(&mut self) -> Result<(), Error> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => self.string(None)?,
                b'{' | b'[' => {
                    (self.at, depth) = (self.at + 1, depth + 1);
                    if depth > DEPTH_LIMIT {
                        return Err(Error::TooDeep);
                    }
                    continue;
                }
                b'}' | b']' if depth > 0 => (self.at, depth) = (self.at + 1, depth - 1),
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                b'-' | b'0'..=b'9' | b'a'..=b'z' => self.word()?,
                byte => return Err(unexpected(byte)),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Result<(), Error> {
        while matches!(
            self.bytes()?.first(),
            Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E')
        ) {
            self.at += 1;
        }
        Ok(())
    }
}

pub(super) fn as_text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::NotUnderstood("it is not UTF-8".to_owned()))
}

fn unexpected(byte: u8) -> Error {
    Error::NotUnderstood(format!(
        "there is a \"{}\" where none can be",
        char::from(byte).escape_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sorted::Names;
    use std::collections::BTreeMap;

    /// Hands out `step` bytes at a time, so that every token is split somewhere.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let step = self.1.min(buffer.len());
            self.0
                .take(step as u64)
                .read(buffer)
                .inspect(|&read| self.0 = &self.0[read..])
        }
    }

    fn read(json: &str, flat: bool, names: &[&str]) -> Result<BTreeMap<String, String>, Error> {
        let names: Names<'_> = names.iter().copied().collect();
        let whole = read_in_steps(json, flat, &names, json.len().max(1));
        for step in 1..8 {
            let split = read_in_steps(json, flat, &names, step);
            assert_eq!(format!("{split:?}"), format!("{whole:?}"));
        }
        whole
    }

    fn read_in_steps(
        json: &str,
        flat: bool,
        names: &Names<'_>,
        step: usize,
    ) -> Result<BTreeMap<String, String>, Error> {
        let mut found = Found::of(names);
        versions(&mut Slow(json.as_bytes(), step), flat, &mut found)?;
        let found = found.versions().into_iter();
        Ok(found
            .map(|(name, version)| (name.to_owned(), version))
            .collect())
    }

    #[test]
    fn only_the_names_asked_about_are_kept() {
        let flat = r#"{"a":"1", "b" : "2~x-r1",
            "c":"3"}"#;
        let found = read(flat, true, &["b", "z"]).unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("b".to_owned(), "2~x-r1".to_owned())]
        );
    }

    #[test]
    fn a_target_index_has_its_packages_one_level_below() {
        let json = r#"{"architecture":"x","more":{"b":["0",{"b":-1.5e3}],"c":null},"packages":{"b":"2"},"z":[]}"#;
        assert_eq!(read(json, false, &["b"]).unwrap()["b"], "2");
        assert!(read("{}", false, &["b"]).unwrap().is_empty());
        assert!(read("{}", true, &["b"]).unwrap().is_empty());
    }

    #[test]
    fn escapes_are_read() {
        let json = r#"{"a\u002db":"1\"\\\/\u00e4\ud800"}"#;
        assert_eq!(
            read(json, true, &["a-b"]).unwrap()["a-b"],
            "1\"\\/ä\u{fffd}"
        );
    }

    #[test]
    fn what_is_no_index_is_refused() {
        for bad in [
            "",
            "{",
            "[",
            "[]",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":\"1\"",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":\"1\"\"b\"}",
            "nothing",
            "{\"a\":\"\\x\"}",
            "{\"a\":@}",
        ] {
            assert!(
                matches!(read(bad, true, &["a"]), Err(Error::NotUnderstood(_))),
                "{bad}"
            );
        }
        assert!(matches!(read("<html>", true, &[]), Err(Error::WebPage)));
        let name = "x".repeat(TEXT_LIMIT + 1);
        assert!(matches!(
            read(&format!("{{\"{name}\":\"1\"}}"), true, &[]),
            Err(Error::TooLong(_))
        ));
        let deep = format!("{{\"a\":{}", "[".repeat(10_000));
        assert!(matches!(read(&deep, true, &[]), Err(Error::TooDeep)));
    }

    #[test]
    fn an_endless_index_ends() {
        let mut endless = "{\"a\":\"1\",".as_bytes().chain(std::io::repeat(b' '));
        let read = versions(&mut endless, true, &mut Found::of(&Names::default()));
        assert!(matches!(read, Err(Error::TooLong(STREAM_LIMIT))));
    }

    #[test]
    fn a_board_is_found_in_upstreams_profiles() {
        let json = r#"{"arch_packages":"x","profiles":{"one":{"images":[{"name":"n"}],"supported_devices":["a,b","c"]},"two":{"supported_devices":["d,e"],"titles":[]}},"target":"t"}"#;
        let find = |board| profile_of(&mut json.as_bytes(), board).unwrap();
        assert_eq!(find("c").as_deref(), Some("one"));
        assert_eq!(find("d,e").as_deref(), Some("two"));
        assert_eq!(find("d_e").as_deref(), Some("two"));
        assert_eq!(find("f"), None);
        let generic = |json: &str| profile_of(&mut json.as_bytes(), "f").unwrap();
        assert_eq!(
            generic(r#"{"profiles":{"generic":{}}}"#).as_deref(),
            Some("generic")
        );
        assert_eq!(generic(r#"{"profiles":{"generic":{},"er":{}}}"#), None);
    }
}
