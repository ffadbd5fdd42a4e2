//! Encrypted connections.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// The certificate that a server presents, for [`Server::listen_tls`](crate::Server::listen_tls).
/// Feature `tls`.
///
/// ```
/// use redis_keyspace_embedded::{Server, ServerTls};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // The crate rcgen makes certificates for tests.
/// let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
/// let tls = ServerTls::new(made.cert.pem(), made.signing_key.serialize_pem())?;
/// let listener = Server::new().listen_tls(&tls).await?;
/// assert!(listener.url().starts_with("rediss://127.0.0.1:"));
/// # Ok(())
/// # }
/// ```
///
/// `Debug` prints neither the certificate nor the key.
#[derive(Clone)]
pub struct ServerTls {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    config: Arc<ServerConfig>,
}

impl ServerTls {
    /// Creates the options from the PEM text of a certificate with its intermediate certificates,
    /// and of its private key.
    ///
    /// # Errors
    ///
    /// Fails if a text is not valid PEM, or if the key does not belong to the certificate.
    pub fn new(certificate_pem: impl AsRef<[u8]>, key_pem: impl AsRef<[u8]>) -> io::Result<Self> {
        let chain = certificates(certificate_pem.as_ref(), "the certificate")?;
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_ref())
            .map_err(|_| invalid("the key is not a private key in PEM".to_owned()))?;
        let config = config(&chain, &key, None)?;
        Ok(Self { chain, key: Arc::new(key), config })
    }

    /// Requires each client to present a certificate that one of these CAs has issued, given as PEM
    /// text.
    ///
    /// # Errors
    ///
    /// Fails if the text is not valid PEM.
    ///
    /// ```
    /// # use redis_keyspace_embedded::ServerTls;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    /// # let tls = ServerTls::new(made.cert.pem(), made.signing_key.serialize_pem())?;
    /// let tls = tls.require_client_certificates(made.cert.pem())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn require_client_certificates(self, ca_pem: impl AsRef<[u8]>) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca_pem.as_ref(), "the CA")? {
            roots.add(certificate).map_err(|error| invalid(format!("the CA can't be used: {error}")))?;
        }
        let config = config(&self.chain, &self.key, Some(roots))?;
        Ok(Self { config, ..self })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

fn certificates(pem: &[u8], what: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(invalid(format!("{what} is not a certificate in PEM"))),
    }
}

fn config(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    clients: Option<RootCertStore>,
) -> io::Result<Arc<ServerConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(error.to_string()))?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| invalid(error.to_string()))?)
        }
    };
    let config = builder.with_single_cert(chain.to_vec(), key.clone_key());
    config
        .map(Arc::new)
        .map_err(|error| invalid(format!("the certificate can't be used with its key: {error}")))
}
