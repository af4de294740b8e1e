//! Makes HTTP answers.

use crate::Error;
use axum::body::Body;
use axum::http::{header, HeaderName, HeaderValue, Response, StatusCode};
use hyper::ext::ReasonPhrase;
use serde_json::{json, Value};

/// The status of an overloaded server; HTTP has no name for it.
pub const OVERLOADED: u16 = 529;

/// A JSON answer.
pub fn json(status: u16, value: &Value) -> Response<Body> {
    body(status, "application/json", value.to_string())
}

/// An answer that says what is wrong with a request.
pub fn refusal(status: u16, detail: &str) -> Response<Body> {
    json(status, &json!({"detail": detail, "status": status}))
}

/// A plain-text answer.
pub fn text(status: u16, words: &str) -> Response<Body> {
    body(status, "text/plain; charset=utf-8", words.to_owned())
}

/// What the public server answers where its program failed.
pub fn internal_error() -> Response<Body> {
    text(500, "Internal Server Error")
}

/// The download site is not to be had.
pub fn bad_gateway(error: &Error) -> Response<Body> {
    refusal(502, &error.to_string())
}

/// There is nothing of that name.
pub fn not_found() -> Response<Body> {
    json(404, &json!({"detail": "Not Found"}))
}

/// There is something of that name, but not for this method.
pub fn method_not_allowed(allow: &'static str) -> Response<Body> {
    with_header(
        json(405, &json!({"detail": "Method Not Allowed"})),
        header::ALLOW,
        allow,
    )
}

/// It is elsewhere, for good.
pub fn moved(location: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    with_header(response, header::LOCATION, location)
}

/// The same answer with one more header. A value that HTTP does not allow is left out.
pub fn with_header(mut response: Response<Body>, name: HeaderName, value: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The same answer without its body, for HEAD.
pub fn head_only(response: Response<Body>) -> Response<Body> {
    let (parts, _) = response.into_parts();
    Response::from_parts(parts, Body::empty())
}

fn body(status: u16, kind: &'static str, content: String) -> Response<Body> {
    let length = content.len().to_string();
    let mut response = Response::new(Body::from(content));
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
