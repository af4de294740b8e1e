//! Serves built images: whole or in part.

use super::answer;
use crate::store::{self, Found, Store};
use axum::body::Body;
use axum::http::{header, HeaderMap, HeaderName, Response, StatusCode};
use serde_json::json;
use std::ops::RangeInclusive;
use tokio_util::io::ReaderStream;

/// Answers a request for `folder/name` of the store. Neither is anything but one plain name.
pub async fn file(store: &Store, folder: &str, name: &str, headers: &HeaderMap) -> Response<Body> {
    if !store::is_plain(folder) || !store::is_plain(name) {
        return missing();
    }
    match store.find(folder, name).await {
        Ok(Some(found)) => send(found, name, headers).await,
        Ok(None) => missing(),
        Err(error) => unavailable(&error),
    }
}

fn missing() -> Response<Body> {
    answer::json(404, &json!({"detail": "Not found"})).map(Body::from)
}

/// What the store says of itself is for who runs the server.
fn unavailable(error: &std::io::Error) -> Response<Body> {
    eprintln!("The store of images could not be read: {error}");
    answer::refusal(503, "The store of images could not be read").map(Body::from)
}

async fn send(found: Found, name: &str, headers: &HeaderMap) -> Response<Body> {
    let value = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // A part is only good for who has the rest of the same file.
    let same =
        value(header::IF_RANGE).is_none_or(|known| known == found.etag || known == found.modified);
    let range = value(header::RANGE)
        .filter(|_| same)
        .and_then(|range| parse_range(range, found.length));
    let (status, wanted) = match range {
        None => (StatusCode::OK, 0..=found.length.saturating_sub(1)),
        Some(Some(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(None) => return unsatisfiable(found.length),
    };
    let count = if found.length == 0 {
        0
    } else {
        wanted.end() - wanted.start() + 1
    };
    let part = format!("bytes {}-{}/{}", wanted.start(), wanted.end(), found.length);
    let (modified, etag) = (found.modified.clone(), found.etag.clone());
    let content = match found.read(wanted).await {
        Ok(content) => content,
        Err(error) => return unavailable(&error),
    };
    let mut response = Response::new(Body::from_stream(ReaderStream::new(content)));
    *response.status_mut() = status;
    if status == StatusCode::PARTIAL_CONTENT {
        response = answer::with_header(response, header::CONTENT_RANGE, &part);
    }
    let more = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::ACCEPT_RANGES, "bytes"),
        (
            header::CONTENT_DISPOSITION,
            &format!("attachment; filename=\"{name}\""),
        ),
        (header::CONTENT_LENGTH, &count.to_string()),
        (header::LAST_MODIFIED, &modified),
        (header::ETAG, &etag),
    ];
    more.into_iter().fold(response, |response, (name, value)| {
        answer::with_header(response, name, value)
    })
}

fn unsatisfiable(length: u64) -> Response<Body> {
    let response =
        answer::json(416, &json!({"detail": "Requested Range Not Satisfiable"})).map(Body::from);
    answer::with_header(
        response,
        header::CONTENT_RANGE,
        &format!("bytes */{length}"),
    )
}

/// Reads a Range header with one range. `None`: there is nothing to heed (several ranges, another unit, nonsense), so that
/// the whole file is sent; `Some(None)`: a range outside of the file.
fn parse_range(text: &str, length: u64) -> Option<Option<RangeInclusive<u64>>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (first.trim(), last.trim()) {
        ("", last) => {
            let count = number(last)?;
            (count > 0 && length > 0).then(|| length.saturating_sub(count)..=length - 1)
        }
        (first, "") => {
            let first = number(first)?;
            (first < length).then(|| first..=length - 1)
        }
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            (first < length).then(|| first..=last.min(length - 1))
        }
    };
    Some(range)
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    #[test]
    fn ranges() {
        let cases = [
            ("bytes=0-0", Some(Some(0..=0))),
            ("bytes=2-4", Some(Some(2..=4))),
            ("bytes=2-", Some(Some(2..=9))),
            ("bytes=-3", Some(Some(7..=9))),
            ("bytes=-30", Some(Some(0..=9))),
            ("bytes=5-99", Some(Some(5..=9))),
            ("bytes=10-", Some(None)),
            ("bytes=10-12", Some(None)),
            ("bytes=-0", Some(None)),
            ("bytes=4-2", None),
            ("bytes=a-b", None),
            ("bytes=1-2,4-5", None),
            ("bytes=99999999999999999999-", None),
            ("lines=1-2", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Some(None));
        assert_eq!(parse_range("bytes=-1", 0), Some(None));
    }
}
