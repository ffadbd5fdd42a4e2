//! TLS options from variables and profiles.

use super::builder::RedisBuilder;
use super::secret::Secret;
use super::tls::{ClientCertificate, PemSource, Tls, TlsVersion};
use super::validate::check_host;

/// The options. A variable adds `REDIS_TLS_` in front, and a profile `tls_`.
pub(super) const TLS_OPTIONS: [&str; 6] = ["ca", "cert", "key", "server_name", "min_version", "roots"];

/// The setting that switches TLS on for sentinels, in profiles and in problems.
pub(super) const SENTINEL_TLS: &str = "sentinel_tls";

/// What PEM text contains. Any other value is the path of a file.
const PEM_START: &str = "-----BEGIN";

/// What variables or a profile change in the options of a builder.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsChanges {
    /// Whether TLS is switched on or off.
    pub(super) enabled: Option<bool>,
    /// Whether TLS is switched on or off for connections to sentinels.
    pub(super) sentinels: Option<bool>,
    first: Option<&'static str>,
    ca: Option<PemSource>,
    certificate: Option<PemSource>,
    key: Option<PemSource>,
    server_name: Option<String>,
    minimum_version: Option<TlsVersion>,
    roots: Option<Roots>,
}

#[derive(Debug, Clone, Copy)]
enum Roots {
    System,
    #[cfg(feature = "tls-webpki-roots")]
    WebPki,
}

/// A problem with an option. Never contains the value.
#[derive(Debug)]
pub(super) struct TlsProblem {
    /// Empty if the problem is whether TLS is on.
    pub(super) option: &'static str,
    pub(super) problem: String,
}

impl TlsChanges {
    /// Sets an option of [`TLS_OPTIONS`].
    pub(super) fn set(&mut self, option: &'static str, value: &str) -> Result<(), TlsProblem> {
        let wrong = |problem: String| TlsProblem { option, problem };
        self.first = self.first.or(Some(option));
        match option {
            "ca" => self.ca = Some(pem(value).map_err(wrong)?),
            "cert" => self.certificate = Some(pem(value).map_err(wrong)?),
            "key" => self.key = Some(pem(value).map_err(wrong)?),
            "server_name" => {
                check_host(value).map_err(|problem| wrong(problem.to_owned()))?;
                self.server_name = Some(value.to_owned());
            }
            "min_version" => {
                let version = TlsVersion::named(value);
                self.minimum_version = Some(version.ok_or_else(|| wrong("must be 1.2 or 1.3".to_owned()))?);
            }
            _ => self.roots = Some(roots(value).map_err(wrong)?),
        }
        Ok(())
    }

    /// Sets the options. TLS is on.
    fn apply_options(self, tls: &mut Tls) -> Result<(), TlsProblem> {
        let client = match (self.certificate, self.key) {
            (Some(chain), Some(key)) => Some(ClientCertificate { chain, key }),
            (None, None) => None,
            (Some(_), None) => return Err(alone("cert", "has no private key; set the key, too")),
            (None, Some(_)) => return Err(alone("key", "has no certificate; set the certificate, too")),
        };
        tls.client = client.or(tls.client.take());
        tls.ca = self.ca.or(tls.ca.take());
        tls.server_name = self.server_name.or(tls.server_name.take());
        tls.minimum_version = self.minimum_version.unwrap_or(tls.minimum_version);
        match self.roots {
            Some(Roots::System) => tls.system_roots = true,
            #[cfg(feature = "tls-webpki-roots")]
            Some(Roots::WebPki) => tls.webpki_roots = true,
            None => {}
        }
        Ok(())
    }
}

impl RedisBuilder {
    /// Applies changes to the options of the server, or of its sentinels if only their connections
    /// are encrypted.
    pub(super) fn change_tls(&mut self, changes: TlsChanges) -> Result<(), TlsProblem> {
        let (tls, sentinel_tls) = (&mut self.base.tls, &mut self.base.sentinel.tls);
        let contradicts = |option| {
            let problem =
                "is false, but the code, the profile or the URL switches TLS on; remove one of them";
            Err(TlsProblem { option, problem: problem.to_owned() })
        };
        match changes.enabled {
            Some(true) => *tls = Some(tls.take().unwrap_or_default()),
            Some(false) if tls.is_some() => return contradicts(""),
            _ => {}
        }
        match changes.sentinels {
            Some(true) => self.sentinels_share_tls = true,
            Some(false) if self.sentinels_share_tls || sentinel_tls.is_some() => {
                return contradicts(SENTINEL_TLS);
            }
            _ => {}
        }
        let Some(first) = changes.first else { return Ok(()) };
        // Options of their own are changed only if the sentinels are meant.
        let only_sentinels = tls.is_none() && self.sentinels_share_tls;
        if only_sentinels || (changes.sentinels == Some(true) && sentinel_tls.is_some()) {
            changes.clone().apply_options(sentinel_tls.get_or_insert_default())?;
        }
        match tls {
            Some(tls) => changes.apply_options(tls),
            None if only_sentinels => Ok(()),
            None => {
                let problem = "is set, but TLS is off; switch TLS on, or unset it".to_owned();
                Err(TlsProblem { option: first, problem })
            }
        }
    }
}

fn alone(option: &'static str, problem: &str) -> TlsProblem {
    TlsProblem { option, problem: problem.to_owned() }
}

/// Returns PEM text, or the path of a file that can be read now. Otherwise the value may be
/// something else, even a key, and later messages must not repeat it as a path.
fn pem(value: &str) -> Result<PemSource, String> {
    // Some tools write comments before the certificate.
    if value.contains(PEM_START) {
        return Ok(PemSource::Text(Secret::new(value)));
    }
    let metadata = std::fs::File::open(value).and_then(|file| file.metadata());
    match metadata {
        Ok(metadata) if metadata.is_dir() => Err("is a directory; set the path of a PEM file".to_owned()),
        Ok(_) => Ok(PemSource::file(value)),
        Err(error) => Err(format!("is neither PEM text nor the path of a file that can be read: {error}")),
    }
}

fn roots(value: &str) -> Result<Roots, String> {
    match value {
        "system" => Ok(Roots::System),
        #[cfg(feature = "tls-webpki-roots")]
        "webpki" => Ok(Roots::WebPki),
        #[cfg(not(feature = "tls-webpki-roots"))]
        "webpki" => Err("is webpki, which needs the feature `tls-webpki-roots` of redis-keyspace".to_owned()),
        _ => Err("must be system or webpki".to_owned()),
    }
}
