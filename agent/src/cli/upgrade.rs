//! The commands that build, fetch and install, and the view of a job until it has ended.

use super::agent::{nothing, nothing_in_hand, Agent};
use super::commands::{absolute, checks, is_warning, past, show_plan};
use super::files;
use super::options::Options;
use super::output::Output;
use super::plan::{self, Said};
use super::progress::Progress;
use crate::api::{Goal, Image, Job, Outcome, Phase, Status, Upgrade, Verdict};
use crate::daemon::engine::RESTARTING;
use crate::error::{Error, Kind};
use crate::json::{Decode, Encode, Joined, Object};
use crate::settings::Settings;
use crate::text;
use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Default, Decode, Encode)]
struct Started {
    #[field(optional)]
    job: u32,
}

/// `upgrade` and `download`.
pub fn upgrade(
    agent: &mut Agent,
    goal: Goal,
    options: &Options,
    output: &mut Output,
) -> Result<ExitCode, Error> {
    let found = show_plan(agent, options, output)?;
    let conclusion = plan::conclusion(&found, Said::of(options));
    let force = options.choice.force;
    match found.verdict {
        Verdict::Current if !force => {
            if output.is_json() {
                output.object(&found)?;
            }
            output.line(&conclusion)?;
            return Ok(ExitCode::SUCCESS);
        }
        Verdict::Blocked => return Err(Error::new(Kind::Packages, conclusion)),
        Verdict::Downgrade if !force => return Err(Error::new(Kind::Usage, conclusion)),
        _ => {}
    }
    if goal == Goal::Upgrade {
        confirm(
            options,
            &format!(
                "Install OpenWrt {} now? The router restarts.",
                found.target.version
            ),
        )?;
    }
    let wishes = Wishes::of(options)?;
    let towards = Object(&[("goal", &goal)]);
    let order = Joined(&[&towards, &options.choice, &wishes]);
    let Started { job } = agent.call("start", &order)?;
    if let Agent::Daemon(_) = agent {
        output.line("The job goes on without this terminal: \"asu watch\" follows it, \"asu cancel\" ends it.")?;
    }
    let code = follow(agent, Some(job), options, output)?;
    match goal {
        Goal::Download => place(agent, options, output).map(|()| code),
        Goal::Upgrade => Ok(code),
    }
}

/// Puts the image where `--image`, or owut's option, wants it.
fn place(agent: &mut Agent, options: &Options, output: &mut Output) -> Result<(), Error> {
    let set = Settings::read(&options.paths)?.image;
    let set = set.map(|file| options.paths.real(file));
    let Some(file) = options.image.clone().or(set) else {
        return Ok(());
    };
    let status: Status = agent.call("status", &nothing())?;
    let image = status.image.ok_or_else(nothing_in_hand)?;
    files::place_image(&options.paths, &image, &file)?;
    output.line(&format!("It is {}, too.", file.display()))
}

/// `install`.
pub fn install(
    agent: &mut Agent,
    file: Option<&Path>,
    options: &Options,
    output: &mut Output,
) -> Result<ExitCode, Error> {
    confirm(options, "Install the image now? The router restarts.")?;
    let path = file.map(absolute).transpose()?;
    let mut image: Vec<(&str, &dyn Encode)> = vec![("force", &options.choice.force)];
    image.extend(path.iter().map(|path| ("path", path as &dyn Encode)));
    let wishes = Wishes::of(options)?;
    let Started { .. } = agent.call("sysupgrade", &Joined(&[&Object(&image), &wishes]))?;
    follow(agent, None, options, output)
}

/// Whether to keep the settings, and what to run before, is up to the daemon's settings, unless it
/// is said here.
#[derive(Encode)]
struct Wishes {
    #[field(sparse)]
    keep: Option<bool>,
    #[field(sparse)]
    pre_install: Option<PathBuf>,
}

impl Wishes {
    fn of(options: &Options) -> Result<Wishes, Error> {
        let hook = options.pre_install.as_deref();
        Ok(Wishes {
            keep: options.keep,
            pre_install: hook.map(absolute).transpose()?,
        })
    }
}

/// Asks before anything is flashed.
fn confirm(options: &Options, question: &str) -> Result<(), Error> {
    if options.yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Error::new(
            Kind::Usage,
            "Nobody can be asked here: add --yes if you mean it.",
        ));
    }
    eprint!("{} [y/N] ", text::line(question));
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    match (read, answer.trim()) {
        (Ok(_), "y" | "Y" | "yes") => Ok(()),
        _ => Err(Error::new(Kind::Cancelled, "Nothing was done.")),
    }
}

/// Shows the job until it has ended, and says how it did.
fn follow(
    agent: &mut Agent,
    id: Option<u32>,
    options: &Options,
    output: &mut Output,
) -> Result<ExitCode, Error> {
    let mut progress = Progress::default();
    let mut end = None;
    agent.watch(&options.paths, &mut |status: &Status| {
        let Some(job) = status
            .job
            .as_ref()
            .filter(|job| id.is_none_or(|id| job.id == id))
        else {
            // After a restart of the router nobody knows the job any more; the history does.
            end = status.last_upgrade.clone().map(End::Upgraded);
            return Ok(false);
        };
        progress.show(job, output)?;
        let over = job.phase == Phase::Flashing && job.detail == RESTARTING;
        if over || is_over(job) {
            end = Some(End::Job(Box::new(job.clone()), status.image.clone()));
            return Ok(false);
        }
        Ok(true)
    })?;
    match end {
        Some(End::Job(job, image)) => job_ended(&job, image.as_ref(), output),
        Some(End::Upgraded(upgrade)) => upgrade_ended(&upgrade, output),
        None => Err(Error::new(Kind::Internal, "There is no such job any more.")),
    }
}

enum End {
    Job(Box<Job>, Option<Image>),
    Upgraded(Upgrade),
}

fn is_over(job: &Job) -> bool {
    match job.phase {
        Phase::Ready => job.goal == Goal::Download,
        phase => !crate::daemon::phase::is_working(phase),
    }
}

fn job_ended(job: &Job, image: Option<&Image>, output: &mut Output) -> Result<ExitCode, Error> {
    match (&job.error, job.phase) {
        (Some(error), _) => Err(error.clone()),
        (None, Phase::Cancelled) => Err(Error::new(Kind::Cancelled, "The job was cancelled.")),
        (None, Phase::Flashing) => {
            let all = image.map(|image| image.checks.as_slice());
            checks(all.unwrap_or_default(), is_warning, output)?;
            output.line("sysupgrade has the image: the router restarts with it. \"asu history\" says afterwards whether everything is as promised.")?;
            Ok(ExitCode::SUCCESS)
        }
        (None, _) => {
            if let Some(image) = image {
                checks(&image.checks, |_| true, output)?;
                output.line(&format!(
                    "The image is ready: {}. \"asu install\" installs it.",
                    image.path
                ))?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn upgrade_ended(upgrade: &Upgrade, output: &mut Output) -> Result<ExitCode, Error> {
    if output.is_json() {
        output.object(upgrade)?;
    }
    past(upgrade, output)?;
    Ok(match upgrade.result {
        Outcome::Confirmed => ExitCode::SUCCESS,
        Outcome::Differs | Outcome::NotApplied => ExitCode::FAILURE,
    })
}

/// `watch`.
pub fn watch(agent: &mut Agent, options: &Options, output: &mut Output) -> Result<ExitCode, Error> {
    let status: Status = agent.call("status", &nothing())?;
    match &status.job {
        None => {
            if output.is_json() {
                output.object(&status)?;
            }
            output.line("There is no job.")?;
            Ok(ExitCode::SUCCESS)
        }
        Some(job) => follow(agent, Some(job.id), options, output),
    }
}
