//! Stage 6: making sure of an image, before any other program reads it (design section 6).
//!
//! Each check has a name, a result and a sentence. What passes becomes a [`VerifiedImage`], which
//! nothing else can make and without which nothing is flashed.

use super::device::Device;
use super::promise::Promise;
use crate::api::{self, CheckResult, ImageCheck};
use crate::error::{Error, Kind};
use crate::paths::Paths;
use crate::system::room;
use firmware::metadata::Verdict;
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

    /// Warnings stand in the way of flashing unless the owner insists.
    pub fn warning(&self) -> Option<&ImageCheck> {
        self.image
            .checks
            .iter()
            .find(|check| check.result == CheckResult::Warning)
    }
}

/// What came of judging a file.
#[derive(Debug)]
pub struct Judged {
    /// Check by check.
    pub checks: Vec<ImageCheck>,
    /// There unless a check failed.
    pub image: Option<VerifiedImage>,
}

impl Judged {
    /// The image, or why there is none.
    pub fn into_result(self) -> Result<VerifiedImage, Error> {
        let failed = self
            .checks
            .iter()
            .find(|check| check.result == CheckResult::Fail);
        match (self.image, failed) {
            (Some(image), None) => Ok(image),
            (_, Some(check)) => Err(Error::new(kind_of(&check.name), check.detail.clone())),
            (None, None) => Err(Error::new(
                Kind::Internal,
                "The image was not judged to its end.",
            )),
        }
    }
}

/// The error kind of a check that failed.
fn kind_of(check: &str) -> Kind {
    match check {
        "size" | "sha256" => Kind::Checksum,
        "request" => Kind::Mismatch,
        "signature" | "rebuilders" => Kind::Signature,
        "validation" => Kind::Sysupgrade,
        "memory" => Kind::Memory,
        _ => Kind::Image,
    }
}

/// The system's own opinion of an image.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct Validation {
    /// sysupgrade would take it.
    pub valid: bool,
    /// sysupgrade would take it with force.
    pub forceable: bool,
    /// The settings may be kept.
    pub allow_backup: bool,
    /// Words of the programs that were asked.
    #[serde(skip)]
    pub detail: String,
}

/// Asks the system what it thinks of the image at `path` (in the router's terms).
pub trait Validator {
    /// The opinion, or why there is none.
    fn validate(&mut self, path: &Path) -> Result<Validation, Error>;
}

/// Judges `candidate` for `device`. A file of unknown origin has no `promise`.
pub fn verify(
    paths: &Paths,
    device: &Device,
    candidate: Candidate,
    promise: Option<(Promise, ImageCheck)>,
    validator: &mut dyn Validator,
) -> Result<Judged, Error> {
    let identity = candidate.identity()?;
    let report = read(&candidate, device)?;
    let (promise, request) = promise.unzip();
    let request = request.unwrap_or_else(|| not_announced("request"));
    let mut checks = announced(&report, promise.as_ref());
    checks.push(request);
    checks.push(metadata(&report, promise.as_ref()));
    checks.push(skipped(
        "signature",
        "This version does not judge signatures.",
    ));
    checks.push(skipped(
        "rebuilders",
        "This version does not ask rebuilders.",
    ));
    checks.push(match room::require(paths, 0) {
        Ok(()) => pass("memory", "There is room for the upgrade."),
        Err(error) => check("memory", CheckResult::Fail, error.message),
    });
    let mut keep_allowed = report.metadata.verdict() != Verdict::MatchWithoutSettings;
    if failed(&checks) {
        checks.push(skipped(
            "validation",
            "The system was not asked: the image is refused already.",
        ));
        return Ok(Judged {
            checks,
            image: None,
        });
    }
    let validation = validator.validate(&candidate.path)?;
    keep_allowed &= validation.allow_backup;
    checks.push(judge_validation(&validation));
    if failed(&checks) {
        return Ok(Judged {
            checks,
            image: None,
        });
    }
    let built = report
        .content
        .as_ref()
        .and_then(|content| content.version.clone())
        .unwrap_or_default();
    let promised =
        |of: fn(&Promise) -> &String| promise.as_ref().map(|promise| of(promise).clone());
    let image = api::Image {
        path: candidate.path.display().to_string(),
        sha256: report.sha256.to_string(),
        size: report.size,
        version: built
            .version
            .or(promised(|promise| &promise.version))
            .unwrap_or_default(),
        revision: built
            .revision
            .or(promised(|promise| &promise.revision))
            .unwrap_or_default(),
        profile: promise
            .as_ref()
            .map(|promise| promise.profile.clone())
            .unwrap_or_default(),
        checks: checks.clone(),
        keep_allowed,
    };
    let image = VerifiedImage {
        candidate,
        identity,
        image,
        promise,
    };
    // It was read at one time and validated at another; both must have seen the same file.
    image.unchanged()?;
    Ok(Judged {
        checks,
        image: Some(image),
    })
}

fn read(candidate: &Candidate, device: &Device) -> Result<firmware::Report, Error> {
    let board = firmware::Device::new(&device.info.board_name, Some(&device.compat_version));
    let now = u64::try_from(crate::system::now()).unwrap_or(0);
    let mut file = &candidate.file;
    firmware::judge(&mut file, &board, &firmware::KeyRing::new(), now)
        .map_err(|error| Error::new(Kind::Image, error.to_string()))
}

/// `size` and `sha256`.
fn announced(report: &firmware::Report, promise: Option<&Promise>) -> Vec<ImageCheck> {
    let Some(promise) = promise else {
        return vec![not_announced("size"), not_announced("sha256")];
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
    vec![size, sha256]
}

fn metadata(report: &firmware::Report, promise: Option<&Promise>) -> ImageCheck {
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
                found.escape_debug()
            ))
        });
    match other {
        Some(fault) if result != CheckResult::Fail => check("metadata", CheckResult::Fail, fault),
        _ => check("metadata", result, sentence),
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

fn failed(checks: &[ImageCheck]) -> bool {
    checks.iter().any(|check| check.result == CheckResult::Fail)
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
