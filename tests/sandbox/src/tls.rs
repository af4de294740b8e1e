//! TLS in front of a server that speaks plain HTTP, with a CA made for the occasion.

use crate::Error;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

/// Passes on what comes in over TLS; ends when it is dropped.
pub struct TlsFront {
    /// Where it listens, on 127.0.0.1.
    pub addr: SocketAddr,
    /// The CA's certificate as PEM, for the option `ca_file`.
    pub ca: String,
    _runtime: Runtime,
}

impl TlsFront {
    /// Puts TLS before the server at `behind`.
    pub fn start(behind: SocketAddr) -> Result<TlsFront, Error> {
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate()?;
        let ca_pem = ca.self_signed(&ca_key)?.pem();
        let key = KeyPair::generate()?;
        let issuer = Issuer::new(ca, ca_key);
        let certificate =
            CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der())?,
            )?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let addr = listener.local_addr()?;
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that breaks off is the test's business.
                    let _ = pass_on(&acceptor, stream, behind).await;
                });
            }
        });
        Ok(TlsFront {
            addr,
            ca: ca_pem,
            _runtime: runtime,
        })
    }

    /// `https://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("https://{}", self.addr)
    }
}

async fn pass_on(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    behind: SocketAddr,
) -> std::io::Result<()> {
    let mut client = acceptor.accept(stream).await?;
    let mut server = TcpStream::connect(behind).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server)
        .await
        .map(drop)
}
