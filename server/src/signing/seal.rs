//! Seals what processes tell each other through a queue that others may write to: signed by a worker's key, for which the
//! server's vouches.

use super::Signer;
use crate::Error;
use firmware::usign::{PublicKey, Signature};
use firmware::KeyRing;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;

/// Comes before every sealed text where it is signed, so that a seal is never mistaken for a signature of something else.
const PURPOSE: &str = "asu-server queue\n";

/// Seals texts, and opens the seals of other processes.
#[derive(Debug, Clone)]
pub struct Seal {
    signer: Arc<Signer>,
    trusted: Arc<KeyRing>,
}

/// A text with what proves where it comes from; keys and signatures as usign writes them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    text: String,
    signature: String,
    worker: String,
    vouched: String,
}

impl Seal {
    /// Seals with the signer's key, and opens what was sealed with any that the same server vouches for.
    ///
    /// # Errors
    /// [`Error::Io`] where the server's public key is not there, a revoked key has no number, or the signer's own key is not
    /// vouched for.
    pub fn new(signer: Arc<Signer>) -> Result<Self, Error> {
        let trusted = trusted(&signer).map_err(Error::io(&signer.folder))?;
        let folder = signer.folder.clone();
        let seal = Self {
            signer,
            trusted: Arc::new(trusted),
        };
        // Otherwise every other process would throw away what this one writes.
        match seal.open(&seal.close(String::new())?) {
            Some(_) => Ok(seal),
            None => {
                let words = "server.pub does not vouch for worker.pub, or it is revoked";
                Err(Error::io(&folder)(io::Error::other(words)))
            }
        }
    }

    /// The text, sealed.
    ///
    /// # Errors
    /// [`Error::Queue`] where it can't be written as JSON.
    pub fn close(&self, text: String) -> Result<String, Error> {
        let signature = self.signer.worker.sign(purposed(&text).as_bytes());
        let sealed = Sealed {
            text,
            signature,
            worker: self.signer.public.clone(),
            vouched: self.signer.vouched.clone(),
        };
        serde_json::to_string(&sealed).map_err(|error| Error::Queue(error.to_string()))
    }

    /// The text that was sealed; `None` where no worker of this server has sealed it.
    pub fn open(&self, sealed: &str) -> Option<String> {
        let sealed: Sealed = serde_json::from_str(sealed).ok()?;
        let worker = PublicKey::parse(sealed.worker.as_bytes()).ok()?;
        let vouched = Signature::parse(sealed.vouched.as_bytes()).ok()?;
        let signature = Signature::parse(sealed.signature.as_bytes()).ok()?;
        let server = self.trusted.get(vouched.number())?;
        let good = !self.trusted.is_revoked(worker.number())
            && server.verify(&vouched, sealed.worker.as_bytes())
            && worker.verify(&signature, purposed(&sealed.text).as_bytes());
        good.then_some(sealed.text)
    }
}

fn purposed(text: &str) -> String {
    format!("{PURPOSE}{text}")
}

/// The server's key, and the numbers in the file `revoked`: one a line, as the first line of a public key has it.
fn trusted(signer: &Signer) -> io::Result<KeyRing> {
    let mut ring = KeyRing::new();
    let wrong = |what: String| io::Error::other(what);
    let text = std::fs::read(signer.folder.join("server.pub"))
        .map_err(|error| wrong(format!("server.pub: {error}")))?;
    let server = PublicKey::parse(&text).map_err(|why| wrong(format!("server.pub: {why}")))?;
    // The first key of a ring has no other beside it.
    ring.add(server)
        .map_err(|_| wrong("server.pub: another key of the same number".to_owned()))?;
    let revoked = match std::fs::read_to_string(signer.folder.join("revoked")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        revoked => revoked?,
    };
    for line in revoked.lines().filter(|line| !line.trim().is_empty()) {
        let number = line.trim().parse();
        ring.revoke(number.map_err(|_| wrong(format!("revoked: {line} is no number of a key")))?);
    }
    Ok(ring)
}

#[cfg(test)]
mod tests {
    use super::{Seal, Sealed};
    use crate::signing::secret::Secret;
    use crate::signing::{certify, Signer};
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    fn seal(folder: &Path) -> Seal {
        Seal::new(Arc::new(Signer::open(folder).expect("keys"))).expect("seal")
    }

    fn changed(sealed: &str, change: impl FnOnce(&mut Sealed)) -> String {
        let mut sealed: Sealed = serde_json::from_str(sealed).expect("sealed");
        change(&mut sealed);
        serde_json::to_string(&sealed).expect("JSON")
    }

    #[test]
    fn nobody_else_can_make_one() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let (ours, theirs) = (
            seal(&dir.path().join("ours")),
            seal(&dir.path().join("theirs")),
        );
        let sealed = ours.close("text".to_owned()).expect("sealed");
        let forged = theirs.close("text".to_owned()).expect("sealed");
        assert_eq!(ours.open(&sealed).as_deref(), Some("text"));
        let of = |field: fn(&Sealed) -> &String| {
            field(&serde_json::from_str(&forged).expect("sealed")).clone()
        };
        let wrong = [
            String::new(),
            "text".to_owned(),
            "{}".to_owned(),
            forged.clone(),
            changed(&sealed, |sealed| sealed.text.push('x')),
            changed(&sealed, |sealed| sealed.signature.clear()),
            changed(&sealed, |sealed| sealed.worker = of(|other| &other.worker)),
            changed(&sealed, |sealed| {
                sealed.signature = of(|other| &other.signature)
            }),
            changed(&sealed, |sealed| {
                sealed.vouched = of(|other| &other.vouched)
            }),
            // Their worker, for whom their own server vouches under the number of ours.
            changed(&forged, |sealed| {
                sealed.vouched = ours.signer.vouched.clone()
            }),
        ];
        for text in wrong {
            assert_eq!(ours.open(&text), None, "{text}");
        }
        // What the worker signed for another purpose.
        let plain = changed(&sealed, |sealed| {
            sealed.signature = ours.signer.worker.sign(b"text")
        });
        assert_eq!(ours.open(&plain), None);
    }

    #[test]
    fn a_second_worker_and_a_revoked_one() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let folder = dir.path().join("server");
        let server = seal(&folder);
        // A worker elsewhere has what it needs, and not the server's secret.
        let elsewhere = dir.path().join("worker");
        fs::create_dir(&elsewhere).expect("folder");
        let secret = Secret::generate().expect("random");
        fs::write(elsewhere.join("worker.key"), secret.to_text()).expect("key");
        let text = fs::read_to_string(folder.join("server.key")).expect("key");
        certify(&elsewhere, &Secret::parse(&text).expect("key"), &secret).expect("certificate");
        let signer = Arc::new(Signer::open(&elsewhere).expect("keys"));
        assert!(
            Seal::new(signer).is_err(),
            "the server's public key is missing"
        );
        fs::copy(folder.join("server.pub"), elsewhere.join("server.pub")).expect("key");
        let worker = seal(&elsewhere);
        let sealed = worker.close("text".to_owned()).expect("sealed");
        assert_eq!(server.open(&sealed).as_deref(), Some("text"));
        let number = secret.public().lines().next().expect("line").to_owned();
        let number = number.rsplit(' ').next().expect("number").to_owned();
        fs::write(folder.join("revoked"), format!("{number}\n")).expect("file");
        assert_eq!(seal(&folder).open(&sealed), None);
        // Itself a process with a revoked key, or one of another server, does not begin.
        fs::write(elsewhere.join("revoked"), format!("{number}\n")).expect("file");
        assert!(Seal::new(Arc::new(Signer::open(&elsewhere).expect("keys"))).is_err());
        fs::remove_file(elsewhere.join("revoked")).expect("removed");
        let other = Secret::generate().expect("random").public();
        fs::write(elsewhere.join("server.pub"), other).expect("key");
        assert!(Seal::new(Arc::new(Signer::open(&elsewhere).expect("keys"))).is_err());
        fs::write(folder.join("revoked"), "everybody\n").expect("file");
        assert!(Seal::new(Arc::new(Signer::open(&folder).expect("keys"))).is_err());
    }
}
