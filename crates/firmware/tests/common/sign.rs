//! Signing as usign and ucert do, to make what their own tools would refuse to.

use base64::{engine::general_purpose::STANDARD, Engine};
use ed25519_dalek::{Signer, SigningKey};
use firmware::trailer::{append, append_metadata, Kind};
use firmware::usign::{KeyNumber, PublicKey};
use firmware::KeyRing;
use ubus::Writer;

pub const VALID_FROM: u64 = super::NOW - 1000;
pub const EXPIRES_AT: u64 = super::NOW + 1000;

/// A secret key whose number is eight times `id`.
pub struct Secret {
    pub id: u8,
    key: SigningKey,
}

impl Secret {
    pub fn new(id: u8) -> Self {
        Secret {
            id,
            key: SigningKey::from_bytes(&[id; 32]),
        }
    }

    /// Another key of the same number.
    pub fn impostor(&self) -> Self {
        Secret {
            id: self.id,
            key: SigningKey::from_bytes(&[!self.id; 32]),
        }
    }

    /// The same key under another number.
    pub fn renumbered(&self, id: u8) -> Self {
        Secret {
            id,
            key: self.key.clone(),
        }
    }

    pub fn number(&self) -> KeyNumber {
        self.public_key().number()
    }

    pub fn public(&self) -> Vec<u8> {
        text("public key", self.id, self.key.verifying_key().as_bytes())
    }

    pub fn public_key(&self) -> PublicKey {
        PublicKey::parse(&self.public()).unwrap()
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        text("signed by key", self.id, &self.key.sign(message).to_bytes())
    }

    /// A blob of a chain in which this key vouches for `other` for the usual time.
    pub fn vouch(&self, other: &Secret) -> Vec<u8> {
        self.vouch_for(other, VALID_FROM, EXPIRES_AT)
    }

    pub fn vouch_for(&self, other: &Secret, from: u64, to: u64) -> Vec<u8> {
        self.certify(&payload(1, from as i64, to as i64, &other.public()))
    }

    /// A blob with any payload.
    pub fn certify(&self, payload: &[u8]) -> Vec<u8> {
        blob(&[(0, &self.sign(payload)), (1, payload)])
    }

    /// A chain's last blob.
    pub fn bare(&self, message: &[u8]) -> Vec<u8> {
        blob(&[(0, &self.sign(message))])
    }
}

pub fn text(comment: &str, id: u8, data: &[u8]) -> Vec<u8> {
    let base64 = STANDARD.encode([b"Ed", &[id; 8][..], data].concat());
    format!("untrusted comment: {comment}\n{base64}\n").into_bytes()
}

pub fn payload(certtype: i32, from: i64, to: i64, public: &[u8]) -> Vec<u8> {
    written(|writer| {
        writer.table("ucert", |table| {
            table.int32("certtype", certtype);
            table.int64("validfrom", from);
            table.int64("expiresat", to);
            table.string("pubkey", public);
        });
    })
}

pub fn blob(parts: &[(u8, &[u8])]) -> Vec<u8> {
    written(|writer| {
        let blob = writer.open_attr(0);
        for (id, data) in parts {
            writer.attr(*id, data);
        }
        writer.close(blob);
    })
}

pub fn written(fill: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    fill(&mut writer);
    writer.finish().unwrap();
    bytes
}

/// A small image for the device of the index.
pub fn unsigned() -> Vec<u8> {
    let mut image = b"kernel and root file system".to_vec();
    append_metadata(
        &mut image,
        br#"{"supported_devices": ["tplink,archer-c7-v2"]}"#,
    )
    .unwrap();
    image
}

/// The same with a chain at its end.
pub fn with_chain(chain: &[u8]) -> Vec<u8> {
    let mut image = unsigned();
    append(&mut image, Kind::Signature, chain).unwrap();
    image
}

pub fn trusting(secrets: &[&Secret]) -> KeyRing {
    let mut keys = KeyRing::new();
    for secret in secrets {
        keys.add(secret.public_key()).unwrap();
    }
    keys
}
