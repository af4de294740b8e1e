//! Signs what was built, so that a router which trusts this server's key can tell: a ucert at the end of each image, as
//! OpenWrt's own tools append it, and `sha256sums` with the chain of keys beside the images.
//!
//! Two keys: the server's, which routers hold and which can be kept away, and the worker's, for which it vouches. Their
//! files are in the form of usign, so that its tools can read them.

pub mod seal;
mod secret;

use crate::request::hex;
use crate::worker::place;
use crate::Error;
use firmware::trailer::{append, Kind};
use nix::fcntl::{Flock, FlockArg};
use secret::{write_private, Secret};
use serde_json::{json, Value};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use ubus::Writer;

/// How long a certificate is valid, and how much before now it begins, for clocks that are late; in seconds.
const VALID: u64 = 365 * 24 * 60 * 60;
const EARLY: u64 = 24 * 60 * 60;
/// The certtype that vouches for a key.
const AUTHORITY: i32 = 1;
/// Longest image that gets a signature inside, in bytes: it is in memory for that. A longer one is only in the sums.
const LONGEST: u64 = 512 << 20;
/// What sysupgrade or a person may write to flash.
const SIGNED: [&str; 5] = [
    "sysupgrade",
    "factory",
    "combined",
    "combined-efi",
    "sdcard",
];
/// Files that are about the others.
const OURS: [&str; 4] = [
    "sha256sums",
    "sha256sums.sig",
    "worker.pub",
    "worker.pub.sig",
];

/// Whoever makes keys or certificates holds this file.
const LOCK: &str = ".lock";

/// What signs the images of a worker.
pub struct Signer {
    folder: PathBuf,
    worker: Secret,
    public: String,
    /// The server's signature of `public`.
    vouched: String,
    /// A blob in which the server vouches for `public`.
    certificate: Vec<u8>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", hex(&self.worker.number))
    }
}

impl Signer {
    /// Opens a folder of keys. Where it isn't there, both keys are made. Where it has the server's secret, the worker gets a
    /// new certificate; where it hasn't, `worker.*` have to be there as that made them.
    ///
    /// # Errors
    /// [`Error::Io`] where a file can't be read or written, or is no key.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        Self::read(folder).map_err(Error::io(folder))
    }

    fn read(folder: &Path) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        // A worker elsewhere may only read what it was given.
        let given = folder.join("worker.key").exists() && !folder.join("server.key").exists();
        let _lock = if given { None } else { Some(lock(folder)?) };
        if names(folder)? == [LOCK] {
            let server = Secret::generate()?;
            write_private(&folder.join("server.pub"), &server.public())?;
            write_private(&folder.join("server.key"), &server.to_text())?;
        }
        let read = |name: &str| fs::read_to_string(folder.join(name));
        let secret = |name: &str| {
            Secret::parse(&read(name)?)
                .ok_or_else(|| io::Error::other(format!("{name} is no secret key of usign")))
        };
        if folder.join("server.key").exists() {
            if !folder.join("worker.key").exists() {
                write_private(&folder.join("worker.key"), &Secret::generate()?.to_text())?;
            }
            certify(folder, &secret("server.key")?, &secret("worker.key")?)?;
        }
        let worker = secret("worker.key")?;
        Ok(Self {
            folder: folder.to_path_buf(),
            public: read("worker.pub")?,
            vouched: read("worker.pub.sig")?,
            certificate: fs::read(folder.join("worker.ucert"))?,
            worker,
        })
    }

    /// Signs the images of a build in `folder` that its `profiles.json` names for `profile`: in the images, in that file,
    /// and in `sha256sums`.
    ///
    /// # Errors
    /// Where a file can't be read or written.
    pub fn sign(&self, folder: &Path, profile: &str) -> io::Result<()> {
        let path = folder.join("profiles.json");
        let mut content = place::profiles(folder)?;
        let images = content.pointer_mut(&format!("/profiles/{profile}/images"));
        for image in images.and_then(Value::as_array_mut).into_iter().flatten() {
            self.sign_image(folder, image)?;
        }
        fs::write(&path, content.to_string())?;
        let mut sums = String::new();
        for name in names(folder)? {
            if !OURS.contains(&&*name) {
                sums.push_str(&format!("{} *{name}\n", digest(&folder.join(&name))?));
            }
        }
        fs::write(
            folder.join("sha256sums.sig"),
            self.worker.sign(sums.as_bytes()),
        )?;
        fs::write(folder.join("sha256sums"), sums)?;
        fs::write(folder.join("worker.pub"), &self.public)?;
        fs::write(folder.join("worker.pub.sig"), &self.vouched)
    }

    fn sign_image(&self, folder: &Path, image: &mut Value) -> io::Result<()> {
        let kind = image["type"].as_str().unwrap_or_default();
        let name = image["name"].as_str().unwrap_or_default();
        if !SIGNED.contains(&kind) || name.contains('/') || name.starts_with('.') {
            return Ok(());
        }
        let path = folder.join(name);
        // What the build only says it made is for whoever asks for it.
        if !fs::symlink_metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= LONGEST) {
            return Ok(());
        }
        let mut bytes = fs::read(&path)?;
        if image.get("sha256_unsigned").is_none_or(Value::is_null) {
            image["sha256_unsigned"] = json!(hex(&Sha256::digest(&bytes)));
        }
        let mut chain = self.certificate.clone();
        chain.extend(blob(&[(0, self.worker.sign(&bytes).as_bytes())])?);
        append(&mut bytes, Kind::Signature, &chain)
            .map_err(|why| io::Error::other(why.to_string()))?;
        fs::write(&path, &bytes)?;
        image["sha256"] = json!(hex(&Sha256::digest(&bytes)));
        Ok(())
    }
}

/// Keeps other processes that share the folder, and may start at the same time, from it.
fn lock(folder: &Path) -> io::Result<Flock<File>> {
    let file = File::create(folder.join(LOCK))?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| io::Error::from(error))
}

/// Writes the worker's public key, and in both forms that the server vouches for it.
fn certify(folder: &Path, server: &Secret, worker: &Secret) -> io::Result<()> {
    let public = worker.public();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let time = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    let payload = written(|writer| {
        writer.table("ucert", |table| {
            table.int32("certtype", AUTHORITY);
            table.int64("validfrom", time(now.saturating_sub(EARLY)));
            table.int64("expiresat", time(now + VALID));
            table.string("pubkey", public.as_bytes());
        });
    })?;
    let signature = server.sign(&payload);
    fs::write(
        folder.join("worker.ucert"),
        blob(&[(0, signature.as_bytes()), (1, &payload)])?,
    )?;
    fs::write(
        folder.join("worker.pub.sig"),
        server.sign(public.as_bytes()),
    )?;
    fs::write(folder.join("worker.pub"), public)
}

fn blob(parts: &[(u8, &[u8])]) -> io::Result<Vec<u8>> {
    written(|writer| {
        let blob = writer.open_attr(0);
        for (id, data) in parts {
            writer.attr(*id, data);
        }
        writer.close(blob);
    })
}

fn written(fill: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    fill(&mut writer);
    writer
        .finish()
        .map_err(|_| io::Error::other("a certificate is too long"))?;
    Ok(bytes)
}

/// The names of the files in a folder, in order.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

fn digest(path: &Path) -> io::Result<String> {
    place::digest(&mut File::open(path)?)
}

#[cfg(test)]
mod tests {
    use super::Signer;
    use firmware::detached::{judge, Files, Finding};
    use firmware::usign::PublicKey;
    use firmware::{KeyRing, Sha256};
    use serde_json::{json, Value};
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    /// A router that holds the server's key finds image and sums good, and nothing else.
    #[test]
    fn what_a_router_makes_of_it() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let keys = dir.path().join("keys");
        let signer = Signer::open(&keys).expect("keys");
        let mode = |name: &str| {
            fs::metadata(keys.join(name))
                .expect("file")
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!((mode("server.key"), mode("worker.key")), (0o600, 0o600));
        let again = Signer::open(&keys).expect("keys");
        assert_eq!(signer.public, again.public, "the keys stay");

        let bin = dir.path().join("bin");
        fs::create_dir(&bin).expect("folder");
        fs::write(bin.join("x-sysupgrade.bin"), "kernel and root file system").expect("image");
        fs::write(bin.join("x-kernel.bin"), "kernel").expect("image");
        let images = json!([{"type": "sysupgrade", "name": "x-sysupgrade.bin"}, {"type": "kernel", "name": "x-kernel.bin"},
            {"type": "factory", "name": "../keys/server.key"}, {"type": "factory", "name": "missing"}]);
        fs::write(
            bin.join("profiles.json"),
            json!({"profiles": {"x": {"images": images}}}).to_string(),
        )
        .expect("file");
        signer.sign(&bin, "x").expect("signed");

        let read = |name: &str| fs::read(bin.join(name)).expect("file");
        let mut trusted = KeyRing::new();
        let server = fs::read(keys.join("server.pub")).expect("key");
        trusted
            .add(PublicKey::parse(&server).expect("key"))
            .expect("new key");
        let (worker, vouched, sums, signed) = (
            read("worker.pub"),
            read("worker.pub.sig"),
            read("sha256sums"),
            read("sha256sums.sig"),
        );
        let files = Files {
            worker: &worker,
            worker_signature: &vouched,
            sums: &sums,
            sums_signature: &signed,
        };
        let image = read("x-sysupgrade.bin");
        let sum = |bytes: &[u8]| {
            use sha2::Digest as _;
            Sha256(sha2::Sha256::digest(bytes).into())
        };
        for (name, bytes) in [
            ("x-sysupgrade.bin", &image),
            ("x-kernel.bin", &read("x-kernel.bin")),
        ] {
            let finding = judge(&files, name, sum(bytes), &trusted);
            assert!(matches!(finding, Finding::Good { .. }), "{name}: {finding}");
        }
        assert!(matches!(
            judge(&files, "x-kernel.bin", sum(b"other"), &trusted),
            Finding::Differs
        ));

        let content: Value = serde_json::from_slice(&read("profiles.json")).expect("JSON");
        let first = &content["profiles"]["x"]["images"][0];
        assert_eq!(first["sha256"], super::hex(&sum(&image).0));
        assert_eq!(
            first["sha256_unsigned"],
            super::hex(&sum(b"kernel and root file system").0)
        );
        let mut file = std::io::Cursor::new(&image);
        let trailers = firmware::trailer::find(&mut file, image.len() as u64).expect("trailers");
        assert_eq!(trailers.len(), 1);
        assert!(
            fs::read(keys.join("server.key"))
                .expect("key")
                .starts_with(b"untrusted"),
            "no other file is touched"
        );
    }
}
