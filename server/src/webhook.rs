//! Tells somebody's program that a build has ended: a POST of JSON to the configured address. A build never waits for it.

use crate::queue::job::{Job, State};
use serde_json::{json, Value};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long one POST may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before each further trial.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];
/// How many ended builds may wait to be told.
const WAITING: usize = 256;

/// Who is told.
#[derive(Debug, Clone)]
pub struct Webhook(mpsc::Sender<Value>);

impl Webhook {
    /// Tells `url`, with `Authorization: Bearer TOKEN` if there is one. Runs in the runtime that this is called in.
    pub fn start(url: &str, token: Option<&str>) -> Self {
        let (sender, mut waiting) = mpsc::channel(WAITING);
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            // The token is for the address that was configured.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false);
        let post = Post {
            agent: config.build().into(),
            url: url.to_owned(),
            token: token.map(|token| format!("Bearer {token}")),
        };
        tokio::spawn(async move {
            while let Some(message) = waiting.recv().await {
                post.tell(&message).await;
            }
        });
        Self(sender)
    }

    /// Tells that a build has ended. Where too many wait to be told already, this one is not.
    pub fn tell(&self, job: &Job) {
        if self.0.try_send(message(job)).is_err() {
            let hash = &job.hash;
            eprintln!("The webhook is too slow: it is not told of the end of {hash}.");
        }
    }
}

/// What is told.
fn message(job: &Job) -> Value {
    let request = &job.request;
    let field = |name: &str| job.fields.get(name).cloned().unwrap_or_default();
    json!({
        "request_hash": job.hash, "status": job.status(), "result": if job.state == State::Finished { "done" } else { "failed" },
        "detail": field("detail"), "version": request.version, "version_code": field("version_code"),
        "target": request.target, "profile": request.profile, "bin_dir": field("bin_dir"),
    })
}

#[derive(Clone)]
struct Post {
    agent: ureq::Agent,
    url: String,
    token: Option<String>,
}

impl Post {
    /// Tries until somebody takes it, or refuses it for good.
    async fn tell(&self, message: &Value) {
        let mut why = String::new();
        for pause in [None].into_iter().chain(PAUSES.map(Some)) {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            let (post, text) = (self.clone(), message.to_string());
            let sent = tokio::task::spawn_blocking(move || post.send(&text)).await;
            match sent.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(200..=299) => return,
                // The same once more would be refused once more.
                Ok(status @ (300..=407 | 409..=428 | 430..=499)) => {
                    why = format!("it answers {status}");
                    break;
                }
                Ok(status) => why = format!("it answers {status}"),
                Err(error) => why = error,
            }
        }
        let hash = &message["request_hash"];
        eprintln!("The webhook could not be told of the end of {hash}: {why}");
    }

    fn send(&self, text: &str) -> Result<u16, String> {
        let mut request = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("Authorization", token);
        }
        let answer = request.send(text).map_err(|error| error.to_string())?;
        Ok(answer.status().as_u16())
    }
}
