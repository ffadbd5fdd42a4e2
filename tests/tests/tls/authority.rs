//! An authority that issues certificates for tests, and servers that present them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use redis_keyspace::config::Tls;
use redis_keyspace::embedded::{Listener, Server, ServerTls};
use redis_keyspace::{Redis, RedisBuilder};
use redis_keyspace_tests::{RealServer, RealServerBuilder, TlsFiles};
use tempfile::TempDir;

/// The names in the certificates of most servers.
pub const LOCAL: [&str; 2] = ["127.0.0.1", "localhost"];

/// A certificate and its private key, as PEM text.
#[derive(Clone)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

/// An authority, with a directory for its files.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

/// When a certificate is valid.
#[derive(Clone, Copy)]
pub enum Validity {
    Now,
    Past,
    Future,
}

impl Authority {
    /// Creates an authority with a unique name.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        Self::named(&format!("Authority {}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    pub fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, directory: tempfile::tempdir().unwrap() }
    }

    /// Issues a certificate for these names.
    pub fn issue(&self, names: &[&str], validity: Validity) -> Issued {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        // With the same name as its issuer, it would look like a certificate that signs itself.
        params.distinguished_name.push(DnType::CommonName, "leaf");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) = match validity {
            Validity::Now => (date_time_ymd(2000, 1, 1), date_time_ymd(2100, 1, 1)),
            Validity::Past => (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1)),
            Validity::Future => (date_time_ymd(2100, 1, 1), date_time_ymd(2101, 1, 1)),
        };
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// The certificate of the authority, as PEM text.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes a file in the directory of the authority.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes the files of a certificate.
    pub fn files(&self, name: &str, issued: &Issued) -> TlsFiles {
        TlsFiles {
            certificate: self.file(&format!("{name}.crt"), &issued.certificate),
            key: self.file(&format!("{name}.key"), &issued.key),
            ca: self.file("ca.crt", &self.pem()),
        }
    }

    /// The options that trust this authority.
    pub fn trusted(&self) -> Tls {
        Tls::new().ca_pem(self.pem())
    }

    /// Returns a builder of a real server that presents this certificate.
    pub fn real(&self, issued: &Issued) -> RealServerBuilder {
        RealServer::builder().tls(self.files("server", issued))
    }

    /// Starts an embedded server that presents this certificate.
    pub async fn embedded(&self, issued: &Issued) -> Listener {
        let tls = ServerTls::new(&issued.certificate, &issued.key).unwrap();
        scripted().listen_tls(&tls).await.unwrap()
    }

    /// The same, and the server requires client certificates of this authority.
    pub async fn embedded_for_clients(&self, issued: &Issued) -> Listener {
        let tls = ServerTls::new(&issued.certificate, &issued.key).unwrap();
        scripted().listen_tls(&tls.require_client_certificates(self.pem()).unwrap()).await.unwrap()
    }
}

/// Creates an embedded server that knows the scripts of the library. A handle registers them.
fn scripted() -> Server {
    let server = Server::new();
    drop(Redis::with_embedded_server(server.clone()));
    server
}

/// Returns a builder for an encrypted server on this port.
pub fn at(port: u16, tls: Tls) -> RedisBuilder {
    Redis::builder().host("127.0.0.1").port(port).tls(tls)
}

pub fn port_of(listener: &Listener) -> u16 {
    listener.addr().unwrap().port()
}

/// Replaces a file at once, as tools that renew certificates do.
pub fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, content).unwrap();
    std::fs::rename(new, path).unwrap();
}
