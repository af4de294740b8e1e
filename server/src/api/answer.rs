//! Makes HTTP answers.

use crate::Error;
use axum::body::Bytes;
use axum::http::{header, HeaderName, HeaderValue, Response, StatusCode};
use hyper::ext::ReasonPhrase;
use serde_json::{json, Value};

/// The status of an overloaded server; HTTP has no name for it.
pub const OVERLOADED: u16 = 529;
/// When to come again to an overloaded server, in seconds.
pub const LATER: &str = "60";

/// An answer that is in memory as a whole.
pub type Answer = Response<Bytes>;

/// A JSON answer.
pub fn json(status: u16, value: &Value) -> Answer {
    body(status, "application/json", value.to_string())
}

/// An answer that says what is wrong with a request.
pub fn refusal(status: u16, detail: &str) -> Answer {
    json(status, &json!({"detail": detail, "status": status}))
}

/// The server has too much to do: come again later.
pub fn overloaded(detail: &str) -> Answer {
    let body = json!({"status": OVERLOADED, "title": "Server overloaded", "detail": detail});
    with_header(json(OVERLOADED, &body), header::RETRY_AFTER, LATER)
}

/// A plain-text answer.
pub fn text(status: u16, words: &str) -> Answer {
    body(status, "text/plain; charset=utf-8", words.to_owned())
}

/// What the public server answers where its program failed.
pub fn internal_error() -> Answer {
    text(500, "Internal Server Error")
}

/// Something the server needs could not be had.
pub fn failure(error: &Error) -> Answer {
    match error {
        Error::Upstream(..) => refusal(502, &error.to_string()),
        Error::Queue(_) => refusal(503, &error.to_string()),
        // Where the server keeps its things is for who runs it.
        Error::Io(_, why) => {
            eprintln!("{error}");
            refusal(
                503,
                &format!("The server could not keep what it has to: {why}"),
            )
        }
    }
}

/// There is nothing of that name.
pub fn not_found() -> Answer {
    json(404, &json!({"detail": "Not Found"}))
}

/// There is something of that name, but not for this method.
pub fn method_not_allowed(allow: &'static str) -> Answer {
    with_header(
        json(405, &json!({"detail": "Method Not Allowed"})),
        header::ALLOW,
        allow,
    )
}

/// It is elsewhere, for good.
pub fn moved(location: &str) -> Answer {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    with_header(response, header::LOCATION, location)
}

/// The same answer with one more header. A value that HTTP does not allow is left out.
pub fn with_header<T>(mut response: Response<T>, name: HeaderName, value: &str) -> Response<T> {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// An answer with a body of any kind.
pub fn body(status: u16, kind: &'static str, content: impl Into<Bytes>) -> Answer {
    let content = content.into();
    let length = content.len().to_string();
    let mut response = Response::new(content);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status == OVERLOADED {
        // Without this the status line would read `529 <none>`.
        response
            .extensions_mut()
            .insert(ReasonPhrase::from_static(b""));
    }
    let response = with_header(response, header::CONTENT_LENGTH, &length);
    with_header(response, header::CONTENT_TYPE, kind)
}
