//! Pages for people. They work without JavaScript.

pub mod jobs;

use crate::api::answer::{body, with_header, Answer};
use axum::http::header;

/// Pages load nothing from elsewhere, and run no script but the server's own files.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const STYLE: &str = include_str!("style.css");

/// A page with a title and, as HTML, its content.
pub fn page(title: &str, content: &str) -> Answer {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{} – OpenWrt images</title>\
         <link rel=\"stylesheet\" href=\"/style.css\"></head><body><main>{content}</main></body></html>\n",
        escape(title)
    );
    let answer = body(200, "text/html; charset=utf-8", html);
    with_header(answer, header::CONTENT_SECURITY_POLICY, POLICY)
}

/// `GET /style.css`
pub fn style() -> Answer {
    body(200, "text/css; charset=utf-8", STYLE)
}

/// Text as HTML, also within quotes.
pub fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn text_stays_text() {
        assert_eq!(
            escape("<a href=\"x\" id='y'>&"),
            "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;"
        );
    }
}
