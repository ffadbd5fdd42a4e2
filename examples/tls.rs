//! Mutual TLS: the program and the server check each other's certificates.
//!
//! `cargo run --example tls` makes certificates and runs on the embedded server. With
//! `REDIS_TLS=true` or a `rediss://` URL, it runs on that server: `REDIS_TLS_CA`, `REDIS_TLS_CERT`
//! and `REDIS_TLS_KEY` name the files.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use redis_keyspace::config::Tls;
use redis_keyspace::embedded::{Listener, Server, ServerTls};
use redis_keyspace::{Counter, Keyspace, Redis};

#[derive(Keyspace)]
#[keyspace(prefix = "tls-example", ttl = "1h")]
struct ExampleKeys {
    visits: fn(page: &str) -> Counter,
}

/// Makes certificates, starts a server that requires a client certificate, and returns it with a
/// handle.
async fn embedded() -> Result<(Listener, Redis), Box<dyn std::error::Error>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Example CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let issue = |name: &str| -> Result<(String, String), rcgen::Error> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([name.to_owned()])?.signed_by(&key, &ca)?;
        Ok((certificate.pem(), key.serialize_pem()))
    };
    let (server, server_key) = issue("127.0.0.1")?;
    let (client, client_key) = issue("app")?;

    let server_tls = ServerTls::new(server, server_key)?.require_client_certificates(ca.pem())?;
    let listener = Server::new().listen_tls(&server_tls).await?;

    let tls = Tls::new().ca_pem(ca.pem());
    // Without a client certificate, the error says what is missing.
    let stranger = Redis::builder().url(&listener.url())?.tls(tls.clone()).retries(0).build()?;
    if let Err(error) = stranger.connect().await {
        println!("{:?}: {error}", error.tls_failure());
    }
    let redis =
        Redis::builder().url(&listener.url())?.tls(tls.client_certificate_pem(client, client_key)).build()?;
    Ok((listener, redis))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let is_set = |name| std::env::var_os(name).is_some();
    let (_listener, redis) = if is_set("REDIS_URL") || is_set("REDIS_TLS") {
        (None, Redis::from_env()?)
    } else {
        let (listener, redis) = embedded().await?;
        (Some(listener), redis)
    };
    redis.connect().await?;
    redis
        .scope(async {
            let visits = ExampleKeys::visits("home").incr().await?;
            println!("{} is {visits}, over an encrypted connection", ExampleKeys::visits("home"));
            ExampleKeys::visits("home").del().await
        })
        .await?;
    redis.close().await;
    Ok(())
}
