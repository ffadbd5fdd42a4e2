//! Credentials that a provider returns, on servers whose users change.

use std::future::{Ready, ready};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis_keyspace::channel::Event;
use redis_keyspace::config::{Credentials, LoginMode, Protocol};
use redis_keyspace::raw::RawConnection;
use redis_keyspace::stats::BreakerState;
use redis_keyspace::{Channel, ErrorKind, Keyspace, Redis, RedisBuilder, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, RealServer, eventually, secrets, within};
use tokio::sync::{Notify, Semaphore};

const MINUTE: Duration = Duration::from_secs(60);
/// The lifetime of tokens that are replaced while a test runs: after one second.
const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(3600);

#[derive(Keyspace)]
#[keyspace(prefix = "credentials", ttl = 3600)]
struct Keys {
    text: fn(id: u64) -> Text,
    room: fn(id: u64) -> Channel<Text>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "other", db = 3, ttl = 3600)]
struct OtherKeys {
    text: fn(id: u64) -> Text,
}

/// A server whose users the tests change. Each connection must log in.
enum TestServer {
    Embedded(Server),
    Real(Box<RealServer>),
}

impl TestServer {
    fn embedded() -> Self {
        Self::Embedded(Server::builder().password("root").log_commands(10_000).build())
    }

    fn real() -> Self {
        Self::Real(Box::new(RealServer::builder().password("root").start()))
    }

    /// Adds a user, or replaces its password.
    fn set(&self, user: &str, password: &str) {
        match self {
            Self::Embedded(server) => server.set_user(user, password),
            Self::Real(server) => {
                let password = format!(">{password}");
                server.redis_cli(&[
                    "ACL",
                    "SETUSER",
                    user,
                    "on",
                    "resetpass",
                    &password,
                    "~*",
                    "&*",
                    "+@all",
                ]);
            }
        }
    }

    fn delete(&self, user: &str) {
        match self {
            Self::Embedded(server) => assert!(server.remove_user(user)),
            Self::Real(server) => assert_eq!(server.redis_cli(&["ACL", "DELUSER", user]), "1"),
        }
    }

    fn builder(&self) -> RedisBuilder {
        let builder = match self {
            Self::Embedded(server) => Redis::builder().embedded(server.clone()),
            Self::Real(server) => Redis::builder().host("127.0.0.1").port(server.port()),
        };
        builder.timeout(MINUTE).connect_timeout(MINUTE)
    }

    /// The ids and the users of the open connections of the handles, as another user sees them.
    async fn connections(&self) -> Vec<(u64, String)> {
        let root = self.builder().password("root").client_name("root").build().unwrap();
        let list: String = root.raw(list).await.unwrap();
        root.close().await;
        let field = |line: &str, name: &str| {
            let field = line.split(' ').find_map(|field| field.strip_prefix(name).map(str::to_owned));
            field.unwrap_or_else(|| panic!("{name} in {line}"))
        };
        let lines = list.lines().map(|line| line.trim_start_matches("txt:"));
        let others = lines.filter(|line| !line.is_empty() && field(line, "name=") != "root");
        others.map(|line| (field(line, "id=").parse().unwrap(), field(line, "user="))).collect()
    }

    async fn users(&self) -> Vec<String> {
        self.connections().await.into_iter().map(|(_, user)| user).collect()
    }

    /// Waits until all connections, of which there are this many, belong to the user.
    async fn all_are(&self, user: &str, count: usize) {
        eventually("all connections log in", async || self.users().await == vec![user.to_owned(); count])
            .await;
    }
}

async fn list(mut connection: RawConnection) -> redis::RedisResult<String> {
    redis::cmd("CLIENT").arg("LIST").query_async(&mut connection).await
}

async fn ping(mut connection: RawConnection) -> redis::RedisResult<()> {
    redis::cmd("PING").query_async(&mut connection).await
}

/// What a source has: credentials with their lifetime after each call, or why it fails.
type Stored = Result<(Credentials, Option<Duration>), String>;

/// A source of credentials that counts its calls.
#[derive(Clone)]
struct Vault {
    calls: Arc<AtomicUsize>,
    stored: Arc<Mutex<Stored>>,
}

impl Vault {
    /// Issues these credentials, which are valid for this long after each call.
    fn of(credentials: Credentials, lifetime: impl Into<Option<Duration>>) -> Self {
        Self { calls: Arc::default(), stored: Arc::new(Mutex::new(Ok((credentials, lifetime.into())))) }
    }

    fn set(&self, credentials: Credentials, lifetime: impl Into<Option<Duration>>) {
        *self.stored.lock().unwrap() = Ok((credentials, lifetime.into()));
    }

    fn fail(&self) {
        *self.stored.lock().unwrap() = Err("the vault is sealed".to_owned());
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn provider(&self) -> impl Fn() -> Ready<Result<Credentials, String>> + use<> {
        let vault = self.clone();
        move || {
            vault.calls.fetch_add(1, Ordering::SeqCst);
            let stored = vault.stored.lock().unwrap().clone();
            ready(stored.map(|(credentials, lifetime)| match lifetime {
                Some(lifetime) => credentials.expires_in(lifetime),
                None => credentials,
            }))
        }
    }
}

/// A source that issues the next of these tokens at each call, and then the last one again. The
/// user has the name of the token, and each token but the last one expires soon.
fn tokens(
    names: &'static [&'static str],
) -> (Arc<AtomicUsize>, impl Fn() -> Ready<Result<Credentials, String>>) {
    let calls = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&calls);
    (calls, move || {
        let nth = counted.fetch_add(1, Ordering::SeqCst).min(names.len() - 1);
        let lifetime = if nth + 1 == names.len() { LONG } else { SHORT };
        ready(Ok(Credentials::new(names[nth], format!("{}-token", names[nth])).expires_in(lifetime)))
    })
}

fn app(password: &str) -> Credentials {
    Credentials::new("app", password)
}

/// Turns each function into two tests, `name::embedded` and `name::real`.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($server:ident: TestServer) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn body($server: TestServer) $body

            #[test]
            $(#[$meta])*
            fn embedded() {
                within(PATIENCE, async { body(TestServer::embedded()).await });
            }

            #[test]
            $(#[$meta])*
            fn real() {
                within(PATIENCE, async { body(TestServer::real()).await });
            }
        }
    )*};
}

on_both! {
    async fn all_connections_use_the_credentials_of_one_call(server: TestServer) {
        server.set("app", "one");
        for (protocol, login) in [
            (Protocol::Auto, LoginMode::Auto),
            (Protocol::Resp2, LoginMode::Minimal),
            (Protocol::Resp3, LoginMode::Auto),
            (Protocol::Auto, LoginMode::Plain),
        ] {
            let vault = Vault::of(app("one"), LONG);
            let builder = server.builder().protocol(protocol).login(login).credentials(vault.provider());
            let redis = builder.build().unwrap();
            redis.connect().await.unwrap();
            redis.raw(ping).await.unwrap();
            Keys::text(1).set("x").on(&redis).await.unwrap();
            // Another database has its own connections.
            OtherKeys::text(1).set("x").on(&redis).await.unwrap();
            OtherKeys::text(1).get().on(&redis).await.unwrap();
            let users = server.users().await;
            assert!(users.len() >= 4 && users.iter().all(|user| user == "app"), "{users:?}");
            assert_eq!(vault.calls(), 1, "{protocol:?}");
            redis.close().await;
            eventually("all are closed", async || server.users().await.is_empty()).await;
        }
    }

    async fn a_user_without_a_name_is_the_default_user(server: TestServer) {
        let vault = Vault::of(Credentials::of_default_user("root"), None);
        let redis = server.builder().credentials(vault.provider()).shared_connections(1).build().unwrap();
        redis.connect().await.unwrap();
        redis.raw(ping).await.unwrap();
        // Without an expiry time, each connection asks.
        assert_eq!(vault.calls(), 2);
        assert_eq!(server.users().await, ["default", "default"]);
    }

    async fn concurrent_connections_share_one_call(server: TestServer) {
        server.set("app", "one");
        let (calls, gate) = (Arc::<AtomicUsize>::default(), Arc::new(Semaphore::new(0)));
        let provider = {
            let (calls, gate) = (Arc::clone(&calls), Arc::clone(&gate));
            move || {
                let (calls, gate) = (Arc::clone(&calls), Arc::clone(&gate));
                async move {
                    calls.fetch_add(1, Ordering::SeqCst);
                    gate.acquire().await.map(drop)?;
                    Ok::<_, tokio::sync::AcquireError>(app("one").expires_in(LONG))
                }
            }
        };
        let redis = server.builder().shared_connections(8).credentials(provider).build().unwrap();
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let redis = redis.clone();
                tokio::spawn(async move {
                    Keys::text(n).set("x").on(&redis).await?;
                    OtherKeys::text(n).set("x").on(&redis).await
                })
            })
            .collect();
        eventually("the provider is called", async || calls.load(Ordering::SeqCst) > 0).await;
        gate.add_permits(1);
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    async fn a_changed_password_is_asked_for_when_it_is_rejected(server: TestServer) {
        server.set("app", "one");
        let vault = Vault::of(app("one"), LONG);
        let redis = server.builder().credentials(vault.provider()).shared_connections(1).build().unwrap();
        redis.connect().await.unwrap();
        // Open connections go on with a password that was changed.
        server.set("app", "two");
        vault.set(app("two"), LONG);
        Keys::text(1).set("x").on(&redis).await.unwrap();
        assert_eq!(vault.calls(), 1);
        // A new connection needs the new one. The open connection logs in with it, too.
        let lane = server.connections().await[0].0;
        redis.raw(ping).await.unwrap();
        assert_eq!(vault.calls(), 2);
        Keys::text(1).get().on(&redis).await.unwrap();
        let connections = server.connections().await;
        assert!(connections.iter().any(|(id, _)| *id == lane), "{connections:?}");
        assert_eq!(redis.stats().connections[0].lost_connections, 0);

        // If the provider returns the rejected password again, that is the answer.
        server.set("app", "three");
        server.delete("app");
        server.set("app", "three");
        eventually("the connections are lost", async || server.users().await.is_empty()).await;
        let calls = vault.calls();
        let error = redis.connect().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::AuthenticationFailed, Some("WRONGPASS")), "{error}");
        assert!(error.to_string().contains("rejected the user `app`"), "{error}");
        secrets::assert_absent("two", [format!("{error:?}")]);
        assert!(vault.calls() > calls);
        let calls = vault.calls();
        redis.connect().await.unwrap_err();
        assert!(vault.calls() - calls <= 2, "once for the connection, once more after the rejection");
        vault.set(app("three"), None);
        redis.connect().await.unwrap();
    }

    async fn a_deleted_user_is_replaced(server: TestServer) {
        server.set("app", "one");
        server.set("next", "two");
        let vault = Vault::of(app("one"), LONG);
        let redis = server.builder().credentials(vault.provider()).retries(10).build().unwrap();
        redis.connect().await.unwrap();
        redis.raw(ping).await.unwrap();
        vault.set(Credentials::new("next", "two"), LONG);
        server.delete("app");
        eventually("the connections are lost", async || !server.users().await.contains(&"app".to_owned())).await;
        Keys::text(1).set("x").on(&redis).await.unwrap();
        redis.raw(ping).await.unwrap();
        redis.connect().await.unwrap();
        assert_eq!(vault.calls(), 2);
        server.all_are("next", 3).await;
    }

    async fn open_connections_log_in_again_before_the_token_expires(server: TestServer) {
        server.set("a", "a-token");
        server.set("b", "b-token");
        let (calls, provider) = tokens(&["a", "b"]);
        let redis = server.builder().credentials(provider).retries(0).build().unwrap();
        redis.connect().await.unwrap();
        redis.raw(ping).await.unwrap();
        let before = server.connections().await;
        // Commands go on all the time.
        let (stop, commands) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let tasks: Vec<_> = (0..20)
            .map(|task| {
                let (redis, stop, commands) = (redis.clone(), Arc::clone(&stop), Arc::clone(&commands));
                tokio::spawn(async move {
                    let mut nth = 0_u64;
                    while !stop.load(Ordering::SeqCst) {
                        nth += 1;
                        let value = format!("{task}-{nth}");
                        Keys::text(task).set(&value).on(&redis).await.unwrap();
                        assert_eq!(Keys::text(task).get().on(&redis).await.unwrap(), Some(value));
                        commands.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        // The idle exclusive connection logs in when it is used.
        eventually("the lanes log in", async || server.users().await.iter().filter(|user| *user == "b").count() == 2).await;
        redis.raw(ping).await.unwrap();
        server.all_are("b", 3).await;
        let so_far = commands.load(Ordering::SeqCst);
        eventually("commands go on", async || commands.load(Ordering::SeqCst) > so_far + 20).await;
        stop.store(true, Ordering::SeqCst);
        for task in tasks {
            task.await.unwrap();
        }
        let after: Vec<_> = server.connections().await.into_iter().map(|(id, _)| id).collect();
        assert_eq!(after, before.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), "no connection was dropped");
        assert_eq!(redis.stats().connections[0].lost_connections, 0);
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }

    /// With RESP3, the connection stays open, so no message is missing.
    async fn a_subscription_logs_in_again_before_the_token_expires(server: TestServer) {
        server.set("a", "a-token");
        server.set("b", "b-token");
        let (_, provider) = tokens(&["a", "b"]);
        let redis = server.builder().protocol(Protocol::Resp3).credentials(provider).build().unwrap();
        let mut messages = Keys::room(1).subscribe().on(&redis).await.unwrap();
        redis.connect().await.unwrap();
        eventually("all connections log in", async || {
            let users = server.users().await;
            users.len() > 1 && users.iter().all(|user| user == "b")
        })
        .await;
        Keys::room(1).publish("x").on(&redis).await.unwrap();
        assert_eq!(messages.next().await.unwrap().unwrap(), Event::Message("x".to_owned()));
        assert_eq!(redis.stats().connections[0].lost_connections, 0);
    }

    /// Waiting may not help, so it is told once.
    async fn a_subscription_is_told_that_its_user_was_deleted(server: TestServer) {
        server.set("app", "one");
        let redis = server.builder().username("app").password("one").build().unwrap();
        let publisher = server.builder().password("root").build().unwrap();
        let mut messages = Keys::room(1).subscribe().on(&redis).await.unwrap();
        server.delete("app");
        let error = messages.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthenticationFailed, "{error}");
        let failed = || redis.stats().connections[0].failed_connects;
        let before = failed();
        eventually("it tries again", async || failed() > before + 1).await;
        server.set("app", "one");
        assert_eq!(messages.next().await.unwrap().unwrap(), Event::Resubscribed);
        Keys::room(1).publish("x").on(&publisher).await.unwrap();
        assert_eq!(messages.next().await.unwrap().unwrap(), Event::Message("x".to_owned()));
    }

    async fn a_rejected_token_leaves_the_connection_its_user(server: TestServer) {
        server.set("a", "a-token");
        server.set("c", "c-token");
        let (calls, provider) = tokens(&["a", "unknown", "c"]);
        let redis = server.builder().credentials(provider).retries(0).build().unwrap();
        redis.connect().await.unwrap();
        let before = server.connections().await;
        // Many servers do not answer a rejected AUTH behind other commands. If it was sent there, a
        // caller would get the reply to another command.
        let tasks: Vec<_> = (0..20)
            .map(|task| {
                let (redis, calls) = (redis.clone(), Arc::clone(&calls));
                tokio::spawn(async move {
                    // Nothing but the third token ends the test.
                    for nth in 0_u64.. {
                        let value = format!("{task}-{nth}");
                        Keys::text(task).set(&value).on(&redis).await.unwrap();
                        assert_eq!(Keys::text(task).get().on(&redis).await.unwrap(), Some(value));
                        if calls.load(Ordering::SeqCst) >= 3 {
                            break;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        server.all_are("c", 2).await;
        assert_eq!(calls.load(Ordering::SeqCst), 3);
        let after = server.connections().await;
        assert!(before.iter().zip(&after).all(|(before, after)| before.0 == after.0), "{before:?} {after:?}");
        assert_eq!(redis.stats().connections[0].lost_connections, 0);
    }

    async fn an_exclusive_connection_whose_token_is_rejected_is_replaced(server: TestServer) {
        server.set("app", "one");
        let vault = Vault::of(app("one"), SHORT);
        let redis = server.builder().credentials(vault.provider()).build().unwrap();
        redis.raw(ping).await.unwrap();
        let first = server.connections().await;
        server.set("app", "two");
        vault.set(app("wrong"), LONG);
        // When the token is due, the next one is rejected. The connection that replaces this one is
        // rejected, too.
        eventually("the token is due", async || {
            let outcome = redis.raw(ping).await;
            vault.calls() > 1 && outcome.is_err_and(|error| error.kind() == ErrorKind::AuthenticationFailed)
        })
        .await;
        vault.set(app("two"), LONG);
        redis.raw(ping).await.unwrap();
        // The server may still have one that was rejected.
        eventually("one is left", async || server.connections().await.len() == 1).await;
        let second = server.connections().await;
        assert_eq!(first.len(), 1);
        assert_ne!(first, second);
        redis.raw(ping).await.unwrap();
        assert_eq!(server.connections().await, second);
    }

    async fn a_failing_provider_is_unavailable_and_opens_the_breaker(server: TestServer) {
        server.set("app", "one");
        let vault = Vault::of(app("one"), None);
        vault.fail();
        let builder = server.builder().credentials(vault.provider()).retries(1);
        let redis = builder.breaker(3, Duration::from_millis(20)).build().unwrap();
        let error = Keys::text(1).get().on(&redis).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("the credentials provider failed: the vault is sealed"), "{error}");
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "the vault is sealed");
        assert!(vault.calls() >= 2, "the command is retried");
        assert!(server.users().await.is_empty(), "no connection was made");
        eventually("the breaker opens", async || {
            let error = Keys::text(1).get().on(&redis).await.unwrap_err();
            assert!(error.is_unavailable(), "{error}");
            error.is_breaker_open()
        })
        .await;
        assert!(redis.raw(ping).await.unwrap_err().is_unavailable());
        let stats = redis.stats();
        assert_ne!(stats.connections[0].breaker, BreakerState::Closed);
        assert!(stats.connections[0].last_error.as_ref().unwrap().contains("the vault is sealed"));
        vault.set(app("one"), None);
        eventually("commands work", async || Keys::text(1).get().on(&redis).await.is_ok()).await;
    }

    async fn a_silent_provider_is_unavailable_in_time(server: TestServer) {
        server.set("app", "one");
        let (answers, calls) = (Arc::new(Notify::new()), Arc::<AtomicUsize>::default());
        let provider = {
            let (answers, calls) = (Arc::clone(&answers), Arc::clone(&calls));
            move || {
                let (answers, calls) = (Arc::clone(&answers), Arc::clone(&calls));
                async move {
                    calls.fetch_add(1, Ordering::SeqCst);
                    answers.notified().await;
                    Ok::<_, std::io::Error>(app("one"))
                }
            }
        };
        let limits = [(MINUTE, Duration::from_millis(200)), (Duration::from_millis(200), MINUTE)];
        for (timeout, connect_timeout) in limits {
            let builder = server.builder().credentials(provider.clone()).retries(0);
            let redis = builder.timeout(timeout).connect_timeout(connect_timeout).build().unwrap();
            for error in [redis.connect().await.unwrap_err(), Keys::text(1).get().on(&redis).await.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                assert!(error.is_timeout() && error.to_string().contains("the credentials provider did not return in time"), "{error}");
            }
        }
        let redis = server.builder().credentials(provider).timeout(Duration::from_millis(200)).build().unwrap();
        redis.connect().await.unwrap_err();
        // The call goes on, and its result is used.
        let before = calls.load(Ordering::SeqCst);
        answers.notify_waiters();
        eventually("the connection is made", async || redis.connect().await.is_ok() || { answers.notify_waiters(); false }).await;
        assert!(calls.load(Ordering::SeqCst) >= before);
    }

    async fn a_panicking_provider_is_unavailable(server: TestServer) {
        server.set("app", "one");
        let calls = AtomicUsize::new(0);
        let provider = move || {
            let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                assert!(!is_first, "a panic of the provider");
                Ok::<_, String>(app("one"))
            }
        };
        let redis = server.builder().credentials(provider).retries(0).build().unwrap();
        let error = redis.connect().await.unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains("panicked"), "{error}");
        redis.connect().await.unwrap();
    }

    async fn valid_credentials_outlive_a_failing_provider(server: TestServer) {
        server.set("app", "one");
        // Without an expiry time, the provider is called for each connection.
        let vault = Vault::of(app("one"), None);
        let redis = server.builder().credentials(vault.provider()).shared_connections(1).build().unwrap();
        redis.connect().await.unwrap();
        vault.fail();
        redis.raw(ping).await.unwrap();
        assert_eq!(vault.calls(), 2);
        server.all_are("app", 2).await;
    }

    async fn a_provider_of_one_handle_is_not_called_for_another(server: TestServer) {
        server.set("a", "a-token");
        server.set("b", "b-token");
        let of = |user: &str| Vault::of(Credentials::new(user, format!("{user}-token")), LONG);
        let (a, b) = (of("a"), of("b"));
        let one = server.builder().credentials(a.provider()).shared_connections(1);
        let (same, other) = (one.clone(), one.clone().credentials(b.provider()));
        let handles = [one, same, other].map(|builder| builder.build().unwrap());
        for handle in &handles {
            handle.connect().await.unwrap();
        }
        let mut users = server.users().await;
        users.sort();
        assert_eq!(users, ["a", "b"], "clones share a pool");
        assert_eq!((a.calls(), b.calls()), (1, 1));
    }
}

/// The connection is silent for longer than its timeout before it logs in again.
#[tokio::test(start_paused = true)]
async fn an_idle_subscription_that_logs_in_again_is_not_lost() {
    let server = Server::builder().password("root").user("a", "x").user("b", "x").build();
    let vault = Vault::of(Credentials::new("a", "x"), Duration::from_secs(4));
    let builder = Redis::builder().embedded(server.clone()).protocol(Protocol::Resp3);
    let builder = builder.credentials(vault.provider()).timeout(Duration::from_secs(1)).ping_interval(None);
    let redis = builder.build().unwrap();
    let mut messages = Keys::room(1).subscribe().on(&redis).await.unwrap();
    vault.set(Credentials::new("b", "x"), LONG);
    let server = TestServer::Embedded(server);
    eventually("it logs in", async || server.users().await.contains(&"b".to_owned())).await;
    tokio::time::sleep(MINUTE).await;
    Keys::room(1).publish("x").on(&redis).await.unwrap();
    assert_eq!(messages.next().await.unwrap().unwrap(), Event::Message("x".to_owned()));
    assert_eq!(redis.stats().connections[0].lost_connections, 0);
}

/// The log of the embedded server shows what was sent, in order.
#[tokio::test(start_paused = true)]
async fn a_token_is_replaced_after_80_to_90_percent_of_its_lifetime() {
    let server = Server::builder().password("root").user("app", "a").log_commands(10_000).build();
    let vault = Vault::of(app("a"), LONG);
    let redis = Redis::builder().embedded(server.clone()).credentials(vault.provider()).ping_interval(None);
    let redis = redis.build().unwrap();
    redis.connect().await.unwrap();
    let auths = || server.command_log().iter().filter(|command| command.arguments[0] == "AUTH").count();
    let start = tokio::time::Instant::now();
    for (password, so_far) in [("b", 1), ("c", 2), ("d", 3)] {
        server.set_user("app", password);
        vault.set(app(password), LONG);
        let issued = tokio::time::Instant::now();
        tokio::time::sleep(LONG.mul_f64(0.79)).await;
        assert_eq!((vault.calls(), auths()), (so_far, 2 * (so_far - 1)), "too early");
        while auths() < 2 * so_far {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let part = issued.elapsed().as_secs_f64() / LONG.as_secs_f64();
        assert!((0.79..0.91).contains(&part), "{part}");
        assert_eq!(vault.calls(), so_far + 1);
    }
    assert!(start.elapsed() < LONG * 3);
    // When the provider fails, it is called again with pauses until the token expires, and after
    // that. The connections stay open.
    vault.fail();
    let calls = vault.calls();
    tokio::time::sleep(LONG).await;
    let failed = vault.calls() - calls;
    assert!((5..=60).contains(&failed), "{failed} calls");
    assert_eq!(redis.stats().connections[0].lost_connections, 0);
    redis.ping().await.unwrap();
    // Without connections, nothing calls it.
    redis.close().await;
    let calls = vault.calls();
    tokio::time::sleep(LONG).await;
    assert!(vault.calls() <= calls + 1);
}

/// A runtime that is not driven does not block the connections of another one.
#[test]
fn each_runtime_asks_for_itself() {
    let server = Server::builder().password("root").user("app", "a").build();
    let vault = Vault::of(app("a"), LONG);
    let redis = Redis::builder().embedded(server).credentials(vault.provider()).build().unwrap();
    let runtimes =
        [(); 2].map(|()| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    for runtime in &runtimes {
        runtime.block_on(async { redis.connect().await.map(drop) }).unwrap();
    }
    assert_eq!(vault.calls(), 2);
}
