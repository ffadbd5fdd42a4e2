//! Checks that a password appears only on the wire.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis_keyspace::config::{Credentials, Protocol};
use redis_keyspace::raw::RawConnection;
use redis_keyspace::{Error, Keyspace, Redis, Text};
use redis_keyspace_tests::{PATIENCE, RealServer, eventually, secrets, within};

/// Passwords with characters that are special in URLs, logs or quoted strings.
const PASSWORDS: [&str; 4] = ["p@ss:w/rd?#[]%41 end", "quote\"'\\back", "grüße-🦀-geheim", "plain-hunter2"];

#[derive(Keyspace)]
#[keyspace(prefix = "secrets", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u32) -> Text,
}

/// A subscriber that captures all spans and events with their fields.
#[derive(Clone, Default)]
pub(crate) struct Capture(pub(crate) Arc<Mutex<String>>);

impl tracing::Subscriber for Capture {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        span.record(&mut Fields(&mut self.0.lock().unwrap()));
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = self.0.lock().unwrap();
        writeln!(text, "{}", event.metadata().target()).unwrap();
        event.record(&mut Fields(&mut text));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

struct Fields<'t>(&'t mut String);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let _ = writeln!(self.0, "{field} = {value:?}");
    }
}

/// Returns the capture of this process, for all threads.
fn traced() -> Capture {
    static CAPTURE: std::sync::OnceLock<Capture> = std::sync::OnceLock::new();
    CAPTURE
        .get_or_init(|| {
            let capture = Capture::default();
            tracing::subscriber::set_global_default(capture.clone()).unwrap();
            capture
        })
        .clone()
}

/// Returns all texts of an error, including all its sources.
pub(crate) fn shown(error: &Error) -> String {
    let mut text = format!("{error}\n{error:?}\n{error:#?}\n");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let _ = write!(text, "{error}\n{error:?}\n{error:#?}\n");
        source = error.source();
    }
    text
}

async fn ping(mut connection: RawConnection) -> redis::RedisResult<()> {
    redis::cmd("PING").query_async(&mut connection).await
}

/// Uses a handle in every way, and collects all visible texts.
async fn seen(redis: &Redis) -> Vec<String> {
    let mut texts = vec![format!("{redis:?} {redis:#?}")];
    for outcome in [
        redis.connect().await.map(drop),
        Keys::text(1).set("x").on(redis).await,
        Keys::text(1).get().on(redis).await.map(drop),
        redis.raw(ping).await,
        redis.batch((Keys::text(1).get(), Keys::text(2).get())).await.map(drop),
        redis.transaction([Keys::text(1).get()]).await.map(drop),
        Keys::text(1).get_or_set(|| async { "x".to_owned() }).on(redis).await.map(drop),
    ] {
        texts.extend(outcome.err().map(|error| shown(&error)));
    }
    let panicked = tokio::spawn({
        let redis = redis.clone();
        async move {
            redis.raw(ping).await.unwrap();
            panic!("{redis:?}");
        }
    });
    let panic = panicked.await.unwrap_err().into_panic();
    texts.push(panic.downcast_ref::<String>().unwrap().clone());
    let stats = redis.stats();
    texts.push(format!("{stats:?} {}", serde_json::to_string(&stats).unwrap()));
    let key = Keys::text(1).on(redis);
    let command = Keys::text(1).set("x").on(redis);
    let batch = redis.batch((Keys::text(1).get().on(redis),));
    texts.push(format!("{key:?} {command:?} {batch:?} {:?}", Keys::text(1).get().on(redis)));
    texts
}

#[test]
fn a_right_password_appears_nowhere() {
    let traced = traced();
    for password in PASSWORDS {
        within(PATIENCE, async {
            let server = RealServer::builder().password(password).start();
            let builder = Redis::builder().url(&server.url()).unwrap();
            secrets::assert_absent(password, [format!("{builder:?} {builder:#?}")]);
            let redis = builder.build().unwrap();
            redis.connect().await.unwrap();
            let texts = seen(&redis).await;
            assert!(texts.len() <= 5, "it works: {texts:?}");
            secrets::assert_absent(password, texts);
            server.kill();
            secrets::assert_absent(password, seen(&redis).await);
        });
        secrets::assert_absent(password, [traced.0.lock().unwrap().clone() + "."]);
    }
}

/// A token that a provider returned, accepted or rejected, at the login and on open connections.
#[test]
fn a_token_appears_nowhere() {
    let traced = traced();
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = RealServer::start();
            for token in PASSWORDS {
                server.redis_cli(&[
                    "ACL",
                    "SETUSER",
                    "app",
                    "reset",
                    "on",
                    &format!(">{token}"),
                    "~*",
                    "+@all",
                ]);
                // The first token is right, the second one wrong, the third one right again.
                let calls = Arc::<AtomicUsize>::default();
                let counted = Arc::clone(&calls);
                let provider = move || {
                    let nth = counted.fetch_add(1, Ordering::SeqCst);
                    let token = if nth == 1 { format!("{token}-wrong") } else { token.to_owned() };
                    let credentials = Credentials::new("app", token);
                    let seconds = if nth < 2 { 1 } else { 3600 };
                    std::future::ready(Ok::<_, String>(credentials.expires_in(Duration::from_secs(seconds))))
                };
                let builder = Redis::builder().host("127.0.0.1").port(server.port()).credentials(provider);
                let builder = builder.slow_command(Duration::from_nanos(1)).large_value(1);
                secrets::assert_absent(token, [format!("{builder:?} {builder:#?}")]);
                let redis = builder.build().unwrap();
                redis.connect().await.unwrap();
                secrets::assert_absent(token, seen(&redis).await);
                eventually("the third token is used", async || calls.load(Ordering::SeqCst) >= 3).await;
                redis.raw(ping).await.unwrap();
                secrets::assert_absent(token, seen(&redis).await);
                // Now every token is wrong.
                server.redis_cli(&["ACL", "DELUSER", "app"]);
                secrets::assert_absent(token, seen(&redis).await);
                redis.close().await;
            }
        });
    });
    let (traced, metrics) = (traced.0.lock().unwrap().clone(), metrics.render());
    for token in PASSWORDS {
        secrets::assert_absent(token, [&traced, &metrics]);
    }
    for name in ["redis_keyspace_credentials_total", "redis_keyspace_reauthentications_total"] {
        assert!(metrics.contains(&format!("{name}{{outcome=\"ok\"")), "{name} in {metrics}");
        let documented = include_str!("../../../redis-keyspace/src/telemetry.rs");
        assert!(documented.contains(&format!("`{name}`")));
    }
    assert!(metrics.contains("redis_keyspace_reauthentications_total{outcome=\"error\""), "{metrics}");
    assert!(traced.contains("an open connection could not log in with new credentials"), "it is logged");
    assert!(!traced.contains("AUTH "), "{traced}");
}

#[test]
fn a_wrong_password_appears_nowhere() {
    let traced = traced();
    within(PATIENCE, async {
        let server = RealServer::builder().password("the right one").start();
        for password in PASSWORDS {
            for protocol in [Protocol::Auto, Protocol::Resp2, Protocol::Resp3] {
                let builder = Redis::builder()
                    .host("127.0.0.1")
                    .port(server.port())
                    .password(password)
                    .protocol(protocol);
                let redis = builder.clone().build().unwrap();
                secrets::assert_absent(password, seen(&redis).await);
                let redis = builder.username("operator").build().unwrap();
                secrets::assert_absent(password, seen(&redis).await);
            }
            let provided = Redis::from_async(|| async {
                Ok::<_, Error>(Redis::builder().password(password).shared_connections(0))
            })
            .await;
            secrets::assert_absent(password, [shown(&provided.unwrap_err())]);
        }
    });
    let text = traced.0.lock().unwrap().clone();
    assert!(text.contains("redis_keyspace"), "something was traced");
    for password in PASSWORDS {
        secrets::assert_absent(password, [&text]);
    }
}

#[test]
fn an_invalid_url_is_not_repeated() {
    for url in [
        "redis://user:hunter2-x@host:99999",
        "redis://user:hunter2-x@",
        "redis://user:hunter2-x@host/db",
        "redis://user:hunter2-x@host/1/2",
        "redis://user:hunter2-x@host?protocol=hunter2-x",
        "redis://host?pass=hunter2-x&pass=hunter2-x",
        "redis://host?hunter2-x=1",
        "redis://host/hunter2-x",
        "redis://hunter2-x:6379:1",
        "hunter2-x://host",
        "user:hunter2-x@host",
        "//user:hunter2-x@host",
        "redis:user:hunter2-x@host",
        "redis://user:hunter2-x%zz@ho st",
        "unix:///s?db=hunter2-x",
    ] {
        let Err(error) = Redis::open(url) else { continue };
        assert!(error.is_configuration(), "{error}");
        secrets::assert_absent("hunter2-x", [shown(&error)]);
    }
    for variables in [
        [("REDIS_PASSWORD", "hunter2-x"), ("REDIS_PORT", "x")],
        [("REDIS_PASSWORD", "hunter2-x"), ("REDIS_URL", "redis://:other@h")],
        [("REDIS_URL", "redis://:hunter2-x@h:x"), ("REDIS_DB", "0")],
        [("REDIS_URL", "redis://:hunter2-x@h"), ("REDIS_HOST", "h")],
    ] {
        let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let error = Redis::builder().variables(owned).unwrap_err();
        secrets::assert_absent("hunter2-x", [shown(&error)]);
    }
}

/// A server that knows no command and repeats the command in its error, in several styles like real
/// servers.
fn echoing_server(style: fn(&[String]) -> String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            std::thread::spawn(move || {
                let (mut lines, mut out) = (BufReader::new(stream.try_clone()?).lines(), stream);
                while let Some(Ok(header)) = lines.next() {
                    let count: usize = header.trim_start_matches('*').parse().unwrap_or(0);
                    let mut arguments = Vec::new();
                    for _ in 0..count {
                        lines.next();
                        arguments.extend(lines.next().and_then(Result::ok));
                    }
                    write!(out, "-{}\r\n", style(&arguments))?;
                }
                std::io::Result::Ok(())
            });
        }
    });
    port
}

#[test]
fn an_echoing_server_leaks_no_secret() {
    let traced = traced();
    let styles: [fn(&[String]) -> String; 6] = [
        // Without quotes, and with an error code: only the known password can be replaced.
        |a| format!("ERR syntax error near {}", a.join(" ")),
        |a| format!("WRONGPASS {}", a.join(" ")),
        |a| format!("ERR unknown command '{}', with args beginning with: '{}'", a[0], a[1..].join("' '")),
        |a| format!("ERR unknown command `{}`, with args beginning with: `{}`, ", a[0], a[1..].join("`, `")),
        |a| format!("ERR unknown command {} with args beginning with {}", a[0], a[1..].join(" ")),
        |a| format!("ERR unknown command '{}'", a.join(" ")),
    ];
    for (style, password) in styles.into_iter().zip(PASSWORDS.into_iter().rev().cycle()) {
        let port = echoing_server(style);
        within(PATIENCE, async {
            for protocol in [Protocol::Auto, Protocol::Resp2, Protocol::Resp3] {
                let builder =
                    Redis::builder().host("127.0.0.1").port(port).password(password).protocol(protocol);
                for redis in [builder.clone().build().unwrap(), builder.username("user").build().unwrap()] {
                    assert!(redis.connect().await.is_err());
                    secrets::assert_absent(password, seen(&redis).await);
                }
            }
        });
        secrets::assert_absent(password, [traced.0.lock().unwrap().clone()]);
    }
}
