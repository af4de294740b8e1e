//! What happened here.

use super::{page, Html};
use crate::api::answer::Answer;
use crate::queue::tally::Tally;
use crate::time;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// How many days are shown one by one.
const DAYS: u64 = 7;
/// How many lines a table has.
const LINES: usize = 30;

/// How many were built, and how many of those were reported good and bad.
type Counts = [u64; 3];

/// The page: the last days, builds and reports by version, target and device, the last failures.
pub fn statistics(tally: &Tally, waiting: usize) -> Answer {
    let mut html = Html::new("<h1>What happened here</h1>");
    match waiting {
        0 => html.raw("<p>No request waits.</p>"),
        1 => html.raw("<p>One request waits.</p>"),
        many => html.fill("<p>{} requests wait.</p>", &[&many]),
    };
    html.add(&days(tally));
    let (mut versions, mut targets, mut images) =
        (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (place, kind) in ["build", "good", "bad"].into_iter().enumerate() {
        for (_, about, count) in tally.about(kind) {
            let mut words = about.split(' ');
            add(
                &mut versions,
                words.next().unwrap_or_default(),
                place,
                count,
            );
            add(&mut targets, words.next().unwrap_or_default(), place, count);
            add(&mut images, about, place, count);
        }
    }
    html.raw("<p>What follows is of the last half year. Good and bad are what routers and people reported of the images.</p>");
    html.add(&table("Images by version", "Version", versions));
    html.add(&table("Images by target", "Target", targets));
    html.add(&table("Images by version and device", "Image", images));
    html.raw("<h2>The last failures</h2>");
    if tally.failures.is_empty() {
        html.raw("<p>None.</p>");
    } else {
        html.raw("<ul class=\"failures\">");
        for line in tally.failures.iter().take(LINES) {
            html.fill("<li>{}</li>", &[line]);
        }
        html.raw("</ul>");
    }
    page("Statistics", &html)
}

fn add<'a>(table: &mut BTreeMap<&'a str, Counts>, name: &'a str, place: usize, count: u64) {
    if let Some(sum) = table.entry(name).or_default().get_mut(place) {
        *sum += count;
    }
}

fn days(tally: &Tally) -> Html {
    let today = time::day(SystemTime::now());
    let mut html = Html::new(
        "<h2>The last days</h2><table class=\"numbers\"><thead><tr><th scope=\"col\">Day</th><th scope=\"col\">Requests</th>\
         <th scope=\"col\">Cached</th><th scope=\"col\">Built</th><th scope=\"col\">Failed</th></tr></thead><tbody>",
    );
    let series = ["requests", "cache-hits", "successes", "failures"]
        .map(|thing| tally.series(thing, DAYS).into_iter().rev());
    let [requests, hits, built, failed] = series;
    let rows = requests.zip(hits).zip(built).zip(failed);
    for (ago, (((requests, hits), built), failed)) in (0..).zip(rows) {
        let day = time::date(today.saturating_sub(ago));
        html.fill(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            &[&day, &requests, &hits, &built, &failed],
        );
    }
    html.raw("</tbody></table>");
    html
}

/// The names with most builds and reports, with a bar for their builds.
fn table(title: &str, column: &str, counts: BTreeMap<&str, Counts>) -> Html {
    let mut html = Html::default();
    html.fill("<h2>{}</h2>", &[&title]);
    let mut rows: Vec<_> = counts.into_iter().collect();
    rows.sort_by_key(|(_, counts)| Reverse(*counts));
    let most = rows.first().map_or(0, |(_, [built, ..])| *built).max(1);
    if rows.is_empty() {
        html.raw("<p>None yet.</p>");
        return html;
    }
    html.fill(
        "<table class=\"numbers\"><thead><tr><th scope=\"col\">{}</th><th scope=\"col\">Built</th>\
         <th scope=\"col\">Good</th><th scope=\"col\">Bad</th></tr></thead><tbody>",
        &[&column],
    );
    for (name, [built, good, bad]) in rows.into_iter().take(LINES) {
        html.fill(
            "<tr><th scope=\"row\">{}</th><td>{} <meter max=\"{}\" value=\"{}\" aria-hidden=\"true\"></meter></td>\
             <td>{}</td>",
            &[&name, &built, &most, &built, &good],
        );
        html.raw(if bad > 0 {
            "<td class=\"bad\">"
        } else {
            "<td>"
        });
        html.fill("{}</td></tr>", &[&bad]);
    }
    html.raw("</tbody></table>");
    html
}
