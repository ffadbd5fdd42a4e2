//! Which server a command runs on, and which handles share its connections.

use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::future::Future;
use std::os::unix::ffi::OsStringExt;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use redis_keyspace::raw::RawConnection;
use redis_keyspace::{Counter, Error, ErrorKind, Key, Keyspace, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::{Fault as EmbeddedFault, Reply, Server};
use redis_keyspace_tests::{
    Fault, PATIENCE, Proxy, RealServer, both_servers, child_test, eventually, raw, secrets, shared_server,
    unique_namespace, wire, within,
};
use tokio::runtime::Runtime;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "handles", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u32) -> Text,
    count: fn(id: u32) -> Counter,
}

/// Has the same connection settings.
#[derive(Keyspace)]
#[keyspace(prefix = "alike", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Alike {
    text: fn(id: u32) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "second", db = 2, ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Second {
    text: fn(id: u32) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "patient", timeout = "7s", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Patient {
    text: fn(id: u32) -> Text,
}

#[derive(Keyspace)]
#[keyspace(prefix = "named", server = "sessions", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Named {
    text: fn(id: u32) -> Text,
}

pub async fn ping(mut connection: RawConnection) -> redis::RedisResult<()> {
    redis::cmd("PING").query_async(&mut connection).await
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The name of the test's connections, to count them.
const NAME: &str = "handles-suite";

fn to(server: &RealServer) -> RedisBuilder {
    Redis::builder().url(&server.url()).unwrap().client_name(NAME)
}

/// Returns the number of our connections on the server.
fn clients(server: &RealServer) -> usize {
    let name = format!("name={NAME} ");
    server.redis_cli(&["CLIENT", "LIST"]).lines().filter(|line| line.contains(&name)).count()
}

fn connects(redis: &Redis) -> u64 {
    redis.stats().connections.iter().map(|pool| pool.connects).sum()
}

/// Returns how many keyspaces use each pool of the handle.
fn refs(redis: &Redis) -> Vec<usize> {
    redis.stats().connections.iter().map(|pool| pool.refs).collect()
}

#[track_caller]
fn assert_kind(error: &Error, kind: ErrorKind) {
    assert_eq!(error.kind(), kind, "{error}");
}

/// The environment variable that tells a test that it is the child process.
const CHILD: &str = "REDIS_KEYSPACE_HANDLES_CHILD";

/// Runs a test of this file in a separate process with these environment variables, and returns its
/// output.
fn child(name: &str, variables: &[(&str, &OsStr)]) -> String {
    let mut child = child_test!(name).env(CHILD, "1");
    for foreign in ["URL", "HOST", "PORT", "USERNAME", "PASSWORD", "DB", "TLS", "NAMESPACE"] {
        child = child.env_remove(format!("REDIS_{foreign}"));
    }
    for (name, value) in variables {
        child = child.env(name, value);
    }
    child.run()
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn without_a_server_the_error_names_three_ways_to_set_one() {
    within(PATIENCE, async {
        let texts = [
            Keys::text(1).get().await.unwrap_err(),
            Keys::text(1).set("x").await.unwrap_err(),
            Keys::text(1).get_ex().await.unwrap_err(),
            Keys::count(1).incr().await.unwrap_err(),
            Key::get_many([1, 2].map(Keys::text)).await.unwrap_err(),
            Keys::text(1).get_or_set(|| async { panic!("no server is configured") }).await.unwrap_err(),
        ];
        for error in texts {
            assert_kind(&error, ErrorKind::ServerNotConfigured);
            let text = error.to_string();
            for way in ["install()", "scope(", ".on(&redis)"] {
                assert!(text.contains(way), "{text}");
            }
        }
        let error = Named::text(1).get().await.unwrap_err();
        assert_kind(&error, ErrorKind::ServerNotConfigured);
        let text = error.to_string();
        for part in ["install_as(\"sessions\")", "scope(", ".on(&redis)", "Named"] {
            assert!(text.contains(part), "{text}");
        }
    });
}

/// Polls a future that must be ready at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits outside of a runtime"),
    }
}

#[test]
fn outside_a_runtime_commands_fail_without_a_panic() {
    let fresh = Redis::embedded();
    let used = Redis::open(&shared_server().url()).unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        used.connect().await.unwrap();
        used.raw(ping).await.unwrap();
    });
    for redis in [&fresh, &used] {
        let errors = [
            at_once(Keys::text(1).get().on(redis)).unwrap_err(),
            at_once(Keys::text(1).set("x").keep_ttl().on(redis)).unwrap_err(),
            at_once(Keys::count(1).incr().on(redis)).unwrap_err(),
            at_once(Keys::text(1).get_or_set(|| async { String::new() }).on(redis).into_future())
                .unwrap_err(),
            at_once(redis.batch((Keys::text(1).get(), Keys::count(1).incr())).into_future()).unwrap_err(),
            at_once(redis.transaction((Keys::text(1).get(),)).into_future()).unwrap_err(),
            at_once(redis.scope(Keys::text(1).get())).unwrap_err(),
            at_once(redis.ping()).unwrap_err(),
            at_once(redis.connect()).map(drop).unwrap_err(),
            at_once(redis.raw(ping)).unwrap_err(),
        ];
        for error in errors {
            assert_kind(&error, ErrorKind::ServerNotConfigured);
            assert!(error.to_string().contains("runtime"), "{error}");
        }
        assert!(at_once(redis.transaction((Keys::text(1).get(),)).each()).is_err());
    }
    // Inside the runtime, it works again.
    runtime.block_on(async { used.ping().await.unwrap() });
    drop(runtime);
    at_once(used.close());
    assert!(used.stats().closed);
    drop((used, fresh));
}

/// Installing affects the whole process, so the test runs in another one.
#[test]
fn installed_servers_are_used_by_default() {
    if !is_child() {
        child("installed_servers_are_used_by_default", &[]);
        return;
    }
    let get = async |id| Keys::text(id).get().await.unwrap();
    within(PATIENCE, async {
        let first = Redis::embedded().install();
        Keys::text(1).set("first").await.unwrap();
        assert_eq!(Keys::text(1).get().on(&first).await.unwrap().as_deref(), Some("first"));
        let spawned = tokio::spawn(async { Keys::text(1).get().await.unwrap() });
        assert_eq!(
            spawned.await.unwrap().as_deref(),
            Some("first"),
            "the installed handle applies to the whole process"
        );

        // A later installation replaces it.
        let second = Redis::embedded();
        second.clone().install();
        assert_eq!(get(1).await, None);
        Keys::text(1).set("second").await.unwrap();

        // A scope overrides the installed handle.
        let scoped = Redis::embedded();
        scoped
            .scope(async {
                assert_eq!(get(1).await, None);
                Keys::text(1).set("scoped").await.unwrap();
                assert_eq!(Keys::text(1).on(&first).get().await.unwrap().as_deref(), Some("first"));
                let spawned = tokio::spawn(async { Keys::text(1).get().await.unwrap() });
                assert_eq!(
                    spawned.await.unwrap().as_deref(),
                    Some("second"),
                    "spawned tasks are outside of the scope"
                );
            })
            .await;
        assert_eq!(get(1).await.as_deref(), Some("second"));
        assert_eq!(Keys::text(1).get().on(&scoped).await.unwrap().as_deref(), Some("scoped"));

        // The default handle does not serve keyspaces with a named server.
        let error = Named::text(1).get().await.unwrap_err();
        assert_kind(&error, ErrorKind::ServerNotConfigured);
        for part in ["\"sessions\"", "Named", "install_as(\"sessions\")"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        Redis::embedded().install_as("Sessions");
        assert_kind(&Named::text(1).get().await.unwrap_err(), ErrorKind::ServerNotConfigured);
        let sessions = Redis::embedded().install_as("sessions");
        Named::text(1).set("a session").await.unwrap();
        assert_eq!(Named::text(1).get().on(&sessions).await.unwrap().as_deref(), Some("a session"));
        assert_eq!(Named::text(1).get().on(&second).await.unwrap(), None);
        assert_eq!(Keys::text(1).get().on(&sessions).await.unwrap(), None);
        assert_eq!(get(1).await.as_deref(), Some("second"), "a named handle does not serve other keyspaces");
        Redis::embedded().install_as("sessions");
        assert_eq!(Named::text(1).get().await.unwrap(), None, "a later installation replaces it");
        scoped.scope(async { Named::text(1).set("scoped").await.unwrap() }).await;
        assert_eq!(Named::text(1).get().on(&scoped).await.unwrap().as_deref(), Some("scoped"));

        Redis::clear_installed();
        assert_kind(&Keys::text(1).get().await.unwrap_err(), ErrorKind::ServerNotConfigured);
        assert_kind(&Named::text(1).get().await.unwrap_err(), ErrorKind::ServerNotConfigured);
        assert_eq!(
            Keys::text(1).get().on(&second).await.unwrap().as_deref(),
            Some("second"),
            "the replaced handle still works"
        );

        // A server without handles is closed.
        let server = Server::new();
        let freed = probe(&server);
        Redis::with_embedded_server(server).install().install_as("sessions");
        Keys::text(1).set("x").await.unwrap();
        Named::text(1).set("x").await.unwrap();
        Redis::clear_installed();
        eventually("the server is freed", async || freed.upgrade().is_none()).await;
    });
    // An installed handle works on other runtimes, too.
    let redis = Redis::embedded().install();
    for round in 1..=3 {
        within(PATIENCE, async { assert_eq!(Keys::count(1).incr().await.unwrap(), round) });
    }
    within(PATIENCE, async {
        redis.close().await;
        assert_kind(&Keys::count(1).get().await.unwrap_err(), ErrorKind::Closed);
    });
}

/// Returns a reference that is dropped with the server.
fn probe(server: &Server) -> Weak<()> {
    let probe = Arc::new(());
    let weak = Arc::downgrade(&probe);
    server.register_script("return 'the probe'", move |_, _, _| {
        let _held = &probe;
        Reply::Nil
    });
    weak
}

#[test]
#[expect(clippy::async_yields_async, reason = "the command is awaited in another scope")]
fn the_innermost_scope_wins() {
    within(PATIENCE, async {
        let (outer, inner) = (Redis::embedded(), Redis::embedded());
        Keys::text(1).set("outer").on(&outer).await.unwrap();
        Keys::text(1).set("inner").on(&inner).await.unwrap();
        let get = async || Keys::text(1).get().await.unwrap();
        let given = outer
            .scope(async {
                assert_eq!(get().await.as_deref(), Some("outer"));
                inner.scope(async { assert_eq!(get().await.as_deref(), Some("inner")) }).await;
                assert_eq!(get().await.as_deref(), Some("outer"), "the inner scope has ended");
                // Concurrently in one task.
                let (a, b, c) = tokio::join!(get(), inner.scope(get()), get());
                assert_eq!(
                    (a.as_deref(), b.as_deref(), c.as_deref()),
                    (Some("outer"), Some("inner"), Some("outer"))
                );
                Keys::text(1).get()
            })
            .await;
        // The handle is chosen when a command runs, not when it is created.
        assert_eq!(inner.scope(given).await.unwrap().as_deref(), Some("inner"));
        assert_kind(&Keys::text(1).get().await.unwrap_err(), ErrorKind::ServerNotConfigured);
    });
}

#[test]
fn a_scope_does_not_apply_to_spawned_tasks() {
    within(PATIENCE, async {
        let redis = Redis::embedded();
        redis
            .scope(async {
                Keys::text(1).set("x").await.unwrap();
                let spawned = tokio::spawn(Keys::text(1).get());
                assert_kind(&spawned.await.unwrap().unwrap_err(), ErrorKind::ServerNotConfigured);
                // An explicit handle or scope works in the task.
                let spawned = tokio::spawn(Keys::text(1).get().on(&redis));
                assert_eq!(spawned.await.unwrap().unwrap().as_deref(), Some("x"));
                let handle = redis.clone();
                let spawned = tokio::spawn(async move { handle.scope(Keys::text(1).get()).await });
                assert_eq!(spawned.await.unwrap().unwrap().as_deref(), Some("x"));
            })
            .await;
    });
}

#[test]
fn an_explicit_handle_overrides_the_scope_and_the_key() {
    within(PATIENCE, async {
        let [scope, key, command] = [(); 3].map(|()| Redis::embedded());
        for (redis, text, count) in [(&scope, "scope", 10), (&key, "key", 20), (&command, "command", 30)] {
            Keys::text(1).set(text).on(redis).await.unwrap();
            Keys::count(1).set(count).on(redis).await.unwrap();
        }
        scope
            .scope(async {
                let (text, count) = (Keys::text(1).on(&key), Keys::count(1).on(&key));
                assert_eq!(text, Keys::text(1), "the handle is not part of a key's identity");
                assert_eq!(text.get().await.unwrap().as_deref(), Some("key"));
                assert_eq!(text.get().on(&command).await.unwrap().as_deref(), Some("command"));
                assert_eq!(count.incr().await.unwrap(), 21);
                assert_eq!(count.incr().on(&command).await.unwrap(), 31);
                assert_eq!(count.clone().get().await.unwrap(), 21, "a clone uses the same handle");
                assert_eq!(text.get_set("key").await.unwrap().as_deref(), Some("key"));
                assert_eq!(text.get_set("command").on(&command).await.unwrap().as_deref(), Some("command"));
                assert_eq!(text.get_ex().await.unwrap().as_deref(), Some("key"));
                assert_eq!(text.get_ex().on(&command).await.unwrap().as_deref(), Some("command"));
                assert_eq!(count.get_set(21).await.unwrap(), Some(21));
                assert_eq!(count.get_ex().on(&command).await.unwrap(), Some(31));
                assert_eq!(text.get_or_set(|| async { panic!("a hit") }).await.unwrap(), "key");
                assert_eq!(
                    text.get_or_set(|| async { panic!("a hit") }).on(&command).await.unwrap(),
                    "command"
                );
                assert_eq!(Key::get_many([text.clone()]).await.unwrap(), [Some("key".into())]);
                assert_eq!(
                    Key::get_many([text.clone()]).on(&command).await.unwrap(),
                    [Some("command".into())]
                );
                let without_handle = Keys::text(1).get();
                let (a, b, c) =
                    scope.batch((without_handle, text.get(), text.get().on(&command))).await.unwrap();
                assert_eq!(
                    (a.as_deref(), b.as_deref(), c.as_deref()),
                    (Some("scope"), Some("key"), Some("command"))
                );
                // A batch runs on its handle, in any scope.
                let (a, b) = command.batch((Keys::text(1).get(), text.get())).await.unwrap();
                assert_eq!((a.as_deref(), b.as_deref()), (Some("command"), Some("key")));
                let filled = Keys::text(2).on(&key).get_or_set(|| async { "filled".into() });
                assert_eq!(filled.await.unwrap(), "filled");
                assert_eq!(Keys::text(2).get().on(&key).await.unwrap().as_deref(), Some("filled"));
                assert_eq!(
                    Keys::text(2).get().await.unwrap(),
                    None,
                    "the value is stored on the key's handle only"
                );
                // Renamed on the handle of the key.
                assert!(Keys::text(2).on(&key).rename(&Keys::text(3)).await.unwrap());
                assert_eq!(Keys::text(3).get().on(&key).await.unwrap().as_deref(), Some("filled"));
            })
            .await;
    });
}

#[test]
fn the_keys_of_one_command_are_on_one_server() {
    within(PATIENCE, async {
        let servers = [Server::new(), Server::new()];
        let [one, two] = [0, 1].map(|nth| Redis::with_embedded_server(servers[nth].clone()));
        let (a, b) = (Keys::text(1).on(&one), Keys::text(2).on(&two));
        one.scope(async {
            let errors = [
                Key::get_many([a.clone(), b.clone()]).await.unwrap_err(),
                Key::set_many([(a.clone(), "x"), (b.clone(), "y")]).await.unwrap_err(),
                Key::del_many([a.clone(), b.clone()]).await.unwrap_err(),
                Key::del_many([Keys::count(1).on(&one), Keys::count(2).on(&two)]).await.unwrap_err(),
                a.rename(&b).await.unwrap_err(),
                a.rename_if_absent(&b).await.unwrap_err(),
                // One key has a handle, and the other one does not.
                Key::get_many([Keys::text(1), b.clone()]).await.unwrap_err(),
                Key::get_many([b.clone(), Keys::text(1)]).await.unwrap_err(),
                Keys::text(1).rename(&b).await.unwrap_err(),
            ];
            for error in errors {
                assert_kind(&error, ErrorKind::InvalidInput);
                assert!(error.to_string().contains("different servers"), "{error}");
            }
            let (many, alone) =
                one.batch((Key::get_many([a.clone(), b.clone()]), a.get())).each().await.unwrap();
            assert_kind(&many.unwrap_err(), ErrorKind::InvalidInput);
            assert_eq!(alone.unwrap(), None);
        })
        .await;
        assert_eq!(servers.each_ref().map(|server| server.keys(0).len()), [0, 0], "nothing was sent");
        assert_eq!(servers[1].commands(), 0);

        // Clones of a handle count as one server, and keys without a handle follow the command.
        let many = Key::set_many([(Keys::text(1).on(&one), "x"), (Keys::text(2).on(&one.clone()), "y")]);
        many.await.unwrap();
        let read = Key::get_many([1, 2].map(Keys::text)).on(&one).await.unwrap();
        assert_eq!(read, [Some("x".into()), Some("y".into())]);
        let read = Key::get_many([1, 2].map(|id| Keys::text(id).on(&one))).on(&two).await.unwrap();
        assert_eq!(read, [None, None], "the handle of the command overrides the handles of the keys");
    });
}

#[derive(Debug, PartialEq)]
struct Sad(&'static str);

impl std::fmt::Display for Sad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Sad {}

#[test]
fn a_configuration_can_be_loaded_asynchronously() {
    within(PATIENCE, async {
        let asked = AtomicU32::new(0);
        let redis = Redis::from_async(|| async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok::<_, Sad>(Redis::builder().embedded(Server::new()).db(3))
        });
        let redis = redis.await.unwrap();
        Keys::text(1).set("x").on(&redis).await.unwrap();
        assert_eq!(raw::<u64>(&redis, &["DBSIZE"]).await, 1);
        assert_eq!(redis.stats().connections[0].db, 3);
        assert_eq!(asked.into_inner(), 1);

        let error = Redis::from_async(|| async { Err(Sad("the vault is sealed")) }).await.unwrap_err();
        assert!(error.is_configuration(), "{error}");
        assert!(error.to_string().contains("the vault is sealed"), "{error}");
        assert_eq!(error.source().unwrap().downcast_ref(), Some(&Sad("the vault is sealed")));

        let unusable =
            Redis::from_async(|| async { Ok::<_, Sad>(Redis::builder().shared_connections(0)) }).await;
        let error = unusable.unwrap_err();
        assert!(
            error.is_configuration() && error.to_string().contains("`shared_connections` is 0"),
            "{error}"
        );
        // The `?` of a builder in a provider needs no conversion.
        let bad = Redis::from_async(|| async { Redis::builder().url("no url") }).await.unwrap_err();
        assert!(bad.is_configuration(), "{bad}");
    });
}

#[test]
fn the_environment_configures_a_handle() {
    if is_child() {
        let redis = match Redis::from_env() {
            Ok(redis) => redis,
            Err(error) => return println!("{:?}: {error} {error:?}", error.kind()),
        };
        within(PATIENCE, async { Keys::text(1).set("from the child").on(&redis).await.unwrap() });
        return println!("stored by {redis:?}");
    }
    let said = |variables: &[(&str, &OsStr)]| {
        let said = child("the_environment_configures_a_handle", variables);
        secrets::assert_absent("hunter2", [&said]);
        said
    };
    let not_utf8 = OsString::from_vec(b"hunter2\xff".to_vec());
    let text = said(&[("REDIS_PASSWORD", &not_utf8)]);
    assert!(text.contains("Configuration: ") && text.contains("REDIS_PASSWORD is not UTF-8"), "{text}");
    for (name, value) in [
        ("REDIS_PORT", "6379x"),
        ("REDIS_PORT", "70000"),
        ("REDIS_PORT", "0"),
        ("REDIS_PORT", "-1"),
        ("REDIS_DB", "one"),
        ("REDIS_URL", "redis://:hunter2@h:x"),
        ("REDIS_NAMESPACE", "a*"),
    ] {
        let text = said(&[("REDIS_PASSWORD", OsStr::new("hunter2")), (name, OsStr::new(value))]);
        assert!(text.contains("Configuration: ") && text.contains(name), "{name}={value}: {text}");
    }

    let server = RealServer::builder().password("hunter2").start();
    let port = OsString::from(server.port().to_string());
    let text = said(&[
        ("REDIS_HOST", OsStr::new("127.0.0.1")),
        ("REDIS_PORT", &port),
        ("REDIS_PASSWORD", OsStr::new("hunter2")),
        ("REDIS_DB", OsStr::new("5")),
        ("REDIS_NAMESPACE", OsStr::new("staging")),
        ("REDIS_USERNAME", OsStr::new("")),
        // A variable of another program.
        ("NOT_OURS", &not_utf8),
    ]);
    assert!(text.contains("stored by"), "{text}");
    assert_eq!(server.redis_cli(&["-n", "5", "GET", "staging:handles:text:1"]), "from the child");

    let url = OsString::from(format!("{}/6", server.url()));
    let text = said(&[("REDIS_URL", &url)]);
    assert!(text.contains("stored by"), "{text}");
    assert_eq!(server.redis_cli(&["-n", "6", "GET", "handles:text:1"]), "from the child");
}

/// Sends every kind of command that names keys, and returns the errors.
async fn every_command_with_keys(redis: &Redis, namespace: &str) -> Vec<Error> {
    raw::<u64>(redis, &["RPUSH", &format!("{namespace}:handles:text:7"), "a list"]).await;
    redis
        .scope(async {
            Keys::text(1).set("a").await.unwrap();
            Keys::text(1).set("b").keep_ttl().await.unwrap();
            assert_eq!(Keys::text(1).get().await.unwrap().as_deref(), Some("b"));
            assert!(Keys::text(1).set("c").only_if_present().await.unwrap());
            assert_eq!(Keys::text(1).get_ex().await.unwrap().as_deref(), Some("c"));
            assert!(Keys::text(1).ttl().await.unwrap().remaining().is_some());
            assert!(Keys::text(1).expire(MINUTE).await.unwrap());
            assert!(Keys::text(1).persist().await.unwrap());
            assert_eq!(Keys::text(1).strlen().await.unwrap(), 1);
            Key::set_many([(Keys::text(2), "two"), (Keys::text(3), "three")]).await.unwrap();
            let many = Key::get_many([2, 3, 4].map(Keys::text)).await.unwrap();
            assert_eq!(many, [Some("two".into()), Some("three".into()), None]);
            assert!(Keys::text(2).rename(&Keys::text(4)).await.unwrap());
            assert!(!Keys::text(3).rename_if_absent(&Keys::text(4)).await.unwrap());
            assert_eq!(Keys::text(4).get_del().await.unwrap().as_deref(), Some("two"));
            assert_eq!(Key::del_many([3, 4].map(Keys::text)).await.unwrap(), 1);
            assert_eq!(Keys::count(1).incr().await.unwrap(), 1);
            let (count, text) =
                redis.transaction((Keys::count(1).incr(), Keys::text(1).get())).await.unwrap();
            assert_eq!((count, text.as_deref()), (2, Some("c")));
            let (count, there) = redis.batch((Keys::count(1).get(), Keys::text(1).exists())).await.unwrap();
            assert_eq!((count, there), (2, true));
            assert_eq!(Keys::text(5).get_or_set(|| async { "filled".into() }).await.unwrap(), "filled");
            assert!(Keys::text(1).del().await.unwrap());
            Keys::count(1).set(7).await.unwrap();
            Keys::text(6).set("left").await.unwrap();
            vec![
                Keys::text(6).set("x").ttl(Duration::ZERO).await.unwrap_err(),
                Keys::count(1).incr_by(i64::MAX).await.unwrap_err(),
                redis.batch((Keys::count(1).incr_by(i64::MAX), Keys::text(6).get())).await.unwrap_err(),
                Keys::text(7).get().await.unwrap_err(),
                Keys::text(7).get_or_set(|| async { panic!("the key exists") }).await.unwrap_err(),
            ]
        })
        .await
}

fn assert_shown_without(namespace: &str, errors: &[Error]) {
    assert!(errors.iter().filter(|error| error.key().is_some()).count() >= 2);
    for error in errors {
        assert!(!format!("{error} {error:?}").contains(namespace), "{error}");
        assert!(error.key().is_none_or(|key| key.starts_with("handles:")), "{error}");
    }
    assert_eq!(Keys::text(1).to_string(), "handles:text:1");
    assert_eq!(format!("{:?}", Keys::text(1)), "Key(\"handles:text:1\")");
}

#[test]
fn a_namespace_prefixes_every_key_on_the_wire_only() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(10_000).build();
        let builder = Redis::builder().embedded(server.clone()).namespace("shop-staging").unwrap();
        let errors = every_command_with_keys(&builder.build().unwrap(), "shop-staging").await;
        assert_shown_without("staging", &errors);
        let log = server.command_log();
        let arguments = log.iter().flat_map(|command| &command.arguments);
        let keys: Vec<_> = arguments
            .map(|key| String::from_utf8_lossy(key))
            .filter(|key| key.contains("handles:"))
            .collect();
        assert!(keys.len() > 40, "{keys:?}");
        for key in keys {
            let rest = key.strip_prefix("shop-staging:handles:");
            // The library's keys next to a key repeat it.
            let rest = rest.and_then(|rest| rest.split("%fill").next());
            assert!(rest.is_some_and(|rest| !rest.contains("staging")), "{key}");
        }
    });
}

#[test]
fn a_namespace_prefixes_keys_on_a_real_server() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let staging = to(&server).namespace("staging").unwrap().build().unwrap();
        let errors = every_command_with_keys(&staging, "staging").await;
        assert_shown_without("staging", &errors);
        let keys = server.redis_cli(&["KEYS", "*"]);
        let keys: Vec<_> = keys.lines().collect();
        assert!(keys.len() >= 3, "{keys:?}");
        assert!(keys.iter().all(|key| key.starts_with("staging:handles:")), "{keys:?}");

        // Two namespaces never see each other's keys, although they share connections.
        let live = to(&server).namespace("live").unwrap().build().unwrap();
        let plain = to(&server).build().unwrap();
        let before = clients(&server);
        for (redis, text) in [(&staging, "s"), (&live, "l"), (&plain, "p")] {
            Keys::text(1).set(text).on(redis).await.unwrap();
        }
        for (redis, text) in [(&staging, "s"), (&live, "l"), (&plain, "p")] {
            assert_eq!(Keys::text(1).get().on(redis).await.unwrap().as_deref(), Some(text));
        }
        assert_eq!(clients(&server), before);
        assert_eq!(staging.stats().connections[0].key, live.stats().connections[0].key);
        assert_eq!(server.redis_cli(&["GET", "handles:text:1"]), "p");
        assert_eq!(server.redis_cli(&["GET", "live:handles:text:1"]), "l");
        // A batch on both keeps them separate.
        let (s, l) = staging.batch((Keys::text(1).get(), Keys::text(1).get().on(&live))).await.unwrap();
        assert_eq!((s.as_deref(), l.as_deref()), (Some("s"), Some("l")));
        let error =
            staging.transaction((Keys::text(1).get(), Keys::text(1).get().on(&live))).await.unwrap_err();
        assert_kind(&error, ErrorKind::InvalidInput);
    });
}

#[test]
fn invalid_namespaces_are_refused() {
    for bad in ["", ":", "a:", ":a", "a:b", "a*", "a?", "[a]", "a\\b", "{a}", "a%b", "a\nb", "a\0"] {
        let error = Redis::builder().namespace(bad).unwrap_err();
        assert!(error.is_configuration() && error.to_string().contains("namespace"), "{bad:?}: {error}");
    }
    for good in ["a", "a-b_c.d", "größe"] {
        assert!(Redis::builder().namespace(good).is_ok(), "{good:?}");
    }
}

both_servers! {
    async fn a_keyspace_can_use_its_own_database(redis: Redis) {
        Keys::text(1).set("in 0").await.unwrap();
        Second::text(1).set("in 2").await.unwrap();
        let second = redis.for_keyspace::<Second>().unwrap();
        let (first_key, second_key) = (wire(&Keys::text(1)), wire(&Second::text(1)));
        // Raw access uses the database of its handle.
        assert_eq!(raw::<Option<String>>(&redis, &["GET", &second_key]).await, None);
        assert_eq!(raw::<Option<String>>(&redis, &["GET", &first_key]).await.as_deref(), Some("in 0"));
        assert_eq!(raw::<Option<String>>(&second, &["GET", &second_key]).await.as_deref(), Some("in 2"));
        assert_eq!(raw::<Option<String>>(&second, &["GET", &first_key]).await, None);
        second.ping().await.unwrap();
        second.connect().await.unwrap();
        // The database of a connection never changes: the same raw connections are reused.
        assert_eq!(raw::<Option<String>>(&redis, &["GET", &first_key]).await.as_deref(), Some("in 0"));
        let dbs: Vec<_> = redis.stats().connections.iter().map(|pool| pool.db).collect();
        assert_eq!(dbs, [0, 2]);
        // A keyspace without a database uses the one of the handle.
        let plain = redis.for_keyspace::<Keys>().unwrap();
        assert_eq!(raw::<Option<String>>(&plain, &["GET", &first_key]).await.as_deref(), Some("in 0"));
        // The handle itself does not count as a keyspace on the pool.
        let refs_of_second = || redis.stats().connections.iter().find(|pool| pool.db == 2).unwrap().refs;
        assert_eq!((second.stats().total, refs_of_second()), (1, 1));
        assert_eq!(second.stats().connections[0].key, redis.stats().connections[1].key);
        drop(second);
        assert_eq!(refs_of_second(), 1);
    }
}

#[test]
fn keyspace_options_override_the_declaration() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = to(&server)
            .db(1)
            .keyspace::<Second>(|options| options.db(5))
            .keyspace::<Second>(|options| options.shared_connections(1))
            .build()
            .unwrap();
        Keys::text(1).set("x").on(&redis).await.unwrap();
        Second::text(1).set("x").on(&redis).await.unwrap();
        assert_eq!(server.redis_cli(&["-n", "1", "KEYS", "*"]), "handles:text:1");
        assert_eq!(server.redis_cli(&["-n", "5", "KEYS", "*"]), "second:text:1", "options add up");
        assert_eq!(server.redis_cli(&["-n", "2", "DBSIZE"]), "0");
        let second = redis.for_keyspace::<Second>().unwrap();
        assert_eq!(raw::<u64>(&second, &["DBSIZE"]).await, 1);
        second.connect().await.unwrap();
        assert_eq!(second.stats().connections[0].shared_connections, 1);
        // Another handle can have other options.
        let plain = to(&server).build().unwrap();
        Second::text(2).set("x").on(&plain).await.unwrap();
        assert_eq!(server.redis_cli(&["-n", "2", "KEYS", "*"]), "second:text:2");
    });
}

#[test]
fn unusable_options_name_their_keyspace() {
    within(PATIENCE, async {
        let embedded = || Redis::builder().embedded(Server::new());
        for (builder, option) in [
            (embedded().keyspace::<Second>(|options| options.shared_connections(0)), "`shared_connections`"),
            (embedded().keyspace::<Second>(|options| options.shared_connections(65)), "`shared_connections`"),
            (
                embedded().keyspace::<Second>(|options| options.exclusive_connections(0)),
                "`exclusive_connections`",
            ),
            (embedded().keyspace::<Second>(|options| options.retries(101)), "`retries`"),
            (embedded().keyspace::<Second>(|options| options.timeout(Duration::ZERO)), "`timeout`"),
            (embedded().keyspace::<Second>(|options| options.timeout(Duration::MAX)), "`timeout`"),
            (embedded().keyspace::<Second>(|options| options.retry_delay(Duration::MAX)), "`retry_delay`"),
        ] {
            let error = builder.build().unwrap_err();
            let text = error.to_string();
            assert!(error.is_configuration() && text.contains("Second") && text.contains(option), "{text}");
        }
        for (builder, option) in [
            (embedded().shared_connections(0), "`shared_connections`"),
            (embedded().exclusive_connections(1025), "`exclusive_connections`"),
            (embedded().retries(101), "`retries`"),
            (embedded().timeout(Duration::ZERO), "`timeout`"),
            (embedded().connect_timeout(Duration::ZERO), "`connect_timeout`"),
            (embedded().client_name("two words"), "client name"),
            (Redis::builder().host(""), "`host`"),
            (Redis::builder().host("h:1"), "`host`"),
            (Redis::builder().port(0), "`port`"),
        ] {
            let error = builder.build().unwrap_err();
            assert!(error.is_configuration() && error.to_string().contains(option), "{error}");
        }
    });
}

#[test]
fn setters_accept_options() {
    within(PATIENCE, async {
        let server = RealServer::builder().password("hunter2").start();
        let builder = Redis::builder().host(Some("127.0.0.1")).port(Some(server.port()));
        let redis = builder
            .password(Some("hunter2".to_owned()))
            .username(Some("default"))
            .client_name(Some(NAME))
            .db(Some(3))
            .namespace(Some("app"))
            .unwrap()
            // `None` changes nothing.
            .host(None::<&str>)
            .port(None)
            .password(None::<String>)
            .username(None::<String>)
            .client_name(None::<&str>)
            .db(None)
            .namespace(None::<&str>)
            .unwrap()
            .build()
            .unwrap();
        Keys::text(1).set("x").on(&redis).await.unwrap();
        assert_eq!(server.redis_cli(&["-n", "3", "KEYS", "*"]), "app:handles:text:1");
        assert!(clients(&server) > 0);
    });
}

#[test]
fn equal_configurations_share_a_pool() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let one = to(&server).build().unwrap();
        let two = to(&server).namespace("other").unwrap().build().unwrap();
        one.connect().await.unwrap();
        assert_eq!(clients(&server), 2, "its lanes");
        two.connect().await.unwrap();
        Keys::text(1).set("x").on(&one).await.unwrap();
        Keys::text(1).set("x").on(&two).await.unwrap();
        Alike::text(1).set("x").on(&two).await.unwrap();
        assert_eq!(clients(&server), 2);
        // The keyspaces of both handles, without the handles themselves.
        assert_eq!((refs(&one), refs(&two)), (vec![3], vec![3]));
        assert_eq!(one.stats().connections[0].key, two.stats().connections[0].key);
        one.raw(ping).await.unwrap();
        two.raw(ping).await.unwrap();
        assert_eq!(clients(&server), 3, "the handles share one connection for raw access");
        let clone = one.clone();
        clone.ping().await.unwrap();
        assert_eq!(refs(&one), [3], "a clone is the same handle");

        // Another database, deadline, protocol, name or password means another pool.
        Second::text(1).set("x").on(&one).await.unwrap();
        Patient::text(1).set("x").on(&one).await.unwrap();
        let connections = one.stats().connections;
        assert_eq!((one.stats().total, connections.len()), (3, 3));
        assert_eq!(
            connections.iter().map(|pool| (pool.db, pool.refs)).collect::<Vec<_>>().last(),
            Some(&(2, 1))
        );
        let mut keys: Vec<_> = connections.iter().map(|pool| pool.key).collect();
        for other in [
            to(&server).timeout(Duration::from_secs(4)),
            to(&server).connect_timeout(Duration::from_secs(1)),
            to(&server).protocol(redis_keyspace::config::Protocol::Resp2),
            to(&server).client_name("another"),
            to(&server).exclusive_connections(1),
            to(&server).shared_connections(1),
            to(&server).retries(0),
            to(&server).retry_delay(MINUTE),
            to(&server).host("localhost"),
        ] {
            let other = other.build().unwrap();
            other.ping().await.unwrap();
            assert_eq!(refs(&other), [0], "a PING uses no keyspace");
            keys.push(other.stats().connections[0].key);
        }
        for password in ["one password", "another password"] {
            let stranger = to(&server).username("stranger").password(password).build().unwrap();
            assert_kind(&stranger.ping().await.unwrap_err(), ErrorKind::AuthenticationFailed);
            keys.push(stranger.stats().connections[0].key);
        }
        let all = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), all);
        assert_eq!(refs(&two), [3]);
    });
}

/// A scan that was not dropped keeps the pool of a closed handle, but no other handle gets it.
#[test]
fn a_handle_like_a_closed_one_has_its_own_connections() {
    within(PATIENCE, async {
        let real = RealServer::start();
        for builder in [Redis::builder().embedded(Server::new()), to(&real)] {
            let open = || builder.clone().build().unwrap();
            let redis = open();
            Keys::text(1).set("x").on(&redis).await.unwrap();
            let mut scan = Keys::text_keys().on(&redis).scan();
            assert!(scan.next().await.is_some());
            redis.close().await;
            let (other, third) = (open(), open());
            assert_eq!(Keys::text(1).get().on(&other).await.unwrap().as_deref(), Some("x"));
            drop(scan);
            // The pools of the two are the same one.
            assert_eq!(Keys::text(1).get().on(&third).await.unwrap().as_deref(), Some("x"));
            assert_eq!((refs(&other), refs(&third)), (vec![2], vec![2]));
        }
    });
}

#[test]
fn dropping_the_last_handle_closes_its_connections() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let (one, two) = (to(&server).build().unwrap(), to(&server).build().unwrap());
        for redis in [&one, &two] {
            redis.connect().await.unwrap();
            Keys::text(1).set("x").on(redis).await.unwrap();
        }
        one.raw(ping).await.unwrap();
        Second::text(1).set("x").on(&one).await.unwrap();
        let (clone, key) = (one.clone(), Keys::text(1).on(&one));
        assert_eq!(refs(&two), [2]);
        drop((one, clone));
        assert_eq!(refs(&two), [2], "a key with a handle keeps the handle alive");
        assert_eq!(key.get().await.unwrap().as_deref(), Some("x"));
        drop(key);
        assert_eq!(refs(&two), [1]);
        // Its own connections are closed, and the shared ones are not.
        eventually("the connections to the second database are closed", async || {
            !server.redis_cli(&["CLIENT", "LIST"]).lines().any(|line| line.contains(" db=2 "))
        })
        .await;
        let before = connects(&two);
        Keys::text(2).set("x").on(&two).await.unwrap();
        assert_eq!((connects(&two), clients(&server)), (before, 3));
        drop(two);
        eventually("all are closed", async || clients(&server) == 0).await;
    });
}

#[test]
fn a_command_in_flight_completes_after_its_handle_is_dropped() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let proxy = Proxy::start(server.address());
        let redis = Redis::open(&server.url_through(&proxy)).unwrap();
        redis.connect().await.unwrap();
        proxy.on("handles:count:1", Fault::Delay(Duration::from_secs(1)));
        let key = Keys::count(1).on(&redis);
        let running = tokio::spawn(key.incr());
        eventually("it is in flight", async || redis.stats().connections[0].in_flight > 0).await;
        drop((redis, key));
        assert_eq!(running.await.unwrap().unwrap(), 1);
        proxy.until(|traffic| traffic.open == 0).await;
    });
}

#[test]
fn dropping_the_last_handle_frees_the_embedded_server() {
    within(PATIENCE, async {
        let server = Server::new();
        let (freed, redis) = (probe(&server), Redis::with_embedded_server(server.clone()));
        Keys::text(1).set("x").on(&redis).await.unwrap();
        Second::text(1).set("x").on(&redis).await.unwrap();
        redis.raw(ping).await.unwrap();
        assert!(server.connection_count() >= 3, "{}", server.connection_count());
        drop(redis);
        eventually("its connections are closed", async || server.connection_count() == 0).await;
        assert!(freed.upgrade().is_some(), "the test still holds the server");
        drop(server);
        eventually("the server is freed", async || freed.upgrade().is_none()).await;

        // The same for the only handle, and for a handle that was closed first.
        for closes in [false, true] {
            let server = Server::new();
            let (freed, redis) = (probe(&server), Redis::with_embedded_server(server));
            Keys::text(1).set("x").on(&redis).await.unwrap();
            if closes {
                redis.close().await;
            }
            drop(redis);
            eventually("the server is freed", async || freed.upgrade().is_none()).await;
        }
    });
}

/// Sends every kind of request to a closed handle, and returns the errors.
async fn refusals(redis: &Redis) -> Vec<Error> {
    vec![
        Keys::text(1).get().on(redis).await.unwrap_err(),
        Keys::text(1).set("x").on(redis).await.unwrap_err(),
        Keys::text(1).on(redis).get().await.unwrap_err(),
        Keys::count(1).incr().on(redis).await.unwrap_err(),
        Second::text(1).get().on(redis).await.unwrap_err(),
        Keys::text(1).get_or_set(|| async { panic!("the loader ran") }).on(redis).await.unwrap_err(),
        redis.scope(Keys::text(1).get()).await.unwrap_err(),
        redis.batch([Keys::text(1).get()]).await.unwrap_err(),
        redis.batch((Keys::text(1).get(), Keys::count(1).incr())).await.unwrap_err(),
        redis.transaction([Keys::text(1).get()]).await.unwrap_err(),
        redis.raw(ping).await.unwrap_err(),
        redis.ping().await.unwrap_err(),
        redis.connect().await.map(drop).unwrap_err(),
        redis.for_keyspace::<Second>().map(drop).unwrap_err(),
    ]
}

#[test]
fn closing_a_handle_does_not_affect_other_handles() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let (one, two) = (to(&server).build().unwrap(), to(&server).build().unwrap());
        for redis in [&one, &two] {
            redis.connect().await.unwrap();
            Keys::text(1).set("x").on(redis).await.unwrap();
            redis.raw(ping).await.unwrap();
        }
        Second::text(1).set("x").on(&one).await.unwrap();
        let (clone, before) = (one.clone(), connects(&two));
        assert!(!one.stats().closed);
        clone.close().await;
        for redis in [&one, &clone] {
            let stats = redis.stats();
            assert!(stats.closed && stats.total == 0 && stats.connections.is_empty(), "{stats:?}");
            for error in refusals(redis).await {
                assert_kind(&error, ErrorKind::Closed);
                assert!(!error.is_unavailable(), "a retry can't succeed: {error}");
            }
        }
        assert!(format!("{one:?}").contains("closed: true"), "{one:?}");
        one.close().await;

        assert!(!two.stats().closed);
        assert_eq!(Keys::text(1).get().on(&two).await.unwrap().as_deref(), Some("x"));
        two.raw(ping).await.unwrap();
        assert_eq!((connects(&two), refs(&two)), (before, vec![1]), "uses its existing connections");
        eventually("the connections to the second database are closed", async || clients(&server) == 3).await;
        two.close().await;
        eventually("all are closed", async || clients(&server) == 0).await;
        // A new handle works.
        let three = to(&server).build().unwrap();
        assert_eq!(Keys::text(1).get().on(&three).await.unwrap().as_deref(), Some("x"));
    });
}

/// Several keyspaces of a handle may share a private pool. The paused clock advances only when all
/// tasks wait, so all commands are sent before the first reply arrives.
#[tokio::test(start_paused = true)]
async fn closing_waits_for_commands_in_flight() {
    let server = Server::new();
    let redis = Redis::with_embedded_server(server.clone());
    Keys::text(1).set("x").on(&redis).await.unwrap();
    Alike::text(1).set("x").on(&redis).await.unwrap();
    server.inject(EmbeddedFault::delay(Duration::from_millis(50)).on("INCRBY")).keep();
    let counts: Vec<_> = (0..10).map(|_| tokio::spawn(Keys::count(1).incr().on(&redis))).collect();
    eventually("the commands are in flight", async || {
        redis.stats().connections.iter().map(|pool| pool.in_flight).sum::<usize>() == 10
    })
    .await;
    redis.close().await;
    assert_eq!(server.get(0, b"handles:count:1").as_deref(), Some(&b"10"[..]), "`close` did not wait");
    for count in counts {
        count.await.unwrap().unwrap();
    }
    eventually("all are closed", async || server.connection_count() == 0).await;
    let again = Redis::with_embedded_server(server);
    assert_eq!(Keys::count(1).get().on(&again).await.unwrap(), 10);
}

/// A command that reports success has counted, and a refused one has not.
#[test]
fn closing_under_load_counts_exactly() {
    let (embedded, real) = (Server::new(), RealServer::start());
    let builders: [Box<dyn Fn() -> RedisBuilder>; 2] =
        [Box::new(|| Redis::builder().embedded(embedded.clone())), Box::new(|| to(&real))];
    for builder in builders {
        within(PATIENCE, async {
            let mut all = 0;
            for _ in 0..20 {
                let redis = builder().build().unwrap();
                let busy = Arc::new(AtomicU32::new(0));
                let tasks: Vec<_> = (0..20)
                    .map(|_| {
                        let (redis, busy) = (redis.clone(), busy.clone());
                        tokio::spawn(async move {
                            let mut counted = 0;
                            loop {
                                match Keys::count(1).incr().on(&redis).await {
                                    Ok(_) => counted += 1,
                                    Err(error) => {
                                        assert_kind(&error, ErrorKind::Closed);
                                        return counted;
                                    }
                                }
                                busy.fetch_add(1, Ordering::Relaxed);
                            }
                        })
                    })
                    .collect();
                eventually("the tasks run", async || busy.load(Ordering::Relaxed) >= 100).await;
                redis.close().await;
                for task in tasks {
                    all += task.await.unwrap();
                }
            }
            let redis = builder().build().unwrap();
            assert_eq!(Keys::count(1).get().on(&redis).await.unwrap(), all);
        });
    }
}

/// Freezes a server while the first connections are opened, closes the handle, and resumes the
/// server.
async fn close_while_waiting(shared: bool) {
    let server = RealServer::start();
    let proxy = Proxy::start(server.address());
    let builder = || {
        let builder = Redis::builder().url(&server.url_through(&proxy)).unwrap().shared_connections(1);
        builder.timeout(MINUTE).connect_timeout(MINUTE)
    };
    let (redis, other) = (builder().build().unwrap(), builder().build().unwrap());
    server.pause();
    let goes_on = shared.then(|| tokio::spawn(Keys::count(2).incr().on(&other)));
    let waiting = [
        // The first task connects, and the second one waits for the result.
        tokio::spawn(Keys::text(1).set("x").on(&redis)),
        tokio::spawn({
            let counting = Keys::count(1).incr().on(&redis);
            async move { counting.await.map(drop) }
        }),
        tokio::spawn({
            let redis = redis.clone();
            async move { redis.batch([Keys::count(1).incr()]).await.map(drop) }
        }),
        tokio::spawn({
            let redis = redis.clone();
            async move {
                let incr = |mut connection: RawConnection| async move {
                    redis::cmd("INCR").arg("handles:count:1").query_async::<()>(&mut connection).await
                };
                redis.raw(incr).await
            }
        }),
        tokio::spawn({
            let redis = redis.clone();
            async move { redis.connect().await.map(drop) }
        }),
    ];
    // HELLO and the commands after it, for the lane and for raw access.
    proxy.until(|traffic| traffic.connections == 2 && traffic.commands >= 2 * 5).await;
    let stats = redis.stats();
    assert_eq!(serde_json::to_value(stats.connections[0].status).unwrap(), "idle");
    tokio::time::timeout(PATIENCE, redis.close()).await.expect("no command is in flight");
    server.resume();
    for waiting in waiting {
        let outcome = tokio::time::timeout(PATIENCE, waiting).await.expect("in time").unwrap();
        let error = outcome.expect_err("the handle was closed while it waited for a connection");
        assert!(error.kind() == ErrorKind::Closed || error.is_unavailable(), "{error}");
    }
    if let Some(goes_on) = goes_on {
        assert_eq!(goes_on.await.unwrap().unwrap(), 1, "the command of another handle keeps waiting");
        assert_eq!(server.redis_cli(&["KEYS", "*"]), "handles:count:2", "nothing else was run");
        other.ping().await.unwrap();
    }
    drop(other);
    proxy.until(|traffic| traffic.open == 0).await;
    assert_eq!(server.redis_cli(&["EXISTS", "handles:text:1", "handles:count:1"]), "0");
}

#[test]
fn closing_fails_commands_that_wait_for_a_connection() {
    within(PATIENCE, close_while_waiting(false));
}

#[test]
fn closing_fails_commands_that_wait_for_a_shared_connection() {
    within(PATIENCE, close_while_waiting(true));
}

#[test]
fn closing_does_not_wait_for_an_undriven_runtime() {
    let server = RealServer::start();
    let redis = to(&server).build().unwrap();
    let asleep = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut running = Box::pin(Keys::count(1).incr().on(&redis));
    asleep.block_on(async {
        redis.connect().await.unwrap();
        redis.raw(ping).await.unwrap();
        server.pause();
        // The request is written at once, and no task reads the reply.
        assert!(
            std::future::poll_fn(|context| Poll::Ready(running.as_mut().poll(context).is_pending())).await
        );
        server.resume();
    });
    within(PATIENCE, async {
        redis.ping().await.unwrap();
        assert_eq!(redis.stats().total, 2);
        tokio::time::timeout(PATIENCE, redis.close())
            .await
            .expect("`close` does not wait for a stalled runtime");
        assert!(redis.stats().closed && redis.stats().total == 0);
        assert_kind(&redis.ping().await.unwrap_err(), ErrorKind::Closed);
    });
    asleep.block_on(async {
        assert_kind(&redis.ping().await.unwrap_err(), ErrorKind::Closed);
        // The command was sent, so it gets its reply.
        assert_eq!(tokio::time::timeout(PATIENCE, running).await.expect("no hang").unwrap(), 1);
        eventually("all are closed", async || clients(&server) == 0).await;
    });
}

/// Returns handles on an embedded server and on a real one, each with a function that counts the
/// connections.
fn of_both_servers() -> [(Redis, Box<dyn Fn() -> usize>); 2] {
    let (embedded, real) = (Server::new(), RealServer::start());
    [
        (Redis::with_embedded_server(embedded.clone()), Box::new(move || embedded.connection_count())),
        (to(&real).build().unwrap(), Box::new(move || clients(&real))),
    ]
}

#[test]
fn a_handle_works_on_consecutive_runtimes() {
    for (redis, connections) in of_both_servers() {
        for round in 1..=4 {
            let runtime = runtime();
            runtime.block_on(async {
                assert_eq!(Keys::count(1).incr().on(&redis).await.unwrap(), round);
                redis.raw(ping).await.unwrap();
                let (count, text) =
                    redis.transaction((Keys::count(1).get(), Keys::text(1).get())).await.unwrap();
                assert_eq!((count, text), (round, None));
                assert_eq!(redis.stats().total, 1, "the pools of ended runtimes are dropped");
            });
            drop(runtime);
        }
        within(PATIENCE, async {
            assert_eq!(Keys::count(1).get().on(&redis).await.unwrap(), 4);
            eventually("the connections of ended runtimes are closed", async || connections() == 1).await;
            redis.close().await;
            eventually("all are closed", async || connections() == 0).await;
        });
    }
}

#[test]
fn a_handle_works_on_two_runtimes_at_once() {
    for (redis, connections) in of_both_servers() {
        let (one, two) = (runtime(), runtime());
        let count = |runtime: &Runtime| {
            let redis = redis.clone();
            runtime.spawn(async move {
                for _ in 0..200 {
                    Keys::count(1).incr().on(&redis).await.unwrap();
                    redis.raw(ping).await.unwrap();
                }
            })
        };
        let counting = [count(&one), count(&two), count(&one), count(&two)];
        one.block_on(async {
            for counting in counting {
                counting.await.unwrap();
            }
            assert_eq!(Keys::count(1).get().on(&redis).await.unwrap(), 800);
        });
        let stats = redis.stats();
        let mut keys: Vec<_> = stats.connections.iter().map(|pool| (pool.key, pool.refs)).collect();
        // Each runtime drives its own connections.
        assert_eq!(keys.len(), 2, "{stats:?}");
        keys.dedup();
        assert_eq!((keys.len(), keys[0].1), (1, 1), "both pools have one configuration: {stats:?}");

        // One runtime ends while the other one works.
        let go_on = count(&two);
        drop(one);
        two.block_on(async {
            go_on.await.unwrap();
            Alike::text(1).set("x").on(&redis).await.unwrap();
            assert_eq!(redis.stats().total, 1);
            redis.close().await;
            eventually("all are closed", async || connections() == 0).await;
        });
    }
}

/// The command is in flight on a runtime that ends, and is awaited on another.
#[test]
fn a_command_fails_when_its_runtime_ends() {
    let server = RealServer::start();
    let redis = to(&server).build().unwrap();
    let ending = runtime();
    let mut running = Box::pin(Keys::text(1).get().on(&redis));
    ending.block_on(async {
        redis.connect().await.unwrap();
        server.pause();
        assert!(
            std::future::poll_fn(|context| Poll::Ready(running.as_mut().poll(context).is_pending())).await
        );
    });
    drop(ending);
    server.resume();
    within(PATIENCE, async {
        let outcome =
            tokio::time::timeout(PATIENCE, running).await.expect("no command waits for a dropped driver");
        assert_kind(&outcome.unwrap_err(), ErrorKind::ConnectionLost);
        assert_eq!(Keys::text(1).get().on(&redis).await.unwrap(), None);
    });
}

fn names(value: &serde_json::Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn stats_are_json_for_a_status_page() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = to(&server).build().unwrap();
        let json = |redis: &Redis| serde_json::to_value(redis.stats()).unwrap();
        let fresh = serde_json::json!({
            "total": 0,
            "closed": false,
            "connections": [],
            "degraded": 0,
            "fills": {
                "hits": 0, "misses": 0, "coalesced": 0, "stale": 0, "absent": 0, "refreshed": 0, "failed": 0,
                "undecodable": 0, "not_stored": 0, "superseded": 0,
            },
        });
        assert_eq!(json(&redis), fresh, "no connection was needed yet");
        redis.connect().await.unwrap();
        Keys::text(1).set("x").on(&redis).await.unwrap();
        Second::text(1).get_or_set(|| async { "x".into() }).on(&redis).await.unwrap();
        let stats = json(&redis);
        assert_eq!(names(&stats), ["closed", "connections", "degraded", "fills", "total"]);
        assert_eq!((&stats["total"], &stats["fills"]["misses"]), (&2.into(), &1.into()));
        let pools = stats["connections"].as_array().unwrap();
        assert_eq!(pools.len(), 2);
        for (pool, typed) in pools.iter().zip(redis.stats().connections) {
            let known = [
                "breaker",
                "breaker_opened",
                "connects",
                "db",
                "endpoint",
                "exclusive_connections_closed",
                "exclusive_connections_idle",
                "exclusive_connections_in_use",
                "exclusive_connections_wait_ms",
                "exclusive_connections_waiting",
                "failed_connects",
                "in_flight",
                "key",
                "last_error",
                "lost_connections",
                "queued",
                "refs",
                "shared_connections",
                "status",
            ];
            assert_eq!(names(pool), known);
            assert_eq!(pool["key"], typed.key.to_string());
            assert_eq!(pool["status"], "ready");
            assert_eq!(pool["endpoint"], server.address().to_string());
            assert_eq!(pool["last_error"], serde_json::Value::Null);
        }
        let key = pools[0]["key"].as_str().unwrap();
        assert!(key.len() == 16 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
        let column = |name: &str| pools.iter().map(|pool| pool[name].as_u64().unwrap()).collect::<Vec<_>>();
        assert_eq!((column("db"), column("refs")), (vec![0, 2], vec![1, 1]));
        server.kill();
        assert!(redis.ping().await.unwrap_err().is_unavailable());
        let lost = json(&redis);
        assert_eq!(lost["connections"][0]["status"], "disconnected");
        assert!(lost["connections"][0]["last_error"].as_str().unwrap().contains(&server.port().to_string()));
        redis.close().await;
        let closed = json(&redis);
        assert_eq!((&closed["total"], &closed["closed"]), (&0.into(), &true.into()));
        assert_eq!(closed["connections"], serde_json::json!([]));
        assert_eq!(closed["fills"], stats["fills"], "what was, was");
    });
}

#[test]
fn connect_reports_the_problem() {
    within(PATIENCE, async {
        let nowhere = Redis::open("redis://127.0.0.1:1").unwrap();
        for error in [nowhere.connect().await.map(drop).unwrap_err(), nowhere.ping().await.unwrap_err()] {
            assert_kind(&error, ErrorKind::Unavailable);
            assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
        }
        let socket = Redis::builder().unix_socket("/no/such/socket").build().unwrap();
        let error = socket.connect().await.unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains("/no/such/socket"), "{error}");
        let builder = Redis::builder().url(&shared_server().url()).unwrap();
        let redis = builder.keyspace::<Second>(|options| options.db(99)).build().unwrap();
        redis.connect().await.unwrap();
        let error = redis.for_keyspace::<Second>().unwrap().connect().await.map(drop).unwrap_err();
        assert!(
            error.to_string().contains("SELECT") && error.to_string().contains("out of range"),
            "{error}"
        );
        // Returns the handle itself, for code such as `let redis = Redis::from_env()?;
        // redis.connect().await?`.
        assert_eq!(redis.connect().await.unwrap().stats().total, 1);
    });
}

both_servers! {
    async fn a_ping_has_a_deadline(redis: Redis) {
        let start = Instant::now();
        let took = redis.ping().await.unwrap();
        assert!(took > Duration::ZERO && took <= start.elapsed(), "{took:?}");
        assert_eq!(redis.stats().connections[0].shared_connections, 1, "one connection is enough for a PING");
    }

    async fn raw_access_keeps_the_error_of_the_driver(redis: Redis) {
        let text = wire(&Keys::text(1));
        Keys::text(1).set("x").await.unwrap();
        let push = |mut connection: RawConnection| async move {
            redis::cmd("LPUSH").arg(text).arg("y").query_async::<()>(&mut connection).await
        };
        let error = redis.raw(push).await.unwrap_err();
        let source = error.source().unwrap().downcast_ref::<redis::RedisError>();
        assert_eq!(source.expect("the driver's error is the source").code(), Some("WRONGTYPE"));
    }
}

/// Many handles on one server, each with a namespace, like in a test suite.
#[test]
fn a_thousand_handles_share_one_pool() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let handles: Vec<_> =
            (0..1000).map(|_| to(&server).namespace(unique_namespace()).unwrap().build().unwrap()).collect();
        let tasks: Vec<_> =
            handles.iter().map(|redis| tokio::spawn(Keys::count(1).incr().on(redis))).collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap(), 1);
        }
        assert!(clients(&server) <= 2);
        assert_eq!(refs(&handles[0]), [1000]);
        drop(handles);
        eventually("all are closed", async || clients(&server) == 0).await;
    });
}
