//! Pages for people. All of it works without JavaScript, which saves loading a page again.

pub mod device;
pub mod devices;
pub mod html;
pub mod jobs;
pub mod statistics;

use crate::api::answer::{body, with_header, Answer};
use axum::http::{header, StatusCode};
pub use html::Html;

/// Pages load nothing from elsewhere, and run no script but the server's own file.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");
const ICON: &str = include_str!("icon.svg");
/// How often a page without JavaScript is loaded again to see how far a build is, in seconds.
const AGAIN: &str = "5";

/// A page with a title and its content.
pub fn page(title: &str, content: &Html) -> Answer {
    frame(title, false, content)
}

/// The same, for what changes by itself.
pub fn live_page(title: &str, content: &Html) -> Answer {
    frame(title, true, content)
}

fn frame(title: &str, live: bool, content: &Html) -> Answer {
    let mut html = Html::new(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
    );
    html.fill("<title>{} – OpenWrt images</title>", &[&title]);
    html.raw(
        "<link rel=\"stylesheet\" href=\"/style.css\"><link rel=\"icon\" href=\"/icon.svg\">\
              <script src=\"/page.js\" defer></script>",
    );
    if live {
        html.fill(
            "<noscript><meta http-equiv=\"refresh\" content=\"{}\"></noscript>",
            &[&AGAIN],
        );
    }
    html.raw(
        "</head><body><header><nav><a href=\"/\">Find a device</a> <a href=\"/statistics\">Statistics</a> \
         <a href=\"/docs\">Interface</a></nav></header>",
    );
    html.raw(if live { "<main data-live>" } else { "<main>" });
    html.add(content).raw("</main></body></html>\n");
    let answer = body(200, "text/html; charset=utf-8", html.as_str().to_owned());
    let answer = with_header(answer, header::CONTENT_SECURITY_POLICY, POLICY);
    let answer = with_header(answer, header::REFERRER_POLICY, "no-referrer");
    with_header(answer, header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}

/// A page that says what went wrong, with a way to go on.
pub fn problem(status: u16, title: &str, words: &str) -> Answer {
    let mut html = Html::default();
    html.fill("<h1>{}</h1><p>{}</p>", &[&title, &words]);
    html.raw("<p><a href=\"/\">Find a device</a></p>");
    with_status(page(title, &html), status)
}

/// The same page with another status.
pub fn with_status(mut answer: Answer, status: u16) -> Answer {
    *answer.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer
}

/// `GET /style.css`
pub fn style() -> Answer {
    body(200, "text/css; charset=utf-8", STYLE)
}

/// `GET /page.js`
pub fn script() -> Answer {
    body(200, "text/javascript; charset=utf-8", SCRIPT)
}

/// `GET /icon.svg`
pub fn icon() -> Answer {
    body(200, "image/svg+xml", ICON)
}
