//! The three-way merge of packages: every case of `tests/plans`, and what holds for all of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

#[path = "common/plan_case.rs"]
mod plan_case;

use asu::server::answers::PackageChange;
use plan_case::{Case, Expected, Options};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans")
}

fn files() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_case_is_planned_as_it_says() {
    let mut wrong = Vec::new();
    for path in files() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let case: Case = serde_json::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut found = Expected::of(&case.plan());
        if case.expect.selection.is_none() && case.expect != Expected::default() {
            found.selection = None;
        }
        if found != case.expect {
            wrong.push(format!(
                "{name}: {}\n\"expect\": {}",
                case.case,
                serde_json::to_string_pretty(&found).unwrap()
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "Planned otherwise:\n\n{}",
        wrong.join("\n\n")
    );
    assert!(files().len() >= 30, "Where are the cases?");
}

/// The README says which report has which case, both ways.
#[test]
fn every_case_is_in_the_list() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let (_, list) = readme.split_once("## Which report").unwrap();
    let cases = list.lines().filter_map(|line| line.split('|').nth(2));
    // What stands between backquotes is elsewhere.
    let plain = cases.flat_map(|cell| cell.split('`').step_by(2));
    let words = plain.flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-'));
    let listed: BTreeSet<&str> = words.collect();
    let names: Vec<String> = files()
        .iter()
        .map(|file| file.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    for name in &names {
        assert!(listed.contains(name.as_str()), "{name} is not in the list");
    }
    let compound = |word: &&str| word.trim_matches('-').contains('-');
    for word in listed.into_iter().filter(compound) {
        assert!(names.iter().any(|name| name == word), "there is no {word}");
    }
}

/// Few names, so that they meet.
const NAMES: [&str; 8] = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen"];

fn name() -> impl Strategy<Value = String> {
    select(&NAMES[..]).prop_map(str::to_owned)
}

fn names() -> impl Strategy<Value = Vec<String>> {
    btree_set(name(), 0..6).prop_map(|names| names.into_iter().collect())
}

fn versioned() -> impl Strategy<Value = Vec<String>> {
    btree_map(name(), 1..4u8, 0..8)
        .prop_map(|map| map.into_iter().map(|(n, v)| format!("{n} {v}")).collect())
}

fn change() -> impl Strategy<Value = PackageChange> {
    let target = proptest::option::of(name());
    (name(), target, 1..30u32, any::<bool>()).prop_map(|(source, target, revision, mandatory)| {
        PackageChange {
            source,
            target,
            revision,
            mandatory,
        }
    })
}

prop_compose! {
    fn package()(name in name(), provides in names(), needs in names()) -> String {
        let list = |word: &str, names: Vec<String>| match names.is_empty() {
            true => String::new(),
            false => format!(" {word} {}", names.join(" ")),
        };
        format!("{name} 2{}{}", list("provides", provides), list("needs", needs))
    }
}

prop_compose! {
    fn options()(
        add in names(),
        remove in names(),
        ignore in names(),
        ignored_changes in names(),
        ignored_defaults in names(),
        drop_missing in any::<bool>(),
        clean_slate in any::<bool>(),
        has_feeds in any::<bool>(),
        none in 0..3u8,
    ) -> Options {
        match none {
            0 => Options {
                feeds: has_feeds.then(|| "https://feed.example/x".to_owned()).into_iter().collect(),
                add, remove, ignore, ignored_changes, ignored_defaults, drop_missing, clean_slate,
                ..Options::default()
            },
            _ => Options::default(),
        }
    }
}

prop_compose! {
    fn any_case()(
        world in names(),
        installed in vec(package(), 0..8),
        then in proptest::option::of(names()),
        now in names(),
        index in versioned(),
        changes in vec(change(), 0..5),
        options in options(),
    ) -> Case {
        let mut seen = BTreeSet::new();
        Case {
            database: "apk".to_owned(),
            running: "24.10.0 r10-a".to_owned(),
            target: "24.10.2 r20-b".to_owned(),
            world,
            installed: std::iter::once("base 1".to_owned())
                .chain(installed)
                .filter(|line| seen.insert(line[..3].to_owned())).collect(),
            then,
            now,
            index,
            changes,
            options,
            ..Case::default()
        }
    }
}

/// Names in sentences.
fn named(notes: &[String]) -> BTreeSet<&str> {
    let words = notes
        .iter()
        .flat_map(|note| note.split(|c: char| !c.is_ascii_alphanumeric()));
    words.filter(|word| NAMES.contains(word)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_dropped_silently(case in any_case()) {
        let planned = case.plan();
        let plan = &planned.plan;
        let told = named(&plan.notes);
        let missing: BTreeSet<&str> = plan.packages.missing.iter().map(|m| m.name.as_str()).collect();
        let renamed: BTreeSet<&str> = plan.packages.renamed.iter().map(|r| r.from.as_str()).collect();
        prop_assert_eq!(plan.request.is_none(), !missing.is_empty());
        let Some(request) = &plan.request else { return Ok(()) };
        let asked: BTreeSet<&str> =
            request.packages.iter().chain(request.packages_versions.keys()).map(String::as_str).collect();
        let installed = case.inputs().installed;
        for package in installed.packages().filter(|package| package.wanted) {
            let name = package.name;
            prop_assert!(
                asked.contains(name) || renamed.contains(name) || told.contains(name),
                "{} is dropped silently: {:#?}", name, Expected::of(&planned)
            );
        }
        let defaults = &plan.defaults;
        for name in &case.now {
            let name = name.as_str();
            let kept_away = defaults.removed_by_user.iter().any(|d| d == name)
                || defaults.replaced.iter().any(|r| r.default == name && asked.contains(r.by.as_str()));
            prop_assert!(
                asked.contains(name) || kept_away || told.contains(name) || installed.packages().any(|p| p.name == name || p.provides.iter().any(|other| other == name)),
                "The default {} is left out silently: {:#?}", name, Expected::of(&planned)
            );
        }
        for change in &plan.packages.renamed {
            prop_assert!(asked.contains(change.to.as_str()));
        }
        for name in &planned.removed {
            prop_assert!(!asked.contains(name.as_str()));
        }
        prop_assert!(request.packages.is_empty() || request.packages_versions.is_empty());
        // The selection and the defaults are the request said in another way.
        let mut said: BTreeSet<&str> = case.now.iter().map(String::as_str).collect();
        for name in &plan.selection {
            match name.strip_prefix('-') {
                Some(name) => prop_assert!(said.remove(name)),
                None => prop_assert!(said.insert(name)),
            }
        }
        prop_assert_eq!(said, asked);
    }

    #[test]
    fn a_second_upgrade_changes_nothing(case in any_case()) {
        let mut case = case;
        case.options = Options::default();
        // A name that goes, and another package that gets it: who has it then is anybody's guess.
        let sources: BTreeSet<String> = case.changes.iter().map(|change| change.source.clone()).collect();
        case.changes.retain(|change| change.target.as_ref().is_none_or(|target| !sources.contains(target)));
        let planned = case.plan();
        let Some(request) = planned.plan.request else { return Ok(()) };
        let asked: Vec<String> = request.packages.into_iter().chain(request.packages_versions.into_keys()).collect();
        // What is only provided is not in the image under its name.
        let version = |name: &String| case.index.iter().find(|line| line.starts_with(name.as_str())).cloned();
        let Some(image) = asked.iter().map(version).collect::<Option<Vec<_>>>() else { return Ok(()) };
        let again = Case {
            installed: image.into_iter().chain(["base 1".to_owned()]).collect(),
            world: asked.clone(),
            running: case.target.clone(),
            then: Some(case.now.clone()),
            ..case.clone()
        };
        let again = Expected::of(&again.plan());
        prop_assert_eq!(&again.verdict, "current");
        let names: BTreeSet<&str> = again.request.iter().filter_map(|line| line.split(' ').next()).collect();
        prop_assert_eq!(names, asked.iter().map(String::as_str).collect::<BTreeSet<_>>());
    }
}
