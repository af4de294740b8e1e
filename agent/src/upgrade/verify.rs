//! Stage 6: making sure of an image, before any other program reads it (design section 6).
//!
//! Each check has a name, a result and a sentence. What passes becomes a [`VerifiedImage`], which
//! nothing else can make and without which nothing is flashed.

use super::device::Device;
use super::promise::{Downloaded, Promise};
use super::{beside, newest, rebuild, trust};
use crate::api::{self, CheckResult, ImageCheck, Release};
use crate::error::{Error, Kind};
use crate::fault;
use crate::paths::Paths;
use crate::settings::{Settings, SignaturePolicy};
use crate::system::room;
use crate::text::{clean, say};
use firmware::metadata::Verdict;
use firmware::{KeyRing, Report};
use std::cmp::Ordering;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file that may become an image: opened once, judged and flashed by this descriptor.
#[derive(Debug)]
pub struct Candidate {
    file: File,
    /// For this process.
    real: PathBuf,
    /// In the router's terms.
    path: PathBuf,
}

impl Candidate {
    /// Opens a regular file; a symlink is not followed.
    pub fn open(paths: &Paths, path: &Path) -> Result<Candidate, Error> {
        let real = paths.real(path);
        let file = OpenOptions::new()
            .read(true)
            .custom_flags((nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK).bits())
            .open(&real)
            .map_err(|error| Error::file(path, "opened", &error))?;
        let metadata = file
            .metadata()
            .map_err(|error| Error::file(path, "looked at", &error))?;
        if !metadata.is_file() {
            let sentence = format!("{} is not a file.", path.display());
            return Err(Error::new(Kind::Usage, sentence));
        }
        Ok(Candidate {
            file,
            real,
            path: path.to_owned(),
        })
    }

    /// The open file; its position is where the last reader left it.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Its name, in the router's terms.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn identity(&self) -> Result<Identity, Error> {
        let metadata = self.file.metadata();
        metadata
            .map(|m| Identity::of(&m))
            .map_err(|error| Error::file(&self.path, "looked at", &error))
    }
}

/// What changes when a file is replaced or written to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(metadata: &std::fs::Metadata) -> Identity {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// An image that may be flashed. Only [`verify`] makes one.
#[derive(Debug)]
pub struct VerifiedImage {
    candidate: Candidate,
    identity: Identity,
    image: api::Image,
    promise: Option<Promise>,
    terms: Terms,
    keys: KeyRing,
}

impl VerifiedImage {
    /// What the owner gets to see of it.
    pub fn image(&self) -> &api::Image {
        &self.image
    }

    /// What it was built for, where a server built it.
    pub fn promise(&self) -> Option<&Promise> {
        self.promise.as_ref()
    }

    /// Where it lies, for this process.
    pub fn real_path(&self) -> &Path {
        &self.candidate.real
    }

    /// Makes sure that the file at the path is the one that was verified, and as it was.
    pub fn unchanged(&self) -> Result<(), Error> {
        let there = std::fs::symlink_metadata(&self.candidate.real);
        let there =
            there.map_err(|error| Error::file(&self.candidate.path, "looked at", &error))?;
        if Identity::of(&there) != self.identity || self.candidate.identity()? != self.identity {
            let sentence = format!(
                "{} was changed after it had been verified; nothing was flashed. Start again.",
                self.candidate.path.display()
            );
            return Err(Error::new(Kind::Image, sentence));
        }
        Ok(())
    }

    /// What stands in the way of flashing unless the owner insists. That nobody vouches for the image
    /// does not: by the options `signature` and `rebuilders_required` its owner lets it pass.
    pub fn objection(&self) -> Option<&ImageCheck> {
        let by_option = |check: &&ImageCheck| matches!(&*check.name, "signature" | "rebuilders");
        self.warnings().find(|check| !by_option(check))
    }

    /// What stands in the way where nobody looks.
    pub fn warning(&self) -> Option<&ImageCheck> {
        self.warnings().next()
    }

    fn warnings(&self) -> impl Iterator<Item = &ImageCheck> {
        let checks = self.image.checks.iter();
        checks.filter(|check| check.result == CheckResult::Warning)
    }

    /// Whether it would be judged the same now: by what is set, by the keys that are trusted (one may
    /// be revoked meanwhile), and by the time.
    pub fn still_stands(&self, paths: &Paths, settings: &Settings) -> bool {
        self.terms.same(&Terms::of(settings)) && self.keys == trust::keys(paths).0
    }
}

/// After so many seconds a certificate may have expired. A clock that is set looks the same.
const A_WHILE: u64 = 3600;

/// What the owner asks of an image beyond that it fits.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What to make of an image without a good signature.
    pub signature: SignaturePolicy,
    /// So many rebuilders have to come to the same image.
    pub rebuilders_required: u32,
    /// At which time certificates are judged: seconds since 1970.
    pub now: i64,
}

impl Terms {
    /// As they are set now.
    pub fn of(settings: &Settings) -> Terms {
        Terms {
            signature: settings.signature,
            rebuilders_required: settings.rebuilders_required,
            now: crate::system::now(),
        }
    }

    fn same(&self, other: &Terms) -> bool {
        self.signature == other.signature
            && self.rebuilders_required == other.rebuilders_required
            && self.now.abs_diff(other.now) < A_WHILE
    }
}

/// What came of judging a file.
#[derive(Debug)]
pub struct Judged {
    /// Check by check.
    pub checks: Vec<ImageCheck>,
    /// The image, or why it is refused.
    pub image: Result<VerifiedImage, Error>,
}

/// The checks so far, and what the first failed one comes to.
#[derive(Default)]
struct Checks {
    list: Vec<ImageCheck>,
    refusal: Option<Error>,
}

impl Checks {
    fn add(&mut self, check: ImageCheck, kind: Kind) {
        if check.result == CheckResult::Fail && self.refusal.is_none() {
            self.refusal = Some(Error::new(kind, check.detail.clone()));
        }
        self.list.push(check);
    }

    fn refused(self, error: Error) -> Judged {
        Judged {
            checks: self.list,
            image: Err(error),
        }
    }
}

/// The system's own opinion of an image.
#[derive(Clone, Debug, Default, Eq, PartialEq, crate::json::Decode)]
#[field(optional)]
pub struct Validation {
    /// sysupgrade would take it.
    pub valid: bool,
    /// sysupgrade would take it with force.
    pub forceable: bool,
    /// The settings may be kept.
    pub allow_backup: bool,
    /// Words of the programs that were asked.
    #[field(skip)]
    pub detail: String,
}

/// Asks the system what it thinks of the image at `path` (in the router's terms).
pub trait Validator {
    /// The opinion, or why there is none.
    fn validate(&mut self, path: &Path) -> Result<Validation, Error>;
}

/// Judges `candidate` for `device`. A file of unknown origin was not `downloaded`.
pub fn verify(
    paths: &Paths,
    device: &Device,
    candidate: Candidate,
    downloaded: Option<Downloaded>,
    terms: &Terms,
    validator: &mut dyn Validator,
) -> Result<Judged, Error> {
    let identity = candidate.identity()?;
    let (keys, problems) = trust::keys(paths);
    for problem in problems {
        say(&problem);
    }
    let report = read(&candidate, device, &keys, terms)?;
    let newest = newest::newest(paths, &device.release());
    let mut checks = judge(&report, &newest, downloaded.as_ref(), &keys, terms);
    let memory = match room::require(paths, 0) {
        Ok(()) => pass("memory", "There is room for the upgrade."),
        Err(error) => check("memory", CheckResult::Fail, error.message),
    };
    checks.add(memory, Kind::Memory);
    if let Some(error) = checks.refusal.take() {
        let sentence = "The system was not asked: the image is refused already.";
        checks.add(skipped("validation", sentence), Kind::Sysupgrade);
        return Ok(checks.refused(error));
    }
    let validation = validator.validate(&candidate.path)?;
    checks.add(judge_validation(&validation), Kind::Sysupgrade);
    if let Some(error) = checks.refusal.take() {
        return Ok(checks.refused(error));
    }
    let promise = downloaded.map(|downloaded| downloaded.promise);
    let release = release(&report, promise.as_ref());
    let without_settings = report.metadata.verdict() == Verdict::MatchWithoutSettings;
    let image = api::Image {
        path: candidate.path.display().to_string(),
        sha256: report.sha256.to_string(),
        size: report.size,
        version: release.version,
        revision: release.revision,
        profile: promise
            .as_ref()
            .map(|promise| promise.profile.clone())
            .unwrap_or_default(),
        checks: checks.list.clone(),
        keep_allowed: validation.allow_backup && !without_settings,
    };
    let image = VerifiedImage {
        candidate,
        identity,
        image,
        promise,
        terms: *terms,
        keys,
    };
    // It was read at one time and validated at another; both must have seen the same file.
    image.unchanged()?;
    Ok(Judged {
        checks: checks.list,
        image: Ok(image),
    })
}

fn read(
    candidate: &Candidate,
    device: &Device,
    keys: &KeyRing,
    terms: &Terms,
) -> Result<Report, Error> {
    let board = firmware::Device::new(&device.info.board_name, Some(&device.compat_version));
    let mut file = &candidate.file;
    fault::point("verify-read").map_err(|error| Error::file(&candidate.path, "read", &error))?;
    // For a clock that stands before 1970, 1970.
    let now = u64::try_from(terms.now).unwrap_or(0);
    firmware::judge(&mut file, &board, keys, now)
        .map_err(|error| Error::new(Kind::Image, error.to_string()))
}

/// All that the file itself and its origin tell.
fn judge(
    report: &Report,
    newest: &Release,
    downloaded: Option<&Downloaded>,
    keys: &KeyRing,
    terms: &Terms,
) -> Checks {
    let mut checks = Checks::default();
    let promise = downloaded.map(|downloaded| &downloaded.promise);
    let [size, sha256] = announced(report, promise);
    checks.add(size, Kind::Checksum);
    checks.add(sha256, Kind::Checksum);
    let request = downloaded.map(|downloaded| downloaded.request.clone());
    let request = request.unwrap_or_else(|| not_announced("request"));
    checks.add(request, Kind::Mismatch);
    checks.add(metadata(report, newest, promise), Kind::Image);
    let beside = downloaded.and_then(|downloaded| {
        let name = &downloaded.promise.file;
        beside::judge(&downloaded.beside, name, report.sha256, keys)
    });
    let (signature, kind) = trust::judge(report, beside.as_ref(), terms.signature, terms.now);
    checks.add(signature, kind);
    let rebuilders = match downloaded {
        Some(downloaded) => rebuild::judge(
            &downloaded.rebuilt,
            report.sha256_unsigned,
            terms.rebuilders_required,
        ),
        None => not_announced("rebuilders"),
    };
    checks.add(rebuilders, Kind::Signature);
    checks
}

/// As the image says, else as was promised.
fn release(report: &Report, promise: Option<&Promise>) -> Release {
    let content = report.content.as_ref();
    let built = content.and_then(|content| content.version.clone());
    let built = built.unwrap_or_default();
    let promised = |of: fn(&Promise) -> &String| promise.map(|promise| of(promise).clone());
    let version = built.version.or(promised(|promise| &promise.version));
    let revision = built.revision.or(promised(|promise| &promise.revision));
    Release {
        version: version.unwrap_or_default(),
        revision: revision.unwrap_or_default(),
    }
}

/// `size` and `sha256`.
fn announced(report: &Report, promise: Option<&Promise>) -> [ImageCheck; 2] {
    let Some(promise) = promise else {
        return [not_announced("size"), not_announced("sha256")];
    };
    let size = match report.size == promise.size {
        true => pass("size", "The file has the announced size."),
        false => {
            let detail = format!(
                "The file has {} bytes, announced were {}.",
                report.size, promise.size
            );
            check("size", CheckResult::Fail, detail)
        }
    };
    let sha256 = match report.sha256.to_string().eq_ignore_ascii_case(&promise.sha256) {
        true => pass("sha256", "The file has the announced checksum."),
        false => check(
            "sha256",
            CheckResult::Fail,
            "The file does not have the checksum that the server announced: it was damaged or exchanged on its way.",
        ),
    };
    [size, sha256]
}

fn metadata(report: &Report, newest: &Release, promise: Option<&Promise>) -> ImageCheck {
    let sentence = report.metadata.to_string();
    let result = match report.metadata.verdict() {
        Verdict::Match => CheckResult::Pass,
        // Without the settings it may be flashed; keep_allowed says so.
        Verdict::MatchWithoutSettings => CheckResult::Pass,
        // x86 images carry none; for a target whose images do, the system's own validation refuses.
        Verdict::Absent => CheckResult::Skipped,
        Verdict::OtherDevice | Verdict::Incompatible | Verdict::Corrupt => CheckResult::Fail,
    };
    let other = promise
        .zip(report.content.as_ref())
        .and_then(|(promise, content)| {
            let built = content.version.clone().unwrap_or_default();
            let pairs = [
                ("version", built.version, &promise.version),
                ("revision", built.revision, &promise.revision),
                ("target", built.target, &promise.request.target),
            ];
            let mut pairs = pairs
                .into_iter()
                .map(|(what, found, expected)| (what, found.unwrap_or_default(), expected));
            let (what, found, expected) = pairs.find(|(_, found, expected)| found != *expected)?;
            Some(format!(
                "The image says that it is of {what} \"{}\", but \"{expected}\" was to be built.",
                clean(&found)
            ))
        });
    let release = release(report, promise);
    match other {
        _ if result == CheckResult::Fail => check("metadata", result, sentence),
        Some(fault) => check("metadata", CheckResult::Fail, fault),
        None if newest::order(newest, &release) == Ordering::Greater => {
            let sentence = newest::older(&release.version, newest);
            check("metadata", CheckResult::Warning, sentence)
        }
        None => check("metadata", result, sentence),
    }
}

fn judge_validation(validation: &Validation) -> ImageCheck {
    let words = |sentence: &str| match validation.detail.trim() {
        "" => sentence.to_owned(),
        detail => format!("{sentence} ({detail})"),
    };
    match (validation.valid, validation.forceable) {
        (true, _) => pass("validation", "The running system accepts the image."),
        (false, true) => check(
            "validation",
            CheckResult::Warning,
            words("The running system accepts the image only by force."),
        ),
        (false, false) => check(
            "validation",
            CheckResult::Fail,
            words("The running system refuses the image."),
        ),
    }
}

fn check(name: &str, result: CheckResult, detail: impl Into<String>) -> ImageCheck {
    ImageCheck {
        name: name.to_owned(),
        result,
        detail: detail.into(),
    }
}

fn pass(name: &str, detail: &str) -> ImageCheck {
    check(name, CheckResult::Pass, detail)
}

fn skipped(name: &str, detail: &str) -> ImageCheck {
    check(name, CheckResult::Skipped, detail)
}

fn not_announced(name: &str) -> ImageCheck {
    skipped(
        name,
        "The file did not come from a server, so there is nothing to compare it with.",
    )
}
