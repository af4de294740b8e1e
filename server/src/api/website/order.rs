//! What goes into an image: the form of a device, and what it asks for.

use super::{see, unreadable, value, Fields};
use crate::api::answer::{self, with_header, Answer};
use crate::api::{body, builds, Shared};
use crate::pages::{self, device};
use crate::request::validate;
use crate::site::devices::titles;
use crate::site::{indexes, releases};
use crate::{Config, Error};
use axum::body::Body;
use axum::http::{header, Request, StatusCode};
use serde_json::{json, Value};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// `GET /device`: the form, filled in with the packages that the query names in `more`.
pub async fn show(shared: &Shared, query: &Fields) -> Result<Answer, Error> {
    let versions = releases::versions(&shared.site, &shared.config).await?.all;
    let device = match describe(shared, &versions, query).await? {
        Ok(device) => device,
        Err(missing) => return Ok(missing),
    };
    let words = words(value(query, "more"));
    // With `diff` these are all packages, else they and `-x` are what differs from those that come with the device.
    let is_all = value(query, "diff") == "1";
    let without = device.packages.iter().filter(|name| match is_all {
        true => !words.contains(&&***name),
        false => words
            .iter()
            .any(|word| word.strip_prefix('-') == Some(name)),
    });
    let more = words.iter().filter(|word| {
        let name = word.strip_prefix('-').unwrap_or(word);
        !device.packages.contains(name)
    });
    let wishes = device::Wishes {
        without: without.cloned().collect(),
        more: more.copied().collect::<Vec<_>>().join(" "),
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
        architecture: targets
            .get(target)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
    }))
}

/// `POST /device`: asks for the image, and leads to the page of its build.
pub async fn order(shared: &Shared, peer: IpAddr, request: Request<Body>) -> Result<Answer, Error> {
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
    let mut more = value(&fields, "more").to_owned();
    // Packages that were found are written to the others.
    for name in ticked.difference(&device.packages) {
        if !words(&more).contains(&&**name) {
            more = format!("{} {name}", more.trim_end())
                .trim_start()
                .to_owned();
        }
    }
    let finding = value(&fields, "action") == "find";
    let wishes = device::Wishes {
        without: device.packages.difference(&ticked).cloned().collect(),
        more,
        // Browsers send the end of a line in two characters; a shell takes one of them for part of the line.
        script: value(&fields, "defaults").replace("\r\n", "\n"),
        rootfs_size: value(&fields, "rootfs_size_mb").trim().to_owned(),
        search: match value(&fields, "find") {
            text if finding && !text.trim().is_empty() => Some(find(shared, &device, text).await?),
            _ => None,
        },
    };
    if finding {
        return Ok(device::form(&shared.config, &device, &wishes, None));
    }
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

/// The packages that have every word in their names and don't come with the device anyway.
async fn find(
    shared: &Shared,
    device: &device::Device<'_>,
    text: &str,
) -> Result<device::Search, Error> {
    let words: Vec<String> = words(text).into_iter().map(str::to_lowercase).collect();
    let (version, target) = (device.version, device.target);
    let index = match shared.config.branch_of(version) {
        Some(branch) => {
            let path = branch.path_of(version);
            indexes::all(&shared.site, &path, target, &device.architecture).await?
        }
        None => Default::default(),
    };
    let wanted = |name: &&String| {
        !device.packages.contains(*name) && words.iter().all(|word| name.contains(word))
    };
    let names: Vec<&String> = index.keys().filter(wanted).collect();
    let found = names.iter().take(device::FOUND).map(|name| {
        let version = index.get(*name).and_then(Value::as_str);
        ((*name).clone(), version.unwrap_or_default().to_owned())
    });
    Ok(device::Search {
        text: text.to_owned(),
        count: names.len(),
        found: found.collect(),
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
