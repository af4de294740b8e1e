//! Builds: asked for, asked about.

use super::answer::{self, with_header, Answer};
use super::peers::turn_of;
use super::{body, Shared};
use crate::queue::job::Job;
use crate::queue::{Entry, Found};
use crate::request::prepare::{self, Prepared, Question};
use crate::request::{changes, is_hash, support, validate, BuildRequest};
use crate::Error;
use axum::body::Body;
use axum::http::{header, request::Parts, HeaderMap, HeaderName, Request};
use serde_json::{json, Value};
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use std::time::Duration;

const STATUS_HEADER: HeaderName = HeaderName::from_static("x-imagebuilder-status");
const POSITION_HEADER: HeaderName = HeaderName::from_static("x-queue-position");
/// How long the answer about a build that is done is kept ready.
const READY: Duration = Duration::from_secs(1);

/// How an answer writes the time's zone: `+00:00` for a POST, `Z` for a GET.
const POSTED: &str = "+00:00";
const GOT: &str = "Z";

/// `GET /api/v1/build/HASH`
///
/// # Errors
/// Where the queue can't be reached.
pub async fn get(shared: &Shared, hash: &str) -> Result<Answer, Error> {
    if let Some(answer) = known(shared, hash, GOT).await? {
        return Ok(answer);
    }
    let words = "could not find provided request hash";
    Ok(answer::json(
        404,
        &json!({"status": 404, "title": "Not Found", "detail": words}),
    ))
}

/// The answer about a build, if there is one.
async fn known(shared: &Shared, hash: &str, zone: &str) -> Result<Option<Answer>, Error> {
    if !is_hash(hash) {
        return Ok(None);
    }
    let question = format!("{hash}{zone}");
    if let Some(answer) = shared.recent.get(&question) {
        return Ok(Some(answer));
    }
    let Some(found) = shared.queue.find(hash).await? else {
        return Ok(None);
    };
    let answer = render(&found, zone);
    let remaining = found.job.remaining(&shared.config.lifetimes);
    if remaining.is_some_and(|remaining| remaining > READY) {
        shared.recent.keep(&question, &answer, READY);
    }
    Ok(Some(answer))
}

fn render(found: &Found, zone: &str) -> Answer {
    let job = &found.job;
    let answer = answer::json(job.status(), &job.to_answer(found.position, zone));
    let answer = with_header(answer, STATUS_HEADER, job.phase());
    with_header(answer, POSITION_HEADER, &found.position.to_string())
}

/// `POST /api/v1/build`
///
/// # Errors
/// Where the queue or the download site can't be reached.
pub async fn post(shared: &Shared, peer: IpAddr, request: Request<Body>) -> Result<Answer, Error> {
    let (parts, body) = request.into_parts();
    let mut request = match read(shared, &parts, body).await {
        Ok((request, _)) => request,
        Err(refusal) => return Ok(refusal),
    };
    match flag(&parts, "skip_package_resolution") {
        // What resolving would not change is the same request either way.
        Ok(skip) => request.exact = skip && !changes::resolve(&mut request.clone()).is_empty(),
        Err(list) => return Ok(body::complaints(&list)),
    }
    if request.client.is_none() && !parts.headers.contains_key(header::USER_AGENT) {
        return Ok(answer::internal_error());
    }
    take_in(shared, peer, request).await
}

/// Answers a well-formed request: with what is known of it, else by queueing it.
///
/// # Errors
/// Where the queue or the download site can't be reached.
pub async fn take_in(
    shared: &Shared,
    peer: IpAddr,
    mut request: BuildRequest,
) -> Result<Answer, Error> {
    let hash = request.hash();
    let known = known(shared, &hash, POSTED).await?;
    let cached = matches!(&known, Some(answer) if answer.status() == 200);
    let result = if cached { "cache-hits" } else { "cache-misses" };
    shared
        .queue
        .count(&["requests".to_owned(), result.to_owned()])
        .await?;
    if let Some(known) = known {
        return Ok(known);
    }
    if let Some(reason) = support::unsupported(&shared.config, &shared.site, &mut request).await? {
        return Ok(answer::refusal(400, &reason));
    }
    let mut job = Job::new(request, hash.clone(), turn_of(peer));
    if shared.config.s3.is_some() {
        job = job.apart();
    }
    if let Entry::Full(waiting) = shared.queue.enqueue(job).await? {
        return Ok(answer::overloaded(&format!(
            "server overload, queue contains too many build requests: {waiting}"
        )));
    }
    Ok(self::known(shared, &hash, POSTED)
        .await?
        .unwrap_or_else(answer::internal_error))
}

/// Reads a request and returns it with the JSON it came as.
async fn read(shared: &Shared, parts: &Parts, body: Body) -> Result<(BuildRequest, Value), Answer> {
    let json = body::json(shared, &parts.headers, body).await?;
    match validate::build_request(&json, &shared.config) {
        Ok(request) => Ok((request, json)),
        Err(list) => Err(body::complaints(&list)),
    }
}

/// A yes or no in the query; no if it isn't there.
fn flag(parts: &Parts, name: &str) -> Result<bool, Value> {
    let query = parts.uri.query().unwrap_or_default();
    let given = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    match given.map(str::to_ascii_lowercase).as_deref() {
        None | Some("false" | "0" | "no" | "off") => Ok(false),
        Some("true" | "1" | "yes" | "on") => Ok(true),
        Some(_) => Err(
            json!([{"type": "bool_parsing", "loc": ["query", name], "input": given,
            "msg": "Input should be a valid boolean, unable to interpret input"}]),
        ),
    }
}

/// `POST /api/v1/build/prepare`: what a build would be made of, without building it.
///
/// # Errors
/// Where the queue or the download site can't be reached.
pub async fn prepare(shared: &Shared, request: Request<Body>) -> Result<Answer, Error> {
    let (parts, body) = request.into_parts();
    let (request, json) = match read(shared, &parts, body).await {
        Ok(read) => read,
        Err(refusal) => return Ok(refusal),
    };
    let from = match validate::from_version(&json) {
        Ok(from) => from,
        Err(list) => return Ok(body::complaints(&list)),
    };
    let question = Question { request, from };
    let prepared = match shared.queue.prepare(&question).await? {
        Some(prepared) => prepared,
        None => prepare::prepare(&shared.config, &shared.site, question).await?,
    };
    let (status, cached) = match &prepared {
        Prepared::Refused(_) => (400, None),
        Prepared::Ready { request, .. } => (200, known(shared, &request.hash(), POSTED).await?),
    };
    let cached = cached.is_some_and(|answer| answer.status() == 200);
    Ok(answer::json(status, &prepared.to_json(cached)))
}

/// `DELETE /api/v1/build/HASH`: forgets a build that is done, with its images. Only for who knows the configured token.
///
/// # Errors
/// Where the queue can't be reached.
pub async fn delete(shared: &Shared, hash: &str, headers: &HeaderMap) -> Result<Answer, Error> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    // Of digests, the time that comparing takes tells nothing about the token.
    let allowed = match (&shared.config.admin_token, given) {
        (Some(token), Some(given)) => Sha256::digest(token) == Sha256::digest(given),
        _ => false,
    };
    if !allowed {
        return Ok(answer::refusal(
            403,
            "Deleting needs the token of who runs this server",
        ));
    }
    if !is_hash(hash) || !shared.queue.delete(hash).await? {
        return Ok(answer::refusal(
            404,
            "There is no such build, or it is not done",
        ));
    }
    for zone in [POSTED, GOT] {
        shared.recent.forget(&format!("{hash}{zone}"));
    }
    Ok(answer::json(
        200,
        &json!({"status": 200, "detail": "deleted"}),
    ))
}

#[cfg(test)]
mod tests {
    use super::flag;
    use axum::http::Request;

    #[test]
    fn flags_of_a_query() {
        let cases = [
            ("/", Some(false)),
            ("/?x", Some(false)),
            ("/?x=TRUE", Some(true)),
            ("/?y=1&x=1", Some(true)),
            ("/?x=0", Some(false)),
            ("/?x=", None),
            ("/?x=perhaps", None),
        ];
        for (uri, expected) in cases {
            let (parts, ()) = Request::builder()
                .uri(uri)
                .body(())
                .expect("request")
                .into_parts();
            assert_eq!(flag(&parts, "x").ok(), expected, "{uri}");
        }
    }
}
