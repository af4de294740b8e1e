//! Secret keys in the form of usign, so that its tools can read them.

use crate::request::hex;
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha512};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// A secret key as usign has it.
pub struct Secret {
    /// Its number, which its public key has too.
    pub number: [u8; 8],
    key: SigningKey,
}

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn generate() -> io::Result<Self> {
        let mut random = [0; 40];
        File::open("/dev/urandom")?.read_exact(&mut random)?;
        let (mut seed, mut number) = ([0; 32], [0; 8]);
        let (first, last) = random.split_at(32);
        seed.copy_from_slice(first);
        number.copy_from_slice(last);
        Ok(Self {
            number,
            key: SigningKey::from_bytes(&seed),
        })
    }

    /// Reads the file of a key without passphrase: `Ed`, `BK`, rounds, salt, checksum, number, seed and public key.
    pub fn parse(text: &str) -> Option<Self> {
        let line = text.lines().nth(1)?;
        let bytes = STANDARD.decode(line.trim()).ok()?;
        let rounds = bytes.get(4..8)?;
        if bytes.len() != 104 || bytes.get(..4)? != b"EdBK" || rounds != [0; 4] {
            return None;
        }
        let secret: &[u8; 64] = bytes.get(40..)?.try_into().ok()?;
        let checksum = Sha512::digest(secret);
        (checksum.get(..8) == bytes.get(24..32)).then_some(())?;
        Some(Self {
            number: bytes.get(32..40)?.try_into().ok()?,
            key: SigningKey::from_keypair_bytes(secret).ok()?,
        })
    }

    /// The content of its file.
    pub fn to_text(&self) -> String {
        let secret = self.key.to_keypair_bytes();
        let checksum = Sha512::digest(secret);
        let mut bytes = b"EdBK\0\0\0\0".to_vec();
        bytes.extend([0; 16]);
        bytes.extend(checksum.get(..8).unwrap_or_default());
        bytes.extend(self.number);
        bytes.extend(secret);
        format!(
            "untrusted comment: secret key\n{}\n",
            STANDARD.encode(bytes)
        )
    }

    /// The file of its public key.
    pub fn public(&self) -> String {
        self.text("public key", self.key.verifying_key().as_bytes())
    }

    /// The file of its signature of `message`.
    pub fn sign(&self, message: &[u8]) -> String {
        self.text("signed by key", &self.key.sign(message).to_bytes())
    }

    fn text(&self, what: &str, data: &[u8]) -> String {
        let base64 = STANDARD.encode([b"Ed", self.number.as_slice(), data].concat());
        format!(
            "untrusted comment: {what} {}\n{base64}\n",
            hex(&self.number)
        )
    }
}

/// Writes a new file for nobody else's eyes.
///
/// # Errors
/// Where it can't be written, or is there.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::Secret;
    use firmware::usign::{PublicKey, Signature};

    #[test]
    fn keys_as_usign_has_them() {
        let secret = Secret::generate().expect("random");
        let text = secret.to_text();
        let again = Secret::parse(&text).expect("key");
        assert_eq!(again.to_text(), text);
        let public = PublicKey::parse(again.public().as_bytes()).expect("public key");
        let signature = Signature::parse(secret.sign(b"message").as_bytes()).expect("signature");
        assert!(public.verify(&signature, b"message") && !public.verify(&signature, b"massage"));
        let spoiled = text.replacen("RWRCS", "RWRCT", 1);
        for wrong in ["", "comment\nx\n", &secret.public(), &spoiled] {
            assert!(Secret::parse(wrong).is_none(), "{wrong}");
        }
    }
}
