//! Files are read again for each new connection.

use std::time::Duration;

use redis_keyspace::config::Tls;
use redis_keyspace::error::TlsFailure;
use redis_keyspace::{Keyspace, Redis, Text};
use redis_keyspace_tests::{PATIENCE, Proxy, eventually, require_tls, within};

use crate::authority::{Authority, LOCAL, Validity, at, replace};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "tls-rotation", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
}

fn through(proxy: &Proxy, tls: Tls) -> Redis {
    let builder = at(proxy.port(), tls).retries(0).breaker(0, MINUTE).timeout(MINUTE);
    builder.connect_timeout(MINUTE).build().unwrap()
}

/// Cuts all connections and waits until the handle has noticed.
async fn cut(proxy: &Proxy, redis: &Redis) {
    let connects = |redis: &Redis| redis.stats().connections[0].connects;
    let before = connects(redis);
    proxy.cut_all();
    eventually("the next command needs a new connection", async || {
        Keys::text(1).get().on(redis).await.is_err() || connects(redis) > before
    })
    .await;
}

#[test]
fn a_renewed_authority_is_trusted_without_a_restart() {
    if !require_tls() {
        return;
    }
    within(PATIENCE, async {
        let (old, new) = (Authority::new(), Authority::new());
        let server = old.real(&old.issue(&LOCAL, Validity::Now)).start();
        let proxy = Proxy::start(server.tls_address());
        let ca = old.file("trusted.crt", &old.pem());
        let redis = through(&proxy, Tls::new().ca_file(&ca));
        Keys::text(1).set("a").on(&redis).await.unwrap();

        // The server presents a certificate of the new authority to new connections.
        let files = new.files("server", &new.issue(&LOCAL, Validity::Now));
        let [certificate, key] = [&files.certificate, &files.key].map(|file| file.to_str().unwrap());
        server.redis_cli(&["CONFIG", "SET", "tls-cert-file", certificate, "tls-key-file", key]);
        // Open connections stay open.
        assert_eq!(Keys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("a"));
        cut(&proxy, &redis).await;
        eventually("new connections are rejected", async || {
            let outcome = Keys::text(1).get().on(&redis).await;
            outcome.is_err_and(|error| error.tls_failure() == Some(TlsFailure::UnknownIssuer))
        })
        .await;

        replace(&ca, &format!("{}{}", old.pem(), new.pem()));
        assert_eq!(Keys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("a"));
        redis
            .raw(|mut connection| async move { redis::cmd("PING").exec_async(&mut connection).await })
            .await
            .unwrap();

        // Trust ends with the next connection, too.
        replace(&ca, &old.pem());
        cut(&proxy, &redis).await;
        eventually("new connections are rejected again", async || {
            let outcome = Keys::text(1).get().on(&redis).await;
            outcome.is_err_and(|error| error.tls_failure() == Some(TlsFailure::UnknownIssuer))
        })
        .await;
    });
}

#[test]
fn a_renewed_client_certificate_is_presented_without_a_restart() {
    if !require_tls() {
        return;
    }
    within(PATIENCE, async {
        let authority = Authority::new();
        let server = authority.real(&authority.issue(&LOCAL, Validity::Now));
        let server = server.arg("--tls-auth-clients").arg("yes").start();
        let proxy = Proxy::start(server.tls_address());
        let files = authority.files("client", &authority.issue(&["app"], Validity::Past));
        let tls = authority.trusted().client_certificate_files(&files.certificate, &files.key);
        let redis = through(&proxy, tls);
        let error = Keys::text(1).get().on(&redis).await.unwrap_err();
        assert_eq!(error.tls_failure(), Some(TlsFailure::ClientCertificateRejected), "{error}");

        let renewed = authority.issue(&["app"], Validity::Now);
        replace(&files.key, &renewed.key);
        // Between the two replacements, the pair is invalid. The error says so.
        let error = Keys::text(1).get().on(&redis).await.unwrap_err();
        assert!(error.is_configuration() && error.to_string().contains("does not belong to"), "{error}");
        replace(&files.certificate, &renewed.certificate);
        Keys::text(1).set("a").on(&redis).await.unwrap();
        cut(&proxy, &redis).await;
        Keys::text(1).set("b").on(&redis).await.unwrap();
    });
}

#[test]
fn a_missing_file_is_reported_until_it_is_back() {
    if !require_tls() {
        return;
    }
    within(PATIENCE, async {
        let authority = Authority::new();
        let server = authority.real(&authority.issue(&LOCAL, Validity::Now)).start();
        let proxy = Proxy::start(server.tls_address());
        let ca = authority.file("trusted.crt", &authority.pem());
        let redis = through(&proxy, Tls::new().ca_file(&ca));
        Keys::text(1).set("a").on(&redis).await.unwrap();
        std::fs::remove_file(&ca).unwrap();
        Keys::text(1).get().on(&redis).await.unwrap();
        cut(&proxy, &redis).await;
        eventually("the error names the file", async || {
            let outcome = Keys::text(1).get().on(&redis).await;
            outcome.is_err_and(|error| error.is_configuration() && error.to_string().contains("trusted.crt"))
        })
        .await;
        replace(&ca, &authority.pem());
        assert_eq!(Keys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("a"));
    });
}
