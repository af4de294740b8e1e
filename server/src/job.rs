//! A build: what was asked for, how far it is, what came of it, and how all that is answered.

use crate::config::Lifetimes;
use crate::request::BuildRequest;
use crate::{answer, time};
use axum::body::Body;
use axum::http::{HeaderName, Response};
use serde_json::{Map, Value};
use std::time::{Duration, Instant, SystemTime};

const STATUS_HEADER: HeaderName = HeaderName::from_static("x-imagebuilder-status");
const POSITION_HEADER: HeaderName = HeaderName::from_static("x-queue-position");

/// Where a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Queued,
    /// It runs.
    Started,
    /// It made its images.
    Finished,
    /// It came to nothing.
    Failed,
}

/// A step of a build, under the name the public server has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A worker took it.
    Init,
    /// The ImageBuilder is looked for.
    ContainerSetup,
    /// `make info`
    ValidateRevision,
    /// `make manifest`
    ValidateManifest,
    /// `make image`
    BuildingImage,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::ContainerSetup => "container_setup",
            Self::ValidateRevision => "validate_revision",
            Self::ValidateManifest => "validate_manifest",
            Self::BuildingImage => "building_image",
        }
    }
}

/// A build.
#[derive(Debug, Clone)]
pub struct Job {
    /// What was asked for, as the server has changed it.
    pub request: BuildRequest,
    /// Hash of the request as it came; the job's name and its folder's.
    pub hash: String,
    /// Where it is.
    pub state: State,
    /// Fields of the answer that the build has found out so far.
    pub fields: Map<String, Value>,
    enqueued: SystemTime,
    ended: Option<Instant>,
}

impl Job {
    /// A build that waits.
    pub fn new(request: BuildRequest, hash: String) -> Self {
        let enqueued = SystemTime::now();
        Self {
            request,
            hash,
            state: State::Queued,
            fields: Map::new(),
            enqueued,
            ended: None,
        }
    }

    /// Notes that a step begins.
    pub fn step(&mut self, step: Step) {
        self.state = State::Started;
        self.fields
            .insert("imagebuilder_status".to_owned(), step.name().into());
        self.fields
            .insert("request".to_owned(), self.request.to_json());
    }

    /// Notes something for the answer.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Notes how it ended.
    pub fn end(&mut self, state: State) {
        self.state = state;
        self.ended = Some(Instant::now());
    }

    /// When it ended.
    pub fn ended(&self) -> Option<Instant> {
        self.ended
    }

    /// Whether it ended so long ago that it is to be forgotten.
    pub fn is_stale(&self, lifetimes: &Lifetimes) -> bool {
        self.ended
            .is_some_and(|ended| ended.elapsed() > self.lifetime(lifetimes))
    }

    fn lifetime(&self, lifetimes: &Lifetimes) -> Duration {
        if self.state == State::Failed {
            lifetimes.failure
        } else if self.request.defaults.is_some() {
            lifetimes.defaults
        } else if self.request.packages_versions.is_empty() {
            lifetimes.unversioned
        } else {
            lifetimes.versioned
        }
    }

    /// The answer to who asks for it. `position` is its place among those that wait; `zone` is `+00:00` for a POST and `Z`
    /// for a GET, for no better reason than that the public server does so.
    pub fn answer(&self, position: usize, zone: &str) -> Response<Body> {
        let mut fields = self.fields.clone();
        let (status, header) = match self.state {
            State::Queued => {
                fields.insert("detail".to_owned(), "queued".into());
                fields.insert("queue_position".to_owned(), position.into());
                (202, "queued")
            }
            State::Started => {
                fields.insert("detail".to_owned(), "started".into());
                (
                    202,
                    self.fields
                        .get("imagebuilder_status")
                        .and_then(Value::as_str)
                        .unwrap_or("init"),
                )
            }
            State::Finished => (200, "done"),
            State::Failed => (500, "failed"),
        };
        fields.insert("status".to_owned(), status.into());
        fields.insert(
            "enqueued_at".to_owned(),
            format!("{}{zone}", time::iso(self.enqueued)).into(),
        );
        fields.insert("request_hash".to_owned(), self.hash.as_str().into());
        let position = if self.state == State::Queued {
            position
        } else {
            0
        };
        let response = answer::json(status, &Value::Object(fields));
        let response = answer::with_header(response, STATUS_HEADER, header);
        answer::with_header(response, POSITION_HEADER, &position.to_string())
    }
}
