//! From TLS options to a configuration of rustls.

use std::sync::{Arc, Mutex};

use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};

use super::any_certificate::AnyCertificate;
use super::pem::{Pem, Pems};
use crate::config::{PemSource, Tls, TlsVersion};
use crate::error::Error;
use crate::sync::lock;

/// Fails if options contain invalid PEM text, or PEM text in place of a path. Files are not read:
/// they may change until a connection needs them.
pub(crate) fn check_tls(tls: &Tls) -> Result<(), Error> {
    let is_file = |source: &PemSource| matches!(source, PemSource::File(_));
    if let Some(source) = tls.ca.as_ref().filter(|source| !is_file(source)) {
        let pems = Pems::read(&Tls { ca: Some(source.clone()), client: None, ..Tls::default() })?;
        pems.ca.iter().try_for_each(|pem| add(pem, &mut RootCertStore::empty()))?;
    }
    let Some(client) = &tls.client else { return Ok(()) };
    for source in [&client.chain, &client.key] {
        source.check_place()?;
    }
    if !is_file(&client.chain) && !is_file(&client.key) {
        let options = Tls { client: Some(client.clone()), accepts_any_certificate: true, ..Tls::default() };
        client_config(&options, &Pems::read(&options)?)?;
    }
    Ok(())
}

/// Creates the configuration. Blocks if the root certificates of the system are needed and were not
/// read before.
pub(super) fn client_config(tls: &Tls, pems: &Pems) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let versions = match tls.minimum_version {
        TlsVersion::Tls12 => &[&TLS13, &TLS12][..],
        TlsVersion::Tls13 => &[&TLS13],
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| Error::configuration(format!("TLS can't be configured: {error}")))?;
    let builder = if tls.accepts_any_certificate {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        builder.with_root_certificates(roots(tls, pems.ca.as_ref())?)
    };
    let Some((chain, key)) = &pems.client else { return Ok(builder.with_no_client_auth()) };
    builder.with_client_auth_cert(chain.certificates()?, key.key()?).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => key.wrong(&format!("does not belong to {}", chain.name())),
        error => key.wrong(&format!("can't be used with {}: {error}", chain.name())),
    })
}

fn roots(tls: &Tls, ca: Option<&Pem>) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    if let Some(ca) = ca {
        add(ca, &mut roots)?;
    }
    #[cfg(feature = "tls-webpki-roots")]
    if tls.webpki_roots {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if tls.system_roots || roots.is_empty() {
        let system = system_roots()?;
        if roots.is_empty() {
            return Ok(system);
        }
        roots.extend(system.roots.iter().cloned());
    }
    Ok(Arc::new(roots))
}

/// Adds all certificates of a source.
fn add(pem: &Pem, roots: &mut RootCertStore) -> Result<(), Error> {
    pem.certificates()?.into_iter().try_for_each(|certificate| {
        let added = roots.add(certificate);
        added.map_err(|error| pem.wrong(&format!("contains a certificate that can't be used: {error}")))
    })
}

/// Returns the root certificates of the operating system. Reading them takes milliseconds, so the
/// process does it once.
fn system_roots() -> Result<Arc<RootCertStore>, Error> {
    static SYSTEM: Mutex<Option<Arc<RootCertStore>>> = Mutex::new(None);
    let mut known = lock(&SYSTEM);
    if let Some(roots) = &*known {
        return Ok(Arc::clone(roots));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let cause = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(Error::configuration(format!(
            "TLS is on, but this system has no trusted authorities{cause}; set the CA of the server, for example \
             with REDIS_TLS_CA, or install the package `ca-certificates`"
        )));
    }
    let roots = Arc::new(roots);
    *known = Some(Arc::clone(&roots));
    Ok(roots)
}

#[cfg(all(test, feature = "tls-webpki-roots"))]
mod tests {
    use super::*;

    #[test]
    fn compiled_authorities_replace_those_of_the_system_or_are_added() {
        let compiled = webpki_roots::TLS_SERVER_ROOTS.len();
        assert_eq!(roots(&Tls::new().webpki_roots(), None).unwrap().len(), compiled);
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let tls = Tls::new().ca_pem(made.cert.pem());
        let count = |tls: &Tls| roots(tls, Pems::read(tls).unwrap().ca.as_ref()).unwrap().len();
        assert_eq!(count(&tls), 1, "only the CA");
        assert_eq!(count(&tls.webpki_roots()), 1 + compiled);
    }
}
