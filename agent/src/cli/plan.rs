//! A plan for people.

use super::output::Output;
use crate::api::{Plan, Release, Verdict, VersionChange};
use crate::error::Error;
use crate::json;

/// Prints what would change, package by package, and (`verbose`) exactly what would be asked for.
pub fn show(plan: &Plan, verbose: bool, output: &mut Output) -> Result<(), Error> {
    let target = &plan.target;
    let wanted = Release {
        version: target.version.clone(),
        revision: target.revision.clone(),
    };
    output.line(&format!("Server     {}", plan.server))?;
    output.line(&format!("Running    {}", release(&plan.running)))?;
    output.line(&format!(
        "Available  {}{}",
        release(&wanted),
        kernel(&target.kernel)
    ))?;
    let packages = &plan.packages;
    changes("Newer", &packages.upgrade, output)?;
    changes("Older", &packages.downgrade, output)?;
    let names = |list: &[crate::api::NamedVersion]| -> Vec<String> {
        list.iter()
            .map(|package| format!("{} {}", package.name, package.version))
            .collect()
    };
    list("New", &names(&packages.new), output)?;
    list("Gone", &names(&packages.gone), output)?;
    let renamed = packages
        .renamed
        .iter()
        .map(|package| format!("{} → {}", package.from, package.to));
    list("Renamed", &renamed.collect::<Vec<_>>(), output)?;
    let defaults = &plan.defaults;
    list("New default packages", &defaults.added, output)?;
    if !defaults.removed_by_user.is_empty() {
        let names = defaults.removed_by_user.join(", ");
        output.line("")?;
        output.line(&format!("Default packages that stay removed: {names}"))?;
    }
    let replaced = defaults.replaced.iter();
    let replaced = replaced.map(|replaced| format!("{} by {}", replaced.default, replaced.by));
    list(
        "Default packages replaced",
        &replaced.collect::<Vec<_>>(),
        output,
    )?;
    let missing = packages.missing.iter().map(|package| package.name.clone());
    list("Missing", &missing.collect::<Vec<_>>(), output)?;
    list("Notes", &plan.notes, output)?;
    if let (true, Some(request)) = (verbose, &plan.request) {
        output.line("")?;
        output.line(&format!("Request: {}", json::text(&json::value(request)?)))?;
    }
    output.line("")?;
    output.line(&conclusion(plan))
}

fn release(release: &Release) -> String {
    match release.revision.is_empty() {
        true => format!("OpenWrt {}", release.version),
        false => format!("OpenWrt {} ({})", release.version, release.revision),
    }
}

fn kernel(kernel: &str) -> String {
    match kernel.is_empty() {
        true => String::new(),
        false => format!(", kernel {kernel}"),
    }
}

fn changes(title: &str, changes: &[VersionChange], output: &mut Output) -> Result<(), Error> {
    let width = changes
        .iter()
        .map(|change| change.name.len())
        .max()
        .unwrap_or(0);
    let lines = changes
        .iter()
        .map(|change| format!("{:width$}  {} → {}", change.name, change.from, change.to));
    list(title, &lines.collect::<Vec<_>>(), output)
}

fn list(title: &str, lines: &[String], output: &mut Output) -> Result<(), Error> {
    if lines.is_empty() {
        return Ok(());
    }
    output.line("")?;
    output.line(&format!("{title} ({}):", lines.len()))?;
    lines
        .iter()
        .try_for_each(|line| output.line(&format!("  {line}")))
}

/// What it comes to, and what to do about it.
pub fn conclusion(plan: &Plan) -> String {
    let version = &plan.target.version;
    match plan.verdict {
        Verdict::Current => "This router is up to date.".to_owned(),
        Verdict::Upgrade => format!("OpenWrt {version} is available: \"asu upgrade\" installs it."),
        Verdict::Rebuild => {
            "Newer packages are available: \"asu upgrade\" installs them.".to_owned()
        }
        Verdict::Downgrade => {
            format!("OpenWrt {version} is older than what runs: only \"asu upgrade --force --version {version}\" installs it.")
        }
        Verdict::Blocked => {
            let missing: Vec<&str> = plan
                .packages
                .missing
                .iter()
                .map(|missing| missing.name.as_str())
                .collect();
            let missing = missing.join(",");
            format!("OpenWrt {version} is available, but does not have {missing}. Wait until it has, or go on without: \"asu upgrade --ignore {missing}\".")
        }
    }
}
