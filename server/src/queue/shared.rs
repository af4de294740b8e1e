//! The builds of many processes, on Redis or Valkey.
//!
//! Who waits is in a sorted set, in the same turns as in [`super::local`]. For each there is an entry in a stream; a worker
//! that gets one takes whose turn it is. The entry is his as long as he renews it; if he dies, another worker claims it with
//! the job that belongs to it. Whatever changes more than one key is a script, and so happens as a whole or not at all.
//!
//! What waits or runs is at `asu:job:HASH`, what is done at `asu:done:HASH`. Both are sealed: who can write to Redis, and is
//! no process of this server, can neither change a request nor invent a result.

mod prepare;

use super::job::Job;
use super::tally::{Tally, DAYS};
use super::{Entry, Found};
use crate::config::Lifetimes;
use crate::request::is_hash;
use crate::signing::seal::Seal;
use crate::store::Store;
use crate::{time, Config, Error};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::streams::{StreamAutoClaimReply, StreamReadReply};
use redis::{AsyncCommands as _, RedisError, Script};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The consumer group of all workers.
const GROUP: &str = "workers";
/// How long to wait before looking for work again.
const PAUSE: Duration = Duration::from_millis(200);
/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many failures are remembered.
const FAILURES: isize = 500;
/// How long what was counted on a day is remembered.
const SECONDS_KEPT: i64 = 86400 * DAYS as i64;
/// Shortest time that a job is remembered: Redis knows no zero.
const SHORTEST: u128 = 1;

/// All builds on one Redis.
#[derive(Clone)]
pub struct Shared {
    redis: ConnectionManager,
    /// What this process calls itself; each of its workers adds a number.
    name: String,
    store: Store,
    lifetimes: Lifetimes,
    max_pending: usize,
    max_finished: usize,
    lease: Duration,
    seal: Option<Seal>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn wrong(error: RedisError) -> Error {
    Error::Queue(error.to_string())
}

fn key(name: &str) -> String {
    format!("asu:{name}")
}

/// Where a job is while it waits or runs.
fn job_key(hash: &str) -> String {
    format!("asu:job:{hash}")
}

/// Where it is when it is done.
fn done_key(hash: &str) -> String {
    format!("asu:done:{hash}")
}

fn milliseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis()
}

/// Makes the stream and its group, unless they are there.
async fn make_group(redis: &mut ConnectionManager) -> Result<(), Error> {
    let made: Result<(), RedisError> = redis.xgroup_create_mkstream(key("queue"), GROUP, "0").await;
    match made {
        Err(error) if error.code() != Some("BUSYGROUP") => Err(wrong(error)),
        _ => Ok(()),
    }
}

impl Shared {
    /// Connects to the Redis at `url`.
    ///
    /// # Errors
    /// [`Error::Queue`] where it can't be reached.
    pub async fn open(
        url: &str,
        config: &Config,
        store: Store,
        seal: Option<Seal>,
    ) -> Result<Self, Error> {
        let client = redis::Client::open(url).map_err(wrong)?;
        let settings = ConnectionManagerConfig::new()
            .set_response_timeout(Some(PATIENCE))
            .set_connection_timeout(Some(PATIENCE))
            .set_number_of_retries(1);
        let mut redis = ConnectionManager::new_with_config(client, settings)
            .await
            .map_err(wrong)?;
        make_group(&mut redis).await?;
        let host = nix::unistd::gethostname().unwrap_or_default();
        let start = milliseconds(SystemTime::now());
        Ok(Self {
            redis,
            name: format!("{}-{}-{start}", host.to_string_lossy(), std::process::id()),
            store,
            lifetimes: config.lifetimes.clone(),
            max_pending: config.max_pending,
            max_finished: config.max_finished,
            lease: config.lease,
            seal,
        })
    }

    /// See [`super::Queue::waiting`].
    pub async fn waiting(&self) -> Result<usize, Error> {
        self.redis
            .clone()
            .zcard(key("waiting"))
            .await
            .map_err(wrong)
    }

    /// See [`super::Queue::find`].
    pub async fn find(&self, hash: &str) -> Result<Option<Found>, Error> {
        let mut redis = self.redis.clone();
        let (done, text, rank): (Option<String>, Option<String>, Option<usize>) = redis::pipe()
            .atomic()
            .get(done_key(hash))
            .get(job_key(hash))
            .zrank(key("waiting"), hash)
            .query_async(&mut redis)
            .await
            .map_err(wrong)?;
        let places = [(done_key(hash), done, true), (job_key(hash), text, false)];
        for (place, text, ended) in places {
            let Some(text) = text else { continue };
            let job = self.read(&text, hash, ended);
            if job.is_none() {
                self.discard(&place, &text, hash).await?;
            }
            let position = rank.unwrap_or(0);
            let fresh = job.filter(|job| job.remaining(&self.lifetimes) != Some(Duration::ZERO));
            if let Some(job) = fresh {
                return Ok(Some(Found { job, position }));
            }
        }
        Ok(None)
    }

    /// Removes what somebody else wrote in the place of a job. A result is just not there then; a request that waits has
    /// to be asked for again, and a worker that has it already writes it anew.
    async fn discard(&self, place: &str, text: &str, hash: &str) -> Result<(), Error> {
        eprintln!(
            "{place} was not written by this server's processes, or by one whose keys (`signing`) another server vouches \
             for; it is removed."
        );
        let () = Script::new(include_str!("scripts/discard.lua"))
            .key(place)
            .key(job_key(hash))
            .key(key("waiting"))
            .arg(text)
            .arg(hash)
            .invoke_async(&mut self.redis.clone())
            .await
            .map_err(wrong)?;
        Ok(())
    }

    /// See [`super::Queue::enqueue`].
    pub async fn enqueue(&self, job: &Job) -> Result<Entry, Error> {
        let waiting: i64 = Script::new(include_str!("scripts/enqueue.lua"))
            .key(job_key(&job.hash))
            .key(key("waiting"))
            .key(key("rounds"))
            .key(key("round"))
            .key(key("sequence"))
            .key(key("queue"))
            .key(done_key(&job.hash))
            .arg(&job.hash)
            .arg(self.write(job)?)
            .arg(&job.client)
            .arg(self.max_pending)
            .invoke_async(&mut self.redis.clone())
            .await
            .map_err(wrong)?;
        Ok(match usize::try_from(waiting) {
            Ok(waiting) => Entry::Full(waiting),
            Err(_) => Entry::Taken,
        })
    }

    /// See [`super::Queue::take`].
    pub async fn take(&self, worker: usize) -> Result<Job, Error> {
        let consumer = format!("{}-{worker}", self.name);
        loop {
            if let Some(token) = self.token(&consumer).await? {
                if let Some(job) = self.job_of(&token, &consumer).await? {
                    return Ok(job);
                }
            } else {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// An entry of the stream: one that its worker did not renew, or a new one.
    async fn token(&self, consumer: &str) -> Result<Option<String>, Error> {
        let mut redis = self.redis.clone();
        let idle = usize::try_from(self.lease.as_millis()).unwrap_or(usize::MAX);
        let claimed: Result<StreamAutoClaimReply, RedisError> = redis::cmd("XAUTOCLAIM")
            .arg(key("queue"))
            .arg(GROUP)
            .arg(consumer)
            .arg(idle)
            .arg("0-0")
            .arg("COUNT")
            .arg(1)
            .query_async(&mut redis)
            .await;
        let claimed = match claimed {
            // Redis has begun anew.
            Err(error) if error.code() == Some("NOGROUP") => {
                make_group(&mut redis).await?;
                return Ok(None);
            }
            claimed => claimed.map_err(wrong)?,
        };
        if let Some(entry) = claimed.claimed.into_iter().next() {
            return Ok(Some(entry.id));
        }
        let read: Option<StreamReadReply> = redis::cmd("XREADGROUP")
            .arg("GROUP")
            .arg(GROUP)
            .arg(consumer)
            .arg("COUNT")
            .arg(1)
            .arg("STREAMS")
            .arg(key("queue"))
            .arg(">")
            .query_async(&mut redis)
            .await
            .map_err(wrong)?;
        let mut entries = read
            .into_iter()
            .flat_map(|read| read.keys)
            .flat_map(|stream| stream.ids);
        Ok(entries.next().map(|entry| entry.id))
    }

    /// The job that belongs to an entry, noted as started.
    async fn job_of(&self, token: &str, consumer: &str) -> Result<Option<Job>, Error> {
        let mut redis = self.redis.clone();
        let hash: Option<String> = Script::new(include_str!("scripts/take.lua"))
            .key(key("queue"))
            .key(key("waiting"))
            .key(key("tokens"))
            .key(key("round"))
            .arg(GROUP)
            .arg(token)
            .invoke_async(&mut redis)
            .await
            .map_err(wrong)?;
        let Some(hash) = hash else {
            return Ok(None);
        };
        let text: Option<String> = redis.get(job_key(&hash)).await.map_err(wrong)?;
        let job = text.and_then(|text| self.read(&text, &hash, false));
        let Some(mut job) = job else {
            // Somebody spoiled it; it is asked for again.
            let () = redis::pipe()
                .del(job_key(&hash))
                .hdel(key("tokens"), token)
                .xack(key("queue"), GROUP, &[token])
                .xdel(key("queue"), &[token])
                .query_async(&mut redis)
                .await
                .map_err(wrong)?;
            return Ok(None);
        };
        job.start();
        job.lease = format!("{token} {consumer}");
        Ok(self.publish(&job).await?.then_some(job))
    }

    /// See [`super::Queue::publish`].
    pub async fn publish(&self, job: &Job) -> Result<bool, Error> {
        self.hold(job, &self.write(job)?).await
    }

    /// Renews the hold on a job. False if it is another's meanwhile.
    pub async fn renew(&self, job: &Job) -> Result<bool, Error> {
        self.hold(job, "").await
    }

    async fn hold(&self, job: &Job, text: &str) -> Result<bool, Error> {
        let (token, consumer) = job.lease.split_once(' ').unwrap_or_default();
        Script::new(include_str!("scripts/hold.lua"))
            .key(key("queue"))
            .key(job_key(&job.hash))
            .arg(GROUP)
            .arg(token)
            .arg(consumer)
            .arg(text)
            .invoke_async(&mut self.redis.clone())
            .await
            .map_err(wrong)
    }

    /// See [`super::Queue::finish`].
    pub async fn finish(&self, job: &Job) -> Result<bool, Error> {
        let (token, consumer) = job.lease.split_once(' ').unwrap_or_default();
        let remaining = job.remaining(&self.lifetimes).unwrap_or_default();
        let until = milliseconds(SystemTime::now() + remaining);
        Script::new(include_str!("scripts/finish.lua"))
            .key(key("queue"))
            .key(job_key(&job.hash))
            .key(key("tokens"))
            .key(key("done"))
            .key(done_key(&job.hash))
            .arg(GROUP)
            .arg(token)
            .arg(consumer)
            .arg(self.write(job)?)
            .arg(remaining.as_millis().max(SHORTEST).to_string())
            .arg(format!("{} {}", job.hash, job.folder()))
            .arg(until.to_string())
            .invoke_async(&mut self.redis.clone())
            .await
            .map_err(wrong)
    }

    /// See [`super::Queue::delete`].
    pub async fn delete(&self, hash: &str) -> Result<bool, Error> {
        let found = self
            .find(hash)
            .await?
            .filter(|found| found.job.state.is_end());
        let Some(Found { job, .. }) = found else {
            return Ok(false);
        };
        self.remove_files(&job.folder()).await?;
        self.forget(&format!("{hash} {}", job.folder())).await?;
        Ok(true)
    }

    /// Forgets a job that is done, written as among those done: hash and folder.
    async fn forget(&self, done: &str) -> Result<(), Error> {
        let (hash, _) = done.split_once(' ').unwrap_or_default();
        let () = redis::pipe()
            .del(done_key(hash))
            .zrem(key("done"), done)
            .query_async(&mut self.redis.clone())
            .await
            .map_err(wrong)?;
        Ok(())
    }

    /// Removes the images of a job. What Redis says is not what leads out of the store.
    async fn remove_files(&self, folder: &str) -> Result<(), Error> {
        if !folder.get(..64).is_some_and(is_hash) || folder.contains('/') {
            return Ok(());
        }
        self.store.clone().remove_now(folder.to_owned()).await
    }

    /// The same where nobody waits for it: what goes wrong is said on stderr.
    async fn try_remove_files(&self, folder: &str) -> bool {
        let removed = self.remove_files(folder).await;
        if let Err(error) = &removed {
            eprintln!("Images could not be removed: {error}");
        }
        removed.is_ok()
    }

    /// See [`super::Queue::tidy`].
    pub async fn tidy(&self) -> Result<(), Error> {
        let mut redis = self.redis.clone();
        let now = milliseconds(SystemTime::now()).to_string();
        let stale: Vec<String> = redis
            .zrangebyscore(key("done"), "-inf", now)
            .await
            .map_err(wrong)?;
        for done in stale {
            // The same request may have been built again meanwhile; that one is not stale, and has its own entry.
            let (hash, folder) = done.split_once(' ').unwrap_or_default();
            let current = self.find(hash).await?.map(|found| found.job.folder());
            // What can't be removed stays among those done, and is tried again.
            if current.as_deref() != Some(folder) && !self.try_remove_files(folder).await {
                continue;
            }
            let () = redis.zrem(key("done"), &done).await.map_err(wrong)?;
        }
        let count: usize = redis.zcard(key("done")).await.map_err(wrong)?;
        let surplus = count.saturating_sub(self.max_finished);
        if surplus > 0 {
            let last = isize::try_from(surplus).unwrap_or(isize::MAX) - 1;
            let oldest: Vec<String> = redis.zrange(key("done"), 0, last).await.map_err(wrong)?;
            for done in oldest {
                let (_, folder) = done.split_once(' ').unwrap_or_default();
                if self.try_remove_files(folder).await {
                    self.forget(&done).await?;
                }
            }
        }
        Ok(())
    }

    /// See [`super::Queue::count`].
    pub async fn count(&self, things: &[String]) -> Result<(), Error> {
        let day = format!("asu:day:{}", time::day(SystemTime::now()));
        let mut pipe = redis::pipe();
        for thing in things {
            pipe.hincr(&day, thing, 1).ignore();
            if !thing.contains(' ') {
                pipe.hincr(key("totals"), thing, 1).ignore();
            }
        }
        pipe.expire(&day, SECONDS_KEPT).ignore();
        pipe.query_async(&mut self.redis.clone())
            .await
            .map_err(wrong)
    }

    /// See [`super::Queue::note_failure`].
    pub async fn note_failure(&self, line: &str) -> Result<(), Error> {
        redis::pipe()
            .lpush(key("failures"), line)
            .ltrim(key("failures"), 0, FAILURES - 1)
            .query_async(&mut self.redis.clone())
            .await
            .map_err(wrong)
    }

    /// See [`super::Queue::tally`].
    pub async fn tally(&self) -> Result<Tally, Error> {
        let today = time::day(SystemTime::now());
        let first = today.saturating_sub(DAYS);
        let mut pipe = redis::pipe();
        pipe.hgetall(key("totals")).lrange(key("failures"), 0, -1);
        let mut redis = self.redis.clone();
        let (totals, failures): (BTreeMap<String, u64>, Vec<String>) =
            pipe.query_async(&mut redis).await.map_err(wrong)?;
        let mut pipe = redis::pipe();
        for day in first..=today {
            pipe.hgetall(format!("asu:day:{day}"));
        }
        let days: Vec<BTreeMap<String, u64>> = pipe.query_async(&mut redis).await.map_err(wrong)?;
        let days = (first..=today)
            .zip(days)
            .filter(|(_, things)| !things.is_empty());
        Ok(Tally {
            days: days.collect(),
            totals,
            failures: failures.into(),
        })
    }

    fn write(&self, job: &Job) -> Result<String, Error> {
        let text = serde_json::to_string(job).map_err(|error| Error::Queue(error.to_string()))?;
        self.close(text)
    }

    fn close(&self, text: String) -> Result<String, Error> {
        match &self.seal {
            Some(seal) => seal.close(text),
            None => Ok(text),
        }
    }

    /// The text that was sealed; `None` where nobody of this server's has sealed it.
    fn open_seal(&self, text: &str) -> Option<String> {
        match &self.seal {
            Some(seal) => seal.open(text),
            None => Some(text.to_owned()),
        }
    }

    /// Reads a job; `None` where that is none, none of this server's, another than its name says, or one that has `ended`
    /// where only one that hasn't can be, and the other way round.
    fn read(&self, text: &str, hash: &str, ended: bool) -> Option<Job> {
        let job: Job = serde_json::from_str(&self.open_seal(text)?).ok()?;
        (job.hash == hash && job.state.is_end() == ended).then_some(job)
    }
}
