//! The client of one upgrade server (ASU's interface, `docs` of the public server and what its
//! older releases make of it).
//!
//! Whatever comes from there is bounded while it is read ([`json`], [`index`]), and a status or a
//! body that is not as expected becomes an [`Error`] with a sentence for the router's owner.

pub mod answers;
#[cfg(any(test, feature = "fuzz"))]
#[path = "../../../tests/fuzz/agent/checks/mod.rs"]
pub mod checks;
mod error;
mod found;
mod http;
mod index;
mod json;
mod prepare;
mod refusal;
mod update;

pub use crate::text::clean;
pub use error::Error;
pub use http::{recover, Body, Options, Patience};

use crate::api::RequestBody;
use crate::sorted::Names;
use answers::{Finished, Overview, Profile, Progress};
use found::Found;
pub use found::Versions;
use http::{Answer, Call, Http};
use std::io::Read;

/// How the agent introduces itself.
pub const CLIENT: &str = concat!("asu/", env!("CARGO_PKG_VERSION"));

/// Longest file name, path or hash in an address.
const PATH_LIMIT: usize = 255;

/// One upgrade server.
pub struct Client {
    url: String,
    http: Http,
}

/// Where a build is.
#[derive(Debug)]
pub enum BuildState {
    /// Queued or being built.
    Waiting(Progress),
    /// Built.
    Done(Box<Finished>),
}

/// How many builds are before ours.
const QUEUE_POSITION: &str = "X-Queue-Position";

/// An image, ready to be read.
pub struct OpenImage {
    /// Bytes of the whole file, as announced.
    pub total: u64,
    /// Where `body` begins: at the requested place, or at 0 where the file has become another one, or
    /// the server does not do ranges.
    pub from: u64,
    /// What tells this file from its successor, for the next request.
    pub validator: Option<String>,
    /// The file from there on.
    pub body: Body,
}

impl Client {
    /// A client of the server at `url` (`https://host`, a path below it is fine); nothing is sent.
    pub fn new(url: &str, options: &Options) -> Result<Self, Error> {
        Client::with_patience(url, options, Patience::default())
    }

    /// The same with time-outs of one's own.
    pub fn with_patience(url: &str, options: &Options, patience: Patience) -> Result<Self, Error> {
        Ok(Client {
            url: address(url)?.to_owned(),
            http: Http::new(options.clone(), patience),
        })
    }

    /// The server's address, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How long this client waits.
    pub fn patience(&self) -> &Patience {
        &self.http.patience
    }

    /// What the server builds.
    pub fn overview(&self) -> Result<Overview, Error> {
        let mut answer = self.get("json/v1/overview.json")?;
        match answer.status() {
            200 => json::read(&mut answer.body),
            _ => Err(refusal::of(answer)),
        }
    }

    /// A device of a release (`path` is `releases/24.10.2`); none: the server does not know it.
    ///
    /// It says so with `{}`, 404, or 500 where it does not even know the target.
    pub fn profile(&self, path: &str, target: &str, id: &str) -> Result<Option<Profile>, Error> {
        let (path, target) = (safe_path("path", path)?, safe_path("target", target)?);
        let id = safe_name("profile", id)?;
        let mut answer = self.get(&format!("json/v1/{path}/targets/{target}/{id}.json"))?;
        match answer.status() {
            200 => json::read_unless_empty(&mut answer.body),
            404 | 500 => Ok(None),
            _ => Err(refusal::of(answer)),
        }
    }

    /// The revision that the server has of a release; none: it does not know the release.
    pub fn revision(&self, version: &str, target: &str) -> Result<Option<String>, Error> {
        let (version, target) = (safe_name("version", version)?, safe_path("target", target)?);
        let mut answer = self.get(&format!("api/v1/revision/{version}/{target}"))?;
        match answer.status() {
            200 => Ok(Some(
                json::read::<refusal::Revision>(&mut answer.body)?.revision,
            )),
            400 | 404 => Ok(None),
            _ => Err(refusal::of(answer)),
        }
    }

    /// The versions that a release has of `names`; the target's own packages come before the
    /// architecture's. Names that it does not have are left out.
    pub fn versions_of<'a>(
        &self,
        path: &str,
        target: &str,
        arch: &str,
        names: &Names<'a>,
    ) -> Result<Versions<'a>, Error> {
        let (path, target) = (safe_path("path", path)?, safe_path("target", target)?);
        let arch = safe_name("architecture", arch)?;
        let mut found = Found::of(names);
        let of_target = format!("json/v1/{path}/targets/{target}/index.json");
        let mut seen = self.index(&of_target, false, &mut found)?;
        let of_arch = format!("json/v1/{path}/packages/{arch}-index.json");
        let mut more = self.index(&of_arch, true, &mut found)?;
        if let (0, Some(folder)) = (more, older_packages(path)) {
            let of_arch = format!("json/v1/{folder}/{arch}-index.json");
            more = self.index(&of_arch, true, &mut found)?;
        }
        seen += more;
        match seen {
            0 => Err(Error::NoIndex(target.to_owned())),
            _ => Ok(found.versions()),
        }
    }

    /// One index; an unknown one (404 or `{}`) has no packages.
    fn index(&self, place: &str, flat: bool, found: &mut Found<'_>) -> Result<usize, Error> {
        let mut answer = self.get(place)?;
        match answer.status() {
            200 => index::versions(&mut answer.body, flat, found),
            404 => Ok(0),
            _ => Err(refusal::of(answer)),
        }
    }

    /// The profile that supports `board`, as upstream's own `profiles.json` says.
    pub fn upstream_profile(
        &self,
        upstream: &str,
        path: &str,
        target: &str,
        board: &str,
    ) -> Result<Option<String>, Error> {
        let (upstream, path) = (address(upstream)?, safe_path("path", path)?);
        let target = safe_path("target", target)?;
        let url = format!("{upstream}/{path}/targets/{target}/profiles.json");
        let mut answer = self.http.send(&url, Call::Get)?;
        match answer.status() {
            200 => index::profile_of(&mut answer.body, board),
            404 => Ok(None),
            _ => Err(refusal::of(answer)),
        }
    }

    /// Asks for an image; the same request again is the same build.
    pub fn request_build(&self, request: &RequestBody) -> Result<BuildState, Error> {
        let body =
            crate::json::text(request).map_err(|error| Error::NotUnderstood(error.message))?;
        state(
            self.http.send(
                &format!("{}/api/v1/build", self.url),
                Call::Post(body.as_bytes()),
            )?,
            false,
        )
    }

    /// Where the build of a request is; [`Error::Gone`] where the server has forgotten it.
    pub fn build_state(&self, hash: &str) -> Result<BuildState, Error> {
        let hash = safe_name("request_hash", hash)?;
        state(self.get(&format!("api/v1/build/{hash}"))?, true)
    }

    /// How many builds are before ours, by a question without a body; none: the answer has to be asked
    /// for as a whole.
    pub fn queue_position(&self, hash: &str) -> Result<Option<u32>, Error> {
        let hash = safe_name("request_hash", hash)?;
        let url = format!("{}/api/v1/build/{hash}", self.url);
        let answer = self.http.send(&url, Call::Head)?;
        let position = answer.header(QUEUE_POSITION);
        Ok(position
            .filter(|_| answer.status() == 202)
            .and_then(|position| position.parse().ok()))
    }

    /// Tells what came of an image; false: the server takes no reports.
    pub fn report(&self, report: &[u8]) -> Result<bool, Error> {
        let url = format!("{}/api/v1/report", self.url);
        let answer = self.http.send(&url, Call::Post(report))?;
        match answer.status() {
            200..=299 => Ok(true),
            404 | 405 | 410 | 501 => Ok(false),
            _ => Err(refusal::of(answer)),
        }
    }

    /// Opens a built image, from `offset` on if it is still the file with that validator.
    pub fn open_image(
        &self,
        bin_dir: &str,
        name: &str,
        offset: u64,
        validator: Option<&str>,
    ) -> Result<OpenImage, Error> {
        let (folder, file) = (
            safe_path("bin_dir", bin_dir)?,
            safe_name("file name", name)?,
        );
        let url = format!("{}/store/{folder}/{file}", self.url);
        let call = match offset {
            0 => Call::Get,
            _ => Call::Rest(offset, validator),
        };
        let answer = self.http.send(&url, call)?;
        let (from, total) = match (answer.status(), offset) {
            _ if answer.is_web_page() => return Err(refusal::of(answer)),
            // Whatever Content-Encoding says: older servers call an `.img.gz` gzip-encoded. The bytes are
            // taken as they come, and the checksum decides whether they are the image.
            (200, _) => (0, answer.length()),
            (206, 1..) => {
                let total = range_total(answer.header("Content-Range"), offset);
                // Another part than the one asked for: whoever stands in between mixes something up.
                (offset, Some(total.ok_or(Error::Cut)?))
            }
            // It has become shorter than what we have.
            (412 | 416, 1..) => return self.open_image(bin_dir, name, 0, None),
            (206 | 416, _) => return Err(Error::Cut),
            (404, _) => return Err(Error::Gone),
            _ => return Err(refusal::of(answer)),
        };
        // A weak ETag says that two files mean the same, not that they are the same.
        let etag = answer.header("ETag").filter(|etag| !etag.starts_with("W/"));
        let validator = etag.or(answer.header("Last-Modified")).map(str::to_owned);
        Ok(OpenImage {
            total: total.ok_or(Error::NoLength)?,
            from,
            validator,
            body: answer.body,
        })
    }

    /// A small file beside an image, of which no more than `limit` + 1 bytes are read; none: the
    /// server does not offer it.
    pub fn beside_image(
        &self,
        bin_dir: &str,
        name: &str,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let folder = safe_path("bin_dir", bin_dir)?;
        let answer = self.get(&format!("store/{folder}/{name}"))?;
        match answer.status() {
            // Who has a page for every address does not offer a file.
            _ if answer.is_web_page() => Ok(None),
            200 => {
                let mut bytes = Vec::new();
                let mut body = answer.body.take(limit as u64 + 1);
                body.read_to_end(&mut bytes).map_err(recover)?;
                Ok(Some(bytes))
            }
            403 | 404 | 410 => Ok(None),
            _ => Err(refusal::of(answer)),
        }
    }

    fn get(&self, place: &str) -> Result<Answer, Error> {
        self.http.send(&format!("{}/{place}", self.url), Call::Get)
    }
}

/// What a build's answer means.
fn state(mut answer: Answer, by_hash: bool) -> Result<BuildState, Error> {
    match answer.status() {
        _ if answer.is_web_page() => Err(refusal::of(answer)),
        200 => Ok(BuildState::Done(Box::new(json::read(&mut answer.body)?))),
        202 => {
            let mut progress: Progress = json::read(&mut answer.body)?;
            progress.detail = clean(&progress.detail);
            progress.imagebuilder_status =
                progress.imagebuilder_status.map(|status| clean(&status));
            Ok(BuildState::Waiting(progress))
        }
        404 if by_hash => Err(Error::Gone),
        _ => Err(refusal::of(answer)),
    }
}

/// `bytes 100-199/200` → 200, if it starts at `offset` and goes to the end.
fn range_total(header: Option<&str>, offset: u64) -> Option<u64> {
    let (range, total) = header?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total): (u64, u64, u64) =
        (first.parse().ok()?, last.parse().ok()?, total.parse().ok()?);
    (first == offset && last.checked_add(1)? == total).then_some(total)
}

/// Where servers before 2024 have the architecture's index: `releases/packages-24.10`.
fn older_packages(path: &str) -> Option<String> {
    let (folder, version) = path.split_once('/')?;
    let branch = version.split('-').next()?;
    let mut numbers = branch.splitn(3, '.');
    Some(format!(
        "{folder}/packages-{}.{}",
        numbers.next()?,
        numbers.next()?
    ))
}

/// An address as it is configured: a scheme, a host, maybe a path.
fn address(url: &str) -> Result<&str, Error> {
    let bad = |why| Err(Error::Address(url.to_owned(), why));
    let trimmed = url.trim_end_matches('/');
    let Some(rest) = trimmed
        .strip_prefix("https://")
        .or_else(|| trimmed.strip_prefix("http://"))
    else {
        return bad("it does not start with https:// or http://");
    };
    if rest.is_empty() || rest.starts_with(['/', ':']) {
        return bad("it has no host");
    }
    if rest.len() > PATH_LIMIT
        || !rest
            .chars()
            .all(|c| c.is_ascii_graphic() && !"\"<>\\^`{|}?#".contains(c))
    {
        return bad("it has a character that no address can have, or is too long");
    }
    Ok(trimmed)
}

/// A plain file name: one part of a path, not hidden, of characters that mean nothing to an
/// address or a shell. All names that OpenWrt's builds make are.
pub fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+~@=,".contains(&byte);
    !name.is_empty()
        && name.len() <= PATH_LIMIT
        && !name.starts_with('.')
        && name.bytes().all(plain)
}

fn safe_name<'a>(what: &'static str, name: &'a str) -> Result<&'a str, Error> {
    match is_plain_name(name) {
        true => Ok(name),
        false => Err(Error::Unfit(what, name.to_owned())),
    }
}

fn safe_path<'a>(what: &'static str, path: &'a str) -> Result<&'a str, Error> {
    match path.len() <= PATH_LIMIT && path.split('/').all(is_plain_name) {
        true => Ok(path),
        false => Err(Error::Unfit(what, path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        assert_eq!(
            address("https://a.example/x/").unwrap(),
            "https://a.example/x"
        );
        assert_eq!(address("http://[::1]:8000").unwrap(), "http://[::1]:8000");
        for bad in [
            "",
            "a.example",
            "https://",
            "https:///x",
            "http://:80",
            "ftp://a",
            "http://a b",
            "http://a?b",
            "http://a\n",
        ] {
            assert!(matches!(address(bad), Err(Error::Address(..))), "{bad}");
        }
    }

    #[test]
    fn names_and_paths_are_plain() {
        assert!(is_plain_name(
            "openwrt-24.10.2-x86-64-generic-squashfs-combined-efi.img.gz"
        ));
        for bad in [
            "", ".", "..", ".x", "a/b", "../a", "a\0", "a b", "a\n", "a?b", "a%2fb", "ä", "$(x)",
        ] {
            assert!(!is_plain_name(bad), "{bad}");
        }
        assert!(!is_plain_name(&"a".repeat(256)));
        assert!(safe_path("path", "releases/24.10.2").is_ok());
        for bad in ["", "/", "a/", "/a", "a//b", "a/../b", "a/./b", "{version}"] {
            assert!(safe_path("path", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_range_has_to_be_the_one_asked_for() {
        assert_eq!(range_total(Some("bytes 5-9/10"), 5), Some(10));
        for bad in [
            "bytes 4-9/10",
            "bytes 5-8/10",
            "bytes 5-9/*",
            "bytes 5-9",
            "5-9/10",
            "bytes 5-18446744073709551615/0",
        ] {
            assert_eq!(range_total(Some(bad), 5), None, "{bad}");
        }
    }

    #[test]
    fn older_servers_have_the_packages_of_a_branch_elsewhere() {
        let folder = |path| older_packages(path);
        assert_eq!(
            folder("releases/22.03.4").as_deref(),
            Some("releases/packages-22.03")
        );
        assert_eq!(
            folder("releases/22.03-SNAPSHOT").as_deref(),
            Some("releases/packages-22.03")
        );
        assert_eq!(folder("snapshots"), None);
    }
}
