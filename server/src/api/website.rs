//! What the pages for people need to know, and what their forms do.

mod order;

use super::answer::{self, with_header, Answer};
use super::peers::turn_of;
use super::{body, stats, Shared};
use crate::pages::{self, devices};
use crate::queue::job::Job;
use crate::request::is_hash;
use crate::site::devices::titles;
use crate::site::releases;
use crate::Error;
use axum::body::{Body, Bytes};
use axum::http::{header, Method, Request, Response, StatusCode};
use serde_json::Value;
use std::net::IpAddr;

/// How many words and characters of a search count.
const LONGEST_SEARCH: usize = 100;

/// A page.
#[derive(Debug, Clone, Copy)]
pub enum Page<'a> {
    /// Finds a device.
    Start,
    /// A device, and its form.
    Device,
    /// A build, by its hash; without, the one that the query names.
    Build(Option<&'a str>),
    /// What happened.
    Statistics,
}

/// Names and values of a query, or of a form.
type Fields = [(String, String)];

/// Answers a request for a page. What goes wrong is said on a page too.
pub async fn answer(
    shared: &Shared,
    peer: IpAddr,
    page: Page<'_>,
    request: Request<Body>,
) -> Answer {
    let query: Vec<(String, String)> =
        form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let post = request.method() == Method::POST;
    let result = match page {
        Page::Start => start(shared, &query).await,
        Page::Device if post => order::order(shared, peer, request).await,
        Page::Device => order::show(shared, &query).await,
        Page::Build(Some(hash)) if post => report(shared, peer, hash, request).await,
        Page::Build(hash) => {
            let hash = hash.unwrap_or_else(|| value(&query, "hash").trim());
            build(shared, hash).await
        }
        Page::Statistics => statistics(shared).await,
    };
    result.unwrap_or_else(|error| {
        let status = answer::failure(&error).status().as_u16();
        pages::problem(status, "This does not work just now", &error.to_string())
    })
}

/// The first value of a name; empty where there is none.
fn value<'a>(fields: &'a Fields, name: &str) -> &'a str {
    let found = fields.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value)
}

async fn start(shared: &Shared, query: &Fields) -> Result<Answer, Error> {
    let versions = releases::versions(&shared.site, &shared.config).await?;
    let is_final = |version: &&String| !version.contains('-');
    let usual = versions
        .latest
        .iter()
        .find(is_final)
        .or(versions.all.first());
    let asked = value(query, "version");
    let version = versions.all.iter().find(|version| *version == asked);
    let Some(version) = version.or(usual) else {
        let words = "The download site names no release that this server builds for.";
        return Ok(pages::problem(502, "There are no releases", words));
    };
    let known = match shared.config.branch_of(version) {
        Some(branch) => crate::site::devices::all(&shared.site, branch, version).await?,
        None => Default::default(),
    };
    let words: String = value(query, "q").chars().take(LONGEST_SEARCH).collect();
    let found = crate::site::devices::search(&known, &words);
    Ok(devices::start(&devices::Search {
        words: words.trim(),
        version,
        versions: &versions.all,
        known: known.len(),
        found,
    }))
}

/// Leads a browser to another page after a form.
fn see(location: &str) -> Answer {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let response = with_header(response, header::CONTENT_LENGTH, "0");
    with_header(response, header::LOCATION, location)
}

fn unreadable(refusal: &Answer) -> Answer {
    let json: Value = serde_json::from_slice(refusal.body()).unwrap_or_default();
    let words = json["detail"].as_str().unwrap_or("Send the form again.");
    let status = refusal.status().as_u16();
    pages::problem(status, "The form could not be read", words)
}

fn no_such_build() -> Answer {
    let words = "Builds are forgotten after a while. Ask for the image again.";
    pages::problem(404, "There is no such build", words)
}

async fn build(shared: &Shared, hash: &str) -> Result<Answer, Error> {
    let found = match is_hash(hash) {
        true => shared.queue.find(hash).await?,
        false => None,
    };
    let Some(found) = found else {
        return Ok(no_such_build());
    };
    let name = name_of(shared, &found.job).await;
    Ok(pages::jobs::build(&found, &name))
}

/// The name of the device that a build is for; its profile while the download site can't be reached.
async fn name_of(shared: &Shared, job: &Job) -> String {
    let request = &job.request;
    let file = match shared.config.branch_of(&request.version) {
        Some(branch) => {
            releases::profiles(&shared.site, branch, &request.version, &request.target).await
        }
        None => Ok(None),
    };
    let file = file.ok().flatten().unwrap_or_default();
    let titles = titles(&file["profiles"][&request.profile], &request.profile);
    titles.into_iter().next().unwrap_or_default()
}

/// `POST /build/HASH` with `result`: how an image did.
async fn report(
    shared: &Shared,
    peer: IpAddr,
    hash: &str,
    request: Request<Body>,
) -> Result<Answer, Error> {
    let (parts, content) = request.into_parts();
    let fields = match body::form(shared, &parts.headers, content).await {
        Ok(fields) => fields,
        Err(refusal) => return Ok(unreadable(&refusal)),
    };
    let result = value(&fields, "result");
    let turn = turn_of(peer);
    if !stats::judge(shared, turn, hash, result).await? {
        return Ok(no_such_build());
    }
    Ok(see("/statistics"))
}

async fn statistics(shared: &Shared) -> Result<Answer, Error> {
    let waiting = shared.queue.waiting().await?;
    let tally = shared.queue.tally().await?;
    Ok(pages::statistics::statistics(&tally, waiting))
}
