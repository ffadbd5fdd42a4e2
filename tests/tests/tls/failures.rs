//! Each reason why an encrypted connection fails has its own error.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use redis_keyspace::config::{Tls, TlsVersion};
use redis_keyspace::error::TlsFailure;
use redis_keyspace::raw::RawConnection;
use redis_keyspace::{Error, ErrorKind, Keyspace, Redis, Text};
use redis_keyspace_tests::{PATIENCE, RealServer, require_tls, within};

use crate::authority::{Authority, Issued, LOCAL, Validity, at, port_of};

/// For attempts that must fail before it passes.
const LONG: Duration = Duration::from_secs(60);
/// For attempts that get no answer.
const SHORT: Duration = Duration::from_millis(300);

#[derive(Keyspace)]
#[keyspace(prefix = "tls-failures", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
}

async fn ping(mut connection: RawConnection) -> redis::RedisResult<()> {
    redis::cmd("PING").exec_async(&mut connection).await
}

/// Returns the errors of a command on a lane, of `connect` and of raw access.
async fn errors(redis: &Redis) -> [Error; 3] {
    [
        Keys::text(1).get().on(redis).await.unwrap_err(),
        redis.connect().await.unwrap_err(),
        redis.raw(ping).await.unwrap_err(),
    ]
}

fn impatient(port: u16, tls: Tls) -> Redis {
    at(port, tls).retries(0).breaker(0, SHORT).timeout(LONG).connect_timeout(LONG).build().unwrap()
}

/// Checks that every attempt fails for this reason, with a message that contains these words.
async fn assert_fails(port: u16, tls: Tls, failure: TlsFailure, words: &[&str]) {
    let redis = impatient(port, tls);
    for error in errors(&redis).await {
        assert_eq!((error.kind(), error.tls_failure()), (ErrorKind::Unavailable, Some(failure)), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
        words.iter().for_each(|word| assert!(text.contains(word), "{word:?} is missing in {text}"));
        assert!(error.is_unavailable() && !error.is_timeout());
    }
}

async fn assert_works(port: u16, tls: Tls) {
    let redis = impatient(port, tls);
    redis.connect().await.unwrap();
    redis.raw(ping).await.unwrap();
}

/// Runs a check on the ports of an embedded and of a real server with this certificate.
fn on_both(names: &[&str], validity: Validity, check: impl AsyncFn(&Authority, u16)) {
    within(PATIENCE, async {
        let authority = Authority::new();
        let issued = authority.issue(names, validity);
        let listener = authority.embedded(&issued).await;
        check(&authority, port_of(&listener)).await;
        if require_tls() {
            let server = authority.real(&issued).start();
            check(&authority, server.tls_port()).await;
        }
    });
}

#[test]
fn an_unknown_issuer_is_rejected() {
    on_both(&LOCAL, Validity::Now, async |authority, port| {
        let words = ["authority that is not trusted", "REDIS_TLS_CA"];
        let stranger = Authority::new().trusted();
        assert_fails(port, stranger.clone(), TlsFailure::UnknownIssuer, &words).await;
        // An authority of the same name has another key.
        let (real, fake) = (Authority::named("CA"), Authority::named("CA"));
        let listener = real.embedded(&real.issue(&LOCAL, Validity::Now)).await;
        assert_fails(port_of(&listener), fake.trusted(), TlsFailure::UnknownIssuer, &words).await;
        // No authority of the system has issued it.
        let system = Tls::new().ca_pem(Authority::new().pem()).system_roots();
        assert_fails(port, system, TlsFailure::UnknownIssuer, &words).await;
        assert_works(port, authority.trusted()).await;
        assert_works(port, stranger.danger_accept_any_certificate()).await;
    });
}

#[test]
fn an_expired_certificate_is_rejected() {
    on_both(&LOCAL, Validity::Past, async |authority, port| {
        let words = ["its TLS certificate expired", " days ago", "renew it"];
        assert_fails(port, authority.trusted(), TlsFailure::Expired, &words).await;
        assert_works(port, authority.trusted().danger_accept_any_certificate()).await;
    });
}

#[test]
fn a_certificate_of_the_future_is_rejected() {
    on_both(&LOCAL, Validity::Future, async |authority, port| {
        let words = ["is not valid for another", " days", "clock"];
        assert_fails(port, authority.trusted(), TlsFailure::NotYetValid, &words).await;
    });
}

#[test]
fn a_certificate_for_another_name_is_rejected() {
    on_both(&["redis.internal", "10.9.8.7"], Validity::Now, async |authority, port| {
        let words = ["is for `redis.internal`, `10.9.8.7`", "not for `127.0.0.1`", "server_name"];
        assert_fails(port, authority.trusted(), TlsFailure::WrongName, &words).await;
        let other = authority.trusted().server_name("other.internal");
        assert_fails(port, other, TlsFailure::WrongName, &["not for `other.internal`"]).await;
        for name in ["redis.internal", "redis.internal.", "10.9.8.7"] {
            assert_works(port, authority.trusted().server_name(name)).await;
        }
        assert_works(port, authority.trusted().danger_accept_any_certificate()).await;
    });
}

#[test]
fn a_ca_certificate_is_no_server_certificate() {
    within(PATIENCE, async {
        // What `openssl req -x509` makes.
        let mut params = rcgen::CertificateParams::new(LOCAL.map(str::to_owned)).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let issued = Issued { certificate: certificate.clone(), key: key.serialize_pem() };
        let listener = Authority::new().embedded(&issued).await;
        let words = ["it is the certificate of a CA", "issue another one"];
        assert_fails(port_of(&listener), Tls::new().ca_pem(certificate), TlsFailure::Other, &words).await;
    });
}

#[test]
fn a_missing_client_certificate_is_reported() {
    if !require_tls() {
        return;
    }
    within(PATIENCE, async {
        let authority = Authority::new();
        let issued = authority.issue(&LOCAL, Validity::Now);
        let required = || authority.real(&issued).arg("--tls-auth-clients").arg("yes");
        let server = required().start();
        let older = required().arg("--tls-protocols").arg("TLSv1.2").start();
        let listener = authority.embedded_for_clients(&issued).await;
        for port in [server.tls_port(), older.tls_port(), port_of(&listener)] {
            let words = ["it requires a client certificate", "REDIS_TLS_CERT"];
            assert_fails(port, authority.trusted(), TlsFailure::ClientCertificateRequired, &words).await;
            // Skipping verification of the server presents no certificate either.
            let any = authority.trusted().danger_accept_any_certificate();
            assert_fails(port, any, TlsFailure::ClientCertificateRequired, &words).await;
            let foreign = Authority::new().issue(&["app"], Validity::Now);
            let expired = authority.issue(&["app"], Validity::Past);
            for client in [foreign, expired] {
                let tls = authority.trusted().client_certificate_pem(client.certificate, client.key);
                let words = ["it rejected the client certificate"];
                assert_fails(port, tls, TlsFailure::ClientCertificateRejected, &words).await;
            }
        }
    });
}

#[test]
fn a_version_that_is_too_old_is_rejected() {
    if !require_tls() {
        return;
    }
    within(PATIENCE, async {
        let authority = Authority::new();
        let server = authority.real(&authority.issue(&LOCAL, Validity::Now));
        let server = server.arg("--tls-protocols").arg("TLSv1.2").start();
        assert_works(server.tls_port(), authority.trusted()).await;
        let newer = authority.trusted().minimum_version(TlsVersion::Tls13);
        assert_fails(server.tls_port(), newer, TlsFailure::Version, &["TLS 1.3", "minimum_version"]).await;
    });
}

#[test]
fn a_peer_that_answers_in_plain_text_is_reported() {
    within(PATIENCE, async {
        for answer in ["-ERR unknown command\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let mut stream = stream;
                    let _ = stream.read(&mut [0; 4096]);
                    let _ = stream.write_all(answer.as_bytes());
                    // Keep the connection open until the client has read the answer.
                    let _ = stream.read(&mut [0; 4096]);
                }
            });
            let words = ["does not speak TLS", "connect without TLS"];
            assert_fails(port, Tls::new().ca_pem(Authority::new().pem()), TlsFailure::NotTls, &words).await;
        }
    });
}

#[test]
fn a_peer_that_closes_the_connection_is_reported() {
    within(PATIENCE, async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = (&stream).read(&mut [0; 4096]);
            }
        });
        for error in errors(&impatient(port, Authority::new().trusted())).await {
            let failure = (error.kind(), error.tls_failure());
            assert_eq!(failure, (ErrorKind::Unavailable, Some(TlsFailure::Closed)), "{error}");
            assert!(error.to_string().contains("closed the connection during the TLS handshake"), "{error}");
        }
    });
}

#[test]
fn a_silent_peer_is_reported_when_the_limit_passes() {
    within(PATIENCE, async {
        // A plain port of a real server answers a handshake with silence.
        let server = RealServer::start();
        let builder = || at(server.port(), Authority::new().trusted()).retries(0).breaker(0, SHORT);
        let attempts = builder().timeout(LONG).connect_timeout(SHORT).build().unwrap();
        let commands = builder().timeout(SHORT).connect_timeout(LONG).build().unwrap();
        for redis in [attempts, commands] {
            for error in errors(&redis).await {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                assert_eq!(error.tls_failure(), Some(TlsFailure::NoAnswer), "{error}");
                assert!(error.is_timeout() && error.to_string().contains("check the port"), "{error}");
            }
        }
    });
}

#[test]
fn a_tls_port_explains_itself_to_a_client_without_tls() {
    if !require_tls() {
        return;
    }
    within(PATIENCE, async {
        let authority = Authority::new();
        let server = authority.real(&authority.issue(&LOCAL, Validity::Now)).start();
        let builder = Redis::builder().host("127.0.0.1").port(server.tls_port()).retries(0);
        let redis = builder.breaker(0, SHORT).timeout(LONG).connect_timeout(LONG).build().unwrap();
        for error in errors(&redis).await {
            assert_eq!((error.kind(), error.tls_failure()), (ErrorKind::Unavailable, None), "{error}");
            assert!(error.to_string().contains("if this is a TLS port"), "{error}");
        }
    });
}
