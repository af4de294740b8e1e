//! What crosses the bus: one set of types for the daemon, the job, the command line and `--json`.
//!
//! Shapes and words are those of design section 3 and 5 (docs/ubus.md describes them for callers).
//! Times are seconds since 1970, sizes are bytes.

mod changes;

use crate::error::{Error, Kind};
use crate::json::{self, Decode, Encode, Kept, Out, Unexpected, Value};
use crate::sorted::Map;
use crate::text::{clean_answer, is_clean_json};
pub use changes::{VersionChange, VersionChanges};
use std::cmp::Ordering;

/// The answer of `packagelist`.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct PackageList {
    /// Package name without ABI suffix → version.
    pub packages: Map<String>,
}

/// The answer of `info`.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Info {
    /// This program.
    pub agent: AgentInfo,
    /// The router.
    pub device: DeviceInfo,
    /// What runs on it.
    pub running: Running,
    /// `apk` or `opkg`.
    pub database: String,
    /// URLs of the upgrade servers, in the order in which they are tried.
    pub servers: Vec<String>,
    /// What there is to work with.
    pub memory: Memory,
}

/// Which agent answers.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct AgentInfo {
    /// Version of the program.
    pub version: String,
    /// Version of this interface.
    pub api: u32,
}

/// The hardware and the kind of image it wants.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct DeviceInfo {
    /// As the firmware names the board, `tplink,archer-c7-v2`.
    pub board_name: String,
    /// As the ImageBuilder names it, `tplink_archer-c7-v2`.
    pub profile: String,
    /// `ath79/generic`.
    pub target: String,
    /// Package architecture, `mips_24kc`.
    pub arch: String,
    /// For people.
    pub model: String,
    /// `squashfs`, `ext4`, …
    pub rootfs_type: String,
    /// `efi` or `bios` where a board can have either, else empty.
    pub boot: String,
}

/// The running system.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Running {
    /// `OpenWrt`.
    pub distribution: String,
    /// `24.10.0`, `SNAPSHOT`.
    pub version: String,
    /// `r28427-6df0e3d02a`.
    pub revision: String,
    /// `6.12.87`.
    pub kernel: String,
}

/// A release and the exact build of it.
#[derive(Clone, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub struct Release {
    /// `24.10.2`
    pub version: String,
    /// `r28739-d9340319c6`, or empty where nobody said.
    pub revision: String,
}

/// Bytes that are free.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub struct Memory {
    /// MemAvailable.
    pub available: u64,
    /// Free space of /tmp.
    pub tmp_free: u64,
}

/// The answer of `versions`.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Versions {
    /// Newest branch first.
    pub branches: Vec<Branch>,
    /// What runs now.
    pub running: Release,
    /// Which server answered.
    #[field(optional)]
    pub server: String,
}

/// A branch that the server builds for this router's target.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Branch {
    /// `24.10`
    pub name: String,
    /// The newest version of it that is offered without being asked for by name.
    pub latest: String,
    /// Newest first.
    pub versions: Vec<String>,
}

/// The answer of `status`, and what subscribers are told.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Status {
    /// The running or the last job.
    pub job: Option<Job>,
    /// The verified image in hand.
    pub image: Option<Image>,
    /// The last check.
    pub check: Option<Check>,
    /// The newest entry of the history.
    pub last_upgrade: Option<Upgrade>,
    /// What the owner should know.
    pub notice: Option<Notice>,
}

/// A job: from asking for an image to flashing it.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Job {
    /// Counts up; unique as long as /tmp lives.
    pub id: u32,
    /// How far it is to go.
    pub goal: Goal,
    /// Where it is.
    pub phase: Phase,
    /// Of the phase, 0 to 100, where it is known.
    pub percent: Option<u8>,
    /// The server's own step, or the file being fetched.
    pub detail: String,
    /// How many builds are before ours.
    pub queue_position: Option<u32>,
    /// Received so far.
    pub bytes: Option<u64>,
    /// To be received.
    pub bytes_total: Option<u64>,
    /// Which server does the work.
    pub server: String,
    /// What is being built.
    pub version: String,
    /// Its revision.
    pub revision: String,
    /// The server's name for the request.
    pub request_hash: String,
    /// When it was started.
    pub started: i64,
    /// When it last told something.
    pub updated: i64,
    /// Why it failed.
    pub error: Option<Error>,
}

/// How far a job is to go.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub enum Goal {
    /// To a verified image.
    #[default]
    Download,
    /// To a flashed one.
    Upgrade,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub enum Phase {
    /// Looks for what the server has and plans.
    #[default]
    Checking,
    /// Sends the request.
    Requesting,
    /// Waits for a worker.
    Queued,
    /// The image is being built.
    Building,
    /// The image is being fetched.
    Downloading,
    /// The image is being judged.
    Verifying,
    /// A verified image is in hand.
    Ready,
    /// sysupgrade has the image.
    Flashing,
    /// The goal was reached (after a reboot, where there was one).
    Done,
    /// See `error`.
    Failed,
    /// Somebody cancelled.
    Cancelled,
}

/// The verified image in hand.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Image {
    /// Below /tmp.
    pub path: String,
    /// Hexadecimal, of the whole file.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// As its metadata says.
    pub version: String,
    /// As its metadata says.
    pub revision: String,
    /// For which it was built, or empty where nobody said.
    pub profile: String,
    /// What was looked at.
    pub checks: Vec<ImageCheck>,
    /// Whether the settings may be kept.
    pub keep_allowed: bool,
}

/// One check of an image.
#[derive(Clone, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub struct ImageCheck {
    /// `size sha256 request metadata signature rebuilders validation memory`
    pub name: String,
    /// What came of it.
    pub result: CheckResult,
    /// A sentence.
    pub detail: String,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub enum CheckResult {
    /// As it should be.
    Pass,
    /// Somebody has to say that it is all right (`force`).
    Warning,
    /// Never to be flashed.
    Fail,
    /// Not looked at; the detail says why.
    #[default]
    Skipped,
}

/// The answer of `verify`.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Verification {
    /// What was looked at.
    pub checks: Vec<ImageCheck>,
    /// No check failed.
    pub valid: bool,
}

/// The last check for an upgrade.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Check {
    /// It is still under way.
    pub running: bool,
    /// When it was asked for.
    pub at: i64,
    /// What came of it …
    pub plan: Option<KeptPlan>,
    /// … or why nothing did.
    pub error: Option<Error>,
}

/// An upgrade of the past.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Upgrade {
    /// What ran before.
    pub from: Release,
    /// What was flashed.
    pub to: Release,
    /// When it was flashed.
    pub at: i64,
    /// What came of it.
    pub result: Outcome,
    /// Where the router is not as promised.
    pub differences: Vec<Difference>,
    /// Whether the settings were kept.
    pub kept_settings: bool,
    /// Packages that the owner went without, because the release did not have them.
    #[field(optional)]
    pub left_out: Vec<String>,
    /// What the upgrade server is told of it; null where the owner does not want that.
    pub report: Option<Report>,
}

/// What an upgrade server is told of an upgrade: the releases and the result that stand beside it,
/// and this, but for the server itself.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Report {
    /// The one that built the image.
    pub server: String,
    /// `ath79/generic`
    pub target: String,
    /// `tplink_archer-c7-v2`
    pub profile: String,
    /// Whether it has been told.
    pub state: ReportState,
}

/// Where a [`Report`] is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub enum ReportState {
    /// It is still to be sent.
    #[default]
    Waiting,
    /// The server has it.
    Sent,
    /// The server takes no reports, and is not asked again.
    Unwanted,
    /// The server could not be reached.
    Failed,
}

/// What came of a flashed image.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub enum Outcome {
    /// Everything is as promised.
    Confirmed,
    /// It runs, but not everything is as promised.
    Differs,
    /// The old system runs still.
    #[default]
    NotApplied,
}

/// Something that is not as promised.
#[derive(Clone, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub struct Difference {
    /// `version`, `revision` or `package`.
    pub kind: DifferenceKind,
    /// The package's name, else empty.
    pub name: String,
    /// What was promised; null: nothing.
    pub expected: Option<String>,
    /// What is there; null: nothing.
    pub found: Option<String>,
}

/// What a [`Difference`] is about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub enum DifferenceKind {
    /// Of the running system.
    #[default]
    Version,
    /// Of the running system.
    Revision,
    /// A package.
    Package,
}

/// What the owner should know.
#[derive(Clone, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub struct Notice {
    /// For programs.
    pub kind: NoticeKind,
    /// One line for people.
    pub text: String,
    /// Since when.
    pub since: i64,
}

/// What a [`Notice`] is about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub enum NoticeKind {
    /// Something newer is there.
    #[default]
    UpgradeAvailable,
    /// An upgrade was confirmed.
    Upgraded,
    /// An upgrade failed or is not as promised.
    UpgradeFailed,
}

/// The answer of `history`.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct History {
    /// Newest first.
    pub upgrades: Vec<Upgrade>,
}

/// What an upgrade would change, and exactly what would be asked of the server (design section 5).
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Plan {
    /// Which server was asked.
    pub server: String,
    /// What runs now.
    pub running: Release,
    /// What would run.
    pub target: Target,
    /// In one word.
    pub verdict: Verdict,
    /// Package by package.
    pub packages: PackageChanges,
    /// Of the release's own choice.
    pub defaults: Defaults,
    /// What is asked for as a change to the release's default packages: `x` comes besides, `-x`
    /// does not come (the form that firmware-selector.openwrt.org takes).
    #[field(optional)]
    pub selection: Vec<String>,
    /// Sentences about everything that is not as one would expect.
    pub notes: Vec<String>,
    /// The body of the request, as it will be sent; null when blocked.
    pub request: Option<RequestBody>,
}

/// A plan on its way to those who asked: the daemon looks at its outline and passes on the whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptPlan {
    /// What it comes to.
    pub outline: Outline,
    whole: Kept<Plan>,
}

impl KeptPlan {
    /// Makes sure that it can be passed on as it is; `text` is the JSON that it was read from.
    pub fn clean(&mut self, text: &[u8]) -> Result<(), Error> {
        if is_clean_json(text) {
            self.whole.keep_text(text);
            return Ok(());
        }
        let cleaned = clean_answer(json::to_bus(self)?);
        let cleaned = cleaned.map_err(|full| Error::new(Kind::Internal, full.to_string()))?;
        *self = json::from_bus(&cleaned)?;
        Ok(())
    }

    /// All of it.
    pub fn read(&self) -> Result<Plan, Error> {
        Ok(self.whole.read()?)
    }
}

impl Decode for KeptPlan {
    fn decode(&mut self, value: Value<'_>) -> Result<(), Unexpected> {
        self.outline.decode(value)?;
        self.whole.decode(value)
    }
}

impl Encode for KeptPlan {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        self.whole.encode(name, out);
    }
}

/// What a [`Plan`] comes to.
#[derive(Clone, Debug, Default, PartialEq, Decode)]
pub struct Outline {
    /// What runs now.
    pub running: Release,
    /// What would run.
    pub target: Target,
    /// In one word.
    pub verdict: Verdict,
}

/// The release a plan leads to.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Target {
    /// `24.10.2`
    pub version: String,
    /// `r28739-d9340319c6`
    pub revision: String,
    /// `6.6.93`, or empty where the server did not say.
    pub kernel: String,
    /// `24.10`
    pub branch: String,
    /// When upstream built it, as the server wrote it, or empty.
    pub built_at: String,
}

/// A plan in one word.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub enum Verdict {
    /// Nothing to do.
    Current,
    /// A newer release.
    Upgrade,
    /// The same release with newer packages.
    Rebuild,
    /// An older release.
    Downgrade,
    /// It can't be done as things are.
    #[default]
    Blocked,
}

/// What would change, package by package.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct PackageChanges {
    /// Newer versions.
    pub upgrade: VersionChanges,
    /// Older versions.
    pub downgrade: VersionChanges,
    /// Packages that come.
    pub new: Vec<NamedVersion>,
    /// Packages that go.
    pub gone: Vec<NamedVersion>,
    /// Packages under another name.
    pub renamed: Vec<Renamed>,
    /// Wanted packages that the target does not have.
    pub missing: Vec<Missing>,
}

impl PackageChanges {
    /// Notes a package that is there before and after, if its version changes.
    pub fn compare(&mut self, name: &str, from: &str, to: &str) {
        let changes = match packages::version::compare(from, to) {
            Ordering::Less => &mut self.upgrade,
            Ordering::Greater => &mut self.downgrade,
            Ordering::Equal => return,
        };
        changes.push(name, from, to);
    }
}

/// A package and its version.
#[derive(Clone, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub struct NamedVersion {
    /// Package.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A package that has another name in the target.
#[derive(Clone, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub struct Renamed {
    /// Name now.
    pub from: String,
    /// Name then.
    pub to: String,
}

/// A wanted package that the target does not have.
#[derive(Clone, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub struct Missing {
    /// Package.
    pub name: String,
    /// Installed packages that depend on it; empty: the user asked for it.
    pub needed_by: Vec<String>,
}

/// What the release itself brings.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct Defaults {
    /// New default packages.
    pub added: Vec<String>,
    /// Default packages that the user had removed and that stay away.
    pub removed_by_user: Vec<String>,
    /// Default packages in whose place something else is installed.
    pub replaced: Vec<Replaced>,
}

/// A default package with something else in its place.
#[derive(Clone, Debug, Default, Eq, PartialEq, Decode, Encode)]
pub struct Replaced {
    /// The default package.
    pub default: String,
    /// What is installed instead.
    pub by: String,
}

/// The body of `POST /api/v1/build`, as the upgrade server documents it.
#[derive(Clone, Debug, Default, PartialEq, Decode, Encode)]
pub struct RequestBody {
    /// `openwrt`
    pub distro: String,
    /// `24.10.2`
    pub version: String,
    /// The revision that the server said it has.
    pub version_code: String,
    /// `ath79/generic`
    pub target: String,
    /// `tplink_archer-c7-v2`
    pub profile: String,
    /// Names, where not every version is known.
    #[field(sparse)]
    pub packages: Vec<String>,
    /// Names with the versions that the index promised.
    #[field(sparse)]
    pub packages_versions: Map<String>,
    /// Whether the list is the whole truth (and defaults not in it are removed).
    pub diff_packages: bool,
    /// A script for the first boot.
    #[field(sparse)]
    pub defaults: Option<String>,
    /// Size of the root file system in MiB.
    #[field(sparse)]
    pub rootfs_size_mb: Option<u32>,
    /// `squashfs`, `ext4`, where the device has both.
    #[field(sparse)]
    pub filesystem: Option<String>,
    /// Further feeds: name → URL.
    #[field(sparse)]
    pub repositories: Map<String>,
    /// `append`: besides the server's own.
    #[field(sparse)]
    pub repositories_mode: Option<String>,
    /// The keys of those feeds.
    #[field(sparse)]
    pub repository_keys: Vec<String>,
    /// Who asks: `asu/0.1.0`.
    pub client: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(plan: &Plan) -> (KeptPlan, String) {
        let text = json::text(plan).unwrap();
        let mut kept: KeptPlan = json::from_text(text.as_bytes()).unwrap();
        kept.clean(text.as_bytes()).unwrap();
        (kept, text)
    }

    #[test]
    fn a_kept_plan_is_clean_whatever_it_said() {
        let request = RequestBody {
            defaults: Some("echo \u{1b}[2J\n".to_owned()),
            ..RequestBody::default()
        };
        let plan = Plan {
            server: "http://a\u{1b}[2J/".to_owned(),
            notes: vec!["turned \u{202e} round".to_owned()],
            request: Some(request.clone()),
            ..Plan::default()
        };
        let (kept, text) = kept(&plan);
        let read = kept.read().unwrap();
        assert_eq!(read.server, "http://a [2J/");
        assert_eq!(read.notes, ["turned \u{fffd} round"]);
        // The owner's own script is what will be sent.
        assert_eq!(read.request, Some(request));
        let again = json::text(&kept).unwrap();
        assert!(again != text && !again.contains('\u{202e}'), "{again}");
    }

    #[test]
    fn a_kept_plan_is_what_it_was() {
        let plan = Plan {
            verdict: Verdict::Upgrade,
            notes: vec!["nothing".to_owned()],
            ..Plan::default()
        };
        let (kept, text) = kept(&plan);
        assert_eq!(kept.outline.verdict, Verdict::Upgrade);
        assert_eq!(kept.read().unwrap(), plan);
        assert_eq!(json::text(&kept).unwrap(), text);
        assert_eq!(json::to_bus(&kept).unwrap(), json::to_bus(&plan).unwrap());
    }
}
