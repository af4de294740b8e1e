//! Questions that take time: what the server has, what would change, whether a file is good.

use super::engine::Ticket;
use super::router::{self, SystemValidator};
use super::task::{died, Finished, Task};
use crate::api::{KeptPlan, Upgrade, Verification, Versions};
use crate::error::{Error, Kind};
use crate::job::{Downloaded, Event, Order, Task as JobTask};
use crate::json::{Encode, Object, Out};
use crate::paths::{Paths, IMAGE};
use crate::settings::Settings;
use crate::upgrade::verify::{self, Candidate, Terms};
use crate::upgrade::Choice;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// What somebody wants to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Which releases there are.
    Versions,
    /// What an upgrade would change.
    Check(Choice),
    /// Whether a file may be flashed.
    Verify(PathBuf),
    /// Nothing: tells the server what came of the last upgrade.
    Report(Box<Upgrade>),
}

/// What comes of it, for somebody who waits.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Of `check`.
    Plan(KeptPlan),
    /// Of `versions`.
    Versions(Versions),
    /// Of `verify`.
    Verification(Verification),
    /// Of a report.
    Reported {
        /// The server takes such.
        taken: bool,
    },
    /// Of `sysupgrade`.
    Started {
        /// Always.
        started: bool,
    },
}

impl Encode for Answer {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        match self {
            Answer::Plan(plan) => plan.encode(name, out),
            Answer::Versions(versions) => versions.encode(name, out),
            Answer::Verification(verification) => verification.encode(name, out),
            Answer::Reported { taken } => Object(&[("taken", taken)]).encode(name, out),
            Answer::Started { started } => Object(&[("started", started)]).encode(name, out),
        }
    }
}

/// A question under way.
pub struct Query {
    question: Question,
    task: Task,
    tickets: Vec<Ticket>,
    answer: Option<Result<Answer, Error>>,
}

impl Query {
    /// Begins to find out.
    /// `downloaded` is what the image in hand is held against.
    pub fn start(
        paths: &Paths,
        question: Question,
        ticket: Ticket,
        downloaded: Option<Downloaded>,
    ) -> Result<Query, Error> {
        let order = |task, choice| -> Result<Task, Error> {
            let inputs = router::inputs(paths, choice)?;
            let upgrade = None;
            Task::job(
                paths,
                &Order {
                    task,
                    inputs,
                    upgrade,
                },
            )
        };
        let task = match &question {
            Question::Versions => order(JobTask::Versions, Choice::default())?,
            Question::Check(choice) => order(JobTask::Check, choice.clone())?,
            Question::Report(upgrade) => {
                let order = Order {
                    task: JobTask::Report,
                    inputs: router::inputs(paths, Choice::default())?,
                    upgrade: Some((**upgrade).clone()),
                };
                Task::job(paths, &order)?
            }
            Question::Verify(path) => {
                let downloaded = downloaded.filter(|_| path == Path::new(IMAGE));
                verification(paths, Candidate::open(paths, path)?, downloaded)?
            }
        };
        Ok(Query {
            question,
            task,
            tickets: vec![ticket],
            answer: None,
        })
    }

    /// One more wants to know; false: but something else.
    pub fn join(&mut self, question: &Question, ticket: Ticket) -> bool {
        let same = self.question == *question;
        if same {
            self.tickets.push(ticket);
        }
        same
    }

    /// Whether it is a check for an upgrade.
    pub fn is_check(&self) -> bool {
        matches!(self.question, Question::Check(_))
    }

    /// What to wait for.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.task.fd()
    }

    /// Hears what the task has to say; the second value says that it has ended.
    pub fn listen(&mut self) -> bool {
        let (events, end) = match self.task.events() {
            Ok(heard) => heard,
            Err(error) => {
                self.answer = Some(Err(error));
                return true;
            }
        };
        for event in events {
            match event {
                Event::Plan(plan) => self.answer = Some(Ok(Answer::Plan(plan))),
                Event::Versions(versions) => self.answer = Some(Ok(Answer::Versions(versions))),
                Event::Reported(taken) => self.answer = Some(Ok(Answer::Reported { taken })),
                Event::Failed(error) => self.answer = Some(Err(error)),
                Event::Progress(_) | Event::Image(_) => {}
            }
        }
        end
    }

    /// The answer of a task that has ended, and who waits for it.
    pub fn finish(self) -> (Vec<Ticket>, Result<Answer, Error>) {
        let answer = match self.task.finish() {
            Err(error) => Err(error),
            Ok(Finished::Judged(judged)) => judged.map(|judged| {
                let valid = judged.image.is_ok();
                Answer::Verification(Verification {
                    checks: judged.checks,
                    valid,
                })
            }),
            Ok(Finished::Job(ended)) => self
                .answer
                .unwrap_or_else(|| Err(died(ended, "asking the server"))),
            Ok(Finished::Flashed(_)) => Err(Error::new(Kind::Internal, "A question can't flash.")),
        };
        (self.tickets, answer)
    }
}

/// Judges a file in a thread.
pub fn verification(
    paths: &Paths,
    candidate: Candidate,
    downloaded: Option<Downloaded>,
) -> Result<Task, Error> {
    let paths = paths.clone();
    let (device, _) = router::device_and_packages(&paths)?;
    let terms = Terms::of(&Settings::read(&paths)?);
    Task::thread(move |_| {
        let mut validator = SystemValidator::new(&paths);
        Finished::Judged(verify::verify(
            &paths,
            &device,
            candidate,
            downloaded,
            &terms,
            &mut validator,
        ))
    })
}
