//! Reads the bodies of requests: no longer than any sensible one, no longer in coming either.

use super::answer::{self, Answer};
use super::Shared;
use axum::body::{Body, Bytes};
use axum::http::{header, HeaderMap};
use serde_json::{json, Value};

/// Longest body of a request: 5,000 packages with versions and a script fit.
pub const LONGEST: usize = 512 << 10;

/// Reads a body as JSON.
///
/// # Errors
/// The answer to who sent something else, too much, or too slowly.
pub async fn json(shared: &Shared, headers: &HeaderMap, body: Body) -> Result<Value, Answer> {
    let bytes = read(shared, headers, body).await?;
    parse(&bytes, headers).map_err(|list| complaints(&list))
}

/// Reads the names and values of a form.
///
/// # Errors
/// The answer to who sent too much, or too slowly.
pub async fn form(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
) -> Result<Vec<(String, String)>, Answer> {
    let bytes = read(shared, headers, body).await?;
    Ok(form_urlencoded::parse(&bytes).into_owned().collect())
}

async fn read(shared: &Shared, headers: &HeaderMap, body: Body) -> Result<Bytes, Answer> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    let length = announced.unwrap_or(LONGEST);
    if length > LONGEST {
        return Err(too_long());
    }
    // What all clients together send has its limit too.
    let pieces = u32::try_from(length / 1024 + 1).unwrap_or(u32::MAX);
    let Ok(_room) = shared.bodies.try_acquire_many(pieces) else {
        return Err(answer::overloaded(
            "server overload, too many requests at once",
        ));
    };
    let read = axum::body::to_bytes(body, LONGEST);
    match tokio::time::timeout(shared.config.patience, read).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(too_long()),
        Err(_) => Err(answer::refusal(408, "The request came too slowly")),
    }
}

/// The answer to a request with something wrong in it.
pub fn complaints(list: &Value) -> Answer {
    answer::json(422, &json!({"detail": list}))
}

fn too_long() -> Answer {
    answer::refusal(413, &format!("The request is longer than {LONGEST} bytes"))
}

/// The body as JSON. Sent as anything else it counts as a string, as the public server's framework has it.
fn parse(bytes: &Bytes, headers: &HeaderMap) -> Result<Value, Value> {
    if bytes.is_empty() {
        return Err(
            json!([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": null}]),
        );
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if kind != "application/json" && !kind.ends_with("+json") {
        return Ok(Value::String(String::from_utf8_lossy(bytes).into_owned()));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let place = error.column().saturating_sub(1);
        let context = json!({"error": error.to_string()});
        json!([{"type": "json_invalid", "loc": ["body", place], "msg": "JSON decode error", "input": {}, "ctx": context}])
    })
}
