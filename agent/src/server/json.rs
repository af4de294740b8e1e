//! JSON from a server: bounded in size, depth and the length of its strings before it is parsed.

use super::error::Error;
use super::http::recover;
use data::strings::length_of;
use data::{Data, Decode};
use std::io::Read;

/// An answer, whole: the public server's overview has 150 KiB, a build's log some 100 KiB.
pub(super) const SIZE_LIMIT: u64 = 2 * 1024 * 1024;

/// Real answers have a depth of 6.
pub(super) const DEPTH_LIMIT: usize = 32;

/// Real answers have some 10,000 values; each takes many times the three bytes that it may have here.
const VALUES_LIMIT: usize = 64 * 1024;

/// Names, versions and sentences are far shorter; only a build's output may be longer.
const TEXT_LIMIT: usize = 64 * 1024;

/// Reads one JSON value.
pub(super) fn read<T: Decode + Default>(body: &mut dyn Read) -> Result<T, Error> {
    data::read(read_data(body)?.value()).map_err(|error| Error::NotUnderstood(error.to_string()))
}

/// The same where its parts are looked at one by one.
pub(super) fn read_data(body: &mut dyn Read) -> Result<Data, Error> {
    parse(&collect(body)?)
}

/// The same where the server says `{}` for what it does not know.
pub(super) fn read_unless_empty<T: Decode + Default>(
    body: &mut dyn Read,
) -> Result<Option<T>, Error> {
    match collect(body)?.trim_ascii() {
        b"{}" => Ok(None),
        mut bytes => read(&mut bytes).map(Some),
    }
}

fn parse(bytes: &[u8]) -> Result<Data, Error> {
    Data::parse(bytes).map_err(|error| {
        if bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'<') {
            Error::WebPage
        } else {
            Error::NotUnderstood(error.to_string())
        }
    })
}

/// Reads a body to its end and stops at the first byte that goes beyond a limit.
fn collect(body: &mut dyn Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut limits = Limits::default();
    let mut chunk = [0; 8192];
    loop {
        let read = body.read(&mut chunk).map_err(recover)?;
        let new = chunk.get(..read).unwrap_or_default();
        if new.is_empty() {
            return Ok(bytes);
        }
        if (bytes.len() + new.len()) as u64 > SIZE_LIMIT {
            return Err(Error::TooLong(SIZE_LIMIT));
        }
        limits.pass(new)?;
        bytes.extend_from_slice(new);
    }
}

/// Follows the text just closely enough to know depth and strings; the grammar is serde_json's.
#[derive(Default)]
struct Limits {
    depth: usize,
    values: usize,
    inside: bool,
    escaped: bool,
    length: usize,
    /// The first bytes of the string at hand …
    start: [u8; 6],
    /// … and whether the one before it was `stdout` or `stderr`: then this one may be long.
    log: bool,
}

impl Limits {
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        loop {
            if self.inside && !self.escaped {
                let (text, rest) = bytes.split_at(length_of(bytes));
                self.text(text)?;
                bytes = rest;
            }
            let Some((&byte, rest)) = bytes.split_first() else {
                return Ok(());
            };
            bytes = rest;
            match (self.inside, byte) {
                (false, _) => self.outside(byte)?,
                (true, b'"') if !self.escaped => {
                    self.inside = false;
                    self.log = self.length == 6 && matches!(&self.start, b"stdout" | b"stderr");
                }
                (true, _) => {
                    self.escaped = !self.escaped;
                    self.text(&[byte])?;
                }
            }
        }
    }

    fn outside(&mut self, byte: u8) -> Result<(), Error> {
        match byte {
            b'"' => (self.inside, self.length) = (true, 0),
            b'{' | b'[' => {
                self.depth += 1;
                self.values += 1;
            }
            b',' => self.values += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if self.depth > DEPTH_LIMIT {
            return Err(Error::TooDeep);
        }
        if self.values > VALUES_LIMIT {
            return Err(Error::TooMany(VALUES_LIMIT));
        }
        Ok(())
    }

    /// A part of a string.
    fn text(&mut self, text: &[u8]) -> Result<(), Error> {
        let start = self.start.iter_mut().skip(self.length);
        start.zip(text).for_each(|(place, byte)| *place = *byte);
        self.length += text.len();
        if self.length > TEXT_LIMIT && !self.log {
            return Err(Error::TooLong(TEXT_LIMIT as u64));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn value(text: &str) -> Result<Value, Error> {
        read(&mut text.as_bytes())
    }

    #[test]
    fn depth_is_bounded_even_in_what_is_ignored() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(value(&nested(32)).is_ok());
        assert!(matches!(value(&nested(33)), Err(Error::TooDeep)));
        let ignored = format!("{{\"x\":{}}}", nested(10_000));
        let read: Result<super::super::answers::Progress, _> = read(&mut ignored.as_bytes());
        assert!(matches!(read, Err(Error::TooDeep)));
        assert!(value("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"").is_ok());
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        for (part, most) in [("1,", VALUES_LIMIT), ("[],", VALUES_LIMIT / 2)] {
            assert!(value(&format!("[{}1]", part.repeat(most - 1))).is_ok());
            let more = format!("[{}1]", part.repeat(most + 1));
            assert!(matches!(value(&more), Err(Error::TooMany(_))), "{part}");
        }
        assert!(value(&format!("\"{}\"", ",".repeat(VALUES_LIMIT - 1))).is_ok());
    }

    #[test]
    fn only_logs_may_be_long() {
        let long = "x".repeat(TEXT_LIMIT + 1);
        assert!(matches!(
            value(&format!("{{\"detail\":\"{long}\"}}")),
            Err(Error::TooLong(_))
        ));
        assert!(matches!(
            value(&format!("{{\"stdoutx\":\"{long}\"}}")),
            Err(Error::TooLong(_))
        ));
        assert!(value(&format!("{{\"stderr\":\"{long}\"}}")).is_ok());
    }

    #[test]
    fn size_is_bounded() {
        let body = std::io::repeat(b' ');
        assert!(matches!(
            read::<Value>(&mut { body }),
            Err(Error::TooLong(SIZE_LIMIT))
        ));
    }

    #[test]
    fn what_is_not_json_is_said() {
        assert!(matches!(value("\n <html>"), Err(Error::WebPage)));
        assert!(matches!(value("Hello"), Err(Error::NotUnderstood(_))));
        assert!(matches!(value(""), Err(Error::NotUnderstood(_))));
    }
}
