//! What the router does on its own, where its owner set `check_interval`.
//!
//! [`agenda`] decides; this asks the engine for it and tells the agenda what came of it. Without a
//! schedule there is no deadline here, so that nothing wakes the daemon.

mod agenda;
mod rules;
#[cfg(test)]
mod simulation;
mod window;
mod zone;

pub use agenda::Kept;

use super::engine::{Engine, Ticket, Wishes};
use super::notices;
use super::query::Answer;
use super::query::Question;
use crate::api::{
    CheckResult, Goal, Outcome as Upgraded, Outline, Phase, Release, ReportState, Verdict,
};
use crate::error::{Error, Kind};
use crate::paths::{Paths, RECORD_FOLDER};
use crate::settings::Settings;
use crate::store;
use crate::system::random::Random;
use crate::system::{self, random};
use crate::text::say;
use crate::upgrade::Choice;
use agenda::{Action, Agenda, Hand, Moment, Next, Outcome, Rules};
use std::time::{Duration, Instant};

/// Methods that show that a person looked.
const LOOKS: [&str; 4] = ["check", "start", "sysupgrade", "clean"];

/// A report follows the boot of the new system after this many seconds, and up to as many more.
const REPORT_DELAY: i64 = 300;
/// After a failure it is tried again, each time after twice as many …
const REPORT_RETRY: i64 = 1800;
/// … or when the server wants it, but within a day; …
const LONGEST_REPORT_PAUSE: i64 = 24 * 3600;
/// … so often.
const MOST_REPORTS: u32 = 6;

/// See the module.
pub struct Scheduler {
    paths: Paths,
    agenda: Agenda,
    /// What schedule.json says.
    stored: Kept,
    doing: Option<Doing>,
    /// What the last check found.
    found: Option<Release>,
    deadline: Option<Instant>,
    reporter: Reporter,
}

/// When the server is told what came of an upgrade.
#[derive(Debug, Default)]
struct Reporter {
    /// Not before this second since boot.
    at: Option<i64>,
    failures: u32,
}

/// What was begun and has not ended.
#[derive(Clone, Copy, Debug)]
enum Doing {
    Check(Ticket),
    Download(u32),
    Upgrade(u32),
    Report(Ticket),
}

impl Scheduler {
    /// Reads what was set and what was kept, and makes out what became of the last automatic upgrade.
    pub fn new(paths: &Paths, engine: &mut Engine) -> Scheduler {
        let stored = read(paths);
        let kept = engine.schedule().cloned().unwrap_or(Kept {
            job: None,
            ..stored.clone()
        });
        let mut scheduler = Scheduler {
            paths: paths.clone(),
            agenda: Agenda::new(Rules::NEVER, kept, random::seed()),
            stored,
            doing: None,
            found: None,
            deadline: None,
            reporter: Reporter::default(),
        };
        scheduler.read_rules();
        scheduler.look_back(engine);
        scheduler
    }

    /// The owner changed the settings.
    pub fn reload(&mut self) {
        self.read_rules();
        self.agenda.looked();
    }

    fn read_rules(&mut self) {
        let (rules, complaints) = Rules::read(&self.paths);
        for complaint in complaints {
            say(&complaint);
        }
        self.agenda.set_rules(rules);
    }

    /// Somebody called a method.
    pub fn called(&mut self, method: &str) {
        if LOOKS.contains(&method) {
            self.agenda.looked();
        }
    }

    /// When to go on even if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// An answer that nobody on the bus waits for.
    pub fn answered(
        &mut self,
        engine: &mut Engine,
        ticket: Ticket,
        answer: &Result<Answer, Error>,
    ) {
        if let Some(Doing::Report(_)) = self.doing.filter(|doing| doing.is(ticket)) {
            self.doing = None;
            return self.reported(engine, answer);
        }
        let Some(Doing::Check(_)) = self.doing.filter(|doing| doing.is(ticket)) else {
            return;
        };
        self.doing = None;
        let outcome = match answer {
            Ok(Answer::Plan(plan)) => self.judge(&plan.outline),
            Ok(_) => Outcome::Failed,
            Err(error) => outcome(error),
        };
        self.agenda.checked(self.moment(), outcome);
    }

    /// Does what is due.
    pub fn round(&mut self, engine: &mut Engine) {
        self.follow(engine);
        self.look_back(engine);
        let report = engine.report_due().is_some();
        if self.agenda.is_off() && self.doing.is_none() && !report {
            self.deadline = None;
            return;
        }
        let moment = self.moment();
        let report = report.then(|| self.report(engine, moment)).flatten();
        let busy = self.doing.is_some() || engine.is_busy();
        let hand = self.hand(engine);
        self.deadline = match self.agenda.next(moment, busy, hand) {
            Next::Never => None,
            Next::At(at) => instant(moment, at),
            Next::Do(action) => {
                self.begin(engine, action, moment);
                // What could not even begin is looked at again at once.
                self.doing.is_none().then(Instant::now)
            }
        };
        self.deadline = self.deadline.into_iter().chain(report).min();
        if self.agenda.waited_in_vain() {
            say(&"The router's clock was not set for a day, so this check for an upgrade is left out.");
        }
        self.save(engine);
    }

    fn begin(&mut self, engine: &mut Engine, action: Action, moment: Moment) {
        let begun = match action {
            Action::Check => {
                let asked = engine.ask(Question::Check(Choice::default()));
                asked.map(Doing::Check)
            }
            Action::Download => engine
                .start(Goal::Download, Choice::default(), Wishes::default())
                .map(Doing::Download),
            Action::Upgrade => self.upgrade(engine, moment),
        };
        match begun {
            Ok(doing) => {
                if let Doing::Download(job) = doing {
                    self.agenda.fetching(job);
                }
                self.doing = Some(doing);
            }
            Err(error) => {
                say(&error);
                match action {
                    Action::Check => self.agenda.checked(moment, outcome(&error)),
                    Action::Download => self.agenda.fetched(moment, outcome(&error)),
                    Action::Upgrade => {}
                }
            }
        }
    }

    /// Flashes the image in hand, which keeps the settings in any case: with them this would be the
    /// last automatic upgrade.
    fn upgrade(&mut self, engine: &mut Engine, moment: Moment) -> Result<Doing, Error> {
        let image = engine.status().image.as_ref();
        let checks = image
            .map(|image| image.checks.as_slice())
            .unwrap_or_default();
        let warning = checks
            .iter()
            .find(|check| check.result == CheckResult::Warning);
        if let Some(warning) = warning {
            let error = Error::new(Kind::Image, warning.detail.clone());
            self.not_flashed(engine, &error);
            return Err(error);
        }
        self.agenda.flashing(moment);
        // Before anything happens: whatever comes of it, this was the attempt of the day.
        self.save(engine);
        let wishes = Wishes {
            keep: Some(true),
            unattended: true,
            ..Wishes::default()
        };
        let begun = match engine.sysupgrade(None, wishes) {
            Ok(Some(_)) => engine.status().job.as_ref().map(|job| job.id),
            Ok(None) => None,
            Err(error) => {
                self.not_flashed(engine, &error);
                return Err(error);
            }
        };
        begun.map(Doing::Upgrade).ok_or_else(|| {
            self.flashed(engine, false);
            Error::new(Kind::Internal, "The image is gone that was to be flashed.")
        })
    }

    /// What became of the job that was begun.
    fn follow(&mut self, engine: &mut Engine) {
        let (Some(Doing::Download(id) | Doing::Upgrade(id)), false) =
            (self.doing, engine.is_busy())
        else {
            return;
        };
        let job = engine.status().job.as_ref().filter(|job| job.id == id);
        let ended = match job {
            Some(job) if job.phase == Phase::Ready => Outcome::Found,
            Some(job) => job.error.as_ref().map_or(Outcome::Failed, outcome),
            None => Outcome::Failed,
        };
        match self.doing.take() {
            // It may have been judged anew, and not as before.
            Some(Doing::Upgrade(_)) => match job.and_then(|job| job.error.clone()) {
                Some(error) => self.not_flashed(engine, &error),
                None => self.flashed(engine, false),
            },
            _ => self.agenda.fetched(self.moment(), ended),
        }
    }

    /// Tells the server what came of the last upgrade, once it is time to; when it will be, if it is not.
    fn report(&mut self, engine: &mut Engine, moment: Moment) -> Option<Instant> {
        if self.doing.is_some() || engine.is_busy() {
            return None;
        }
        if !Settings::read(&self.paths).is_ok_and(|settings| settings.report) {
            return None;
        }
        let at = *self.reporter.at.get_or_insert_with(|| {
            let chance = Random::new(random::seed()).below(REPORT_DELAY);
            moment.uptime.max(REPORT_DELAY) + chance
        });
        if moment.uptime < at {
            return instant(moment, at);
        }
        let upgrade = engine.report_due()?.clone();
        match engine.ask(Question::Report(Box::new(upgrade))) {
            Ok(ticket) => self.doing = Some(Doing::Report(ticket)),
            Err(error) => self.reported(engine, &Err(error)),
        }
        None
    }

    fn reported(&mut self, engine: &mut Engine, answer: &Result<Answer, Error>) {
        match answer {
            Ok(Answer::Reported { taken: true }) => engine.set_reported(ReportState::Sent),
            Ok(_) => engine.set_reported(ReportState::Unwanted),
            Err(error) => {
                say(&format_args!("The report was not sent. {error}"));
                let pause = REPORT_RETRY << self.reporter.failures.min(MOST_REPORTS);
                let pause = pause.max(left_alone(error).min(LONGEST_REPORT_PAUSE));
                self.reporter.at = Some(self.moment().uptime + pause);
                self.reporter.failures += 1;
                if self.reporter.failures > MOST_REPORTS {
                    engine.set_reported(ReportState::Failed);
                }
            }
        }
    }

    /// What speaks against the image is the owner's to judge; anything else is an upgrade that did not
    /// take.
    fn not_flashed(&mut self, engine: &mut Engine, error: &Error) {
        if error.kind != Kind::Image {
            return self.flashed(engine, false);
        }
        let found = self.found.clone().unwrap_or_default();
        engine.set_notice(notices::left_to_the_owner(&found, error));
        self.agenda.decline();
    }

    fn flashed(&mut self, engine: &mut Engine, took: bool) {
        self.agenda.flashed(took);
        if self.agenda.stopped() {
            engine.set_notice(notices::no_more_upgrades());
        }
    }

    /// After a boot: did the automatic upgrade take? One of which nobody knows did not.
    fn look_back(&mut self, engine: &mut Engine) {
        let kept = self.agenda.kept();
        if !kept.open || self.doing.is_some() || engine.is_busy() {
            return;
        }
        let attempted = kept.attempted.unwrap_or_default();
        let last = engine.status().last_upgrade.as_ref();
        let took =
            last.is_some_and(|last| last.at >= attempted && last.result != Upgraded::NotApplied);
        self.flashed(engine, took);
        self.save(engine);
    }

    /// Only a newer release of the same branch is an upgrade that nobody has to decide about.
    fn judge(&mut self, plan: &Outline) -> Outcome {
        let of_branch = plan
            .running
            .version
            .strip_prefix(&plan.target.branch)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']));
        if plan.verdict != Verdict::Upgrade || !of_branch {
            return Outcome::Nothing;
        }
        self.found = Some(Release {
            version: plan.target.version.clone(),
            revision: plan.target.revision.clone(),
        });
        Outcome::Found
    }

    fn hand(&self, engine: &Engine) -> Hand {
        let status = engine.status();
        let Some(image) = &status.image else {
            return Hand::Empty;
        };
        let job = status.job.as_ref();
        let ours = job.filter(|job| Some(job.id) == self.agenda.kept().job);
        let wanted = self.found.as_ref().is_some_and(|found| {
            image.version == found.version && image.revision == found.revision
        });
        match ours {
            None => Hand::Theirs,
            Some(job) if wanted && job.phase == Phase::Ready => Hand::Ours,
            Some(_) => Hand::Empty,
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            uptime: system::uptime(&self.paths),
            clock: system::now(),
        }
    }

    /// The journal in /tmp has all of it, the flash what must survive a boot.
    fn save(&mut self, engine: &mut Engine) {
        let kept = self.agenda.kept();
        engine.set_schedule(kept);
        if !kept.is_news(&self.stored) {
            return;
        }
        let folder = self.paths.real(RECORD_FOLDER);
        let written =
            store::private_folder(&folder).and_then(|()| store::write(&file(&self.paths), kept));
        if let Err(error) = written {
            say(&error);
        }
        // Not again and again where the flash is full.
        self.stored = kept.clone();
    }
}

impl Doing {
    fn is(&self, ticket: Ticket) -> bool {
        matches!(self, Doing::Check(asked) | Doing::Report(asked) if *asked == ticket)
    }
}

fn file(paths: &Paths) -> std::path::PathBuf {
    paths.real(RECORD_FOLDER).join("schedule.json")
}

fn read(paths: &Paths) -> Kept {
    match store::read_record(&file(paths)) {
        Ok(kept) => kept.unwrap_or_default(),
        Err(error) => {
            say(&error);
            Kept::default()
        }
    }
}

/// When it will be `at` seconds since boot.
fn instant(moment: Moment, at: i64) -> Option<Instant> {
    let pause = u64::try_from(at.saturating_sub(moment.uptime)).unwrap_or(0);
    Instant::now().checked_add(Duration::from_secs(pause))
}

/// For how many seconds a server wants to be left alone.
fn left_alone(error: &Error) -> i64 {
    let wanted = error.retry_after.unwrap_or(0);
    i64::try_from(wanted).unwrap_or(i64::MAX)
}

/// Whether it may go better a little later.
fn outcome(error: &Error) -> Outcome {
    let passing = Outcome::Passing(left_alone(error));
    match error.kind {
        Kind::Offline | Kind::Overloaded | Kind::Clock | Kind::Tls | Kind::Server | Kind::Busy => {
            passing
        }
        // The server is behind the release, or its feeds moved while it built.
        Kind::Mismatch | Kind::Unsupported => passing,
        _ => Outcome::Failed,
    }
}
