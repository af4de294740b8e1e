//! What a server says beforehand of a request: which packages it would change by itself.
//!
//! Only sentences come of it. What is asked for is the plan's own, and what was built is compared
//! with that: a server gains nothing by lying here.

use super::http::Call;
use super::{json, refusal, Client, Error};
use crate::api::RequestBody;
use crate::json::{Joined, Object, Value};
use crate::text::clean;
use packages::PackageName;

/// So many changes are told one by one; ASU knows some thirty altogether.
const MOST_CHANGES: usize = 20;

impl Client {
    /// Asks by `POST /api/v1/build/prepare` what the server would change of a request from a router
    /// on which the release `running` runs. Nothing, where the server does not know that question.
    pub fn prepare(&self, request: &RequestBody, running: &str) -> Result<Vec<String>, Error> {
        let unwritable = |error: crate::error::Error| Error::NotUnderstood(error.message);
        let from = Object(&[("from_version", &running)]);
        let text = crate::json::text(&Joined(&[request, &from])).map_err(unwritable)?;
        let url = format!("{}/api/v1/build/prepare", self.url());
        let mut answer = self.http.send(&url, Call::Post(text.as_bytes()))?;
        match answer.status() {
            404 | 405 | 501 => Ok(Vec::new()),
            200 if !answer.is_web_page() => Ok(changes(json::read_data(&mut answer.body)?.value())),
            _ => Err(refusal::of(answer)),
        }
    }
}

/// `{"changes": [{"action", "package", "from_package", "to_package", "reason"}]}` in sentences.
pub(super) fn changes(answer: Value<'_>) -> Vec<String> {
    let Some(Value::Array(all)) = field(answer, "changes") else {
        return Vec::new();
    };
    let told = all.flatten().take(MOST_CHANGES);
    let mut told: Vec<String> = told.filter_map(|told| change(told.value)).collect();
    match all.count() - told.len() {
        0 => {}
        more => told.push(format!(
            "The upgrade server changes {more} more packages without saying it understandably."
        )),
    }
    told
}

fn field<'a>(of: Value<'a>, name: &str) -> Option<Value<'a>> {
    match of {
        Value::Table(fields) => fields.find(name).ok()?,
        _ => None,
    }
}

fn change(change: Value<'_>) -> Option<String> {
    let text = |key: &str| {
        let text = field(change, key).and_then(|value| std::str::from_utf8(value.as_text()?).ok());
        text.unwrap_or_default()
    };
    let name = |key: &str| {
        let mut names = [text(key), text("package")].into_iter();
        names.find(|name| PackageName::new(name).is_ok())
    };
    let what = match text("action") {
        "replace" => format!(
            "replaces {} by {}",
            name("from_package")?,
            name("to_package")?
        ),
        "add" => format!("adds {}", name("to_package")?),
        "remove" => format!("leaves out {}", name("from_package")?),
        _ => return None,
    };
    let reason = clean(text("reason"));
    Some(match reason.trim_end_matches('.') {
        "" => format!("The upgrade server {what}."),
        reason => format!("The upgrade server {what}: {reason}."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changes(answer: &serde_json::Value) -> Vec<String> {
        let data = data::Data::of(answer).unwrap();
        super::changes(data.value())
    }

    #[test]
    fn changes_become_sentences() {
        let answer = json!({"status": "prepared", "resolved_packages": ["luci"], "changes": [
            {"type": "migration", "action": "replace", "from_package": "auc", "to_package": "owut", "reason": "Package renamed in 24.10", "automatic": true},
            {"type": "addition", "action": "add", "package": "fitblk", "reason": "The device needs it."},
            {"type": "removal", "action": "remove", "package": "swconfig"},
        ]});
        assert_eq!(
            changes(&answer),
            [
                "The upgrade server replaces auc by owut: Package renamed in 24.10.",
                "The upgrade server adds fitblk: The device needs it.",
                "The upgrade server leaves out swconfig.",
            ]
        );
    }

    #[test]
    fn nonsense_is_counted_and_a_flood_is_cut() {
        for nothing in [
            json!({}),
            json!([]),
            json!({"changes": 1}),
            json!({"changes": {}}),
        ] {
            assert!(changes(&nothing).is_empty(), "{nothing}");
        }
        let bad = [
            json!(1),
            json!({"action": "add"}),
            json!({"action": "add", "package": "a b"}),
            json!({"action": "add", "package": "-luci"}),
            json!({"action": "replace", "from_package": "a", "to_package": ["b"]}),
            json!({"action": "run", "package": "a"}),
        ];
        let more = "The upgrade server changes 6 more packages without saying it understandably.";
        assert_eq!(changes(&json!({"changes": bad})), [more]);
        let one = json!({"action": "remove", "package": "x", "reason": "\u{1b}[2J\n".repeat(1000)});
        let told = changes(&json!({"changes": vec![one; 1000]}));
        assert_eq!(told.len(), MOST_CHANGES + 1);
        assert!(told
            .iter()
            .all(|note| note.len() < 2000 && !note.contains(['\u{1b}', '\n'])));
    }
}
