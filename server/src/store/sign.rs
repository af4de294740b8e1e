//! Signatures of requests to S3: AWS Signature Version 4, as its documentation describes it.

use crate::request::hex;
use crate::time;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::time::SystemTime;

/// The sum of an empty body.
pub const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Who asks, and where the store is.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    /// `us-east-1`
    pub region: &'a str,
    /// The public name of the key.
    pub access_key: &'a str,
    /// The key.
    pub secret_key: &'a str,
}

impl Signer<'_> {
    /// The headers of a request without query that prove who asks: name and value. `headers` are those that are signed
    /// besides, in lower case, `host` among them; `sha256` is the sum of the body.
    pub fn headers(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        sha256: &str,
        now: SystemTime,
    ) -> Vec<(&'static str, String)> {
        let time = moment(now);
        let date = time.get(..8).unwrap_or_default();
        let mut signed = headers.to_vec();
        signed.extend([
            ("x-amz-content-sha256", sha256),
            ("x-amz-date", time.as_str()),
        ]);
        signed.sort_unstable();
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut request = format!("{method}\n{path}\n\n");
        for (name, value) in &signed {
            // Writing into a string can't fail.
            let _ = writeln!(request, "{name}:{}", value.trim());
        }
        let _ = write!(request, "\n{names}\n{sha256}");
        let scope = format!("{date}/{}/s3/aws4_request", self.region);
        let digest = hex(&Sha256::digest(request));
        let message = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for part in [date, self.region, "s3", "aws4_request"] {
            key = mac(&key, part);
        }
        let signature = hex(&mac(&key, &message));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key
        );
        vec![
            ("authorization", authorization),
            ("x-amz-content-sha256", sha256.to_owned()),
            ("x-amz-date", time),
        ]
    }
}

/// `20130524T000000Z`
fn moment(now: SystemTime) -> String {
    let mut text = time::iso(now).replace(['-', ':'], "");
    text.truncate(15);
    text.push('Z');
    text
}

fn mac(key: &[u8], message: &str) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// A path with everything written as `%41` that signatures want so.
pub fn encode(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing into a string can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{encode, Signer, EMPTY};
    use std::time::{Duration, UNIX_EPOCH};

    /// The examples of Amazon's documentation ("Signature calculations for the authorization header").
    #[test]
    fn as_the_documentation_has_it() {
        let signer = Signer {
            region: "us-east-1",
            access_key: "AKIAIOSFODNN7EXAMPLE",
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        };
        let now = UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        let host = ("host", "examplebucket.s3.amazonaws.com");
        let range = [host, ("range", "bytes=0-9")];
        let put = [
            host,
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ];
        let body = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        let cases = [
            (
                "GET",
                "/test.txt",
                &range[..],
                EMPTY,
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                "PUT",
                "/test$file.text",
                &put,
                body,
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
        ];
        for (method, path, headers, sum, signature) in cases {
            let signed = signer.headers(method, &encode(path), headers, sum, now);
            let (_, authorization) = &signed[0];
            assert!(
                authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders="),
                "{authorization}"
            );
            assert!(
                authorization.ends_with(&format!(", Signature={signature}")),
                "{authorization}"
            );
            assert_eq!(signed[2], ("x-amz-date", "20130524T000000Z".to_owned()));
        }
        assert_eq!(encode("/a b/c,d+e~f_g.h-i"), "/a%20b/c%2Cd%2Be~f_g.h-i");
    }
}
