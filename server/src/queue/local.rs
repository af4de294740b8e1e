//! The builds of one process. Everybody gets his turn: who asks for many waits for those who ask for one.

use super::job::{Job, State};
use super::journal::Journal;
use super::tally::Tally;
use super::{Entry, Found};
use crate::config::Lifetimes;
use crate::request::is_hash;
use crate::store::Store;
use crate::worker::place;
use crate::{Config, Error};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;

/// How many clients beyond those that wait are remembered before those whose round is over are forgotten.
const CLIENTS: usize = 1024;

/// All builds of a process.
#[derive(Debug)]
pub struct Local {
    inner: Mutex<Inner>,
    more: Notify,
    tally: Mutex<Tally>,
    /// Where the tally is remembered.
    tally_file: Option<PathBuf>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    journal: Option<Journal>,
    lifetimes: Lifetimes,
    max_pending: usize,
    max_finished: usize,
    jobs: HashMap<String, Known>,
    /// Turn → hash.
    waiting: BTreeMap<Turn, String>,
    /// The round in which a client's last request comes.
    rounds: HashMap<String, u64>,
    /// The round that is being served.
    round: u64,
    sequence: u64,
}

/// When a request is served: in which round, and as which of that round. In each round, every client has one request.
type Turn = (u64, u64);

#[derive(Debug)]
struct Known {
    /// With a journal, the fields of a job that has ended are in its file only, unless that could not be written.
    job: Job,
    turn: Turn,
}

impl Local {
    /// The builds that the configuration's journal remembers. What was running waits again.
    ///
    /// # Errors
    /// [`Error::Io`] where the journal can't be read.
    pub fn open(config: &Config, store: Store) -> Result<Self, Error> {
        let journal = match &config.state {
            Some(folder) => Some(Journal::open(&folder.join("jobs"))?),
            None => None,
        };
        let tally_file = config
            .state
            .as_ref()
            .map(|folder| folder.join("tally.json"));
        let mut remembered = match &journal {
            Some(journal) => journal.jobs()?,
            None => Vec::new(),
        };
        remembered.sort_by_key(|job| job.enqueued);
        let mut inner = Inner {
            store,
            journal,
            lifetimes: config.lifetimes.clone(),
            max_pending: config.max_pending,
            max_finished: config.max_finished,
            jobs: HashMap::new(),
            waiting: BTreeMap::new(),
            rounds: HashMap::new(),
            round: 0,
            sequence: 0,
        };
        for mut job in remembered {
            if !job.state.is_end() {
                job.requeue();
                inner.wait(job);
            } else {
                inner.shelve(job);
            }
        }
        inner.clear_store();
        Ok(Self {
            inner: Mutex::new(inner),
            more: Notify::new(),
            tally: Mutex::new(tally_file.as_deref().map(Tally::read).unwrap_or_default()),
            tally_file,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What a panicking thread left is still a list of jobs.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts, or reads what was counted.
    pub fn tally<T>(&self, act: impl FnOnce(&mut Tally) -> T) -> T {
        act(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remembers what was counted.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn save(&self) -> Result<(), Error> {
        match &self.tally_file {
            Some(path) => self.tally(|tally| tally.clone()).write(path),
            None => Ok(()),
        }
    }

    /// How many requests wait.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// See [`super::Queue::find`].
    pub fn find(&self, hash: &str) -> Result<Option<Found>, Error> {
        let mut inner = self.lock();
        if inner.is_stale(hash) {
            inner.forget(hash);
        }
        let Some(known) = inner.jobs.get(hash) else {
            return Ok(None);
        };
        let position = match known.job.state {
            State::Queued => inner.waiting.range(..known.turn).count(),
            _ => 0,
        };
        let job = match &inner.journal {
            Some(journal) if known.job.is_shelved() => journal.read(hash),
            _ => Some(known.job.clone()),
        };
        if job.is_none() {
            // Somebody spoiled its file.
            inner.forget(hash);
        }
        Ok(job.map(|job| Found { job, position }))
    }

    /// See [`super::Queue::enqueue`].
    pub fn enqueue(&self, job: Job) -> Result<Entry, Error> {
        let mut inner = self.lock();
        if inner.jobs.contains_key(&job.hash) {
            return Ok(Entry::Taken);
        }
        let waiting = inner.waiting.len();
        if waiting > inner.max_pending {
            return Ok(Entry::Full(waiting));
        }
        inner.tidy();
        inner.write(&job)?;
        inner.wait(job);
        drop(inner);
        self.more.notify_one();
        Ok(Entry::Taken)
    }

    /// See [`super::Queue::take`].
    pub async fn take(&self) -> Job {
        loop {
            let notified = self.more.notified();
            if let Some(job) = self.try_take() {
                return job;
            }
            notified.await;
        }
    }

    fn try_take(&self) -> Option<Job> {
        let mut inner = self.lock();
        let ((round, _), hash) = inner.waiting.pop_first()?;
        if !inner.waiting.is_empty() {
            // One notification may have stood for several jobs.
            self.more.notify_one();
        }
        inner.round = round;
        let job = &mut inner.jobs.get_mut(&hash)?.job;
        job.start();
        Some(job.clone())
    }

    /// See [`super::Queue::publish`].
    pub fn publish(&self, job: &Job) -> bool {
        match self.lock().jobs.get_mut(&job.hash) {
            Some(known) if known.job.attempt == job.attempt => {
                known.job.clone_from(job);
                true
            }
            _ => false,
        }
    }

    /// See [`super::Queue::finish`].
    pub fn finish(&self, job: &Job) -> Result<bool, Error> {
        let mut inner = self.lock();
        match inner.jobs.get(&job.hash) {
            Some(known) if known.job.attempt == job.attempt && !known.job.state.is_end() => {}
            _ => return Ok(false),
        }
        let written = inner.write(job);
        match &written {
            Ok(()) => inner.shelve(job.clone()),
            // Who waits for it hears so; what this process knows of it is all there is.
            Err(error) => {
                let failed = job.clone().unkept(error);
                let turn = Turn::default();
                let hash = failed.hash.clone();
                inner.jobs.insert(hash, Known { job: failed, turn });
            }
        }
        written.map(|()| true)
    }

    /// See [`super::Queue::delete`].
    pub async fn delete(&self, hash: &str) -> Result<bool, Error> {
        let (store, folder) = {
            let inner = self.lock();
            match inner.jobs.get(hash) {
                Some(known) if known.job.state.is_end() => {
                    (inner.store.clone(), known.job.folder())
                }
                _ => return Ok(false),
            }
        };
        store.remove_now(folder).await?;
        self.lock().forget(hash);
        Ok(true)
    }

    /// See [`super::Queue::tidy`].
    pub fn tidy(&self) {
        self.lock().tidy();
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Err(error) = self.save() {
            eprintln!("The statistics could not be kept: {error}");
        }
    }
}

impl Inner {
    /// Lets a job wait for its client's turn.
    fn wait(&mut self, job: Job) {
        let next = self.rounds.get(&job.client).map_or(0, |last| last + 1);
        let turn = (next.max(self.round), self.sequence);
        self.sequence += 1;
        if self.rounds.len() > self.waiting.len() + CLIENTS {
            let round = self.round;
            self.rounds.retain(|_, last| *last >= round);
        }
        self.rounds.insert(job.client.clone(), turn.0);
        self.waiting.insert(turn, job.hash.clone());
        self.jobs.insert(job.hash.clone(), Known { job, turn });
    }

    /// Remembers a job that has ended.
    fn shelve(&mut self, mut job: Job) {
        if self.journal.is_some() {
            job.fields.clear();
        }
        let turn = Turn::default();
        self.jobs.insert(job.hash.clone(), Known { job, turn });
    }

    /// Removes what a former process left in the store and nobody can ask for any more.
    fn clear_store(&self) {
        let kept: HashSet<String> = self.jobs.values().map(|known| known.job.folder()).collect();
        // Without a store there is nothing to clear, and who can't read it hears so at the first build.
        let Some(store) = self.store.folder() else {
            return;
        };
        for entry in std::fs::read_dir(store).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let ours = name.trim_start_matches('.').get(..64).is_some_and(is_hash);
            if !ours || kept.contains(&name) {
                continue;
            }
            if let Err(error) = place::remove_if_there(&entry.path()) {
                eprintln!("{} could not be removed: {error}", entry.path().display());
            }
        }
    }

    fn write(&self, job: &Job) -> Result<(), Error> {
        match &self.journal {
            Some(journal) => journal.write(job),
            None => Ok(()),
        }
    }

    fn is_stale(&self, hash: &str) -> bool {
        let known = self.jobs.get(hash);
        known.and_then(|known| known.job.remaining(&self.lifetimes)) == Some(Duration::ZERO)
    }

    /// Forgets what is stale, and the oldest of what is done until there is room for one more.
    fn tidy(&mut self) {
        let mut done: Vec<(SystemTime, String)> = self
            .jobs
            .values()
            .filter_map(|known| Some((known.job.ended?, known.job.hash.clone())))
            .collect();
        done.sort();
        let surplus = (done.len() + 1).saturating_sub(self.max_finished);
        for (place, (_, hash)) in done.iter().enumerate() {
            if place < surplus || self.is_stale(hash) {
                self.forget(hash);
            }
        }
    }

    fn forget(&mut self, hash: &str) {
        let Some(known) = self.jobs.remove(hash) else {
            return;
        };
        if let Some(journal) = &self.journal {
            journal.remove(hash);
        }
        self.store.discard(&known.job.folder());
    }
}

#[cfg(test)]
mod tests {
    use super::Local;
    use crate::queue::job::{Job, State};
    use crate::queue::Entry;
    use crate::request::BuildRequest;
    use crate::store::Store;
    use crate::Config;
    use std::path::Path;

    fn job(name: &str, client: &str) -> Job {
        Job::new(BuildRequest::default(), name.repeat(64), client.to_owned())
    }

    fn queue(change: impl FnOnce(&mut Config)) -> Local {
        let mut config = Config::new("http://127.0.0.1:1", "/nonexistent/store", "/nonexistent");
        change(&mut config);
        let store = Store::open(&config);
        Local::open(&config, store).expect("queue")
    }

    fn known(queue: &Local, name: &str) -> Option<(State, usize)> {
        let found = queue.find(&name.repeat(64)).expect("queue");
        found.map(|found| (found.job.state, found.position))
    }

    fn finish(queue: &Local, mut job: Job) {
        job.end(State::Finished);
        job.set("detail", "done");
        assert!(queue.finish(&job).expect("room"));
    }

    #[tokio::test]
    async fn everybody_gets_his_turn_and_equal_requests_join() {
        let queue = queue(|_| {});
        let asked = ["ax", "bx", "cx", "ay", "dz", "ex"];
        for (name, client) in asked.map(|text| text.split_at(1)) {
            queue.enqueue(job(name, client)).expect("room");
        }
        assert_eq!(queue.waiting(), 5);
        assert_eq!(known(&queue, "d"), Some((State::Queued, 1)));
        // x asked for four, z for one: z comes second. `a` was x's already when y asked for it.
        let mut order = String::new();
        for _ in 0..2 {
            order.push_str(&queue.take().await.hash[..1]);
        }
        // Who comes later to an earlier round is before the rest of those who were greedy.
        queue.enqueue(job("f", "y")).expect("room");
        while queue.waiting() > 0 {
            order.push_str(&queue.take().await.hash[..1]);
        }
        assert_eq!(order, "adfbce");
        assert_eq!(known(&queue, "a"), Some((State::Started, 0)));
        assert_eq!(known(&queue, "g"), None);
    }

    #[test]
    fn refuses_what_is_too_much() {
        let queue = queue(|config| config.max_pending = 1);
        assert_eq!(queue.enqueue(job("a", "")).expect("queue"), Entry::Taken);
        assert_eq!(queue.enqueue(job("b", "")).expect("queue"), Entry::Taken);
        assert_eq!(queue.enqueue(job("c", "")).expect("queue"), Entry::Full(2));
        let known = queue.enqueue(job("a", "")).expect("queue");
        assert_eq!(known, Entry::Taken, "it is there already");
    }

    #[tokio::test]
    async fn remembers_no_more_than_it_may() {
        let store = tempfile::tempdir().expect("temporary folder");
        let queue = queue(|config| {
            config.store = store.path().to_owned();
            config.max_finished = 2;
        });
        let folder = |name: &str| store.path().join(name.repeat(64));
        for name in ["a", "b", "c"] {
            queue.enqueue(job(name, "")).expect("room");
            std::fs::create_dir(folder(name)).expect("folder");
            finish(&queue, queue.take().await);
        }
        queue.enqueue(job("d", "")).expect("room");
        let there = ["a", "b", "c", "d"].map(|name| known(&queue, name).is_some());
        assert_eq!(there, [false, false, true, true]);
        assert!(!folder("a").exists() && folder("c").exists());
        assert!(queue.delete(&"c".repeat(64)).await.expect("deleted") && !folder("c").exists());
        assert!(
            !queue.delete(&"d".repeat(64)).await.expect("queue"),
            "it still waits"
        );
    }

    /// A restart forgets nothing: what waited waits, what ran waits again, what was done can be read.
    #[tokio::test]
    async fn a_restart() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let open = |path: &Path| queue(|config| config.state = Some(path.to_owned()));
        let first = open(dir.path());
        for name in ["a", "b", "c"] {
            first.enqueue(job(name, "x")).expect("room");
        }
        finish(&first, first.take().await);
        let running = first.take().await;
        drop(first);
        assert_eq!(running.hash, "b".repeat(64));
        let second = open(dir.path());
        let found = second.find(&"a".repeat(64)).expect("queue").expect("job");
        assert_eq!(found.job.fields["detail"], "done");
        assert_eq!(known(&second, "b"), Some((State::Queued, 0)));
        assert_eq!(known(&second, "c"), Some((State::Queued, 1)));
    }

    /// Who waits for a build hears that its result could not be kept, and a restart builds it again.
    #[tokio::test]
    async fn a_result_that_can_not_be_kept() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let state = dir.path().join("state");
        let open = || queue(|config| config.state = Some(state.clone()));
        let first = open();
        first.enqueue(job("a", "x")).expect("room");
        let mut taken = first.take().await;
        taken.set("detail", "done");
        taken.end(State::Finished);
        let (jobs, away) = (state.join("jobs"), dir.path().join("away"));
        std::fs::rename(&jobs, &away).expect("moved");
        assert!(first.finish(&taken).is_err());
        let found = first.find(&taken.hash).expect("queue").expect("job");
        assert_eq!(found.job.state, State::Failed);
        let words = found.job.fields["detail"].as_str().expect("detail");
        assert!(
            words.starts_with("Error: The result could not be kept: No such file"),
            "{words}"
        );
        std::fs::rename(&away, &jobs).expect("moved");
        drop(first);
        assert_eq!(known(&open(), "a"), Some((State::Queued, 0)));
    }

    /// Files that can't be removed are no secret to who wants them gone.
    #[tokio::test]
    async fn images_that_can_not_be_removed() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let queue = queue(|config| config.store = dir.path().to_owned());
        queue.enqueue(job("a", "x")).expect("room");
        // No folder: it can't be removed as one.
        let place = dir.path().join("a".repeat(64));
        std::fs::write(&place, "").expect("file");
        finish(&queue, queue.take().await);
        assert!(queue.delete(&"a".repeat(64)).await.is_err());
        assert_eq!(
            known(&queue, "a"),
            Some((State::Finished, 0)),
            "still known"
        );
        std::fs::remove_file(&place).expect("removed");
        assert!(queue.delete(&"a".repeat(64)).await.expect("deleted"));
    }

    #[tokio::test]
    async fn a_job_ends_once() {
        let queue = queue(|_| {});
        queue.enqueue(job("a", "x")).expect("room");
        let mut taken = queue.take().await;
        taken.end(State::Failed);
        assert!(queue.finish(&taken).expect("queue"));
        taken.end(State::Finished);
        assert!(!queue.finish(&taken).expect("queue"));
        assert_eq!(known(&queue, "a"), Some((State::Failed, 0)));
    }
}
