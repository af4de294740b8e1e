//! Lists of packages and requests, for other programs and other tools.

use super::agent::{nothing, Agent};
use super::commands::ask_plan;
use super::options::{Format, Options};
use super::output::Output;
use super::plan::{self, Said};
use crate::api::{History, Info, PackageList, Plan, Versions};
use crate::error::{Error, Kind};
use crate::json::Object;
use std::process::ExitCode;

/// `list`: what is installed.
pub fn list(list: &PackageList, output: &mut Output) -> Result<ExitCode, Error> {
    if output.is_json() {
        output.object(list)?;
    }
    for (name, version) in &list.packages {
        output.line(&[name, " ", version].concat())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `list --format`: what is asked for, as other tools take it.
pub fn selection(plan: &Plan, options: &Options, output: &mut Output) -> Result<ExitCode, Error> {
    let format = options.format;
    let requested = || {
        let request = plan.request.iter();
        request.flat_map(|request| request.packages_versions.keys().chain(&request.packages))
    };
    let lines: Vec<String> = match format {
        Some(Format::FirmwareSelectorAll) => requested().cloned().collect(),
        Some(Format::Config) => plan.selection.iter().map(|name| config(name)).collect(),
        Some(Format::FirmwareSelector) | None => plan.selection.clone(),
    };
    if output.is_json() {
        output.object(&Object(&[("packages", &lines)]))?;
    } else if format == Some(Format::Config) {
        lines.iter().try_for_each(|line| output.line(line))?;
    } else {
        output.line(&lines.join(" "))?;
    }
    match plan.packages.missing.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Error::new(
            Kind::Packages,
            plan::conclusion(plan, Said::of(options)),
        )),
    }
}

/// A line of OpenWrt's .config.
fn config(name: &str) -> String {
    match name.strip_prefix('-') {
        None => format!("CONFIG_PACKAGE_{name}=y"),
        Some(name) => format!("# CONFIG_PACKAGE_{name} is not set"),
    }
}

/// `blob`: the request.
pub fn blob(plan: &Plan, options: &Options, output: &mut Output) -> Result<ExitCode, Error> {
    match &plan.request {
        Some(request) => output.object(request).map(|()| ExitCode::SUCCESS),
        None => {
            let sentence = plan::conclusion(plan, Said::of(options));
            Err(Error::new(Kind::Packages, sentence))
        }
    }
}

/// `dump`: all that the other commands show, in one object.
pub fn dump(agent: &mut Agent, options: &Options, output: &mut Output) -> Result<ExitCode, Error> {
    let info: Info = agent.call("info", &nothing())?;
    let all: PackageList = agent.call("packagelist", &Object(&[("all", &true)]))?;
    let chosen: PackageList = agent.call("packagelist", &nothing())?;
    let history: History = agent.call("history", &nothing())?;
    let versions: Versions = agent.call("versions", &nothing())?;
    let plan = ask_plan(agent, options)?;
    output.object(&Object(&[
        ("choice", &options.choice),
        ("info", &info),
        ("installed", &all.packages),
        ("chosen", &chosen.packages),
        ("history", &history.upgrades),
        ("versions", &versions),
        ("plan", &plan),
    ]))?;
    Ok(ExitCode::SUCCESS)
}
