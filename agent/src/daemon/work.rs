//! The work of a job, step by step: fetch (the child), verify and flash (threads), go down.

use super::engine::{Engine, RESTARTING};
use super::phase::{phase_word, Move};
use super::query::verification;
use super::query::Answer;
use super::task::{died, Finished, Task};
use super::{local, notices, router};
use crate::api::{Goal, Phase};
use crate::error::{Error, Kind};
use crate::fault;
use crate::job::{Downloaded, Event};
use crate::paths::Paths;
use crate::settings::Settings;
use crate::system::now;
use crate::system::programs::Left;
use crate::upgrade::flash::{self, Before, Flash, SYSUPGRADE};
use crate::upgrade::verify::{Candidate, VerifiedImage};
use crate::upgrade::Progress;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// procd ends every process within seconds of taking over. Who still lives after this long saw no
/// upgrade.
const DOWN_LIMIT: Duration = Duration::from_secs(300);

/// The same, once sysupgrade is known to have ended.
const HANDOVER: Duration = Duration::from_secs(30);

/// How often to look after a sysupgrade that is not our child.
const LOOK: Duration = Duration::from_secs(1);

/// What is under way.
pub enum Work {
    /// `asu job`, and its last word.
    Fetch(Task, Option<Result<Downloaded, Error>>),
    /// Hashing and judging a file.
    Verify(Task),
    /// Hook, backup, sysupgrade.
    Flash(Task),
    /// sysupgrade has begun.
    Down(Down),
}

/// The wait for the end of all processes.
#[derive(Clone, Copy)]
pub struct Down {
    /// By then something must have come of it.
    until: Instant,
    /// When to look after a sysupgrade that another daemon started; none: it has ended.
    look: Option<Instant>,
}

impl Work {
    /// sysupgrade has handed over to procd.
    fn going_down() -> Work {
        Work::Down(Down {
            until: Instant::now() + DOWN_LIMIT,
            look: None,
        })
    }

    /// A sysupgrade that was to be called by a daemon that is no more, during this boot.
    pub fn of_former_daemon(paths: &Paths) -> Result<Work, Error> {
        look_after(paths, Instant::now() + DOWN_LIMIT).map(Work::Down)
    }

    /// What to wait for.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Work::Fetch(task, _) | Work::Verify(task) | Work::Flash(task) => Some(task.fd()),
            Work::Down(_) => None,
        }
    }

    /// When it is over even if nothing comes.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Work::Down(down) => Some(down.look.map_or(down.until, |look| look.min(down.until))),
            _ => None,
        }
    }
}

impl Down {
    fn wait(self, paths: &Paths) -> Result<Down, Error> {
        let now = Instant::now();
        if now >= self.until {
            let sentence = "sysupgrade began, but the router did not restart. Look at \"logread\", then restart it by hand.";
            return Err(Error::new(Kind::Sysupgrade, sentence));
        }
        match self.look {
            Some(look) if now >= look => look_after(paths, self.until),
            _ => Ok(self),
        }
    }
}

/// Finds out how far the sysupgrade of a former daemon is.
fn look_after(paths: &Paths, until: Instant) -> Result<Down, Error> {
    let now = Instant::now();
    let not_begun = |sentence| Err(Error::new(Kind::Sysupgrade, sentence));
    match flash::left_behind(paths)? {
        None => not_begun("The agent was restarted before it had called sysupgrade; nothing was flashed. Start it again."),
        Some(Left::Running) => Ok(Down {
            until,
            look: Some(now + LOOK),
        }),
        Some(Left::Ended(output)) if flash::has_begun(&output) => Ok(Down {
            until: until.min(now + HANDOVER),
            look: None,
        }),
        Some(Left::Ended(output)) => not_begun("sysupgrade ended without starting the upgrade; nothing was flashed.")
            .map_err(|error: Error| error.with_detail(&output)),
    }
}

impl Engine {
    /// Does what there is to do; none: the work is done.
    pub(super) fn advance_work(&mut self, work: Work) -> Result<Option<Work>, Error> {
        match work {
            Work::Fetch(task, last_word) => self.advance_fetch(task, last_word).map(Some),
            Work::Verify(mut task) => match task.events()? {
                (_, false) => Ok(Some(Work::Verify(task))),
                (_, true) => self.verified(task),
            },
            Work::Flash(task) => self.advance_flash(task).map(Some),
            Work::Down(down) => {
                let awaited = down.wait(&self.paths);
                if awaited.is_err() {
                    flash::withdraw(&self.paths)?;
                }
                awaited.map(|down| Some(Work::Down(down)))
            }
        }
    }

    fn advance_fetch(
        &mut self,
        mut task: Task,
        mut last_word: Option<Result<Downloaded, Error>>,
    ) -> Result<Work, Error> {
        let (events, end) = task.events()?;
        for event in events {
            match event {
                Event::Progress(progress) => self.progress(progress)?,
                Event::Plan(plan) => {
                    self.remembered.status.check = Some(notices::check(Ok(&plan)));
                }
                Event::Image(downloaded) => last_word = Some(Ok(*downloaded)),
                Event::Failed(error) => last_word = Some(Err(error)),
                Event::Versions(_) | Event::Reported(_) => {}
            }
        }
        match end {
            true => self.fetched(task, last_word),
            false => Ok(Work::Fetch(task, last_word)),
        }
    }

    /// The job has ended: takes its image over, where it left one.
    fn fetched(
        &mut self,
        task: Task,
        last_word: Option<Result<Downloaded, Error>>,
    ) -> Result<Work, Error> {
        let Finished::Job(ended) = task.finish()? else {
            return Err(Error::new(
                Kind::Internal,
                "The job ended with something else.",
            ));
        };
        let phase = self.phase().map_or("at work", phase_word);
        let downloaded = last_word.unwrap_or_else(|| Err(died(ended, phase)))?;
        self.progress(Progress {
            phase: Some(Phase::Verifying),
            ..Progress::default()
        })?;
        let candidate = local::take_over(&self.paths)?;
        self.remembered.downloaded = Some(downloaded.clone());
        self.verify(candidate, Some(downloaded))
    }

    /// Begins to judge a file.
    pub(super) fn verify(
        &self,
        candidate: Candidate,
        downloaded: Option<Downloaded>,
    ) -> Result<Work, Error> {
        verification(&self.paths, candidate, downloaded).map(Work::Verify)
    }

    fn verified(&mut self, task: Task) -> Result<Option<Work>, Error> {
        let judged = match task.finish()? {
            Finished::Judged(judged) => judged?,
            _ => {
                return Err(Error::new(
                    Kind::Internal,
                    "The verification ended with something else.",
                ))
            }
        };
        // The image in hand, judged anew, may be refused. It stays: its owner may change his mind.
        if let Some(image) = &mut self.remembered.status.image {
            image.checks = judged.checks;
        }
        let image = Arc::new(judged.image?);
        fault::crash("verified");
        self.remembered.status.image = Some(image.image().clone());
        self.hand = Some(image.clone());
        self.move_job(Move::Reach(Phase::Ready));
        if let Some(job) = &mut self.remembered.status.job {
            job.version.clone_from(&image.image().version);
            job.revision.clone_from(&image.image().revision);
            if job.goal == Goal::Download {
                return Ok(None);
            }
        }
        self.flash(image).map(Some)
    }

    /// Begins to flash, unless the owner's wishes and the image do not go together.
    pub(super) fn flash(&mut self, image: Arc<VerifiedImage>) -> Result<Work, Error> {
        let mut settings = Settings::read(&self.paths)?;
        if let Some(hook) = &self.wishes.pre_install {
            settings.pre_install = Some(hook.clone());
        }
        let wanted = Flash {
            keep: self.wishes.keep.unwrap_or(settings.keep_settings),
            force: self.wishes.force,
            unattended: self.wishes.unattended,
        };
        flash::allowed(&image, &wanted)?;
        let (device, packages) = router::device_and_packages(&self.paths)?;
        if self.phase() != Some(Phase::Ready) {
            // The job that fetched it has ended, because the flash was refused.
            self.new_job_with(image.image());
        }
        // Remembered before anything happens: who comes after us has to know.
        self.move_job(Move::Reach(Phase::Flashing));
        self.save();
        let paths = self.paths.clone();
        let task = Task::thread(move |teller| {
            let before = Before {
                paths: &paths,
                device: &device,
                packages: &packages,
                settings: &settings,
            };
            let mut tell = |what: &str| {
                let detail = Some(what.to_owned());
                teller.tell(&Event::Progress(Progress {
                    detail,
                    ..Progress::default()
                }));
            };
            Finished::Flashed(flash::flash(&before, &image, &wanted, &mut tell))
        })?;
        Ok(Work::Flash(task))
    }

    fn advance_flash(&mut self, mut task: Task) -> Result<Work, Error> {
        let (events, end) = task.events()?;
        for event in events {
            if let Event::Progress(progress) = event {
                // The answer has to leave before the system goes down.
                if progress.detail.as_deref() == Some(SYSUPGRADE) {
                    self.answer_waiting(Ok(Answer::Started { started: true }));
                }
                self.progress(progress)?;
            }
        }
        if !end {
            return Ok(Work::Flash(task));
        }
        match task.finish()? {
            Finished::Flashed(result) => result?,
            _ => {
                return Err(Error::new(
                    Kind::Internal,
                    "The flash ended with something else.",
                ))
            }
        };
        if let Some(job) = &mut self.remembered.status.job {
            RESTARTING.clone_into(&mut job.detail);
            job.updated = now();
        }
        self.changed = true;
        Ok(Work::going_down())
    }
}
