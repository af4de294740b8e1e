//! `asu-server rebuild URL`: builds an image again that another server has built, and compares. Who runs it needs to trust
//! neither that server nor its workers: only the ImageBuilder, which is fetched from the download site and verified here.

mod claim;

use crate::queue::job::{Job, State};
use crate::queue::Queue;
use crate::request::support;
use crate::site::Site;
use crate::store::Store;
use crate::worker::builders::Builders;
use crate::worker::{place, Workshop};
use crate::{Config, Isolation};
use claim::{Claim, Image};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::{fmt, fs};

/// How many differences are told of one kind.
const TOLD: usize = 10;

/// What came of building an image again.
#[derive(Debug)]
pub struct Verdict {
    /// What was built.
    pub about: String,
    /// What was compared and found equal, a line for each image.
    pub same: Vec<String>,
    /// What is not as the other server says; empty if all is.
    pub differences: Vec<String>,
    /// What to know about the comparison.
    pub notes: Vec<String>,
}

impl fmt::Display for Verdict {
    /// A line for each finding, and the verdict last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "built: {}", self.about)?;
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        for line in &self.same {
            writeln!(f, "same: {line}")?;
        }
        for line in &self.differences {
            writeln!(f, "differs: {line}")?;
        }
        match self.differences.len() {
            0 => writeln!(
                f,
                "The same: what they hand out is what was built here of the same request."
            ),
            count => writeln!(f, "Not the same: {count} differences."),
        }
    }
}

/// Builds the image whose page or JSON is at `url` once more, by the download site, ImageBuilders, keys and isolation of
/// `config`, and compares it with what that server says and hands out.
///
/// # Errors
/// A sentence where it can't be built again here, so that there is nothing to compare.
pub fn rebuild(url: &str, config: &Config) -> Result<Verdict, String> {
    let claim = Claim::fetch(url, config)?;
    let folder = config.work.join(format!("rebuild-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let mut own = config.clone();
    own.store = folder.join("store");
    own.work = folder.join("work");
    own.s3 = None;
    own.queue = None;
    own.state = None;
    // A signature would be another one anyway.
    own.signing = None;
    own.webhook = None;
    own.allow_defaults = true;
    let verdict = runtime
        .block_on(build(&claim, own))
        .and_then(|built| compare(&claim, &built, &folder));
    // A download to the other server's speed may still be under way; it ends with the process.
    runtime.shutdown_background();
    if let Err(error) = place::remove(&folder) {
        eprintln!("{} could not be removed: {error}", folder.display());
    }
    verdict
}

/// What was built here.
struct Built {
    fields: Map<String, Value>,
    notes: Vec<String>,
}

async fn build(claim: &Claim, mut config: Config) -> Result<Built, String> {
    let said = |error: crate::Error| error.to_string();
    fs::create_dir_all(&config.store)
        .map_err(|error| format!("{}: {error}", config.store.display()))?;
    let site = Site::new(&config.upstream_url, config.upstream_lifetime);
    let mut request = claim.request.clone();
    let refused = support::unsupported(&config, &site, &mut request)
        .await
        .map_err(said)?;
    if let Some(why) = refused {
        return Err(format!("It can't be built here: {why}"));
    }
    let mut notes = Vec::new();
    // It must not go while the build works with it.
    let _builder = match &claim.imagebuilder_sha256 {
        Some(sha256) => {
            let builders = Builders::new(Arc::new(config.clone()), site.clone()).map_err(said)?;
            let (version, target) = (&request.version, &request.target);
            let builder = builders.exactly(version, target, sha256).await?;
            if builder
                .folder
                .file_name()
                .is_none_or(|name| name.to_str() != Some(sha256))
            {
                notes.push(format!("Built with this machine's own ImageBuilder in {}; theirs had the SHA-256 {sha256}.",
                    builder.folder.display()));
            }
            let place = (version.clone(), target.clone());
            config
                .imagebuilder_folders
                .insert(place, builder.folder.clone());
            Some(builder)
        }
        None => {
            notes.push(
                "They do not say which ImageBuilder they used; this one is the newest here."
                    .to_owned(),
            );
            None
        }
    };
    if config.isolation == Isolation::Copy {
        notes.push("Built without a sandbox.".to_owned());
    }
    let workshop = workshop(Arc::new(config), &site).await?;
    let hash = request.hash();
    let job = Job::new(request, hash.clone(), String::new());
    workshop.queue.enqueue(job).await.map_err(said)?;
    workshop.work_once(0).await.map_err(said)?;
    let found = workshop.queue.find(&hash).await.map_err(said)?;
    match found.map(|found| found.job) {
        Some(job) if job.state == State::Finished => Ok(Built {
            fields: job.fields,
            notes,
        }),
        Some(job) => {
            let text = |name: &str| {
                job.fields
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let last = text("stderr").lines().last().unwrap_or_default();
            Err(format!(
                "It could not be built here. {} {last}",
                text("detail")
            ))
        }
        None => Err("It could not be built here: its result was not kept.".to_owned()),
    }
}

async fn workshop(config: Arc<Config>, site: &Site) -> Result<Workshop, String> {
    let store = Store::open(&config);
    let queue = Queue::open(&config, &store, None).await;
    queue
        .and_then(|queue| Workshop::new(config, queue, site.clone(), store, None))
        .map_err(|error| error.to_string())
}

fn compare(claim: &Claim, built: &Built, folder: &Path) -> Result<Verdict, String> {
    let request = &claim.request;
    let mut verdict = Verdict {
        about: format!(
            "{} {} {} with {} packages",
            request.version,
            request.target,
            request.profile,
            claim.manifest.len()
        ),
        same: Vec::new(),
        differences: packages(&claim.manifest, &claim::manifest(&built.fields)?),
        notes: built.notes.clone(),
    };
    let own = claim::images(&built.fields)?;
    for image in &claim.images {
        let differences = &mut verdict.differences;
        match own.iter().find(|own| own.name == image.name) {
            None => differences.push(format!("{} is not among what was built here", image.name)),
            Some(own) if own.unsigned() != image.unsigned() => differences.push(format!(
                "{} is {} here, {} there (sha256_unsigned)",
                image.name,
                own.unsigned(),
                image.unsigned()
            )),
            Some(_) => match handed_out(claim, image, &folder.join("image"))? {
                Some(lie) => differences.push(lie),
                None => verdict
                    .same
                    .push(format!("{} {}", image.unsigned(), image.name)),
            },
        }
    }
    Ok(verdict)
}

/// What is wrong with the file that the other server hands out as `image`.
fn handed_out(claim: &Claim, image: &Image, file: &Path) -> Result<Option<String>, String> {
    let (sha256, unsigned) = claim.download(image, file)?;
    let name = &image.name;
    Ok(if sha256 != image.sha256 {
        Some(format!(
            "the file {name} they hand out is {sha256}, not {} as they say",
            image.sha256
        ))
    } else if unsigned != image.unsigned() {
        Some(format!(
            "the file {name} they hand out is {unsigned} without its signature, not {} as they say",
            image.unsigned()
        ))
    } else {
        None
    })
}

/// Packages that are not the same in both.
fn packages(there: &BTreeMap<String, String>, here: &BTreeMap<String, String>) -> Vec<String> {
    let names = there
        .keys()
        .chain(here.keys().filter(|name| !there.contains_key(*name)));
    let version = |of: &BTreeMap<String, String>, name: &str| {
        of.get(name).map_or("not there".to_owned(), Clone::clone)
    };
    let mut differences: Vec<String> = names
        .filter(|name| there.get(*name) != here.get(*name))
        .map(|name| {
            format!(
                "package {name} is {} here, {} there",
                version(here, name),
                version(there, name)
            )
        })
        .collect();
    if differences.len() > TOLD {
        let more = differences.len() - TOLD;
        differences.truncate(TOLD);
        differences.push(format!("and {more} packages more"));
    }
    differences
}
