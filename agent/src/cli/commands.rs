//! The commands that ask the agent.

use super::agent::{nothing, nothing_in_hand, Agent};
use super::files;
use super::options::{Command, Options};
use super::output::Output;
use super::plan::{self, Said};
use super::progress::Progress;
use super::{diff, packages, upgrade};
use crate::api::{
    CheckResult, Difference, DifferenceKind, Goal, History, ImageCheck, Outcome, Plan, Report,
    ReportState, Status, Upgrade, Verdict, Verification, Versions,
};
use crate::daemon::router;
use crate::error::{Error, Kind};
use crate::json::{Decode, Encode, Object};
use crate::settings::Settings;
use crate::upgrade::feeds::Feeds;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Exit code of `check`: an upgrade is available.
const AVAILABLE: u8 = 20;
/// Exit code of `check`: an upgrade is available, but something is in the way.
const BLOCKED: u8 = 21;

/// Runs a command that needs the agent.
pub fn run(command: &Command, options: &Options, output: &mut Output) -> Result<ExitCode, Error> {
    if *command == Command::List && !options.is_planned() {
        // Needs no daemon and takes nobody's place.
        return packages::list(&router::packagelist(&options.paths, options.all)?, output);
    }
    let mut agent = Agent::find(&options.paths, options.standalone)?;
    let agent = &mut agent;
    match command {
        Command::Check => check(agent, options, output),
        Command::Upgrade => upgrade::upgrade(agent, Goal::Upgrade, options, output),
        Command::Download => upgrade::upgrade(agent, Goal::Download, options, output),
        Command::Install(file) => upgrade::install(agent, named(file, options)?, options, output),
        Command::Verify(file) => verify(agent, named(file, options)?, output),
        Command::List => packages::selection(&ask_plan(agent, options)?, options, output),
        Command::Diff(from, to) => diff::run(agent, from.as_deref(), to, options, output),
        Command::Dump => packages::dump(agent, options, output),
        Command::Versions => versions(&agent.call("versions", &nothing())?, output),
        Command::Blob => packages::blob(&ask_plan(agent, options)?, options, output),
        Command::Status => status(&agent.call("status", &nothing())?, output),
        Command::Watch => upgrade::watch(agent, options, output),
        Command::Cancel => cancel(agent, output),
        Command::History => history(&agent.call("history", &nothing())?, output),
        Command::Clean => {
            let Cleaned {} = agent.call("clean", &nothing())?;
            if output.is_json() {
                output.object(&nothing())?;
            }
            output.line("Nothing is left of images and jobs.")?;
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(Error::new(
            Kind::Internal,
            "This command does not ask the agent.",
        )),
    }
}

#[derive(Default, Decode, Encode)]
struct Cancelled {
    cancelled: bool,
}

/// There is nothing to say of it.
#[derive(Decode, Default)]
struct Cleaned {}

pub(super) fn ask_plan(agent: &mut Agent, options: &Options) -> Result<Plan, Error> {
    agent.call("check", &options.choice)
}

/// The image is named behind the command, or by --image as owut has it.
fn named<'a>(file: &'a Option<PathBuf>, options: &'a Options) -> Result<Option<&'a Path>, Error> {
    match (file, &options.image) {
        (Some(_), Some(_)) => Err(Error::new(
            Kind::Usage,
            "Name the image once: behind the command, or with --image.",
        )),
        (file, image) => Ok(file.as_deref().or(image.as_deref())),
    }
}

fn check(agent: &mut Agent, options: &Options, output: &mut Output) -> Result<ExitCode, Error> {
    let found = show_plan(agent, options, output)?;
    if output.is_json() {
        output.object(&found)?;
    } else {
        output.line(&plan::conclusion(&found, Said::of(options)))?;
        own_feeds(&found, options, output)?;
    }
    let verdict = found.verdict;
    // The program ends; nobody needs the memory of a thousand names back one by one.
    std::mem::forget(found);
    Ok(match verdict {
        Verdict::Current => ExitCode::SUCCESS,
        Verdict::Blocked => ExitCode::from(BLOCKED),
        Verdict::Upgrade | Verdict::Rebuild | Verdict::Downgrade => ExitCode::from(AVAILABLE),
    })
}

/// Asks for the plan; shows it to people, and keeps it where that is wanted.
pub(super) fn show_plan(
    agent: &mut Agent,
    options: &Options,
    output: &mut Output,
) -> Result<Plan, Error> {
    let settings = Settings::read(&options.paths)?;
    let found = ask_plan(agent, options)?;
    if options.keep_files || settings.keep_files {
        files::keep_plan(&options.paths, &found)?;
    }
    let quiet = settings.verbosity < 0 && !options.verbose;
    if !output.is_json() && !quiet {
        plan::show(&found, options.verbose || settings.verbosity > 0, output)?;
    }
    Ok(found)
}

/// What OpenWrt does not have may come from feeds that nobody has allowed yet.
fn own_feeds(plan: &Plan, options: &Options, output: &mut Output) -> Result<(), Error> {
    if plan.verdict != Verdict::Blocked || options.choice.feeds {
        return Ok(());
    }
    for manager in ["apk", "opkg"] {
        let feeds = Feeds::read(&options.paths, manager)?;
        if let Some((_, url)) = feeds.repositories.first() {
            let more =
                format!("If it comes from a feed of your own ({url}), try \"asu check --feeds\".");
            output.line(&more)?;
        }
    }
    Ok(())
}

/// The daemon has another working directory.
pub(super) fn absolute(file: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(file).map_err(|error| Error::file(file, "found", &error))
}

fn cancel(agent: &mut Agent, output: &mut Output) -> Result<ExitCode, Error> {
    let answer: Cancelled = agent.call("cancel", &nothing())?;
    if output.is_json() {
        output.object(&answer)?;
    }
    match answer.cancelled {
        true => output
            .line("The job was cancelled; nothing is left of it.")
            .map(|()| ExitCode::SUCCESS),
        false => {
            output.line("There is no job that could be cancelled.")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn verify(agent: &mut Agent, file: Option<&Path>, output: &mut Output) -> Result<ExitCode, Error> {
    let path = match file {
        Some(file) => absolute(file)?,
        None => in_hand(agent)?,
    };
    let verification: Verification = agent.call("verify", &Object(&[("path", &path)]))?;
    if output.is_json() {
        output.object(&verification)?;
    }
    checks(&verification.checks, |_| true, output)?;
    let warned = verification.checks.iter().any(is_warning);
    match verification.valid {
        true if warned => output
            .line("No check failed, but mind the warnings.")
            .map(|()| ExitCode::SUCCESS),
        true => output
            .line("The image is good.")
            .map(|()| ExitCode::SUCCESS),
        false => {
            output.line("The image is refused: do not install it.")?;
            Ok(ExitCode::from(Kind::Image.exit_code()))
        }
    }
}

fn in_hand(agent: &mut Agent) -> Result<PathBuf, Error> {
    let status: Status = agent.call("status", &nothing())?;
    status
        .image
        .map(|image| image.path.into())
        .ok_or_else(nothing_in_hand)
}

pub(super) fn is_warning(check: &ImageCheck) -> bool {
    check.result == CheckResult::Warning
}

pub(super) fn checks(
    checks: &[ImageCheck],
    wanted: fn(&ImageCheck) -> bool,
    output: &mut Output,
) -> Result<(), Error> {
    for check in checks.iter().filter(|check| wanted(check)) {
        let result = match check.result {
            CheckResult::Pass => "pass",
            CheckResult::Warning => "WARNING",
            CheckResult::Fail => "FAIL",
            CheckResult::Skipped => "skipped",
        };
        output.line(&format!(
            "  {:10}  {result:7}  {}",
            check.name, check.detail
        ))?;
    }
    Ok(())
}

fn versions(versions: &Versions, output: &mut Output) -> Result<ExitCode, Error> {
    if output.is_json() {
        output.object(versions)?;
    }
    output.line(&format!("Running    {}", versions.running.version))?;
    for branch in &versions.branches {
        let newest = match branch.latest.as_str() {
            "" => "no release".to_owned(),
            latest => format!("newest {latest}"),
        };
        output.line(&format!(
            "{:10} {newest}; {}",
            branch.name,
            branch.versions.join(" ")
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn status(status: &Status, output: &mut Output) -> Result<ExitCode, Error> {
    if output.is_json() {
        output.object(status)?;
        return Ok(ExitCode::SUCCESS);
    }
    match &status.job {
        None => output.line("No job.")?,
        Some(job) => {
            output.line(&format!(
                "Job {} for OpenWrt {} by {}:",
                job.id, job.version, job.server
            ))?;
            Progress::default().show(job, output)?;
            output.line("")?;
            if let Some(error) = &job.error {
                output.error(error);
            }
        }
    }
    if let Some(image) = &status.image {
        output.line(&format!(
            "Image ready: {} (OpenWrt {}).",
            image.path, image.version
        ))?;
    }
    if let Some(error) = status.check.as_ref().and_then(|check| check.error.as_ref()) {
        output.line(&format!("The last check failed: {}", error.message))?;
    }
    if let Some(plan) = status.check.as_ref().and_then(|check| check.plan.as_ref()) {
        output.line(&plan::conclusion(&plan.read()?, Said::default()))?;
    }
    if let Some(upgrade) = &status.last_upgrade {
        past(upgrade, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn history(history: &History, output: &mut Output) -> Result<ExitCode, Error> {
    if output.is_json() {
        output.object(history)?;
        return Ok(ExitCode::SUCCESS);
    }
    if history.upgrades.is_empty() {
        output.line("No upgrade is on record.")?;
    }
    history
        .upgrades
        .iter()
        .try_for_each(|upgrade| past(upgrade, output))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn past(upgrade: &Upgrade, output: &mut Output) -> Result<(), Error> {
    let result = match upgrade.result {
        Outcome::Confirmed => "confirmed: everything is as promised",
        Outcome::Differs => "it runs, but not as promised",
        Outcome::NotApplied => "it did not take; the old system runs unchanged",
    };
    let (from, to) = (&upgrade.from, &upgrade.to);
    output.line(&format!(
        "Upgrade from {} ({}) to {} ({}): {result}.",
        from.version, from.revision, to.version, to.revision
    ))?;
    upgrade
        .differences
        .iter()
        .try_for_each(|difference| output.line(&describe(difference)))?;
    if !upgrade.left_out.is_empty() {
        let (names, added) = (upgrade.left_out.join(", "), upgrade.left_out.join(","));
        output.line(&format!(
            "  left out, because the release does not have them: {names}. Once it does: asu upgrade --add {added}"
        ))?;
    }
    match &upgrade.report {
        None => Ok(()),
        Some(report) => output.line(&told(report)),
    }
}

/// What the server was told: all of it, but for the line above.
fn told(report: &Report) -> String {
    let state = match report.state {
        ReportState::Waiting => "is still to be sent",
        ReportState::Sent => "was sent",
        ReportState::Unwanted => "is not wanted",
        ReportState::Failed => "could not be sent",
    };
    format!(
        "  the report to {} {state}: these releases and this result, target {}, profile {}, nothing else",
        report.server, report.target, report.profile
    )
}

fn describe(difference: &Difference) -> String {
    let name = match difference.name.as_str() {
        "" if difference.kind == DifferenceKind::Revision => "revision",
        "" => "version",
        name => name,
    };
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    format!(
        "  {name}: expected {}, found {}",
        or_none(&difference.expected),
        or_none(&difference.found)
    )
}
