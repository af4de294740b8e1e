//! The start page: finds a device by its name.

use super::html::link;
use super::{page, Html};
use crate::api::answer::Answer;
use crate::site::devices::Device;

/// How many devices are listed.
const LISTED: usize = 50;

/// What was looked for, and found.
#[derive(Debug)]
pub struct Search<'a> {
    /// Words of the device's name.
    pub words: &'a str,
    /// The release that was chosen.
    pub version: &'a str,
    /// All releases, newest first.
    pub versions: &'a [String],
    /// How many devices the release has.
    pub known: usize,
    /// Those that were found, the best first.
    pub found: Vec<&'a Device>,
}

/// The start page. Without words it lists nothing.
pub fn start(search: &Search<'_>) -> Answer {
    let mut html = Html::new(
        "<h1>OpenWrt for your device</h1>\
         <form action=\"/\" method=\"get\" role=\"search\" data-search><div class=\"row\">",
    );
    html.fill(
        "<p class=\"grow\"><label for=\"q\">Device: name, profile or target</label>\
         <input id=\"q\" name=\"q\" type=\"search\" value=\"{}\" autocomplete=\"off\" autofocus></p>",
        &[&search.words],
    );
    html.raw("<p><label for=\"version\">Release</label>");
    html.add(&versions(search.versions, search.version));
    html.raw("</p></div><button>Search</button></form>");
    html.add(&results(search));
    html.raw(
        "<footer><p>Routers ask this server by themselves, with <code>asu</code>, LuCI's attended sysupgrade, \
         owut or auc.</p><form action=\"/build\" method=\"get\"><label for=\"hash\">A build, by the hash of its \
         request</label><div class=\"row\"><input class=\"grow\" id=\"hash\" name=\"hash\" required \
         pattern=\"[0-9a-f]{64}\" title=\"64 digits from 0 to f\"><button>Show</button></div></form></footer>",
    );
    page("Find a device", &html)
}

/// A choice of releases.
pub fn versions(all: &[String], chosen: &str) -> Html {
    let mut html = Html::new("<select id=\"version\" name=\"version\">");
    for version in all {
        html.raw(if version == chosen {
            "<option selected>"
        } else {
            "<option>"
        });
        html.text(version).raw("</option>");
    }
    html.raw("</select>");
    html
}

fn results(search: &Search<'_>) -> Html {
    let mut html = Html::default();
    let found = search.found.len();
    html.raw("<p role=\"status\" data-part=\"count\">");
    match (search.words.is_empty(), search.known, found) {
        (_, 0, _) => html.fill(
            "The download site names no devices for {}. Choose another release.",
            &[&search.version],
        ),
        (true, known, _) => html.fill("{} has {} devices.", &[&search.version, &known]),
        (_, _, 0) => html.fill(
            "{} has no device with these words. Try fewer, or another release.",
            &[&search.version],
        ),
        (_, _, 1) => html.raw("One device found."),
        (_, _, found) if found > LISTED => html.fill(
            "{} devices found, of which {} are shown. One more word helps.",
            &[&found, &LISTED],
        ),
        (_, _, found) => html.fill("{} devices found.", &[&found]),
    };
    html.raw("</p><div data-part=\"devices\">");
    if !search.words.is_empty() && found > 0 {
        html.add(&list(search));
    }
    html.raw("</div>");
    html
}

fn list(search: &Search<'_>) -> Html {
    let mut html = Html::new("<ul class=\"devices\">");
    for device in search.found.iter().take(LISTED) {
        let query = [
            ("version", search.version),
            ("target", &device.target),
            ("profile", &device.profile),
        ];
        html.fill(
            "<li><a href=\"{}\">{}</a> <small>{} {}</small></li>",
            &[
                &link("/device", &query),
                &device.title,
                &device.target,
                &device.profile,
            ],
        );
    }
    html.raw("</ul>");
    html
}
