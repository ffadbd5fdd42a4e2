//! The options of encrypted connections. Files are read when a connection is opened, not here.

use std::fmt;
use std::path::PathBuf;

use super::optional_text::OptionalText;
use super::secret::Secret;
use crate::error::{Error, Result};

/// The options of encrypted connections, for [`RedisBuilder::tls`](crate::RedisBuilder::tls).
/// Requires the feature `tls`.
///
/// With the defaults, the server must present a certificate for the host that the handle connects
/// to, issued by a CA whose root certificate the operating system trusts.
///
/// ```
/// use redis_keyspace::Redis;
/// use redis_keyspace::config::Tls;
///
/// let redis = Redis::builder()
///     .host("redis.internal")
///     .port(6380)
///     .tls(
///         Tls::new()
///             .ca_file("/etc/redis/ca.crt")
///             .client_certificate_files("/etc/redis/client.crt", "/etc/redis/client.key"),
///     )
///     .build()?;
/// # Ok::<(), redis_keyspace::Error>(())
/// ```
///
/// Files are read again for each new connection, so a renewed certificate needs no restart.
/// Connections that are open stay open. If a file is missing or invalid then, the command fails
/// with [`Configuration`](crate::ErrorKind::Configuration), and the message names the file.
///
/// `Debug` prints paths and names, and never a certificate or a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[must_use = "TLS options do nothing until they are passed to `RedisBuilder::tls`"]
pub struct Tls {
    pub(crate) ca: Option<PemSource>,
    pub(crate) system_roots: bool,
    #[cfg(feature = "tls-webpki-roots")]
    pub(crate) webpki_roots: bool,
    pub(crate) client: Option<ClientCertificate>,
    pub(crate) server_name: Option<String>,
    pub(crate) minimum_version: TlsVersion,
    pub(crate) accepts_any_certificate: bool,
}

/// A certificate chain and its private key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ClientCertificate {
    pub(crate) chain: PemSource,
    pub(crate) key: PemSource,
}

/// Where a certificate or a key comes from.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum PemSource {
    File(PathBuf),
    Text(Secret),
    /// PEM text that was passed as a path. It may be a key, so it is not kept.
    Misplaced,
}

impl PemSource {
    pub(crate) fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        if path.to_string_lossy().contains("-----BEGIN") { Self::Misplaced } else { Self::File(path) }
    }

    /// Fails if PEM text was passed as a path.
    pub(crate) fn check_place(&self) -> Result<()> {
        if matches!(self, Self::Misplaced) {
            return Err(Error::configuration(
                "PEM text was passed as the path of a TLS file; use `Tls::ca_pem` or `Tls::client_certificate_pem`",
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for PemSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Text(_) => f.write_str("PEM text"),
            Self::Misplaced => f.write_str("PEM text in place of a path"),
        }
    }
}

/// A version of TLS, for [`Tls::minimum_version`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2, the oldest version that this crate supports.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl TlsVersion {
    /// Parses the name of a version in a variable or a profile.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "1.2" => Some(Self::Tls12),
            "1.3" => Some(Self::Tls13),
            _ => None,
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

impl Tls {
    /// Returns the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts only the CAs whose certificates are in this PEM file. The file is read for each new
    /// connection.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(PemSource::file(path));
        self
    }

    /// Trusts only the CAs whose certificates are in this PEM text.
    ///
    /// ```
    /// use redis_keyspace::Redis;
    /// use redis_keyspace::config::Tls;
    ///
    /// // An invalid text is found when the handle is built.
    /// let error = Redis::builder().tls(Tls::new().ca_pem("not a certificate")).build().unwrap_err();
    /// assert!(error.to_string().contains("contains no certificate"), "{error}");
    /// ```
    pub fn ca_pem(mut self, pem: impl Into<String>) -> Self {
        self.ca = Some(PemSource::Text(Secret::new(pem)));
        self
    }

    /// Trusts the root certificates of the operating system as well, if a CA is set. Without a CA,
    /// they are the default.
    ///
    /// The process reads them once, when it opens its first connection that needs them. The
    /// variables `SSL_CERT_FILE` and `SSL_CERT_DIR` replace them on Unix.
    pub fn system_roots(mut self) -> Self {
        self.system_roots = true;
        self
    }

    /// Trusts Mozilla's list of root certificates, which is compiled into the program. It replaces
    /// those of the operating system, for containers that have none. With
    /// [`system_roots`](Self::system_roots) or a CA, it is added to those. Requires the feature
    /// `tls-webpki-roots`.
    ///
    /// A new release of the program is needed to update the list.
    #[cfg(feature = "tls-webpki-roots")]
    pub fn webpki_roots(mut self) -> Self {
        self.webpki_roots = true;
        self
    }

    /// Presents this certificate to the server (mutual TLS): the paths of a PEM file with the
    /// certificate and its intermediate certificates, and of a PEM file with the private key. Both
    /// are read for each new connection.
    ///
    /// A key that is encrypted with a password is not supported.
    pub fn client_certificate_files(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        let (chain, key) = (PemSource::file(certificate), PemSource::file(key));
        self.client = Some(ClientCertificate { chain, key });
        self
    }

    /// Presents this certificate to the server (mutual TLS): the PEM text of the certificate and
    /// its intermediate certificates, and of the private key. The key is never printed.
    pub fn client_certificate_pem(mut self, certificate: impl Into<String>, key: impl Into<String>) -> Self {
        let (chain, key) = (Secret::new(certificate), Secret::new(key));
        self.client = Some(ClientCertificate { chain: PemSource::Text(chain), key: PemSource::Text(key) });
        self
    }

    /// Sets the name that the certificate of the server must contain; the default is the host. It
    /// is needed if the program connects by an IP address or through a tunnel, and the certificate
    /// contains only the server's DNS name. `None` changes nothing.
    ///
    /// ```
    /// # use redis_keyspace::{Redis, config::Tls};
    /// let tls = Tls::new().server_name("redis.internal");
    /// let redis = Redis::builder().host("10.0.0.5").tls(tls).build()?;
    /// # Ok::<(), redis_keyspace::Error>(())
    /// ```
    pub fn server_name(mut self, name: impl OptionalText) -> Self {
        self.server_name = name.into_text().or(self.server_name);
        self
    }

    /// Sets the oldest version of TLS that is accepted; the default is TLS 1.2.
    pub fn minimum_version(mut self, version: TlsVersion) -> Self {
        self.minimum_version = version;
        self
    }

    /// Accepts every certificate: an expired one, one of an unknown CA, and one for another
    /// name. **Anyone on the network path can then read and change all data.** Use it only in
    /// tests.
    ///
    /// No URL, variable or profile can turn verification off. It stays on for a keyspace whose
    /// options set another URL.
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.accepts_any_certificate = true;
        self
    }

    /// Returns the options for another server of the same handle. The name belongs to the first
    /// server, and so does the permission to skip verification.
    pub(super) fn for_other_server(mut self) -> Self {
        self.server_name = None;
        self.accepts_any_certificate = false;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_paths_and_no_pem() {
        let tls = Tls::new().ca_file("/etc/ca.crt").client_certificate_pem("hunter2", "hunter3");
        let text = format!("{tls:?}");
        assert!(text.contains("/etc/ca.crt") && !text.contains("hunter"), "{text}");
    }

    #[test]
    fn another_server_inherits_no_name_and_no_permission() {
        let tls = Tls::new().ca_file("/etc/ca.crt").minimum_version(TlsVersion::Tls13);
        let other =
            tls.clone().server_name("redis.internal").danger_accept_any_certificate().for_other_server();
        assert_eq!(other, tls);
    }
}
