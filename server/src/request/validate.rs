//! Reads a request from JSON, and says what is wrong with it in the words of the public server: a list of
//! `{type, loc, msg, input}`.

use crate::request::{feeds, BuildRequest};
use crate::Config;
use serde_json::{json, Map, Value};
use std::collections::BTreeMap;

/// A set of characters a field may consist of, with the pattern that clients are told.
struct Pattern {
    shown: &'static str,
    more: &'static str,
    slash: bool,
}

const STRING: Pattern = Pattern {
    shown: r"^[\w.,-]*$",
    more: ".,-",
    slash: false,
};
const TARGET: Pattern = Pattern {
    shown: r"^[\w]*/[\w]*$",
    more: "/",
    slash: true,
};
const VERSION: Pattern = Pattern {
    shown: r"^[\w+.,~-]*$",
    more: "+.,~-",
    slash: false,
};
const REPOSITORY: Pattern = Pattern {
    shown: r"^[\w.-]+$",
    more: ".-",
    slash: false,
};

const FILESYSTEMS: [&str; 8] = [
    "squashfs",
    "ext4",
    "ubifs",
    "erofs",
    "jffs2",
    "jffs2-nand",
    "targz",
    "cpiogz",
];
const MODES: [&str; 2] = ["append", "replace"];

/// All package names together, so that they fit into one argument of a program (the kernel allows 128 KiB).
const LONGEST_PACKAGES: usize = 100_000;

/// Reads a request.
///
/// # Errors
/// The list for `detail` of a 422 answer.
pub fn build_request(body: &Value, config: &Config) -> Result<BuildRequest, Value> {
    let Value::Object(fields) = body else {
        let words = "Input should be a valid dictionary or object to extract fields from";
        return Err(
            json!([{"type": "model_attributes_type", "loc": ["body"], "msg": words, "input": body}]),
        );
    };
    let mut reader = Reader {
        fields,
        body,
        wrong: Vec::new(),
    };
    let request = BuildRequest {
        distro: reader.string("distro", &STRING, Some("openwrt")),
        version: reader.string("version", &STRING, None),
        version_code: reader.string("version_code", &STRING, Some("")),
        target: reader.string("target", &TARGET, None),
        // Old clients send the board's name, which has a comma where the profile has an underscore.
        profile: reader.string("profile", &STRING, None).replace(',', "_"),
        packages: reader.packages(),
        packages_versions: reader.dictionary("packages_versions", &STRING, Some(&VERSION)),
        diff_packages: reader.boolean("diff_packages"),
        defaults: reader.defaults(config.max_defaults_length),
        rootfs_size_mb: reader.integer("rootfs_size_mb", 1, config.max_rootfs_size_mb),
        filesystem: reader.literal("filesystem", &FILESYSTEMS),
        repositories: reader.repositories(),
        repositories_mode: reader
            .literal("repositories_mode", &MODES)
            .unwrap_or_else(|| "replace".to_owned()),
        repository_keys: reader.keys(),
        client: reader.optional_string("client"),
        exact: false,
    };
    if reader.wrong.is_empty() {
        Ok(request)
    } else {
        Err(Value::Array(reader.wrong))
    }
}

/// Reads the version that runs on the device, if the client told it.
///
/// # Errors
/// The list for `detail` of a 422 answer.
pub fn from_version(body: &Value) -> Result<Option<String>, Value> {
    let empty = Map::new();
    let mut reader = Reader {
        fields: body.as_object().unwrap_or(&empty),
        body,
        wrong: Vec::new(),
    };
    let value = reader
        .fields
        .get("from_version")
        .filter(|value| !value.is_null());
    let version = value.map(|value| reader.text(json!("from_version"), value, Some(&STRING)));
    if reader.wrong.is_empty() {
        Ok(version)
    } else {
        Err(Value::Array(reader.wrong))
    }
}

struct Reader<'a> {
    fields: &'a Map<String, Value>,
    body: &'a Value,
    wrong: Vec<Value>,
}

impl Reader<'_> {
    fn complain(&mut self, kind: &str, place: Value, words: &str, input: &Value, context: Value) {
        let mut loc = vec![json!("body")];
        match place {
            Value::Array(parts) => loc.extend(parts),
            part => loc.push(part),
        }
        let mut entry = json!({"type": kind, "loc": loc, "msg": words, "input": input});
        if !context.is_null() {
            entry["ctx"] = context;
        }
        self.wrong.push(entry);
    }

    fn string(&mut self, name: &str, pattern: &Pattern, default: Option<&str>) -> String {
        match (self.fields.get(name), default) {
            (Some(value), _) => self.text(json!(name), value, Some(pattern)),
            (None, Some(default)) => default.to_owned(),
            (None, None) => {
                let body = self.body;
                self.complain("missing", json!(name), "Field required", body, Value::Null);
                String::new()
            }
        }
    }

    fn text(&mut self, place: Value, value: &Value, pattern: Option<&Pattern>) -> String {
        let Value::String(text) = value else {
            self.complain(
                "string_type",
                place,
                "Input should be a valid string",
                value,
                Value::Null,
            );
            return String::new();
        };
        if let Some(pattern) = pattern.filter(|pattern| !pattern.matches(text)) {
            let words = format!("String should match pattern '{}'", pattern.shown);
            self.complain(
                "string_pattern_mismatch",
                place,
                &words,
                value,
                json!({"pattern": pattern.shown}),
            );
        }
        text.clone()
    }

    fn optional_string(&mut self, name: &str) -> Option<String> {
        let value = self.fields.get(name).filter(|value| !value.is_null())?;
        Some(self.text(json!(name), value, None))
    }

    fn strings(&mut self, name: &str, pattern: Option<&Pattern>) -> Vec<String> {
        match self.fields.get(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(place, item)| self.text(json!([name, place]), item, pattern))
                .collect(),
            Some(value) => {
                self.complain(
                    "list_type",
                    json!(name),
                    "Input should be a valid list",
                    value,
                    Value::Null,
                );
                Vec::new()
            }
        }
    }

    fn repositories(&mut self) -> BTreeMap<String, String> {
        let repositories = self.dictionary("repositories", &REPOSITORY, None);
        self.few("repositories", repositories.len());
        repositories
    }

    fn keys(&mut self) -> Vec<String> {
        let keys = self.strings("repository_keys", None);
        self.few("repository_keys", keys.len());
        for (place, key) in keys.iter().enumerate() {
            if !feeds::is_key(key) {
                let words = "Value error, neither a public key of usign nor one in PEM";
                let place = json!(["repository_keys", place]);
                self.complain("value_error", place, words, &json!(key), Value::Null);
            }
        }
        keys
    }

    fn few(&mut self, name: &str, count: usize) {
        if count > feeds::MOST {
            let words = format!("There should be at most {} of them", feeds::MOST);
            let context = json!({"max_length": feeds::MOST});
            self.complain("too_long", json!(name), &words, &json!(count), context);
        }
    }

    fn packages(&mut self) -> Vec<String> {
        let packages = self.strings("packages", Some(&STRING));
        if packages.iter().map(|name| name.len() + 1).sum::<usize>() > LONGEST_PACKAGES {
            let words =
                format!("Package names should have at most {LONGEST_PACKAGES} characters together");
            self.complain(
                "too_long",
                json!("packages"),
                &words,
                &json!([]),
                json!({"max_length": LONGEST_PACKAGES}),
            );
        }
        packages
    }

    fn dictionary(
        &mut self,
        name: &str,
        keys: &Pattern,
        values: Option<&Pattern>,
    ) -> BTreeMap<String, String> {
        match self.fields.get(name) {
            None => BTreeMap::new(),
            Some(Value::Object(items)) => {
                let mut dictionary = BTreeMap::new();
                for (key, value) in items {
                    self.text(json!([name, key, "[key]"]), &json!(key), Some(keys));
                    dictionary.insert(key.clone(), self.text(json!([name, key]), value, values));
                }
                dictionary
            }
            Some(value) => {
                self.complain(
                    "dict_type",
                    json!(name),
                    "Input should be a valid dictionary",
                    value,
                    Value::Null,
                );
                BTreeMap::new()
            }
        }
    }

    fn boolean(&mut self, name: &str) -> bool {
        match self.fields.get(name) {
            None => false,
            Some(Value::Bool(value)) => *value,
            Some(value) => {
                self.complain(
                    "bool_type",
                    json!(name),
                    "Input should be a valid boolean",
                    value,
                    Value::Null,
                );
                false
            }
        }
    }

    fn integer(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        let value = self.fields.get(name).filter(|value| !value.is_null())?;
        let Some(number) = value.as_i64() else {
            self.complain(
                "int_type",
                json!(name),
                "Input should be a valid integer",
                value,
                Value::Null,
            );
            return None;
        };
        let number = u64::try_from(number).unwrap_or(0);
        if number < least {
            let words = format!("Input should be greater than or equal to {least}");
            self.complain(
                "greater_than_equal",
                json!(name),
                &words,
                value,
                json!({"ge": least}),
            );
        } else if number > most {
            let words = format!("Input should be less than or equal to {most}");
            self.complain(
                "less_than_equal",
                json!(name),
                &words,
                value,
                json!({"le": most}),
            );
        }
        Some(number)
    }

    fn literal(&mut self, name: &str, allowed: &[&str]) -> Option<String> {
        let value = self.fields.get(name).filter(|value| !value.is_null())?;
        if let Some(text) = value.as_str().filter(|text| allowed.contains(text)) {
            return Some(text.to_owned());
        }
        let quoted: Vec<String> = allowed.iter().map(|word| format!("'{word}'")).collect();
        let expected = match quoted.split_last() {
            Some((last, others)) if !others.is_empty() => {
                format!("{} or {last}", others.join(", "))
            }
            _ => quoted.concat(),
        };
        let words = format!("Input should be {expected}");
        self.complain(
            "literal_error",
            json!(name),
            &words,
            value,
            json!({"expected": expected}),
        );
        None
    }

    fn defaults(&mut self, longest: usize) -> Option<String> {
        // The firmware selector always sends one, empty where there is none.
        let text = self
            .optional_string("defaults")
            .filter(|text| !text.is_empty())?;
        if text.chars().count() > longest {
            let words = format!("String should have at most {longest} characters");
            self.complain(
                "string_too_long",
                json!("defaults"),
                &words,
                &json!(text),
                json!({"max_length": longest}),
            );
        }
        Some(text)
    }
}

impl Pattern {
    /// Letters, digits and underscores are allowed everywhere. Only those of ASCII: no package is called otherwise.
    fn matches(&self, text: &str) -> bool {
        let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || self.more.contains(c);
        text.chars().all(known) && (!self.slash || text.matches('/').count() == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::build_request;
    use crate::Config;
    use proptest::prelude::*;
    use serde_json::{json, Value};

    /// JSON of any form, with texts that are often almost right.
    fn any_json() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["[a-z0-9./-]{0,12}", any::<String>()];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{0,5}", inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    fn any_request() -> impl Strategy<Value = Value> {
        let names = [
            "distro",
            "version",
            "version_code",
            "target",
            "profile",
            "packages",
            "packages_versions",
            "diff_packages",
            "defaults",
            "rootfs_size_mb",
            "filesystem",
            "repositories",
            "repositories_mode",
            "repository_keys",
            "client",
        ];
        let good = json!({"version": "24.10.2", "target": "ath79/generic", "profile": "x"});
        let changes =
            prop::collection::vec((prop::sample::select(names.to_vec()), any_json()), 0..4);
        changes.prop_map(move |changes| {
            let mut request = good.clone();
            for (name, value) in changes {
                request[name] = value;
            }
            request
        })
    }

    proptest! {
        /// Whatever comes: a request whose names are names, or complaints in the form clients know.
        #[test]
        fn a_request_or_complaints(body in prop_oneof![any_json(), any_request()]) {
            let config = Config::new("http://127.0.0.1:1", "/nonexistent", "/nonexistent");
            match build_request(&body, &config) {
                Ok(request) => {
                    let names = request.packages.iter().chain(request.packages_versions.keys());
                    for name in names.chain([&request.version, &request.profile, &request.distro]) {
                        prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_.,-".contains(c)), "{name:?}");
                    }
                    prop_assert!(request.rootfs_size_mb.is_none_or(|size| (1..=1024).contains(&size)));
                }
                Err(list) => {
                    let complaints = list.as_array().expect("list");
                    prop_assert!(!complaints.is_empty());
                    for complaint in complaints {
                        let known = complaint["type"].is_string() && complaint["msg"].is_string();
                        prop_assert!(known && complaint["loc"][0] == "body", "{complaint}");
                    }
                }
            }
        }
    }
}
