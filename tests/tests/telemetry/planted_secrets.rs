//! Puts a secret into every input, valid or invalid, and checks that no error shows it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use redis_keyspace::config::Profiles;
use redis_keyspace::raw::RawConnection;
use redis_keyspace::{Error, Keyspace, Redis, Text};
use redis_keyspace_tests::{
    both_servers, child_test, on_embedded, on_real, raw, require_reply_to_auth, secrets, shared_server, wire,
    wired,
};

use super::secrets::shown;

/// A short secret, a long generated one, and one with characters that must be escaped.
const SECRETS: [&str; 3] = ["pl4nted", "pl4nted-S3cret-of-a-length-that-servers-shorten", "pl4\"n'ted\\x"];

#[derive(Keyspace)]
#[keyspace(prefix = "planted", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
    number: fn(id: u32) -> u64,
    count: fn(id: u32) -> redis_keyspace::Counter,
}

#[derive(Keyspace)]
#[keyspace(prefix = "named", ttl = 3600)]
struct Named {
    text: fn(id: &str) -> Text,
}

#[track_caller]
fn assert_silent(secret: &str, input: &str, error: &Error) {
    let text = shown(error);
    assert!(!text.contains(secret), "{input:?} shows the secret: {text}");
    secrets::assert_absent(secret, [text]);
}

/// Returns the builder's error for a configuration, if it is invalid.
fn refusal(redis: redis_keyspace::Result<redis_keyspace::RedisBuilder>) -> Option<Error> {
    redis.and_then(redis_keyspace::RedisBuilder::build).err()
}

#[test]
fn no_secret_of_a_url_leaks() {
    let forms = [
        "S",
        "S://h",
        "redis:S",
        "redis:/S",
        "redis://S:6379:1",
        "redis://S@",
        "redis://u:S@",
        "redis://u:S@h:x",
        "redis://u:S@h:0",
        "redis://u:S@h:99999",
        "redis://h:S",
        "redis://u:S@h1,h2,",
        "redis://u:S@h,h",
        "redis://u:S@h1,h2?cluster=S",
        "redis://h1:1,S:2",
        "redis://h/S",
        "redis://h/0/S",
        "redis://h/0#S",
        "redis://u:a#S@h",
        "redis://u:a/S@h",
        "redis://u:a?S@h",
        "redis://h?S=1",
        "redis://h?db=S",
        "redis://h?protocol=S",
        "redis://h?login=S",
        "redis://h?cluster=S",
        "redis://S,S",
        "redis://h?pass=S&pass=S",
        "redis://h?user=S&user=S",
        "redis://u:S@h/1?db=2",
        "redis://S x",
        "redis://a:S%zz@h",
        "redis://a:S%@h",
        "redis://a:S@h h",
        "rediss://u:S@h",
        "redis+sentinel://u:S@h",
        "redis+sentinel://u:S@h/m/2",
        "redis+sentinel://h/m/S",
        "redis+sentinel://h/S%20x",
        "redis+sentinel://h/S/",
        "redis+sentinel://u:S@h1,h1/m",
        "redis+sentinel://h1,S:0/m",
        "redis+sentinel://h/m?sentinel_pass=S&sentinel_pass=S",
        "redis+sentinel://h/m?sentinel_user=S&sentinel_user=S",
        "redis+sentinel://h/m?sentinel_pass=S&cluster=true",
        "redis+sentinel://h/m?sentinel_tls=S",
        "redis+sentinel://h/m?sentinel_S=1",
        "redis-sentinel://u:S@h/m",
        "sentinel://u:S@h/m",
        "redis://h?sentinel_pass=S",
        "unix://S/s",
        "unix://u:S@h/s",
        "redis+unix://?pass=S",
        "redis+unix:S",
        "redis://[S]",
        "redis://S%40h",
        "redis://S..h",
        "redis://:S@10.0.0",
        "'redis://S'",
        "redis://S%20x@h",
        "redis://\tS",
    ];
    for secret in SECRETS {
        let mut refused = 0;
        for form in forms {
            let url = form.replace('S', secret);
            if let Err(error) = Redis::open(&url) {
                refused += 1;
                assert!(error.is_configuration(), "{error}");
                assert_silent(secret, &url, &error);
            }
            if let Some(error) = refusal(Redis::builder().variables([("REDIS_URL".to_owned(), url.clone())]))
            {
                assert_silent(secret, &url, &error);
            }
        }
        assert!(refused >= forms.len() - 3, "{refused} of {}", forms.len());
    }
}

/// Strings with a secret. Most are not a valid host, port, name or number.
fn shapes(secret: &str) -> Vec<String> {
    ["S", "S x", "\"S\"", "S:1", "redis://S", "S\n1", "u:S@h", "S*", "S,h", "S%", "S/", " S ", "", "[S]"]
        .map(|form| form.replace('S', secret))
        .into()
}

/// Passes each secret to the check, with each name and in each shape.
fn each_shape(names: &[&str], check: impl Fn(&str, &str, &str)) {
    for secret in SECRETS {
        for name in names {
            for shape in shapes(secret) {
                check(secret, name, &shape);
            }
        }
    }
}

#[test]
fn no_secret_of_a_variable_leaks() {
    let names = [
        "REDIS_HOST",
        "REDIS_PORT",
        "REDIS_NODES",
        "REDIS_CLUSTER",
        "REDIS_SENTINELS",
        "REDIS_SENTINEL_MASTER",
        "REDIS_SENTINEL_USERNAME",
        "REDIS_SENTINEL_PASSWORD",
        "REDIS_SENTINEL_PASSWORD_FILE",
        "REDIS_SENTINEL_TLS",
        "REDIS_REPLICAS",
        "REDIS_USERNAME",
        "REDIS_PASSWORD",
        "REDIS_PASSWORD_FILE",
        "REDIS_DB",
        "REDIS_TLS",
        "REDIS_TLS_CA",
        "REDIS_TLS_CERT",
        "REDIS_TLS_KEY",
        "REDIS_TLS_SERVER_NAME",
        "REDIS_TLS_MIN_VERSION",
        "REDIS_TLS_ROOTS",
        "REDIS_NAMESPACE",
        "REDIS_LOGIN",
        "REDIS_VERIFY_WRITES",
        "REDIS_URL",
    ];
    each_shape(&names, |secret, name, shape| {
        for more in [
            None,
            Some(("REDIS_URL", "redis://v:other@h/7")),
            Some(("REDIS_URL", "redis+sentinel://v:other@h/m?sentinel_user=v&sentinel_pass=other")),
            Some(("REDIS_PASSWORD", "other")),
            Some(("REDIS_SENTINELS", "s")),
            Some(("REDIS_SENTINEL_MASTER", "m")),
        ] {
            let variables = [(name, shape)].into_iter().chain(more);
            let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
            if let Some(error) = refusal(Redis::builder().variables(variables)) {
                assert_silent(secret, &format!("{name}={shape}"), &error);
                assert!(error.is_configuration(), "{error}");
            }
        }
    });
}

#[test]
fn no_secret_of_a_setter_leaks() {
    for secret in SECRETS {
        for shape in shapes(secret) {
            let builder = Redis::builder;
            if let Err(error) = builder().build().unwrap().for_tenant(&shape) {
                assert_silent(secret, &shape, &error);
            }
            let path = [shape.as_bytes(), b"\0"].concat();
            for outcome in [
                Ok(builder().host(&shape)),
                Ok(builder().username(&shape)),
                Ok(builder().password(&shape).timeout(std::time::Duration::ZERO)),
                Ok(builder().password(&shape).port(0)),
                Ok(builder().client_name(&shape)),
                Ok(builder().unix_socket(OsStr::from_bytes(&path))),
                builder().namespace(&shape),
                builder().nodes([&shape]),
                builder().nodes(["h:1", &shape, &shape]),
                builder().sentinel(&shape, ["h:1", "h:1"]),
                builder().sentinel("m", ["h:1", &shape, &shape]),
                builder().sentinel(&shape, ["h"]).map(|it| it.cluster(true)),
                builder().sentinel("m", ["h"]).map(|it| it.sentinel_username(&shape).cluster(true)),
                builder().sentinel("m", ["h"]).map(|it| it.sentinel_password(&shape).cluster(true)),
                Ok(builder().sentinel_password(&shape)),
                Ok(builder().sentinel_username(&shape)),
                builder().replicas([&shape, &shape]),
                builder().host(&shape).replicas([&shape]),
                Ok(builder().url("redis://h").unwrap().password(&shape).retries(101)),
                builder().variables([
                    ("REDIS_PASSWORD".to_owned(), shape.clone()),
                    ("REDIS_PORT".to_owned(), "x".to_owned()),
                ]),
                builder().url(&shape),
            ] {
                if let Some(error) = refusal(outcome) {
                    assert_silent(secret, &shape, &error);
                }
            }
        }
    }
}

#[test]
fn no_secret_of_a_profile_leaks() {
    let entries = [
        "url",
        "host",
        "port",
        "unix_socket",
        "username",
        "password",
        "password_file",
        "db",
        "namespace",
        "client_name",
        "protocol",
        "login",
        "nodes",
        "cluster",
        "sentinels",
        "sentinel_master",
        "sentinel_username",
        "sentinel_password",
        "sentinel_password_file",
        "replicas",
        "timeout",
        "connect_timeout",
        "retry_delay",
        "retries",
        "shared_connections",
        "exclusive_connections",
        "breaker_failures",
        "breaker_pause",
        "ping_interval",
        "max_in_flight",
        "max_queued_bytes",
        "max_key_bytes",
        "max_value_bytes",
        "verify_writes",
        "tls",
        "tls_ca",
        "tls_cert",
        "tls_key",
        "tls_server_name",
        "tls_min_version",
        "tls_roots",
        "sentinel_tls",
        "no_such_entry",
    ];
    each_shape(&entries, |secret, entry, shape| {
        for text in [
            format!("[a]\n{entry} = {shape:?}\n"),
            format!("[a]\n{entry} = {shape}\n"),
            format!("[a]\n{entry} = [{shape:?}]\n"),
            format!("[a]\nurl = \"redis://v:other@h/7\"\n{entry} = {shape:?}\n"),
            format!("[a]\nsentinel_master = \"m\"\n{entry} = [{shape:?}]\n"),
            format!("[a]\nsentinels = [\"h\"]\n{entry} = {shape:?}\n"),
            format!("{entry} = {shape:?}\n"),
        ] {
            let built = Profiles::new().toml(&text).and_then(|profiles| profiles.select("a"));
            if let Some(error) = refusal(built) {
                assert_silent(secret, &text, &error);
            }
        }
        if let Err(error) = Profiles::new().select(shape) {
            assert_silent(secret, shape, &error);
        }
    });
}

/// The separate process, with the name of a profile in its environment.
#[test]
fn secret_profile_name_child() {
    let Ok(secret) = std::env::var("PLANTED_CHILD") else { return };
    assert_silent(&secret, "REDIS_PROFILE", &Redis::from_profile().unwrap_err());
    println!("RESULT silent");
}

#[test]
fn no_secret_in_a_profile_name_leaks() {
    for secret in SECRETS {
        let child = child_test!("secret_profile_name_child");
        let text = child.env("PLANTED_CHILD", secret).env("REDIS_PROFILE", secret).run();
        assert!(text.contains("RESULT silent"), "{text}");
    }
}

/// Runs a command in three ways, because each has different errors, and checks the errors.
async fn planted(redis: &Redis, secret: &str, command: &[&str]) -> usize {
    let make = || {
        let mut cmd = redis::cmd(command[0]);
        cmd.arg(&command[1..]);
        cmd
    };
    let (alone, queued, piped) = (make(), make(), make());
    let outcomes = [
        redis
            .raw(|mut connection: RawConnection| async move {
                alone.query_async::<redis::Value>(&mut connection).await
            })
            .await,
        redis
            .raw(|mut connection| async move {
                redis::pipe().cmd("PING").add_command(piped).query_async(&mut connection).await
            })
            .await,
        redis
            .raw(|mut connection| async move {
                redis::pipe().atomic().add_command(queued).query_async(&mut connection).await
            })
            .await,
    ];
    let errors = outcomes.into_iter().filter_map(Result::err);
    errors.inspect(|error| assert_silent(secret, &command.join(" "), error)).count()
}

/// Uses a wrong password behind other commands.
async fn rejected_logins(redis: Redis) {
    for secret in SECRETS {
        for command in [&["AUTH", "planted", secret][..], &["HELLO", "3", "AUTH", "planted", secret]] {
            assert!(planted(&redis, secret, command).await >= 2);
        }
    }
}

#[test]
fn no_rejected_password_leaks_on_the_embedded_server() {
    on_embedded(rejected_logins);
}

#[test]
fn no_rejected_password_leaks_on_a_real_server() {
    if require_reply_to_auth(shared_server()) {
        on_real(rejected_logins);
    }
}

both_servers! {
    async fn no_argument_of_a_raw_command_leaks(redis: Redis) {
        for secret in SECRETS {
            let (name, key) = (format!("a {secret}"), wired(format!("planted:{}", secret.len())));
            let wrong: &[&[&str]] = &[
                &["ACL", "SETUSER", "planted", secret],
                &["ACL", "SETUSER", "planted", "on", "#", secret],
                &["ACL", secret],
                &["ACL", "GETUSER", secret, secret],
                &["HELLO", secret],
                &["HELLO", "3", secret],
                &["HELLO", "3", "AUTH", secret],
                &["AUTH", "planted", secret, secret],
                &["CLIENT", secret],
                &["CLIENT", "KILL", "TYPE", secret],
                &["CLIENT", "KILL", secret],
                &["CLIENT", "REPLY", secret],
                &["CLIENT", "NO-EVICT", secret],
                &["CLIENT", "SETNAME", &name],
                &["CLIENT", "TRACKING", secret],
                &["CONFIG", secret],
                &["CONFIG", "SET", secret],
                &["CONFIG", "SET", secret, "1"],
                &["CONFIG", "SET", "maxmemory", secret],
                &["CONFIG", "SET", "appendonly", secret],
                &["SCRIPT", secret],
                &["OBJECT", secret, &key],
                &["SELECT", secret],
                &["SET", &key, secret, secret],
                &["SET", &key, "x", "EX", secret],
                &["INCRBY", &key, secret],
                &["GETEX", &key, secret],
                &["EXPIRE", &key, "1", secret],
                &["EVAL", secret, "0"],
                &["EVAL", "return 1", secret],
                &["EVAL", "return redis.error_reply('ERR ' .. ARGV[1])", "0", secret],
                &["EVAL", "return redis.error_reply('-' .. ARGV[1])", "0", secret],
                &["EVAL", "error(ARGV[1])", "0", secret],
                &["EVALSHA", secret, "0"],
                &[secret],
                &[secret, secret],
                &["NOSUCHCOMMAND", secret],
            ];
            // An element of a list.
            raw::<()>(&redis, &["DEL", &key]).await;
            raw::<()>(&redis, &["RPUSH", &key, "x"]).await;
            let mut refused = 0;
            for command in wrong {
                refused += planted(&redis, secret, command).await;
            }
            assert!(refused >= 2 * wrong.len(), "{refused} of {}", 3 * wrong.len());
        }
    }

    async fn no_value_leaks(redis: Redis) {
        for (secret, id) in SECRETS.into_iter().zip(0..) {
            for key in [wire(&Keys::number(id)), wire(&Keys::count(id)), wire(&Keys::text(id))] {
                raw::<()>(&redis, &["SET", &key, secret]).await;
            }
            let read = wire(&Keys::text(id));
            let errors = [
                Keys::number(id).get().on(&redis).await.map(drop).unwrap_err(),
                Keys::number(id).update_or_insert(|| 1, |number| *number += 1).on(&redis).await.map(drop).unwrap_err(),
                Keys::count(id).get().on(&redis).await.map(drop).unwrap_err(),
                Keys::count(id).incr().on(&redis).await.map(drop).unwrap_err(),
                redis.batch((Keys::number(id).get(), Keys::count(id).incr())).await.map(drop).unwrap_err(),
                redis.transaction((Keys::number(id).get(), Keys::count(id).incr())).await.map(drop).unwrap_err(),
                redis.raw(|mut c| async move { redis::cmd("GET").arg(read).query_async::<u64>(&mut c).await }).await.map(drop).unwrap_err(),
                redis.raw(|mut c| async move { redis::cmd("ECHO").arg(secret).query_async::<(u64, u64)>(&mut c).await }).await.map(drop).unwrap_err(),
                redis.raw(|mut c| async move { redis::pipe().cmd("ECHO").arg(secret).query_async::<(bool,)>(&mut c).await }).await.map(drop).unwrap_err(),
            ];
            for error in errors {
                assert_silent(secret, "a value", &error);
            }
        }
    }

    /// Checks that an error shows the key of its command and no other key.
    async fn no_key_leaks(redis: Redis) {
        for secret in SECRETS {
            let (named, number) = (Named::text(secret), Keys::number(7));
            raw::<()>(&redis, &["SET", &wire(&number), "x"]).await;
            let errors = [
                redis.batch((named.get(), number.get())).await.map(drop).unwrap_err(),
                redis.transaction((named.get(), number.get())).await.map(drop).unwrap_err(),
            ];
            for error in errors {
                assert_silent(secret, "another key", &error);
            }
        }
    }
}
