//! A plan for people.

use super::output::Output;
use crate::api::{NamedVersion, PackageChanges, Plan, Release, Target, Verdict, VersionChange};
use crate::error::Error;
use crate::json;

/// Prints what would change, package by package, and (`verbose`) exactly what would be asked for.
pub fn show(plan: &Plan, verbose: bool, output: &mut Output) -> Result<(), Error> {
    output.line(&format!("Server     {}", plan.server))?;
    output.line(&format!("Running    {}", release(&plan.running)))?;
    output.line(&format!("Available  {}", target(&plan.target)))?;
    packages(&plan.packages, output)?;
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
    list("Notes", &plan.notes, output)?;
    if let (true, Some(request)) = (verbose, &plan.request) {
        output.line("")?;
        output.line(&format!("Request: {}", json::text(&json::value(request)?)))?;
    }
    output.line("")
}

/// Prints changes, package by package.
pub fn packages(packages: &PackageChanges, output: &mut Output) -> Result<(), Error> {
    changes("Newer", &packages.upgrade, output)?;
    changes("Older", &packages.downgrade, output)?;
    let names = |list: &[NamedVersion]| -> Vec<String> {
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
    let missing = packages
        .missing
        .iter()
        .map(|missing| match missing.needed_by.is_empty() {
            true => missing.name.clone(),
            false => format!(
                "{}, needed by {}",
                missing.name,
                missing.needed_by.join(", ")
            ),
        });
    list("Missing", &missing.collect::<Vec<_>>(), output)
}

/// A release with its kernel.
pub fn target(target: &Target) -> String {
    let text = release(&Release {
        version: target.version.clone(),
        revision: target.revision.clone(),
    });
    match target.kernel.is_empty() {
        true => text,
        false => format!("{text}, kernel {}", target.kernel),
    }
}

fn release(release: &Release) -> String {
    match release.revision.is_empty() {
        true => format!("OpenWrt {}", release.version),
        false => format!("OpenWrt {} ({})", release.version, release.revision),
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

/// Prints a list with its heading, if there is anything in it.
pub fn list(title: &str, lines: &[String], output: &mut Output) -> Result<(), Error> {
    if lines.is_empty() {
        return Ok(());
    }
    output.line("")?;
    output.line(&format!("{title} ({}):", lines.len()))?;
    lines
        .iter()
        .try_for_each(|line| output.line(&format!("  {line}")))
}

/// What it comes to, and what to do about it; `given` are the options that were typed.
pub fn conclusion(plan: &Plan, given: &[String]) -> String {
    let version = &plan.target.version;
    let upgrade = |more: &[&str]| {
        let words = ["asu", "upgrade"].into_iter();
        let words = words.chain(given.iter().map(String::as_str));
        words
            .chain(more.iter().copied())
            .collect::<Vec<_>>()
            .join(" ")
    };
    match plan.verdict {
        Verdict::Current => "This router is up to date.".to_owned(),
        Verdict::Upgrade => {
            format!(
                "OpenWrt {version} is available: \"{}\" installs it.",
                upgrade(&[])
            )
        }
        Verdict::Rebuild => {
            format!(
                "Newer packages are available: \"{}\" installs them.",
                upgrade(&[])
            )
        }
        Verdict::Downgrade => {
            let chosen = given.iter().any(|word| word == "--version-to");
            let command = match chosen {
                true => upgrade(&["--force"]),
                false => upgrade(&["--version-to", version, "--force"]),
            };
            format!("OpenWrt {version} is older than what runs or ran here: only \"{command}\" installs it.")
        }
        Verdict::Blocked => blocked(plan, &upgrade),
    }
}

/// Why, and the command that goes on without what is missing.
fn blocked(plan: &Plan, upgrade: &dyn Fn(&[&str]) -> String) -> String {
    let names = plan.packages.missing.iter();
    let names: Vec<&str> = names.map(|missing| missing.name.as_str()).collect();
    let (listed, joined) = (names.join(", "), names.join(","));
    format!(
        "OpenWrt {} is available, but does not have {listed}. Wait until it has, or go on without: \"{}\".",
        plan.target.version,
        upgrade(&["--ignore", &joined])
    )
}
