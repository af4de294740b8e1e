//! A store that speaks S3, by its addresses with the bucket in the path. What it answers is taken with care: it may be
//! somebody else's machine.

use super::sign::{encode, Signer, EMPTY};
use super::{is_plain, Found, Source};
use crate::config::S3Config;
use crate::worker::place;
use std::fs::File;
use std::io::{self, Read};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, SystemTime};
use ureq::http::{Method, Request, Response};
use ureq::{AsSendBody, Body, SendBody};

/// How long it may take to answer, and for all of a file.
const PATIENCE: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(60 * 60);
/// How often what failed on the way is tried again, and how long to wait before.
const TRIALS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// The object with the names of all others of a folder. It is the first to come and the last to go.
const NAMES: &str = ".files";
/// Longest of these, in bytes.
const LONGEST_NAMES: u64 = 64 << 10;

/// A bucket.
#[derive(Debug, Clone)]
pub struct S3 {
    config: S3Config,
    agent: ureq::Agent,
}

impl S3 {
    /// The bucket of a configuration.
    pub fn new(config: &S3Config) -> Self {
        let settings = ureq::Agent::config_builder()
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_global(Some(WHOLE))
            // A signature is for one address.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false);
        Self {
            config: config.clone(),
            agent: settings.build().into(),
        }
    }

    /// Stores the plain files of `from` as `folder`.
    ///
    /// # Errors
    /// Where a file can't be read or stored; then nothing of it is left, as far as that can be said.
    pub fn keep(&self, from: &Path, folder: &str) -> io::Result<()> {
        let names = super::names(from)?;
        let stored = || {
            self.put(folder, NAMES, || Ok(Content::Text(names.join("\n"))))?;
            names.iter().try_for_each(|name| {
                self.put(folder, name, || {
                    Ok(Content::File(File::open(from.join(name))?))
                })
            })
        };
        let result = stored();
        if result.is_err() {
            // The first error is the one to tell; the next attempt of this build removes what is left.
            let _ = self.remove(folder);
        }
        result
    }

    /// Removes a folder.
    ///
    /// # Errors
    /// Where it can't be removed as a whole.
    pub fn remove(&self, folder: &str) -> io::Result<()> {
        let answer = self.ask("GET", folder, NAMES, &[])?;
        match answer.status().as_u16() {
            200 => {}
            404 => return Ok(()),
            status => return Err(refused("GET", folder, NAMES, status)),
        }
        let mut text = String::new();
        let body = answer.into_body().into_reader();
        body.take(LONGEST_NAMES).read_to_string(&mut text)?;
        for name in text.lines().filter(|name| is_plain(name)).chain([NAMES]) {
            let answer = self.ask("DELETE", folder, name, &[])?;
            let status = answer.status().as_u16();
            if ![200, 204, 404].contains(&status) {
                return Err(refused("DELETE", folder, name, status));
            }
        }
        Ok(())
    }

    /// What there is to say of a file before it is sent.
    ///
    /// # Errors
    /// Where that can't be known.
    pub fn find(&self, folder: &str, name: &str) -> io::Result<Option<Found>> {
        let answer = self.ask("HEAD", folder, name, &[])?;
        match answer.status().as_u16() {
            200 => {}
            404 => return Ok(None),
            status => return Err(refused("HEAD", folder, name, status)),
        }
        let header = |name: &str| answer.headers().get(name)?.to_str().ok();
        let length = header("content-length").and_then(|length| length.parse().ok());
        let length =
            length.ok_or_else(|| io::Error::other("the store does not say how long a file is"))?;
        Ok(Some(Found {
            length,
            modified: header("last-modified").unwrap_or_default().to_owned(),
            etag: header("etag").unwrap_or_default().to_owned(),
            source: Source::S3(self.clone(), folder.to_owned(), name.to_owned()),
        }))
    }

    /// A part of a file, which is never longer than asked for.
    ///
    /// # Errors
    /// Where it can't be had.
    pub fn read(
        &self,
        folder: &str,
        name: &str,
        range: &RangeInclusive<u64>,
        etag: &str,
    ) -> io::Result<impl Read> {
        let wanted = format!("bytes={}-{}", range.start(), range.end());
        let mut headers = vec![("range", wanted.as_str())];
        if !etag.is_empty() {
            // Another file by now has to be asked for anew.
            headers.push(("if-match", etag));
        }
        let answer = self.ask("GET", folder, name, &headers)?;
        let count = range.end() - range.start() + 1;
        match answer.status().as_u16() {
            206 => Ok(answer.into_body().into_reader().take(count)),
            // All of it, where all of it was asked for.
            200 if *range.start() == 0 => Ok(answer.into_body().into_reader().take(count)),
            status => Err(refused("GET", folder, name, status)),
        }
    }

    fn put(
        &self,
        folder: &str,
        name: &str,
        content: impl Fn() -> io::Result<Content>,
    ) -> io::Result<()> {
        let mut result = Ok(());
        for trial in 0..TRIALS {
            if trial > 0 {
                std::thread::sleep(PAUSE);
            }
            let answer = content().and_then(|content| content.send(self, folder, name));
            match answer.map(|answer| answer.status().as_u16()) {
                Ok(200..=299) => return Ok(()),
                // It is not for lack of trying.
                Ok(status @ 300..=499) => return Err(refused("PUT", folder, name, status)),
                Ok(status) => result = Err(refused("PUT", folder, name, status)),
                Err(error) => result = Err(error),
            }
        }
        result
    }

    fn ask(
        &self,
        method: &str,
        folder: &str,
        name: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Response<Body>> {
        self.send(method, folder, name, headers, EMPTY, SendBody::none())
    }

    fn send(
        &self,
        method: &str,
        folder: &str,
        name: &str,
        headers: &[(&str, &str)],
        sha256: &str,
        body: impl AsSendBody,
    ) -> io::Result<Response<Body>> {
        let S3Config {
            endpoint,
            bucket,
            region,
            access_key,
            secret_key,
        } = &self.config;
        let (_, rest) = endpoint.split_once("://").unwrap_or_default();
        let (host, base) = rest
            .split_once('/')
            .map_or((rest, ""), |(host, base)| (host, base));
        let base = if base.is_empty() {
            String::new()
        } else {
            format!("/{base}")
        };
        let path = encode(&format!("{base}/{bucket}/{folder}/{name}"));
        let signer = Signer {
            region,
            access_key,
            secret_key,
        };
        let mut signed = vec![("host", host)];
        signed.extend_from_slice(headers);
        let proofs = signer.headers(method, &path, &signed, sha256, SystemTime::now());
        let scheme = endpoint.split(':').next().unwrap_or_default();
        let method = Method::from_bytes(method.as_bytes()).map_err(io::Error::other)?;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{scheme}://{host}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in &proofs {
            request = request.header(*name, value);
        }
        let request = request.body(body).map_err(io::Error::other)?;
        self.agent.run(request).map_err(|error| error.into_io())
    }
}

/// What is stored.
enum Content {
    Text(String),
    File(File),
}

impl Content {
    fn send(self, s3: &S3, folder: &str, name: &str) -> io::Result<Response<Body>> {
        match self {
            Self::Text(text) => {
                use sha2::{Digest as _, Sha256};
                let sum = crate::request::hex(&Sha256::digest(&text));
                s3.send("PUT", folder, name, &[], &sum, text)
            }
            Self::File(mut file) => {
                let sum = place::digest(&mut file)?;
                io::Seek::rewind(&mut file)?;
                s3.send("PUT", folder, name, &[], &sum, file)
            }
        }
    }
}

fn refused(method: &str, folder: &str, name: &str, status: u16) -> io::Error {
    io::Error::other(format!(
        "the store answers {status} to {method} {folder}/{name}"
    ))
}
