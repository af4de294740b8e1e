//! ucert's chains: who signed an image, and who vouches for that key.
//!
//! A chain is a run of blobs, each {SIGNATURE, PAYLOAD}: the payload, a blobmsg table `ucert` with certtype, validfrom,
//! expiresat and pubkey, is signed by the key of the blob before it, the first one by a key the router trusts. The last
//! blob is a bare {SIGNATURE}: the last key's signature of the image itself.
//!
//! Source: <https://github.com/openwrt/ucert>. Where ucert and this module differ, this one is stricter: nothing may follow
//! the bare signature, nothing may stand twice, and each signature names the key that made it.

use std::fmt;

use data::Encode;
use ubus::{Attr, Fields, Value};

use crate::usign::{self, KeyNumber, PublicKey, Signature};

/// The longest chain in bytes; ucert reads no more.
pub const MAX_SIZE: usize = 4096;
/// The longest chain in certificates, so that a hostile one costs little time.
pub const MAX_CERTIFICATES: usize = 8;

const SIGNATURE: u8 = 0;
const PAYLOAD: u8 = 1;
/// The certtype that vouches for a key; the other one revokes.
const AUTHORITY: i32 = 1;

/// One link of a chain.
#[derive(Clone, Debug)]
pub struct Link<'a> {
    /// The signature of `payload`.
    pub signature: Signature,
    /// The bytes that are signed.
    pub payload: &'a [u8],
    /// What they say.
    pub certificate: Certificate,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub struct Certificate {
    /// The key's number.
    #[field(name = "key")]
    pub number: KeyNumber,
    /// What is written above the key; as trustworthy as who signed the certificate.
    pub comment: String,
    /// The number of the key that signed the certificate.
    pub signed_by: KeyNumber,
    /// From when on it is valid: seconds since 1970.
    pub valid_from: u64,
    /// From when on it is no longer valid: seconds since 1970.
    pub expires_at: u64,
    #[field(skip)]
    pub(crate) key: PublicKey,
}

/// A chain whose form is right. Whether its signatures are, is for [`crate::signature`] to say.
#[derive(Clone, Debug)]
pub struct Chain<'a> {
    /// The certificates, the one that a trusted key signed first.
    pub links: Vec<Link<'a>>,
    /// The signature of the image.
    pub signature: Signature,
}

/// What is wrong with a chain's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Longer than [`MAX_SIZE`].
    Long,
    /// More than [`MAX_CERTIFICATES`].
    Links,
    /// Bytes that are no blob, or a blob of other parts than signature and payload.
    Blob,
    /// No signature of the image at the end.
    Unfinished,
    /// Something follows the signature of the image.
    Trailing,
    /// A payload that is no certificate.
    Payload,
    /// A certificate of another type.
    Type,
    /// A key or signature that is none.
    Usign(usign::Malformed),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Long => "it is longer than 4 KiB",
            Fault::Links => "it has too many certificates",
            Fault::Blob => "it is not well-formed",
            Fault::Unfinished => "the signature of the image itself is missing",
            Fault::Trailing => "something follows the signature of the image",
            Fault::Payload => "a certificate in it is not well-formed",
            Fault::Type => "a certificate in it does not vouch for a key",
            Fault::Usign(why) => return write!(f, "of a key or signature in it, {why}"),
        })
    }
}

impl std::error::Error for Fault {}

impl From<ubus::Malformed> for Fault {
    fn from(_: ubus::Malformed) -> Self {
        Fault::Blob
    }
}

impl From<usign::Malformed> for Fault {
    fn from(why: usign::Malformed) -> Self {
        Fault::Usign(why)
    }
}

impl<'a> Chain<'a> {
    /// Reads a chain.
    ///
    /// # Errors
    /// [`Fault`] if its form is not as described above.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        if bytes.len() > MAX_SIZE {
            return Err(Fault::Long);
        }
        let mut links = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (blob, behind) = Attr::split(rest)?;
            rest = behind;
            let (signature, payload) = parts(blob)?;
            match payload {
                Some(_) if links.len() == MAX_CERTIFICATES => return Err(Fault::Links),
                Some(payload) => {
                    let certificate = Certificate::parse(payload, signature.number())?;
                    links.push(Link {
                        signature,
                        payload,
                        certificate,
                    });
                }
                None if rest.is_empty() => return Ok(Chain { links, signature }),
                None => return Err(Fault::Trailing),
            }
        }
        Err(Fault::Unfinished)
    }
}

/// The signature and, in all but a chain's last blob, the payload.
fn parts(blob: Attr<'_>) -> Result<(Signature, Option<&[u8]>), Fault> {
    let mut parts = blob.children();
    let signature = parts.next().ok_or(Fault::Blob)??;
    let payload = parts.next().transpose()?;
    let expected = !blob.extended
        && blob.id == 0
        && is_part(&signature, SIGNATURE)
        && payload.is_none_or(|payload| is_part(&payload, PAYLOAD))
        && parts.next().is_none();
    if !expected {
        return Err(Fault::Blob);
    }
    Ok((
        Signature::parse(signature.data)?,
        payload.map(|payload| payload.data),
    ))
}

fn is_part(attr: &Attr<'_>, id: u8) -> bool {
    !attr.extended && attr.id == id
}

impl Certificate {
    fn parse(payload: &[u8], signed_by: KeyNumber) -> Result<Self, Fault> {
        let mut outer = Fields::new(payload);
        let table = match outer.next() {
            Some(Ok(field)) if field.name == b"ucert" => field.value,
            _ => return Err(Fault::Payload),
        };
        let (Value::Table(fields), None) = (table, outer.next()) else {
            return Err(Fault::Payload);
        };
        match sole(fields, "certtype")? {
            Value::Int32(AUTHORITY) => {}
            _ => return Err(Fault::Type),
        }
        let Value::String(text) = sole(fields, "pubkey")? else {
            return Err(Fault::Payload);
        };
        let key = PublicKey::parse(text)?;
        Ok(Certificate {
            number: key.number(),
            comment: key.comment().to_owned(),
            signed_by,
            valid_from: time(fields, "validfrom")?,
            expires_at: time(fields, "expiresat")?,
            key,
        })
    }
}

/// The value of the one field of this name; no field of the table may be malformed.
fn sole<'a>(fields: Fields<'a>, name: &str) -> Result<Value<'a>, Fault> {
    let mut found = None;
    for field in fields {
        let field = field.map_err(|_| Fault::Payload)?;
        if field.name == name.as_bytes() && found.replace(field.value).is_some() {
            return Err(Fault::Payload);
        }
    }
    found.ok_or(Fault::Payload)
}

fn time(fields: Fields<'_>, name: &str) -> Result<u64, Fault> {
    match sole(fields, name)? {
        Value::Int64(seconds) => u64::try_from(seconds).map_err(|_| Fault::Payload),
        _ => Err(Fault::Payload),
    }
}
