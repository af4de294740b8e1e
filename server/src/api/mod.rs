//! The addresses of the API, and what each answers.

pub mod answer;
mod body;
mod builds;
mod catalog;
mod openapi;
mod peers;
mod recent;
mod reporters;
mod stats;
mod stored;
mod update;
mod website;

use crate::config::Config;
use crate::pages;
use crate::queue::Queue;
use crate::site::Site;
use crate::store::Store;
use answer::{with_header, Answer};
use axum::body::{Body, Bytes};
use axum::http::{header, HeaderName, Method, Request, Response, StatusCode};
use recent::Recent;
use reporters::Reporters;
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;
use website::Page;

/// How much of the bodies of all requests together may be in memory, in KiB.
const BODIES: usize = 64 << 10;
/// What a browser may see of an answer besides the usual.
const EXPOSED: &str = "X-Imagebuilder-Status, X-Queue-Position, Retry-After";

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The configuration.
    pub config: Arc<Config>,
    /// The download site.
    pub site: Site,
    /// The builds.
    pub queue: Queue,
    /// The images.
    pub store: Store,
    recent: Arc<Recent>,
    reporters: Arc<Reporters>,
    bodies: Arc<Semaphore>,
}

impl Shared {
    /// What handlers need to answer about the builds of `queue`.
    pub fn new(config: Arc<Config>, site: Site, queue: Queue, store: Store) -> Self {
        Self {
            config,
            site,
            queue,
            store,
            recent: Arc::default(),
            reporters: Arc::default(),
            bodies: Arc::new(Semaphore::new(BODIES)),
        }
    }
}

/// Answers any request of a connection from `peer`.
pub async fn handle(shared: Shared, peer: IpAddr, request: Request<Body>) -> Response<Body> {
    let peer = peers::client(peer, request.headers(), &shared.config.trusted_proxies);
    let head = request.method() == Method::HEAD;
    let mut response = route(&shared, peer, request).await;
    if head {
        *response.body_mut() = Body::empty();
    }
    // Any page may ask: nothing here depends on who asks, and there are no cookies.
    let response = with_header(response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    with_header(response, header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED)
}

/// What a path stands for.
enum Resource<'a> {
    /// Where builds are asked for.
    Builds,
    /// Where is asked what a build would be.
    Prepare,
    /// A build, by its hash.
    Build(&'a str),
    /// A file in a folder of the store.
    Stored(&'a str, &'a str),
    /// Something with a newer address.
    Moved(String),
    /// How many wait.
    Stats,
    /// What happened, by the last part of its path.
    Statistics(&'a str),
    /// What happened, for Prometheus.
    Metrics,
    /// How an image did.
    Report,
    /// Whether there is something newer.
    Update,
    /// The description of all this, for programs and for people.
    OpenApi,
    /// See `OpenApi`.
    Docs,
    /// What pages consist of besides their text, by its name.
    Asset(&'a str),
    /// A page for people.
    Page(Page<'a>),
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
            ["api", "v1", "build", "prepare"] => Self::Prepare,
            ["api", "v1", "build", hash] => Self::Build(hash),
            ["api", "v1", "stats"] => Self::Stats,
            ["api", "v1", "stats", "summary"] => Self::Statistics("summary"),
            ["api", "v1", name @ ("builds-per-day" | "builds-by-version" | "top-packages" | "build-errors")] => {
                Self::Statistics(name)
            }
            ["api", "v1", "report"] => Self::Report,
            ["api", "v1", "update"] => Self::Update,
            ["metrics"] => Self::Metrics,
            ["openapi.json"] => Self::OpenApi,
            ["docs"] => Self::Docs,
            [name @ ("style.css" | "page.js" | "icon.svg")] => Self::Asset(name),
            [""] => Self::Page(Page::Start),
            ["device"] => Self::Page(Page::Device),
            ["build"] => Self::Page(Page::Build(None)),
            ["build", hash] => Self::Page(Page::Build(Some(hash))),
            ["statistics"] => Self::Page(Page::Statistics),
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
            Self::Builds | Self::Prepare | Self::Report => "POST",
            Self::Build(_) => "GET, HEAD, DELETE",
            Self::Page(Page::Device | Page::Build(Some(_))) => "GET, HEAD, POST",
            Self::Stored(..) | Self::Asset(_) | Self::Page(_) => "GET, HEAD",
            _ => "GET",
        }
    }
}

async fn route(shared: &Shared, peer: IpAddr, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let Some(resource) = Resource::find(&path, &parts) else {
        return answer::not_found().map(Body::from);
    };
    let methods = resource.methods();
    if request.method() == Method::OPTIONS {
        return preflight(methods, &request).map(Body::from);
    }
    if !methods
        .split(", ")
        .any(|method| method == request.method().as_str())
    {
        return answer::method_not_allowed(methods).map(Body::from);
    }
    let answer = match resource {
        Resource::Stored(folder, name) => {
            return stored::file(&shared.store, folder, name, request.headers()).await
        }
        Resource::Builds => builds::post(shared, peer, request).await,
        Resource::Prepare => builds::prepare(shared, request).await,
        Resource::Build(hash) if request.method() == Method::DELETE => {
            builds::delete(shared, hash, request.headers()).await
        }
        Resource::Build(hash) => builds::get(shared, hash).await,
        Resource::Moved(location) => Ok(answer::moved(&location)),
        Resource::Stats => shared
            .queue
            .waiting()
            .await
            .map(|waiting| answer::json(200, &json!({"queue_length": waiting}))),
        Resource::Statistics(name) => match name {
            "summary" => stats::summary(shared).await,
            "builds-per-day" => stats::per_day(shared).await,
            "builds-by-version" => stats::by_version(shared, &query).await,
            "top-packages" => stats::top_packages(shared, &query).await,
            _ => stats::failures(shared, &query).await,
        },
        Resource::Metrics => stats::metrics(shared).await,
        Resource::Report => stats::report(shared, peers::turn_of(peer), request).await,
        Resource::Update if !shared.config.update => Ok(answer::not_found()),
        Resource::Update => update::update(shared, &query).await,
        Resource::OpenApi => Ok(openapi::json()),
        Resource::Docs => Ok(openapi::page()),
        Resource::Asset(name) => Ok(match name {
            "style.css" => pages::style(),
            "page.js" => pages::script(),
            _ => pages::icon(),
        }),
        Resource::Page(page) => Ok(website::answer(shared, peer, page, request).await),
        Resource::Revision(version, target, subtarget) => {
            catalog::revision(shared, version, &format!("{target}/{subtarget}")).await
        }
        Resource::Json(parts) => catalog::json_file(shared, parts).await,
    };
    answer
        .unwrap_or_else(|error| answer::failure(&error))
        .map(Body::from)
}

/// What a browser asks before it lets a page of another server, a router's for instance, ask.
fn preflight(methods: &str, request: &Request<Body>) -> Answer {
    const PRIVATE: HeaderName = HeaderName::from_static("access-control-request-private-network");
    const ALLOW_PRIVATE: HeaderName =
        HeaderName::from_static("access-control-allow-private-network");
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let mut headers = vec![
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    if request.headers().contains_key(PRIVATE) {
        headers.push((ALLOW_PRIVATE, "true"));
    }
    headers
        .into_iter()
        .fold(response, |response, (name, value)| {
            with_header(response, name, value)
        })
}
