//! Reads the configuration from a TOML file. Everything in it may be left out.

use super::{Branch, Config, Isolation, S3Config};
use crate::request::feeds;
use serde::Deserialize;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the server listens if nothing else is said.
const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 8000);
/// The download site if nothing else is said.
const UPSTREAM: &str = "https://downloads.openwrt.org";

/// Why a file is no configuration. Display gives the sentence for people.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid(String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

/// The file, as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    listen: Option<SocketAddr>,
    trusted_proxies: Vec<IpAddr>,
    upstream: Option<String>,
    data: Option<PathBuf>,
    queue: Option<String>,
    store: Option<PathBuf>,
    imagebuilders: Option<PathBuf>,
    workers: Option<usize>,
    max_pending: Option<usize>,
    max_finished: Option<usize>,
    max_connections: Option<usize>,
    allow_defaults: Option<bool>,
    max_defaults_length: Option<usize>,
    max_rootfs_size_mb: Option<u64>,
    update: Option<bool>,
    admin_token: Option<String>,
    webhook: Option<String>,
    webhook_token: Option<String>,
    contact: Option<String>,
    work: Option<PathBuf>,
    keys: Option<PathBuf>,
    signing: Option<PathBuf>,
    imagebuilders_mb: Option<u64>,
    isolation: Option<Isolation>,
    build_hosts: Option<Vec<String>>,
    repository_allow_list: Vec<String>,
    s3: Option<S3Config>,
    limits: LimitsEntry,
    times: Times,
    branch: Vec<BranchEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsEntry {
    memory_mb: Option<u64>,
    processes: Option<u64>,
    disk_mb: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Times {
    build: Option<Span>,
    upstream: Option<Span>,
    lease: Option<Span>,
    client: Option<Span>,
    keep_imagebuilders: Option<Span>,
    keep_versioned: Option<Span>,
    keep_unversioned: Option<Span>,
    keep_defaults: Option<Span>,
    keep_failures: Option<Span>,
}

/// A time as text: `90s`, `10m`, `24h`, `7d`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Span(Duration);

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no time: write 90s, 10m, 24h or 7d");
        let unit = match text.chars().last() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 60 * 60,
            Some('d') => 24 * 60 * 60,
            _ => return Err(wrong()),
        };
        let number: u32 = text
            .get(..text.len() - 1)
            .and_then(|number| number.parse().ok())
            .ok_or_else(wrong)?;
        Ok(Self(Duration::from_secs(u64::from(number) * unit)))
    }
}

/// A `[[branch]]`: a name and a revision, or `snapshot = true`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BranchEntry {
    name: String,
    revision: Option<u32>,
    path: Option<String>,
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

/// The configuration without a file, its data below `data`.
pub fn standard(data: &Path) -> Config {
    let mut config = Config::new(UPSTREAM, data.join("store"), data.join("imagebuilders"));
    config.listen = SocketAddr::from(LISTEN);
    config.state = Some(data.join("state"));
    config.work = data.join("work");
    config.isolation = Isolation::Auto;
    config.signing = Some(data.join("signing"));
    config
}

/// Reads a configuration; `data` is where things are kept if the file doesn't say.
///
/// # Errors
/// [`Invalid`] names the line and what is wrong with it.
pub fn parse(text: &str, data: &Path) -> Result<Config, Invalid> {
    let file: File = toml::from_str(text).map_err(|error| Invalid(error.to_string()))?;
    let mut config = standard(file.data.as_deref().unwrap_or(data));
    set(&mut config.listen, file.listen);
    set(&mut config.store, file.store);
    config.keys = file.keys;
    if file.signing.is_some() {
        config.signing = file.signing;
    }
    set(&mut config.imagebuilders_mb, file.imagebuilders_mb);
    set(&mut config.work, file.work);
    set(&mut config.isolation, file.isolation);
    set(&mut config.build_hosts, file.build_hosts);
    config.s3 = file.s3.map(bucket).transpose()?;
    for url in file.repository_allow_list {
        if feeds::split(&url).is_none() {
            return Err(Invalid(format!(
                "repository_allow_list has \"{url}\", which is no address: one is https://feeds.example.org/mine"
            )));
        }
        config.repository_allow_list.push(url);
    }
    set(&mut config.limits.memory_mb, file.limits.memory_mb);
    set(&mut config.limits.processes, file.limits.processes);
    set(&mut config.limits.disk_mb, file.limits.disk_mb);
    set(&mut config.imagebuilders, file.imagebuilders);
    set(&mut config.workers, file.workers);
    set(&mut config.max_pending, file.max_pending);
    set(&mut config.max_finished, file.max_finished);
    set(&mut config.max_connections, file.max_connections);
    config.trusted_proxies = file.trusted_proxies;
    set(&mut config.allow_defaults, file.allow_defaults);
    set(&mut config.max_defaults_length, file.max_defaults_length);
    set(&mut config.max_rootfs_size_mb, file.max_rootfs_size_mb);
    set(&mut config.update, file.update);
    set(&mut config.contact, file.contact);
    config.queue = file.queue.filter(|url| !url.is_empty());
    config.admin_token = file.admin_token.filter(|token| !token.is_empty());
    config.webhook_token = file.webhook_token.filter(|token| !token.is_empty());
    if let Some(url) = file.webhook.filter(|url| !url.is_empty()) {
        config.webhook = Some(address("webhook", &url)?);
    }
    if let Some(url) = file.upstream {
        config.upstream_url = address("upstream", url.trim_end_matches('/'))?;
    }
    let times = file.times;
    let span = |place: &mut Duration, value: Option<Span>| set(place, value.map(|span| span.0));
    span(&mut config.job_timeout, times.build);
    span(&mut config.upstream_lifetime, times.upstream);
    span(&mut config.lease, times.lease);
    span(&mut config.patience, times.client);
    span(&mut config.imagebuilders_keep, times.keep_imagebuilders);
    span(&mut config.lifetimes.versioned, times.keep_versioned);
    span(&mut config.lifetimes.unversioned, times.keep_unversioned);
    span(&mut config.lifetimes.defaults, times.keep_defaults);
    span(&mut config.lifetimes.failure, times.keep_failures);
    if !file.branch.is_empty() {
        config.branches = file
            .branch
            .into_iter()
            .map(branch)
            .collect::<Result<_, _>>()?;
    }
    if config.max_connections == 0 {
        return Err(Invalid(
            "max_connections = 0 would serve nobody.".to_owned(),
        ));
    }
    Ok(config)
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn address(name: &str, url: &str) -> Result<String, Invalid> {
    if url.starts_with("https://") || url.starts_with("http://") {
        Ok(url.to_owned())
    } else {
        Err(Invalid(format!(
            "{name} = \"{url}\" is no address: it begins with https:// or http://."
        )))
    }
}

fn bucket(mut entry: S3Config) -> Result<S3Config, Invalid> {
    entry.endpoint = address("endpoint", entry.endpoint.trim_end_matches('/'))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if entry.bucket.is_empty() || !entry.bucket.chars().all(plain) || entry.bucket.starts_with('.')
    {
        let words = format!("bucket = \"{}\" is no name of a bucket.", entry.bucket);
        return Err(Invalid(words));
    }
    Ok(entry)
}

fn branch(entry: BranchEntry) -> Result<Branch, Invalid> {
    let standard = match entry.revision {
        Some(revision) => Branch::release(&entry.name, revision),
        None if entry.name == "SNAPSHOT" => Branch::snapshot(),
        None => {
            return Err(Invalid(format!(
                "Branch {} has no revision: the one at which it left the main branch.",
                entry.name
            )))
        }
    };
    let path = entry.path.unwrap_or(standard.path);
    let plain = path.split('/').all(|part| {
        let name = part.replace("{version}", "v");
        !name.starts_with('.') && !name.is_empty() && !name.contains(['{', '}'])
    });
    if !plain {
        return Err(Invalid(format!(
            "Branch {} has the path \"{path}\"; it is one below the download site, as releases/{{version}}.",
            entry.name
        )));
    }
    Ok(Branch {
        path,
        enabled: entry.enabled,
        ..standard
    })
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::path::Path;
    use std::time::Duration;

    #[test]
    fn an_empty_file_is_a_server() {
        let config = parse("", Path::new("/data")).expect("configuration");
        assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
        assert_eq!(config.store, Path::new("/data/store"));
        assert_eq!(config.state.as_deref(), Some(Path::new("/data/state")));
        assert_eq!(config.branches.len(), 6);
    }

    #[test]
    fn what_the_file_says_counts() {
        let text = "listen = '[::1]:80'\ndata = '/srv'\nimagebuilders = '/ib'\nworkers = 3\nupstream = 'http://mirror/'\n\
                    [times]\nbuild = '90s'\nkeep_versioned = '2d'\n[[branch]]\nname = '24.10'\nrevision = 27990\n";
        let config = parse(text, Path::new("/data")).expect("configuration");
        assert_eq!(config.listen.to_string(), "[::1]:80");
        assert_eq!(
            (config.store.as_path(), config.workers),
            (Path::new("/srv/store"), 3)
        );
        assert_eq!(config.imagebuilders, Path::new("/ib"));
        assert_eq!(config.upstream_url, "http://mirror");
        assert_eq!(config.job_timeout, Duration::from_secs(90));
        assert_eq!(config.lifetimes.versioned, Duration::from_secs(172_800));
        assert_eq!(config.branches.len(), 1);
    }

    /// The example in the documentation is a configuration, and says of the defaults what they are.
    #[test]
    fn the_documentation() {
        let text = include_str!("../../../docs/server.md");
        let (_, rest) = text.split_once("```toml\n").expect("an example");
        let (example, _) = rest.split_once("```").expect("its end");
        let data = Path::new("/var/lib/asu-server");
        let (told, own) = (
            parse(example, data).expect("configuration"),
            parse("", data).expect("configuration"),
        );
        assert_eq!((told.listen, told.workers), (own.listen, own.workers));
        assert_eq!(
            (told.max_pending, told.max_finished),
            (own.max_pending, own.max_finished)
        );
        assert_eq!((&told.store, &told.signing), (&own.store, &own.signing));
        assert_eq!(
            (&told.limits, &told.lifetimes),
            (&own.limits, &own.lifetimes)
        );
        assert_eq!(
            (told.job_timeout, told.lease, told.patience),
            (own.job_timeout, own.lease, own.patience)
        );
        assert!(told.queue.is_none() && told.webhook.is_none() && told.s3.is_some());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("liste = 1", "liste"),
            ("listen = 'here'", "listen"),
            ("[times]\nbuild = '10 minutes'", "is no time"),
            ("[times]\nbuild = '9ü'", "is no time"),
            ("upstream = 'ftp://x'", "is no address"),
            ("webhook = 'x'", "is no address"),
            ("[s3]\nbucket = 'x'", "endpoint"),
            (
                "[s3]\nendpoint = 'http://x'\nbucket = '../x'\naccess_key = ''\nsecret_key = ''",
                "no name of a bucket",
            ),
            (
                "repository_allow_list = ['feeds.example']",
                "which is no address",
            ),
            ("[[branch]]\nname = '24.10'", "has no revision"),
            (
                "[[branch]]\nname = 'x'\nrevision = 1\npath = '../x'",
                "one below",
            ),
            (
                "[[branch]]\nname = 'x'\nrevision = 1\npath = 'a/{v}'",
                "one below",
            ),
            ("max_connections = 0", "nobody"),
        ];
        for (text, words) in cases {
            let error = parse(text, Path::new("/data")).expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
