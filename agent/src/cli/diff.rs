//! `asu diff`: what differs between two releases for this router, package by package.

use super::agent::Agent;
use super::options::Options;
use super::output::Output;
use super::plan;
use crate::api::{NamedVersion, PackageChanges, PackageList, Plan, Target};
use crate::error::Error;
use crate::json::{Encode, Object};
use crate::sorted::{Map, Names};
use crate::upgrade::Choice;
use std::process::ExitCode;

/// Package → version.
type Packages = Map<String>;

/// What `--json` prints.
#[derive(Encode)]
struct Diff {
    from: Target,
    to: Target,
    packages: PackageChanges,
    notes: Vec<String>,
}

/// Compares what the router would have under the one release and under the other; `from` is what
/// runs, where it is not named.
pub fn run(
    agent: &mut Agent,
    from: Option<&str>,
    to: &str,
    options: &Options,
    output: &mut Output,
) -> Result<ExitCode, Error> {
    let all: PackageList = agent.call("packagelist", &Object(&[("all", &true)]))?;
    let to = plan_for(agent, to, options)?;
    let (before, from) = match from {
        Some(from) => {
            let from = plan_for(agent, from, options)?;
            (after(&all.packages, &from), from.target)
        }
        None => {
            let running = to.running.clone();
            let target = Target {
                version: running.version,
                revision: running.revision,
                ..Target::default()
            };
            (all.packages.clone(), target)
        }
    };
    let diff = Diff {
        packages: compare(&before, &after(&all.packages, &to)),
        from,
        to: to.target,
        notes: to.notes,
    };
    if output.is_json() {
        output.object(&diff)?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line(&format!("From       {}", plan::target(&diff.from)))?;
    output.line(&format!("To         {}", plan::target(&diff.to)))?;
    plan::packages(&diff.packages, output)?;
    if diff.packages == PackageChanges::default() {
        output.line("")?;
        output.line("The packages are the same.")?;
    }
    plan::list("Notes", &mut diff.notes.iter().cloned(), output)?;
    Ok(ExitCode::SUCCESS)
}

/// A plan that nothing blocks: what is missing shows as gone.
fn plan_for(agent: &mut Agent, version: &str, options: &Options) -> Result<Plan, Error> {
    let choice = Choice {
        version: Some(version.to_owned()),
        drop_missing: true,
        ..options.choice.clone()
    };
    agent.call("check", &choice)
}

/// What is installed once a plan has been carried out. Of a name that is said more than once the last
/// version counts: a request without versions has none of the new names.
fn after(installed: &Packages, plan: &Plan) -> Packages {
    let changes = &plan.packages;
    let gone = changes.gone.iter().map(|gone| gone.name.as_str());
    let renamed = changes.renamed.iter().map(|renamed| renamed.from.as_str());
    let goes: Names<'_> = gone.chain(renamed).collect();
    let request = plan.request.as_ref();
    let versions = request.map(|request| &request.packages_versions);
    let renamed = changes.renamed.iter().map(|renamed| {
        let version = versions.and_then(|versions| versions.get(&renamed.to));
        (renamed.to.clone(), version.cloned().unwrap_or_default())
    });
    let mut packages: Vec<(String, String)> = renamed.collect();
    let stays = installed.iter().filter(|(name, _)| !goes.has(name));
    packages.extend(stays.cloned());
    let changed = changes.upgrade.iter().chain(changes.downgrade.iter());
    packages.extend(changed.map(|change| (change.name.to_owned(), change.to.to_owned())));
    let new = changes.new.iter();
    packages.extend(new.map(|new| (new.name.clone(), new.version.clone())));
    packages.into()
}

fn compare(before: &Packages, after: &Packages) -> PackageChanges {
    let mut changes = PackageChanges::default();
    let named = |(name, version): &(String, String)| NamedVersion {
        name: name.clone(),
        version: version.clone(),
    };
    for package in before {
        let (name, from) = package;
        let Some(to) = after.get(name) else {
            // The image's own, which no index lists.
            if !packages::is_pseudo(name) {
                changes.gone.push(named(package));
            }
            continue;
        };
        changes.compare(name, from, to);
    }
    let new = after.iter().filter(|(name, _)| !before.contains_key(name));
    changes.new = new.map(named).collect();
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Renamed, RequestBody, VersionChanges};

    fn packages(list: &[(&str, &str)]) -> Packages {
        let owned = |(name, version): &(&str, &str)| ((*name).to_owned(), (*version).to_owned());
        list.iter().map(owned).collect()
    }

    #[test]
    fn two_sets_are_compared_by_apk_s_order() {
        let before = packages(&[
            ("a", "1.9"),
            ("b", "2"),
            ("c", "1"),
            ("d", "1"),
            ("kernel", "6"),
        ]);
        let after = packages(&[("a", "1.10"), ("b", "1"), ("c", "1"), ("e", "3")]);
        let changes = compare(&before, &after);
        let names = |list: &VersionChanges| list.iter().map(|c| c.name).collect::<String>();
        assert_eq!(
            (names(&changes.upgrade), names(&changes.downgrade)),
            ("a".into(), "b".into())
        );
        assert_eq!(changes.gone[0].name, "d");
        assert_eq!((changes.gone.len(), changes.new.len()), (1, 1));
        assert_eq!(compare(&after, &after), PackageChanges::default());
    }

    /// A plan that renames, asked for with these versions.
    fn renaming(names: &[(&str, &str)], versions: &[(&str, &str)]) -> Plan {
        let renamed = names.iter().map(|(from, to)| Renamed {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
        });
        Plan {
            packages: PackageChanges {
                renamed: renamed.collect(),
                ..PackageChanges::default()
            },
            request: Some(RequestBody {
                packages_versions: packages(versions),
                ..RequestBody::default()
            }),
            ..Plan::default()
        }
    }

    #[test]
    fn a_name_may_be_an_old_one_and_a_new_one() {
        let installed = packages(&[("a", "1"), ("b", "1"), ("x", "1")]);
        let chain = renaming(&[("a", "b"), ("b", "c")], &[("b", "2"), ("c", "3")]);
        let moved = after(&installed, &chain);
        assert_eq!(moved, packages(&[("b", "2"), ("c", "3"), ("x", "1")]));
        let changes = compare(&installed, &moved);
        assert_eq!(changes.gone[0].name, "a");
        let up = changes.upgrade.iter().next().unwrap();
        assert_eq!((up.name, up.from, up.to), ("b", "1", "2"));
        assert_eq!(
            (&*changes.new[0].name, &*changes.new[0].version),
            ("c", "3")
        );
        let numbers = [&changes.gone, &changes.new].map(Vec::len);
        assert_eq!((numbers, changes.upgrade.iter().len()), ([1, 1], 1));
        let exchanged = renaming(&[("a", "b"), ("b", "a")], &[("a", "3"), ("b", "2")]);
        assert_eq!(
            after(&installed, &exchanged),
            packages(&[("a", "3"), ("b", "2"), ("x", "1")])
        );
    }

    #[test]
    fn the_version_of_a_new_name_may_be_unknown() {
        let installed = packages(&[("a", "1"), ("b", "1"), ("d", "1")]);
        let mut plan = renaming(&[("a", "b"), ("d", "e")], &[]);
        // b is there already, and stays as it is.
        let expected = packages(&[("b", "1"), ("e", "")]);
        assert_eq!(after(&installed, &plan), expected);
        plan.packages.compare("b", "1", "2");
        let expected = packages(&[("b", "2"), ("e", "")]);
        assert_eq!(after(&installed, &plan), expected);
    }
}
