//! What there is to build: versions, targets, devices, packages. All of it comes from the download site.

use super::answer::{self, Answer};
use super::Shared;
use crate::site::{indexes, profiles, releases, Site};
use crate::Error;
use serde_json::{json, Value};

/// The revision of a version for a target.
///
/// # Errors
/// [`Error::Upstream`] where the download site can't be reached.
pub async fn revision(shared: &Shared, version: &str, target: &str) -> Result<Answer, Error> {
    let branch = shared
        .config
        .branch_of(version)
        .filter(|_| releases::is_plain(version));
    let (Some(branch), true) = (branch, is_target(target)) else {
        return Ok(answer::refusal(
            400,
            &format!("Unsupported version: {version}"),
        ));
    };
    let profiles = releases::profiles(&shared.site, branch, version, target).await?;
    Ok(
        match profiles
            .as_ref()
            .and_then(|profiles| profiles["version_code"].as_str())
        {
            Some(revision) => answer::json(200, &json!({"revision": revision})),
            None => answer::refusal(
                404,
                &format!("Failed to fetch revision for {version}/{target}"),
            ),
        },
    )
}

fn is_target(target: &str) -> bool {
    target
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '/')
}

/// Everything below `/json/v1/`. Kept as long as the files it was made from.
///
/// # Errors
/// [`Error::Upstream`] where the download site can't be reached.
pub async fn json_file(shared: &Shared, parts: &[&str]) -> Result<Answer, Error> {
    let question = parts.join("/");
    if let Some(known) = shared.recent.get(&question) {
        return Ok(known);
    }
    let answer = make_json_file(shared, parts).await?;
    shared
        .recent
        .keep(&question, &answer, shared.config.upstream_lifetime);
    Ok(answer)
}

async fn make_json_file(shared: &Shared, parts: &[&str]) -> Result<Answer, Error> {
    let site = &shared.site;
    match parts {
        ["overview.json"] => return Ok(answer::json(200, &overview(shared).await?)),
        ["latest.json"] => {
            let latest = releases::versions(site, &shared.config).await?.latest;
            return Ok(answer::json(200, &json!({"latest": latest})));
        }
        ["branches.json"] => {
            let all = releases::versions(site, &shared.config).await?.all;
            let mut branches = releases::branches(site, &shared.config, &all).await?;
            let ordered = shared
                .config
                .branches
                .iter()
                .filter_map(|branch| branches.remove(&branch.name));
            return Ok(answer::json(200, &ordered.collect()));
        }
        _ => {}
    }
    // The rest are paths of the download site, which are asked for there: no part may lead elsewhere.
    let plain = |part: &&str| {
        !part.starts_with('.') && !part.is_empty() && part.chars().all(is_path_character)
    };
    if !parts.iter().all(plain) {
        return Ok(answer::not_found());
    }
    let Some((name, folders)) = parts.split_last() else {
        return Ok(answer::not_found());
    };
    let folder = folders.join("/");
    if *name == "index.json" {
        return Ok(answer::json(200, &indexes::target(site, &folder).await?));
    }
    if let Some(architecture) = name.strip_suffix("-index.json") {
        return Ok(answer::json(
            200,
            &indexes::architecture(site, &format!("{folder}/{architecture}")).await?,
        ));
    }
    match (name.strip_suffix(".json"), folders) {
        (Some(profile), [.., "targets", _, _]) => profile_json(site, &folder, profile).await,
        _ => Ok(answer::not_found()),
    }
}

fn is_path_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._,-+".contains(c)
}

async fn overview(shared: &Shared) -> Result<Value, Error> {
    let config = &shared.config;
    let versions = releases::versions(&shared.site, config).await?;
    Ok(json!({
        "latest": versions.latest,
        "branches": releases::branches(&shared.site, config, &versions.all).await?,
        "upstream_url": shared.site.url(),
        "server": {
            "version": env!("CARGO_PKG_VERSION"), "contact": config.contact, "allow_defaults": config.allow_defaults,
            "repository_allow_list": config.repository_allow_list, "max_custom_rootfs_size_mb": config.max_rootfs_size_mb,
            "max_defaults_length": config.max_defaults_length, "prepare": true, "update": config.update,
        },
    }))
}

async fn profile_json(site: &Site, folder: &str, id: &str) -> Result<Answer, Error> {
    let file = site.get(&format!("{folder}/profiles.json")).await?;
    let Some(Value::Object(content)) = file.json() else {
        // The public server's program fails here; clients know this answer.
        return Ok(answer::internal_error());
    };
    let profile = profiles::one(content, id).unwrap_or_default();
    Ok(answer::json(200, &Value::Object(profile)))
}
