//! Addresses: where to connect, what to ask for there, and with which name and password.

use base64::prelude::{Engine, BASE64_STANDARD};

/// The parts of `https://name:password@host:port/path`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Address<'a> {
    /// https
    pub(super) secure: bool,
    /// `name:password`, as it stands there.
    credentials: Option<&'a str>,
    /// A name, or a number without its brackets.
    pub(super) host: &'a str,
    /// As it stands there, or the scheme's.
    pub(super) port: u16,
    /// `host:port` as it stands there, brackets included.
    pub(super) authority: &'a str,
    /// What is asked for there, or nothing.
    path: &'a str,
}

impl<'a> Address<'a> {
    /// Nothing, where a part is missing or has what can't be sent in one line.
    pub(super) fn parse(url: &'a str) -> Option<Self> {
        let (secure, rest) = match url.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, url.strip_prefix("http://")?),
        };
        // What is behind # is for browsers.
        let rest = rest.split('#').next()?;
        if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let (place, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (credentials, authority) = match place.rsplit_once('@') {
            Some((credentials, authority)) => (Some(credentials), authority),
            None => (None, place),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(number) => number.split_once(']')?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None if !port.is_empty() => return None,
            None if secure => 443,
            None => 80,
        };
        (!host.is_empty()).then_some(Address {
            secure,
            credentials,
            host,
            port,
            authority,
            path,
        })
    }

    /// The second word of a request.
    pub(super) fn target(&self) -> String {
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        format!("{slash}{}", self.path)
    }

    /// The value of `Authorization` (RFC 7617), where the address has a name in it.
    pub(super) fn authorization(&self) -> Option<String> {
        let text = decode(self.credentials?);
        let colon = if text.contains(&b':') { "" } else { ":" };
        let pair = [text.as_slice(), colon.as_bytes()].concat();
        Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
    }

    /// Whether the host is the one that `entry` names, or below it.
    pub(super) fn is_below(&self, entry: &str) -> bool {
        let entry = entry.trim_matches(['[', ']']).trim_start_matches('.');
        let start = self.host.len().checked_sub(entry.len());
        let parts = start.and_then(|start| self.host.split_at_checked(start));
        let ends = parts.is_some_and(|(before, end)| {
            end.eq_ignore_ascii_case(entry) && (before.is_empty() || before.ends_with('.'))
        });
        entry == "*" || (ends && !entry.is_empty())
    }
}

/// `%40` is `@`; what is no such thing stays as it is.
fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend(before.bytes());
        let byte = after
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        rest = after.get(byte.map_or(0, |_| 2)..).unwrap_or_default();
    }
    bytes.extend(rest.bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        for (url, secure, host, port, target) in [
            ("https://a.lan", true, "a.lan", 443, "/"),
            ("http://a.lan/x:1/@y", false, "a.lan", 80, "/x:1/@y"),
            ("https://me:too@a.lan:8443/", true, "a.lan", 8443, "/"),
            ("http://[::1]:8000/x#y", false, "::1", 8000, "/x"),
            ("http://192.0.2.1?x", false, "192.0.2.1", 80, "/?x"),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!((address.secure, address.host), (secure, host), "{url}");
            assert_eq!((address.port, address.target()), (port, target.to_owned()));
        }
        assert_eq!(
            Address::parse("http://u@[::1]:80/").unwrap().authority,
            "[::1]:80"
        );
        for bad in [
            "",
            "a",
            "ftp://a",
            "https://",
            "https:///x",
            "http://:80",
            "http://a:",
            "http://a:b",
            "http://a:65536",
            "http://[::1",
            "http://[::1]x",
            "http://me@",
            "http://a/x y",
            "http://a/\r\nX: y",
            "http://ä",
        ] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_and_passwords() {
        let of = |url| Address::parse(url).unwrap().authorization();
        assert_eq!(of("http://a/"), None);
        // me:p@ss, me:, and a sign that begins nothing
        for (url, value) in [
            ("http://me:p%40ss@a/", "Basic bWU6cEBzcw=="),
            ("http://me@a/", "Basic bWU6"),
            ("http://m%zze%4:@a/", "Basic bSV6emUlNDo="),
        ] {
            assert_eq!(of(url).unwrap(), value, "{url}");
        }
    }

    #[test]
    fn hosts_that_are_asked_without_the_proxy() {
        let is_below = |host: &str, entry| {
            let url = match host.contains(':') {
                true => format!("http://[{host}]:1/"),
                false => format!("http://{host}:1/"),
            };
            Address::parse(&url).unwrap().is_below(entry)
        };
        for (host, entry) in [
            ("a.lan", "lan"),
            ("a.lan", ".lan"),
            ("a.b.LAN", "B.lan"),
            ("lan", ".lan"),
            ("::1", "[::1]"),
            ("anything", "*"),
        ] {
            assert!(is_below(host, entry), "{host} {entry}");
        }
        for (host, entry) in [
            ("clan", "lan"),
            ("lan.example", "lan"),
            ("lan", "a.lan"),
            ("a.lan", ""),
            ("a.lan", "."),
            ("a.lan", "\u{a4}.lan"),
        ] {
            assert!(!is_below(host, entry), "{host} {entry}");
        }
    }
}
