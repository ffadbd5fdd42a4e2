//! Tests of the environment variables.

use crate::config::RedisBuilder;
use crate::config::Secret;
use crate::config::settings::LoginMode;
use crate::error::Result;

fn from(variables: &[(&str, &str)]) -> Result<RedisBuilder> {
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    RedisBuilder::default().variables(owned)
}

#[test]
fn the_default_is_a_local_server() {
    let base = from(&[]).unwrap().base;
    assert_eq!((base.endpoint.to_string().as_str(), base.db), ("localhost:6379", 0));
}

#[test]
fn variables_are_combined() {
    let builder = from(&[
        ("REDIS_HOST", "cache.internal"),
        ("REDIS_PORT", "6390"),
        ("REDIS_USERNAME", "app"),
        ("REDIS_PASSWORD", "hunter2"),
        ("REDIS_DB", "4"),
        ("REDIS_NAMESPACE", "staging"),
        ("REDIS_LOGIN", "plain"),
        ("REDIS_TLS", "false"),
        ("REDIS_VERIFY_WRITES", "Yes"),
    ])
    .unwrap();
    assert_eq!(builder.base.endpoint.to_string(), "cache.internal:6390");
    assert_eq!(builder.base.username.as_deref(), Some("app"));
    assert_eq!(builder.base.password.as_ref().map(Secret::expose), Some("hunter2"));
    assert_eq!((builder.base.db, builder.namespace.as_str()), (4, "staging:"));
    assert!(builder.base.verify_writes);
    assert!(!from(&[("REDIS_VERIFY_WRITES", "0")]).unwrap().base.verify_writes);
    let error = from(&[("REDIS_VERIFY_WRITES", "maybe")]).unwrap_err().to_string();
    assert!(error.contains("REDIS_VERIFY_WRITES must be true or false"), "{error}");
    assert_eq!(builder.base.login, LoginMode::Plain);
    let url = ("REDIS_URL", "redis://h?login=plain");
    assert_eq!(from(&[url, ("REDIS_LOGIN", "plain")]).unwrap().base.login, LoginMode::Plain);
}

#[test]
fn all_variables_are_trimmed() {
    let builder = from(&[
        ("REDIS_HOST", " h\n"),
        ("REDIS_PORT", " 6390\n"),
        ("REDIS_USERNAME", "\tapp\r\n"),
        ("REDIS_PASSWORD", "hunter2\n"),
        ("REDIS_PASSWORD_FILE", " \n"),
        ("REDIS_DB", " 4\n"),
        ("REDIS_NAMESPACE", "staging\n"),
        ("REDIS_TLS", "false\n"),
        ("REDIS_LOGIN", "plain\n"),
        ("REDIS_URL", " "),
    ])
    .unwrap();
    assert_eq!(builder.base.endpoint.to_string(), "h:6390");
    assert_eq!(builder.base.username.as_deref(), Some("app"));
    assert_eq!(builder.base.password.as_ref().map(Secret::expose), Some("hunter2"));
    assert_eq!((builder.base.db, builder.namespace.as_str()), (4, "staging:"));
    assert_eq!(builder.base.login, LoginMode::Plain);
}

#[test]
fn service_links_and_white_space_are_ignored() {
    let link = ("REDIS_PORT", "tcp://10.0.0.5:6379");
    assert_eq!(from(&[link]).unwrap().base.endpoint.to_string(), "localhost:6379");
    assert_eq!(from(&[link, ("REDIS_HOST", "cache")]).unwrap().base.endpoint.to_string(), "cache:6379");
    let base = from(&[link, ("REDIS_URL", " redis://:hunter2@h:7000/2\n")]).unwrap().base;
    assert_eq!((base.endpoint.to_string().as_str(), base.db), ("h:7000", 2));
    let base = from(&[("REDIS_HOST", " cache\n"), ("REDIS_PORT", "6390 "), ("REDIS_PASSWORD", "hunter2\n")]);
    let base = base.unwrap().base;
    assert_eq!(base.endpoint.to_string(), "cache:6390");
    assert_eq!(base.password.as_ref().map(Secret::expose), Some("hunter2"));
    assert_eq!(from(&[("REDIS_USERNAME", " \n")]).unwrap().base.username, None);
}

#[test]
fn variables_set_the_nodes_of_a_cluster() {
    let base = from(&[("REDIS_NODES", " a:7000, b ,[::1]:7002\n"), ("REDIS_CLUSTER", "true")]).unwrap().base;
    assert_eq!(base.endpoint.to_string(), "a:7000");
    assert_eq!(base.nodes, [("b".to_owned(), 6379), ("::1".to_owned(), 7002)]);
    assert_eq!(base.cluster, Some(true));
    assert_eq!(from(&[("REDIS_CLUSTER", " ")]).unwrap().base.cluster, None);

    let url = ("REDIS_URL", "redis://a,b?cluster=true");
    let base = from(&[url, ("REDIS_CLUSTER", "1")]).unwrap().base;
    assert_eq!((base.nodes.len(), base.cluster), (1, Some(true)));

    // A service link is no port.
    let link = ("REDIS_PORT", "tcp://10.0.0.5:6379");
    assert_eq!(from(&[link, ("REDIS_NODES", "a,b")]).unwrap().base.nodes.len(), 1);

    for (name, value, other) in [
        ("REDIS_NODES", "a", url),
        ("REDIS_HOST", "h", ("REDIS_NODES", "a")),
        ("REDIS_PORT", "7000", ("REDIS_NODES", "a")),
    ] {
        let error = from(&[(name, value), other]).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(other.0) && error.contains("unset one"), "{error}");
    }
    // The variables replace the server that the code sets.
    let code = RedisBuilder::default().nodes(["c", "d"]).unwrap();
    let variables = [("REDIS_HOST".to_owned(), "h".to_owned())];
    assert_eq!(code.clone().variables(variables).unwrap().base.nodes, []);
    let variables = [("REDIS_NODES".to_owned(), "a".to_owned())];
    let base = code.variables(variables).unwrap().base;
    assert_eq!((base.endpoint.to_string().as_str(), base.nodes.len()), ("a:6379", 0));
}

#[test]
fn a_port_alone_is_another_server_on_the_same_host() {
    let with = |code: RedisBuilder, port: &str| {
        let builder = code.variables([("REDIS_PORT".to_owned(), port.to_owned())]).unwrap();
        let base = builder.base;
        (base.endpoint.to_string(), base.nodes.len(), base.replicas.len())
    };
    let nodes = || RedisBuilder::default().nodes(["c:1", "d:2"]).unwrap();
    assert_eq!(with(nodes(), "7000"), ("c:7000".to_owned(), 0, 0));
    assert_eq!(with(nodes(), " "), ("c:1".to_owned(), 1, 0));
    let replicated = RedisBuilder::default().host("h").replicas(["r1", "r2"]).unwrap();
    assert_eq!(with(replicated, "7000"), ("h:7000".to_owned(), 0, 0));
    // Replicas that are set before any server belong to the first one.
    let early = || RedisBuilder::default().replicas(["r1", "r2"]).unwrap();
    assert_eq!(with(early(), "7000"), ("localhost:7000".to_owned(), 0, 2));
    let both = [("REDIS_HOST".to_owned(), "h".to_owned()), ("REDIS_PORT".to_owned(), "7000".to_owned())];
    let base = early().variables(both).unwrap().base;
    assert_eq!((base.endpoint.to_string().as_str(), base.replicas.len()), ("h:7000", 2));
    assert_eq!(with(RedisBuilder::default().unix_socket("/s"), "7000"), ("localhost:7000".to_owned(), 0, 0));
}

const WATCHED: [(&str, &str); 2] = [("REDIS_SENTINELS", "s1:26380, s2\n"), ("REDIS_SENTINEL_MASTER", " m ")];

/// The variables of a master that sentinels watch, and these.
fn watched(more: &[(&str, &str)]) -> Result<RedisBuilder> {
    from(&[&WATCHED, more].concat())
}

#[test]
fn variables_set_the_sentinels() {
    let base = watched(&[
        ("REDIS_SENTINEL_USERNAME", " watcher "),
        ("REDIS_SENTINEL_PASSWORD", "hunter2\n"),
        ("REDIS_PASSWORD", "hunter3"),
        ("REDIS_DB", "2"),
        ("REDIS_CLUSTER", "false"),
    ])
    .unwrap()
    .base;
    assert_eq!(base.endpoint.to_string(), "the master m of the sentinels s1:26380,s2:26379");
    assert_eq!(base.sentinel.username.as_deref(), Some("watcher"));
    assert_eq!(base.sentinel.password.as_ref().map(Secret::expose), Some("hunter2"));
    assert_eq!((base.username, base.db), (None, 2));
    assert_eq!(base.password.as_ref().map(Secret::expose), Some("hunter3"));

    // A service link is no port, and empty variables are not set.
    let _ =
        watched(&[("REDIS_PORT", "tcp://10.0.0.5:6379"), ("REDIS_NODES", " "), ("REDIS_URL", "")]).unwrap();
    for (one, other) in [
        (WATCHED[0], WATCHED[1].0),
        (WATCHED[1], WATCHED[0].0),
        (("REDIS_SENTINEL_MASTER", "m"), "REDIS_SENTINELS"),
    ] {
        let error = from(&[one, ("REDIS_HOST", "h")]).unwrap_err().to_string();
        assert!(error.contains(&format!("{} is set, but {other} is not", one.0)), "{error}");
    }
    for (other, named) in [
        (("REDIS_URL", "redis://h"), "REDIS_SENTINELS"),
        (("REDIS_URL", "redis+sentinel://s/m"), "REDIS_SENTINELS"),
        (("REDIS_NODES", "a,b"), "REDIS_SENTINELS"),
        (("REDIS_HOST", "h"), "REDIS_HOST"),
        (("REDIS_PORT", "7000"), "REDIS_PORT"),
        (("REDIS_REPLICAS", "r"), "REDIS_REPLICAS"),
        (("REDIS_CLUSTER", "true"), "REDIS_CLUSTER"),
    ] {
        let error = watched(&[other]).unwrap_err().to_string();
        assert!(error.contains(named) && error.contains("unset one"), "{other:?}: {error}");
    }
    let error = from(&[("REDIS_SENTINEL_MASTER", "m"), ("REDIS_URL", "redis+sentinel://s/m")]).unwrap_err();
    assert!(error.to_string().contains("REDIS_SENTINEL_MASTER contradicts REDIS_URL"), "{error}");

    // The variables replace the server that the code sets, and keep the credentials.
    let code = || {
        let builder = RedisBuilder::default().sentinel("old", ["t"]).unwrap();
        builder.sentinel_username("u").sentinel_password("p")
    };
    let with = |variables: &[(&str, &str)]| {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        code().variables(owned.collect::<Vec<_>>()).unwrap().base
    };
    let base = with(&WATCHED);
    assert_eq!(base.endpoint.to_string(), "the master m of the sentinels s1:26380,s2:26379");
    assert_eq!(base.sentinel, code().base.sentinel);
    let base = with(&[("REDIS_SENTINEL_USERNAME", "v")]);
    assert_eq!((base.sentinel.username.as_deref(), base.endpoint), (Some("v"), code().base.endpoint));
    let base = with(&[("REDIS_HOST", "h")]);
    assert_eq!((base.endpoint.to_string().as_str(), base.sentinel.username), ("h:6379", None));
}

#[test]
fn a_variable_may_repeat_the_credentials_of_a_url_for_sentinels() {
    let url = ("REDIS_URL", "redis+sentinel://app:hunter1@s/m?db=2&sentinel_user=w&sentinel_pass=hunter2");
    let base = from(&[url, ("REDIS_SENTINEL_USERNAME", "w"), ("REDIS_SENTINEL_PASSWORD", "hunter2")]);
    let base = base.unwrap().base;
    assert_eq!(base.endpoint.to_string(), "the master m of the sentinels s:26379");
    assert_eq!((base.username.as_deref(), base.db), (Some("app"), 2));
    assert_eq!(base.password.as_ref().map(Secret::expose), Some("hunter1"));
    assert_eq!(base.sentinel.username.as_deref(), Some("w"));
    assert_eq!(base.sentinel.password.as_ref().map(Secret::expose), Some("hunter2"));
    let base = from(&[("REDIS_URL", "redis+sentinel://s/m"), ("REDIS_SENTINEL_PASSWORD", "hunter2")]);
    assert_eq!(base.unwrap().base.sentinel.password.as_ref().map(Secret::expose), Some("hunter2"));
    for (name, value) in [("REDIS_SENTINEL_USERNAME", "hunter3"), ("REDIS_SENTINEL_PASSWORD", "hunter3")] {
        let error = from(&[url, (name, value)]).unwrap_err().to_string();
        assert!(error.contains(&format!("{name} differs from the `sentinel_")), "{error}");
        assert!(!error.contains("hunter"), "{error}");
    }
}

#[test]
fn variables_set_the_replicas() {
    let base = from(&[("REDIS_HOST", "h"), ("REDIS_REPLICAS", " r1:7000, [::1]\n")]).unwrap().base;
    assert_eq!(base.replicas, [("r1".to_owned(), 7000), ("::1".to_owned(), 6379)]);
    assert_eq!(from(&[("REDIS_URL", "redis://h"), ("REDIS_REPLICAS", "r")]).unwrap().base.replicas.len(), 1);
    let error = from(&[("REDIS_NODES", "a"), ("REDIS_REPLICAS", "r")]).unwrap_err().to_string();
    assert!(error.contains("REDIS_REPLICAS contradicts REDIS_NODES"), "{error}");
    let code = || RedisBuilder::default().host("h").replicas(["r1", "r2"]).unwrap();
    let replicas = |name: &str, value: &str| {
        code().variables([(name.to_owned(), value.to_owned())]).unwrap().base.replicas.len()
    };
    assert_eq!(replicas("REDIS_REPLICAS", "r3"), 1);
    assert_eq!(replicas("REDIS_REPLICAS", ""), 2);
    assert_eq!(replicas("REDIS_DB", "3"), 2);
    assert_eq!(replicas("REDIS_HOST", "h2"), 0);
}

#[test]
fn a_password_is_read_from_a_file() {
    let path = std::env::temp_dir().join(format!("redis-keyspace-secret-{}", std::process::id()));
    let name = path.to_str().unwrap();
    for text in ["hunter2", "hunter2\n", "hunter2\r\n", " hunter2\n\n"] {
        std::fs::write(&path, text).unwrap();
        let base = from(&[("REDIS_PASSWORD_FILE", name)]).unwrap().base;
        assert_eq!(base.password.as_ref().map(Secret::expose), Some("hunter2"));
        let base = watched(&[("REDIS_SENTINEL_PASSWORD_FILE", name)]).unwrap().base;
        assert_eq!(base.sentinel.password.as_ref().map(Secret::expose), Some("hunter2"));
        assert!(base.password.is_none());
    }
    let both = watched(&[("REDIS_SENTINEL_PASSWORD_FILE", name), ("REDIS_SENTINEL_PASSWORD", "hunter2")]);
    let both = both.unwrap_err().to_string();
    assert!(both.contains("REDIS_SENTINEL_PASSWORD_FILE contradicts REDIS_SENTINEL_PASSWORD"), "{both}");
    let other = ("REDIS_URL", "redis+sentinel://s/m?sentinel_pass=hunter3");
    let other = from(&[("REDIS_SENTINEL_PASSWORD_FILE", name), other]).unwrap_err().to_string();
    assert!(other.contains("REDIS_SENTINEL_PASSWORD_FILE differs") && !other.contains("hunter"), "{other}");
    let both = from(&[("REDIS_PASSWORD_FILE", name), ("REDIS_PASSWORD", "hunter2")]).unwrap_err();
    assert!(both.to_string().contains("contradicts REDIS_PASSWORD"), "{both}");
    let other = from(&[("REDIS_PASSWORD_FILE", name), ("REDIS_URL", "redis://:hunter3@h")]).unwrap_err();
    assert!(!other.to_string().contains("hunter"), "{other}");
    std::fs::remove_file(&path).unwrap();
    let gone = from(&[("REDIS_PASSWORD_FILE", name)]).unwrap_err();
    assert!(gone.is_configuration() && gone.to_string().contains("REDIS_PASSWORD_FILE"), "{gone}");
    assert!(!gone.to_string().contains(name), "it may be the password itself: {gone}");
    std::fs::write(&path, "\n").unwrap();
    let empty = from(&[("REDIS_PASSWORD_FILE", name)]).unwrap_err().to_string();
    assert!(empty.contains("is empty") && !empty.contains(name), "{empty}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_separate_variable_may_set_the_password_of_a_url() {
    let base = from(&[("REDIS_URL", "redis://h:1/2"), ("REDIS_PASSWORD", "hunter2"), ("REDIS_DB", "2")])
        .unwrap()
        .base;
    assert_eq!(base.password.as_ref().map(Secret::expose), Some("hunter2"));
}

#[test]
fn an_invalid_value_is_an_error_that_names_the_variable_and_no_secret() {
    for variables in [
        &[("REDIS_PORT", "70000")][..],
        &[("REDIS_PORT", "0")],
        &[("REDIS_PORT", "6379x")],
        &[("REDIS_DB", "-1")],
        &[("REDIS_DB", "one")],
        &[("REDIS_URL", "redis://u:hunter2@h:1:2")],
        &[("REDIS_TLS", "perhaps")],
        &[("REDIS_TLS_CA", "hunter2")],
        &[("REDIS_TLS_CERT", "hunter2")],
        &[("REDIS_TLS_KEY", "-----BEGIN hunter2")],
        &[("REDIS_TLS_SERVER_NAME", "hunter2:1")],
        &[("REDIS_TLS_MIN_VERSION", "hunter2")],
        &[("REDIS_TLS_ROOTS", "hunter2")],
        &[("REDIS_TLS", "true"), ("REDIS_URL", "redis://u:hunter2@h")],
        &[("REDIS_NAMESPACE", "a*b")],
        &[("REDIS_NAMESPACE", "hunter2:")],
        &[("REDIS_PORT", "hunter2")],
        &[("REDIS_DB", "hunter2")],
        &[("REDIS_TLS", "hunter2")],
        &[("REDIS_HOST", "127.0.0.1:17100")],
        &[("REDIS_HOST", "redis://:hunter2@cache")],
        &[("REDIS_HOST", "user:hunter2@cache")],
        &[("REDIS_HOST", "'cache'")],
        &[("REDIS_URL", "redis://:hunter2#x@cache")],
        &[("REDIS_URL", "'redis://hunter2'")],
        &[("REDIS_PORT", "http://hunter2:6379")],
        &[("REDIS_PORT", "+6379")],
        &[("REDIS_USERNAME", "hunter2 x")],
        &[("REDIS_HOST", "hunter2,hunter3")],
        &[("REDIS_LOGIN", "hunter2")],
        &[("REDIS_NODES", "hunter2:1,h:x")],
        &[("REDIS_NODES", "h:1,hunter2:1,")],
        &[("REDIS_NODES", "h:1,user:hunter2@h:2")],
        &[("REDIS_NODES", "hunter2:1,hunter2:1")],
        &[("REDIS_NODES", "hunter2"), ("REDIS_URL", "redis://u:hunter2@h")],
        &[("REDIS_HOST", "h"), ("REDIS_NODES", "hunter2")],
        &[("REDIS_PORT", "7000"), ("REDIS_NODES", "hunter2")],
        &[("REDIS_CLUSTER", "hunter2")],
        &[("REDIS_CLUSTER", "false"), ("REDIS_URL", "redis://u:hunter2@h?cluster=true")],
        &[("REDIS_SENTINELS", "hunter2:1,h:x"), WATCHED[1]],
        &[("REDIS_SENTINELS", "h:1,hunter2:1,"), WATCHED[1]],
        &[("REDIS_SENTINELS", "redis://u:hunter2@h"), WATCHED[1]],
        &[("REDIS_SENTINELS", "hunter2,hunter2:26379"), WATCHED[1]],
        &[("REDIS_SENTINELS", "hunter2")],
        &[("REDIS_SENTINELS", "hunter2"), ("REDIS_URL", "redis://u:hunter2@h")],
        &[("REDIS_SENTINEL_MASTER", "hunter2")],
        &[("REDIS_SENTINEL_MASTER", "hunter2 x"), WATCHED[0]],
        &[("REDIS_SENTINEL_USERNAME", "hunter2 x"), WATCHED[0], WATCHED[1]],
        &[("REDIS_SENTINEL_PASSWORD_FILE", "/no/such/hunter2"), WATCHED[0], WATCHED[1]],
        &[("REDIS_SENTINEL_TLS", "hunter2"), WATCHED[0], WATCHED[1]],
        &[("REDIS_SENTINEL_TLS", "true"), ("REDIS_URL", "redis+sentinel://u:hunter2@h/m")],
        &[("REDIS_SENTINEL_TLS", "true"), ("REDIS_URL", "redis://u:hunter2@h")],
        &[("REDIS_REPLICAS", "hunter2:x")],
        &[("REDIS_REPLICAS", "hunter2,hunter2:6379")],
        &[("REDIS_REPLICAS", "hunter2"), WATCHED[0], WATCHED[1]],
        &[("REDIS_LOGIN", "auto"), ("REDIS_URL", "redis://u:hunter2@h?login=plain")],
        &[("REDIS_HOST", "h"), ("REDIS_URL", "redis://u:hunter2@h")],
        &[("REDIS_PASSWORD", "hunter3"), ("REDIS_URL", "redis://u:hunter2@h")],
        &[("REDIS_USERNAME", "v"), ("REDIS_URL", "redis://u:hunter2@h")],
        &[("REDIS_DB", "3"), ("REDIS_URL", "redis://u:hunter2@h/2")],
    ] {
        let error = from(variables).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(error.is_configuration());
        assert!(text.contains(variables[0].0), "{text}");
        assert!(!text.contains("hunter"), "{text}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_needs_its_feature() {
    for variable in [("REDIS_TLS", "true"), ("REDIS_TLS_CA", "/etc/ca.crt"), ("REDIS_SENTINEL_TLS", "true")] {
        let error = from(&[variable]).unwrap_err().to_string();
        assert!(error.contains(variable.0) && error.contains("feature `tls`"), "{error}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn variables_set_tls_options_and_never_skip_verification() {
    let tls = |variables: &[(&str, &str)]| from(variables).unwrap().base.tls;
    assert!(tls(&[]).is_none() && tls(&[("REDIS_TLS", "false")]).is_none());
    assert!(tls(&[("REDIS_TLS", "true")]).is_some() && tls(&[("REDIS_URL", "rediss://h")]).is_some());
    assert!(tls(&[("REDIS_TLS", "true"), ("REDIS_URL", "rediss://h")]).is_some());
    let pem = "-----BEGIN CERTIFICATE-----\nhunter2";
    let all = tls(&[
        ("REDIS_TLS", "true"),
        ("REDIS_TLS_CA", pem),
        ("REDIS_TLS_CERT", pem),
        ("REDIS_TLS_KEY", pem),
        ("REDIS_TLS_SERVER_NAME", "redis.internal"),
        ("REDIS_TLS_MIN_VERSION", "1.3"),
        ("REDIS_TLS_ROOTS", "system"),
    ]);
    let expected = crate::config::Tls::new()
        .ca_pem(pem)
        .client_certificate_pem(pem, pem)
        .server_name("redis.internal")
        .minimum_version(crate::config::TlsVersion::Tls13)
        .system_roots();
    assert_eq!(all, Some(expected));
    assert!(!format!("{all:?}").contains("hunter2"));
    for (variables, problem) in [
        (&[("REDIS_TLS_CA", pem)][..], "REDIS_TLS_CA is set, but TLS is off"),
        (&[("REDIS_TLS_CA", pem), ("REDIS_URL", "redis://h")], "REDIS_TLS_CA is set, but TLS is off"),
        (&[("REDIS_TLS_CA", pem), ("REDIS_TLS", "no")], "REDIS_TLS_CA is set, but TLS is off"),
        (&[("REDIS_TLS_CERT", pem), ("REDIS_TLS", "1")], "REDIS_TLS_CERT has no private key"),
        (&[("REDIS_TLS_KEY", pem), ("REDIS_TLS", "1")], "REDIS_TLS_KEY has no certificate"),
        (&[("REDIS_TLS", "no"), ("REDIS_URL", "rediss://h")], "REDIS_TLS differs from the scheme"),
    ] {
        let error = from(variables).unwrap_err().to_string();
        assert!(error.contains(problem) && !error.contains("hunter2"), "{error}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn sentinels_share_the_tls_options_of_the_master() {
    use crate::config::Tls;
    let pem = "-----BEGIN CERTIFICATE-----\nhunter2";
    let (ca, on) = (("REDIS_TLS_CA", pem), Some(Tls::new().ca_pem(pem)));
    let tls = |builder: Result<RedisBuilder>| {
        let base = builder.unwrap().with_shared_tls().base;
        assert!(!format!("{base:?}").contains("hunter2"));
        (base.tls, base.sentinel.tls)
    };
    let (master, sentinels) = (("REDIS_TLS", "true"), ("REDIS_SENTINEL_TLS", "true"));
    assert_eq!(tls(watched(&[])), (None, None));
    assert_eq!(tls(watched(&[master, ca])), (on.clone(), None));
    assert_eq!(tls(watched(&[sentinels, ca])), (None, on.clone()));
    assert_eq!(tls(watched(&[sentinels, ca, ("REDIS_TLS", "false")])), (None, on.clone()));
    assert_eq!(tls(watched(&[master, sentinels, ca])), (on.clone(), on.clone()));
    assert_eq!(tls(watched(&[sentinels])), (None, Some(Tls::new())));
    let url = |text| ("REDIS_URL", text);
    assert_eq!(tls(from(&[url("rediss+sentinel://s/m"), ca])), (on.clone(), on.clone()));
    assert_eq!(tls(from(&[url("rediss+sentinel://s/m?sentinel_tls=false"), ca])), (on.clone(), None));
    assert_eq!(tls(from(&[url("redis+sentinel://s/m?sentinel_tls=true"), ca])), (None, on.clone()));
    assert_eq!(tls(from(&[url("rediss+sentinel://s/m"), master, sentinels, ca])), (on.clone(), on.clone()));
    // Options that the code sets later apply to both. Its own options for sentinels are kept.
    let later = from(&[url("rediss+sentinel://s/m")]).map(|builder| builder.tls(Tls::new().ca_pem(pem)));
    assert_eq!(tls(later), (on.clone(), on.clone()));
    let own = Tls::new().server_name("sentinel.internal");
    let code = || RedisBuilder::default().sentinel("old", ["t"]).unwrap().sentinel_tls(own.clone());
    let with = |variables: &[(&str, &str)]| {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        code().variables(owned.collect::<Vec<_>>())
    };
    assert_eq!(tls(with(&[master, ca])), (on.clone(), Some(own.clone())));
    assert_eq!(tls(with(&[master, sentinels, ca])), (on, Some(own.clone().ca_pem(pem))));
    let off = with(&[("REDIS_SENTINEL_TLS", "false")]).unwrap_err().to_string();
    assert!(off.contains("REDIS_SENTINEL_TLS is false, but the code"), "{off}");
    for (variables, problem) in [
        (&[ca][..], "REDIS_TLS_CA is set, but TLS is off"),
        (&[ca, ("REDIS_SENTINEL_TLS", "false")], "REDIS_TLS_CA is set, but TLS is off"),
        (&[sentinels, ("REDIS_TLS_CERT", pem)], "REDIS_TLS_CERT has no private key"),
    ] {
        let error = watched(variables).unwrap_err().to_string();
        assert!(error.contains(problem) && !error.contains("hunter2"), "{error}");
    }
    for (text, other) in [("rediss+sentinel://s/m", "false"), ("redis+sentinel://s/m", "true")] {
        let error = from(&[url(text), ("REDIS_SENTINEL_TLS", other)]).unwrap_err().to_string();
        assert!(error.contains("REDIS_SENTINEL_TLS differs from the scheme or `sentinel_tls`"), "{error}");
    }
}
