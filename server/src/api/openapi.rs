//! The description of the API: `openapi.json` for programs, and the same as a page for people.

use super::answer::{self, Answer};
use crate::pages::{page as frame, Html};
use serde_json::Value;
use std::sync::OnceLock;

const TEXT: &str = include_str!("openapi.json");

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        // A test reads it too; there is nothing else to show than this.
        let mut document: Value = serde_json::from_str(TEXT).unwrap_or_default();
        document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
        document
    })
}

/// `GET /openapi.json`
pub fn json() -> Answer {
    answer::json(200, document())
}

/// `GET /docs`
pub fn page() -> Answer {
    let document = document();
    let mut html = Html::new(
        "<h1>The interface</h1><p>For programs: <a href=\"/openapi.json\">openapi.json</a></p>",
    );
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            describe(&mut html, &method.to_uppercase(), path, operation);
        }
    }
    html.raw(
        "<h2>A request for a build</h2><table><tr><th>Field</th><th>Form</th><th>Meaning</th></tr>",
    );
    let fields = &document["components"]["schemas"]["BuildRequest"]["properties"];
    for (name, field) in fields.as_object().into_iter().flatten() {
        let form = field["type"].as_str().unwrap_or("one of a list");
        let meaning = text(&field["description"])
            .unwrap_or_else(|| text(&field["example"]).unwrap_or_default());
        html.fill(
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            &[name, &form, &meaning],
        );
    }
    html.raw("</table>");
    frame("Interface", &html)
}

fn describe(html: &mut Html, method: &str, path: &str, operation: &Value) {
    let summary = text(&operation["summary"]).unwrap_or_default();
    html.fill(
        "<h2>{}</h2><p><code>{} {}</code></p>",
        &[&summary, &method, &path],
    );
    if let Some(words) = text(&operation["description"]).filter(|words| !words.is_empty()) {
        html.fill("<p>{}</p>", &[&words]);
    }
    html.raw("<table>");
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let parameters = parameters.map(|parameter| (text(&parameter["name"]), parameter));
    let responses = operation["responses"].as_object().into_iter().flatten();
    let responses = responses.map(|(status, response)| (Some(status.clone()), response));
    for (name, about) in parameters.chain(responses) {
        html.fill(
            "<tr><td>{}</td><td>{}</td></tr>",
            &[
                &name.unwrap_or_default(),
                &text(&about["description"]).unwrap_or_default(),
            ],
        );
    }
    html.raw("</table>");
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::document;

    #[test]
    fn it_can_be_read() {
        assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert!(document()["paths"]["/api/v1/build"]["post"].is_object());
    }

    /// Both forms of a report are described, with the words that the server takes.
    #[test]
    fn reports_of_two_forms() {
        let place =
            "/paths/~1api~1v1~1report/post/requestBody/content/application~1json/schema/oneOf";
        let forms = document().pointer(place).and_then(|forms| forms.as_array());
        let words: Vec<String> = forms
            .expect("forms")
            .iter()
            .map(|form| form["properties"]["result"]["enum"].to_string())
            .collect();
        assert_eq!(words, [r#"["good","bad"]"#, r#"["confirmed","differs"]"#]);
    }
}
