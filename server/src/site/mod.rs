//! Reads files of the download site, and keeps them for a while.

pub mod devices;
pub mod indexes;
pub mod profiles;
pub mod releases;

use crate::Error;
use devices::Device;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Longest file that is read. The longest `Packages` of a feed has some 15 MB.
const LONGEST: u64 = 32 << 20;
/// How much is kept of the files read, in bytes.
const KEPT: usize = 64 << 20;
/// How many files are kept, those that aren't there included.
const ENTRIES: usize = 512;
/// How many indexes, and how many lists of devices, are kept ready: each has some 10,000 packages, 2 MB.
const PARSED: usize = 8;
/// How many files are fetched at once.
const AT_ONCE: usize = 16;
/// How long the download site may take for one file.
const PATIENCE: Duration = Duration::from_secs(30);

/// A file, or the status there was instead.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// HTTP status.
    pub status: u16,
    /// Content where the status is 200, else empty.
    pub body: Arc<Vec<u8>>,
}

impl Fetched {
    /// The file as JSON; `None` where there is no file, or no JSON in it.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The file as text, with what is no UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The download site.
#[derive(Debug, Clone)]
pub struct Site {
    url: String,
    lifetime: Duration,
    agent: ureq::Agent,
    kept: Arc<Mutex<HashMap<String, (Instant, Fetched)>>>,
    turns: Arc<Semaphore>,
    /// Name → version.
    indexes: Arc<Ready<Map<String, Value>>>,
    devices: Arc<Ready<Vec<Device>>>,
}

/// What was made of files, kept as long as those count as fresh.
#[derive(Debug)]
struct Ready<T> {
    lifetime: Duration,
    things: Mutex<HashMap<String, (Instant, Arc<T>)>>,
}

impl<T> Ready<T> {
    fn new(lifetime: Duration) -> Arc<Self> {
        let things = Mutex::default();
        Arc::new(Self { lifetime, things })
    }

    /// What was made a moment ago.
    fn get(&self, place: &str) -> Option<Arc<T>> {
        let things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, thing) = things.get(place)?;
        (since.elapsed() < self.lifetime).then(|| thing.clone())
    }

    fn keep(&self, place: &str, thing: &Arc<T>) {
        let mut things = self.things.lock().unwrap_or_else(PoisonError::into_inner);
        things.retain(|_, (since, _)| since.elapsed() < self.lifetime);
        if things.len() < PARSED && !self.lifetime.is_zero() {
            things.insert(place.to_owned(), (Instant::now(), thing.clone()));
        }
    }
}

impl Site {
    /// The site at `url`, whose files count as fresh for `lifetime`.
    pub fn new(url: &str, lifetime: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false);
        let agent = config.build().into();
        Self {
            url: url.to_owned(),
            lifetime,
            agent,
            kept: Arc::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            indexes: Ready::new(lifetime),
            devices: Ready::new(lifetime),
        }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The file at `path`, which has no slash at its start.
    ///
    /// # Errors
    /// [`Error::Upstream`] where the site can't be reached or sends too much. A status other than 200 is no error.
    pub async fn get(&self, path: &str) -> Result<Fetched, Error> {
        if let Some(fetched) = self.fresh(path) {
            return Ok(fetched);
        }
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        if let Some(fetched) = self.fresh(path) {
            return Ok(fetched);
        }
        let url = format!("{}/{path}", self.url);
        let (agent, name) = (self.agent.clone(), url.clone());
        let fetched = tokio::task::spawn_blocking(move || fetch(&agent, &url)).await;
        let fetched = fetched
            .unwrap_or_else(|error| Err(error.to_string()))
            .map_err(|why| Error::Upstream(name, why))?;
        self.keep(path, &fetched);
        Ok(fetched)
    }

    fn fresh(&self, path: &str) -> Option<Fetched> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, fetched) = kept.get(path)?;
        (since.elapsed() < self.lifetime).then(|| fetched.clone())
    }

    /// Keeps what is certain: that a file is there, or that it isn't.
    fn keep(&self, path: &str, fetched: &Fetched) {
        if ![200, 404].contains(&fetched.status) || self.lifetime.is_zero() {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (since, _)| since.elapsed() < self.lifetime);
        let bytes: usize = kept.values().map(|(_, fetched)| fetched.body.len()).sum();
        if bytes + fetched.body.len() > KEPT || kept.len() >= ENTRIES {
            kept.clear();
        }
        kept.insert(path.to_owned(), (Instant::now(), fetched.clone()));
    }
}

fn fetch(agent: &ureq::Agent, url: &str) -> Result<Fetched, String> {
    let response = agent.get(url).call().map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    if status != 200 {
        return Ok(Fetched {
            status,
            body: Arc::default(),
        });
    }
    let body = response
        .into_body()
        .into_with_config()
        .limit(LONGEST)
        .read_to_vec();
    Ok(Fetched {
        status,
        body: Arc::new(body.map_err(|error| error.to_string())?),
    })
}
