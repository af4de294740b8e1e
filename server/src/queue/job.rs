//! A build: what was asked for, how far it is, what came of it, and how all that is answered.

use crate::config::Lifetimes;
use crate::request::BuildRequest;
use crate::{time, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a failure is remembered whose reason may pass: long enough for everybody who waits to hear of it.
const PASSING: Duration = Duration::from_secs(60);

/// Where a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

impl State {
    /// Whether nothing changes any more.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Finished | Self::Failed)
    }
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
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    /// What was asked for, as the server has changed it.
    pub request: BuildRequest,
    /// Hash of the request as it came; the job's name.
    pub hash: String,
    /// Whose turn it is: requests of one address, or of one client, share theirs.
    pub client: String,
    /// What the names of its folders end with, so that none is ever used again where removing takes its time.
    #[serde(default)]
    pub ending: String,
    /// Where it is.
    pub state: State,
    /// How often a worker began with it.
    pub attempt: u32,
    /// By what a worker of many processes holds it; empty in one process.
    #[serde(skip)]
    pub lease: String,
    /// Fields of the answer that the build has found out so far.
    pub fields: Map<String, Value>,
    /// The names of its files in the store, once it is done. Not of the answer, whose fields are the public server's.
    #[serde(default)]
    pub files: Vec<String>,
    /// Whether it failed for a reason of the server's own that may pass: then it is worth another trial soon.
    #[serde(default)]
    pub passing: bool,
    /// When it was asked for.
    pub enqueued: SystemTime,
    /// When it ended.
    pub ended: Option<SystemTime>,
}

impl Job {
    /// A build that waits. `hash` is that of the request as it came.
    pub fn new(request: BuildRequest, hash: String, client: String) -> Self {
        Self {
            request,
            hash,
            client,
            ending: String::new(),
            state: State::Queued,
            attempt: 0,
            lease: String::new(),
            fields: Map::new(),
            files: Vec::new(),
            passing: false,
            enqueued: SystemTime::now(),
            ended: None,
        }
    }

    /// The same with folders of names that no other job has, not even one of the same request.
    pub fn apart(mut self) -> Self {
        let since = self.enqueued.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.ending = format!("-{}", since.as_millis());
        self
    }

    /// Notes that a worker begins with it, from the start.
    pub fn start(&mut self) {
        self.state = State::Started;
        self.attempt += 1;
        self.fields.clear();
    }

    /// Notes that it has to wait again: whoever worked on it is gone.
    pub fn requeue(&mut self) {
        self.state = State::Queued;
        self.fields.clear();
    }

    /// Notes that a step begins.
    pub fn step(&mut self, step: Step) {
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
        self.ended = Some(SystemTime::now());
    }

    /// The same as a failure: its result could not be kept, and its images with it.
    pub fn unkept(mut self, error: &Error) -> Self {
        let why = match error {
            Error::Io(_, error) => error.to_string(),
            other => other.to_string(),
        };
        self.fields.clear();
        self.set(
            "detail",
            format!("Error: The result could not be kept: {why}"),
        );
        self.set("stderr", "");
        self.set("imagebuilder_status", "failed");
        self.passing = true;
        self.end(State::Failed);
        self
    }

    /// Whether it has ended and only its frame is in memory.
    pub fn is_shelved(&self) -> bool {
        self.state.is_end() && self.fields.is_empty()
    }

    /// The folder of the store with its images. Every attempt has its own, so that none can spoil another's.
    pub fn folder(&self) -> String {
        self.folder_of(self.attempt)
    }

    /// The folders of attempts before this one, whose workers died.
    pub fn former_folders(&self) -> impl Iterator<Item = String> + '_ {
        (1..self.attempt).map(|attempt| self.folder_of(attempt))
    }

    fn folder_of(&self, attempt: u32) -> String {
        match attempt {
            0 | 1 => format!("{}{}", self.hash, self.ending),
            attempt => format!("{}{}-{attempt}", self.hash, self.ending),
        }
    }

    /// How much longer it is remembered; `None` if it has not ended.
    pub fn remaining(&self, lifetimes: &Lifetimes) -> Option<Duration> {
        let ended = self.ended?;
        // A clock that was set back makes it live longer, not for ever: its age starts again.
        let age = SystemTime::now().duration_since(ended).unwrap_or_default();
        Some(self.lifetime(lifetimes).saturating_sub(age))
    }

    fn lifetime(&self, lifetimes: &Lifetimes) -> Duration {
        if self.state == State::Failed && self.passing {
            lifetimes.failure.min(PASSING)
        } else if self.state == State::Failed {
            lifetimes.failure
        } else if self.request.defaults.is_some() {
            lifetimes.defaults
        } else if self.request.packages_versions.is_empty() {
            lifetimes.unversioned
        } else {
            lifetimes.versioned
        }
    }

    /// HTTP status of the answer to who asks for it.
    pub fn status(&self) -> u16 {
        match self.state {
            State::Queued | State::Started => 202,
            State::Finished => 200,
            State::Failed => 500,
        }
    }

    /// What stands in `X-Imagebuilder-Status`.
    pub fn phase(&self) -> &str {
        match self.state {
            State::Queued => "queued",
            State::Started => self
                .fields
                .get("imagebuilder_status")
                .and_then(Value::as_str)
                .unwrap_or("init"),
            State::Finished => "done",
            State::Failed => "failed",
        }
    }

    /// The answer to who asks for it. `position` is its place among those that wait; `zone` is `+00:00` for a POST and `Z`
    /// for a GET, for no better reason than that the public server does so.
    pub fn to_answer(&self, position: usize, zone: &str) -> Value {
        let mut fields = self.fields.clone();
        match self.state {
            State::Queued => {
                fields.insert("detail".to_owned(), "queued".into());
                fields.insert("queue_position".to_owned(), position.into());
            }
            State::Started => {
                fields.insert("detail".to_owned(), "started".into());
            }
            State::Finished | State::Failed => {}
        };
        fields.insert("status".to_owned(), self.status().into());
        fields.insert(
            "enqueued_at".to_owned(),
            format!("{}{zone}", time::iso(self.enqueued)).into(),
        );
        fields.insert("request_hash".to_owned(), self.hash.as_str().into());
        Value::Object(fields)
    }
}
