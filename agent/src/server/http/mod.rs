//! HTTP to an upgrade server: time-outs, redirects, certificates.

mod address;
mod date;
mod line;
mod message;
mod tls;
mod x25519;

use super::error::Error;
use crate::system::{clock_is_plausible, now};
use address::Address;
use line::{is_late, Line, Reader};
#[cfg(any(test, feature = "fuzz"))]
pub(super) use message::check;
use message::{Head, Length};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::CertificateDer;
use rustls::ClientConfig;
use std::cell::{OnceCell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From http to https, to the canonical name, to a mirror: nobody needs more.
const MOST_REDIRECTS: usize = 3;

/// So long a connection is kept for the next request; servers keep it for 60 seconds and more.
const KEPT: Duration = Duration::from_secs(15);

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
    /// A server that wants to be left alone for longer (Retry-After) is given up.
    pub put_off: Duration,
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
            put_off: Duration::from_secs(10 * 60),
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
    /// The authorities, which are read only when they are needed.
    tls: OnceCell<Arc<ClientConfig>>,
    idle: Rc<RefCell<Option<Idle>>>,
}

/// A connection that waits for its next request.
struct Idle {
    /// Of the server.
    origin: String,
    reader: Reader,
    since: Instant,
}

/// An answer, its body unread.
pub(super) struct Answer {
    head: Head,
    pub(super) body: Body,
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.head.status
    }

    pub(super) fn header(&self, name: &'static str) -> Option<&str> {
        self.head.get(name)
    }

    pub(super) fn length(&self) -> Option<u64> {
        self.header("Content-Length")?.parse().ok()
    }

    /// For how many seconds the server wants to be left alone. It may say a date (RFC 9110, 10.2.3):
    /// that is held against the answer's own, since this router's clock may be wrong.
    pub(super) fn retry_after(&self) -> Option<u64> {
        let text = self.header("Retry-After")?;
        text.parse().ok().or_else(|| {
            let sent = self.header("Date").and_then(date::seconds);
            let sent = sent.or_else(|| Some(now()).filter(|now| clock_is_plausible(*now)))?;
            // What is over already is no wait.
            Some(u64::try_from(date::seconds(text)? - sent).unwrap_or(0))
        })
    }

    pub(super) fn is_web_page(&self) -> bool {
        self.header("Content-Type")
            .is_some_and(|kind| kind.contains("html"))
    }
}

impl Http {
    pub(super) fn new(options: Options, patience: Patience) -> Self {
        Http {
            options,
            patience,
            tls: OnceCell::new(),
            idle: Rc::default(),
        }
    }

    /// Sends a request and follows redirects; any status is an answer.
    pub(super) fn send(&self, url: &str, call: Call<'_>) -> Result<Answer, Error> {
        let mut url = url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.send_once(&url, call)?;
            let moved = matches!(answer.status(), 301 | 302 | 307 | 308)
                || (answer.status() == 303 && !matches!(call, Call::Post(_)));
            match answer.header("Location") {
                Some(location) if moved => url = redirect(&url, location)?,
                _ => return Ok(answer),
            }
        }
        Err(Error::RedirectLoop)
    }

    fn send_once(&self, url: &str, call: Call<'_>) -> Result<Answer, Error> {
        let address = Address::parse(url).ok_or_else(|| Error::Redirect(url.to_owned()))?;
        let (server, request) = (origin(url), request(&address, call));
        if let Some(reader) = self.waiting(server) {
            match self.ask(reader, server, &request, call) {
                // A server may close a connection just when it is used again; but what a build's order
                // came to is not known then.
                Err(error) if is_closed(&error) && !matches!(call, Call::Post(_)) => {}
                Err(error) => return Err(explain(error, server, true)),
                Ok(answer) => return Ok(answer),
            }
        }
        let reader = self.connect(&address, server)?;
        self.ask(reader, server, &request, call)
            .map_err(|error| explain(error, server, true))
    }

    /// The connection that waits, if it is to this server and still there.
    fn waiting(&self, server: &str) -> Option<Reader> {
        let mut idle = self.idle.borrow_mut().take()?;
        let fresh = idle.origin == server && idle.since.elapsed() < KEPT;
        (fresh && idle.reader.get_mut().is_quiet()).then_some(idle.reader)
    }

    fn connect(&self, address: &Address<'_>, server: &str) -> Result<Reader, Error> {
        let tls = match address.secure {
            true => Some(self.tls()?),
            false => None,
        };
        let url = self.proxy(address);
        let proxy = match &url {
            None => None,
            Some(url) => {
                let proxy = Address::parse(url).filter(|proxy| !proxy.secure);
                Some(proxy.ok_or_else(|| Error::Proxy(url.clone()))?)
            }
        };
        line::open(address, proxy.as_ref(), tls, self.patience.connect)
            .map_err(|error| explain(error, server, false))
    }

    /// The proxy's address, if this host is asked through it.
    fn proxy(&self, address: &Address<'_>) -> Option<String> {
        let url = self.options.proxy.as_ref()?;
        let mut direct = self.options.no_proxy.iter();
        if direct.any(|entry| address.is_below(entry)) {
            return None;
        }
        Some(match url.contains("://") {
            true => url.clone(),
            false => format!("http://{url}"),
        })
    }

    fn ask(
        &self,
        mut reader: Reader,
        server: &str,
        request: &[u8],
        call: Call<'_>,
    ) -> io::Result<Answer> {
        let line: &mut Line = reader.get_mut();
        line.wait(self.patience.answer);
        line.write_all(request)?;
        line.flush()?;
        line.wait(self.patience.answer);
        let head = Head::read(&mut reader)?;
        let mut body = Body {
            length: head.length(!matches!(call, Call::Head))?,
            reader: Some(reader),
            home: head
                .stays_open()
                .then(|| (self.idle.clone(), server.to_owned())),
            received: 0,
            began: Instant::now(),
            patience: self.patience.clone(),
        };
        body.end();
        Ok(Answer { head, body })
    }

    fn tls(&self) -> Result<&Arc<ClientConfig>, Error> {
        if let Some(config) = self.tls.get() {
            return Ok(config);
        }
        let config = self.new_tls()?;
        Ok(self.tls.get_or_init(|| config))
    }

    /// Reads the authorities; what is not a certificate in the file is passed over.
    fn new_tls(&self) -> Result<Arc<ClientConfig>, Error> {
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
        tls::config(certificates).map_err(|_| unusable("TLS can't be set up".to_owned()))
    }
}

/// A request as it goes over the line.
fn request(address: &Address<'_>, call: Call<'_>) -> Vec<u8> {
    let method = match call {
        Call::Get | Call::Rest(..) => "GET",
        Call::Head => "HEAD",
        Call::Post(_) => "POST",
    };
    let mut fields = vec![
        ("Host", address.authority.to_owned()),
        ("User-Agent", super::CLIENT.to_owned()),
        ("Accept", "*/*".to_owned()),
    ];
    fields.extend(
        address
            .authorization()
            .map(|value| ("Authorization", value)),
    );
    let mut body: &[u8] = &[];
    match call {
        Call::Get | Call::Head => {}
        Call::Rest(from, validator) => {
            fields.push(("Range", format!("bytes={from}-")));
            fields.extend(validator.map(|validator| ("If-Range", validator.to_owned())));
        }
        Call::Post(json) => {
            body = json;
            fields.push(("Content-Type", "application/json".to_owned()));
            fields.push(("Content-Length", json.len().to_string()));
        }
    }
    let mut text = format!("{method} {} HTTP/1.1\r\n", address.target());
    for (name, value) in fields {
        for part in [name, ": ", &value, "\r\n"] {
            text.push_str(part);
        }
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

/// The body of an answer; an error of its is one of ours, see [`recover`].
pub struct Body {
    /// Gone once the body is complete.
    reader: Option<Reader>,
    length: Length,
    /// Where the connection goes then, and whose it is.
    home: Option<(Rc<RefCell<Option<Idle>>>, String)>,
    received: u64,
    began: Instant,
    patience: Patience,
}

impl Body {
    /// Gives the connection back if there is nothing more to come.
    fn end(&mut self) {
        if self.length != Length::Known(0) {
            return;
        }
        if let (Some(reader), Some((home, origin))) = (self.reader.take(), self.home.take()) {
            // Bytes behind an answer belong to nobody.
            *home.borrow_mut() = reader.buffer().is_empty().then(|| Idle {
                origin,
                reader,
                since: Instant::now(),
            });
        }
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(reader) = &mut self.reader else {
            return Ok(0);
        };
        reader.get_mut().wait(self.patience.answer);
        let read = self.length.read(reader, buffer)?;
        self.end();
        Ok(read)
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.next(buffer).map_err(|error| match is_late(&error) {
            true => io::Error::other(Error::Stalled),
            false => io::Error::other(recover(error)),
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

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
    )
}

/// Why there is no answer, or not even a connection.
fn explain(error: io::Error, server: &str, connected: bool) -> Error {
    let server = server.to_owned();
    if is_late(&error) {
        return match connected {
            true => Error::Silent(server),
            false => Error::Unreachable(server, "it does not answer".to_owned()),
        };
    }
    match error.downcast::<Error>() {
        Ok(ours) => ours,
        Err(error) => unreachable(&error, server),
    }
}

/// A failed connection: TLS, DNS, or the network itself.
fn unreachable(error: &io::Error, server: String) -> Error {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return insecure(error, server, now());
    }
    match error.kind() {
        _ if is_closed(error) => Error::Unreachable(
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
    fn a_drip_is_no_download() {
        let patience = Patience::default();
        let slow = |seconds, bytes| too_slow(&patience, Duration::from_secs(seconds), bytes);
        assert!(!slow(29, 1));
        assert!(slow(31, 31 * 1023));
        assert!(!slow(31, 31 * 1024));
    }
}
