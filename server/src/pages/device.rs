//! The page of a device: what goes into its image.

use super::devices::versions;
use super::html::link;
use super::{page, Html};
use crate::api::answer::Answer;
use crate::Config;
use std::collections::BTreeSet;

/// A device of a release.
#[derive(Debug)]
pub struct Device<'a> {
    /// `24.10.2`
    pub version: &'a str,
    /// `r28739-d9340319c6`
    pub revision: String,
    /// All releases, newest first.
    pub versions: &'a [String],
    /// `ath79/generic`
    pub target: &'a str,
    /// `tplink_archer-c7-v2`
    pub profile: String,
    /// Its names.
    pub titles: Vec<String>,
    /// What its images have unless somebody wants it otherwise.
    pub packages: BTreeSet<String>,
    /// `mips_24kc`
    pub architecture: String,
}

/// How many packages of a search are listed.
pub const FOUND: usize = 60;

/// Packages that were looked for.
#[derive(Debug)]
pub struct Search {
    /// What was looked for.
    pub text: String,
    /// How many there are.
    pub count: usize,
    /// The first of them: name and version.
    pub found: Vec<(String, String)>,
}

/// What somebody has filled in.
#[derive(Debug, Default)]
pub struct Wishes {
    /// Default packages that are not wanted.
    pub without: BTreeSet<String>,
    /// More packages, as they were written.
    pub more: String,
    /// A script for the first boot.
    pub script: String,
    /// Size of the root file system in MB, as it was written.
    pub rootfs_size: String,
    /// Packages that were looked for, if so.
    pub search: Option<Search>,
}

/// The form for an image; `problem` says why what was filled in can't be built.
pub fn form(
    config: &Config,
    device: &Device<'_>,
    wishes: &Wishes,
    problem: Option<&str>,
) -> Answer {
    let title = device
        .titles
        .first()
        .map_or(&*device.profile, |title| title);
    let mut html = Html::default();
    html.fill("<h1>{}</h1>", &[&title]);
    for other in device.titles.iter().skip(1) {
        html.fill("<p>Also {}</p>", &[&other]);
    }
    html.fill(
        "<p>{} for {} <small>({}, {})</small></p>",
        &[
            &device.version,
            &device.target,
            &device.revision,
            &device.profile,
        ],
    );
    html.raw("<form action=\"/device\" method=\"get\" class=\"row\"><p class=\"grow\"><label for=\"version\">Release</label>");
    html.add(&versions(device.versions, device.version));
    html.raw("</p>");
    hidden(
        &mut html,
        &[("target", device.target), ("profile", &device.profile)],
    );
    html.raw("<button>Show this release</button></form>");
    if let Some(words) = problem {
        html.fill(
            "<p role=\"alert\" class=\"bad\" id=\"problem\">{}</p>",
            &[&words],
        );
    }
    html.raw("<form action=\"/device\" method=\"post\">");
    hidden(
        &mut html,
        &[
            ("version", device.version),
            ("target", device.target),
            ("profile", &device.profile),
        ],
    );
    packages(&mut html, device, wishes);
    more(&mut html, config, wishes);
    html.raw("<button class=\"main\">Get the image</button></form>");
    page(title, &html)
}

fn hidden(html: &mut Html, fields: &[(&str, &str)]) {
    for (name, value) in fields {
        html.fill(
            "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
            &[name, value],
        );
    }
}

fn packages(html: &mut Html, device: &Device<'_>, wishes: &Wishes) {
    html.fill(
        "<fieldset><legend>Packages</legend><p><label for=\"more\">More packages, with spaces between</label>\
         <textarea id=\"more\" name=\"more\" rows=\"3\" spellcheck=\"false\" autocapitalize=\"none\" \
         placeholder=\"luci tmux\">{}</textarea></p>",
        &[&wishes.more],
    );
    find(html, wishes.search.as_ref());
    let open = if wishes.without.is_empty() {
        "<details>"
    } else {
        "<details open>"
    };
    html.raw(open).fill(
        "<summary>{} packages come with it; what is unticked is left out</summary><ul class=\"packages\">",
        &[&device.packages.len()],
    );
    for name in &device.packages {
        html.raw("<li><label><input type=\"checkbox\" name=\"package\"");
        if !wishes.without.contains(name) {
            html.raw(" checked");
        }
        html.fill(" value=\"{}\"> {}</label></li>", &[name, name]);
    }
    html.raw("</ul></details></fieldset>");
}

/// A search in the form: its button brings the same form with what was found.
fn find(html: &mut Html, search: Option<&Search>) {
    let text = search.map_or("", |search| &search.text);
    html.fill(
        "<div class=\"row\"><p class=\"grow\"><label for=\"find\">Find packages by parts of their name</label>\
         <input id=\"find\" name=\"find\" type=\"search\" autocapitalize=\"none\" value=\"{}\"",
        &[&text],
    );
    html.raw(if search.is_some() { " autofocus" } else { "" });
    html.raw("></p><button name=\"action\" value=\"find\">Find packages</button></div>");
    let Some(search) = search else { return };
    match search.count {
        0 => html.raw("<p role=\"status\">No package has that in its name.</p>"),
        1 => html.raw("<p role=\"status\">One package found.</p>"),
        count if count > FOUND => html.fill(
            "<p role=\"status\">{} packages found, of which {} are shown.</p>",
            &[&count, &FOUND],
        ),
        count => html.fill("<p role=\"status\">{} packages found.</p>", &[&count]),
    };
    html.raw("<ul class=\"packages\">");
    for (name, version) in &search.found {
        html.fill(
            "<li><label><input type=\"checkbox\" name=\"package\" value=\"{}\"> {} <small>{}</small></label></li>",
            &[name, name, version],
        );
    }
    html.raw("</ul>");
}

fn more(html: &mut Html, config: &Config, wishes: &Wishes) {
    if config.allow_defaults {
        html.fill(
            "<p><label for=\"defaults\">Script for the first boot</label><textarea id=\"defaults\" name=\"defaults\" \
             rows=\"4\" maxlength=\"{}\" spellcheck=\"false\" autocapitalize=\"none\" \
             placeholder=\"uci set system.@system[0].hostname=&#39;attic&#39;\">{}</textarea></p>",
            &[&config.max_defaults_length, &wishes.script],
        );
    }
    html.fill(
        "<p><label for=\"rootfs\">Size of the root file system in MB, if not the usual</label><input id=\"rootfs\" \
         name=\"rootfs_size_mb\" type=\"number\" inputmode=\"numeric\" min=\"1\" max=\"{}\" value=\"{}\"></p>",
        &[&config.max_rootfs_size_mb, &wishes.rootfs_size],
    );
}

/// Where there is no such device, or no such release.
pub fn missing(versions: &[String], version: &str, target: &str, profile: &str) -> Answer {
    let mut html = Html::new("<h1>There is no such device</h1>");
    html.fill(
        "<p>{} has no device {} {}. It may be in another release:</p><ul class=\"packages\">",
        &[&version, &target, &profile],
    );
    for other in versions.iter().filter(|other| *other != version) {
        let query = [
            ("version", &**other),
            ("target", target),
            ("profile", profile),
        ];
        html.fill(
            "<li><a href=\"{}\">{}</a></li>",
            &[&link("/device", &query), other],
        );
    }
    html.raw("</ul><p><a href=\"/\">Find a device</a></p>");
    super::with_status(page("No such device", &html), 404)
}
