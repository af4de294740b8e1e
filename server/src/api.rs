//! The addresses of the API, and what each answers.

use crate::config::Config;
use crate::queue::{Full, Queue};
use crate::request::BuildRequest;
use crate::upstream::Upstream;
use crate::{answer, indexes, releases, store, time, validate, Error};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{header, HeaderMap, Method, Request, Response};
use serde_json::{json, Value};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Longest body of a request: 5,000 packages with versions and a script fit.
const LONGEST_BODY: usize = 512 << 10;
/// How long a client may take to send it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The configuration.
    pub config: Arc<Config>,
    /// The download site.
    pub upstream: Upstream,
    /// The builds.
    pub queue: Arc<Queue>,
}

/// Answers any request.
pub async fn handle(State(shared): State<Shared>, request: Request<Body>) -> Response<Body> {
    let head = request.method() == Method::HEAD;
    let response = route(&shared, request).await;
    let response = response.unwrap_or_else(|error| answer::bad_gateway(&error));
    if head {
        answer::head_only(response)
    } else {
        response
    }
}

/// What a path stands for.
enum Resource<'a> {
    /// Where builds are asked for.
    Builds,
    /// A build, by its hash.
    Build(&'a str),
    /// A file in a folder of the store.
    Stored(&'a str, &'a str),
    /// Something with a newer address.
    Moved(String),
    /// How many wait.
    Stats,
    /// A version's revision for target and subtarget.
    Revision(&'a str, &'a str, &'a str),
    /// A file below `/json/v1/`.
    Json(&'a [&'a str]),
}

impl<'a> Resource<'a> {
    fn find(path: &str, parts: &'a [&'a str]) -> Option<Self> {
        if path.starts_with("//") {
            return Some(Self::Moved(format!("/{}", path.trim_start_matches('/'))));
        }
        Some(match *parts {
            ["api", "v1", "build"] => Self::Builds,
            ["api", "v1", "build", hash] => Self::Build(hash),
            ["api", "v1", "stats"] => Self::Stats,
            ["api", "v1", "revision", version, target, subtarget] => {
                Self::Revision(version, target, subtarget)
            }
            ["api", "v1", "latest"] => Self::Moved("/json/v1/latest.json".to_owned()),
            ["overview"] | ["api", "v1", "overview"] => {
                Self::Moved("/json/v1/overview.json".to_owned())
            }
            ["store", folder, name] => Self::Stored(folder, name),
            ["json", "v1", ref rest @ ..] if !rest.is_empty() => Self::Json(rest),
            _ => return None,
        })
    }

    /// The methods it knows, as the Allow header has them.
    fn methods(&self) -> &'static str {
        match self {
            Self::Builds => "POST",
            Self::Build(_) | Self::Stored(..) => "GET, HEAD",
            _ => "GET",
        }
    }
}

async fn route(shared: &Shared, request: Request<Body>) -> Result<Response<Body>, Error> {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let Some(resource) = Resource::find(&path, &parts) else {
        return Ok(answer::not_found());
    };
    if !resource
        .methods()
        .split(", ")
        .any(|method| method == request.method().as_str())
    {
        return Ok(answer::method_not_allowed(resource.methods()));
    }
    match resource {
        Resource::Builds => post_build(shared, request).await,
        Resource::Build(hash) => Ok(get_build(shared, hash)),
        Resource::Stored(folder, name) => {
            Ok(store::file(&shared.config.store, folder, name, request.headers()).await)
        }
        Resource::Moved(location) => Ok(answer::moved(&location)),
        Resource::Stats => Ok(answer::json(
            200,
            &json!({"queue_length": shared.queue.waiting()}),
        )),
        Resource::Revision(version, target, subtarget) => {
            revision(shared, version, &format!("{target}/{subtarget}")).await
        }
        Resource::Json(parts) => json_file(shared, parts).await,
    }
}

async fn revision(shared: &Shared, version: &str, target: &str) -> Result<Response<Body>, Error> {
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
    let profiles = releases::profiles(&shared.upstream, branch, version, target).await?;
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

/// Everything below `/json/v1/`.
async fn json_file(shared: &Shared, parts: &[&str]) -> Result<Response<Body>, Error> {
    let upstream = &shared.upstream;
    match parts {
        ["overview.json"] => return Ok(answer::json(200, &overview(shared).await?)),
        ["latest.json"] => {
            let latest = releases::versions(upstream, &shared.config).await?.latest;
            return Ok(answer::json(200, &json!({"latest": latest})));
        }
        ["branches.json"] => {
            let all = releases::versions(upstream, &shared.config).await?.all;
            let mut branches = releases::branches(upstream, &shared.config, &all).await?;
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
        return Ok(answer::json(
            200,
            &indexes::target(upstream, &folder).await?,
        ));
    }
    if let Some(architecture) = name.strip_suffix("-index.json") {
        return Ok(answer::json(
            200,
            &indexes::architecture(upstream, &format!("{folder}/{architecture}")).await?,
        ));
    }
    match (name.strip_suffix(".json"), folders) {
        (Some(profile), [.., "targets", _, _]) => profile_json(upstream, &folder, profile).await,
        _ => Ok(answer::not_found()),
    }
}

fn is_path_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._,-+".contains(c)
}

async fn overview(shared: &Shared) -> Result<Value, Error> {
    let config = &shared.config;
    let versions = releases::versions(&shared.upstream, config).await?;
    Ok(json!({
        "latest": versions.latest,
        "branches": releases::branches(&shared.upstream, config, &versions.all).await?,
        "upstream_url": shared.upstream.url(),
        "server": {
            "version": env!("CARGO_PKG_VERSION"), "contact": config.contact, "allow_defaults": config.allow_defaults,
            "repository_allow_list": [], "max_custom_rootfs_size_mb": config.max_rootfs_size_mb,
            "max_defaults_length": config.max_defaults_length,
        },
    }))
}

async fn profile_json(
    upstream: &Upstream,
    folder: &str,
    id: &str,
) -> Result<Response<Body>, Error> {
    let file = upstream.get(&format!("{folder}/profiles.json")).await?;
    let Some(Value::Object(mut content)) = file.json() else {
        // The public server's program fails here; clients know this answer.
        return Ok(answer::internal_error());
    };
    let profiles = content.remove("profiles").unwrap_or_default();
    let Some(profile) = profiles.get(id).and_then(Value::as_object) else {
        return Ok(answer::json(200, &json!({})));
    };
    content.extend(profile.clone());
    let epoch = content
        .get("source_date_epoch")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let built = UNIX_EPOCH
        .checked_add(Duration::from_secs(epoch))
        .unwrap_or(UNIX_EPOCH);
    content.insert("id".to_owned(), id.into());
    content.insert(
        "build_at".to_owned(),
        format!("{}Z", time::iso(built)).into(),
    );
    Ok(answer::json(200, &Value::Object(content)))
}

fn get_build(shared: &Shared, hash: &str) -> Response<Body> {
    shared
        .queue
        .answer(hash, "Z", &shared.config)
        .unwrap_or_else(|| {
            let words = "could not find provided request hash";
            answer::json(
                404,
                &json!({"status": 404, "title": "Not Found", "detail": words}),
            )
        })
}

async fn post_build(shared: &Shared, request: Request<Body>) -> Result<Response<Body>, Error> {
    let (parts, body) = request.into_parts();
    let bytes = match tokio::time::timeout(PATIENCE, axum::body::to_bytes(body, LONGEST_BODY)).await
    {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            return Ok(answer::refusal(
                413,
                &format!("The request is longer than {LONGEST_BODY} bytes"),
            ))
        }
        Err(_) => return Ok(answer::refusal(408, "The request came too slowly")),
    };
    let checked = parse_body(&bytes, &parts.headers)
        .and_then(|body| validate::build_request(&body, &shared.config));
    let mut request = match checked {
        Ok(request) => request,
        Err(list) => return Ok(answer::json(422, &json!({"detail": list}))),
    };
    if request.client.is_none() && !parts.headers.contains_key(header::USER_AGENT) {
        return Ok(answer::internal_error());
    }
    let hash = request.hash();
    if let Some(known) = shared.queue.answer(&hash, "+00:00", &shared.config) {
        return Ok(known);
    }
    if let Some(reason) = unsupported(shared, &mut request).await? {
        return Ok(answer::refusal(400, &reason));
    }
    if let Err(Full { waiting }) = shared.queue.enqueue(request, &hash, &shared.config) {
        let detail = format!("server overload, queue contains too many build requests: {waiting}");
        let body =
            json!({"status": answer::OVERLOADED, "title": "Server overloaded", "detail": detail});
        return Ok(answer::with_header(
            answer::json(answer::OVERLOADED, &body),
            header::RETRY_AFTER,
            "60",
        ));
    }
    Ok(shared
        .queue
        .answer(&hash, "+00:00", &shared.config)
        .unwrap_or_else(answer::internal_error))
}

/// The body as JSON. Sent as anything else it counts as a string, as the public server's framework has it.
fn parse_body(bytes: &Bytes, headers: &HeaderMap) -> Result<Value, Value> {
    if bytes.is_empty() {
        return Err(
            json!([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": null}]),
        );
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if kind != "application/json" && !kind.ends_with("+json") {
        return Ok(Value::String(String::from_utf8_lossy(bytes).into_owned()));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let place = error.column().saturating_sub(1);
        let context = json!({"error": error.to_string()});
        json!([{"type": "json_invalid", "loc": ["body", place], "msg": "JSON decode error", "input": {}, "ctx": context}])
    })
}

/// Says why a well-formed request can't be fulfilled; `None` if it can, and then its profile is the ImageBuilder's name
/// for the device.
async fn unsupported(shared: &Shared, request: &mut BuildRequest) -> Result<Option<String>, Error> {
    let (config, upstream) = (&shared.config, &shared.upstream);
    let (version, target) = (&request.version, &request.target);
    if request.defaults.is_some() && !config.allow_defaults {
        return Ok(Some("Handling `defaults` not enabled on server".to_owned()));
    }
    if let Some(url) = request.repositories.values().next() {
        return Ok(Some(format!("Repository not allowed: {url}")));
    }
    if request.distro != "openwrt" {
        return Ok(Some(format!("Unsupported distro: {}", request.distro)));
    }
    let Some(branch) = config.branch_of(version) else {
        return Ok(Some(format!("Unsupported branch: {version}")));
    };
    if !releases::versions(upstream, config)
        .await?
        .all
        .contains(version)
    {
        return Ok(Some(format!("Unsupported version: {version}")));
    }
    if !releases::targets(upstream, branch, version)
        .await?
        .contains_key(target)
    {
        let why = "The requested target was either dropped, is still being built or is not supported by the selected version";
        let words = format!(
            "Unsupported target: {target}. {why}. Please check the forums or try again later."
        );
        return Ok(Some(words));
    }
    let profiles = releases::profiles(upstream, branch, version, target)
        .await?
        .unwrap_or_default();
    let Some(profile) = releases::profile_of(&profiles, &request.profile) else {
        let why = "The requested profile was either dropped or never existed. Please check the forums for more information.";
        return Ok(Some(format!(
            "Unsupported profile: {}. {why}",
            request.profile
        )));
    };
    request.profile = profile;
    if !request.packages_versions.is_empty() {
        request.packages = request.packages_versions.keys().cloned().collect();
    }
    Ok(None)
}
