//! TLS 1.3 to an upgrade server: what a connection may use, and no more. What is not named here, the
//! linker leaves out: of rustls' own choice (client certificates, Ed25519, RSA signing, TLS 1.2) a
//! router needs nothing.

use rustls::client::ClientConnection;
use rustls::crypto::ring::{cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom};
use rustls::crypto::{SupportedKxGroup, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::SigningKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme, StreamOwned, SupportedCipherSuite};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ArrayVec, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};
use webpki::ring as algorithms;

/// ChaCha20 first: routers compute AES without instructions for it, at a fifth of the speed. A server
/// that has such instructions chooses AES nevertheless.
const CIPHER_SUITES: [SupportedCipherSuite; 3] = [
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
];

const KEY_EXCHANGES: [&dyn SupportedKxGroup; 2] = [kx_group::X25519, kx_group::SECP256R1];

/// Public certificate authorities sign with ECDSA or RSA, nobody with Ed25519 (CA/Browser Forum,
/// Baseline Requirements 6.1.1.3).
static SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        algorithms::ECDSA_P256_SHA256,
        algorithms::ECDSA_P256_SHA384,
        algorithms::ECDSA_P384_SHA256,
        algorithms::ECDSA_P384_SHA384,
        algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        algorithms::RSA_PKCS1_2048_8192_SHA256,
        algorithms::RSA_PKCS1_2048_8192_SHA384,
        algorithms::RSA_PKCS1_2048_8192_SHA512,
    ],
    mapping: &[
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            &[algorithms::ECDSA_P384_SHA384],
        ),
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            &[algorithms::ECDSA_P256_SHA256],
        ),
        (
            SignatureScheme::RSA_PSS_SHA512,
            &[algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY],
        ),
        (
            SignatureScheme::RSA_PSS_SHA384,
            &[algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY],
        ),
        (
            SignatureScheme::RSA_PSS_SHA256,
            &[algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY],
        ),
        // Not for the handshake (TLS 1.3 has none of them there) but for the certificates: servers
        // choose a chain that the client can verify.
        (
            SignatureScheme::RSA_PKCS1_SHA512,
            &[algorithms::RSA_PKCS1_2048_8192_SHA512],
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA384,
            &[algorithms::RSA_PKCS1_2048_8192_SHA384],
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA256,
            &[algorithms::RSA_PKCS1_2048_8192_SHA256],
        ),
    ],
};

/// What rustls wants besides algorithms.
#[derive(Debug)]
struct Router;

impl SecureRandom for Router {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), buffer)
            .map_err(|_| GetRandomFailed)
    }
}

impl KeyProvider for Router {
    /// No server asks who we are.
    fn load_private_key(
        &self,
        _: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::UnsupportedNameType)
    }
}

fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: CIPHER_SUITES.to_vec(),
        kx_groups: KEY_EXCHANGES.to_vec(),
        signature_verification_algorithms: SIGNATURES,
        secure_random: &Router,
        key_provider: &Router,
    }
}

/// Puts TLS on ureq's connections to https servers.
pub(super) struct Tls(Option<Arc<ClientConfig>>);

impl Tls {
    /// For servers without https.
    pub(super) fn none() -> Self {
        Tls(None)
    }

    /// With these authorities and no other; one that can't be understood is passed over, as all
    /// programs do with the system's bundle.
    pub(super) fn new(authorities: Vec<CertificateDer<'_>>) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities);
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Tls(Some(Arc::new(config))))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else {
            return Ok(None);
        };
        let transport: Box<dyn Transport> = Box::new(transport);
        if !details.needs_tls() {
            return Ok(Some(transport));
        }
        let Some(config) = &self.0 else {
            return Err(ureq::Error::Tls("there are no authorities"));
        };
        secure(config.clone(), details, transport).map(Some)
    }
}

fn secure(
    config: Arc<ClientConfig>,
    details: &ConnectionDetails<'_>,
    transport: Box<dyn Transport>,
) -> Result<Box<dyn Transport>, ureq::Error> {
    let (host, _) = host_and_port(details.uri)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| ureq::Error::HostNotFound)?;
    let mut connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    let mut socket = TransportAdapter::new(transport, details.current_time.clone());
    socket.set_timeout(details.timeout);
    connection.complete_io(&mut socket)?;
    Ok(Box::new(Secured {
        buffers: LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        ),
        stream: StreamOwned::new(connection, socket),
    }))
}

/// A connection with TLS on it.
struct Secured {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secured")
    }
}

impl Transport for Secured {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let output = self.buffers.output();
        self.stream
            .write_all(output.get(..amount).unwrap_or_default())?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

/// Looks names up in place: musl gives up by itself after five seconds, a thread would only wait for
/// the same answer.
#[derive(Debug)]
pub(super) struct Names;

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found =
            ArrayVec::from_fn(|_| SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));
        // More than so many do not fit; push would panic.
        for address in host_and_port(uri)?.to_socket_addrs()?.take(MOST_ADDRESSES) {
            found.push(address);
        }
        if found.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        Ok(found)
    }
}

/// The room of ureq's list.
const MOST_ADDRESSES: usize = 16;

/// What an address names, an IPv6 address without its brackets.
fn host_and_port(uri: &Uri) -> Result<(&str, u16), ureq::Error> {
    let default = match uri.scheme_str() {
        Some("https") => 443,
        Some("http") => 80,
        _ => return Err(ureq::Error::BadUri(uri.to_string())),
    };
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host, uri.port_u16().unwrap_or(default)))
}
