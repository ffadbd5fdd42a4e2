//! Tests of the URLs.

use crate::config::secret::Secret;
use crate::config::settings::{LoginMode, Protocol};
use crate::config::url::parse;

#[test]
fn the_parts_of_a_url_are_used() {
    let parts = parse("redis://us%40er:p%3Ass@example.org:7000/3?protocol=resp3").unwrap();
    assert_eq!(parts.endpoint.to_string(), "example.org:7000");
    assert_eq!(parts.username.as_deref(), Some("us@er"));
    assert_eq!(parts.password.as_ref().map(Secret::expose), Some("p:ss"));
    assert_eq!((parts.db, parts.protocol), (Some(3), Some(Protocol::Resp3)));

    let parts = parse("redis://localhost").unwrap();
    assert_eq!(parts.endpoint.to_string(), "localhost:6379");
    assert!(parts.db.is_none() && parts.username.is_none() && parts.password.is_none());

    let parts = parse("redis://:secret@[::1]:7001").unwrap();
    assert_eq!(parts.endpoint.to_string(), "[::1]:7001");
    assert_eq!(parts.password.as_ref().map(Secret::expose), Some("secret"));

    let parts = parse(" redis://h:1/\n").unwrap();
    assert_eq!(parts.endpoint.to_string(), "h:1");

    let parts = parse("redis+unix:///run/redis.sock?db=4&pass=x").unwrap();
    assert_eq!(parts.endpoint.to_string(), "/run/redis.sock");
    assert_eq!(parts.db, Some(4));
}

#[test]
fn the_nodes_of_a_cluster_are_listed() {
    let parts = parse("redis://us:p,w@a:7000,b,[0:0::1]:7002,h%6Fst/0?cluster=true").unwrap();
    assert_eq!(parts.endpoint.to_string(), "a:7000");
    let nodes = [("b", 6379), ("::1", 7002), ("host", 6379)];
    assert_eq!(parts.nodes, nodes.map(|(host, port)| (host.to_owned(), port)));
    assert_eq!(parts.password.as_ref().map(Secret::expose), Some("p,w"));
    assert_eq!((parts.db, parts.cluster), (Some(0), Some(true)));
    for (url, cluster) in [("valkey://[::1]:1,h", None), ("redis://h,i?cluster=false", Some(false))] {
        let parts = parse(url).unwrap();
        assert_eq!((parts.nodes.len(), parts.cluster), (1, cluster));
    }
    // A comma in the path is no list.
    assert_eq!(parse("unix:///a,b").unwrap().endpoint.to_string(), "/a,b");
    assert!(parse("redis://u:a,b@h?pass=c,d").is_err_and(|error| error.to_string().contains("`pass` twice")));
}

#[test]
fn sentinels_name_the_master() {
    let parts = parse("redis+sentinel://us%40er:p%3Ass@s1:26380,s2,[0:0::1]/my%2Fmaster?db=2&protocol=resp3");
    let parts = parts.unwrap();
    assert_eq!(
        parts.endpoint.to_string(),
        "the master my/master of the sentinels s1:26380,s2:26379,[::1]:26379"
    );
    assert_eq!((parts.nodes.len(), parts.db, parts.protocol), (0, Some(2), Some(Protocol::Resp3)));
    assert_eq!(parts.username.as_deref(), Some("us@er"));
    assert_eq!(parts.password.as_ref().map(Secret::expose), Some("p:ss"));
    assert!(parts.sentinel.username.is_none() && parts.sentinel.password.is_none());

    let parts = parse(
        "valkey+sentinel://s/m%C3%BCller:1?sentinel_user=w%40&sentinel_pass=a%26+b&login=minimal&cluster=false",
    );
    let parts = parts.unwrap();
    assert_eq!(parts.endpoint.to_string(), "the master m\u{fc}ller:1 of the sentinels s:26379");
    assert_eq!(parts.sentinel.username.as_deref(), Some("w@"));
    assert_eq!(parts.sentinel.password.as_ref().map(Secret::expose), Some("a&+b"));
    assert_eq!((parts.username, parts.password.is_none()), (None, true));
    assert_eq!((parts.login, parts.cluster, parts.db), (Some(LoginMode::Minimal), Some(false), None));
    let parts = parse("redis+sentinel://s/m?sentinel_user=&sentinel_pass=&sentinel_tls=false").unwrap();
    assert!(parts.sentinel.username.is_none() && parts.sentinel.password.is_none());
}

#[cfg(feature = "tls")]
#[test]
fn the_scheme_switches_tls_on_for_master_and_sentinels() {
    for (url, master, sentinels) in [
        ("redis+sentinel://s/m", false, false),
        ("valkey+sentinel://s,t/m?sentinel_tls=true", false, true),
        ("rediss+sentinel://s/m", true, true),
        ("valkeys+sentinel://s,t/m?db=1", true, true),
        ("rediss+sentinel://s/m?sentinel_tls=false", true, false),
        ("rediss://s,t", true, false),
    ] {
        let parts = parse(url).unwrap();
        assert_eq!((parts.tls, parts.sentinel_tls), (master, sentinels), "{url}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn the_scheme_switches_tls_on() {
    for url in ["rediss://u:hunter2@h:6380/1", "valkeys://h", "rediss://h,i"] {
        assert!(parse(url).unwrap().tls);
    }
    for url in ["redis://h", "valkey://h", "unix:///s"] {
        assert!(!parse(url).unwrap().tls);
    }
    // The driver's way to switch verification off.
    let error = parse("rediss://u:hunter2@h/#insecure").unwrap_err().to_string();
    assert!(error.contains('#') && !error.contains("hunter2"), "{error}");
    for parameter in ["insecure=true", "verify=false", "ssl_cert_reqs=none"] {
        let error = parse(&format!("rediss://h?{parameter}")).unwrap_err().to_string();
        assert!(error.contains("unknown parameter"), "{error}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_needs_its_feature() {
    for url in [
        "rediss://u:hunter2@h",
        "rediss+sentinel://u:hunter2@s/m",
        "redis+sentinel://u:hunter2@s/m?sentinel_tls=true",
    ] {
        let error = parse(url).unwrap_err().to_string();
        assert!(error.contains("feature `tls`") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn all_parts_are_decoded_in_the_same_way() {
    let parts = parse("redis://a%2Bb+c:d%2Be+f@h%6Fst/%33").unwrap();
    assert_eq!(parts.username.as_deref(), Some("a+b+c"));
    assert_eq!(parts.password.as_ref().map(Secret::expose), Some("d+e+f"));
    assert_eq!((parts.endpoint.to_string().as_str(), parts.db), ("host:6379", Some(3)));
    let parts = parse("unix:///r%75n/a%20b+c?user=a%2Bb+c&pass=d%2Be%26+f%23&%64b=%34&login=plain").unwrap();
    assert_eq!(parts.endpoint.to_string(), "/run/a b+c");
    assert_eq!(parts.username.as_deref(), Some("a+b+c"));
    assert_eq!(parts.password.as_ref().map(Secret::expose), Some("d+e&+f#"));
    assert_eq!((parts.db, parts.login), (Some(4), Some(LoginMode::Plain)));
    let parts = parse("redis://h?user=&pass=").unwrap();
    assert!(parts.username.is_none() && parts.password.is_none());
    parse("redis://h?pass=%FF").unwrap_err();
}

#[test]
fn an_invalid_url_is_rejected_without_repeating_the_password() {
    for (url, problem) in [
        ("localhost:6379", "scheme"),
        ("http://u:hunter2@h", "scheme"),
        ("redis://u:hunter2@h/x", "database"),
        ("redis://u:hunter2@h/70000", "database"),
        ("redis://u:hunter2@h:99999", "port"),
        ("redis://u:hunter2@h/1?db=2", "twice"),
        ("redis://u:hunter2@h?timeout=5", "parameter"),
        ("redis://u:hunter2@h?protocol=4", "protocol"),
        ("redis+unix://?pass=hunter2", "socket"),
        ("redis://u:hunter2%FF@h", "UTF-8"),
        ("redis://u:hunter2#x@h", "%23"),
        ("redis://:12#hunter2@h:6379", "%23"),
        ("redis://h:6379/0#hunter2", "%23"),
        ("redis+unix:///s#hunter2", "%23"),
        ("redis://u:hunter2%@h", "%25"),
        ("redis://u:hunter2%4@h", "%25"),
        ("redis://u:hunter2%zz@h", "%25"),
        ("redis://u:hunter2@h?pass=x&pass=y", "twice"),
        ("redis://u:hunter2@h?protocol=2&protocol=2", "twice"),
        ("redis://u:hunter2@h?login=hunter2", "login"),
        ("redis://u:hun/ter2@h", "port"),
        ("redis://u:hun?ter2@h", "port"),
        ("redis://u:hunter2@h%0A", "not a host name"),
        ("redis://u:hunter 2@h", "white space"),
        ("redis://u:hunter2@h\n/1", "white space"),
        ("redis://u:hunter2@h\t1", "control"),
        ("\"redis://u:hunter2@h\"", "quotes"),
        ("redis://u:hunter2@h1,", "remove the extra comma"),
        ("redis://u:hunter2@,h1", "remove the extra comma"),
        ("redis://u:hunter2@h1,,h2/0", "remove the extra comma"),
        ("redis://u:hunter2@h1,:2", "several hosts, and one of them"),
        ("redis://u:hunter2@h1,h2:99999", "several hosts, and one of them"),
        ("redis://u:hunter2@h1,h2:0", "port 0"),
        ("redis://u:hunter2@h1:0,h2", "port 0"),
        ("redis://u:hunter2@h1,[::1", "several hosts, and one of them"),
        ("redis://u:hunter2@h1,h2%0A", "not a host name"),
        ("redis://u:hunter2@h1,10.0.0", "IPv4"),
        ("redis://u:hunter2@h1,h2%40", "`@`"),
        ("redis://u:hunter2@h1:6379,H1", "lists a host twice"),
        ("redis://[::1]:1,h,[0:0::1]:1?pass=hunter2", "lists a host twice"),
        ("redis://u:hun,ter2/x@h", "can't be parsed"),
        ("unix://u:hunter2@h1,h2/s", "three slashes"),
        ("redis://u:hunter2@h1,h2?cluster=hunter2", "neither true nor false"),
        ("redis://u:hunter2@h?cluster=true&cluster=true", "twice"),
        ("redis-sentinel://u:hunter2@h1:1,h2:2/m", "use redis+sentinel://s1"),
        ("sentinel://u:hunter2@h1/m", "use redis+sentinel://s1"),
        ("rediss-sentinel://u:hunter2@h1/m", "rediss+sentinel:// for TLS"),
        ("redis+sentinels://u:hunter2@h1/m", "use redis+sentinel://s1"),
        ("redis+sentinel://u:hunter2@h1,h2", "no name of the master"),
        ("redis+sentinel://u:hunter2@h1,h2/", "no name of the master"),
        ("redis+sentinel://u:hunter2@h1,h2?db=2", "no name of the master"),
        ("redis+sentinel://h1/hunter2/2", "`?db=2`"),
        ("redis+sentinel://h1/hunter2/", "`?db=2`"),
        ("redis+sentinel://h1//hunter2", "`?db=2`"),
        ("redis+sentinel://h1/hunter2%20x", "must have 1 to 256 bytes"),
        ("redis+sentinel://h1/hunter2%00", "must have 1 to 256 bytes"),
        ("redis+sentinel://h1/hunter2%FF", "UTF-8"),
        ("redis+sentinel://u:hunter2@/m", "can't be parsed"),
        ("redis+sentinel:///m?pass=hunter2", "no host"),
        ("redis+sentinel:hunter2", "`//`"),
        ("redis+sentinel://u:hunter2@h1,/m", "remove the extra comma"),
        ("redis+sentinel://u:hunter2@h1,H1:26379/m", "lists a host twice"),
        ("redis+sentinel://u:hunter2@h1:0/m", "port 0"),
        ("redis+sentinel://h1/m?sentinel_pass=hunter2&sentinel_pass=hunter2", "`sentinel_pass` twice"),
        ("redis+sentinel://h1/m?sentinel_user=hunter2&sentinel_user=x", "`sentinel_user` twice"),
        ("redis+sentinel://h1/m?sentinel_tls=false&sentinel_tls=false", "`sentinel_tls` twice"),
        ("redis+sentinel://h1/m?sentinel_tls=hunter2", "`sentinel_tls` that is neither"),
        ("redis+sentinel://h1/m?sentinel_hunter2=x", "unknown parameter"),
        ("redis+sentinel://h1/m?hunter2=x", "sentinel_user, sentinel_pass or sentinel_tls"),
        ("redis+sentinel://u:hunter2@h1/m?cluster=true", "`cluster=true`"),
        ("redis+sentinel://u:hunter2@h1/m?db=x", "database"),
        ("redis+sentinel://u:hunter2@h1/m?pass=x", "`pass` twice"),
        ("redis://h?sentinel_user=hunter2", "`sentinel_user`, but its scheme"),
        ("redis://h1,h2?sentinel_pass=hunter2", "`sentinel_pass`, but its scheme"),
        ("unix:///s?sentinel_pass=hunter2", "`sentinel_pass`, but its scheme"),
        ("redis://u:hunter2@h?sentinel_tls=false", "`sentinel_tls`, but its scheme"),
        ("redis-cluster://u:hunter2@h", "Cluster"),
        ("rediss-cluster://u:hunter2@h1,h2", "Cluster"),
        ("redis:///0", "no host"),
        ("redis://u:hunter2@h/1/", "database"),
        ("redis://u:hunter2@h/1/2", "database"),
        ("redis://u:hunter2@h/+3", "database"),
        ("redis://u:hunter2@h//3", "database"),
        ("redis://u:hunter2@h:0", "port 0"),
        ("redis:hunter2", "`//`"),
        ("redis:6", "`//`"),
        ("redis://hunter2%40x:1", "`@`"),
        ("redis://b%C3%BCcher", "not a host name"),
        ("redis://10.0.0", "IPv4"),
        ("unix://run/hunter2.sock", "three slashes"),
        ("unix://u:hunter2@h/s", "three slashes"),
        ("redis+unix://h:1/s", "three slashes"),
        ("redis+unix:s", "`//`"),
    ] {
        let error = parse(url).unwrap_err();
        assert!(error.is_configuration());
        let text = format!("{error} {error:?}");
        assert!(text.contains(problem), "{url}: {text}");
        assert!(!text.contains("hunter2"), "{text}");
        if problem != "Cluster" && !problem.contains("+sentinel://") {
            assert!(text.contains("redis://user:password@host:6379/0"), "it shows how to write one: {text}");
        }
    }
}
