//! Secure connections: whom the router trusts, and what it says of everybody else.
#![allow(clippy::unwrap_used)]

#[path = "common/stand_in.rs"]
mod stand_in;

use asu::error::{Error, Kind};
use asu::server::{Client, Options};
use rustls::crypto::ring::kx_group;
use rustls::crypto::{ActiveKeyExchange, CompletedKeyExchange, CryptoProvider};
use rustls::crypto::{SharedSecret, SupportedKxGroup};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{NamedGroup, ServerConfig, ServerConnection, StreamOwned};
use stand_in::{Reply, Request, StandIn};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recorded/tls")
        .join(name)
}

/// A server with the certificate of that name.
fn secure(
    certificate: &str,
    script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
) -> (StandIn, String) {
    let provider = rustls::crypto::ring::default_provider();
    speaking(provider, rustls::DEFAULT_VERSIONS, certificate, script)
}

/// The same, of certain algorithms and versions of TLS only.
fn speaking(
    provider: CryptoProvider,
    versions: &[&'static rustls::SupportedProtocolVersion],
    certificate: &str,
    script: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
) -> (StandIn, String) {
    let chain = CertificateDer::pem_file_iter(file(certificate))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let server = StandIn::wrapped(
        move |stream| {
            Box::new(StreamOwned::new(
                ServerConnection::new(config.clone()).unwrap(),
                stream,
            ))
        },
        script,
    );
    let url = format!("https://{}", server.address);
    (server, url)
}

fn overview(url: &str, ca_file: &Path) -> Result<(), Error> {
    let options = Options {
        ca_file: Some(ca_file.to_owned()),
        ..Options::default()
    };
    Ok(Client::new(url, &options)?.overview().map(drop)?)
}

fn empty_overview(_: &Request, _: usize) -> Reply {
    Reply::json(200, "{}")
}

#[test]
fn a_server_that_a_trusted_authority_vouches_for() {
    let (server, url) = secure("loopback.pem", empty_overview);
    overview(&url, &file("ca.pem")).unwrap();
    assert_eq!(server.lines(), ["GET /json/v1/overview.json"]);
}

#[test]
fn the_systems_bundle_counts_where_no_file_is_set() {
    let (_server, url) = secure("loopback.pem", empty_overview);
    let options = Options {
        ca_bundle: file("ca.pem"),
        ..Options::default()
    };
    assert!(Client::new(&url, &options).unwrap().overview().is_ok());
    let options = Options {
        ca_file: Some(file("stranger.pem")),
        ca_bundle: file("ca.pem"),
        ..Options::default()
    };
    assert!(
        Client::new(&url, &options).unwrap().overview().is_err(),
        "the file is in its place, not beside it"
    );
}

#[test]
fn certificates_that_prove_nothing_are_refused() {
    let cases = [
        (
            "loopback.pem",
            "stranger.pem",
            "from nobody this router trusts",
        ),
        ("expired.pem", "ca.pem", "has expired"),
    ];
    for (certificate, authority, words) in cases {
        let (server, url) = secure(certificate, empty_overview);
        let error = overview(&url, &file(authority)).unwrap_err();
        assert_eq!(error.kind, Kind::Tls, "{error}");
        assert!(error.message.contains(words), "{error}");
        assert_eq!(server.lines().len(), 0, "nothing was said to it");
    }
}

/// Whoever answers in the server's place has a certificate, but not for its name.
#[test]
fn dns_hijack_with_valid_cert_for_other_host() {
    let (server, url) = secure("elsewhere.pem", empty_overview);
    let error = overview(&url, &file("ca.pem")).unwrap_err();
    assert_eq!(error.kind, Kind::Tls, "{error}");
    assert!(error.message.contains("for another name"), "{error}");
    assert_eq!(server.lines().len(), 0, "nothing was said to it");
}

#[test]
fn a_server_that_speaks_only_an_older_tls() {
    let provider = rustls::crypto::ring::default_provider();
    let versions = [&rustls::version::TLS12];
    let (server, url) = speaking(provider, &versions, "loopback.pem", empty_overview);
    let error = overview(&url, &file("ca.pem")).unwrap_err();
    assert_eq!(error.kind, Kind::Tls, "{error}");
    assert!(error.message.contains("TLS 1.3"), "{error}");
    assert_eq!(server.lines().len(), 0);
}

/// A server that agrees on keys by this group only.
fn agreeing_by(group: &'static dyn SupportedKxGroup) -> (StandIn, String) {
    let provider = CryptoProvider {
        kx_groups: vec![group],
        ..rustls::crypto::ring::default_provider()
    };
    let versions = rustls::DEFAULT_VERSIONS;
    speaking(provider, versions, "loopback.pem", empty_overview)
}

#[test]
fn both_ways_to_agree_on_keys() {
    for group in [kx_group::X25519, kx_group::SECP256R1] {
        let (server, url) = agreeing_by(group);
        overview(&url, &file("ca.pem")).unwrap();
        assert_eq!(server.lines().len(), 1, "{:?}", group.name());
    }
}

/// X25519 with a point of small order, whose product with any secret is zero.
#[derive(Debug)]
struct Zero;

impl SupportedKxGroup for Zero {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        Err(rustls::Error::HandshakeNotComplete)
    }

    fn start_and_complete(&self, _: &[u8]) -> Result<CompletedKeyExchange, rustls::Error> {
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: vec![0; 32],
            secret: SharedSecret::from(vec![0; 32]),
        })
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

#[test]
fn a_server_that_makes_the_secret_known_to_everybody() {
    let (server, url) = agreeing_by(&Zero);
    let error = overview(&url, &file("ca.pem")).unwrap_err();
    assert_eq!(error.kind, Kind::Tls, "{error}");
    assert_eq!(server.lines().len(), 0, "nothing was said to it");
}

#[test]
fn authorities_that_are_none() {
    let (_server, url) = secure("loopback.pem", empty_overview);
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "# nothing\n-----BEGIN CERTIFICATE-----\n!!!\n").unwrap();
    for (path, words) in [
        (&empty, "no certificate in it"),
        (&folder.path().join("none.pem"), "No such file"),
    ] {
        let error = overview(&url, path).unwrap_err();
        assert_eq!(error.kind, Kind::Tls);
        assert!(
            error.message.contains(words) && error.message.contains("ca-bundle"),
            "{error}"
        );
    }
}

#[test]
fn redirect_to_http() {
    let plain = StandIn::new(empty_overview);
    let location = format!("{}/json/v1/overview.json", plain.url());
    let (_server, url) = secure("loopback.pem", move |_, _| {
        Reply::with_headers(301, &[("Location", &location)], "")
    });
    let error = overview(&url, &file("ca.pem")).unwrap_err();
    assert_eq!(error.kind, Kind::Tls);
    assert!(error.message.contains("from https to http://"), "{error}");
    assert_eq!(plain.lines().len(), 0, "it was not asked");
}

#[test]
fn http_may_lead_to_https() {
    let (server, url) = secure("loopback.pem", empty_overview);
    let plain = StandIn::new(move |request, _| {
        Reply::with_headers(301, &[("Location", &format!("{url}{}", request.path))], "")
    });
    overview(&plain.url(), &file("ca.pem")).unwrap();
    assert_eq!(server.lines(), ["GET /json/v1/overview.json"]);
    assert_eq!(
        overview(&plain.url(), &file("stranger.pem"))
            .unwrap_err()
            .kind,
        Kind::Tls
    );
}

#[test]
fn a_server_that_speaks_no_tls() {
    let plain = StandIn::always(Reply::json(200, "{}"));
    let error = overview(&format!("https://{}", plain.address), &file("ca.pem")).unwrap_err();
    assert!(matches!(error.kind, Kind::Tls | Kind::Offline), "{error}");
    assert!(
        plain.lines().iter().all(|line| !line.contains("overview")),
        "nothing was said in the clear"
    );
}
