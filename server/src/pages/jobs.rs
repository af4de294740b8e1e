//! The page of one build, and what happened here.

use super::{escape, page};
use crate::api::answer::Answer;
use crate::queue::job::State;
use crate::queue::tally::Tally;
use crate::queue::Found;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How many days and lines the statistics show.
const DAYS: u64 = 7;
const LINES: usize = 30;

/// The page of a build: how far it is, its files, what it was made of, what it said.
pub fn build(found: &Found) -> Answer {
    let job = &found.job;
    let request = &job.request;
    let title = format!("{} {}", request.profile, request.version);
    let state = match job.state {
        State::Queued => format!("waits; {} before it", found.position),
        State::Started => format!("is being built: {}", job.phase().replace('_', " ")),
        State::Finished => "is done".to_owned(),
        State::Failed => field(job.fields.get("detail")),
    };
    let mut html = format!(
        "<h1>{}</h1><p>This image {}.</p>",
        escape(&title),
        escape(&state)
    );
    if !job.state.is_end() {
        html.push_str("<p>Load this page again to see how far it is.</p>");
    }
    if job.state == State::Finished {
        let folder = field(job.fields.get("bin_dir"));
        html.push_str("<h2>Files</h2><table><tr><th>File</th><th>Kind</th><th>SHA-256</th></tr>");
        for image in job
            .fields
            .get("images")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = escape(&field(image.get("name")));
            // Writing into a string can't fail.
            let _ = write!(
                html,
                "<tr><td><a href=\"/store/{}/{name}\">{name}</a></td><td>{}</td><td><code>{}</code></td></tr>",
                escape(&folder),
                escape(&field(image.get("type"))),
                escape(&field(image.get("sha256"))),
            );
        }
        html.push_str("</table>");
    }
    let rows = [
        ("Target", request.target.clone()),
        ("Revision", field(job.fields.get("version_code"))),
        ("Packages", request.packages.join(" ")),
        ("ImageBuilder", field(job.fields.get("imagebuilder_sha256"))),
        ("Request", job.hash.clone()),
    ];
    html.push_str("<h2>Made of</h2><table>");
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(html, "<tr><th>{name}</th><td>{}</td></tr>", escape(value));
    }
    let _ = write!(
        html,
        "</table><p>For programs: <a href=\"/api/v1/build/{0}\">/api/v1/build/{0}</a></p>",
        escape(&job.hash)
    );
    for (name, key) in [
        ("What it said", "stdout"),
        ("What it complained of", "stderr"),
    ] {
        let text = field(job.fields.get(key));
        if !text.is_empty() {
            let _ = write!(html, "<h2>{name}</h2><pre>{}</pre>", escape(&text));
        }
    }
    page(&title, &html)
}

fn field(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// What happened here: the last days, builds and reports by device, the last failures.
pub fn statistics(tally: &Tally, waiting: usize) -> Answer {
    let mut html = format!("<h1>What happened here</h1><p>{waiting} requests wait.</p><h2>The last {DAYS} days, today last</h2><table>");
    for (name, thing) in [
        ("Requests", "requests"),
        ("Answered from what was built", "cache-hits"),
        ("Built", "successes"),
        ("Failed", "failures"),
    ] {
        let _ = write!(html, "<tr><th>{name}</th>");
        for count in tally.series(thing, DAYS) {
            let _ = write!(html, "<td>{count}</td>");
        }
        html.push_str("</tr>");
    }
    html.push_str("</table><h2>Images by version and device</h2><table><tr><th>Image</th><th>Built</th><th>Good</th><th>Bad</th></tr>");
    let mut images: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for (place, kind) in ["build", "good", "bad"].into_iter().enumerate() {
        for (_, about, count) in tally.about(kind) {
            if let Some(sum) = images.entry(about).or_default().get_mut(place) {
                *sum += count;
            }
        }
    }
    let mut images: Vec<_> = images.into_iter().collect();
    images.sort_by_key(|(_, [built, ..])| std::cmp::Reverse(*built));
    for (about, [built, good, bad]) in images.into_iter().take(LINES) {
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{built}</td><td>{good}</td><td>{bad}</td></tr>",
            escape(about)
        );
    }
    html.push_str("</table><h2>The last failures</h2><pre>");
    for line in tally.failures.iter().take(LINES) {
        html.push_str(&escape(line));
        html.push('\n');
    }
    html.push_str("</pre>");
    page("Statistics", &html)
}

/// The start page: where everything is, and a way to a build.
pub fn start() -> Answer {
    page(
        "Start",
        "<h1>OpenWrt images on demand</h1><p>Routers ask this server for an upgrade with the packages they have: with \
         <code>asu</code>, owut, auc or LuCI's attended sysupgrade.</p>\
         <form action=\"/build\"><label>A build, by the hash of its request<input name=\"hash\" required \
         pattern=\"[0-9a-f]{64}\"></label><button>Show</button></form>\
         <nav><p><a href=\"/statistics\">Statistics</a> <a href=\"/docs\">Interface</a> \
         <a href=\"/json/v1/overview.json\">Versions</a></p></nav>",
    )
}
