//! The builds: those that wait, first come first served, those that run, and those that are done and remembered.

use crate::job::{Job, State};
use crate::request::BuildRequest;
use crate::Config;
use axum::body::Body;
use axum::http::Response;
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// All builds of a server.
#[derive(Debug, Default)]
pub struct Queue {
    inner: Mutex<Inner>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    jobs: HashMap<String, Job>,
    waiting: VecDeque<String>,
}

/// There is no room for another request.
#[derive(Debug)]
pub struct Full {
    /// How many wait.
    pub waiting: usize,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What a panicking thread left is still a list of jobs.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// The answer about the job `hash`, if there is one.
    pub fn answer(&self, hash: &str, zone: &str, config: &Config) -> Option<Response<Body>> {
        let mut inner = self.lock();
        if inner
            .jobs
            .get(hash)
            .is_some_and(|job| job.is_stale(&config.lifetimes))
        {
            inner.forget(hash, &config.store);
        }
        let position = inner
            .waiting
            .iter()
            .position(|waiting| waiting == hash)
            .unwrap_or(0);
        inner.jobs.get(hash).map(|job| job.answer(position, zone))
    }

    /// Takes a request in, unless the same one is there already.
    ///
    /// # Errors
    /// [`Full`] if too many wait.
    pub fn enqueue(&self, request: BuildRequest, hash: &str, config: &Config) -> Result<(), Full> {
        let mut inner = self.lock();
        if inner.jobs.contains_key(hash) {
            return Ok(());
        }
        let waiting = inner.waiting.len();
        if waiting > config.max_pending {
            return Err(Full { waiting });
        }
        inner.tidy(config);
        inner
            .jobs
            .insert(hash.to_owned(), Job::new(request, hash.to_owned()));
        inner.waiting.push_back(hash.to_owned());
        drop(inner);
        self.more.notify_one();
        Ok(())
    }

    /// Waits for a job, and takes it from the queue as started.
    pub async fn next(&self) -> Job {
        loop {
            let notified = self.more.notified();
            if let Some(job) = self.take() {
                return job;
            }
            notified.await;
        }
    }

    fn take(&self) -> Option<Job> {
        let mut inner = self.lock();
        let hash = inner.waiting.pop_front()?;
        if !inner.waiting.is_empty() {
            // One notification may have stood for several jobs.
            self.more.notify_one();
        }
        let job = inner.jobs.get_mut(&hash)?;
        job.state = State::Started;
        Some(job.clone())
    }

    /// Lets everybody see how far a job is.
    pub fn publish(&self, job: &Job) {
        if let Some(known) = self.lock().jobs.get_mut(&job.hash) {
            known.clone_from(job);
        }
    }
}

impl Inner {
    /// Forgets what is stale, and the oldest of what is done until there is room for one more.
    fn tidy(&mut self, config: &Config) {
        let stale = self
            .jobs
            .values()
            .filter(|job| job.is_stale(&config.lifetimes));
        for hash in stale.map(|job| job.hash.clone()).collect::<Vec<_>>() {
            self.forget(&hash, &config.store);
        }
        let mut done: Vec<_> = self
            .jobs
            .values()
            .filter_map(|job| Some((job.ended()?, job.hash.clone())))
            .collect();
        done.sort();
        let surplus = (done.len() + 1).saturating_sub(config.max_finished);
        for (_, hash) in done.into_iter().take(surplus) {
            self.forget(&hash, &config.store);
        }
    }

    fn forget(&mut self, hash: &str, store: &Path) {
        if self.jobs.remove(hash).is_some() {
            // A failed build has no folder.
            let _ = std::fs::remove_dir_all(store.join(hash));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;
    use crate::job::State;
    use crate::request::BuildRequest;
    use crate::Config;

    fn request(name: &str) -> BuildRequest {
        BuildRequest {
            profile: name.to_owned(),
            ..BuildRequest::default()
        }
    }

    #[tokio::test]
    async fn first_come_first_served_and_equal_requests_join() {
        let config = Config::new("http://127.0.0.1:1", "/nonexistent/store", "/nonexistent");
        let queue = Queue::default();
        for name in ["a", "b", "a", "c"] {
            queue.enqueue(request(name), name, &config).expect("room");
        }
        assert_eq!(queue.waiting(), 3);
        for name in ["a", "b", "c"] {
            assert_eq!(queue.next().await.hash, name);
        }
        assert_eq!(queue.waiting(), 0);
        assert!(queue.answer("a", "Z", &config).is_some());
        assert!(queue.answer("d", "Z", &config).is_none());
    }

    #[test]
    fn refuses_what_is_too_much() {
        let config = Config {
            max_pending: 1,
            ..Config::new("http://127.0.0.1:1", "/nonexistent", "/nonexistent")
        };
        let queue = Queue::default();
        queue.enqueue(request("a"), "a", &config).expect("room");
        queue.enqueue(request("b"), "b", &config).expect("room");
        assert_eq!(
            queue
                .enqueue(request("c"), "c", &config)
                .map_err(|full| full.waiting),
            Err(2)
        );
        queue
            .enqueue(request("a"), "a", &config)
            .expect("it is there already");
    }

    #[tokio::test]
    async fn remembers_no_more_than_it_may() {
        let store = tempfile::tempdir().expect("temporary folder");
        let config = Config {
            max_finished: 2,
            ..Config::new("http://127.0.0.1:1", store.path(), "/nonexistent")
        };
        let queue = Queue::default();
        for name in ["a", "b", "c"] {
            queue.enqueue(request(name), name, &config).expect("room");
            let mut job = queue.next().await;
            std::fs::create_dir(store.path().join(name)).expect("folder");
            job.end(State::Finished);
            queue.publish(&job);
        }
        queue.enqueue(request("d"), "d", &config).expect("room");
        let known = ["a", "b", "c", "d"].map(|name| queue.answer(name, "Z", &config).is_some());
        assert_eq!(known, [false, false, true, true]);
        assert!(!store.path().join("a").exists() && store.path().join("c").exists());
    }
}
