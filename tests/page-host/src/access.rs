//! Who may do what: the acl.d files of rpcd.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use serde_json::Value;

/// The two halves of every access group.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Right {
    /// Look.
    Read,
    /// Change.
    Write,
}

impl Right {
    /// As acl.d spells it.
    pub fn name(self) -> &'static str {
        match self {
            Right::Read => "read",
            Right::Write => "write",
        }
    }
}

/// A right in rpcd's terms: scope (`ubus`, `uci`, `file`, `cgi-io`), object (an object, a configuration, a path) and function.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Grant {
    right: Right,
    scope: String,
    object: String,
    function: String,
}

/// All access groups of a folder of acl.d files.
#[derive(Clone, Debug, Default)]
pub struct Access {
    groups: BTreeSet<(String, Right)>,
    grants: BTreeSet<Grant>,
}

impl Access {
    /// Reads every `*.json` of an acl.d folder.
    ///
    /// # Errors
    /// A file that can't be read, or is not JSON.
    pub fn load(folder: &Path) -> io::Result<Self> {
        let mut access = Access::default();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let text = std::fs::read_to_string(&path)?;
                let groups: Value = serde_json::from_str(&text).map_err(|error| {
                    io::Error::other(format!("{} is not JSON: {error}", path.display()))
                })?;
                access.add(&groups);
            }
        }
        Ok(access)
    }

    fn add(&mut self, groups: &Value) {
        for (name, group) in entries(groups) {
            for right in [Right::Read, Right::Write] {
                let Some(scopes) = group.get(right.name()) else {
                    continue;
                };
                self.groups.insert((name.clone(), right));
                for (scope, objects) in entries(scopes) {
                    self.add_scope(right, scope, objects);
                }
            }
        }
    }

    /// A list names objects, and the function is the right itself; a table names the functions of each object.
    fn add_scope(&mut self, right: Right, scope: &str, objects: &Value) {
        let mut grant = |object: &str, function: &str| {
            self.grants.insert(Grant {
                right,
                scope: scope.to_owned(),
                object: object.to_owned(),
                function: function.to_owned(),
            });
        };
        for object in texts(objects) {
            grant(object, right.name());
        }
        for (object, functions) in entries(objects) {
            for function in texts(functions) {
                grant(object, function);
            }
        }
    }

    /// Whether somebody with these rights may call `function` of `object`.
    pub fn allows(&self, rights: &[Right], scope: &str, object: &str, function: &str) -> bool {
        self.grants.iter().any(|grant| {
            rights.contains(&grant.right)
                && grant.scope == scope
                && grant.object == object
                && grant.function == function
        })
    }

    /// The names of the groups of which these rights have any part.
    pub fn groups(&self, rights: &[Right]) -> Vec<(&str, Right)> {
        let mine = self
            .groups
            .iter()
            .filter(|(_, right)| rights.contains(right));
        mine.map(|(name, right)| (name.as_str(), *right)).collect()
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn access() -> Access {
        let mut access = Access::default();
        let text = r#"{"app": {
            "read": {"ubus": {"object": ["status"]}, "uci": ["config"]},
            "write": {"ubus": {"object": ["start"]}, "cgi-io": {"backup": ["read"]}}
        }}"#;
        access.add(&serde_json::from_str(text).unwrap());
        access
    }

    #[test]
    fn a_reader_may_read_and_not_write() {
        let access = access();
        let reader = [Right::Read];
        assert!(access.allows(&reader, "ubus", "object", "status"));
        assert!(access.allows(&reader, "uci", "config", "read"));
        assert!(!access.allows(&reader, "ubus", "object", "start"));
        assert!(!access.allows(&reader, "uci", "config", "write"));
        assert!(!access.allows(&reader, "cgi-io", "backup", "read"));
        assert_eq!(access.groups(&reader), [("app", Right::Read)]);
    }

    #[test]
    fn a_table_names_the_function_whatever_half_it_stands_in() {
        let access = access();
        let both = [Right::Read, Right::Write];
        assert!(access.allows(&both, "cgi-io", "backup", "read"));
        assert!(!access.allows(&both, "cgi-io", "backup", "write"));
    }
}
