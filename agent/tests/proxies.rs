//! Ways to a server: through proxies, past them, and by IPv6 alone, with TLS and without.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/stand_in.rs"]
mod stand_in;

use asu::error::{Error, Kind};
use asu::server::{Client, Options};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConnection, StreamOwned};
use stand_in::{Reply, StandIn};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the proxy heard: each request's first line and its credentials.
type Heard = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// A proxy that knows CONNECT only, and one server, whatever its name. It wants these credentials.
fn proxy(server: SocketAddr, wanted: Option<&'static str>) -> (SocketAddr, Heard) {
    proxy_on(TcpListener::bind("127.0.0.1:0").unwrap(), server, wanted)
}

fn proxy_on(
    listener: TcpListener,
    server: SocketAddr,
    wanted: Option<&'static str>,
) -> (SocketAddr, Heard) {
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let shared = heard.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let heard = shared.clone();
            // A client that goes away ends the tunnel.
            thread::spawn(move || tunnel(stream, server, wanted, &heard).ok());
        }
    });
    (address, heard)
}

fn tunnel(
    stream: TcpStream,
    server: SocketAddr,
    wanted: Option<&str>,
    heard: &Heard,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut credentials) = (String::new(), None);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("proxy-authorization") => {
                credentials = Some(value.to_owned());
            }
            Some(_) => {}
            None => break,
        }
    }
    let allowed = wanted.is_none() || wanted == credentials.as_deref();
    heard
        .lock()
        .unwrap()
        .push((first.trim_end().to_owned(), credentials));
    let mut stream = stream;
    if !allowed {
        return stream
            .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let mut there = TcpStream::connect(server)?;
    let (mut back, mut forth) = (there.try_clone()?, stream.try_clone()?);
    let backwards = thread::spawn(move || {
        let copied = std::io::copy(&mut back, &mut forth);
        forth.shutdown(std::net::Shutdown::Both).and(copied)
    });
    std::io::copy(&mut reader, &mut there)?;
    there.shutdown(std::net::Shutdown::Write)?;
    drop(backwards.join());
    Ok(())
}

fn overview(url: &str, proxy: &str, no_proxy: &[&str]) -> Result<(), Error> {
    let options = Options {
        proxy: Some(proxy.to_owned()),
        no_proxy: no_proxy.iter().map(|entry| (*entry).to_owned()).collect(),
        ..Options::default()
    };
    Ok(Client::new(url, &options)?.overview().map(drop)?)
}

/// A server behind TLS, and the file of the authority that vouches for it under these names.
struct Secure {
    server: StandIn,
    ca: tempfile::NamedTempFile,
}

impl Secure {
    fn on(listener: TcpListener, names: &[&str]) -> Secure {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut ca = tempfile::NamedTempFile::new().unwrap();
        let pem = authority.self_signed(&ca_key).unwrap().pem();
        ca.write_all(pem.as_bytes()).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &Issuer::new(authority, ca_key))
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                key.serialize_der().try_into().unwrap(),
            );
        let config = Arc::new(config.unwrap());
        let server = StandIn::on(
            listener,
            move |stream| {
                let connection = ServerConnection::new(config.clone()).unwrap();
                Box::new(StreamOwned::new(connection, stream))
            },
            |_, _| Reply::json(200, "{}"),
        );
        Secure { server, ca }
    }

    fn overview(&self, url: &str, proxy: Option<&str>) -> Result<(), Error> {
        let options = Options {
            proxy: proxy.map(str::to_owned),
            ca_file: Some(self.ca.path().to_owned()),
            ..Options::default()
        };
        Ok(Client::new(url, &options)?.overview().map(drop)?)
    }
}

fn server() -> StandIn {
    StandIn::always(Reply::json(200, "{}"))
}

#[test]
fn a_proxy_resolves_the_name() {
    let server = server();
    let (address, heard) = proxy(server.address, None);
    overview("http://upgrade.test", &format!("http://{address}"), &[]).unwrap();
    assert_eq!(server.lines(), ["GET /json/v1/overview.json"]);
    let heard = heard.lock().unwrap();
    assert_eq!(heard[0].0, "CONNECT upgrade.test:80 HTTP/1.1");
    assert_eq!(heard[0].1, None);
}

#[test]
fn a_proxy_with_a_password() {
    let server = server();
    // me:p@ss
    let (address, heard) = proxy(server.address, Some("Basic bWU6cEBzcw=="));
    overview(
        "http://upgrade.test",
        &format!("http://me:p%40ss@{address}"),
        &[],
    )
    .unwrap();
    assert_eq!(heard.lock().unwrap().len(), 1);
    for wrong in ["", "me:pass@"] {
        let error = overview(
            "http://upgrade.test",
            &format!("http://{wrong}{address}"),
            &[],
        );
        let error = error.unwrap_err();
        assert_eq!(error.kind, Kind::Offline, "{error}");
        assert!(error.message.contains("the proxy refuses"), "{error}");
        assert!(!error.message.contains("pass@"), "{error}");
    }
    assert_eq!(server.lines().len(), 1);
}

#[test]
fn some_hosts_are_asked_without_the_proxy() {
    let server = server();
    let (address, heard) = proxy(server.address, None);
    let proxy = format!("http://{address}");
    overview(&server.url(), &proxy, &["127.0.0.1"]).unwrap();
    assert!(heard.lock().unwrap().is_empty());
    // Nobody knows this name, so who is asked for it shows.
    let error = overview(
        "http://upgrade.lan.invalid",
        &proxy,
        &["example", ".lan.invalid"],
    );
    assert_eq!(error.unwrap_err().kind, Kind::Offline);
    assert!(heard.lock().unwrap().is_empty());
    overview("http://upgrade.lan.invalid", &proxy, &["an.invalid"]).unwrap();
    assert_eq!(heard.lock().unwrap().len(), 1);
}

/// A place to listen there.
fn ipv6() -> Option<TcpListener> {
    match TcpListener::bind("[::1]:0") {
        Ok(listener) => Some(listener),
        Err(error) => {
            eprintln!("skipped: no IPv6 on this machine ({error})");
            None
        }
    }
}

#[test]
fn a_server_that_has_ipv6_only() {
    let Some(listener) = ipv6() else {
        return;
    };
    let server = StandIn::on(
        listener,
        |stream| Box::new(stream),
        |_, _| Reply::json(200, "{}"),
    );
    assert!(server.url().starts_with("http://[::1]:"));
    let client = Client::new(&server.url(), &Options::default()).unwrap();
    client.overview().unwrap();
    assert_eq!(server.lines(), ["GET /json/v1/overview.json"]);
    // Through a proxy that is reached by IPv4, and past it.
    let (address, heard) = proxy(server.address, None);
    let proxy = format!("http://{address}");
    overview(&server.url(), &proxy, &[]).unwrap();
    let asked = heard.lock().unwrap()[0].0.clone();
    assert!(asked.starts_with("CONNECT [::1]:"), "{asked}");
    overview(&server.url(), &proxy, &["[::1]"]).unwrap();
    assert_eq!(heard.lock().unwrap().len(), 1);
}

#[test]
fn a_proxy_that_is_set_is_asked() {
    let proxy = StandIn::always(Reply::json(403, "{}"));
    let options = Options {
        proxy: Some(proxy.url()),
        ..Options::default()
    };
    let client = Client::new("http://upgrade.example", &options).unwrap();
    let error = Error::from(client.overview().unwrap_err());
    assert_eq!(proxy.lines(), ["CONNECT upgrade.example:80"]);
    assert_eq!(error.kind, Kind::Offline);
    assert!(error.message.contains("the proxy refuses"), "{error}");
}

#[test]
fn tls_by_ipv6_alone() {
    let Some(listener) = ipv6() else {
        return;
    };
    let secure = Secure::on(listener, &["::1"]);
    let url = format!("https://{}", secure.server.address);
    assert!(url.starts_with("https://[::1]:"));
    secure.overview(&url, None).unwrap();
    assert_eq!(secure.server.lines(), ["GET /json/v1/overview.json"]);
    // Through a proxy that is reached by IPv6 as well, or by IPv4 alone.
    let proxies = [ipv6(), TcpListener::bind("127.0.0.1:0").ok()];
    for listener in proxies.into_iter().flatten() {
        let (address, heard) = proxy_on(listener, secure.server.address, None);
        let proxy = format!("http://{address}");
        secure.overview(&url, Some(&proxy)).unwrap();
        let asked = format!("CONNECT {} HTTP/1.1", secure.server.address);
        assert_eq!(heard.lock().unwrap()[0].0, asked);
    }
    assert_eq!(secure.server.lines().len(), 3);
}

#[test]
fn tls_of_a_certificate_for_another_number() {
    let Some(listener) = ipv6() else {
        return;
    };
    let secure = Secure::on(listener, &["127.0.0.1", "::2", "localhost"]);
    let url = format!("https://{}", secure.server.address);
    let error = secure.overview(&url, None).unwrap_err();
    assert_eq!(error.kind, Kind::Tls, "{error}");
    assert!(error.message.contains("for another name"), "{error}");
    assert_eq!(secure.server.lines().len(), 0);
}

/// The proxy sees where to, and nothing of what is said.
#[test]
fn tls_through_a_proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let secure = Secure::on(listener, &["upgrade.test"]);
    let (address, heard) = proxy(secure.server.address, None);
    let at = format!("http://{address}");
    secure.overview("https://upgrade.test", Some(&at)).unwrap();
    assert_eq!(secure.server.lines(), ["GET /json/v1/overview.json"]);
    let asked = ("CONNECT upgrade.test:443 HTTP/1.1".to_owned(), None);
    assert_eq!(*heard.lock().unwrap(), [asked]);
    // A proxy that leads to somebody else gets no request out of us.
    let error = secure.overview("https://other.test", Some(&at));
    assert_eq!(error.unwrap_err().kind, Kind::Tls);
    assert_eq!(secure.server.lines().len(), 1);
}

#[test]
fn tls_through_a_proxy_with_a_password() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let secure = Secure::on(listener, &["upgrade.test"]);
    let (address, heard) = proxy(secure.server.address, Some("Basic bWU6cEBzcw=="));
    for (credentials, allowed) in [("me:p%40ss@", true), ("me:pass@", false), ("", false)] {
        let at = format!("http://{credentials}{address}");
        let asked = secure.overview("https://upgrade.test", Some(&at));
        if allowed {
            asked.unwrap();
            continue;
        }
        let error = asked.unwrap_err();
        assert_eq!(error.kind, Kind::Offline, "{error}");
        assert!(error.message.contains("the proxy refuses"), "{error}");
        assert!(!error.message.contains("pass@"), "{error}");
    }
    assert_eq!(heard.lock().unwrap().len(), 3);
    assert_eq!(secure.server.lines().len(), 1);
    // The password is for the proxy alone.
    let requests = secure.server.requests();
    assert!(requests
        .iter()
        .all(|request| request.header("proxy-authorization").is_none()
            && request.header("authorization").is_none()));
}
