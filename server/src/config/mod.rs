//! What a server is told before it starts. [`file`] reads it from TOML.

pub mod file;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The configuration of a server. [`Config::new`] fills in what the public server has.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Web servers before this one, whose word counts for who asks (`X-Forwarded-For`).
    pub trusted_proxies: Vec<IpAddr>,
    /// The download site, without a slash at the end.
    pub upstream_url: String,
    /// Where built images are kept; a folder for each request hash below it.
    pub store: PathBuf,
    /// A bucket where built images are kept instead; `store` is then where they are made.
    pub s3: Option<S3Config>,
    /// Where jobs and statistics are remembered, so that a restart forgets none; without it they are in memory only.
    pub state: Option<PathBuf>,
    /// `redis://HOST:PORT/NUMBER` of a Redis or Valkey by which many processes share their jobs; `state` is of no use then.
    pub queue: Option<String>,
    /// After how long without a sign of life of its worker a job is given to another; only with `queue`.
    pub lease: Duration,
    /// Where ImageBuilders are: `VERSION/TARGET/SUBTARGET` below it.
    pub imagebuilders: PathBuf,
    /// ImageBuilders elsewhere: (version, target) → folder. They come before those below `imagebuilders`.
    pub imagebuilder_folders: BTreeMap<(String, String), PathBuf>,
    /// A folder of public keys, as a router has in `/etc/opkg/keys`: whose ImageBuilders are fetched from the download site.
    /// Without it none are.
    pub keys: Option<PathBuf>,
    /// The folder with the keys that sign images, made if it isn't there; without it nothing is signed.
    pub signing: Option<PathBuf>,
    /// How long an unused ImageBuilder is kept.
    pub imagebuilders_keep: Duration,
    /// How much disk all fetched ImageBuilders together may take, in MiB.
    pub imagebuilders_mb: u64,
    /// The branches that are offered; their versions come from the download site.
    pub branches: Vec<Branch>,
    /// Whether to prepare requests for the processes that share the queue.
    pub prepare: bool,
    /// How many builds run at once. Those in one ImageBuilder's folder wait for each other.
    pub workers: usize,
    /// Where builds work: a folder for each that runs.
    pub work: PathBuf,
    /// How builds are kept apart from the system and from each other.
    pub isolation: Isolation,
    /// This program, as builds are launched by it; a library has none, and can do neither a sandbox nor limits without.
    pub launcher: Option<PathBuf>,
    /// What one build may use.
    pub limits: Limits,
    /// Where sandboxed builds may connect to besides the download site, each `host:port`.
    pub build_hosts: Vec<String>,
    /// Repositories of others that a request may name: each an address, and all below it.
    pub repository_allow_list: Vec<String>,
    /// How many requests may wait; one more than that is still taken, as the public server does.
    pub max_pending: usize,
    /// How many connections are served at once; more wait in the system's queue.
    pub max_connections: usize,
    /// How long a client may take to send the head of a request, and again for its body.
    pub patience: Duration,
    /// How long one build may take.
    pub job_timeout: Duration,
    /// Whether a first-boot script (`defaults`) is accepted.
    pub allow_defaults: bool,
    /// Longest such script in characters.
    pub max_defaults_length: usize,
    /// Largest `rootfs_size_mb`.
    pub max_rootfs_size_mb: u64,
    /// Whether `GET /api/v1/update` is offered; without, routers read whole indexes.
    pub update: bool,
    /// How long a file of the download site counts as fresh.
    pub upstream_lifetime: Duration,
    /// How long answers are kept.
    pub lifetimes: Lifetimes,
    /// How many finished builds are kept at most; the oldest goes first, its images with it.
    pub max_finished: usize,
    /// Who knows this may delete builds; without it nobody may.
    pub admin_token: Option<String>,
    /// An address that is told of every build that ends.
    pub webhook: Option<String>,
    /// What it knows the server by: `Authorization: Bearer TOKEN`.
    pub webhook_token: Option<String>,
    /// Whom to write to, shown in the overview.
    pub contact: String,
}

/// A bucket of S3 or of something that speaks like it.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// `https://s3.example.org`, without a slash at the end; the bucket comes after it, in the path.
    pub endpoint: String,
    /// Its name.
    pub bucket: String,
    /// `us-east-1`, or what the service calls its place.
    #[serde(default = "region")]
    pub region: String,
    /// The public name of the key.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
}

fn region() -> String {
    "us-east-1".to_owned()
}

impl std::fmt::Debug for S3Config {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3Config({}/{})", self.endpoint, self.bucket)
    }
}

/// How builds are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// In a sandbox where the system can, else by a copy.
    #[default]
    Auto,
    /// In a sandbox, or not at all.
    Sandbox,
    /// Each in its own copy of the ImageBuilder.
    Copy,
}

/// What one build may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Address space of each process, in MiB.
    pub memory_mb: u64,
    /// How many processes there may be.
    pub processes: u64,
    /// How much disk all its files together may take, in MiB.
    pub disk_mb: u64,
}

/// How long a finished build is kept, its images included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifetimes {
    /// One whose package versions were given.
    pub versioned: Duration,
    /// One without.
    pub unversioned: Duration,
    /// One with a first-boot script.
    pub defaults: Duration,
    /// One that failed.
    pub failure: Duration,
}

/// A branch of OpenWrt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// `24.10`, or `SNAPSHOT`.
    pub name: String,
    /// Its folder on the download site; `{version}` stands for the version.
    pub path: String,
    /// Whether it is offered.
    pub enabled: bool,
    /// The revision at which it left the main branch; none for SNAPSHOT.
    pub branch_off_rev: Option<u32>,
}

impl Branch {
    /// A release branch.
    pub fn release(name: &str, branch_off_rev: u32) -> Self {
        let path = "releases/{version}".to_owned();
        Self {
            name: name.to_owned(),
            path,
            enabled: true,
            branch_off_rev: Some(branch_off_rev),
        }
    }

    /// The main branch.
    pub fn snapshot() -> Self {
        Self {
            name: "SNAPSHOT".to_owned(),
            path: "snapshots".to_owned(),
            enabled: true,
            branch_off_rev: None,
        }
    }

    /// The folder of one of its versions on the download site.
    pub fn path_of(&self, version: &str) -> String {
        self.path.replace("{version}", version)
    }
}

impl Config {
    /// A configuration with the public server's limits and branches, that listens on a free port of the loopback interface.
    pub fn new(
        upstream_url: &str,
        store: impl Into<PathBuf>,
        imagebuilders: impl Into<PathBuf>,
    ) -> Self {
        let store = store.into();
        let releases = [
            ("25.12", 32295),
            ("24.10", 27990),
            ("23.05", 23069),
            ("22.03", 19160),
            ("21.02", 15812),
        ];
        let releases = releases.map(|(name, revision)| Branch::release(name, revision));
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            upstream_url: upstream_url.trim_end_matches('/').to_owned(),
            work: store.with_extension("work"),
            isolation: Isolation::Copy,
            launcher: None,
            limits: Limits {
                memory_mb: 8192,
                processes: 512,
                disk_mb: 8192,
            },
            build_hosts: Vec::new(),
            repository_allow_list: Vec::new(),
            store,
            s3: None,
            state: None,
            queue: None,
            lease: Duration::from_secs(30),
            imagebuilders: imagebuilders.into(),
            imagebuilder_folders: BTreeMap::new(),
            keys: None,
            signing: None,
            imagebuilders_keep: Duration::from_secs(30 * 24 * HOUR),
            imagebuilders_mb: 50 << 10,
            branches: std::iter::once(Branch::snapshot())
                .chain(releases)
                .collect(),
            prepare: false,
            workers: 1,
            max_pending: 200,
            max_connections: 4096,
            trusted_proxies: Vec::new(),
            patience: Duration::from_secs(30),
            job_timeout: Duration::from_secs(10 * MINUTE),
            allow_defaults: false,
            max_defaults_length: 20480,
            max_rootfs_size_mb: 1024,
            update: true,
            upstream_lifetime: Duration::from_secs(MINUTE),
            lifetimes: Lifetimes {
                versioned: Duration::from_secs(7 * 24 * HOUR),
                unversioned: Duration::from_secs(24 * HOUR),
                defaults: Duration::from_secs(30 * MINUTE),
                failure: Duration::from_secs(HOUR),
            },
            max_finished: 1000,
            admin_token: None,
            webhook: None,
            webhook_token: None,
            contact: String::new(),
        }
    }

    /// The branch that `version` (or a branch's own name) belongs to: `24.10` for 24.10.2, 24.10.0-rc1 and 24.10-SNAPSHOT.
    pub fn branch_of(&self, version: &str) -> Option<&Branch> {
        let stem = version
            .strip_suffix("-SNAPSHOT")
            .or_else(|| version.rsplit_once('.').map(|(stem, _)| stem));
        let named = |name: &str| self.branches.iter().find(|branch| branch.name == name);
        named(version).or_else(|| named(stem?))
    }
}
