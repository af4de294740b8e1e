//! A case of `tests/plans`: a router, a release and options in a form that is easily written, and
//! the plan in the same form.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use asu::api::{NamedVersion, Plan, Running, VersionChange};
use asu::server::answers::{PackageChange, Profile};
use asu::settings::Settings;
use asu::upgrade::device::{Device, Installed};
use asu::upgrade::feeds::Feeds;
use asu::upgrade::offer::{Limits, Offer};
use asu::upgrade::plan::{self, Planned, Then};
use asu::upgrade::{Choice, Inputs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

/// See `tests/plans/README.md`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub case: String,
    pub database: String,
    pub running: String,
    pub world: Vec<String>,
    pub installed: Vec<String>,
    pub target: String,
    #[serde(rename = "defaults then")]
    pub then: Option<Vec<String>>,
    #[serde(rename = "revision then", default)]
    pub revision_then: Option<String>,
    #[serde(rename = "kept defaults", default)]
    pub kept: Vec<String>,
    #[serde(rename = "defaults now")]
    pub now: Vec<String>,
    pub index: Vec<String>,
    #[serde(default, deserialize_with = "changes")]
    pub changes: Vec<PackageChange>,
    #[serde(default)]
    pub options: Options,
    pub expect: Expected,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    pub add: Vec<String>,
    pub remove: Vec<String>,
    pub ignore: Vec<String>,
    pub ignored_changes: Vec<String>,
    pub ignored_defaults: Vec<String>,
    #[serde(rename = "--add")]
    pub add_now: Vec<String>,
    #[serde(rename = "--remove")]
    pub remove_now: Vec<String>,
    #[serde(rename = "--ignore")]
    pub ignore_now: Vec<String>,
    #[serde(rename = "--drop-missing")]
    pub drop_missing: bool,
    #[serde(rename = "--ignored-defaults")]
    pub ignored_defaults_now: Vec<String>,
    #[serde(rename = "--ignored-changes")]
    pub ignored_changes_now: Vec<String>,
    #[serde(rename = "--clean-slate")]
    pub clean_slate: bool,
    #[serde(rename = "--rev-code")]
    pub revision: Option<String>,
    /// URLs.
    pub feeds: Vec<String>,
    /// The server's allow list.
    #[serde(rename = "server allows")]
    pub allowed: Vec<String>,
}

/// A plan in short; what is left out is empty.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expected {
    pub verdict: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upgrade: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub downgrade: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    #[serde(rename = "new defaults", skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    #[serde(rename = "removed defaults", skip_serializing_if = "Vec::is_empty")]
    pub removed_by_user: Vec<String>,
    #[serde(rename = "replaced defaults", skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    #[serde(
        rename = "told after the reboot",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub left_out: Vec<String>,
    #[serde(rename = "not in the image", skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request: Vec<String>,
    /// Not compared where a case does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub feeds: Vec<String>,
}

/// As a server's overview has them.
fn changes<'de, D: serde::Deserializer<'de>>(text: D) -> Result<Vec<PackageChange>, D::Error> {
    let changes = serde_json::Value::deserialize(text)?;
    asu::json::from_text(changes.to_string().as_bytes()).map_err(serde::de::Error::custom)
}

impl Case {
    pub fn read(text: &str) -> Case {
        serde_json::from_str(text).unwrap()
    }

    pub fn plan(&self) -> Planned {
        let (inputs, mut offer) = (self.inputs(), self.offer());
        plan::name_translations(&mut offer, &inputs.installed);
        let then = Then::at_hand(&inputs, &offer).unwrap_or_else(|| {
            let profile = self.then.as_ref().map(|packages| Profile {
                default_packages: packages.clone(),
                version_code: self
                    .revision_then
                    .clone()
                    .unwrap_or_else(|| words(&self.running).1),
                ..Profile::default()
            });
            Then::of_profile(profile.as_ref(), &inputs)
        });
        let index: BTreeMap<String, String> = self.index.iter().map(|line| words(line)).collect();
        let questions = plan::questions(&inputs, &offer);
        let answers = questions
            .iter()
            .map(|name| Some((*name, index.get(*name)?.clone())));
        let available = answers.flatten().collect();
        plan::plan(&inputs, &offer, &then, &available)
    }

    pub fn inputs(&self) -> Inputs {
        let (version, revision) = words(&self.running);
        let options = self.options.clone();
        let settings = Settings {
            add: options.add,
            remove: options.remove,
            ignore: options.ignore,
            ignored_changes: options.ignored_changes,
            ignored_defaults: options.ignored_defaults,
            ..Settings::default()
        };
        let mut choice = Choice {
            add: options.add_now,
            remove: options.remove_now,
            ignore: options.ignore_now,
            ignored_changes: options.ignored_changes_now,
            ignored_defaults: options.ignored_defaults_now,
            drop_missing: options.drop_missing,
            clean_slate: options.clean_slate,
            revision: options.revision,
            ..Choice::default()
        };
        choice.complete(&settings);
        choice.validate().unwrap();
        let feeds = options.feeds.into_iter().enumerate();
        Inputs {
            feeds: Feeds {
                manager: self.database.clone(),
                repositories: feeds.map(|(n, url)| (format!("feed{n}"), url)).collect(),
                keys: vec!["key".to_owned()],
            },
            device: Device {
                running: Running {
                    version,
                    revision,
                    ..Running::default()
                },
                ..Device::default()
            },
            installed: installed(&self.database, &self.world, &self.installed),
            settings,
            choice,
            kept_defaults: self.kept.clone(),
            ..Inputs::default()
        }
    }

    fn offer(&self) -> Offer {
        let (version, revision) = words(&self.target);
        // Whether a default is the release's or the device's makes no difference; half of them each.
        let (release, device) = self.now.split_at(self.now.len() / 2);
        Offer {
            server: "https://asu.example".to_owned(),
            branch: String::new(),
            version: version.clone(),
            path: String::new(),
            arch: "mips_24kc".to_owned(),
            revision: revision.clone(),
            profile: Profile {
                version_number: version,
                version_code: revision,
                default_packages: release.to_vec(),
                device_packages: device.to_vec(),
                ..Profile::default()
            },
            package_changes: self.changes.clone(),
            running_path: None,
            limits: Limits {
                feeds: self.options.allowed.clone(),
                ..Limits::default()
            },
        }
    }
}

/// The first two words of a line.
fn words(line: &str) -> (String, String) {
    let mut words = line.split_whitespace().map(str::to_owned);
    (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    )
}

/// Writes the router's package database and reads it as the agent does.
fn installed(database: &str, world: &[String], lines: &[String]) -> Installed {
    let mut text = String::new();
    for line in lines {
        match database {
            "apk" => apk(line, &mut text),
            "opkg" => opkg(line, world, &mut text),
            other => panic!("database {other}: apk or opkg"),
        }
    }
    let world = format!("{}\n", world.join("\n"));
    let files = match database {
        "apk" => packages::Files {
            apk: Some(text.as_bytes()),
            world: Some(world.as_bytes()),
            opkg: None,
        },
        _ => packages::Files {
            apk: None,
            world: None,
            opkg: Some(text.as_bytes()),
        },
    };
    Installed::from_database(&packages::read(files).unwrap()).unwrap()
}

/// The words of a line after `keyword` up to the next one.
fn after<'a>(line: &'a str, keyword: &str) -> Vec<&'a str> {
    let words = line.split_whitespace();
    let words = words.skip_while(|word| *word != keyword).skip(1);
    words
        .take_while(|word| !["abi", "provides", "needs"].contains(word))
        .collect()
}

fn apk(line: &str, text: &mut String) {
    let (name, version) = words(line);
    writeln!(text, "P:{name}\nV:{version}\nA:mips_24kc").unwrap();
    writeln!(text, "D:{}", after(line, "needs").join(" ")).unwrap();
    writeln!(text, "p:{}", after(line, "provides").join(" ")).unwrap();
    if let [abi] = after(line, "abi")[..] {
        writeln!(text, "g:openwrt:abiversion={abi}").unwrap();
    }
    text.push('\n');
}

fn opkg(line: &str, world: &[String], text: &mut String) {
    let (name, version) = words(line);
    writeln!(text, "Package: {name}\nVersion: {version}").unwrap();
    for (field, keyword) in [("Depends", "needs"), ("Provides", "provides")] {
        let names = after(line, keyword);
        if !names.is_empty() {
            writeln!(text, "{field}: {}", names.join(", ")).unwrap();
        }
    }
    if let [abi] = after(line, "abi")[..] {
        writeln!(text, "ABIVersion: {abi}").unwrap();
    }
    writeln!(
        text,
        "Status: install ok installed\nArchitecture: mips_24kc"
    )
    .unwrap();
    if !world.contains(&name) {
        text.push_str("Auto-Installed: yes\n");
    }
    text.push('\n');
}

impl Expected {
    pub fn of(planned: &Planned) -> Expected {
        let Plan {
            packages,
            defaults,
            notes,
            request,
            selection,
            ..
        } = &planned.plan;
        let feeds = request
            .iter()
            .flat_map(|request| request.repositories.values());
        let change = |c: VersionChange<'_>| format!("{} {} -> {}", c.name, c.from, c.to);
        let named = |p: &NamedVersion| format!("{} {}", p.name, p.version).trim_end().to_owned();
        let request = request.iter().flat_map(|request| {
            let versions = request.packages_versions.iter();
            let versions = versions.map(|(name, version)| format!("{name} {version}"));
            versions.chain(request.packages.iter().cloned())
        });
        let missing = packages
            .missing
            .iter()
            .map(|missing| match &missing.needed_by[..] {
                [] => missing.name.clone(),
                users => format!("{}, needed by {}", missing.name, users.join(" ")),
            });
        Expected {
            verdict: asu::json::text(&planned.plan.verdict)
                .unwrap()
                .replace('"', ""),
            upgrade: packages.upgrade.iter().map(change).collect(),
            downgrade: packages.downgrade.iter().map(change).collect(),
            new: packages.new.iter().map(named).collect(),
            gone: packages.gone.iter().map(named).collect(),
            renamed: packages
                .renamed
                .iter()
                .map(|r| format!("{} -> {}", r.from, r.to))
                .collect(),
            missing: missing.collect(),
            added: defaults.added.clone(),
            removed_by_user: defaults.removed_by_user.clone(),
            replaced: defaults
                .replaced
                .iter()
                .map(|r| format!("{} by {}", r.default, r.by))
                .collect(),
            notes: notes.clone(),
            left_out: planned.left_out.clone(),
            removed: planned.removed.clone(),
            request: request.collect(),
            selection: Some(selection.clone()),
            feeds: feeds.cloned().collect(),
        }
    }
}
