//! Who asks: whose turn it is in the queue, and whose voice a report is.

use axum::http::{HeaderMap, HeaderName};
use std::net::IpAddr;

const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who asks over a connection from `peer`: one of our proxies says for whom it does, and everybody else asks for himself.
///
/// Each proxy adds the address that it sees at the end of the header; what stands before the last one that is not ours is the
/// client's own word.
pub fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> IpAddr {
    let ours = |address: &IpAddr| proxies.contains(&address.to_canonical());
    let mut client = peer;
    let lines = headers.get_all(FORWARDED).iter().rev();
    let entries = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for entry in entries {
        if !ours(&client) {
            break;
        }
        match entry.trim().parse() {
            Ok(address) => client = address,
            Err(_) => break,
        }
    }
    client
}

/// Who shares a turn in the queue: one IPv4 address, or one IPv6 network, of which a single household has many addresses.
pub fn turn_of(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{client, turn_of};
    use axum::http::{HeaderMap, HeaderValue};

    #[test]
    fn only_our_proxies_say_who_asks() {
        let proxies = ["127.0.0.1", "192.0.2.9"].map(|text| text.parse().expect("address"));
        let cases: [(&str, &[&str], &str); 10] = [
            ("198.51.100.7", &[], "198.51.100.7"),
            ("198.51.100.7", &["203.0.113.1"], "198.51.100.7"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.1"], "203.0.113.1"),
            ("::ffff:127.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("127.0.0.1", &["10.0.0.1, 203.0.113.1"], "203.0.113.1"),
            (
                "127.0.0.1",
                &["10.0.0.1", "203.0.113.1,192.0.2.9"],
                "203.0.113.1",
            ),
            ("127.0.0.1", &["203.0.113.1", "192.0.2.9"], "203.0.113.1"),
            ("127.0.0.1", &["203.0.113.1, nonsense"], "127.0.0.1"),
            ("127.0.0.1", &[""], "127.0.0.1"),
        ];
        for (peer, lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("X-Forwarded-For", HeaderValue::from_static(line));
            }
            let found = client(peer.parse().expect("address"), &headers, &proxies);
            assert_eq!(found.to_string(), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_household_has_one_turn() {
        let turn = |address: &str| turn_of(address.parse().expect("address"));
        assert_eq!(turn("2001:db8:1:2:3::4"), turn("2001:db8:1:2:ffff::"));
        assert_ne!(turn("2001:db8:1:2::"), turn("2001:db8:1:3::"));
        assert_eq!(turn("::ffff:192.0.2.1"), turn("192.0.2.1"));
    }
}
