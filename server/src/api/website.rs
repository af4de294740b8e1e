//! What the pages for people need to know, and what their forms do.

use super::answer::{self, with_header, Answer};
use super::peers::turn_of;
use super::{body, builds, stats, Shared};
use crate::pages::{self, device, devices};
use crate::queue::job::Job;
use crate::request::{is_hash, validate};
use crate::site::devices::titles;
use crate::site::releases;
use crate::{Config, Error};
use axum::body::{Body, Bytes};
use axum::http::{header, Method, Request, Response, StatusCode};
use serde_json::{json, Value};
use std::collections::BTreeSet;
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
        Page::Device if post => order(shared, peer, request).await,
        Page::Device => show(shared, &query).await,
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

async fn show(shared: &Shared, query: &Fields) -> Result<Answer, Error> {
    let versions = releases::versions(&shared.site, &shared.config).await?.all;
    let device = match describe(shared, &versions, query).await? {
        Ok(device) => device,
        Err(missing) => return Ok(missing),
    };
    let words = words(value(query, "more"));
    let (without, more): (Vec<&str>, Vec<&str>) = words.into_iter().partition(|word| {
        let name = word.strip_prefix('-');
        name.is_some_and(|name| device.packages.contains(name))
    });
    let without = without.iter().map(|word| word.trim_start_matches('-'));
    let wishes = device::Wishes {
        without: without.map(str::to_owned).collect(),
        more: more.join(" "),
        ..device::Wishes::default()
    };
    Ok(device::form(&shared.config, &device, &wishes, None))
}

/// The device that a query or a form names, or a page that says that there is none.
async fn describe<'a>(
    shared: &Shared,
    versions: &'a [String],
    fields: &'a Fields,
) -> Result<Result<device::Device<'a>, Answer>, Error> {
    let [version, target, profile] =
        ["version", "target", "profile"].map(|name| value(fields, name));
    let missing = || device::missing(versions, version, target, profile);
    let branch = shared.config.branch_of(version);
    let Some(branch) = branch.filter(|_| versions.iter().any(|known| known == version)) else {
        return Ok(Err(missing()));
    };
    let targets = releases::targets(&shared.site, branch, version).await?;
    if !targets.contains_key(target) {
        return Ok(Err(missing()));
    }
    let file = releases::profiles(&shared.site, branch, version, target).await?;
    let file = file.unwrap_or_default();
    let Some(name) = releases::profile_of(&file, profile) else {
        return Ok(Err(missing()));
    };
    let entry = &file["profiles"][&name];
    let names = |list: &Value| -> Vec<String> {
        let names = list.as_array().into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut packages: BTreeSet<String> = names(&file["default_packages"]).into_iter().collect();
    for package in names(&entry["device_packages"]) {
        match package.strip_prefix('-') {
            Some(gone) => packages.remove(gone),
            None => packages.insert(package),
        };
    }
    Ok(Ok(device::Device {
        version,
        revision: file["version_code"].as_str().unwrap_or_default().to_owned(),
        versions,
        target,
        titles: titles(entry, &name),
        profile: name,
        packages,
    }))
}

/// `POST /device`: asks for the image, and leads to the page of its build.
async fn order(shared: &Shared, peer: IpAddr, request: Request<Body>) -> Result<Answer, Error> {
    let (parts, content) = request.into_parts();
    let fields = match body::form(shared, &parts.headers, content).await {
        Ok(fields) => fields,
        Err(refusal) => return Ok(unreadable(&refusal)),
    };
    let versions = releases::versions(&shared.site, &shared.config).await?.all;
    let device = match describe(shared, &versions, &fields).await? {
        Ok(device) => device,
        Err(missing) => return Ok(missing),
    };
    let ticked = fields.iter().filter(|(name, _)| name == "package");
    let ticked: BTreeSet<String> = ticked.map(|(_, name)| name.clone()).collect();
    let wishes = device::Wishes {
        without: device.packages.difference(&ticked).cloned().collect(),
        more: value(&fields, "more").to_owned(),
        // Browsers send the end of a line in two characters; a shell takes one of them for part of the line.
        script: value(&fields, "defaults").replace("\r\n", "\n"),
        rootfs_size: value(&fields, "rootfs_size_mb").trim().to_owned(),
    };
    let (status, problem) = match ask(shared, peer, &device, &wishes).await? {
        Ok(hash) => return Ok(see(&format!("/build/{hash}"))),
        Err(refused) => refused,
    };
    let page = device::form(&shared.config, &device, &wishes, Some(&problem));
    let page = pages::with_status(page, status);
    Ok(match status {
        answer::OVERLOADED => with_header(page, header::RETRY_AFTER, answer::LATER),
        _ => page,
    })
}

/// Asks for an image; its hash, or a status and a sentence.
async fn ask(
    shared: &Shared,
    peer: IpAddr,
    device: &device::Device<'_>,
    wishes: &device::Wishes,
) -> Result<Result<String, (u16, String)>, Error> {
    let mut packages: Vec<String> = words(&wishes.more).into_iter().map(str::to_owned).collect();
    packages.extend(wishes.without.iter().map(|name| format!("-{name}")));
    let mut json = json!({"version": device.version, "target": device.target, "profile": device.profile,
        "packages": packages, "defaults": wishes.script, "client": "page/1"});
    if !wishes.rootfs_size.is_empty() {
        let number = wishes.rootfs_size.parse::<u64>();
        json["rootfs_size_mb"] = number.map_or_else(|_| json!(wishes.rootfs_size), Value::from);
    }
    let request = match validate::build_request(&json, &shared.config) {
        Ok(request) => request,
        Err(list) => return Ok(Err((422, sentences(&list, &shared.config)))),
    };
    let hash = request.hash();
    let answer = builds::take_in(shared, peer, request).await?;
    Ok(match answer.status() {
        StatusCode::OK | StatusCode::ACCEPTED | StatusCode::INTERNAL_SERVER_ERROR => Ok(hash),
        status => {
            let json: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
            let detail = json["detail"].as_str().unwrap_or_default();
            let words = match status.as_u16() {
                answer::OVERLOADED => {
                    "This server has as much to build as it takes. Ask again in a minute."
                }
                _ => detail,
            };
            Err((status.as_u16(), words.to_owned()))
        }
    })
}

/// Words with spaces or commas between.
fn words(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',');
    words.filter(|word| !word.is_empty()).collect()
}

/// What is wrong with a request, for people.
fn sentences(list: &Value, config: &Config) -> String {
    let complaints = list.as_array().into_iter().flatten();
    let sentences: BTreeSet<String> = complaints
        .map(|complaint| {
            let input = complaint["input"].as_str().unwrap_or_default();
            match complaint["loc"][1].as_str().unwrap_or_default() {
                "packages" if input.is_empty() => "There are too many packages.".to_owned(),
                "packages" => format!("“{input}” is no name of a package."),
                "rootfs_size_mb" => {
                    let most = config.max_rootfs_size_mb;
                    format!("The root file system may have 1 to {most} MB.")
                }
                "defaults" => {
                    let most = config.max_defaults_length;
                    format!("The script may have {most} characters.")
                }
                field => format!("{field}: {}", complaint["msg"].as_str().unwrap_or_default()),
            }
        })
        .collect();
    sentences.into_iter().collect::<Vec<_>>().join(" ")
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

#[cfg(test)]
mod tests {
    use super::{sentences, words};
    use crate::Config;
    use serde_json::json;

    #[test]
    fn packages_as_people_write_them() {
        assert_eq!(words(" luci,tmux\r\n -ppp "), ["luci", "tmux", "-ppp"]);
        assert!(words(" ,").is_empty());
    }

    #[test]
    fn complaints_as_people_read_them() {
        let config = Config::new("http://127.0.0.1:1", "/nonexistent", "/nonexistent");
        let list = json!([
            {"loc": ["body", "packages", 3], "msg": "x", "input": "$(x)"},
            {"loc": ["body", "rootfs_size_mb"], "msg": "x", "input": 0},
            {"loc": ["body", "version"], "msg": "String should match", "input": "x"},
            {"loc": ["body", "packages", 4], "msg": "x", "input": "$(x)"},
        ]);
        let expected = "The root file system may have 1 to 1024 MB. version: String should match “$(x)” is no name of a package.";
        assert_eq!(sentences(&list, &config), expected);
    }
}
