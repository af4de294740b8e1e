//! The builds: those that wait, those that run, and those that are done and remembered.

pub mod job;
mod journal;
mod local;
mod shared;
pub mod tally;

use crate::request::prepare::{Prepared, Question};
use crate::signing::seal::Seal;
use crate::signing::Signer;
use crate::site::Site;
use crate::store::Store;
use crate::{Config, Error};
use job::Job;
use local::Local;
use shared::Shared;
use std::sync::Arc;
use std::time::Duration;
use tally::Tally;

/// What is known of a build.
#[derive(Debug, Clone)]
pub struct Found {
    /// The build.
    pub job: Job,
    /// How many are before it; 0 unless it waits.
    pub position: usize,
}

/// What became of a request that was to be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It waits now, or was there already.
    Taken,
    /// There is no room for another one; so many wait.
    Full(usize),
}

/// All builds of a server.
#[derive(Debug, Clone)]
pub enum Queue {
    /// They are known to this process only.
    Local(Arc<Local>),
    /// Many processes share them.
    Shared(Shared),
}

impl Queue {
    /// The queue that the configuration asks for, with the builds that it remembers. One that others may write to is
    /// sealed, if there is a `signer`.
    ///
    /// # Errors
    /// [`Error::Io`] where its folder can't be made or read, [`Error::Queue`] where its Redis can't be reached.
    pub async fn open(
        config: &Config,
        store: &Store,
        signer: Option<&Arc<Signer>>,
    ) -> Result<Self, Error> {
        if let Some(url) = &config.queue {
            let seal = signer.map(|signer| Seal::new(signer.clone())).transpose()?;
            return Ok(Self::Shared(
                Shared::open(url, config, store.clone(), seal).await?,
            ));
        }
        Ok(Self::Local(Arc::new(Local::open(config, store.clone())?)))
    }

    /// How many requests wait.
    ///
    /// # Errors
    /// Where the queue can't be reached.
    pub async fn waiting(&self) -> Result<usize, Error> {
        match self {
            Self::Local(queue) => Ok(queue.waiting()),
            Self::Shared(queue) => queue.waiting().await,
        }
    }

    /// The build with this hash, unless there is none or it is so old that it counts no more.
    ///
    /// # Errors
    /// Where the queue can't be reached.
    pub async fn find(&self, hash: &str) -> Result<Option<Found>, Error> {
        match self {
            Self::Local(queue) => queue.find(hash),
            Self::Shared(queue) => queue.find(hash).await,
        }
    }

    /// Takes a build in, unless the same one is there already.
    ///
    /// # Errors
    /// Where the queue can't be reached, or not remember it.
    pub async fn enqueue(&self, job: Job) -> Result<Entry, Error> {
        match self {
            Self::Local(queue) => queue.enqueue(job),
            Self::Shared(queue) => queue.enqueue(&job).await,
        }
    }

    /// Waits for a build and takes it as started. `worker` tells the workers of this process apart.
    ///
    /// # Errors
    /// Where the queue can't be reached.
    pub async fn take(&self, worker: usize) -> Result<Job, Error> {
        match self {
            Self::Local(queue) => Ok(queue.take().await),
            Self::Shared(queue) => queue.take(worker).await,
        }
    }

    /// Lets everybody see how far a build is. False if it is not the caller's any more: then he stops working on it.
    ///
    /// # Errors
    /// Where the queue can't be reached.
    pub async fn publish(&self, job: &Job) -> Result<bool, Error> {
        match self {
            Self::Local(queue) => Ok(queue.publish(job)),
            Self::Shared(queue) => queue.publish(job).await,
        }
    }

    /// Waits as long as a build is its worker's. It never ends in one process, where there is nobody else.
    pub async fn lost(&self, job: &Job, lease: Duration) {
        loop {
            tokio::time::sleep(lease / 3).await;
            match self {
                Self::Local(_) => {}
                // Where the queue can't be reached, it may come back in time; the next write decides.
                Self::Shared(queue) => {
                    if matches!(queue.renew(job).await, Ok(false)) {
                        return;
                    }
                }
            }
        }
    }

    /// Notes the end of a build. False if it is not the caller's any more: then his images don't count.
    ///
    /// # Errors
    /// Where the queue can't be reached, or not remember it.
    pub async fn finish(&self, job: &Job) -> Result<bool, Error> {
        match self {
            Self::Local(queue) => queue.finish(job),
            Self::Shared(queue) => queue.finish(job).await,
        }
    }

    /// Forgets a build that is done, with its images. False if there is none, or it is not done.
    ///
    /// # Errors
    /// Where the queue can't be reached, or the images not be removed; then the build is still known.
    pub async fn delete(&self, hash: &str) -> Result<bool, Error> {
        match self {
            Self::Local(queue) => queue.delete(hash).await,
            Self::Shared(queue) => queue.delete(hash).await,
        }
    }

    /// Forgets what is too old, with its images.
    ///
    /// # Errors
    /// Where the queue can't be reached.
    pub async fn tidy(&self) -> Result<(), Error> {
        match self {
            Self::Local(queue) => {
                queue.tidy();
                queue.save()
            }
            Self::Shared(queue) => queue.tidy().await,
        }
    }

    /// Has another process prepare a request; `None` where there is none that does.
    ///
    /// # Errors
    /// Where the queue can't be reached.
    pub async fn prepare(&self, question: &Question) -> Result<Option<Prepared>, Error> {
        match self {
            Self::Local(_) => Ok(None),
            Self::Shared(queue) => queue.prepare(question).await,
        }
    }

    /// Prepares what other processes ask for, for ever. In one process nobody does.
    pub async fn prepare_for_others(self, config: Arc<Config>, site: Site) {
        if let Self::Shared(queue) = self {
            queue.prepare_for_others(&config, &site).await;
        }
    }

    /// Counts things that happened; see [`Tally::days`] for how they are written.
    ///
    /// # Errors
    /// Where the queue can't be reached.
    pub async fn count(&self, things: &[String]) -> Result<(), Error> {
        match self {
            Self::Local(queue) => {
                queue.tally(|tally| tally.count(things));
                Ok(())
            }
            Self::Shared(queue) => queue.count(things).await,
        }
    }

    /// Remembers a line about a failed build.
    ///
    /// # Errors
    /// Where the queue can't be reached.
    pub async fn note_failure(&self, line: String) -> Result<(), Error> {
        match self {
            Self::Local(queue) => {
                queue.tally(|tally| tally.fail(line));
                Ok(())
            }
            Self::Shared(queue) => queue.note_failure(&line).await,
        }
    }

    /// What was counted so far.
    ///
    /// # Errors
    /// Where the queue can't be reached.
    pub async fn tally(&self) -> Result<Tally, Error> {
        match self {
            Self::Local(queue) => Ok(queue.tally(|tally| tally.clone())),
            Self::Shared(queue) => queue.tally().await,
        }
    }
}
