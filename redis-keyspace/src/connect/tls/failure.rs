//! From errors of rustls to ours.

use std::io;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

use crate::config::Tls;
use crate::error::{Error, ErrorKind, TlsFailure};

/// The most names of a certificate that a message repeats.
const MOST_NAMES: usize = 4;
/// The longest name that a message repeats.
const LONGEST_NAME: usize = 100;

/// What is known about a failed handshake.
pub(super) struct Handshake<'t> {
    pub(super) tls: &'t Tls,
    /// Whether the certificate of the server was accepted.
    pub(super) knows_server: bool,
}

/// Returns the error of a handshake.
pub(super) fn handshake_error(endpoint: &str, error: io::Error, handshake: &Handshake<'_>) -> Error {
    if let Some(error) = described(endpoint, &error, handshake) {
        return error;
    }
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let is_end = matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof);
    if !is_end {
        return Error::io(endpoint, error);
    }
    let message = format!(
        "can't connect to {endpoint}: it closed the connection during the TLS handshake; check that this is a TLS port, and \
         that the server has room for more connections (`maxclients`)"
    );
    Error::new(ErrorKind::Unavailable, message).of_tls(TlsFailure::Closed).sourced(error)
}

/// Returns the error of a login that the TLS session ended. With TLS 1.3, a server checks the
/// client certificate after the handshake has succeeded for the client.
pub(in crate::connect) fn failure_of(endpoint: &str, error: &io::Error, tls: &Tls) -> Option<Error> {
    described(endpoint, error, &Handshake { tls, knows_server: true })
}

fn described(endpoint: &str, error: &io::Error, handshake: &Handshake<'_>) -> Option<Error> {
    let reason = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let (failure, problem) = describe(reason, handshake);
    let message = format!("can't connect to {endpoint}: {problem}");
    Some(Error::new(ErrorKind::Unavailable, message).of_tls(failure).sourced(reason.clone()))
}

fn describe(reason: &rustls::Error, handshake: &Handshake<'_>) -> (TlsFailure, String) {
    use AlertDescription as Alert;
    let version = || {
        let minimum = handshake.tls.minimum_version;
        let problem = format!("it does not support {minimum} or later; see `Tls::minimum_version`");
        (TlsFailure::Version, problem)
    };
    match reason {
        rustls::Error::InvalidCertificate(problem) => certificate(problem),
        rustls::Error::AlertReceived(alert) => match alert {
            // With a key that the server can't use, the client sends no certificate.
            Alert::CertificateRequired if handshake.tls.client.is_some() => (
                TlsFailure::ClientCertificateRejected,
                "it can't use the client certificate, probably because of the type of its key; use another one, for \
                 example ECDSA with P-256"
                    .to_owned(),
            ),
            Alert::CertificateRequired => certificate_required(),
            // TLS 1.2 has no separate alert. The server has shown its certificate, so the ciphers
            // are settled, and the client's certificate comes next.
            Alert::HandshakeFailure if handshake.knows_server && handshake.tls.client.is_none() => {
                certificate_required()
            }
            Alert::ProtocolVersion => version(),
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::DecryptError
            | Alert::AccessDenied
                if handshake.tls.client.is_some() =>
            {
                let problem = format!(
                    "it rejected the client certificate ({alert:?}); the certificate must be valid, and issued by an \
                     authority that the server trusts"
                );
                (TlsFailure::ClientCertificateRejected, problem)
            }
            _ => (TlsFailure::Other, format!("it ended the TLS handshake ({alert:?})")),
        },
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::ServerDoesNotSupportTls12Or13,
        ) => version(),
        rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) if !handshake.knows_server => (
            TlsFailure::NotTls,
            "it does not speak TLS: it answered the handshake with other bytes; use its TLS port, or connect without \
             TLS"
            .to_owned(),
        ),
        other => (TlsFailure::Other, format!("TLS failed: {other}")),
    }
}

fn certificate_required() -> (TlsFailure, String) {
    let problem = "it requires a client certificate; set one with `Tls::client_certificate_files`, or with REDIS_TLS_CERT \
                   and REDIS_TLS_KEY";
    (TlsFailure::ClientCertificateRequired, problem.to_owned())
}

fn certificate(problem: &CertificateError) -> (TlsFailure, String) {
    match problem {
        // A bad signature: a trusted authority has the same name as the issuer, and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            TlsFailure::UnknownIssuer,
            "its TLS certificate was issued by an authority that is not trusted; set the CA of the server with \
             `Tls::ca_file` or REDIS_TLS_CA"
                .to_owned(),
        ),
        CertificateError::Expired => (TlsFailure::Expired, expired("")),
        CertificateError::ExpiredContext { time, not_after } => {
            (TlsFailure::Expired, expired(&format!(" {} ago", between(*not_after, *time))))
        }
        CertificateError::NotValidYet => (TlsFailure::NotYetValid, not_yet_valid("")),
        CertificateError::NotValidYetContext { time, not_before } => {
            let wait = format!(" for another {}", between(*time, *not_before));
            (TlsFailure::NotYetValid, not_yet_valid(&wait))
        }
        CertificateError::NotValidForName => (TlsFailure::WrongName, wrong_name("other names", "this host")),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = format!("`{}`", expected.to_str());
            (TlsFailure::WrongName, wrong_name(&names(presented), &expected))
        }
        other => {
            let problem = format!("{other:?}");
            let hint = hint_for(&problem);
            (TlsFailure::Other, format!("its TLS certificate is invalid: {problem}{hint}"))
        }
    }
}

/// Returns what to do about an error that certificates made by hand often cause. The verifier has
/// no public type for these errors.
fn hint_for(problem: &str) -> &'static str {
    if problem.contains("CaUsedAsEndEntity") {
        "; it is the certificate of a CA, so issue another one for the server with it"
    } else if problem.contains("UnsupportedCertVersion") {
        "; it has no extensions, so issue one that contains the names of the server (subjectAltName)"
    } else {
        ""
    }
}

fn expired(since: &str) -> String {
    format!("its TLS certificate expired{since}; renew it on the server, or check the clock of this machine")
}

fn not_yet_valid(until: &str) -> String {
    format!("its TLS certificate is not valid{until}; check the clocks of the server and of this machine")
}

fn wrong_name(presented: &str, expected: &str) -> String {
    format!(
        "its TLS certificate is for {presented}, not for {expected}; connect by a name in the certificate, or set \
         `Tls::server_name` or REDIS_TLS_SERVER_NAME"
    )
}

/// Lists the names in a certificate. They come from the peer, so they are shortened and escaped.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no name at all".to_owned();
    }
    let shown = presented.iter().take(MOST_NAMES).map(|name| {
        let text: String = bare(name).chars().take(LONGEST_NAME).collect();
        format!("`{}`", text.escape_debug())
    });
    let mut list = shown.collect::<Vec<_>>().join(", ");
    if presented.len() > MOST_NAMES {
        list.push_str(", ..");
    }
    list
}

/// Removes the type of a name: `DnsName("a")` is `a`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

/// Formats the time between two moments, to the largest whole unit.
fn between(earlier: UnixTime, later: UnixTime) -> String {
    let seconds = Duration::from_secs(later.as_secs().saturating_sub(earlier.as_secs())).as_secs();
    let units = [(86_400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds")];
    let (length, unit) =
        units.into_iter().find(|(length, _)| seconds >= 2 * length).unwrap_or((1, "seconds"));
    format!("{} {unit}", seconds / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_certificate_are_short_and_escaped() {
        assert_eq!(names(&["DnsName(\"a.b\")".to_owned(), "x\n".to_owned()]), "`a.b`, `x\\n`");
        assert_eq!(names(&[]), "no name at all");
        let many: Vec<_> = (0..10).map(|nth| "n".repeat(nth * 100)).collect();
        assert!(names(&many).ends_with(", ..") && names(&many).len() < 500);
    }

    #[test]
    fn times_have_the_largest_unit() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        for (seconds, text) in [
            (0, "0 seconds"),
            (59, "59 seconds"),
            (119, "119 seconds"),
            (7200, "2 hours"),
            (200_000, "2 days"),
        ] {
            assert_eq!(between(at(5), at(5 + seconds)), text);
        }
    }
}
