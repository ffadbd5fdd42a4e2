//! Spans and metrics: their names, and that they never contain keys or values.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use redis_keyspace::worker::WorkerEvent;
use redis_keyspace::{Counter, Keyspace, Redis, Stream, Text};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::child_test;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

#[derive(Keyspace)]
#[keyspace(prefix = "telemetry", db = 3, ttl = 3600, on_unavailable = "miss")]
struct Keys {
    text: fn(id: &str) -> Text,
    views: fn(id: u64) -> Counter,
    #[key("{{jobs}}:{queue}", trim = "~1000")]
    jobs: fn(queue: &str) -> Stream<Text>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "telemetry", tenant = "t", ttl = 3600)]
struct TenantKeys {
    text: fn(id: &str) -> Text,
}

const SECRET: &str = "a-value-that-must-not-leak";
const ID: &str = "an-id-that-is-not-a-label";
const TENANT: &str = "a-tenant-that-is-not-a-label";

/// Runs a worker whose first job succeeds, and whose second one fails and is moved.
async fn work() {
    let (waiting, dead) = (Keys::jobs(ID), Keys::jobs("dead"));
    waiting.xadd(SECRET).await.unwrap();
    waiting.xadd("bad").await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stop = Mutex::new(Some(stop));
    waiting
        .group("senders")
        .worker("sender")
        .dead_letter(&dead)
        .retries(0)
        .concurrency(1)
        .on_event(move |event| {
            if matches!(event, WorkerEvent::Dead { .. }) {
                drop(stop.lock().unwrap().take());
            }
        })
        .until(async { drop(stopped.await) })
        .run(|job| async move { if job.value == "bad" { Err("it is bad") } else { Ok(()) } })
        .await
        .unwrap();
}

/// Runs operations that produce all spans and metrics.
async fn everything(server: &Server, redis: &Redis) {
    work().await;
    Keys::text(ID).set(SECRET).await.unwrap();
    Keys::text(ID).get().await.unwrap();
    Keys::text("other").get_or_set(|| async { SECRET.to_owned() }).await.unwrap();
    Keys::text("other").get_or_set(|| async { SECRET.to_owned() }).await.unwrap();
    redis.batch((Keys::text(ID).get(), Keys::views(1).incr())).await.unwrap();
    redis.transaction([Keys::views(1).incr()]).await.unwrap();
    assert_eq!(Keys::text_keys().count().await.unwrap(), 2);
    redis.ping().await.unwrap();
    let tenant = redis.for_tenant(TENANT).unwrap();
    TenantKeys::text(ID).set(SECRET).on(&tenant).await.unwrap();
    assert_eq!(TenantKeys::text_keys().all().on(&tenant).delete().await.unwrap().affected, 1);
    let wrong = server.inject(Fault::error("WRONGTYPE Operation against a key").on("GET").times(1));
    Keys::text(ID).get().await.unwrap_err();
    drop(wrong);
    let too_long = "x".repeat(20_000);
    redis.transaction((Keys::text(ID).set(&too_long), Keys::views(1).incr())).await.unwrap_err();
    let full = server.inject(Fault::error("OOM command not allowed").on("SET"));
    redis.batch([Keys::text(ID).set(SECRET)]).await.unwrap_err();
    drop(full);
    server.refuse_connections(true);
    server.disconnect_all();
    for _ in 0..10 {
        assert_eq!(Keys::text(ID).get().await.unwrap(), None);
        Keys::views(1).incr().await.unwrap_err();
    }
    server.refuse_connections(false);
}

fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Server::new();
        let builder = Redis::builder().embedded(server.clone()).shared_connections(1);
        let redis = builder
            .slow_command(Duration::from_nanos(1))
            .large_value(1)
            .max_value_bytes(10_000)
            .build()
            .unwrap();
        redis.scope(everything(&server, &redis)).await;
    });
}

#[test]
fn metrics_are_labelled_by_template_and_never_by_key() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, run);
    let text = handle.render();
    for hidden in [SECRET, ID, TENANT] {
        assert!(!text.contains(hidden), "{text}");
    }
    let command = |template: &str, command: &str, outcome: &str| {
        format!(
            "redis_keyspace_command_duration_seconds_count{{keyspace=\"Keys\",template=\"{template}\",\
             command=\"{command}\",outcome=\"{outcome}\"}}"
        )
    };
    let fills = |result: &str| {
        format!(
            "redis_keyspace_fills_total{{keyspace=\"Keys\",template=\"telemetry:text:{{id}}\",result=\"{result}\"}} 1"
        )
    };
    let of_jobs = "keyspace=\"Keys\",template=\"telemetry:{{jobs}}:{queue}\"";
    let jobs = |result: &str| format!("redis_keyspace_jobs_total{{{of_jobs},result=\"{result}\"}}");
    let job_durations = |outcome: &str| {
        format!("redis_keyspace_job_duration_seconds_count{{{of_jobs},outcome=\"{outcome}\"}}")
    };
    for line in [
        // One alone, one in a fill that misses, one in a fill that hits, and one in a batch.
        command("telemetry:text:{id}", "GET", "ok") + " 4",
        command("telemetry:text:{id}", "SET", "ok") + " 1",
        // The fill that misses takes a lease and stores the loaded value.
        command("telemetry:text:{id}", "EVALSHA", "ok") + " 2",
        command("telemetry:text:{id}", "GET", "wrong_type") + " 1",
        command("telemetry:views:{id}", "INCRBY", "ok") + " 2",
        command("telemetry:views:{id}", "INCRBY", "unavailable"),
        // A transaction that can't be sent.
        command("telemetry:text:{id}", "SET", "too_large") + " 1",
        command("telemetry:views:{id}", "INCRBY", "too_large") + " 1",
        command("telemetry:text:{id}", "SET", "server") + " 1",
        "keyspace=\"\",template=\"\",command=\"PING\",outcome=\"ok\"} 1".to_owned(),
        "keyspace=\"Keys\",template=\"\",command=\"SCAN\",outcome=\"ok\"".to_owned(),
        fills("hit"),
        fills("miss"),
        jobs("read") + " 2",
        jobs("succeeded") + " 1",
        jobs("failed") + " 1",
        jobs("dead") + " 1",
        job_durations("ok") + " 1",
        job_durations("error") + " 1",
        "redis_keyspace_degraded_total{keyspace=\"Keys\",template=\"telemetry:text:{id}\"} 10".to_owned(),
        "redis_keyspace_connects_total{outcome=\"ok\",server=\"".to_owned(),
        "redis_keyspace_connects_total{outcome=\"error\",server=\"".to_owned(),
        "redis_keyspace_lost_connections_total{server=\"".to_owned(),
        "redis_keyspace_breaker_opened_total{server=\"".to_owned(),
        "redis_keyspace_retries_total".to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is missing in\n{text}");
    }
    // The table in the documentation lists them all.
    let documented = include_str!("../../../redis-keyspace/src/telemetry.rs");
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(documented.contains(&format!("`{name}`")), "{name} is not documented");
    }
}

type Fields = HashMap<String, String>;

/// A subscriber that records every span with its fields.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<Fields>>>);

struct Fill<'f>(&'f mut Fields);

impl Visit for Fill<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl tracing::Subscriber for Capture {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "redis_keyspace" && metadata.is_span()
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = Fields::new();
        attributes.record(&mut Fill(&mut fields));
        let mut spans = self.0.lock().unwrap();
        spans.push(fields);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let index = usize::try_from(span.into_u64()).unwrap() - 1;
        values.record(&mut Fill(&mut self.0.lock().unwrap()[index]));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Runs in a separate process: without a subscriber, another thread that reaches a span first can
/// disable it permanently.
#[test]
fn spans_follow_the_conventions() {
    child_test!("spans_are_recorded_in_a_process").env("SPANS_CHILD", "1").spawn().passes();
}

/// The separate process that the test above starts.
#[test]
fn spans_are_recorded_in_a_process() {
    if std::env::var_os("SPANS_CHILD").is_none() {
        return;
    }
    let capture = Capture::default();
    tracing::subscriber::with_default(capture.clone(), run);
    let spans = capture.0.lock().unwrap().clone();
    let find = |name: &str, error: Option<&str>| {
        let found = spans
            .iter()
            .find(|span| span["otel.name"] == name && span.get("error.type").map(String::as_str) == error);
        found.unwrap_or_else(|| panic!("no span {name} {error:?} in {spans:#?}"))
    };
    let get = find("GET telemetry:text:{id}", None);
    for (field, value) in [
        ("otel.kind", "client"),
        ("db.system.name", "redis"),
        ("db.operation.name", "GET"),
        ("db.namespace", "3"),
        ("redis_keyspace.keyspace", "Keys"),
        ("redis_keyspace.template", "telemetry:text:{id}"),
    ] {
        assert_eq!(get[field], value, "{field}");
    }
    assert!(get["server.address"].contains("embedded"), "{get:?}");
    let wrong = find("GET telemetry:text:{id}", Some("wrong_type"));
    assert_eq!(wrong["db.response.status_code"], "WRONGTYPE");
    assert_eq!(wrong["otel.status_code"], "ERROR");
    let batch = find("PIPELINE", None);
    assert_eq!((batch["db.operation.batch.size"].as_str(), batch["db.namespace"].as_str()), ("2", "3"));
    assert_eq!(find("PIPELINE", Some("server"))["db.response.status_code"], "OOM");
    assert_eq!(find("MULTI", None)["db.operation.batch.size"], "1");
    find("SCAN", None);
    find("PING", None);
    find("INCRBY telemetry:views:{id}", Some("unavailable"));
    assert!(!format!("{spans:?}").contains(SECRET));
    let documented = include_str!("../../../redis-keyspace/src/telemetry.rs");
    for field in spans.iter().flat_map(HashMap::keys) {
        assert!(documented.contains(&format!("`{field}`")), "{field} is not documented");
    }
}
