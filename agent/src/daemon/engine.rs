//! The engine: at most one job, at most one question beside it, the image in hand, the record of
//! what came of it. It knows neither bus nor terminal; both drive it by [`Engine::advance`].

use super::journal::{Journal, Remembered};
use super::phase::{is_working, phase_word, step, Move};
use super::query::{Answer, Query, Question};
use super::task::Task;
use super::work::Work;
use super::{local, notices, router};
use crate::api::{Goal, History, Image, Job, Phase, Status};
use crate::error::{Error, Kind};
use crate::job::{Order, Task as JobTask};
use crate::paths::{Paths, IMAGE, JOB_FOLDER, RECORD_FOLDER, STATE_FOLDER};
use crate::settings::Settings;
use crate::store;
use crate::system::now;
use crate::text::say;
use crate::upgrade::verify::{Candidate, VerifiedImage};
use crate::upgrade::{confirm, flash, newest};
use crate::upgrade::{Choice, Progress};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// The detail of a flashing job once nothing can stop it any more.
pub const RESTARTING: &str = "restarting";

/// Names a caller that waits for an answer.
pub type Ticket = u64;

/// What `start` and `sysupgrade` are to do with the image.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Keep the settings; none: as the settings say.
    pub keep: Option<bool>,
    /// A program that may veto the flash; none: the one that the settings name.
    pub pre_install: Option<String>,
    /// Go on in spite of warnings.
    pub force: bool,
    /// The schedule wants it: no warning is passed over, whatever the options say.
    pub unattended: bool,
}

/// See the module.
pub struct Engine {
    pub(super) paths: Paths,
    journal: Journal,
    pub(super) remembered: Remembered,
    work: Option<Work>,
    pub(super) wishes: Wishes,
    /// Who waits to hear that sysupgrade was started.
    waiting: Option<Ticket>,
    pub(super) hand: Option<Arc<VerifiedImage>>,
    query: Option<Query>,
    answers: Vec<(Ticket, Result<Answer, Error>)>,
    tickets: Ticket,
    pub(super) changed: bool,
    pub(super) news: bool,
}

impl Engine {
    /// Takes possession of the router's state, and makes out what became of things.
    pub fn new(paths: &Paths) -> Result<Engine, Error> {
        let journal = Journal::open(paths)?;
        let remembered = journal.load();
        let mut engine = Engine {
            paths: paths.clone(),
            journal,
            remembered,
            work: None,
            wishes: Wishes::default(),
            waiting: None,
            hand: None,
            query: None,
            answers: Vec::new(),
            tickets: 0,
            changed: true,
            news: false,
        };
        engine.look_back()?;
        engine.save();
        Ok(engine)
    }

    /// Confirms what was flashed, and says what became of a job that was cut off.
    fn look_back(&mut self) -> Result<(), Error> {
        store::remove_folder(&self.paths.real(JOB_FOLDER))?;
        // Half a copy of an image too.
        for folder in [STATE_FOLDER, RECORD_FOLDER] {
            store::tidy(&self.paths.real(folder))?;
        }
        if let Some(check) = &mut self.remembered.status.check {
            check.running = false;
        }
        let pending = confirm::pending(&self.paths)?;
        let same_boot =
            |boot: &str| !boot.is_empty() && boot == crate::system::boot_id(&self.paths);
        match pending {
            // sysupgrade lives in a session of its own and may be at it still.
            Some(pending) if same_boot(&pending.boot_id) => {
                match Work::of_former_daemon(&self.paths) {
                    Ok(work) => {
                        self.work = Some(work);
                        return Ok(());
                    }
                    Err(error) => {
                        flash::withdraw(&self.paths)?;
                        self.fail(error);
                    }
                }
            }
            Some(pending) => self.confirm(&pending),
            None => {
                // A record that can't be written is worth a line in the log, not the daemon.
                if let Err(error) = newest::note(&self.paths, &router::running(&self.paths), None) {
                    say(&error);
                }
            }
        }
        if let Some(phase) = self.phase().filter(|phase| is_working(*phase)) {
            let sentence = format!(
                "The agent was restarted while the job was {}; nothing was flashed. Start it again.",
                phase_word(phase)
            );
            self.fail(Error::new(Kind::Internal, sentence));
        }
        let history = confirm::history(&self.paths)?;
        self.remembered.status.last_upgrade = history.first().map(|record| record.upgrade.clone());
        if self.phase() != Some(Phase::Ready) || !self.paths.real(IMAGE).exists() {
            self.drop_image()?;
        }
        Ok(())
    }

    fn confirm(&mut self, pending: &confirm::Pending) {
        let confirmed = router::device_and_packages(&self.paths).and_then(|(device, packages)| {
            confirm::confirm(&self.paths, pending, &device, &packages)
        });
        let result = match &confirmed {
            Ok(record) => Ok(&record.upgrade),
            Err(error) => Err(error),
        };
        self.set_notice(notices::after_upgrade(pending, result));
        // A job of the boot before: only where /tmp outlived the reboot.
        if self.phase() == Some(Phase::Flashing) {
            self.move_job(Move::Reach(Phase::Done));
        }
    }

    /// What everybody gets to see.
    pub fn status(&self) -> &Status {
        &self.remembered.status
    }

    /// Where everything is.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The past, newest first.
    pub fn history(&self) -> Result<History, Error> {
        let records = confirm::history(&self.paths)?;
        Ok(History {
            upgrades: records.into_iter().map(|record| record.upgrade).collect(),
        })
    }

    pub(super) fn phase(&self) -> Option<Phase> {
        self.remembered.status.job.as_ref().map(|job| job.phase)
    }

    /// The id of the job that is at work.
    pub fn working(&self) -> Option<u32> {
        let job = self.remembered.status.job.as_ref()?;
        (self.work.is_some() || is_working(job.phase)).then_some(job.id)
    }

    /// Whether a job is at work or a question is being answered.
    pub fn is_busy(&self) -> bool {
        self.working().is_some() || self.query.is_some()
    }

    fn refuse_while_working(&self) -> Result<(), Error> {
        match self.working() {
            Some(id) => Err(Error::new(
                Kind::Busy,
                format!("Job {id} is at work. Watch it with \"asu watch\", or end it with \"asu cancel\"."),
            )),
            None => Ok(()),
        }
    }

    /// A hook that is not there would be noticed only after the image was built and fetched.
    fn require_hook(&self, wishes: &Wishes) -> Result<(), Error> {
        let hook = wishes.pre_install.as_ref();
        match hook.filter(|hook| !self.paths.real(hook).is_file()) {
            None => Ok(()),
            Some(hook) => {
                let hook = crate::server::clean(hook);
                let sentence = format!("There is no program {hook} to run before installing.");
                Err(Error::new(Kind::Usage, sentence))
            }
        }
    }

    fn new_job(&mut self, goal: Goal, phase: Phase) -> u32 {
        let id = self
            .remembered
            .status
            .job
            .as_ref()
            .map_or(0, |job| job.id)
            .wrapping_add(1);
        let started = now();
        self.remembered.status.job = Some(Job {
            id,
            goal,
            phase,
            percent: None,
            detail: String::new(),
            queue_position: None,
            bytes: None,
            bytes_total: None,
            server: String::new(),
            version: String::new(),
            revision: String::new(),
            request_hash: String::new(),
            started,
            updated: started,
            error: None,
        });
        self.changed = true;
        id
    }

    /// A job that has nothing to do any more but to flash.
    pub(super) fn new_job_with(&mut self, image: &Image) {
        self.new_job(Goal::Upgrade, Phase::Ready);
        if let Some(job) = &mut self.remembered.status.job {
            job.version.clone_from(&image.version);
            job.revision.clone_from(&image.revision);
        }
    }

    /// Starts a job.
    pub fn start(&mut self, goal: Goal, choice: Choice, wishes: Wishes) -> Result<u32, Error> {
        self.refuse_while_working()?;
        self.require_hook(&wishes)?;
        let inputs = router::inputs(&self.paths, choice)?;
        if inputs.other_device.is_some() {
            let sentence = "An image for another device can't be verified or installed here: the option device is for check only.";
            return Err(Error::new(Kind::Usage, sentence));
        }
        self.drop_image()?;
        let task = Task::job(
            &self.paths,
            &Order {
                task: JobTask::Download,
                inputs,
                upgrade: None,
            },
        )?;
        let id = self.new_job(goal, Phase::Checking);
        self.work = Some(Work::Fetch(task, None));
        self.wishes = wishes;
        self.save();
        Ok(id)
    }

    /// Flashes the image in hand, or the file at `path` after having verified it.
    /// `Ok(None)`: there is neither.
    pub fn sysupgrade(
        &mut self,
        path: Option<&Path>,
        wishes: Wishes,
    ) -> Result<Option<Ticket>, Error> {
        self.refuse_while_working()?;
        self.require_hook(&wishes)?;
        let in_hand = path.is_none_or(|path| path == Path::new(IMAGE));
        self.wishes = wishes;
        let settings = Settings::read(&self.paths)?;
        match (path, self.hand.clone()) {
            (_, Some(image)) if in_hand && image.still_stands(&self.paths, &settings) => {
                self.remembered.status.image = Some(image.image().clone());
                let work = self.flash(image);
                if let (Err(error), Some(Phase::Flashing)) = (&work, self.phase()) {
                    self.end_with(error.clone())?;
                }
                self.work = Some(work?);
            }
            (None, None) if self.remembered.status.image.is_none() => return Ok(None),
            (path, _) => {
                self.work = Some(self.verify_file(path.unwrap_or(Path::new(IMAGE)), in_hand)?);
                self.new_job(Goal::Upgrade, Phase::Verifying);
            }
        }
        let ticket = self.ticket();
        self.waiting = Some(ticket);
        self.save();
        Ok(Some(ticket))
    }

    /// Begins to verify a file; one that is not the image in hand takes that one's place.
    fn verify_file(&mut self, path: &Path, in_hand: bool) -> Result<Work, Error> {
        let downloaded = self.remembered.downloaded.clone().filter(|_| in_hand);
        if !in_hand {
            // Opened first: a wrong name does not cost the image in hand.
            drop(Candidate::open(&self.paths, path)?);
            self.drop_image()?;
        }
        let work = local::candidate(&self.paths, path)
            .and_then(|candidate| self.verify(candidate, downloaded));
        if work.is_err() && !in_hand {
            self.drop_image()?;
        }
        work
    }

    /// Ends the job, unless sysupgrade has it. False: there was none that could be ended.
    pub fn cancel(&mut self) -> Result<bool, Error> {
        let Some(phase) = self.phase() else {
            return Ok(false);
        };
        if step(phase, Move::Cancel).is_err() {
            return Ok(false);
        }
        // Ends a child. A thread that reads a file can't be ended; what it finds out nobody will hear.
        self.work = None;
        self.answer_waiting(Err(Error::new(Kind::Cancelled, "The job was cancelled.")));
        self.move_job(Move::Cancel);
        store::remove_folder(&self.paths.real(JOB_FOLDER))?;
        self.drop_image()?;
        self.save();
        Ok(true)
    }

    /// Removes the image and what jobs left behind.
    pub fn clean(&mut self) -> Result<(), Error> {
        self.refuse_while_working()?;
        self.drop_image()?;
        store::remove_folder(&self.paths.real(JOB_FOLDER))?;
        if self.phase() == Some(Phase::Ready) {
            self.remembered.status.job = None;
        }
        self.save();
        Ok(())
    }

    fn drop_image(&mut self) -> Result<(), Error> {
        self.hand = None;
        self.remembered.status.image = None;
        self.remembered.downloaded = None;
        self.changed = true;
        store::remove(&self.paths.real(IMAGE))
    }

    /// Asks something that takes time. The same question is asked once for all who want to know.
    pub fn ask(&mut self, question: Question) -> Result<Ticket, Error> {
        let ticket = self.ticket();
        match &mut self.query {
            Some(query) => {
                if !query.join(&question, ticket) {
                    let sentence = "Another question is being answered. Ask again in a moment.";
                    return Err(Error::new(Kind::Busy, sentence));
                }
            }
            None => {
                let downloaded = self.remembered.downloaded.clone();
                self.query = Some(Query::start(&self.paths, question, ticket, downloaded)?);
                self.note_check();
            }
        }
        Ok(ticket)
    }

    /// A check shows in the status while it is under way.
    fn note_check(&mut self) {
        if self.query.as_ref().is_some_and(Query::is_check) {
            let former = self.remembered.status.check.take().unwrap_or_default();
            self.remembered.status.check = Some(crate::api::Check {
                running: true,
                at: now(),
                ..former
            });
            self.changed = true;
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        self.tickets
    }

    /// What to wait for.
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let work = self.work.as_ref().and_then(Work::fd);
        work.into_iter()
            .chain(self.query.as_ref().map(Query::fd))
            .collect()
    }

    /// When to call [`Engine::advance`] even if nothing comes.
    pub fn deadline(&self) -> Option<Instant> {
        self.work.as_ref()?.deadline()
    }

    /// The answers that have come in.
    pub fn answers(&mut self) -> Vec<(Ticket, Result<Answer, Error>)> {
        std::mem::take(&mut self.answers)
    }

    /// Whether the status is another one than at the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The settings were changed. They are read where they are needed; only the line for the login
    /// lies about ready made.
    pub fn reload(&mut self) {
        self.save();
    }

    /// Does what there is to do.
    pub fn advance(&mut self) -> Result<(), Error> {
        self.advance_query()?;
        if let Some(work) = self.work.take() {
            let before = self.phase();
            match self.advance_work(work) {
                Ok(work) => self.work = work,
                Err(error) => self.end_with(error)?,
            }
            if self.phase() != before {
                self.save();
            }
        }
        Ok(())
    }

    fn advance_query(&mut self) -> Result<(), Error> {
        if !self.query.as_mut().is_some_and(Query::listen) {
            return Ok(());
        }
        let Some(query) = self.query.take() else {
            return Ok(());
        };
        let is_check = query.is_check();
        let (tickets, answer) = query.finish();
        self.answers
            .extend(tickets.into_iter().map(|ticket| (ticket, answer.clone())));
        if is_check {
            let plan = match &answer {
                Ok(Answer::Plan(plan)) => Ok(plan),
                Ok(_) => {
                    return Err(Error::new(
                        Kind::Internal,
                        "A check ended with something else.",
                    ))
                }
                Err(error) => Err(error),
            };
            self.remembered.status.check = Some(notices::check(plan));
            let former = self.remembered.status.notice.as_ref();
            match notices::after_check(plan, former) {
                Some(notice) => self.set_notice(notice),
                None => self.remembered.status.notice = None,
            }
            self.save();
        }
        Ok(())
    }

    /// Tells who waits for sysupgrade.
    pub(super) fn answer_waiting(&mut self, answer: Result<Answer, Error>) {
        self.answers
            .extend(self.waiting.take().map(|ticket| (ticket, answer)));
    }

    pub(super) fn progress(&mut self, progress: Progress) -> Result<(), Error> {
        if let Some(phase) = progress.phase {
            let from = self.phase().unwrap_or(phase);
            if step(from, Move::Reach(phase)).is_err() {
                let sentence = format!(
                    "The job went from {} to {}, which can't be.",
                    phase_word(from),
                    phase_word(phase)
                );
                return Err(Error::new(Kind::Internal, sentence));
            }
        }
        let Some(job) = &mut self.remembered.status.job else {
            return Ok(());
        };
        if let Some(phase) = progress.phase.filter(|phase| *phase != job.phase) {
            job.phase = phase;
            (job.percent, job.queue_position, job.bytes, job.bytes_total) =
                (None, None, None, None);
        }
        job.percent = progress.percent.or(job.percent);
        job.queue_position = progress.queue_position.or(job.queue_position);
        job.bytes = progress.bytes.or(job.bytes);
        job.bytes_total = progress.bytes_total.or(job.bytes_total);
        for (field, value) in [
            (&mut job.detail, progress.detail),
            (&mut job.server, progress.server),
            (&mut job.version, progress.version),
            (&mut job.revision, progress.revision),
            (&mut job.request_hash, progress.request_hash),
        ] {
            if let Some(value) = value {
                *field = value;
            }
        }
        job.updated = now();
        self.changed = true;
        Ok(())
    }

    /// A move that can't be is a fault of ours; the job stays where it is, and the log says so.
    pub(super) fn move_job(&mut self, to: Move) {
        let Some(job) = &mut self.remembered.status.job else {
            return;
        };
        match step(job.phase, to) {
            Ok(phase) => job.phase = phase,
            Err(illegal) => say(&illegal),
        }
        (job.percent, job.queue_position, job.bytes, job.bytes_total) = (None, None, None, None);
        job.detail.clear();
        job.updated = now();
        self.changed = true;
    }

    fn fail(&mut self, error: Error) {
        if self.phase() == Some(Phase::Flashing) {
            self.set_notice(notices::failed(&error));
        }
        self.move_job(Move::Fail);
        if let Some(job) = &mut self.remembered.status.job {
            job.error = Some(error);
        }
    }

    /// Ends the job; an image that was verified stays in hand, everything else goes.
    fn end_with(&mut self, error: Error) -> Result<(), Error> {
        let kept = self.hand.is_some();
        self.answer_waiting(Err(error.clone()));
        self.fail(error);
        store::remove_folder(&self.paths.real(JOB_FOLDER))?;
        if !kept {
            self.drop_image()?;
        }
        Ok(())
    }

    /// Remembers what is going on. Where it can't be written (no space in /tmp), that must not end
    /// what it is about: the log says so.
    pub(super) fn save(&mut self) {
        self.changed = true;
        let wanted = Settings::read(&self.paths).is_ok_and(|settings| settings.login_notice);
        let notice = self.remembered.status.notice.as_ref().filter(|_| wanted);
        let line = self.journal.login_line(notice);
        if let Err(error) = line.and_then(|()| self.journal.save(&self.remembered)) {
            say(&error);
        }
    }
}
