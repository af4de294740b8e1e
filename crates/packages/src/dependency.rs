//! What one package, or the user, asks of others: `name`, `!name`, `name@tag`, `name>=1.2`.

use crate::list::{is_conflict, name, Entries};

/// How a list of dependencies is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// apk: parted by white space, the constraint on the name.
    Apk,
    /// opkg: parted by commas, the constraint in brackets: `name (>= 1.2)`. Of alternatives
    /// (`a | b`) each counts as one of the list.
    Opkg,
}

/// One entry of a list: a name, and what is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency<'a> {
    /// The package must *not* be there (`!name`).
    pub conflict: bool,
    /// The package or virtual name.
    pub name: &'a str,
    /// `=`, `<`, `<=`, `>`, `>=`, `~`, `><`, … as written; empty where any version will do.
    pub operator: &'a str,
    /// The version asked for; empty where any will do.
    pub version: &'a str,
    /// The repository it must come from (`name@tag`); empty where any will do.
    pub tag: &'a str,
}

/// The entries of a list, in its order. Those without a name are passed over.
#[derive(Clone, Debug)]
pub struct Dependencies<'a> {
    entries: Entries<'a>,
    style: Style,
}

impl<'a> Dependencies<'a> {
    /// Goes through a list written in this style.
    pub fn new(list: &'a str, style: Style) -> Dependencies<'a> {
        Dependencies::of_bytes(list.as_bytes(), style)
    }

    pub(crate) fn of_bytes(list: &'a [u8], style: Style) -> Dependencies<'a> {
        Dependencies {
            entries: Entries::new(list, style),
            style,
        }
    }
}

impl<'a> Dependencies<'a> {
    /// The names alone, without those of what must not be there.
    pub fn names(self) -> impl Iterator<Item = &'a str> {
        let style = self.style;
        self.entries.filter_map(move |entry| match style {
            Style::Apk => (!is_conflict(entry)).then(|| text(name(entry))),
            Style::Opkg => Some(opkg(entry).name),
        })
    }
}

impl<'a> Iterator for Dependencies<'a> {
    type Item = Dependency<'a>;

    fn next(&mut self) -> Option<Dependency<'a>> {
        let entry = self.entries.next()?;
        Some(match self.style {
            Style::Apk => apk(entry),
            Style::Opkg => opkg(entry),
        })
    }
}

impl<'a> Dependency<'a> {
    /// An entry as apk writes it, in its world or among dependencies and provides. The tag may
    /// stand before the constraint (apk's own order) or after it.
    pub fn apk(entry: &'a str) -> Dependency<'a> {
        apk(entry.as_bytes())
    }

    /// An entry as opkg writes it.
    pub fn opkg(entry: &'a str) -> Dependency<'a> {
        opkg(entry.as_bytes())
    }
}

fn apk(entry: &[u8]) -> Dependency<'_> {
    let (conflict, entry) = match entry {
        [b'!', rest @ ..] => (true, rest),
        _ => (false, entry),
    };
    let (before, constraint) = split(entry, is_operator);
    // No name has a parenthesis: where one stands, opkg's style got into apk's files.
    let (before, _) = split(before, |byte| byte == b'(');
    let (name, tag) = split(before, |byte| byte == b'@');
    let (operator, version) = split(constraint, |byte| !is_operator(byte));
    let (version, late_tag) = split(version, |byte| byte == b'@');
    let tag = if tag.is_empty() { late_tag } else { tag };
    Dependency {
        conflict,
        name: text(name),
        operator: text(operator),
        version: text(version),
        tag: text(tag.get(1..).unwrap_or(&[])),
    }
}

fn opkg(entry: &[u8]) -> Dependency<'_> {
    let (name, constraint) = split(entry, |byte| byte == b'(');
    let (_, constraint) = split(constraint, is_operator);
    let (operator, version) = split(constraint, |byte| !is_operator(byte));
    let (version, _) = split(version, |byte| byte == b')');
    let (name, operator, version) = (text(name), text(operator), text(version));
    Dependency {
        conflict: false,
        name,
        operator,
        version,
        tag: "",
    }
}

/// What stands before the first byte of a kind, and the rest from there on.
fn split(text: &[u8], is_end: fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|&byte| is_end(byte));
    text.split_at_checked(end.unwrap_or(text.len()))
        .unwrap_or((text, &[]))
}

fn is_operator(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'=' | b'~')
}

/// Cut at ASCII characters, a text remains text.
fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes.trim_ascii()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn parts(d: Dependency<'_>) -> (bool, &str, &str, &str, &str) {
        (d.conflict, d.name, d.operator, d.version, d.tag)
    }

    #[test]
    fn apk_entries() {
        for (entry, expected) in [
            ("luci", (false, "luci", "", "", "")),
            ("!ppp", (true, "ppp", "", "", "")),
            ("nano@edge", (false, "nano", "", "", "edge")),
            ("nano@edge=8.2-r1", (false, "nano", "=", "8.2-r1", "edge")),
            ("nano=8.2-r1@edge", (false, "nano", "=", "8.2-r1", "edge")),
            ("uci~2025", (false, "uci", "~", "2025", "")),
            (
                "uci>=2025.12.02~66127cd1-r1",
                (false, "uci", ">=", "2025.12.02~66127cd1-r1", ""),
            ),
            ("uci<2", (false, "uci", "<", "2", "")),
            (
                ".extra-deps><Q1abc=",
                (false, ".extra-deps", "><", "Q1abc=", ""),
            ),
            ("so:libc.so=1", (false, "so:libc.so", "=", "1", "")),
            ("größe@ünd=ö", (false, "größe", "=", "ö", "ünd")),
        ] {
            assert_eq!(parts(Dependency::apk(entry)), expected, "{entry}");
        }
    }

    #[test]
    fn the_names_alone_are_the_same() {
        let list =
            "libc so:libc.so=1 !x nano@edge=8 uci>=2 a~1 b(c) = ,d(= 1), e (>> 2) , f | g, !h";
        for style in [Style::Apk, Style::Opkg] {
            let all = Dependencies::new(list, style).filter(|entry| !entry.conflict);
            let names = Dependencies::new(list, style).names();
            assert!(names.eq(all.map(|entry| entry.name)));
        }
    }

    #[test]
    fn lists_of_both_styles() {
        let list = " libc  libubox20260213=1\t!x\n= @tag ! ";
        let found: Vec<_> = Dependencies::new(list, Style::Apk)
            .map(|d| d.name)
            .collect();
        assert_eq!(found, ["libc", "libubox20260213", "x"]);
        let list = "libc, kernel (= 6.12.87-1), a | b (>> 2), ,(= 1),";
        let found: Vec<_> = Dependencies::new(list, Style::Opkg).map(parts).collect();
        assert_eq!(
            found,
            [
                (false, "libc", "", "", ""),
                (false, "kernel", "=", "6.12.87-1", ""),
                (false, "a", "", "", ""),
                (false, "b", ">>", "2", ""),
            ]
        );
    }
}
