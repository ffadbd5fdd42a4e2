//! Reads certificates and keys. Messages name the file and never repeat its content.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::Read;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::{ClientCertificate, PemSource, Tls};
use crate::error::Error;

/// The most that is read of a file. The bundles of operating systems have less than a third.
const MOST: u64 = 1 << 20;

/// The bytes of one source.
pub(super) struct Pem {
    bytes: Vec<u8>,
    /// What the bytes are, as messages call them.
    name: String,
}

/// The bytes of all sources.
pub(super) struct Pems {
    pub(super) ca: Option<Pem>,
    pub(super) client: Option<(Pem, Pem)>,
}

impl Pems {
    /// Reads all sources. Blocks if they are files.
    pub(super) fn read(tls: &Tls) -> Result<Self, Error> {
        let ca = tls.ca.as_ref().map(|source| Pem::read("the TLS CA", source)).transpose()?;
        let client = match &tls.client {
            None => None,
            Some(ClientCertificate { chain, key }) => {
                Some((Pem::read("the TLS client certificate", chain)?, Pem::read("the TLS client key", key)?))
            }
        };
        Ok(Self { ca, client })
    }
}

impl Hash for Pems {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ca.as_ref().map(Pem::bytes).hash(state);
        self.client.as_ref().map(|(chain, key)| (chain.bytes(), key.bytes())).hash(state);
    }
}

impl Pem {
    fn read(what: &str, source: &PemSource) -> Result<Self, Error> {
        match source {
            PemSource::Text(text) => {
                Ok(Self { bytes: text.expose().as_bytes().to_vec(), name: what.to_owned() })
            }
            PemSource::Misplaced => {
                source.check_place()?;
                Err(Error::configuration(format!("{what} is not a path")))
            }
            PemSource::File(path) => {
                let name = format!("{what} {}", path.display());
                let (mut bytes, wrong) =
                    (Vec::new(), |problem| Error::configuration(format!("{name} {problem}")));
                File::open(path)
                    .and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes))
                    .map_err(|error| wrong(format!("can't be read: {error}")))?;
                if bytes.len() as u64 > MOST {
                    return Err(wrong("is larger than 1 MiB".to_owned()));
                }
                Ok(Self { bytes, name })
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn wrong(&self, problem: &str) -> Error {
        Error::configuration(format!("{} {problem}", self.name))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns all certificates.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let certificates = CertificateDer::pem_slice_iter(&self.bytes).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.map_err(|error| self.malformed(&error))?;
        if certificates.is_empty() {
            return Err(self.wrong("contains no certificate (`-----BEGIN CERTIFICATE-----`)"));
        }
        Ok(certificates)
    }

    /// Returns the first private key.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        match PrivateKeyDer::from_pem_slice(&self.bytes) {
            Ok(key) => Ok(key),
            Err(pem::Error::NoItemsFound) => {
                let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
                let is_encrypted = self.bytes.windows(encrypted.len()).any(|bytes| bytes == encrypted);
                Err(self.wrong(if is_encrypted {
                    "is encrypted with a password, which is not supported; decrypt it, for example with `openssl pkey`"
                } else {
                    "contains no private key (`-----BEGIN PRIVATE KEY-----`)"
                }))
            }
            Err(error) => Err(self.malformed(&error)),
        }
    }

    /// Some errors of the parser quote the line.
    fn malformed(&self, error: &pem::Error) -> Error {
        self.wrong(match error {
            pem::Error::MissingSectionEnd { .. } => "is not valid PEM: a section has no end",
            pem::Error::IllegalSectionStart { .. } => "is not valid PEM: the start of a section is malformed",
            pem::Error::Base64Decode(_) => "is not valid PEM: a section is not base64",
            _ => "is not valid PEM",
        })
    }
}
