//! What the server has for this router: releases, the one that is offered, the device's profile.

use super::device::has_generic_image;
use crate::api;
use crate::error::{Error, Kind};
use crate::server::answers::{Overview, OverviewBranch, PackageChange, Profile, ServerSays};
use crate::server::{clean, Client};
use crate::sorted::Names;
use std::cmp::Ordering;

/// What a server does not do; the defaults are ASU's own, for servers that don't say.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Whether images may have a script for their first boot.
    pub allow_defaults: bool,
    /// Bytes of that script.
    pub defaults_length: usize,
    /// MiB of a root file system.
    pub rootfs_size: u32,
    /// Folders of the feeds with which it builds. One that does not say knows no feeds: release
    /// 0.7.20 refuses a request that has the field.
    pub feeds: Vec<String>,
    /// Whether it says beforehand what it would change of a request.
    pub prepares: bool,
    /// Whether it tells the versions of some packages without a whole index.
    pub updates: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            allow_defaults: true,
            defaults_length: 20_480,
            rootfs_size: 1024,
            feeds: Vec::new(),
            prepares: false,
            updates: false,
        }
    }
}

impl Limits {
    fn of(said: Option<&ServerSays>) -> Limits {
        let limits = Limits::default();
        let Some(said) = said else {
            return limits;
        };
        Limits {
            allow_defaults: said.allow_defaults.unwrap_or(limits.allow_defaults),
            defaults_length: said.max_defaults_length.unwrap_or(limits.defaults_length),
            rootfs_size: said.max_custom_rootfs_size_mb.unwrap_or(limits.rootfs_size),
            feeds: said.repository_allow_list.clone().unwrap_or_default(),
            prepares: said.prepare == Some(true),
            updates: said.update == Some(true),
        }
    }
}

/// A release for this router.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// Who offers it.
    pub server: String,
    /// `24.10`
    pub branch: String,
    /// `24.10.2`
    pub version: String,
    /// Its folder, `releases/24.10.2`.
    pub path: String,
    /// Architecture of its packages.
    pub arch: String,
    /// `r28739-d9340319c6`
    pub revision: String,
    /// The device.
    pub profile: Profile,
    /// Packages of the branch that have another name or are gone.
    pub package_changes: Vec<PackageChange>,
    /// The folder of the release that runs, if the server knows its branch.
    pub running_path: Option<String>,
    /// What the server does not do.
    pub limits: Limits,
}

impl Offer {
    /// Refuses a type of root file system that the device's official images don't have.
    pub fn require_rootfs(&self, wanted: &str) -> Result<(), Error> {
        let there = self.filesystems();
        if there.is_empty() || there.has(wanted) {
            return Ok(());
        }
        let sentence = format!(
            "There is no image with {wanted} for this device; it has {}.",
            clean(&there.join(", "))
        );
        Err(Error::new(Kind::Unsupported, sentence))
    }

    /// The root file systems of the device's official images for sysupgrade; `initramfs`, which
    /// runs from memory, is none.
    pub fn filesystems(&self) -> Names<'_> {
        let images = self.profile.images.iter();
        let images = images.filter(|image| !image.kind.contains("factory"));
        let all = images.filter_map(|image| image.filesystem.as_deref());
        all.filter(|name| !name.is_empty() && *name != "initramfs")
            .collect()
    }
}

/// The name of a release, comparable: `24.10.0-rc1` < `24.10.0` < `24.10.2`.
///
/// Snapshots (`SNAPSHOT`, `24.10-SNAPSHOT`) are apart: they sort after all releases, which says
/// nothing of their age; only revisions do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Version {
    numbers: Vec<u32>,
    candidate: Option<u32>,
    snapshot: bool,
}

impl Version {
    /// None: not a name of OpenWrt's.
    pub fn parse(text: &str) -> Option<Self> {
        let (numbers, snapshot) = match text.strip_suffix("SNAPSHOT") {
            Some("") => {
                return Some(Version {
                    numbers: Vec::new(),
                    candidate: None,
                    snapshot: true,
                })
            }
            Some(rest) => (rest.strip_suffix('-')?, true),
            None => (text, false),
        };
        let (numbers, candidate) = match numbers.split_once("-rc") {
            Some((numbers, candidate)) => (numbers, Some(number(candidate)?)),
            None => (numbers, None),
        };
        let numbers = numbers.split('.').map(number).collect::<Option<_>>()?;
        Some(Version {
            numbers,
            candidate,
            snapshot,
        })
    }

    /// Built anew each day.
    pub fn is_snapshot(&self) -> bool {
        self.snapshot
    }

    /// A release candidate.
    pub fn is_candidate(&self) -> bool {
        self.candidate.is_some()
    }

    /// Whether its packages are apk's: main changed to it before 25.12 was branched off.
    pub fn has_apk(&self) -> bool {
        self.numbers.first().is_none_or(|year| *year >= 25)
    }

    /// `24.10` for `24.10.2`, as branches are named.
    fn is_of_branch(&self, branch: &Version) -> bool {
        !branch.snapshot && !branch.numbers.is_empty() && self.numbers.starts_with(&branch.numbers)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |version: &Version| (version.candidate.is_none(), version.candidate);
        let apart = self.snapshot.cmp(&other.snapshot);
        let numbers = apart.then_with(|| self.numbers.cmp(&other.numbers));
        numbers.then_with(|| key(self).cmp(&key(other)))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Digits only: `+1` and ` 1` are no version.
fn number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// The branches that the server builds for the device's target, newest first; snapshots come
/// last. The caller knows which server it was.
pub fn versions(
    overview: &Overview,
    device: &api::DeviceInfo,
    running: &api::Running,
) -> api::Versions {
    let mut branches: Vec<(Option<Version>, api::Branch)> = overview
        .branches
        .iter()
        .filter(|(_, branch)| arch_of(branch, &device.target).is_some())
        .map(|(name, branch)| {
            let listed = api::Branch {
                name: name.clone(),
                latest: latest(branch, &running.version).unwrap_or_default(),
                versions: newest_first(branch),
            };
            (Version::parse(name), listed)
        })
        .collect();
    branches.sort_by(|(a, _), (b, _)| apart_last(a.as_ref(), b.as_ref()));
    api::Versions {
        branches: branches.into_iter().map(|(_, branch)| branch).collect(),
        running: api::Release {
            version: running.version.clone(),
            revision: running.revision.clone(),
        },
        server: String::new(),
    }
}

/// The architecture that an enabled branch has for a target; servers whose branches list no
/// targets are asked about the profile and say then.
fn arch_of<'a>(branch: &'a OverviewBranch, target: &str) -> Option<&'a str> {
    if !branch.enabled {
        return None;
    }
    match branch.targets.get(target) {
        Some(arch) => Some(arch),
        None => branch.targets.is_empty().then_some(""),
    }
}

/// Newest first; what is no release (snapshots, strange names) last.
fn apart_last(a: Option<&Version>, b: Option<&Version>) -> Ordering {
    let release = |version: Option<&Version>| version.is_some_and(|version| !version.snapshot);
    release(b).cmp(&release(a)).then_with(|| match (a, b) {
        (Some(a), Some(b)) => b.cmp(a),
        _ => b.is_some().cmp(&a.is_some()),
    })
}

fn newest_first(branch: &OverviewBranch) -> Vec<String> {
    let mut versions: Vec<_> = branch
        .versions
        .iter()
        .map(|name| (Version::parse(name), name))
        .collect();
    versions.sort_by(|(a, _), (b, _)| apart_last(a.as_ref(), b.as_ref()));
    versions.into_iter().map(|(_, name)| name.clone()).collect()
}

/// What a branch offers without being asked for by name: its newest release; candidates only to
/// who runs one, a snapshot only where there is nothing else or where it runs already.
fn latest(branch: &OverviewBranch, running: &str) -> Option<String> {
    let running_version = Version::parse(running);
    let snapshot = running_version.as_ref().is_some_and(Version::is_snapshot);
    if snapshot && branch.versions.iter().any(|name| name == running) {
        return Some(running.to_owned());
    }
    let candidates = running_version.is_some_and(|version| version.is_candidate());
    let versions = newest_first(branch);
    let releases = versions.iter().filter(|name| {
        Version::parse(name)
            .is_some_and(|version| !version.snapshot && (candidates || !version.is_candidate()))
    });
    releases
        .into_iter()
        .next()
        .or(versions.first().filter(|_| branch.snapshot))
        .cloned()
}

/// Chooses the release and finds the device in it.
///
/// Without `version`: the newest of the running branch (a snapshot stays the same snapshot).
/// `version` names a branch or a release.
pub fn choose(
    client: &Client,
    device: &api::DeviceInfo,
    running: &api::Running,
    version: Option<&str>,
) -> Result<Offer, Error> {
    let overview = client.overview()?;
    let release = choose_release(&overview, &device.target, running, version)?;
    let path = release.branch.path.replace("{version}", &release.version);
    let arch = arch_of(release.branch, &device.target);
    let profile = find_profile(client, &overview, &path, device).map_err(|error| match arch {
        None if error.kind == Kind::Unsupported => {
            not_there(&overview, &device.target, &release.version)
        }
        _ => error,
    })?;
    let archs = [
        arch.unwrap_or_default(),
        &profile.arch_packages,
        &device.arch,
    ];
    let arch = archs
        .iter()
        .find(|arch| !arch.is_empty())
        .map_or_else(String::new, |arch| (*arch).to_owned());
    Ok(Offer {
        server: client.url().to_owned(),
        branch: release.name.to_owned(),
        version: release.version,
        path,
        arch,
        revision: profile.version_code.clone(),
        profile,
        package_changes: release.branch.package_changes.clone(),
        running_path: running_path(&overview, running),
        limits: Limits::of(overview.server.as_ref()),
    })
}

/// A device in the release whose folder is `path`.
pub fn profile_at(client: &Client, path: &str, device: &api::DeviceInfo) -> Result<Profile, Error> {
    find_profile(client, &client.overview()?, path, device)
}

/// The folder in which the running release is, or was: servers forget old releases.
fn running_path(overview: &Overview, running: &api::Running) -> Option<String> {
    let (_, branch) = running_branch(overview, running)?;
    Some(branch.path.replace("{version}", &running.version))
}

/// A release of an overview.
struct Release<'a> {
    name: &'a str,
    branch: &'a OverviewBranch,
    version: String,
}

fn choose_release<'a>(
    overview: &'a Overview,
    target: &str,
    running: &api::Running,
    asked: Option<&str>,
) -> Result<Release<'a>, Error> {
    let (name, version) = match asked {
        Some(asked) => asked_for(overview, running, asked),
        None => of_running_branch(overview, running),
    }
    .ok_or_else(|| not_there(overview, target, asked.unwrap_or(&running.version)))?;
    let (name, branch) = overview
        .branches
        .get_key_value(name)
        .ok_or_else(|| not_there(overview, target, name))?;
    // Its targets are those of its newest version, so they rule out no other one.
    if !branch.enabled {
        return Err(not_there(overview, target, &version));
    }
    Ok(Release {
        name,
        branch,
        version,
    })
}

/// The branch of the running release, and what it offers.
fn of_running_branch<'a>(
    overview: &'a Overview,
    running: &api::Running,
) -> Option<(&'a str, String)> {
    let (name, branch) = running_branch(overview, running)?;
    let snapshot = Version::parse(&running.version)?.is_snapshot();
    if snapshot && !branch.versions.contains(&running.version) {
        return None;
    }
    Some((name, latest(branch, &running.version)?))
}

/// The branch that lists the running release, else the one that it belongs to by its name.
fn running_branch<'a>(
    overview: &'a Overview,
    running: &api::Running,
) -> Option<(&'a str, &'a OverviewBranch)> {
    let version = Version::parse(&running.version)?;
    let lists = |branch: &OverviewBranch| branch.versions.contains(&running.version);
    let is_its =
        |name: &str| Version::parse(name).is_some_and(|branch| version.is_of_branch(&branch));
    let mut branches = overview.branches.iter();
    let found = branches.clone().find(|(_, branch)| lists(branch));
    let (name, branch) = found.or_else(|| branches.find(|(name, _)| is_its(name)))?;
    Some((name, branch))
}

/// The branch or the release of that name; who asks for a branch without a release gets its
/// newest candidate.
fn asked_for<'a>(
    overview: &'a Overview,
    running: &api::Running,
    asked: &str,
) -> Option<(&'a str, String)> {
    if let Some((name, branch)) = overview
        .branches
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(asked))
    {
        let newest = || newest_first(branch).into_iter().next();
        return Some((name, latest(branch, &running.version).or_else(newest)?));
    }
    let listed = overview.branches.iter().find_map(|(name, branch)| {
        let version = branch
            .versions
            .iter()
            .find(|version| version.eq_ignore_ascii_case(asked))?;
        Some((name.as_str(), version.clone()))
    })?;
    Some(listed)
}

/// What there is instead.
fn not_there(overview: &Overview, target: &str, wanted: &str) -> Error {
    let there: Vec<&str> = overview
        .branches
        .iter()
        .filter(|(_, branch)| arch_of(branch, target).is_some())
        .map(|(name, _)| name.as_str())
        .collect();
    let sentence = match there.as_slice() {
        [] => format!(
            "The upgrade server does not build {} for {}. If the release is new, try again later.",
            clean(wanted),
            clean(target)
        ),
        there => format!(
            "The upgrade server does not build {} for {}; it has {}. Choose one with --version.",
            clean(wanted),
            clean(target),
            clean(&there.join(", "))
        ),
    };
    Error::new(Kind::Unsupported, sentence)
}

/// The device: by its board name, else by who supports the board, else the target's `generic` where
/// there is no other profile. (octeon has one among others, and its image is not for their boards.)
fn find_profile(
    client: &Client,
    overview: &Overview,
    path: &str,
    device: &api::DeviceInfo,
) -> Result<Profile, Error> {
    let target = &device.target;
    let unknown = |trouble: &str| unknown_device(device, trouble);
    if has_generic_image(target) {
        let profile = client.profile(path, target, "generic")?;
        return profile.ok_or_else(|| unknown(""));
    }
    if let Some(profile) = client.profile(path, target, &device.board_name.replace(',', "_"))? {
        return Ok(profile);
    }
    let Some(upstream) = &overview.upstream_url else {
        return Err(unknown(
            "The server does not say where other names of boards are listed.",
        ));
    };
    let id = client.upstream_profile(upstream, path, target, &device.board_name);
    let id = id.map_err(|error| unknown(&error.to_string()))?;
    let id = id.ok_or_else(|| unknown(""))?;
    let profile = client.profile(path, target, &id)?;
    profile.ok_or_else(|| unknown(""))
}

fn unknown_device(device: &api::DeviceInfo, trouble: &str) -> Error {
    let sentence = format!(
        "The upgrade server does not know this device ({}) in this release. It may have been \
         dropped or renamed: look it up in OpenWrt's table of hardware, or choose another release \
         with --version.",
        clean(&device.board_name)
    );
    Error::new(Kind::Unsupported, sentence).with_detail(trouble)
}
