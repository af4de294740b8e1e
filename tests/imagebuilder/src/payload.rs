//! What an image of the miniature ImageBuilder holds in place of a kernel and a root file system.
//!
//! An image starts with the line `MINI-IMAGEBUILDER 1`, a line with the decimal length in bytes of the JSON text that
//! follows, that text ([`Payload`]'s fields under their names), and filler that does not compress. An image whose name
//! ends in `.gz` is a gzip member of that. Either may be followed by trailers.

use crate::Error;
use flate2::read::GzDecoder;
use serde_json::{json, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

const MAGIC: &str = "MINI-IMAGEBUILDER 1\n";
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
/// Longest JSON text that is read: ten thousand packages fit.
const LONGEST: usize = 8 << 20;

/// The content of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload {
    /// `24.10.2`
    pub version: String,
    /// `r28739-d9340319c6`
    pub revision: String,
    /// `6.12.91`
    pub kernel: String,
    /// `ath79/generic`
    pub target: String,
    /// `tplink_archer-c7-v2`
    pub profile: String,
    /// `squashfs`, or empty for an image without root file system
    pub filesystem: String,
    /// Whether the packages are apk's.
    pub apk: bool,
    /// `ROOTFS_PARTSIZE` of the build in MiB, 0 = the default
    pub rootfs_mb: u64,
    /// Manifest: name without ABI suffix → version.
    pub packages: BTreeMap<String, String>,
    /// The same packages with all that a package database holds, in the order of their names.
    pub installed: Vec<Installed>,
    /// Text of the files laid over the root file system (`FILES`), by absolute path.
    pub files: BTreeMap<String, String>,
}

/// A package in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Name without ABI suffix.
    pub name: String,
    /// ABI suffix, or empty. The package database knows the package under name + suffix.
    pub abi: String,
    /// Its version.
    pub version: String,
    /// `mips_24kc`, `all`, `noarch`.
    pub arch: String,
    /// Bytes it takes.
    pub size: u64,
    /// Names with ABI suffix that it needs.
    pub depends: Vec<String>,
    /// Other names it answers to.
    pub provides: Vec<String>,
    /// Whether it was asked for (apk: it is in world; opkg: it is not `Auto-Installed`).
    pub requested: bool,
}

/// Reads the payload of the image at `path`.
///
/// # Errors
/// [`Error::Io`] where the file can't be read, [`Error::Malformed`] where it is no image of this ImageBuilder.
pub fn read(path: &Path) -> Result<Payload, Error> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut start = [0; 2];
    file.read_exact(&mut start).map_err(Error::io(path))?;
    let rest = start.chain(file);
    if start == GZIP_MAGIC {
        decode(&mut GzDecoder::new(rest), path)
    } else {
        decode(&mut { rest }, path)
    }
}

fn decode(image: &mut dyn Read, path: &Path) -> Result<Payload, Error> {
    let mut magic = [0; MAGIC.len()];
    image.read_exact(&mut magic).map_err(Error::io(path))?;
    if magic != MAGIC.as_bytes() {
        return Err(Error::malformed("miniature image", path.display()));
    }
    let length = read_length(image, path)?;
    let mut text = vec![0; length];
    image.read_exact(&mut text).map_err(Error::io(path))?;
    let value: Value = serde_json::from_slice(&text)
        .map_err(|error| Error::malformed("miniature image", error))?;
    Ok(Payload::from_json(&value))
}

fn read_length(image: &mut dyn Read, path: &Path) -> Result<usize, Error> {
    let mut length = 0;
    loop {
        let mut byte = [0; 1];
        image.read_exact(&mut byte).map_err(Error::io(path))?;
        match byte {
            [b'\n'] => return Ok(length),
            [digit @ b'0'..=b'9'] if length < LONGEST => {
                length = length * 10 + usize::from(digit - b'0')
            }
            _ => {
                return Err(Error::malformed(
                    "length in a miniature image",
                    path.display(),
                ))
            }
        }
        if length > LONGEST {
            return Err(Error::malformed("length in a miniature image", length));
        }
    }
}

impl Payload {
    /// The payload as the bytes at the start of an image.
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = self.to_json().to_string();
        format!("{MAGIC}{}\n{text}", text.len()).into_bytes()
    }

    fn to_json(&self) -> Value {
        let installed: Vec<Value> = self.installed.iter().map(Installed::to_json).collect();
        json!({
            "version": self.version, "revision": self.revision, "kernel": self.kernel, "target": self.target,
            "profile": self.profile, "filesystem": self.filesystem, "apk": self.apk, "rootfs_mb": self.rootfs_mb,
            "installed": installed, "files": self.files,
        })
    }

    fn from_json(value: &Value) -> Self {
        let items = value["installed"].as_array().into_iter().flatten();
        let installed: Vec<Installed> = items.map(Installed::from_json).collect();
        let files = value["files"].as_object().into_iter().flatten();
        Self {
            version: text(&value["version"]),
            revision: text(&value["revision"]),
            kernel: text(&value["kernel"]),
            target: text(&value["target"]),
            profile: text(&value["profile"]),
            filesystem: text(&value["filesystem"]),
            apk: value["apk"].as_bool().unwrap_or_default(),
            rootfs_mb: value["rootfs_mb"].as_u64().unwrap_or_default(),
            packages: installed
                .iter()
                .map(|p| (p.name.clone(), p.version.clone()))
                .collect(),
            installed,
            files: files
                .map(|(path, content)| (path.clone(), text(content)))
                .collect(),
        }
    }
}

impl Installed {
    fn to_json(&self) -> Value {
        json!({
            "name": self.name, "abi": self.abi, "version": self.version, "arch": self.arch, "size": self.size,
            "depends": self.depends, "provides": self.provides, "requested": self.requested,
        })
    }

    fn from_json(value: &Value) -> Self {
        Self {
            name: text(&value["name"]),
            abi: text(&value["abi"]),
            version: text(&value["version"]),
            arch: text(&value["arch"]),
            size: value["size"].as_u64().unwrap_or_default(),
            depends: texts(&value["depends"]),
            provides: texts(&value["provides"]),
            requested: value["requested"].as_bool().unwrap_or_default(),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}
