//! Packages whose versions change: most of a large plan.

use crate::json::{list, Decode, Encode, Out, Unexpected, Value};
use data::decode_entries;

/// Changes of versions. All their texts are one: a thousand changes take three allocations instead of
/// three thousand.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct VersionChanges {
    text: String,
    /// Where name, former and new version of each change end.
    ends: Vec<[usize; 3]>,
}

/// A package whose version changes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Encode)]
pub struct VersionChange<'a> {
    /// Package.
    pub name: &'a str,
    /// Installed version.
    pub from: &'a str,
    /// The target's version.
    pub to: &'a str,
}

impl VersionChanges {
    /// Adds a change.
    pub fn push(&mut self, name: &str, from: &str, to: &str) {
        let ends = [name, from, to].map(|part| {
            self.text.push_str(part);
            self.text.len()
        });
        self.ends.push(ends);
    }

    /// The changes, in the order in which they came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = VersionChange<'_>> + Clone {
        let mut begin = 0;
        self.ends.iter().map(move |&[name, from, to]| {
            let text = |begin, end| self.text.get(begin..end).unwrap_or_default();
            let change = VersionChange {
                name: text(begin, name),
                from: text(name, from),
                to: text(from, to),
            };
            begin = to;
            change
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

impl Encode for VersionChanges {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        let list = out.list(name);
        for change in self.iter() {
            change.encode("", out);
        }
        out.close(list);
    }
}

impl Decode for VersionChanges {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        for change in list(value)? {
            let change = change?.value;
            let mut parts = [None; 3];
            for field in decode_entries(change)? {
                let field = field?;
                let place = match field.name {
                    b"name" => 0,
                    b"from" => 1,
                    b"to" => 2,
                    _ => continue,
                };
                if let Some(part) = parts.get_mut(place) {
                    *part = field.value.as_text();
                }
            }
            let [Some(name), Some(from), Some(to)] = parts else {
                return Err(Unexpected::instead(change, "a package's name, from and to"));
            };
            ends.push([name, from, to].map(|part| {
                text.extend_from_slice(part);
                text.len()
            }));
        }
        let text = String::from_utf8(text);
        let text = text.map_err(|error| Unexpected::new(format_args!("{error}")))?;
        *self = VersionChanges { text, ends };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn what_is_written_is_read() {
        let mut changes = VersionChanges::default();
        for (name, from, to) in [
            ("tmux", "3.5a-r1", "3.5a-r2"),
            ("", "", "→"),
            ("a", "", "1"),
        ] {
            changes.push(name, from, to);
        }
        let text = json::text(&changes).unwrap();
        assert!(
            text.starts_with(r#"[{"name":"tmux","from":"3.5a-r1","to":"3.5a-r2"},"#),
            "{text}"
        );
        let read: VersionChanges = json::from_text(text.as_bytes()).unwrap();
        assert_eq!(read, changes);
        let names: Vec<&str> = read.iter().map(|change| change.name).collect();
        assert_eq!(names, ["tmux", "", "a"]);
        assert_eq!(read.iter().nth(1).unwrap().to, "→");
    }

    #[test]
    fn a_change_without_a_version_is_none() {
        for bad in [
            r#"[{"name":"a","from":"1"}]"#,
            r#"[{"name":"a","from":"1","to":null}]"#,
            r#"[{"name":"a","from":"1","to":2}]"#,
            r#"["a"]"#,
            r#"{}"#,
        ] {
            assert!(
                json::from_text::<VersionChanges>(bad.as_bytes()).is_err(),
                "{bad}"
            );
        }
    }
}
