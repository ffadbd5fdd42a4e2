//! Events and counters of slow commands and of large values.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use redis_keyspace::{ErrorKind, Json, Keyspace, Lock, Redis, Text};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{PATIENCE, shared_server, unique_namespace};

use crate::secrets::Capture;

#[derive(Keyspace)]
#[keyspace(prefix = "report", ttl = 3600)]
struct ReportKeys {
    text: fn(id: u64) -> Text,
    list: fn(id: u64) -> Json<Vec<u64>>,
    lock: fn(id: u64) -> Lock,
}

const SECOND: Duration = Duration::from_secs(1);
const LARGE: usize = 100;

fn builder(server: &Server) -> redis_keyspace::RedisBuilder {
    Redis::builder().embedded(server.clone())
}

/// Runs `operations`, and returns their metrics.
fn metrics_of(operations: impl Future<Output = ()>) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(operations));
    handle.render()
}

fn slow(template: &str, command: &str) -> String {
    let labels = format!("keyspace=\"ReportKeys\",template=\"{template}\",command=\"{command}\"");
    format!("redis_keyspace_slow_commands_total{{{labels}}}")
}

fn large(template: &str, command: &str, direction: &str) -> String {
    let labels = format!(
        "keyspace=\"ReportKeys\",template=\"{template}\",command=\"{command}\",direction=\"{direction}\""
    );
    format!("redis_keyspace_large_values_total{{{labels}}}")
}

fn count(metrics: &str, series: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

#[test]
fn slow_commands_are_counted_and_others_are_not() {
    let metrics = metrics_of(async {
        let server = Server::new();
        // Long enough that no other command of this test takes as long.
        let redis = builder(&server).slow_command(20 * SECOND).timeout(60 * SECOND).build().unwrap();
        redis
            .scope(async {
                ReportKeys::text(1).set("a").await.unwrap();
                ReportKeys::text(1).get().await.unwrap();
            })
            .await;
        // Every command takes longer than this.
        let redis = builder(&server).slow_command(Duration::from_nanos(1)).build().unwrap();
        redis
            .scope(async {
                ReportKeys::text(2).set("a").await.unwrap();
                let failing = server.inject(Fault::error("ERR no").on("GET"));
                assert_eq!(ReportKeys::text(2).get().await.unwrap_err().kind(), ErrorKind::Server);
                drop(failing);
                // Logged once, not once for each command.
                redis.batch([ReportKeys::text(2).get(), ReportKeys::text(3).get()]).await.unwrap();
                redis.transaction([ReportKeys::text(2).get()]).await.unwrap();
                assert_eq!(ReportKeys::text_keys().count().await.unwrap(), 2);
                ReportKeys::list(1).update_or_insert(Vec::new, |list| list.push(1)).await.unwrap();
            })
            .await;
    });
    let of_text = |command: &str| count(&metrics, &slow("report:text:{id}", command));
    assert_eq!((of_text("SET"), of_text("GET")), (1, 1), "{metrics}");
    let of_all = |command: &str| count(&metrics, &slow("", command));
    assert_eq!((of_all("PIPELINE"), of_all("MULTI")), (1, 1), "{metrics}");
    assert!(of_all("SCAN") >= 1, "{metrics}");
    assert_eq!(count(&metrics, &slow("report:list:{id}", "EVALSHA")), 1, "{metrics}");
}

/// Returns the events of two commands, which are slow and have a large value.
fn events_on(builder: redis_keyspace::RedisBuilder) -> String {
    let builder = builder.namespace(unique_namespace()).unwrap().timeout(PATIENCE);
    let redis = builder.slow_command(Duration::from_nanos(1)).large_value(LARGE).build().unwrap();
    let (capture, long) = (Capture::default(), "a".repeat(LARGE));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(capture.clone(), || {
        runtime.block_on(redis.scope(async {
            ReportKeys::text(7).set(&long).await.unwrap();
            ReportKeys::text(7).get().await.unwrap();
        }));
    });
    capture.0.lock().unwrap().clone()
}

#[test]
fn events_name_the_template_and_not_the_key() {
    let real = Redis::builder().url(&shared_server().url()).unwrap();
    for builder in [builder(&Server::new()), real] {
        let events = events_on(builder);
        for command in ["SET", "GET"] {
            let of_command = format!(
                "keyspace = \"ReportKeys\"\ntemplate = \"report:text:{{id}}\"\ncommand = \"{command}\"\n"
            );
            assert!(
                events.contains(&format!("message = slow command\n{of_command}elapsed_ms = ")),
                "{events}"
            );
            let direction = if command == "SET" { "sent" } else { "received" };
            let of_value =
                format!("message = large value\n{of_command}direction = \"{direction}\"\nbytes = {LARGE}\n");
            assert!(events.contains(&of_value), "{events}");
        }
        assert!(!events.contains("report:text:7") && !events.contains("aaaa"), "{events}");
    }
}

#[test]
fn waiting_for_a_lock_is_not_slow() {
    let metrics = metrics_of(async {
        let server = Server::new();
        // Every command takes longer than this, and so does the wait for the lock.
        let redis = builder(&server).slow_command(Duration::from_nanos(1)).build().unwrap();
        let other = builder(&server).build().unwrap();
        let held = ReportKeys::lock(1).lock().on(&other).await.unwrap();
        let waiting = tokio::spawn(ReportKeys::lock(1).lock().on(&redis).into_future());
        tokio::task::yield_now().await;
        held.release().await.unwrap();
        drop(waiting.await.unwrap().unwrap());
    });
    assert_eq!(count(&metrics, &slow("report:lock:{id}", "EVALSHA")), 0, "{metrics}");
}

#[test]
fn large_values_are_counted_in_both_directions() {
    let (short, long) = ("a".repeat(LARGE - 1), "a".repeat(LARGE));
    let metrics = metrics_of(async {
        let server = Server::new();
        let redis = builder(&server).large_value(LARGE).build().unwrap();
        redis
            .scope(async {
                let failing = server.inject(Fault::error("ERR no").on("SET"));
                ReportKeys::text(2).set(&long).await.unwrap_err();
                drop(failing);
                ReportKeys::text(1).set(&short).await.unwrap();
                ReportKeys::text(1).get().await.unwrap();
                ReportKeys::text(2).set(&long).await.unwrap();
                ReportKeys::text(2).get().await.unwrap();
                ReportKeys::text(2).get_or_set(|| async { String::new() }).await.unwrap();
                redis.batch((ReportKeys::text(1).get(), ReportKeys::text(2).get())).await.unwrap();
                redis_keyspace::Key::get_many([1, 2].map(ReportKeys::text)).await.unwrap();
                ReportKeys::text(3).get_or_set(|| async { long.clone() }).await.unwrap();
                let mut values = ReportKeys::text_keys().values();
                while values.next().await.transpose().unwrap().is_some() {}
                let list = || (0..LARGE as u64).collect::<Vec<_>>();
                ReportKeys::list(1).update_or_insert(Vec::new, |value| *value = list()).await.unwrap();
                ReportKeys::list(1).update(|value| value.clear()).await.unwrap();
            })
            .await;
    });
    let of_text =
        |command: &str, direction: &str| count(&metrics, &large("report:text:{id}", command, direction));
    // One of them failed.
    assert_eq!(of_text("SET", "sent"), 2, "{metrics}");
    assert_eq!(count(&metrics, &large("", "SCAN", "received")), 1, "{metrics}");
    assert_eq!(of_text("GET", "received"), 3, "{metrics}");
    assert_eq!(of_text("MGET", "received"), 1, "{metrics}");
    assert_eq!(of_text("EVALSHA", "sent"), 1, "{metrics}");
    let of_list = |direction: &str| count(&metrics, &large("report:list:{id}", "EVALSHA", direction));
    assert_eq!((of_list("sent"), of_list("received")), (1, 1), "{metrics}");
    assert!(!metrics.contains("aaaa"), "{metrics}");
}

#[test]
fn nothing_is_counted_without_the_options() {
    let metrics = metrics_of(async {
        let redis = builder(&Server::new()).build().unwrap();
        redis.scope(async { ReportKeys::text(1).set(&"a".repeat(1 << 20)).await.unwrap() }).await;
    });
    assert!(metrics.contains("redis_keyspace_command_duration_seconds"), "{metrics}");
    assert!(!metrics.contains("slow_commands") && !metrics.contains("large_values"), "{metrics}");
}

#[test]
fn limits_of_zero_are_rejected() {
    for (builder, name) in [
        (Redis::builder().slow_command(Duration::ZERO), "`slow_command` is 0"),
        (Redis::builder().large_value(0), "`large_value` is 0"),
    ] {
        let error = builder.build().unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}
