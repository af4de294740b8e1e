//! Signatures as usign and ucert make them.
//!
//! An ImageBuilder signs its images where its folder has [`SECRET`] and [`CHAIN`], as OpenWrt's does: certificates that lead
//! from a key which routers hold to the ImageBuilder's own, then its signature of the image, all in the file's last trailer.

use crate::trailer::{self, Kind};
use crate::Error;
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use ed25519_dalek::{Signer as _, SigningKey};
use std::fs;
use std::path::Path;
use ubus::Writer;

/// The ImageBuilder's secret key, as `usign -G` writes it.
pub const SECRET: &str = "key-build";
/// Its certificates, as `ucert -I` writes them.
pub const CHAIN: &str = "key-build.ucert";

/// Before the key's number and the key itself in a secret key: algorithm, derivation, rounds (0: not encrypted), salt,
/// checksum.
const SECRET_HEAD: usize = 2 + 2 + 4 + 16 + 8;
/// Algorithm and number, before a public key and a signature.
const NUMBER: usize = 8;

/// A key pair in usign's terms: an Ed25519 key with an 8-byte number.
#[derive(Clone, Debug)]
pub struct Key {
    number: [u8; NUMBER],
    key: SigningKey,
}

impl Key {
    /// The key that follows from `seed`; tests use the same every time.
    pub fn from_seed(seed: u8) -> Self {
        Self {
            number: [seed; NUMBER],
            key: SigningKey::from_bytes(&[seed; 32]),
        }
    }

    /// Reads a secret key.
    fn from_secret(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.lines().nth(1)?).ok()?;
        let rest = bytes.get(SECRET_HEAD..)?;
        let (number, key) = (rest.get(..NUMBER)?, rest.get(NUMBER..NUMBER + 32)?);
        Some(Self {
            number: number.try_into().ok()?,
            key: SigningKey::from_bytes(key.try_into().ok()?),
        })
    }

    /// The file of the secret key.
    pub fn secret(&self) -> String {
        let mut bytes = b"EdBK".to_vec();
        bytes.resize(SECRET_HEAD, 0);
        bytes.extend(self.number);
        bytes.extend(self.key.to_keypair_bytes());
        let text = STANDARD.encode(bytes);
        format!(
            "untrusted comment: secret key {}\n{text}\n",
            self.fingerprint()
        )
    }

    /// The public key in base64, without comment line: what stands in a server's list of branches.
    pub fn public(&self) -> String {
        encode(&self.number, self.key.verifying_key().as_bytes())
    }

    /// The file of the public key.
    pub fn public_file(&self) -> String {
        format!(
            "untrusted comment: public key {}\n{}\n",
            self.fingerprint(),
            self.public()
        )
    }

    /// The signature of `message` as a `.sig` file.
    pub fn sign(&self, message: &[u8]) -> String {
        let signature = encode(&self.number, &self.key.sign(message).to_bytes());
        format!(
            "untrusted comment: signed by key {}\n{signature}\n",
            self.fingerprint()
        )
    }

    /// The number in hexadecimal, as files in `/etc/opkg/keys` are called.
    pub fn fingerprint(&self) -> String {
        self.number
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// A certificate: this key vouches for `other` between two times in seconds since 1970.
    pub fn vouch(&self, other: &Key, from: i64, until: i64) -> Vec<u8> {
        let payload = written(|writer| {
            writer.table("ucert", |table| {
                table.int32("certtype", 1);
                table.int64("validfrom", from);
                table.int64("expiresat", until);
                table.string("pubkey", other.public_file().as_bytes());
            });
        });
        blob(&[(0, self.sign(&payload).as_bytes()), (1, &payload)])
    }

    /// Appends the trailer in which this key, which `chain` leads to, signs the image.
    pub fn sign_image(&self, image: &mut Vec<u8>, chain: &[u8]) {
        let signature = blob(&[(0, self.sign(image).as_bytes())]);
        trailer::append(image, Kind::Signature, &[chain, &signature].concat());
    }
}

/// Signs `image` with the key of the ImageBuilder in `folder`, if it has one.
pub(crate) fn sign(folder: &Path, image: &mut Vec<u8>) -> Result<(), Error> {
    let (secret, chain) = (folder.join(SECRET), folder.join(CHAIN));
    if !secret.exists() || !chain.exists() {
        return Ok(());
    }
    let text = fs::read_to_string(&secret).map_err(Error::io(&secret))?;
    let chain = fs::read(&chain).map_err(Error::io(&chain))?;
    let key =
        Key::from_secret(&text).ok_or_else(|| Error::malformed("secret key", secret.display()))?;
    key.sign_image(image, &chain);
    Ok(())
}

fn encode(number: &[u8; NUMBER], rest: &[u8]) -> String {
    STANDARD.encode([b"Ed", number.as_slice(), rest].concat())
}

fn blob(parts: &[(u8, &[u8])]) -> Vec<u8> {
    written(|writer| {
        let blob = writer.open_attr(0);
        for (id, data) in parts {
            writer.attr(*id, data);
        }
        writer.close(blob);
    })
}

fn written(fill: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    fill(&mut writer);
    // A vector takes whatever comes.
    let _ = writer.finish();
    bytes
}
