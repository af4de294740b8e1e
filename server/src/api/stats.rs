//! What happened here: for people, in the form the public server's pages know, and for Prometheus.

use super::answer::{self, Answer};
use super::{body, Shared};
use crate::queue::job::State;
use crate::queue::tally;
use crate::request::is_hash;
use crate::{time, Error};
use axum::body::Body;
use axum::http::Request;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::SystemTime;

/// How many days the graphs of days show.
const DAYS: u64 = 30;
/// How many weeks the graphs of weeks show.
const WEEKS: u64 = 26;
/// How many packages are listed if nobody says, and at most.
const PACKAGES: (usize, usize) = (30, 100);
/// How many failures are listed if nobody says, and at most.
const FAILURES: (usize, usize) = (100, 500);

/// `GET /api/v1/stats/summary`
///
/// # Errors
/// Where the queue can't be reached.
pub async fn summary(shared: &Shared) -> Result<Answer, Error> {
    let builds: u64 = shared
        .queue
        .tally()
        .await?
        .series("successes", 1)
        .iter()
        .sum();
    let waiting = shared.queue.waiting().await?;
    Ok(answer::json(
        200,
        &json!({"queue_length": waiting, "builds_24h": builds}),
    ))
}

/// `GET /api/v1/builds-per-day`
///
/// # Errors
/// Where the queue can't be reached.
pub async fn per_day(shared: &Shared) -> Result<Answer, Error> {
    let tally = shared.queue.tally().await?;
    let today = time::day(SystemTime::now());
    let labels: Vec<String> = (0..DAYS)
        .rev()
        .map(|ago| format!("{}Z", time::date(today.saturating_sub(ago))))
        .collect();
    let dataset = |label: &str, thing: &str, color: &str| json!({"label": label, "data": tally.series(thing, DAYS), "color": color});
    let datasets = [
        dataset("Requests", "requests", "green"),
        dataset("Cache-Hits", "cache-hits", "orange"),
        dataset("Failures", "failures", "red"),
    ];
    Ok(answer::json(
        200,
        &json!({"labels": labels, "datasets": datasets}),
    ))
}

/// `GET /api/v1/builds-by-version?branch=24.10`: by branch, or by the versions of one.
///
/// # Errors
/// Where the queue can't be reached.
pub async fn by_version(shared: &Shared, query: &str) -> Result<Answer, Error> {
    let tally = shared.queue.tally().await?;
    let branch = value(query, "branch");
    // The last week ends with today.
    let first = (time::day(SystemTime::now()) + 1).saturating_sub(WEEKS * 7);
    let labels: Vec<String> = (0..WEEKS)
        .map(|week| format!("{}Z", time::date(first + week * 7)))
        .collect();
    let mut versions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (day, words, count) in tally.about("build") {
        let version = words.split(' ').next().unwrap_or_default();
        let name = match branch {
            Some(branch) if version.starts_with(branch) => version,
            Some(_) => continue,
            None => shared
                .config
                .branch_of(version)
                .map_or(version, |branch| &branch.name),
        };
        let week = day.checked_sub(first).map(|days| days / 7);
        let counts = versions
            .entry(name.to_owned())
            .or_insert_with(|| vec![0; WEEKS as usize]);
        if let Some(place) = week.and_then(|week| counts.get_mut(usize::try_from(week).ok()?)) {
            *place += count;
        }
    }
    let datasets: Vec<Value> = versions
        .into_iter()
        .map(|(label, data)| json!({"label": label, "data": data}))
        .collect();
    Ok(answer::json(
        200,
        &json!({"labels": labels, "datasets": datasets}),
    ))
}

/// `GET /api/v1/top-packages?branch=24.10&n=30`
///
/// # Errors
/// Where the queue can't be reached.
pub async fn top_packages(shared: &Shared, query: &str) -> Result<Answer, Error> {
    let tally = shared.queue.tally().await?;
    let branch = value(query, "branch");
    let first = (time::day(SystemTime::now()) + 1).saturating_sub(DAYS);
    let mut packages: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, words, count) in tally.about("package").filter(|(day, ..)| *day >= first) {
        let Some((of, name)) = words.split_once(' ') else {
            continue;
        };
        if branch.is_none_or(|branch| branch == of) {
            *packages.entry(name).or_default() += count;
        }
    }
    let mut packages: Vec<(&str, u64)> = packages.into_iter().collect();
    packages.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let list: Vec<Value> = packages
        .into_iter()
        .take(number(query, PACKAGES))
        .map(|(name, count)| json!({"name": name, "count": count}))
        .collect();
    Ok(answer::json(
        200,
        &json!({"packages": list, "branch": branch, "days": DAYS}),
    ))
}

/// `GET /api/v1/build-errors?n=100`
///
/// # Errors
/// Where the queue can't be reached.
pub async fn failures(shared: &Shared, query: &str) -> Result<Answer, Error> {
    let tally = shared.queue.tally().await?;
    let lines: Vec<&String> = tally
        .failures
        .iter()
        .take(number(query, FAILURES))
        .collect();
    let when = |line: &String| line.get(..19).unwrap_or_default().to_owned();
    let (Some(newest), Some(oldest)) = (lines.first(), lines.last()) else {
        return Ok(answer::text(200, "No build errors recorded."));
    };
    let mut text = format!(
        "Build Errors: {} entries\nTime range: {} to {}\n\nRecent errors:\n{}",
        lines.len(),
        when(oldest),
        when(newest),
        "-".repeat(60)
    );
    for line in &lines {
        text.push('\n');
        text.push_str(line);
    }
    Ok(answer::text(200, &text))
}

/// `GET /metrics`, as Prometheus reads it.
///
/// # Errors
/// Where the queue can't be reached.
pub async fn metrics(shared: &Shared) -> Result<Answer, Error> {
    let tally = shared.queue.tally().await?;
    let waiting = shared.queue.waiting().await?;
    let mut text = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, samples: &[(&str, u64)]| {
        // Writing into a string can't fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let total = |word: &str| tally.totals.get(word).copied().unwrap_or(0);
    metric(
        "asu_queue_length",
        "gauge",
        "Requests that wait for a worker.",
        &[("", waiting as u64)],
    );
    metric(
        "asu_requests_total",
        "counter",
        "Requests for builds.",
        &[("", total("requests"))],
    );
    let cache = [
        ("{result=\"hit\"}", total("cache-hits")),
        ("{result=\"miss\"}", total("cache-misses")),
    ];
    metric(
        "asu_cache_total",
        "counter",
        "Requests answered from what was built, and others.",
        &cache,
    );
    let builds = [
        ("{result=\"success\"}", total("successes")),
        ("{result=\"failure\"}", total("failures")),
    ];
    metric("asu_builds_total", "counter", "Builds that ended.", &builds);
    let reports = [
        ("{result=\"good\"}", total("good")),
        ("{result=\"bad\"}", total("bad")),
    ];
    metric(
        "asu_reports_total",
        "counter",
        "Images that were reported good or bad.",
        &reports,
    );
    Ok(answer::body(200, "text/plain; version=0.0.4", text))
}

/// `POST /api/v1/report` with `{"request_hash": HASH, "result": "good" | "bad"}`, or as [`told_by_router`] has it: how an image
/// did on its router.
///
/// # Errors
/// Where the queue can't be reached.
pub async fn report(
    shared: &Shared,
    turn: String,
    request: Request<Body>,
) -> Result<Answer, Error> {
    let (parts, content) = request.into_parts();
    let report = match body::json(shared, &parts.headers, content).await {
        Ok(report) => report,
        Err(refusal) => return Ok(refusal),
    };
    if let Some((result, thing)) = told_by_router(&report) {
        if shared.reporters.is_new(format!("{turn} {thing}")) {
            shared.queue.count(&[result.to_owned(), thing]).await?;
        }
        return Ok(answer::json(
            200,
            &json!({"status": 200, "detail": "thank you"}),
        ));
    }
    let result = report["result"]
        .as_str()
        .filter(|result| ["good", "bad"].contains(result));
    let hash = report["request_hash"].as_str().filter(|hash| is_hash(hash));
    let (Some(hash), Some(result)) = (hash, result) else {
        let words = "A report has a request_hash, and a result that is `good` or `bad`";
        return Ok(answer::refusal(400, words));
    };
    if !judge(shared, turn, hash, result).await? {
        return Ok(answer::refusal(404, "There is no such image"));
    }
    Ok(answer::json(
        200,
        &json!({"status": 200, "detail": "thank you"}),
    ))
}

/// Counts how an image did, once for everybody. False where there is no such image, or `result` is neither `good` nor `bad`.
///
/// # Errors
/// Where the queue can't be reached.
pub async fn judge(shared: &Shared, turn: String, hash: &str, result: &str) -> Result<bool, Error> {
    if !is_hash(hash) || !["good", "bad"].contains(&result) {
        return Ok(false);
    }
    let found = shared.queue.find(hash).await?;
    let Some(found) = found.filter(|found| found.job.state == State::Finished) else {
        return Ok(false);
    };
    // Who reports again is thanked, and not counted.
    if shared.reporters.is_new(format!("{turn} {hash}")) {
        let things = [result.to_owned(), tally::thing(result, &found.job.request)];
        shared.queue.count(&things).await?;
    }
    Ok(true)
}

/// What a router's agent tells: `{from, to: {version, revision}, target, profile, result: "confirmed" | "differs"}`. It names no
/// request, which would lead to the packages.
fn told_by_router(report: &Value) -> Option<(&'static str, String)> {
    let word = |value: &Value| {
        let text = value.as_str()?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        let is_word = (1..=100).contains(&text.len()) && text.bytes().all(plain);
        is_word.then(|| text.to_owned())
    };
    let result = match report["result"].as_str()? {
        "confirmed" => "good",
        "differs" => "bad",
        _ => return None,
    };
    let version = word(&report["to"]["version"])?;
    let (target, profile) = (word(&report["target"])?, word(&report["profile"])?);
    Some((result, format!("{result} {version} {target} {profile}")))
}

/// A value of the query, as it stands there.
pub fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
}

fn number(query: &str, (usual, most): (usize, usize)) -> usize {
    let wanted = value(query, "n").and_then(|number| number.parse().ok());
    wanted.unwrap_or(usual).min(most)
}
