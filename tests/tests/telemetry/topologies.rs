//! What is reported about sentinels and clusters.

use metrics_exporter_prometheus::PrometheusBuilder;
use redis_keyspace::stats::SentinelStats;
use redis_keyspace::{Keyspace, Redis, Text};
use redis_keyspace_tests::scripted::{ScriptedNode, bulk, list, slots};
use redis_keyspace_tests::{PATIENCE, eventually};

use crate::secrets::Capture;

#[derive(Keyspace)]
#[keyspace(prefix = "topologies", ttl = 3600)]
struct Keys {
    text: fn(id: u64) -> Text,
}

fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.unwrap() });
}

fn behind(sentinels: &[ScriptedNode]) -> Redis {
    let addresses = sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port()));
    Redis::builder().sentinel("mymaster", addresses).unwrap().timeout(PATIENCE).build().unwrap()
}

fn known(redis: &Redis) -> SentinelStats {
    redis.stats().connections[0].sentinels.clone().unwrap()
}

#[test]
fn a_lost_majority_of_sentinels_is_an_event_and_so_is_its_return() {
    let (sentinels, master) = ([(); 3].map(|()| ScriptedNode::start()), ScriptedNode::start());
    for (nth, sentinel) in sentinels.iter().enumerate() {
        let others = (0..3).filter(|other| *other != nth).map(|other| &sentinels[other]);
        sentinel.watch(&others.collect::<Vec<_>>());
        sentinel.name(&master, 1, 2);
    }
    let capture = Capture::default();
    let events = |text: &str| capture.0.lock().unwrap().matches(text).count();
    let lost = "fewer than a majority of the sentinels answer: a switch of the master may be missed";
    let regained = "a majority of the sentinels answers again";
    tracing::subscriber::with_default(capture.clone(), || {
        block_on(async {
            let redis = behind(&sentinels);
            Keys::text(1).set("x").on(&redis).await.unwrap();
            eventually("all answer", async || known(&redis).answering == 3).await;
            for nth in 1..=2 {
                sentinels[1].reply("SENTINEL GET-MASTER-ADDR-BY-NAME", "-ERR no\r\n");
                eventually("one does not answer", async || known(&redis).answering == 2).await;
                assert_eq!(
                    (events(lost), events(regained)),
                    (nth - 1, nth - 1),
                    "two of three are a majority"
                );
                sentinels[2].reply("SENTINEL GET-MASTER-ADDR-BY-NAME", "-ERR no\r\n");
                eventually("two do not answer", async || known(&redis).answering == 1).await;
                assert!(!known(&redis).has_majority);
                assert_eq!((events(lost), events(regained)), (nth, nth - 1));
                sentinels.iter().for_each(|sentinel| sentinel.name(&master, 1, 2));
                eventually("all answer again", async || known(&redis).answering == 3).await;
                assert_eq!((events(lost), events(regained)), (nth, nth));
            }
            redis.close().await;
        });
    });
    let text = capture.0.lock().unwrap();
    let of_event = |message: &str| {
        let (_, fields) = text.split_once(message).unwrap();
        fields.lines().skip(1).take(3).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of_event(lost), ["master = mymaster", "answering = 1", "known = 3"]);
    assert_eq!(of_event(regained), ["master = mymaster", "answering = 2", "known = 3"]);
}

#[test]
fn switches_and_redirections_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let [sentinel, old, new] = [(); 3].map(|()| ScriptedNode::start());
    sentinel.watch(&[]);
    sentinel.name(&old, 1, 0);
    let [first, second] = [(); 2].map(|()| ScriptedNode::start());
    for node in [&first, &second] {
        node.reply("CLUSTER SLOTS", &list(&[slots(0, 16_383, &[(&first, "aaa"), (&second, "bbb")])]));
        node.reply("GET", &bulk("x"));
    }
    metrics::with_local_recorder(&recorder, || {
        block_on(async {
            let sentinels = [sentinel];
            let redis = behind(&sentinels);
            Keys::text(1).set("x").on(&redis).await.unwrap();
            assert!(!handle.render().contains("redis_keyspace_master_switches_total"));
            sentinels[0].name(&new, 2, 0);
            eventually("the switch is known", async || known(&redis).switches == 1).await;
            redis.close().await;

            let builder = Redis::builder().host("127.0.0.1").port(first.port()).cluster(true);
            let redis = builder.timeout(PATIENCE).build().unwrap();
            Keys::text(1).get().on(&redis).await.unwrap();
            assert!(!handle.render().contains("redis_keyspace_redirections_total"));
            let slot = Keys::text(1).slot();
            first.reply_once("GET", &format!("-MOVED {slot} 127.0.0.1:{}\r\n", second.port()));
            second.reply_once("GET", &format!("-ASK {slot} 127.0.0.1:{}\r\n", first.port()));
            assert_eq!(Keys::text(1).get().on(&redis).await.unwrap().as_deref(), Some("x"));
            redis.close().await;
        });
    });
    let text = handle.render();
    for line in [
        "redis_keyspace_master_switches_total{master=\"mymaster\"} 1\n",
        "redis_keyspace_redirections_total 2\n",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    let documented = include_str!("../../../redis-keyspace/src/telemetry.rs");
    for name in ["redis_keyspace_master_switches_total", "redis_keyspace_redirections_total"] {
        assert!(documented.contains(&format!("`{name}`")), "{name} is not documented");
    }
}
