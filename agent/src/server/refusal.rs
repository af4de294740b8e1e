//! Answers that are not what was asked for: which of our errors they are.

use super::error::Error;
use super::http::Answer;
use super::json;
use crate::json::{Decode, Unexpected, Value};

/// So many of a 422's complaints are told.
const MOST_COMPLAINTS: usize = 3;

/// What an answer with an unexpected status means.
pub(super) fn of(mut answer: Answer) -> Error {
    let status = answer.status();
    match status {
        429 | 503 | 529 => return Error::Overloaded(answer.retry_after()),
        // "Network Authentication Required": a login portal.
        511 => return Error::WebPage,
        _ => {}
    }
    if answer.is_web_page() && status < 500 {
        return Error::WebPage;
    }
    match json::read::<Refusal>(&mut answer.body) {
        Ok(refusal) => refusal.meaning(status),
        Err(Error::WebPage) if status < 500 => Error::WebPage,
        Err(error @ (Error::Stalled | Error::Cut)) => error,
        // Plain text, or nothing at all: the status says more than what is wrong with the body.
        Err(_) => Error::Status(status, String::new()),
    }
}

/// The JSON of a refusal, as far as it is known.
#[derive(Default, Decode)]
#[field(optional)]
pub(super) struct Refusal {
    detail: Detail,
    stderr: Option<String>,
    stdout: Option<String>,
    request_hash: Option<String>,
    imagebuilder_status: Option<String>,
}

impl Refusal {
    pub(super) fn meaning(self, status: u16) -> Error {
        let is_build = self.request_hash.is_some() || self.imagebuilder_status.is_some();
        match (status, self.detail) {
            (400, Detail::Text(words)) => Error::Unsupported(words),
            (422, Detail::Text(words)) if words.contains("package") => Error::Packages(words),
            (422, Detail::Text(words)) => Error::Unsupported(words),
            (400 | 422, Detail::Complaints { words, packages }) => {
                Error::Malformed { words, packages }
            }
            (500, Detail::Text(words)) if is_build => {
                let parts = [self.stdout, self.stderr];
                let log = parts.into_iter().flatten().collect::<Vec<_>>().join("\n");
                Error::Build { words, log }
            }
            (_, Detail::Text(words) | Detail::Complaints { words, .. }) => {
                Error::Status(status, words)
            }
            (_, Detail::Missing) => Error::Status(status, String::new()),
        }
    }
}

/// A text, or FastAPI's list of `{loc: [text or number], msg: text}`.
#[derive(Default)]
enum Detail {
    #[default]
    Missing,
    Text(String),
    Complaints {
        words: String,
        packages: bool,
    },
}

impl Decode for Detail {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        *self = match value {
            Value::Null => Detail::Missing,
            Value::Array(all) => {
                let (mut words, mut packages) = (Vec::new(), false);
                for complaint in all.take(MOST_COMPLAINTS) {
                    let complaint: Complaint = data::read(complaint?.value)?;
                    packages |= complaint.is_about_packages();
                    words.push(format!("{}: {}", complaint.place(), complaint.msg));
                }
                Detail::Complaints {
                    words: words.join("; "),
                    packages,
                }
            }
            text => Detail::Text(data::read(text)?),
        };
        Ok(())
    }
}

#[derive(Default, Decode)]
#[field(optional)]
struct Complaint {
    loc: Vec<Part>,
    msg: String,
}

impl Complaint {
    /// `packages.0`; FastAPI's leading `body` says nothing.
    fn place(&self) -> String {
        let parts: Vec<&str> = self
            .loc
            .iter()
            .map(|part| part.0.as_str())
            .filter(|part| *part != "body")
            .collect();
        match parts.as_slice() {
            [] => "the request".to_owned(),
            parts => parts.join("."),
        }
    }

    fn is_about_packages(&self) -> bool {
        self.loc.iter().any(|part| part.0.starts_with("packages"))
    }
}

/// A key or an index.
#[derive(Default)]
struct Part(String);

impl Decode for Part {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        self.0 = match value {
            Value::String(_) => data::read(value)?,
            _ => data::read::<u64>(value)?.to_string(),
        };
        Ok(())
    }
}

/// `GET /api/v1/revision/…`
#[derive(Default, Decode)]
pub(super) struct Revision {
    pub(super) revision: String,
}
