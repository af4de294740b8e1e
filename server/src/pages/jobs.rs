//! The page of one build: how far it is, its files, what it was made of, what it said.

use super::html::link;
use super::{live_page, page, Html};
use crate::api::answer::Answer;
use crate::queue::job::{Job, State};
use crate::queue::Found;
use crate::time;
use serde_json::Value;

/// The steps of a build that take time, with the API's names for what happens in them.
const STEPS: [(&str, &[&str]); 4] = [
    ("Waiting for its turn", &["queued"]),
    ("Getting the ImageBuilder", &["init", "container_setup"]),
    (
        "Finding the packages",
        &["validate_revision", "validate_manifest"],
    ),
    ("Building the image", &["building_image"]),
];

/// Longest list of packages that stands in an address.
const LONGEST_LINK: usize = 4096;

/// The page of a build for the device called `name`. What has a `data-part` is brought up to date by page.js.
pub fn build(found: &Found, name: &str) -> Answer {
    let job = &found.job;
    let state = match job.state {
        State::Queued => "waiting",
        State::Started => "being built",
        State::Finished => "done",
        State::Failed => "failed",
    };
    let mut html = Html::default();
    html.fill("<h1>{} {}</h1>", &[&name, &job.request.version]);
    html.raw("<p role=\"status\" data-part=\"state\">");
    html.add(&sentence(found))
        .raw("</p><div data-part=\"progress\">");
    if !job.state.is_end() {
        html.add(&progress(job));
    }
    html.raw("</div><div data-part=\"files\">");
    if job.state == State::Finished {
        html.add(&files(job));
    }
    html.raw("</div>");
    html.raw("<div data-part=\"about\">").add(&about(job));
    html.raw("</div><div data-part=\"log\">");
    for (name, key) in [
        ("Log", "stdout"),
        ("Log: progress, warnings and errors", "stderr"),
    ] {
        let text = field(job, key);
        if !text.is_empty() {
            html.fill(
                "<h2>{}</h2><pre tabindex=\"0\" role=\"region\" aria-label=\"{}\">{}</pre>",
                &[&name, &name, &text],
            );
        }
    }
    html.raw("</div>");
    let title = format!("{name} {}: {state}", job.request.version);
    match job.state.is_end() {
        true => page(&title, &html),
        false => live_page(&title, &html),
    }
}

fn sentence(found: &Found) -> Html {
    let mut html = Html::default();
    match (found.job.state, found.position) {
        (State::Queued, 0) => html.raw("It is the next to be built."),
        (State::Queued, 1) => html.raw("It waits; one is before it."),
        (State::Queued, before) => html.fill("It waits; {} are before it.", &[&before]),
        (State::Started, _) => html.fill("It is being built: {}.", &[&current(&found.job).1]),
        (State::Finished, _) => html.raw("The image is done."),
        (State::Failed, _) => html.fill(
            "<strong class=\"bad\">It could not be built.</strong> {}",
            &[&field(&found.job, "detail")],
        ),
    };
    html
}

/// Number and name of the step a build is at.
fn current(job: &Job) -> (usize, &'static str) {
    let steps = STEPS.iter().enumerate();
    let at = |(_, (_, names)): &(usize, &(&str, &[&str]))| names.contains(&job.phase());
    steps
        .rev()
        .find(at)
        .map_or((1, STEPS[1].0), |(place, (name, _))| (place, *name))
}

fn progress(job: &Job) -> Html {
    let (now, _) = current(job);
    let mut html = Html::default();
    html.fill(
        "<progress max=\"{}\" value=\"{}\" aria-label=\"Steps that are done\"></progress><ol class=\"steps\">",
        &[&STEPS.len(), &now],
    );
    for (place, (name, _)) in STEPS.iter().enumerate() {
        html.raw(match place.cmp(&now) {
            std::cmp::Ordering::Less => "<li class=\"done\">",
            std::cmp::Ordering::Equal => "<li aria-current=\"step\">",
            std::cmp::Ordering::Greater => "<li>",
        });
        html.text(name).raw("</li>");
    }
    html.raw("</ol><noscript><p>This page loads itself again every few seconds.</p></noscript>");
    html
}

/// The images with their sums, and what else was kept.
fn files(job: &Job) -> Html {
    let folder = field(job, "bin_dir");
    let images = list(job, "images");
    let mut html = Html::new(
        "<h2>Images</h2><table><thead><tr><th>File</th><th>Kind</th><th>SHA-256</th></tr></thead><tbody>",
    );
    for image in images {
        let text = |name: &str| image[name].as_str().unwrap_or_default();
        html.fill(
            "<tr><td><a href=\"/store/{}/{}\" download>{}</a></td><td>{} {}</td><td><code>{}</code></td></tr>",
            &[&folder, &text("name"), &text("name"), &text("type"), &text("filesystem"), &text("sha256")],
        );
    }
    html.raw("</tbody></table><h2>More files</h2><ul class=\"files\">");
    for name in &job.files {
        if !images.iter().any(|image| image["name"] == **name) {
            html.fill(
                "<li><a href=\"/store/{}/{}\">{}</a></li>",
                &[&folder, &name, &name],
            );
        }
    }
    html.fill(
        "<li><a href=\"/api/v1/build/{}\">JSON with all that is needed to build it again</a></li></ul>\
         <p>To build it again elsewhere and compare: <code>asu-server rebuild</code> with this page's address.</p>",
        &[&job.hash],
    );
    html.fill(
        "<form action=\"/build/{}\" method=\"post\" class=\"row\"><span class=\"grow\">How did it do on your router?</span>\
         <button name=\"result\" value=\"good\">It works</button>\
         <button name=\"result\" value=\"bad\">It does not</button></form>",
        &[&job.hash],
    );
    html
}

fn about(job: &Job) -> Html {
    let request = &job.request;
    let mut html = Html::new("<h2>Made of</h2><table class=\"about\"><tbody>");
    let versions = request
        .packages_versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"));
    let size = request
        .rootfs_size_mb
        .map_or_else(String::new, |size| format!("{size} MB"));
    let rows = [
        ("Profile", request.profile.clone()),
        ("Target", request.target.clone()),
        ("Revision", field(job, "version_code").to_owned()),
        ("Packages", request.packages.join(" ")),
        ("In these versions", versions.collect::<Vec<_>>().join(", ")),
        ("Root file system", size),
        (
            "Script for the first boot",
            request.defaults.clone().unwrap_or_default(),
        ),
        ("ImageBuilder", field(job, "imagebuilder_sha256").to_owned()),
        ("Asked for", format!("{} UTC", time::stamp(job.enqueued))),
        ("Request", job.hash.clone()),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        html.fill(
            "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
            &[name, value],
        );
    }
    let mut packages = request.packages.join(" ");
    if packages.len() > LONGEST_LINK {
        packages.clear();
    }
    let query = [
        ("version", &*request.version),
        ("target", &request.target),
        ("profile", &request.profile),
        ("more", &packages),
        (
            "diff",
            if request.diff_packages && !packages.is_empty() {
                "1"
            } else {
                ""
            },
        ),
    ];
    html.fill(
        "</tbody></table><p><a href=\"{}\">Change something and build another one</a></p>",
        &[&link("/device", &query)],
    );
    html
}

fn field<'a>(job: &'a Job, name: &str) -> &'a str {
    let value = job.fields.get(name).and_then(Value::as_str);
    value.unwrap_or_default()
}

fn list<'a>(job: &'a Job, name: &str) -> &'a [Value] {
    let value = job.fields.get(name).and_then(Value::as_array);
    value.map_or(&[], Vec::as_slice)
}
