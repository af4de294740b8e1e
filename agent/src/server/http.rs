//! HTTP to an upgrade server: time-outs, redirects, certificates.

use super::error::Error;
use super::tls::{Names, Tls};
use crate::system::{clock_is_plausible, now};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::CertificateDer;
use std::cell::OnceCell;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use ureq::http::header::{
    HeaderName, CONTENT_LENGTH, CONTENT_TYPE, IF_RANGE, LOCATION, RANGE, RETRY_AFTER,
};
use ureq::http::Response;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, TcpConnector};
use ureq::Agent;

/// From http to https, to the canonical name, to a mirror: nobody needs more.
const MOST_REDIRECTS: usize = 3;

/// Twice what common servers let through themselves; ureq refuses what goes beyond.
const HEADER_LIMIT: usize = 16 * 1024;

/// Of what is sent: the headers of a request in one piece, its body in several.
const OUTPUT_BUFFER: usize = 4 * 1024;

/// Of each connection, in and out; ureq's own 128 KiB are much for a router with 64 MiB. Larger
/// than the headers may be, for only then does ureq notice that they are too large.
const BUFFER: usize = 2 * HEADER_LIMIT;

/// Mozilla's bundle has 220 KiB.
const AUTHORITIES_LIMIT: u64 = 4 * 1024 * 1024;

/// How a server is reached.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The only certificate authorities, in PEM.
    pub ca_file: Option<PathBuf>,
    /// The system's authorities, in PEM, where `ca_file` is not set.
    pub ca_bundle: PathBuf,
    /// `http://host:port`
    pub proxy: Option<String>,
    /// Hosts that are asked without the proxy: names with all below them (`.lan` is as good as `lan`),
    /// addresses, or `*`.
    pub no_proxy: Vec<String>,
}

/// How long the client waits.
#[derive(Clone, Debug)]
pub struct Patience {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the headers of an answer (some servers do their work before they send any), and for
    /// each next byte of its body.
    pub answer: Duration,
    /// After this time a body must have come at `rate` on average.
    pub grace: Duration,
    /// Bytes a second: at less even a small image would take hours.
    pub rate: u64,
    /// Before a broken download goes on; twice as long after each further break.
    pub pause: Duration,
    /// So often in a row a download may break, or the question how a build goes fail.
    pub breaks: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            connect: Duration::from_secs(15),
            answer: Duration::from_secs(60),
            grace: Duration::from_secs(30),
            rate: 1024,
            pause: Duration::from_secs(3),
            breaks: 8,
        }
    }
}

/// What is sent.
#[derive(Clone, Copy)]
pub(super) enum Call<'a> {
    /// All of it.
    Get,
    /// From this byte on, if the file is still the one with this validator.
    Rest(u64, Option<&'a str>),
    /// Only the headers.
    Head,
    /// JSON.
    Post(&'a [u8]),
}

/// The connection to one server (and where it sends us).
pub(super) struct Http {
    options: Options,
    pub(super) patience: Patience,
    /// Without any authority: it can't be used for https.
    plain: OnceCell<Agent>,
    /// With the authorities, which are read only when they are needed.
    secure: OnceCell<Agent>,
    /// The same two for hosts that are asked without the proxy.
    direct: [OnceCell<Agent>; 2],
}

/// An answer, its body unread.
pub(super) struct Answer {
    head: Response<()>,
    pub(super) body: Body,
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.head.headers().get(name)?.to_str().ok()
    }

    pub(super) fn length(&self) -> Option<u64> {
        self.header(&CONTENT_LENGTH)?.parse().ok()
    }

    pub(super) fn retry_after(&self) -> Option<u64> {
        self.header(&RETRY_AFTER)?.parse().ok()
    }

    pub(super) fn is_web_page(&self) -> bool {
        self.header(&CONTENT_TYPE)
            .is_some_and(|kind| kind.contains("html"))
    }
}

impl Http {
    pub(super) fn new(options: Options, patience: Patience) -> Self {
        Http {
            options,
            patience,
            plain: OnceCell::new(),
            secure: OnceCell::new(),
            direct: Default::default(),
        }
    }

    /// Sends a request and follows redirects; any status is an answer.
    pub(super) fn send(&self, url: &str, call: Call<'_>) -> Result<Answer, Error> {
        let mut url = url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.send_once(&url, call)?;
            let moved = matches!(answer.status(), 301 | 302 | 307 | 308)
                || (answer.status() == 303 && !matches!(call, Call::Post(_)));
            match answer.header(&LOCATION) {
                Some(location) if moved => url = redirect(&url, location)?,
                _ => return Ok(answer),
            }
        }
        Err(Error::RedirectLoop)
    }

    fn send_once(&self, url: &str, call: Call<'_>) -> Result<Answer, Error> {
        let agent = self.agent(url)?;
        let sent = match call {
            Call::Get => agent.get(url).call(),
            Call::Head => agent.head(url).call(),
            Call::Rest(from, validator) => {
                let rest = agent.get(url).header(RANGE, format!("bytes={from}-"));
                match validator {
                    Some(validator) => rest.header(IF_RANGE, validator).call(),
                    None => rest.call(),
                }
            }
            Call::Post(json) => agent
                .post(url)
                .header(CONTENT_TYPE, "application/json")
                .send(json),
        };
        let (parts, body) = sent
            .map_err(|error| explain(error, origin(url)))?
            .into_parts();
        let body = Body {
            reader: body.into_reader(),
            received: 0,
            began: Instant::now(),
            patience: self.patience.clone(),
        };
        Ok(Answer {
            head: Response::from_parts(parts, ()),
            body,
        })
    }

    fn agent(&self, url: &str) -> Result<&Agent, Error> {
        let secure = url.starts_with("https://");
        let [plain, safe] = &self.direct;
        let direct = self
            .options
            .no_proxy
            .iter()
            .any(|entry| is_below(host(url), entry));
        let cell = match (direct, secure) {
            (false, false) => &self.plain,
            (false, true) => &self.secure,
            (true, false) => plain,
            (true, true) => safe,
        };
        if let Some(agent) = cell.get() {
            return Ok(agent);
        }
        let tls = if secure { self.tls()? } else { Tls::none() };
        let proxy = self.options.proxy.as_ref().filter(|_| !direct);
        let agent = self.new_agent(tls, secure, proxy)?;
        Ok(cell.get_or_init(|| agent))
    }

    fn new_agent(&self, tls: Tls, secure: bool, proxy: Option<&String>) -> Result<Agent, Error> {
        let proxy = match proxy {
            None => None,
            Some(url) => Some(ureq::Proxy::new(url).map_err(|_| Error::Proxy(url.clone()))?),
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(secure)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .user_agent(super::CLIENT)
            .timeout_connect(Some(self.patience.connect))
            .timeout_send_request(Some(self.patience.answer))
            .timeout_send_body(Some(self.patience.answer))
            .timeout_recv_response(Some(self.patience.answer))
            .timeout_per_read(Some(self.patience.answer))
            .max_response_header_size(HEADER_LIMIT)
            .input_buffer_size(BUFFER)
            .output_buffer_size(OUTPUT_BUFFER);
        let connector = ConnectProxyConnector::default()
            .chain(TcpConnector::default())
            .chain(tls);
        Ok(Agent::with_parts(config.build(), connector, Names))
    }

    /// Reads the authorities; what is not a certificate in the file is passed over.
    fn tls(&self) -> Result<Tls, Error> {
        let path = self
            .options
            .ca_file
            .as_ref()
            .unwrap_or(&self.options.ca_bundle);
        let unusable = |why: String| Error::Authorities(path.clone(), why);
        let file = std::fs::File::open(path).map_err(|error| unusable(error.to_string()))?;
        let mut pem = Vec::new();
        file.take(AUTHORITIES_LIMIT)
            .read_to_end(&mut pem)
            .map_err(|error| unusable(error.to_string()))?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .filter_map(Result::ok)
            .collect();
        if certificates.is_empty() {
            return Err(unusable("there is no certificate in it".to_owned()));
        }
        Tls::new(certificates).map_err(|_| unusable("TLS can't be set up".to_owned()))
    }
}

/// The body of an answer; an error of its is one of ours, see [`recover`].
pub struct Body {
    reader: ureq::BodyReader<'static>,
    received: u64,
    began: Instant,
    patience: Patience,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer).map_err(|error| {
            io::Error::other(match ureq::Error::from(error) {
                ureq::Error::Timeout(_) => Error::Stalled,
                ureq::Error::Protocol(why) => Error::Protocol(why.to_string()),
                _ => Error::Cut,
            })
        })?;
        self.received += read as u64;
        if read > 0 && too_slow(&self.patience, self.began.elapsed(), self.received) {
            return Err(io::Error::other(Error::Stalled));
        }
        Ok(read)
    }
}

fn too_slow(patience: &Patience, elapsed: Duration, received: u64) -> bool {
    elapsed > patience.grace && received / elapsed.as_secs().max(1) < patience.rate
}

/// What went wrong in a [`Body`]; readers that are none just end.
pub fn recover(error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or(Error::Cut)
}

/// Where a `Location` leads; never from https to http.
pub(super) fn redirect(from: &str, location: &str) -> Result<String, Error> {
    let (scheme, _) = from.split_once("//").unwrap_or((from, ""));
    let to = if location.starts_with("http://") || location.starts_with("https://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}{location}")
    } else if location.starts_with('/') {
        format!("{}{location}", origin(from))
    } else {
        return Err(Error::Redirect(location.to_owned()));
    };
    if from.starts_with("https://") && !to.starts_with("https://") {
        return Err(Error::Downgrade(to));
    }
    Ok(to)
}

/// `https://host:port` of an address.
fn origin(url: &str) -> &str {
    let host = url.find("//").map_or(0, |at| at + 2);
    let end = url
        .get(host..)
        .and_then(|rest| rest.find('/'))
        .map_or(url.len(), |at| host + at);
    url.get(..end).unwrap_or(url)
}

/// The host of an address: a name, or a number without its brackets.
fn host(url: &str) -> &str {
    let origin = origin(url);
    let authority = origin.split_once("//").map_or(origin, |(_, rest)| rest);
    let place = authority
        .rsplit_once('@')
        .map_or(authority, |(_, rest)| rest);
    match place
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((number, _)) => number,
        None => place.split(':').next().unwrap_or(place),
    }
}

/// Whether a host is the one that `entry` names, or below it.
fn is_below(host: &str, entry: &str) -> bool {
    let entry = entry.trim_matches(['[', ']']).trim_start_matches('.');
    let start = host.len().checked_sub(entry.len());
    let parts = start.and_then(|start| Some((host.get(..start)?, host.get(start..)?)));
    let ends = parts.is_some_and(|(before, end)| {
        end.eq_ignore_ascii_case(entry) && (before.is_empty() || before.ends_with('.'))
    });
    entry == "*" || (ends && !entry.is_empty())
}

/// Which of our errors ureq's is.
fn explain(error: ureq::Error, server: &str) -> Error {
    let server = server.to_owned();
    match error {
        ureq::Error::HostNotFound => Error::UnknownHost(server),
        ureq::Error::Timeout(ureq::Timeout::Connect) => {
            Error::Unreachable(server, "it does not answer".to_owned())
        }
        ureq::Error::Timeout(_) => Error::Silent(server),
        ureq::Error::Io(error) => unreachable(&error, server),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Error::Redirect(server),
        ureq::Error::ConnectProxyFailed(why) => {
            Error::Unreachable(server, format!("the proxy refuses ({why})"))
        }
        ureq::Error::LargeResponseHeader(..) => {
            Error::Protocol("the headers of its answer are too long".to_owned())
        }
        other => Error::Protocol(other.to_string()),
    }
}

/// A failed connection: TLS, DNS, or the network itself.
fn unreachable(error: &io::Error, server: String) -> Error {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return insecure(error, server, now());
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Error::Unreachable(
            server,
            "the connection was closed without an answer".to_owned(),
        ),
        // The standard library has no kind for a failed look-up of a name.
        _ if error.to_string().contains("lookup address") => Error::UnknownHost(server),
        _ => Error::Unreachable(server, error.to_string()),
    }
}

/// Why TLS failed, in words; with a clock that was never set no certificate is valid yet.
fn insecure(error: &rustls::Error, server: String, now: i64) -> Error {
    use rustls::CertificateError::{NotValidYet, NotValidYetContext};
    if let rustls::Error::InvalidCertificate(why) = error {
        // A server has no certificate of tomorrow; a router that was off for months has a clock of
        // then.
        if matches!(why, NotValidYet | NotValidYetContext { .. }) || !clock_is_plausible(now) {
            return Error::Clock(now);
        }
    }
    Error::Untrusted(server, why_insecure(error))
}

/// rustls' own words name its types, and say less where Debug is shallow.
fn why_insecure(error: &rustls::Error) -> String {
    use rustls::{AlertDescription, CertificateError as Certificate, Error as Tls};
    let why = match error {
        Tls::InvalidCertificate(why) => match why {
            Certificate::Expired | Certificate::ExpiredContext { .. } => {
                "its certificate has expired"
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "its certificate is for another name"
            }
            Certificate::UnknownIssuer => "its certificate is from nobody this router trusts",
            Certificate::BadSignature => "the signature on its certificate is wrong",
            Certificate::BadEncoding => "its certificate is damaged",
            _ => "its certificate can't be judged",
        },
        Tls::PeerIncompatible(_) | Tls::AlertReceived(AlertDescription::ProtocolVersion) => {
            "it does not speak TLS 1.3"
        }
        Tls::AlertReceived(alert) => {
            return format!(
                "it refuses the connection with TLS alert {}",
                u8::from(*alert)
            );
        }
        Tls::InvalidMessage(_) => "what it says is not TLS",
        _ => "it does not keep to the rules of TLS",
    };
    why.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_secure() {
        let to = |from, location| redirect(from, location).ok();
        assert_eq!(to("https://a/x/y", "/z").unwrap(), "https://a/z");
        assert_eq!(to("https://a:1", "//b/z").unwrap(), "https://b/z");
        assert_eq!(to("http://a/x", "https://b/").unwrap(), "https://b/");
        assert!(matches!(
            redirect("https://a/", "http://a/"),
            Err(Error::Downgrade(_))
        ));
        for odd in ["", "x/y", "ftp://a/", "javascript:1", "HTTP://a"] {
            assert!(
                matches!(redirect("http://a/", odd), Err(Error::Redirect(_))),
                "{odd}"
            );
        }
    }

    #[test]
    fn a_clock_that_was_never_set_is_told_from_a_bad_certificate() {
        let error = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let of = |now| insecure(&error, "https://a".to_owned(), now);
        assert!(matches!(of(0), Error::Clock(0)));
        assert!(matches!(of(1_767_225_600), Error::Untrusted(_, _)));
        let early = rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidYet);
        let later = insecure(&early, "https://a".to_owned(), 1_790_000_000);
        assert!(matches!(later, Error::Clock(_)));
    }

    #[test]
    fn hosts_that_are_asked_without_the_proxy() {
        for (url, name) in [
            ("http://a.lan/x:1/@y", "a.lan"),
            ("https://me:too@a.lan:8443", "a.lan"),
            ("http://[::1]:8000/x", "::1"),
            ("http://192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(host(url), name);
        }
        for (host, entry) in [
            ("a.lan", "lan"),
            ("a.lan", ".lan"),
            ("a.b.LAN", "B.lan"),
            ("lan", ".lan"),
            ("::1", "[::1]"),
            ("anything", "*"),
        ] {
            assert!(is_below(host, entry), "{host} {entry}");
        }
        for (host, entry) in [
            ("clan", "lan"),
            ("lan.example", "lan"),
            ("lan", "a.lan"),
            ("a.lan", ""),
            ("a.lan", "."),
            ("ä.lan", "\u{a4}.lan"),
        ] {
            assert!(!is_below(host, entry), "{host} {entry}");
        }
    }

    #[test]
    fn a_drip_is_no_download() {
        let patience = Patience::default();
        let slow = |seconds, bytes| too_slow(&patience, Duration::from_secs(seconds), bytes);
        assert!(!slow(29, 1));
        assert!(slow(31, 31 * 1023));
        assert!(!slow(31, 31 * 1024));
    }
}
