//! Who vouches for an image: the findings and how they are reached.

use std::fmt;

use data::Encode;

use crate::date::Date;
use crate::ucert::{Certificate, Chain, Fault};
use crate::usign::{Check, KeyNumber};
use crate::{trailer, KeyRing};

/// What a signature is worth, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode)]
pub enum Verdict {
    /// A key the router trusts vouches for every byte.
    Good,
    /// There is none.
    Absent,
    /// It is right, but nobody the router trusts vouches for the key.
    UnknownKey,
    /// It does not fit the image, or is no signature at all.
    Bad,
    /// It is right, but the time of a certificate is over, or has not begun.
    Expired,
    /// It is right, but the router was told no longer to trust one of the keys.
    Revoked,
}

impl Verdict {
    /// The word for it: `good`, `absent`, `unknown-key`, `bad`, `expired` or `revoked`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Absent => "absent",
            Verdict::UnknownKey => "unknown-key",
            Verdict::Bad => "bad",
            Verdict::Expired => "expired",
            Verdict::Revoked => "revoked",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What was found out about a signature, with the details. Display gives the sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Signed by the key of this number.
    Good(KeyNumber),
    /// Not signed.
    Absent,
    /// The router does not hold the key that the signature or its chain begins with.
    UnknownKey(KeyNumber),
    /// The trailer that holds the signature is at fault.
    Trailer(trailer::Fault),
    /// Something was appended after signing, so that it vouches for a part only.
    NotLast,
    /// What should be a chain is none.
    Chain(Fault),
    /// A link was not signed by the key before it.
    Link(KeyNumber),
    /// The signature by the key of this number is not of this image.
    Mismatch(KeyNumber),
    /// The certificate of this key begins later.
    NotYet {
        /// The key.
        key: KeyNumber,
        /// Seconds since 1970.
        valid_from: u64,
    },
    /// The certificate of this key has ended.
    Expired {
        /// The key.
        key: KeyNumber,
        /// Seconds since 1970.
        expires_at: u64,
    },
    /// The key of this number is revoked.
    Revoked(KeyNumber),
}

impl Finding {
    /// The verdict that follows.
    pub fn verdict(&self) -> Verdict {
        match self {
            Finding::Good(_) => Verdict::Good,
            Finding::Absent => Verdict::Absent,
            Finding::UnknownKey(_) => Verdict::UnknownKey,
            Finding::Trailer(_)
            | Finding::NotLast
            | Finding::Chain(_)
            | Finding::Link(_)
            | Finding::Mismatch(_) => Verdict::Bad,
            Finding::NotYet { .. } | Finding::Expired { .. } => Verdict::Expired,
            Finding::Revoked(_) => Verdict::Revoked,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Good(key) => write!(f, "Signed by key {key}, which this router trusts."),
            Finding::Absent => f.write_str("The image is not signed."),
            Finding::UnknownKey(key) => write!(
                f,
                "The signature rests on key {key}, which this router does not know."
            ),
            Finding::Trailer(why) => write!(f, "The signature's trailer is not valid: {why}."),
            Finding::NotLast => {
                f.write_str("Something was appended to the image after it was signed.")
            }
            Finding::Chain(why) => {
                write!(f, "The signature's certificate chain is not valid: {why}.")
            }
            Finding::Link(key) => write!(
                f,
                "The certificate of key {key} is forged: its signature is wrong."
            ),
            Finding::Mismatch(key) => write!(
                f,
                "The signature by key {key} does not belong to this image."
            ),
            Finding::NotYet { key, valid_from } => {
                let day = Date(*valid_from);
                write!(f, "The certificate of key {key} is valid from {day} on. Is the router's clock right?")
            }
            Finding::Expired { key, expires_at } => {
                let day = Date(*expires_at);
                write!(f, "The certificate of key {key} has expired on {day}.")
            }
            Finding::Revoked(key) => write!(
                f,
                "Key {key}, on which the signature rests, has been revoked."
            ),
        }
    }
}

/// A chain that is judged but for the image's own bytes, which are still to come.
pub(crate) struct Pending {
    /// What holds if the signature fits the image.
    standing: Finding,
    /// The key that says to have signed the image.
    signer: KeyNumber,
    /// Missing where the key itself is unknown, and so nothing can be checked.
    check: Option<Check>,
    chain: Vec<Certificate>,
}

/// Everything about a signature.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) finding: Finding,
    pub(crate) signer: Option<KeyNumber>,
    pub(crate) chain: Vec<Certificate>,
}

impl From<Finding> for Judged {
    fn from(finding: Finding) -> Self {
        Judged {
            finding,
            signer: None,
            chain: Vec::new(),
        }
    }
}

impl Pending {
    /// Judges the certificates of a chain at the time `now` (seconds since 1970).
    ///
    /// The order of precedence: what is forged is bad whoever signed it; a revoked key is revoked wherever it stands;
    /// then an unknown key; then the dates.
    pub(crate) fn begin(bytes: &[u8], keys: &KeyRing, now: u64) -> Result<Self, Finding> {
        let Chain { links, signature } = Chain::parse(bytes).map_err(Finding::Chain)?;
        let signer = signature.number();
        let root = links.first().map_or(signer, |link| link.signature.number());
        let mut key = keys.get(root);
        for link in &links {
            let genuine = key.is_none_or(|key| {
                key.number() == link.signature.number() && key.verify(&link.signature, link.payload)
            });
            if !genuine {
                return Err(Finding::Link(link.certificate.number));
            }
            key = Some(&link.certificate.key);
        }
        let check = match key {
            Some(key) if key.number() != signer => return Err(Finding::Mismatch(signer)),
            Some(key) => Some(
                key.verify_stream(&signature)
                    .ok_or(Finding::Mismatch(signer))?,
            ),
            None => None,
        };
        let chain: Vec<_> = links.into_iter().map(|link| link.certificate).collect();
        let standing = standing(root, signer, &chain, keys, now);
        Ok(Pending {
            standing,
            signer,
            check,
            chain,
        })
    }

    /// Takes in the next piece of the image.
    pub(crate) fn update(&mut self, piece: &[u8]) {
        if let Some(check) = &mut self.check {
            check.update(piece);
        }
    }

    /// What was found out, after the last piece of what the signature covers.
    pub(crate) fn finish(self) -> Judged {
        let fits = self.check.is_none_or(Check::finish);
        Judged {
            finding: if fits {
                self.standing
            } else {
                Finding::Mismatch(self.signer)
            },
            signer: Some(self.signer),
            chain: self.chain,
        }
    }
}

/// The finding for a chain that is genuine from `root` to `signer`.
fn standing(
    root: KeyNumber,
    signer: KeyNumber,
    chain: &[Certificate],
    keys: &KeyRing,
    now: u64,
) -> Finding {
    let mut numbers = chain
        .iter()
        .map(|certificate| certificate.number)
        .chain([root]);
    if let Some(revoked) = numbers.find(|number| keys.is_revoked(*number)) {
        return Finding::Revoked(revoked);
    }
    if keys.get(root).is_none() {
        return Finding::UnknownKey(root);
    }
    for Certificate {
        number: key,
        valid_from,
        expires_at,
        ..
    } in chain
    {
        if now < *valid_from {
            return Finding::NotYet {
                key: *key,
                valid_from: *valid_from,
            };
        }
        if now >= *expires_at {
            return Finding::Expired {
                key: *key,
                expires_at: *expires_at,
            };
        }
    }
    Finding::Good(signer)
}
