//! What one package, or the user, asks of others: `name`, `!name`, `name@tag`, `name>=1.2`.

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

/// The entries of a list, in its order.
#[derive(Clone, Debug)]
pub struct Dependencies<'a> {
    rest: &'a str,
    style: Style,
}

const OPERATORS: &[char] = &['<', '>', '=', '~'];

impl<'a> Dependencies<'a> {
    /// Goes through a list written in this style. Entries without a name are passed over.
    pub fn new(list: &'a str, style: Style) -> Dependencies<'a> {
        Dependencies { rest: list, style }
    }
}

impl<'a> Iterator for Dependencies<'a> {
    type Item = Dependency<'a>;

    fn next(&mut self) -> Option<Dependency<'a>> {
        loop {
            let parted = |c: char| match self.style {
                Style::Apk => c.is_ascii_whitespace(),
                Style::Opkg => c == ',' || c == '|',
            };
            self.rest = self.rest.trim_start_matches(parted);
            if self.rest.is_empty() {
                return None;
            }
            let (entry, rest) = self.rest.split_once(parted).unwrap_or((self.rest, ""));
            self.rest = rest;
            let found = match self.style {
                Style::Apk => Dependency::apk(entry),
                Style::Opkg => Dependency::opkg(entry),
            };
            if !found.name.is_empty() {
                return Some(found);
            }
        }
    }
}

impl<'a> Dependency<'a> {
    /// An entry as apk writes it, in its world or among dependencies and provides. The tag may
    /// stand before the constraint (apk's own order) or after it.
    pub fn apk(entry: &'a str) -> Dependency<'a> {
        let (conflict, entry) = match entry.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, entry),
        };
        let (before, after) = split(entry, OPERATORS);
        let (name, tag) = split(before, &['@']);
        let version = after.trim_start_matches(OPERATORS);
        let operator = after.strip_suffix(version).unwrap_or("");
        let (version, late_tag) = split(version, &['@']);
        let tag = if tag.is_empty() { late_tag } else { tag };
        Dependency {
            conflict,
            name,
            operator,
            version,
            tag: tag.trim_start_matches('@'),
        }
    }

    /// An entry as opkg writes it.
    pub fn opkg(entry: &'a str) -> Dependency<'a> {
        let (name, constraint) = split(entry, &['(']);
        let constraint = constraint.trim_matches(|c: char| "() \t".contains(c));
        let version = constraint.trim_start_matches(OPERATORS);
        let operator = constraint.strip_suffix(version).unwrap_or("");
        let (name, version) = (name.trim(), version.trim());
        Dependency {
            conflict: false,
            name,
            operator,
            version,
            tag: "",
        }
    }
}

/// What stands before the first of `ends`, and the rest from there on.
fn split<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    let at = text.find(ends).unwrap_or(text.len());
    text.split_at_checked(at).unwrap_or((text, ""))
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
        ] {
            assert_eq!(parts(Dependency::apk(entry)), expected, "{entry}");
        }
    }

    #[test]
    fn lists_of_both_styles() {
        let list = " libc  libubox20260213=1\t!x\n= @tag ";
        let found: Vec<_> = Dependencies::new(list, Style::Apk)
            .map(|d| d.name)
            .collect();
        assert_eq!(found, ["libc", "libubox20260213", "x"]);
        let list = "libc, kernel (= 6.12.87-1), a | b (>> 2), ,";
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
