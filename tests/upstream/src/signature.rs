//! Signatures as usign makes them.

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use ed25519_dalek::{Signer as _, SigningKey};

/// A key pair in usign's terms: an Ed25519 key with an 8-byte number.
#[derive(Debug)]
pub struct Key {
    number: [u8; 8],
    key: SigningKey,
}

impl Key {
    /// The key that follows from `seed`; tests use the same every time.
    pub fn from_seed(seed: u8) -> Self {
        Self {
            number: [seed; 8],
            key: SigningKey::from_bytes(&[seed; 32]),
        }
    }

    /// The public key in base64, without comment line: what stands in a server's list of branches.
    pub fn public(&self) -> String {
        encode(&self.number, self.key.verifying_key().as_bytes())
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
}

fn encode(number: &[u8; 8], rest: &[u8]) -> String {
    STANDARD.encode([b"Ed", number.as_slice(), rest].concat())
}
