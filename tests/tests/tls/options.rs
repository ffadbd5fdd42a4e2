//! TLS options from code, files, variables and profiles.

use redis_keyspace::config::{Profiles, Tls};
use redis_keyspace::embedded::Server;
use redis_keyspace::{ErrorKind, Keyspace, Redis, RedisBuilder, Text};
use redis_keyspace_tests::{PATIENCE, within};

use crate::authority::{Authority, Issued, LOCAL, Validity, at, port_of};

#[derive(Keyspace)]
#[keyspace(prefix = "tls-options", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "tls-options-elsewhere", ttl = 3600)]
struct Elsewhere {
    text: fn(id: u32) -> Text,
}

fn variables(variables: &[(&str, &str)]) -> redis_keyspace::Result<RedisBuilder> {
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Redis::builder().variables(owned)
}

#[test]
fn variables_and_profiles_configure_mutual_tls() {
    within(PATIENCE, async {
        let authority = Authority::new();
        let issued = authority.issue(&["redis.internal"], Validity::Now);
        let listener = authority.embedded_for_clients(&issued).await;
        let port = port_of(&listener).to_string();
        let client = authority.issue(&["app"], Validity::Now);
        let files = authority.files("client", &client);
        let [ca, certificate, key] =
            [&files.ca, &files.certificate, &files.key].map(|file| file.to_str().unwrap());

        let options = |ca, certificate, key| {
            [
                ("REDIS_TLS_CA", ca),
                ("REDIS_TLS_CERT", certificate),
                ("REDIS_TLS_KEY", key),
                ("REDIS_TLS_SERVER_NAME", "redis.internal"),
                ("REDIS_TLS_MIN_VERSION", "1.3"),
            ]
        };
        let pem = authority.pem();
        let url = format!("rediss://127.0.0.1:{port}/1");
        let by_host = [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &port), ("REDIS_TLS", "true")];
        for options in [options(ca, certificate, key), options(&pem, &client.certificate, &client.key)] {
            for server in [&by_host[..], &[("REDIS_URL", &url)]] {
                let redis = variables(&[server, &options].concat()).unwrap().build().unwrap();
                Keys::text(1).set("a").on(&redis).await.unwrap();
            }
        }

        let section = format!(
            "[production]\nhost = \"127.0.0.1\"\nport = {port}\ntls = true\ntls_ca = \"{ca}\"\ntls_cert = \
             \"{certificate}\"\ntls_key = \"{key}\"\ntls_server_name = \"redis.internal\"\ntls_min_version = \"1.2\"\n\
             [staging]\nurl = \"{url}\"\ntls_ca = '''{pem}'''\ntls_cert = \"{certificate}\"\ntls_key = \
             \"{key}\"\ntls_server_name = \"redis.internal\"\n"
        );
        let profiles = Profiles::new().toml(&section).unwrap();
        for profile in ["production", "staging"] {
            let redis = profiles.select(profile).unwrap().build().unwrap();
            Keys::text(1).set("a").on(&redis).await.unwrap();
        }
    });
}

#[test]
fn invalid_settings_of_profiles_are_named() {
    let read =
        |settings: &str| Profiles::new().toml(&format!("[a]\nhost = \"h\"\n{settings}\n")).unwrap_err();
    for (settings, problem) in [
        ("tls = \"yes\"", "`tls` must be true or false"),
        ("tls_ca = \"-----BEGIN hunter2\"", "`tls_ca` is set, but TLS is off"),
        ("tls = true\ntls_ca = \"/no/such/hunter2\"", "`tls_ca` is neither PEM text nor the path of a file"),
        ("tls = true\ntls_key = \"-----BEGIN hunter2\"", "`tls_key` has no certificate"),
        ("tls = true\ntls_min_version = \"1.1 hunter2\"", "`tls_min_version` must be 1.2 or 1.3"),
        ("tls = true\ntls_roots = \"hunter2\"", "`tls_roots` must be system or webpki"),
        ("tls = true\ntls_server_name = \"u:hunter2@h\"", "`tls_server_name` contains an `@`"),
        // No setting skips verification.
        ("tls = true\ntls_verify = false", "sets `tls_verify`"),
        ("tls = true\ntls_insecure = true", "sets `tls_insecure`"),
    ] {
        let error = read(settings);
        assert!(error.is_configuration() && error.to_string().contains(problem), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let error = Profiles::new().toml("[a]\nurl = \"redis://h\"\ntls = true").unwrap_err();
    assert!(error.to_string().contains("`tls` contradicts `url`"), "{error}");
}

#[test]
fn an_invalid_file_is_named_and_its_content_is_not() {
    within(PATIENCE, async {
        let authority = Authority::new();
        let listener = authority.embedded(&authority.issue(&LOCAL, Validity::Now)).await;
        let (client, other) =
            (authority.issue(&["app"], Validity::Now), authority.issue(&["app"], Validity::Now));
        let good = authority.files("good", &client);
        let path = |name: &str, content: &str| authority.file(name, content);
        let missing = good.ca.with_file_name("missing.crt");
        let text = path("text.pem", "hunter2");
        let cut = path("cut.pem", "-----BEGIN CERTIFICATE-----\nhunter2\n");
        let odd = path("odd.pem", "-----BEGIN CERTIFICATE-----\n!hunter2!\n-----END CERTIFICATE-----\n");
        let junk = path("junk.pem", "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n");
        let encrypted =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\naHVudGVyMg==\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let encrypted = path("encrypted.key", encrypted);
        let foreign = path("foreign.key", &other.key);
        let large = path("large.pem", &"hunter2\n".repeat(1 << 18));
        let ca = |file: &std::path::Path| Tls::new().ca_file(file);
        let pair = |certificate: &std::path::Path, key: &std::path::Path| {
            authority.trusted().client_certificate_files(certificate, key)
        };
        for (tls, file, problem) in [
            (ca(&missing), "missing.crt", "can't be read"),
            (ca(missing.parent().unwrap()), "the TLS CA", "can't be read"),
            (ca(&text), "text.pem", "contains no certificate"),
            (ca(&cut), "cut.pem", "is not valid PEM"),
            (ca(&odd), "odd.pem", "is not valid PEM"),
            (ca(&junk), "junk.pem", "can't be used"),
            (ca(&large), "large.pem", "larger than 1 MiB"),
            (pair(&missing, &good.key), "missing.crt", "can't be read"),
            (pair(&good.certificate, &text), "text.pem", "contains no private key"),
            (pair(&good.certificate, &encrypted), "encrypted.key", "encrypted with a password"),
            (
                pair(&good.certificate, &foreign),
                "foreign.key",
                "does not belong to the TLS client certificate",
            ),
            (pair(&good.key, &good.key), "good.key", "contains no certificate"),
        ] {
            let redis = at(port_of(&listener), tls).build().unwrap();
            for error in
                [redis.connect().await.unwrap_err(), Keys::text(1).get().on(&redis).await.unwrap_err()]
            {
                assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
                let text = format!("{error} {error:?}");
                assert!(text.contains(file) && text.contains(problem), "{file}: {text}");
                assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
            }
        }
    });
}

#[test]
fn invalid_text_is_rejected_when_the_handle_is_built() {
    let authority = Authority::new();
    let Issued { certificate, key } = authority.issue(&LOCAL, Validity::Now);
    let other = authority.issue(&LOCAL, Validity::Now);
    for (tls, problem) in [
        (Tls::new().ca_pem("hunter2"), "the TLS CA contains no certificate"),
        (
            Tls::new().client_certificate_pem("hunter2", &key),
            "the TLS client certificate contains no certificate",
        ),
        (
            Tls::new().client_certificate_pem(&certificate, "hunter2"),
            "the TLS client key contains no private key",
        ),
        (Tls::new().client_certificate_pem(&certificate, &other.key), "does not belong to"),
        (Tls::new().server_name("u:hunter2@h"), "the TLS `server_name` contains an `@`"),
    ] {
        let error = Redis::builder().tls(tls).build().unwrap_err();
        assert!(error.is_configuration() && error.to_string().contains(problem), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    // The text of a key in place of a path is rejected and not repeated.
    let tls = Tls::new().client_certificate_files(&certificate, &key);
    assert!(!format!("{tls:?}").contains("BEGIN"));
    let error = Redis::builder().tls(tls).build().unwrap_err();
    assert!(error.to_string().contains("PEM text was passed as the path"), "{error}");
    assert!(!error.to_string().contains("BEGIN"), "{error}");
    // The options of one keyspace are checked, too.
    let elsewhere = Redis::builder()
        .keyspace::<Elsewhere>(|options| options.host("h").tls(Tls::new().ca_pem("hunter2")))
        .build()
        .unwrap_err();
    assert!(elsewhere.to_string().contains("the TLS CA contains no certificate"), "{elsewhere}");
    // A variable can't switch off what the code requires.
    let environment = [("REDIS_TLS".to_owned(), "false".to_owned())];
    let error = Redis::builder().tls(Tls::new()).variables(environment).unwrap_err();
    assert!(error.to_string().contains("REDIS_TLS is false, but the code"), "{error}");
    let error = Redis::builder().unix_socket("/run/redis.sock").tls(Tls::new()).build().unwrap_err();
    assert!(error.to_string().contains("unix socket"), "{error}");
}

#[test]
fn pools_are_shared_by_handles_with_equal_options_only() {
    within(PATIENCE, async {
        let authority = Authority::new();
        let issued = authority.issue(&LOCAL, Validity::Now);
        let listener = authority.embedded(&issued).await;
        let port = port_of(&listener);
        let fingerprint = async |tls: Tls| {
            let redis = at(port, tls).build().unwrap();
            redis.connect().await.unwrap();
            let text = format!("{redis:?} {:?}", redis.stats());
            let secret = issued.key.lines().nth(1).unwrap();
            assert!(!text.contains(secret) && !text.contains("BEGIN"), "{text}");
            redis.stats().connections[0].key
        };
        let with_key = || authority.trusted().client_certificate_pem(&issued.certificate, &issued.key);
        let all = [
            fingerprint(authority.trusted()).await,
            fingerprint(authority.trusted().system_roots()).await,
            fingerprint(authority.trusted().server_name("localhost")).await,
            fingerprint(authority.trusted().danger_accept_any_certificate()).await,
            fingerprint(with_key()).await,
        ];
        for (nth, one) in all.iter().enumerate() {
            assert!(all.iter().skip(nth + 1).all(|other| one != other), "{all:?}");
        }
        assert_eq!(fingerprint(authority.trusted()).await, all[0]);
        assert_eq!(fingerprint(with_key()).await, all[4]);
    });
}

#[test]
fn a_keyspace_can_use_another_encrypted_server() {
    within(PATIENCE, async {
        let authority = Authority::new();
        let cache = authority.embedded(&authority.issue(&["cache.internal"], Validity::Now)).await;
        let other = authority.embedded(&authority.issue(&LOCAL, Validity::Now)).await;
        let plain = Server::new().listen().await.unwrap();
        let builder = || at(port_of(&cache), authority.trusted().server_name("cache.internal"));
        let url = |scheme: &str, port| format!("{scheme}://127.0.0.1:{port}");
        // The name of the first server is not that of the other one.
        let encrypted = url("rediss", port_of(&other));
        let redis = builder().keyspace::<Elsewhere>(|options| options.url(&encrypted)).build().unwrap();
        Keys::text(1).set("a").on(&redis).await.unwrap();
        Elsewhere::text(1).set("a").on(&redis).await.unwrap();
        // The scheme decides.
        let unencrypted = url("redis", port_of(&plain));
        let redis = builder().keyspace::<Elsewhere>(|options| options.url(&unencrypted)).build().unwrap();
        Keys::text(1).set("a").on(&redis).await.unwrap();
        Elsewhere::text(1).set("a").on(&redis).await.unwrap();
        // The options of the keyspace replace those of the handle. The host is the same.
        let redis = builder()
            .keyspace::<Elsewhere>(|options| options.port(port_of(&other)).tls(authority.trusted()))
            .build()
            .unwrap();
        Elsewhere::text(1).set("a").on(&redis).await.unwrap();
    });
}

#[test]
fn an_in_process_server_ignores_tls() {
    within(PATIENCE, async {
        let redis = Redis::builder().tls(Tls::new()).embedded(Server::new()).build().unwrap();
        Keys::text(1).set("a").on(&redis).await.unwrap();
    });
}
