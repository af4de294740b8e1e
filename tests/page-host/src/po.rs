//! Translations: as much of gettext's po format as this repository's files use.

use serde_json::{json, Map, Value};

/// `{texts: {source: [forms]}}`; entries without a translation, and fuzzy ones, are left out.
pub fn parse(text: &str) -> Value {
    let mut texts = Map::new();
    for block in text
        .split("\n\n")
        .filter(|block| !block.contains("#, fuzzy"))
    {
        let entry = entry(block);
        let field = |name: &str| entry.iter().find(|(key, _)| key == name).map(|it| &it.1);
        let forms: Vec<&String> = match field("msgstr") {
            Some(form) => vec![form],
            None => ["msgstr[0]", "msgstr[1]"]
                .iter()
                .filter_map(|name| field(name))
                .collect(),
        };
        if let Some(source) = field("msgid").filter(|it| !it.is_empty()) {
            if forms.iter().all(|form| !form.is_empty()) {
                texts.insert(source.clone(), json!(forms));
            }
        }
    }
    json!({ "texts": texts })
}

/// The fields of an entry, each with its strings put together.
fn entry(block: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in block.lines().filter(|line| !line.starts_with('#')) {
        let Some(start) = line.find('"') else {
            continue;
        };
        let (key, text) = line.split_at(start);
        let text: String = serde_json::from_str(text).unwrap_or_default();
        match (key.trim(), fields.last_mut()) {
            ("", Some((_, value))) => value.push_str(&text),
            (key, _) => fields.push((key.to_owned(), text)),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_continued_lines() {
        let text = "msgid \"\"\nmsgstr \"Language: de\\n\"\n\n#: a.js\nmsgid \"\"\n\"one \"\n\"two\"\nmsgstr \"eins zwei\"\n\nmsgid \"%d x\"\nmsgid_plural \"%d xs\"\nmsgstr[0] \"%d y\"\nmsgstr[1] \"%d ys\"\n\nmsgid \"no\"\nmsgstr \"\"\n";
        assert_eq!(
            parse(text),
            json!({"texts": {"one two": ["eins zwei"], "%d x": ["%d y", "%d ys"]}})
        );
    }
}
