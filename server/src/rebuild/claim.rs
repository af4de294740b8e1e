//! What another server says of an image: read with care, for nothing of it has to be true.

use crate::request::{is_hash, validate, BuildRequest};
use crate::{store, Config, Limits};
use firmware::{Device, KeyRing};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;
use std::time::Duration;

/// Longest answer about an image that is read, in bytes: what a build printed is in it twice 64 KiB long.
const LONGEST: u64 = 8 << 20;
/// Longest first-boot script, in characters: whatever the other server takes.
const SCRIPT: usize = 1 << 20;
/// Most images and packages of one build.
const IMAGES: usize = 100;
const PACKAGES: usize = 10_000;
/// How long the other server may take to answer, and for one piece of a file.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a whole image may take.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(60 * 60);

/// What a server says it has built.
#[derive(Debug)]
pub struct Claim {
    /// The server's address without a slash at the end.
    base: String,
    folder: String,
    limits: Limits,
    /// What was built: the packages are those that the server really asked for.
    pub request: BuildRequest,
    /// The archive of the ImageBuilder.
    pub imagebuilder_sha256: Option<String>,
    /// Package → version.
    pub manifest: BTreeMap<String, String>,
    /// The files.
    pub images: Vec<Image>,
}

/// An image that was built.
#[derive(Debug, PartialEq, Eq)]
pub struct Image {
    /// A plain name of a file.
    pub name: String,
    /// Of the file.
    pub sha256: String,
    /// Without its signature, if they are not the same.
    pub sha256_unsigned: Option<String>,
}

impl Image {
    /// What is compared.
    pub fn unsigned(&self) -> &str {
        self.sha256_unsigned.as_ref().unwrap_or(&self.sha256)
    }
}

impl Claim {
    /// Asks for the JSON of the build whose page or JSON is at `url`.
    ///
    /// # Errors
    /// A sentence where there is none, or no sense in it.
    pub fn fetch(url: &str, config: &Config) -> Result<Self, String> {
        let (base, hash) = split(url).ok_or_else(|| {
            format!(
                "{url} is not the address of a build: it ends in /build/ and 64 hexadecimal digits"
            )
        })?;
        let address = format!("{base}/api/v1/build/{hash}");
        let agent = agent(PATIENCE);
        let said = |why: String| format!("{address}: {why}");
        let answer = agent
            .get(&address)
            .call()
            .map_err(|error| said(error.to_string()))?;
        match answer.status().as_u16() {
            200 => {}
            202 => return Err(said("it is not built yet".to_owned())),
            404 => {
                return Err(said(
                    "this server knows no such build, or no longer".to_owned(),
                ))
            }
            500 => return Err(said("that build failed there".to_owned())),
            status => return Err(said(format!("the server answers {status}"))),
        }
        let body = answer
            .into_body()
            .into_with_config()
            .limit(LONGEST)
            .read_to_vec();
        let body = body.map_err(|error| said(error.to_string()))?;
        let fields = serde_json::from_slice(&body).map_err(|error| said(error.to_string()))?;
        Self::read(base, &fields, config).map_err(said)
    }

    fn read(base: &str, fields: &Map<String, Value>, config: &Config) -> Result<Self, String> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let mut rules = config.clone();
        rules.max_defaults_length = SCRIPT;
        let asked = fields
            .get("request")
            .ok_or("it says nothing of what was asked for")?;
        let mut asked = asked.clone();
        if let (Some(asked), Some(revision)) = (asked.as_object_mut(), text("version_code")) {
            // Who asked may have left open which.
            asked.insert("version_code".to_owned(), revision.into());
        }
        let mut request = validate::build_request(&asked, &rules)
            .map_err(|list| format!("what was asked for has a wrong form: {list}"))?;
        // The packages are what the server made of those that a client named.
        request.exact = true;
        let folder = text("bin_dir").filter(|name| is_plain(name));
        let imagebuilder = text("imagebuilder_sha256");
        if imagebuilder.is_some_and(|sum| !is_hash(sum)) {
            return Err("the sum of its ImageBuilder has a wrong form".to_owned());
        }
        let images = images(fields)?;
        if images.is_empty() {
            return Err("it names no images".to_owned());
        }
        Ok(Self {
            base: base.to_owned(),
            folder: folder
                .ok_or("it does not say where its files are")?
                .to_owned(),
            limits: config.limits.clone(),
            request,
            imagebuilder_sha256: imagebuilder.map(str::to_owned),
            manifest: manifest(fields)?,
            images,
        })
    }

    /// Downloads an image into `file` and returns its sum, whole and without a signature at its end.
    ///
    /// # Errors
    /// A sentence where it can't be had.
    pub fn download(&self, image: &Image, file: &Path) -> Result<(String, String), String> {
        let address = format!("{}/store/{}/{}", self.base, self.folder, image.name);
        let said = |why: String| format!("{address}: {why}");
        let answer = agent(LONGEST_DOWNLOAD).get(&address).call();
        let answer = answer.map_err(|error| said(error.to_string()))?;
        if answer.status() != 200 {
            return Err(said(format!(
                "the server answers {}",
                answer.status().as_u16()
            )));
        }
        let most = self.limits.disk_mb << 20;
        let mut body = answer.into_body().into_reader().take(most);
        let mut judged = || -> io::Result<_> {
            let mut file = File::options()
                .create(true)
                .truncate(true)
                .read(true)
                .write(true)
                .open(file)?;
            if io::copy(&mut body, &mut file)? == most {
                return Err(io::Error::other(format!(
                    "it has more than {} MiB",
                    most >> 20
                )));
            }
            file.rewind()?;
            // Only the sums are wanted, not whom it is for or who signed it.
            firmware::judge(&mut file, &Device::new("", None), &KeyRing::new(), 0)
                .map_err(io::Error::other)
        };
        let report = judged().map_err(|error| said(error.to_string()))?;
        Ok((
            report.sha256.to_string(),
            report.sha256_unsigned.to_string(),
        ))
    }
}

fn agent(whole: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_global(Some(whole))
        .http_status_as_error(false);
    config.build().into()
}

/// The server and the build that an address of a page or of JSON is about.
fn split(url: &str) -> Option<(&str, &str)> {
    let (rest, hash) = url.trim_end_matches('/').rsplit_once("/build/")?;
    let base = rest.strip_suffix("/api/v1").unwrap_or(rest);
    let web = base.starts_with("https://") || base.starts_with("http://");
    (web && is_hash(hash)).then_some((base, hash))
}

/// Whether a name is plain, and no longer than one of a file may be.
fn is_plain(name: &str) -> bool {
    name.len() <= 255 && store::is_plain(name)
}

/// The images of an answer.
///
/// # Errors
/// A sentence where one has a wrong form.
pub fn images(fields: &Map<String, Value>) -> Result<Vec<Image>, String> {
    let entries = fields.get("images").and_then(Value::as_array);
    let image = |entry: &Value| {
        let sum = |name: &str| {
            entry[name]
                .as_str()
                .filter(|sum| is_hash(sum))
                .map(str::to_owned)
        };
        let name = entry["name"]
            .as_str()
            .filter(|name| is_plain(name))?
            .to_owned();
        Some(Image {
            name,
            sha256: sum("sha256")?,
            sha256_unsigned: sum("sha256_unsigned"),
        })
    };
    let entries = entries.into_iter().flatten().take(IMAGES);
    let images: Option<Vec<Image>> = entries.map(image).collect();
    images.ok_or_else(|| "one of its images has no plain name or no SHA-256".to_owned())
}

/// The packages of an answer and their versions.
///
/// # Errors
/// A sentence where one has a wrong form.
pub fn manifest(fields: &Map<String, Value>) -> Result<BTreeMap<String, String>, String> {
    let packages = fields.get("manifest").and_then(Value::as_object);
    let entry = |(name, version): (&String, &Value)| {
        let version = version.as_str().filter(|version| is_plain(version))?;
        Some((name.clone(), version.to_owned())).filter(|_| is_plain(name))
    };
    let packages = packages.into_iter().flatten().take(PACKAGES);
    let manifest: Option<_> = packages.map(entry).collect();
    manifest.ok_or_else(|| "a package of its manifest has no plain name or version".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{split, Claim};
    use crate::Config;
    use serde_json::{json, Value};

    #[test]
    fn addresses_of_builds() {
        let hash = "0123456789abcdef".repeat(4);
        let cases = [
            ("https://asu.example/build/", Some("https://asu.example")),
            ("http://[::1]:8000/api/v1/build/", Some("http://[::1]:8000")),
            (
                "https://x.example/asu/api/v1/build/",
                Some("https://x.example/asu"),
            ),
            ("https://x.example/", None),
            ("file:///build/", None),
            ("/build/", None),
        ];
        for (start, base) in cases {
            let url = format!("{start}{hash}");
            assert_eq!(split(&url), base.map(|base| (base, &*hash)), "{url}");
        }
        assert_eq!(split("https://x.example/build/0123"), None);
    }

    /// Nothing of another server is a path, an argument or a command before it has the form of what it should be.
    #[test]
    fn answers_that_mean_harm() {
        let sum = "a".repeat(64);
        let good = json!({"bin_dir": "x", "version_code": "r1-abc", "manifest": {"tmux": "3.5-r1"}, "imagebuilder_sha256": sum,
            "images": [{"name": "x.bin", "sha256": sum, "sha256_unsigned": sum}],
            "request": {"version": "24.10.2", "target": "ath79/generic", "profile": "x", "packages": ["tmux"]}});
        let config = Config::new("http://127.0.0.1:1", "/nonexistent", "/nonexistent");
        let read =
            |answer: &Value| Claim::read("http://x", answer.as_object().expect("object"), &config);
        let claim = read(&good).expect("claim");
        assert!(claim.request.exact && claim.request.version_code == "r1-abc");
        let wrong = [
            ("/bin_dir", json!("../x")),
            ("/bin_dir", json!("x/y")),
            ("/bin_dir", json!(null)),
            ("/version_code", json!("$(x)")),
            ("/manifest/tmux", json!("\u{1b}[2J")),
            ("/manifest", json!({"a b": "1"})),
            ("/imagebuilder_sha256", json!("../..")),
            ("/images/0/name", json!("../x.bin")),
            ("/images/0/name", json!("")),
            ("/images/0/sha256", json!("x")),
            ("/images", json!([])),
            ("/request/packages/0", json!("-x y")),
            ("/request/target", json!("../..")),
            ("/request/profile", json!("$(x)")),
            ("/request", json!(null)),
        ];
        for (place, value) in wrong {
            let mut answer = good.clone();
            *answer.pointer_mut(place).expect("place") = value.clone();
            assert!(read(&answer).is_err(), "{place} {value}");
        }
    }
}
