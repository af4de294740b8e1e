//! usign's keys and signatures: a comment line, then base64 of `Ed`, the number of the key (8 bytes), and the Ed25519 key
//! (32 bytes) or signature (64 bytes).
//!
//! Source: <https://github.com/openwrt/usign>. Where usign and this module differ, this one is stricter: white space only
//! at the end, no signature whose scalar is not reduced, no key and no commitment of small order (with such a key, one
//! signature can fit many messages).

use std::{fmt, str::FromStr};

use base64::{engine::general_purpose::STANDARD, Engine};
use data::{Encode, Out};
use ed25519_dalek::StreamVerifier;
use ed25519_dalek::VerifyingKey;

use crate::plain::plain;
use crate::sha256::{read_hex, write_hex, NotHex};

/// The longest key or signature text that is read; a real one has some 150 bytes.
pub const MAX_TEXT: usize = 1024;

const ALGORITHM: [u8; 2] = *b"Ed";
/// How much of a comment is kept.
const MAX_COMMENT: usize = 120;
const COMMENT: &str = "untrusted comment: ";
/// Length of algorithm and key number.
const HEAD: usize = 10;

/// The number that tells keys apart, chosen at random when a key is made; also the name of its file. It proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyNumber([u8; 8]);

impl fmt::Display for KeyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for KeyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyNumber {
    type Err = NotHex;

    /// Reads 16 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, NotHex> {
        read_hex(text).map(KeyNumber)
    }
}

impl Encode for KeyNumber {
    fn encode(&self, name: &str, out: &mut Out<'_>) {
        out.string(name, self.to_string().as_bytes());
    }
}

/// Why a text is no key or no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Longer than [`MAX_TEXT`].
    Long,
    /// Not a comment line and one line of base64.
    Lines,
    /// The second line is not base64, or of the wrong length.
    Base64,
    /// Made with another algorithm than Ed25519.
    Algorithm,
    /// The key is not one that can vouch for anything.
    Key,
    /// The signature has a form that no signer makes.
    Signature,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Long => "it is too long",
            Malformed::Lines => "it is not a comment and one line of base64",
            Malformed::Base64 => "its second line is not base64 of the right length",
            Malformed::Algorithm => "it is not Ed25519",
            Malformed::Key => "the key in it is not a sound Ed25519 key",
            Malformed::Signature => "the signature in it is not a sound Ed25519 signature",
        })
    }
}

impl std::error::Error for Malformed {}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    number: KeyNumber,
    key: VerifyingKey,
    comment: String,
}

impl PublicKey {
    /// Reads a public key as usign writes it.
    ///
    /// # Errors
    /// [`Malformed`], also for keys of small order.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let (comment, number, key) = decode(text)?;
        Ok(PublicKey {
            number,
            key: sound_point(&key).ok_or(Malformed::Key)?,
            comment,
        })
    }

    /// The key's number.
    pub fn number(&self) -> KeyNumber {
        self.number
    }

    /// What the key's maker wrote above it, cut short and without control characters. Nobody vouches for it.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Whether this is the same key under the same number; comments don't count.
    pub(crate) fn same_key(&self, other: &PublicKey) -> bool {
        self.number == other.number && self.key == other.key
    }

    /// Whether `signature` is this key's for `message`.
    pub fn verify(&self, signature: &Signature, message: &[u8]) -> bool {
        self.verify_stream(signature).is_some_and(|mut check| {
            check.update(message);
            check.finish()
        })
    }

    /// Begins to verify a message that comes in pieces; nothing if the signature's scalar is not reduced.
    pub fn verify_stream(&self, signature: &Signature) -> Option<Check> {
        self.key.verify_stream(&signature.signature).ok().map(Check)
    }
}

/// A signature and the number of the key that says to have made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    number: KeyNumber,
    signature: ed25519_dalek::Signature,
}

impl Signature {
    /// Reads a signature as usign writes it.
    ///
    /// # Errors
    /// [`Malformed`], also where the commitment is of small order, which dalek's strict check refuses too.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let (_, number, bytes) = decode::<64>(text)?;
        let signature = ed25519_dalek::Signature::from_bytes(&bytes);
        sound_point(signature.r_bytes()).ok_or(Malformed::Signature)?;
        Ok(Signature { number, signature })
    }

    /// The number of the key it names.
    pub fn number(&self) -> KeyNumber {
        self.number
    }
}

/// A signature being checked against a message that comes in pieces.
pub struct Check(StreamVerifier);

impl Check {
    /// Takes in the next piece of the message.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Whether the signature fits the message seen.
    pub fn finish(self) -> bool {
        self.0.finalize_and_verify().is_ok()
    }
}

/// A point of the curve that is not of small order.
fn sound_point(bytes: &[u8; 32]) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(bytes)
        .ok()
        .filter(|point| !point.is_weak())
}

fn decode<const N: usize>(text: &[u8]) -> Result<(String, KeyNumber, [u8; N]), Malformed> {
    if text.len() > MAX_TEXT {
        return Err(Malformed::Long);
    }
    let newline = text
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or(Malformed::Lines)?;
    let (comment, base64) = text.split_at(newline);
    // A few bytes more than fit, so that what is longer shows as longer.
    let mut bytes = [0; 80];
    let length = STANDARD
        .decode_slice(base64.trim_ascii(), &mut bytes)
        .map_err(|_| Malformed::Base64)?;
    let bytes = bytes
        .get(..length)
        .filter(|bytes| bytes.len() == HEAD + N)
        .ok_or(Malformed::Base64)?;
    let (algorithm, rest) = bytes.split_first_chunk().ok_or(Malformed::Base64)?;
    let (number, data) = rest.split_first_chunk().ok_or(Malformed::Base64)?;
    if *algorithm != ALGORITHM {
        return Err(Malformed::Algorithm);
    }
    let data = data.try_into().map_err(|_| Malformed::Base64)?;
    Ok((readable(comment), KeyNumber(*number), data))
}

/// The comment without usign's prefix and without what could steer a terminal.
fn readable(comment: &[u8]) -> String {
    let comment = String::from_utf8_lossy(comment);
    let comment = comment.strip_prefix(COMMENT).unwrap_or(&comment);
    plain(comment, MAX_COMMENT)
}
