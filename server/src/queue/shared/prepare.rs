//! Requests that a process of its own prepares. It says every second that it is there; where none is, or it doesn't answer
//! in time, whoever asked does it himself, so that nothing is lost with it.

use super::{key, wrong, Shared};
use crate::request::hex;
use crate::request::prepare::{prepare, Prepared, Question};
use crate::site::Site;
use crate::{Config, Error};
use redis::{AsyncCommands as _, Script};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to look whether there is a question, or an answer.
const LOOK: Duration = Duration::from_millis(25);
/// How often a process says that it is there, and for how long that counts.
const SIGN: Duration = Duration::from_secs(1);
const COUNTS: u64 = 5;
/// How many questions may wait; who comes with one more answers it himself.
const MOST: usize = 1000;
/// How many are prepared at once by a process.
const AT_ONCE: usize = 4;

/// Tells the questions of a process apart.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A question or its answer, which names the same `id`.
#[derive(Serialize, Deserialize)]
struct Parcel<T> {
    id: String,
    content: T,
}

fn answer_key(id: &str) -> String {
    format!("asu:prepared:{id}")
}

impl Shared {
    /// Has another process prepare a request; `None` where none does.
    ///
    /// # Errors
    /// [`Error::Queue`]
    pub async fn prepare(&self, question: &Question) -> Result<Option<Prepared>, Error> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Nobody has to guess it, but no two may be the same.
        let id = hex(&Sha256::digest(format!("{}-{number}", self.name)));
        let content = question.clone();
        let text = self.parcel(&Parcel {
            id: id.clone(),
            content,
        })?;
        let mut redis = self.redis.clone();
        let taken: bool = Script::new(include_str!("../scripts/ask.lua"))
            .key(key("preparers"))
            .key(key("questions"))
            .arg(text)
            .arg(MOST)
            .invoke_async(&mut redis)
            .await
            .map_err(wrong)?;
        let until = Instant::now() + PATIENCE;
        while taken && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
            let answer: Option<String> = redis.get_del(answer_key(&id)).await.map_err(wrong)?;
            if let Some(answer) = answer {
                let parcel: Option<Parcel<Option<Prepared>>> = self.unpack(&answer);
                // One that is none of ours is as good as none.
                let ours = parcel.filter(|parcel| parcel.id == id);
                return Ok(ours.and_then(|parcel| parcel.content));
            }
        }
        Ok(None)
    }

    /// Prepares what others ask for, for ever.
    pub async fn prepare_for_others(self, config: &Config, site: &Site) {
        let signs = async {
            loop {
                let mut redis = self.redis.clone();
                let set: redis::RedisResult<()> =
                    redis.set_ex(key("preparers"), &self.name, COUNTS).await;
                if let Err(error) = set {
                    eprintln!("Nobody knows that requests are prepared here: {error}");
                }
                tokio::time::sleep(SIGN).await;
            }
        };
        let work = || async {
            loop {
                match self.prepare_one(config, site).await {
                    Ok(true) => {}
                    Ok(false) => tokio::time::sleep(LOOK).await,
                    Err(error) => {
                        eprintln!("A request could not be prepared: {error}");
                        tokio::time::sleep(SIGN).await;
                    }
                }
            }
        };
        let workers: [_; AT_ONCE] = [work(), work(), work(), work()];
        let [a, b, c, d] = workers;
        tokio::join!(signs, a, b, c, d);
    }

    /// Prepares one request; false if there is none.
    async fn prepare_one(&self, config: &Config, site: &Site) -> Result<bool, Error> {
        let mut redis = self.redis.clone();
        let text: Option<String> = redis.rpop(key("questions"), None).await.map_err(wrong)?;
        let Some(text) = text else { return Ok(false) };
        let Some(Parcel { id, content }) = self.unpack::<Question>(&text) else {
            eprintln!("A question was not written by this server's processes and is not answered.");
            return Ok(true);
        };
        // Who asked says why not, when he finds that he can't either.
        let content = prepare(config, site, content).await.ok();
        let answer = self.parcel(&Parcel {
            id: id.clone(),
            content,
        })?;
        let seconds = PATIENCE.as_secs();
        let () = redis
            .set_ex(answer_key(&id), answer, seconds)
            .await
            .map_err(wrong)?;
        Ok(true)
    }

    fn parcel<T: Serialize>(&self, parcel: &Parcel<T>) -> Result<String, Error> {
        let text =
            serde_json::to_string(parcel).map_err(|error| Error::Queue(error.to_string()))?;
        self.close(text)
    }

    fn unpack<T: for<'a> Deserialize<'a>>(&self, text: &str) -> Option<Parcel<T>> {
        serde_json::from_str(&self.open_seal(text)?).ok()
    }
}
