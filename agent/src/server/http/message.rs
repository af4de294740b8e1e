//! What goes over a connection (RFC 9112): the head of an answer, and how long its body is.

use super::super::error::Error;
use std::io::{self, BufRead, ErrorKind, Read};

/// Twice what common servers let through themselves.
const HEAD_LIMIT: u64 = 16 * 1024;

/// Common servers stop at 100.
const MOST_FIELDS: usize = 128;

/// `100 Continue`, `103 Early Hints`: so many before the answer itself.
const MOST_INTERIM: usize = 8;

/// The size of a chunk with its extensions, and each line of a trailer.
const LINE_LIMIT: u64 = 1024;

/// An answer that is not HTTP, as an error of a stream.
fn improper(why: &str) -> io::Error {
    io::Error::other(Error::Protocol(why.to_owned()))
}

/// Status and headers.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    /// In the order of the answer; of values that are not text no one is missed.
    fields: Vec<(String, String)>,
    /// HTTP/1.0 closes a connection after each answer.
    old: bool,
}

impl Head {
    /// The next one that is an answer; what only says that there will be one is passed over.
    pub(super) fn read(reader: &mut dyn BufRead) -> io::Result<Self> {
        for _ in 0..MOST_INTERIM {
            let head = Head::parse(&collect(reader)?)?;
            if head.status >= 200 {
                return Ok(head);
            }
        }
        Err(improper("it announces an answer again and again"))
    }

    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut head = httparse::Response::new(&mut fields);
        match head.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(improper("its headers have no end")),
            Err(error) => return Err(improper(&error.to_string())),
        }
        let text = |value: &[u8]| {
            let plain = value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
            String::from_utf8(value.to_vec()).ok().filter(|_| plain)
        };
        Ok(Head {
            status: head.code.unwrap_or_default(),
            fields: head
                .headers
                .iter()
                .filter_map(|field| Some((field.name.to_owned(), text(field.value)?)))
                .collect(),
            old: head.version == Some(0),
        })
    }

    /// The first value of that name.
    pub(super) fn get(&self, name: &'static str) -> Option<&str> {
        self.all(name).next()
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let named = self.fields.iter();
        named
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// Whether another request may follow on the same connection.
    pub(super) fn stays_open(&self) -> bool {
        let closes = |value: &str| value.to_ascii_lowercase().contains("close");
        !self.old && !self.all("Connection").any(closes)
    }

    /// How long the body is that follows (RFC 9112, 6.3); `asked` is false for HEAD.
    pub(super) fn length(&self, asked: bool) -> io::Result<Length> {
        if !asked || matches!(self.status, 204 | 304) {
            return Ok(Length::Known(0));
        }
        let mut codings = self.all("Transfer-Encoding");
        match (codings.next(), codings.next()) {
            (None, _) => {}
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => {
                return Ok(Length::Chunked(0));
            }
            _ => return Err(improper("its answer has an encoding that nobody asked for")),
        }
        let mut lengths = self.all("Content-Length");
        let Some(first) = lengths.next() else {
            return Ok(Length::Unknown);
        };
        let digits = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
        match first.parse() {
            Ok(length) if digits && lengths.all(|other| other == first) => {
                Ok(Length::Known(length))
            }
            _ => Err(improper("the length of its answer is none")),
        }
    }
}

/// All lines up to an empty one.
fn collect(reader: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut limited = reader.take(HEAD_LIMIT);
    loop {
        let start = head.len();
        if limited.read_until(b'\n', &mut head)? == 0 {
            return Err(match limited.limit() {
                0 => improper("the headers of its answer are too long"),
                _ => ErrorKind::UnexpectedEof.into(),
            });
        }
        let line = head.get(start..).unwrap_or_default();
        if !head.starts_with(b"HTTP/") {
            return Err(improper("it does not speak HTTP"));
        }
        if line.trim_ascii().is_empty() {
            return Ok(head);
        }
    }
}

/// What is still to come of a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Length {
    /// So many bytes.
    Known(u64),
    /// So many bytes of the chunk at hand, and further chunks.
    Chunked(u64),
    /// Until the connection ends.
    Unknown,
}

impl Length {
    /// Reads the next bytes of a body; none: it is complete, and where it says itself where it ends,
    /// `self` is `Known(0)`.
    pub(super) fn read(
        &mut self,
        reader: &mut dyn BufRead,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        if *self == Length::Chunked(0) {
            *self = match chunk(reader)? {
                0 => trailer(reader)?,
                size => Length::Chunked(size),
            };
        }
        let most = match *self {
            Length::Unknown => return reader.read(buffer),
            Length::Known(left) | Length::Chunked(left) => buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX)),
        };
        let part = buffer.get_mut(..most).unwrap_or_default();
        if part.is_empty() {
            return Ok(0);
        }
        let read = reader.read(part)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match self {
            Length::Known(left) => *left -= read as u64,
            Length::Chunked(left) => {
                *left -= read as u64;
                if *left == 0 && !line(reader)?.is_empty() {
                    return Err(improper("its answer is in pieces that do not fit"));
                }
            }
            Length::Unknown => {}
        }
        Ok(read)
    }
}

/// A line without its end.
fn line(reader: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    reader.take(LINE_LIMIT).read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\n") {
        Some(text) => Ok(text.strip_suffix(b"\r").unwrap_or(text).to_vec()),
        None if (line.len() as u64) < LINE_LIMIT => Err(ErrorKind::UnexpectedEof.into()),
        None => Err(improper("a line of its answer is too long")),
    }
}

/// The size of the next chunk; what stands behind a semicolon is for nobody.
fn chunk(reader: &mut dyn BufRead) -> io::Result<u64> {
    let line = line(reader)?;
    let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let size = std::str::from_utf8(size.trim_ascii_end()).unwrap_or_default();
    // from_str_radix would take a sign, too.
    let digits = size.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(size, 16)
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| improper("its answer is in pieces without a size"))
}

/// What follows the last chunk.
fn trailer(reader: &mut dyn BufRead) -> io::Result<Length> {
    for _ in 0..MOST_FIELDS {
        if line(reader)?.is_empty() {
            return Ok(Length::Known(0));
        }
    }
    Err(improper("its answer does not end"))
}

/// Any bytes as what a server sends: an answer is refused, cut, or its body is part of them.
#[cfg(any(test, feature = "fuzz"))]
#[allow(clippy::panic)]
pub(in crate::server) fn check(data: &[u8]) {
    for asked in [true, false] {
        let mut rest = data;
        let Ok(head) = Head::read(&mut rest) else {
            return;
        };
        assert!(head.status >= 200);
        let Ok(mut length) = head.length(asked) else {
            return;
        };
        let (mut left, mut buffer) = (rest.len(), [0; 7]);
        while let Ok(read @ 1..) = length.read(&mut rest, &mut buffer) {
            assert!(read <= left - rest.len());
            left = rest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The body of an answer to GET, or why there is none; what stands behind it.
    fn body(mut bytes: &[u8]) -> (Result<Vec<u8>, String>, &[u8]) {
        let mut read = || -> io::Result<Vec<u8>> {
            let mut length = Head::read(&mut bytes)?.length(true)?;
            let (mut body, mut buffer) = (Vec::new(), [0; 3]);
            loop {
                match length.read(&mut bytes, &mut buffer)? {
                    0 => return Ok(body),
                    read => body.extend(&buffer[..read]),
                }
            }
        };
        (read().map_err(|error| error.to_string()), bytes)
    }

    #[test]
    fn bodies_end_where_they_say() {
        for (fields, sent, received, behind) in [
            ("Content-Length: 5\r\n", "hallo!", "hallo", "!"),
            (
                "Content-Length: 5\r\ncontent-length: 5\r\n",
                "hallo",
                "hallo",
                "",
            ),
            ("Content-Length: 0\r\n", "!", "", "!"),
            ("", "until the end", "until the end", ""),
            (
                "Transfer-Encoding: Chunked\r\n",
                "5;a=b\r\nhallo\r\n0A\n, sunshine\r\n0\r\nX: y\r\n\r\n!",
                "hallo, sunshine",
                "!",
            ),
            // The length is a lie then (RFC 9112, 6.3).
            (
                "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
                "2\r\nhi\r\n0\r\n\r\n",
                "hi",
                "",
            ),
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n{sent}");
            let (body, rest) = body(answer.as_bytes());
            assert_eq!(body.unwrap(), received.as_bytes(), "{fields}");
            assert_eq!(rest, behind.as_bytes(), "{fields}");
        }
    }

    #[test]
    fn bodies_that_can_not_be() {
        for (fields, sent) in [
            ("Content-Length: 5\r\n", "hall"),
            ("Content-Length: +5\r\n", "hallo"),
            ("Content-Length: \r\n", "hallo"),
            ("Content-Length: 5\r\nContent-Length: 4\r\n", "hallo"),
            ("Content-Length: 18446744073709551616\r\n", "hallo"),
            ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked\r\n", ""),
            ("Transfer-Encoding: chunked\r\n", "+2\r\nhi\r\n0\r\n\r\n"),
            ("Transfer-Encoding: chunked\r\n", "2\r\nhi!\r\n0\r\n\r\n"),
            ("Transfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\n"),
            ("Transfer-Encoding: chunked\r\n", "10000000000000000\r\nhi"),
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n{sent}");
            assert!(body(answer.as_bytes()).0.is_err(), "{fields} {sent}");
        }
    }

    #[test]
    fn heads() {
        let head = |text: &str| Head::read(&mut text.as_bytes());
        let late = head("HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 204 No\r\n\r\n").unwrap();
        assert_eq!((late.status, late.get("A")), (204, None));
        assert_eq!(late.length(true).unwrap(), Length::Known(0));
        let named =
            head("HTTP/1.1 200 \r\nETAG:  \"x\" \r\nOdd: \u{e4}\r\netag: y\r\n\r\n").unwrap();
        assert_eq!(named.get("ETag"), Some("\"x\""));
        assert_eq!(named.get("Odd"), None);
        for (text, stays) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\n\r\n", false),
        ] {
            assert_eq!(head(text).unwrap().stays_open(), stays, "{text}");
        }
        let again = "HTTP/1.1 100 Continue\r\n\r\n".repeat(MOST_INTERIM + 1);
        let many = format!(
            "HTTP/1.1 200 OK\r\n{}\r\n",
            "A: b\r\n".repeat(MOST_FIELDS + 1)
        );
        for bad in [
            "",
            "HTTP/1.1 200",
            "SSH-2.0-x\r\n",
            "HTTP/1.1 2 OK\r\n\r\n",
            &again,
            &many,
        ] {
            assert!(head(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_trouble(
            status in "[0-9]{3}",
            fields in prop::collection::vec("(Content-Length: [0-9]{1,2}|Transfer-Encoding: chunked|Connection: close|[A-Za-z:]{0,9})\r\n", 0..4),
            body in "([0-9a-f]{1,2}\r\n[a-z]{0,20}\r\n|\\PC{0,9}){0,6}",
        ) {
            check(format!("HTTP/1.1 {status} x\r\n{}\r\n{body}", fields.concat()).as_bytes());
        }
    }
}
