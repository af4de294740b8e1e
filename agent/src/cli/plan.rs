//! A plan for people.

use super::options::Options;
use super::output::Output;
use crate::api::{
    Missing, NamedVersion, PackageChanges, Plan, Release, Renamed, Target, Verdict, VersionChange,
    VersionChanges,
};
use crate::error::Error;
use crate::json;

/// Prints what would change, package by package, and (`verbose`) exactly what would be asked for.
pub fn show(plan: &Plan, verbose: bool, output: &mut Output) -> Result<(), Error> {
    output.line(&format!("Server     {}", plan.server))?;
    output.line(&format!("Running    {}", release(&plan.running)))?;
    output.line(&format!("Available  {}", target(&plan.target)))?;
    if let (true, Some(request)) = (verbose, &plan.request) {
        let count = request.packages.len() + request.packages_versions.len();
        output.line(&format!(
            "Device     {} ({})",
            request.profile, request.target
        ))?;
        output.line(&format!(
            "Request    {count} packages, {} changes to the release's defaults",
            plan.selection.len()
        ))?;
    }
    packages(&plan.packages, output)?;
    let defaults = &plan.defaults;
    list(
        "New default packages",
        &mut defaults.added.iter().cloned(),
        output,
    )?;
    if !defaults.removed_by_user.is_empty() {
        let names = defaults.removed_by_user.join(", ");
        output.line("")?;
        output.line(&format!("Default packages that stay removed: {names}"))?;
    }
    let replaced = defaults.replaced.iter();
    let mut replaced = replaced.map(|replaced| format!("{} by {}", replaced.default, replaced.by));
    list("Default packages replaced", &mut replaced, output)?;
    list("Notes", &mut plan.notes.iter().cloned(), output)?;
    if let (true, Some(request)) = (verbose, &plan.request) {
        output.line("")?;
        output.line(&format!("Request: {}", json::text(request)?))?;
    }
    output.line("")
}

/// Prints changes, package by package.
pub fn packages(packages: &PackageChanges, output: &mut Output) -> Result<(), Error> {
    changes("Newer", &packages.upgrade, output)?;
    changes("Older", &packages.downgrade, output)?;
    let named = |package: &NamedVersion| [&package.name, " ", &package.version].concat();
    list("New", &mut packages.new.iter().map(named), output)?;
    list("Gone", &mut packages.gone.iter().map(named), output)?;
    let renamed = |package: &Renamed| [&package.from, " → ", &package.to].concat();
    list("Renamed", &mut packages.renamed.iter().map(renamed), output)?;
    let missing = |missing: &Missing| match missing.needed_by.is_empty() {
        true => missing.name.clone(),
        false => format!(
            "{}, needed by {}",
            missing.name,
            missing.needed_by.join(", ")
        ),
    };
    list("Missing", &mut packages.missing.iter().map(missing), output)
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

fn changes(title: &str, changes: &VersionChanges, output: &mut Output) -> Result<(), Error> {
    let width = changes.iter().map(|change| change.name.len()).max();
    let spaces = " ".repeat(width.unwrap_or(0) + 2);
    let line = |VersionChange { name, from, to }| {
        let space = spaces.get(name.chars().count()..).unwrap_or_default();
        [name, space, from, to]
    };
    if changes.is_empty() {
        return Ok(());
    }
    heading(title, changes.iter().len(), output)?;
    output.rows(["  ", "", "", " → "], &mut changes.iter().map(line))
}

/// What stands above a list.
fn heading(title: &str, len: usize, output: &mut Output) -> Result<(), Error> {
    output.line("")?;
    output.line(&format!("{title} ({len}):"))
}

/// Prints a list with its heading, if there is anything in it.
pub fn list(
    title: &str,
    lines: &mut dyn ExactSizeIterator<Item = String>,
    output: &mut Output,
) -> Result<(), Error> {
    if lines.len() == 0 {
        return Ok(());
    }
    heading(title, lines.len(), output)?;
    for line in lines {
        output.line(&["  ", line.as_str()].concat())?;
    }
    Ok(())
}

/// What was said with a command: a command that is offered says it again.
#[derive(Clone, Copy, Default)]
pub struct Said<'a> {
    /// Options as they were typed.
    pub given: &'a [String],
    /// Packages to add.
    pub add: &'a [String],
}

impl<'a> Said<'a> {
    /// From the command line.
    pub fn of(options: &'a Options) -> Said<'a> {
        Said {
            given: &options.given,
            add: &options.choice.add,
        }
    }

    /// What is only looked at: upgrade does not take `--device`.
    fn for_another_device(&self) -> bool {
        self.given.iter().any(|word| word == "--device")
    }

    fn upgrade(&self, more: &[&str]) -> String {
        let command = match self.for_another_device() {
            true => "check",
            false => "upgrade",
        };
        let words = ["asu", command].into_iter();
        let words = words.chain(self.given.iter().map(String::as_str));
        let words = words.chain(more.iter().copied());
        words.collect::<Vec<_>>().join(" ")
    }
}

/// What it comes to, and what to do about it.
pub fn conclusion(plan: &Plan, said: Said<'_>) -> String {
    let version = &plan.target.version;
    let upgrade = said.upgrade(&[]);
    match plan.verdict {
        Verdict::Blocked => blocked(plan, said),
        _ if said.for_another_device() => {
            format!("OpenWrt {version} is there for that device; nothing of it is installed here.")
        }
        Verdict::Current => "This router is up to date.".to_owned(),
        Verdict::Upgrade => format!("OpenWrt {version} is available: \"{upgrade}\" installs it."),
        Verdict::Rebuild => {
            format!("Newer packages are available: \"{upgrade}\" installs them.")
        }
        Verdict::Downgrade => {
            let chosen = said.given.iter().any(|word| word == "--version-to");
            let command = match chosen {
                true => said.upgrade(&["--force"]),
                false => said.upgrade(&["--version-to", version, "--force"]),
            };
            format!("OpenWrt {version} is older than what runs or ran here: only \"{command}\" installs it.")
        }
    }
}

/// Why, and the command that goes on without what is missing. A name that was only just typed is
/// more likely wrong than missing.
fn blocked(plan: &Plan, said: Said<'_>) -> String {
    let names = plan.packages.missing.iter();
    let names = names.map(|missing| missing.name.as_str());
    let (typed, chosen): (Vec<&str>, Vec<&str>) =
        names.partition(|name| said.add.iter().any(|added| added == name));
    let version = &plan.target.version;
    let mut text = format!("OpenWrt {version} is available, but ");
    if !typed.is_empty() {
        let typed = typed.join(", ");
        text.push_str(&format!(
            "has no package {typed}: correct --add, or leave it out."
        ));
    }
    if !chosen.is_empty() {
        if !typed.is_empty() {
            text.push_str(" It also ");
        }
        let command = said.upgrade(&["--ignore", &chosen.join(",")]);
        let chosen = chosen.join(", ");
        text.push_str(&format!(
            "does not have {chosen}. Wait until it has, or go on without: \"{command}\"."
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Defaults, Missing};

    fn plan(verdict: Verdict, missing: &[&str]) -> Plan {
        let missing = missing.iter().map(|name| Missing {
            name: (*name).to_owned(),
            needed_by: Vec::new(),
        });
        Plan {
            server: String::new(),
            running: Release::default(),
            target: Target {
                version: "25.12.0".to_owned(),
                ..Target::default()
            },
            verdict,
            packages: PackageChanges {
                missing: missing.collect(),
                ..PackageChanges::default()
            },
            defaults: Defaults::default(),
            selection: Vec::new(),
            notes: Vec::new(),
            request: None,
        }
    }

    #[test]
    fn a_command_is_offered_with_what_was_said() {
        let given: Vec<String> = ["--version-to", "25.12", "--add", "a,x"]
            .map(str::to_owned)
            .to_vec();
        let add = ["a".to_owned(), "x".to_owned()];
        let said = Said {
            given: &given,
            add: &add,
        };
        for (verdict, missing, expected) in [
            (Verdict::Upgrade, &[][..], "\"asu upgrade --version-to 25.12 --add a,x\" installs it"),
            (Verdict::Rebuild, &[], "\"asu upgrade --version-to 25.12 --add a,x\" installs them"),
            (Verdict::Downgrade, &[], "\"asu upgrade --version-to 25.12 --add a,x --force\""),
            (Verdict::Blocked, &["b", "c"], "does not have b, c. Wait until it has, or go on without: \"asu upgrade --version-to 25.12 --add a,x --ignore b,c\"."),
            (Verdict::Blocked, &["x"], "has no package x: correct --add"),
            (Verdict::Blocked, &["b", "x"], "correct --add, or leave it out. It also does not have b."),
        ] {
            let sentence = conclusion(&plan(verdict, missing), said);
            assert!(sentence.contains(expected), "{sentence}");
        }
        let sentence = conclusion(&plan(Verdict::Downgrade, &[]), Said::default());
        assert!(
            sentence.contains("\"asu upgrade --version-to 25.12.0 --force\""),
            "{sentence}"
        );
    }

    #[test]
    fn nothing_of_another_device_is_offered_for_installing() {
        let given = ["--device", "x86/64:generic"].map(str::to_owned);
        let said = Said {
            given: &given,
            ..Said::default()
        };
        for verdict in [
            Verdict::Current,
            Verdict::Upgrade,
            Verdict::Rebuild,
            Verdict::Downgrade,
        ] {
            assert_eq!(
                conclusion(&plan(verdict, &[]), said),
                "OpenWrt 25.12.0 is there for that device; nothing of it is installed here."
            );
        }
        let sentence = conclusion(&plan(Verdict::Blocked, &["b"]), said);
        let command = "\"asu check --device x86/64:generic --ignore b\"";
        assert!(sentence.contains(command), "{sentence}");
    }
}
