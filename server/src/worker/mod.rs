//! One build, step by step.

pub mod builders;
mod complaints;
mod imagebuilder;
pub mod place;
mod room;
mod sums;

use crate::queue::job::{Job, State, Step};
use crate::queue::{tally, Queue};
use crate::request::{changes, is_hash, packages_hash};
use crate::signing::Signer;
use crate::site::{profiles, Site};
use crate::store::Store;
use crate::webhook::Webhook;
use crate::{Config, Error};
use builders::Builders;
use imagebuilder::Info;
use place::Place;
pub use room::launch::launch;
use room::{Output, Room, Rooms, Stopped};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How much of what a build printed is kept for the answer, in bytes.
const KEPT: usize = 64 << 10;
/// How long to wait after the queue failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Everything a worker needs.
#[derive(Debug, Clone)]
pub struct Workshop {
    /// The configuration.
    pub config: Arc<Config>,
    /// The builds.
    pub queue: Queue,
    rooms: Rooms,
    builders: Builders,
    store: Store,
    signer: Option<Arc<Signer>>,
    webhook: Option<Webhook>,
}

/// Why a build came to nothing.
enum Failure {
    /// What was asked for can't be built; what goes into the answer.
    Build(String),
    /// This server could not build it just now; what goes into the answer.
    Here(String),
    /// The job is another worker's meanwhile.
    Lost,
    /// The queue can't be reached.
    Queue(Error),
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Io(_) => Self::Here(stopped.to_string()),
            _ => Self::Build(stopped.to_string()),
        }
    }
}

fn fail<T>(words: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Build(words.into()))
}

impl Workshop {
    /// A workshop for the builds of `queue`. To be called in the runtime that it works in.
    ///
    /// # Errors
    /// [`Error::Io`] where it has no place to work.
    pub fn new(
        config: Arc<Config>,
        queue: Queue,
        site: Site,
        store: Store,
        signer: Option<Arc<Signer>>,
    ) -> Result<Self, Error> {
        let rooms = Rooms::new(&config)?;
        let builders = Builders::new(config.clone(), site)?;
        let webhook = config
            .webhook
            .as_ref()
            .map(|url| Webhook::start(url, config.webhook_token.as_deref()));
        Ok(Self {
            webhook,
            config,
            queue,
            rooms,
            builders,
            store,
            signer,
        })
    }

    /// Builds one after the other, for ever.
    pub async fn work(self, worker: usize) {
        loop {
            if let Err(error) = self.work_once(worker).await {
                // The job is given to somebody again, or was remembered as started and waits after a restart.
                eprintln!("A build could not be noted: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Waits for a build, and builds it.
    ///
    /// # Errors
    /// Where the queue can't be reached, or not remember it.
    pub async fn work_once(&self, worker: usize) -> Result<(), Error> {
        let mut job = self.queue.take(worker).await?;
        let held = job.clone();
        let outcome = tokio::select! {
            outcome = self.build(&mut job) => outcome,
            () = self.queue.lost(&held, self.config.lease) => Err(Failure::Lost),
        };
        let (state, status) = match outcome {
            Ok(()) => (State::Finished, "done"),
            Err(Failure::Build(words)) => {
                job.set("detail", format!("Error: {words}"));
                (State::Failed, "failed")
            }
            Err(Failure::Here(words)) => {
                job.set("detail", format!("Error: {words}"));
                job.passing = true;
                (State::Failed, "failed")
            }
            Err(Failure::Lost) => return Ok(()),
            Err(Failure::Queue(error)) => return Err(error),
        };
        if state == State::Failed && !job.fields.contains_key("stderr") {
            job.set("stderr", "");
        }
        job.set("imagebuilder_status", status);
        job.end(state);
        let ended = self.queue.finish(&job).await;
        if !matches!(ended, Ok(true)) {
            // Nobody will ask for these: the job is another's, or remembered nowhere.
            self.store.discard(&job.folder());
        }
        if let Ok(true) = ended {
            if let Some(webhook) = &self.webhook {
                webhook.tell(&job);
            }
            self.count(&job).await?;
        }
        ended.map(|_| ())
    }

    /// Counts a build that ended.
    async fn count(&self, job: &Job) -> Result<(), Error> {
        let request = &job.request;
        if job.state == State::Failed {
            let detail = job.fields.get("detail").and_then(Value::as_str);
            let line = tally::failure(request, detail.unwrap_or_default());
            self.queue.note_failure(line).await?;
            return self.queue.count(&["failures".to_owned()]).await;
        }
        let branch = self.config.branch_of(&request.version);
        let branch = branch.map_or("", |branch| &branch.name);
        let named = request
            .packages
            .iter()
            .filter(|name| !name.starts_with('-'));
        let mut things = vec!["successes".to_owned(), tally::thing("build", request)];
        things.extend(named.map(|name| format!("package {branch} {name}")));
        self.queue.count(&things).await
    }

    async fn begin(&self, job: &mut Job, step: Step) -> Result<(), Failure> {
        job.step(step);
        match self.queue.publish(job).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Lost),
            Err(error) => Err(Failure::Queue(error)),
        }
    }

    async fn build(&self, job: &mut Job) -> Result<(), Failure> {
        self.begin(job, Step::Init).await?;
        if !job.request.exact {
            changes::resolve(&mut job.request);
        }
        self.begin(job, Step::ContainerSetup).await?;
        let (version, target) = (&job.request.version, &job.request.target);
        let builder = self
            .builders
            .get(version, target)
            .await
            .map_err(Failure::Here)?;
        // Fetching an ImageBuilder is not counted: others will use it too.
        let deadline = Instant::now() + self.config.job_timeout;
        for folder in job.former_folders() {
            Place::clear_former(&self.config.store, &folder);
            self.rooms.clear_former(&folder);
            // Images that nobody has heard of.
            self.store.discard(&folder);
        }
        let place = Place::new(&self.config.store, &job.folder())
            .map_err(|error| Failure::Here(format!("There is no room for images: {error}")))?;
        if let Some(script) = &job.request.defaults {
            place.write_defaults(script).map_err(|error| {
                Failure::Here(format!("The script could not be stored: {error}"))
            })?;
        }
        let room = self
            .rooms
            .open(&builder.folder, &place, &job.request)
            .await
            .map_err(|error| {
                Failure::Here(format!("The ImageBuilder could not be set up: {error}"))
            })?;
        let info = self.info(job, &room, deadline).await?;
        let packages =
            imagebuilder::build_packages(&job.request.packages, &info, job.request.diff_packages);
        let manifest = self.manifest(job, &room, &packages, deadline).await?;
        self.image(job, &room, &packages, &manifest, deadline)
            .await?;
        let unreadable = |error| Failure::Here(format!("The images could not be read: {error}"));
        place.keep_plain_files().map_err(unreadable)?;
        self.complete(job, &place).await?;
        if let Some(name) = builder.folder.file_name().and_then(|name| name.to_str()) {
            // One of the download site's is called by its sum; who builds the image again needs the same.
            if is_hash(name) {
                job.set("imagebuilder_sha256", name);
            }
        }
        let result = result(job, &place, &packages, manifest)?;
        job.files = place.names().map_err(unreadable)?;
        let (store, from, folder) = (self.store.clone(), place.bin.clone(), job.folder());
        let kept = tokio::task::spawn_blocking(move || store.keep(&from, &folder)).await;
        kept.unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(|error| Failure::Here(format!("The images could not be stored: {error}")))?;
        job.fields.extend(result);
        Ok(())
    }

    /// Notes the images' sums, and signs them if this worker has a key. An image that can't be signed is none: who asked
    /// relies on it.
    async fn complete(&self, job: &Job, place: &Place) -> Result<(), Failure> {
        let signer = self.signer.clone();
        let (folder, profile) = (place.bin.clone(), job.request.profile.clone());
        let complete = move || {
            sums::note(&folder, &profile)?;
            signer.map_or(Ok(()), |signer| signer.sign(&folder, &profile))
        };
        let failed = |why: String| Failure::Here(format!("The images could not be signed: {why}"));
        match tokio::task::spawn_blocking(complete).await {
            Ok(Ok(())) => Ok(()),
            // `result` has a better sentence.
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// `make info`: the ImageBuilder has to be of the revision that was asked for.
    async fn info(&self, job: &mut Job, room: &Room, deadline: Instant) -> Result<Info, Failure> {
        let output = room.make(&["info".to_owned()], deadline).await?;
        note(job, &output);
        self.begin(job, Step::ValidateRevision).await?;
        let profile = &job.request.profile;
        let Some(info) =
            imagebuilder::parse_info(&output.stdout, profile).filter(|_| output.success)
        else {
            return fail(format!(
                "The ImageBuilder does not know the profile {profile}"
            ));
        };
        let wanted = &job.request.version_code;
        if !wanted.is_empty() && *wanted != info.revision {
            return fail(format!(
                "Received incorrect version {} (requested {wanted})",
                info.revision
            ));
        }
        Ok(info)
    }

    /// `make manifest`: every package has to be there, in the version that was asked for.
    async fn manifest(
        &self,
        job: &mut Job,
        room: &Room,
        packages: &[String],
        deadline: Instant,
    ) -> Result<BTreeMap<String, String>, Failure> {
        self.begin(job, Step::ValidateManifest).await?;
        let mut arguments = vec!["manifest".to_owned()];
        arguments.extend(common_arguments(job, packages));
        arguments.push("STRIP_ABI=1".to_owned());
        let output = room.make(&arguments, deadline).await?;
        note(job, &output);
        if !output.success {
            return fail(complaints::sentence(&output.stderr));
        }
        let manifest = imagebuilder::parse_manifest(&output.stdout);
        for (package, version) in &job.request.packages_versions {
            match manifest.get(package) {
                None => {
                    return fail(format!(
                        "Impossible package selection: {package} not in manifest"
                    ))
                }
                Some(found) if found != version => {
                    let words =
                        format!("{package} version not as requested: {version} vs. {found}");
                    return fail(format!("Impossible package selection: {words}"));
                }
                Some(_) => {}
            }
        }
        Ok(manifest)
    }

    /// `make image`
    async fn image(
        &self,
        job: &mut Job,
        room: &Room,
        packages: &[String],
        manifest: &BTreeMap<String, String>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let hash = packages_hash(manifest.keys());
        let mut arguments = vec!["image".to_owned()];
        arguments.extend(common_arguments(job, packages));
        arguments.push(format!(
            "EXTRA_IMAGE_NAME={}",
            hash.get(..12).unwrap_or(&hash)
        ));
        arguments.push(format!("BIN_DIR={}", room.images.display()));
        if job.request.defaults.is_some() {
            arguments.push(format!("FILES={}", room.files.display()));
        }
        arguments.extend(
            job.request
                .rootfs_size_mb
                .map(|size| format!("ROOTFS_PARTSIZE={size}")),
        );
        arguments.extend(
            job.request
                .filesystem
                .as_ref()
                .map(|name| format!("ROOTFS_FILESYSTEM={name}")),
        );
        let show = |text: &String| match &room.hidden {
            Some(hidden) => text.replace(hidden, ""),
            None => text.clone(),
        };
        let shown = std::iter::once("make".to_owned()).chain(arguments.iter().map(show));
        job.set("build_cmd", shown.collect::<Vec<_>>());
        self.begin(job, Step::BuildingImage).await?;
        let output = room.make(&arguments, deadline).await?;
        note(job, &output);
        if output.stderr.contains("No space left on device") && !output.success {
            return Err(Failure::Here("The disk of this server is full".to_owned()));
        }
        if ["is too big", "out of space?"]
            .iter()
            .any(|words| output.stderr.contains(words))
        {
            return fail("Selected packages exceed device storage");
        }
        if !output.success {
            return fail("Error while building firmware. See stdout/stderr");
        }
        Ok(())
    }
}

fn common_arguments(job: &Job, packages: &[String]) -> [String; 2] {
    [
        format!("PROFILE={}", job.request.profile),
        format!("PACKAGES={}", packages.join(" ")),
    ]
}

/// Keeps the end of what make printed.
fn note(job: &mut Job, output: &Output) {
    job.set("stdout", tail(&output.stdout));
    job.set("stderr", tail(&output.stderr));
}

fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(KEPT);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default()
}

/// What `profiles.json` says of the images, as the answer has it.
fn result(
    job: &Job,
    place: &Place,
    packages: &[String],
    manifest: BTreeMap<String, String>,
) -> Result<Map<String, Value>, Failure> {
    let Ok(Value::Object(content)) = place::profiles(&place.bin) else {
        return fail("No JSON file found");
    };
    let Some(mut content) = profiles::one(content, &job.request.profile) else {
        return fail("Profile not found in JSON file");
    };
    let manifest: Map<String, Value> = manifest
        .into_iter()
        .map(|(name, version)| (name, version.into()))
        .collect();
    content.insert("manifest".to_owned(), manifest.into());
    content.insert("bin_dir".to_owned(), job.folder().into());
    content.insert("build_cmd_packages".to_owned(), packages.into());
    content.insert("detail".to_owned(), "done".into());
    Ok(content)
}
