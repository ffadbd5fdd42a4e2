//! Processes that share a load, also when one of them ends, freezes or loses its server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis_keyspace::cache::ValueSource;
use redis_keyspace::config::Protocol;
use redis_keyspace::update::Change;
use redis_keyspace::{Key, Keyspace, Redis, Text};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{
    Gate, PATIENCE, Proxy, RealServer, RunningTest, Stepper, both_servers, child_test, eventually,
    eventually_blocking, manager, pool_builder, raw, wire, within,
};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "across", ttl = 3600)]
struct Keys {
    text: fn(id: u32) -> Text,
    #[key("kept:{id}", stale_for = "1h")]
    kept: fn(id: u32) -> Text,
}

const LOADS: &str = "loads";

async fn count(redis: &Redis) -> i64 {
    raw(redis, &["INCR", LOADS]).await
}

fn loads(server: &RealServer) -> String {
    server.redis_cli(&["GET", LOADS])
}

/// The child process of the tests below. `ACROSS_CHILD` selects what it does.
#[test]
fn loading_child() {
    let Ok(does) = std::env::var("ACROSS_CHILD") else { return };
    within(PATIENCE, async {
        let redis = Redis::open(&std::env::var("ACROSS_URL").unwrap()).unwrap();
        let key = Keys::text(1).on(&redis);
        match &does[..] {
            "crowd" => {
                let tasks: Vec<_> = (0..1000)
                    .map(|_| {
                        let (redis, key) = (redis.clone(), key.clone());
                        tokio::spawn(async move {
                            let load = || async {
                                count(&redis).await;
                                tokio::time::sleep(Duration::from_millis(300)).await;
                                "loaded".to_owned()
                            };
                            key.get_or_set(load).across_processes().timeout(MINUTE).await.unwrap()
                        })
                    })
                    .collect();
                for task in tasks {
                    assert_eq!(task.await.unwrap(), "loaded");
                }
            }
            // Loads the value that the database had at the start, until the test says that the load
            // is finished.
            "slow" => {
                let load = || async {
                    count(&redis).await;
                    eventually_finished(&redis).await;
                    "old".to_owned()
                };
                assert_eq!(key.get_or_set(load).across_processes().await.unwrap(), "old");
                assert_eq!(redis.stats().fills.superseded, 1, "another process loaded the key");
            }
            other => panic!("{other}"),
        }
    });
}

async fn eventually_finished(redis: &Redis) {
    while raw::<i64>(redis, &["EXISTS", "told"]).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn child(server: &RealServer, does: &str) -> RunningTest {
    child_test!("loading_child").env("ACROSS_CHILD", does).env("ACROSS_URL", server.url()).spawn()
}

fn wait_for_loads(server: &RealServer, count: &str) {
    eventually_blocking("the loads have started", || loads(server) == count);
}

/// Returns how often a command ran on a server.
fn calls(server: &RealServer, command: &str) -> u64 {
    let stats = server.redis_cli(&["INFO", "commandstats"]);
    let start = format!("cmdstat_{command}:calls=");
    let calls = stats.lines().find_map(|line| line.strip_prefix(&start)?.split(',').next()?.parse().ok());
    calls.unwrap_or(0)
}

#[test]
fn eight_processes_of_a_thousand_callers_load_once() {
    let server = RealServer::start();
    let children: Vec<_> = (0..8).map(|_| child(&server, "crowd")).collect();
    for child in children {
        child.passes();
    }
    assert_eq!(loads(&server), "1");
    assert_eq!(server.redis_cli(&["GET", "across:text:1"]), "loaded");
}

#[test]
fn killing_the_loading_process_causes_one_more_load() {
    let server = RealServer::start();
    let leader = child(&server, "slow");
    wait_for_loads(&server, "1");
    let children: Vec<_> = (0..3).map(|_| child(&server, "crowd")).collect();
    // They wait, and each of them looks for the lease again and again.
    eventually_blocking("they poll the lease", || calls(&server, "evalsha") >= 20);
    assert_eq!(loads(&server), "1");
    leader.kill();
    for child in children {
        child.passes();
    }
    assert_eq!(loads(&server), "2");
    assert_eq!(server.redis_cli(&["GET", "across:text:1"]), "loaded");
}

#[test]
fn a_frozen_process_overwrites_nothing() {
    let server = RealServer::start();
    let leader = child(&server, "slow");
    wait_for_loads(&server, "1");
    leader.stop();
    within(PATIENCE, async {
        let redis = Redis::open(&server.url()).unwrap();
        let key = Keys::text(1).on(&redis);
        let load = || async {
            count(&redis).await;
            "new".to_owned()
        };
        assert_eq!(key.get_or_set(load).across_processes().await.unwrap(), "new");
        raw::<()>(&redis, &["SET", "told", "yes"]).await;
        leader.resume();
        leader.passes();
        assert_eq!(key.get().await.unwrap().as_deref(), Some("new"));
    });
    assert_eq!(loads(&server), "2");
}

/// The same if the key is deleted in the meantime and not loaded again.
#[test]
fn a_frozen_process_does_not_restore_a_deleted_key() {
    let server = RealServer::start();
    let leader = child(&server, "slow");
    wait_for_loads(&server, "1");
    leader.stop();
    within(PATIENCE, async {
        let redis = Redis::open(&server.url()).unwrap();
        assert!(!Keys::text(1).on(&redis).del().await.unwrap());
        raw::<()>(&redis, &["SET", "told", "yes"]).await;
        leader.resume();
        leader.passes();
        assert!(!Keys::text(1).on(&redis).exists().await.unwrap());
    });
    assert_eq!(loads(&server), "1");
}

/// Returns the token of the lease of a key, and when it ends unless it is renewed.
async fn lease(redis: &Redis, key: &Key<Keys, Text>) -> Option<(String, u64)> {
    let companion_key = companion_key(key);
    let (token, until): (Option<String>, Option<u64>) =
        raw(redis, &["HMGET", &companion_key, "lease", "until"]).await;
    token.zip(until)
}

fn companion_key(key: &Key<Keys, Text>) -> String {
    format!("{0}%fill{{{0}}}", wire(key))
}

async fn server_time(redis: &Redis) -> u64 {
    let (seconds, micros): (u64, u64) = raw(redis, &["TIME"]).await;
    seconds * 1000 + micros / 1000
}

/// A caller that is dropped at any point blocks no other: the next caller gets the lease before the
/// old one would have expired.
async fn dropped_at_every_step(upstream: std::net::SocketAddr) {
    let (stepper, mut stops) = Stepper::new();
    let gate = Gate::start(upstream, stepper.clone(), |step| step.starts_with("EVALSHA")).await;
    let leading =
        Redis::builder().url(&gate.url()).unwrap().shared_connections(1).timeout(MINUTE).build().unwrap();
    let other = Redis::open(&format!("redis://{upstream}")).unwrap();
    leading.connect().await.unwrap();
    Keys::text(0).get_or_set(|| async { String::new() }).on(&other).await.unwrap();
    let mut seen = Vec::new();
    for steps in 0.. {
        let key = Keys::text(1);
        key.del().on(&other).await.unwrap();
        let loads = Arc::new(AtomicU32::new(0));
        stepper.close();
        let task = tokio::spawn({
            let (stepper, loads) = (stepper.clone(), Arc::clone(&loads));
            let key = key.clone().on(&leading);
            async move {
                let load = || async {
                    stepper.stop("loads").await;
                    loads.fetch_add(1, Ordering::Relaxed);
                    "first".to_owned()
                };
                key.get_or_set(load).across_processes().await.unwrap();
                stepper.tell("done");
            }
        });
        let mut at = stops.recv().await.unwrap();
        for _ in 0..steps {
            if at == "done" {
                break;
            }
            stepper.go();
            at = stops.recv().await.unwrap();
        }
        if at == "done" {
            task.await.unwrap();
            stepper.open();
            break;
        }
        seen.push(at.clone());
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        // Lets the request in flight arrive.
        stepper.open();
        stepper.go();
        let before: Option<(Option<String>, Option<u64>)> =
            Some(raw(&other, &["HMGET", "across:text:1%fill{across:text:1}", "lease", "until"]).await);
        let until = before.and_then(|(_, until)| until);
        let load = || async {
            loads.fetch_add(1, Ordering::Relaxed);
            "second".to_owned()
        };
        let value = key.get_or_set(load).across_processes().on(&other).await.unwrap();
        let now = server_time(&other).await;
        if let Some(until) = until {
            assert!(now < until, "dropped at {at:?}: the lease expired");
        }
        assert!(loads.load(Ordering::Relaxed) <= 2, "{at}");
        assert!(value == "second" || at.contains("EVALSHA store"), "{at}: {value}");
        // No step of this round is reported in the next one: there is one lane, and this command is
        // last.
        key.exists().on(&leading).await.unwrap();
        while stops.try_recv().is_ok() {}
    }
    let steps = [
        "GET across:text:1",
        "EVALSHA begin",
        "the reply to EVALSHA begin",
        "loads",
        "EVALSHA store",
        "the reply to EVALSHA store",
    ];
    assert_eq!(seen, steps);
}

#[test]
fn a_caller_dropped_at_any_step_blocks_no_other_caller() {
    within(PATIENCE, async {
        let server = Server::new();
        let teaching = Redis::with_embedded_server(server.clone());
        teaching.connect().await.unwrap();
        let listener = server.listen().await.unwrap();
        dropped_at_every_step(listener.addr().unwrap()).await;
    });
    let server = RealServer::start();
    within(PATIENCE, dropped_at_every_step(server.address()));
}

#[test]
fn a_leader_that_panics_or_fails_releases_its_lease() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let (one, other) = (
            Redis::open(&server.url()).unwrap(),
            Redis::builder().url(&server.url()).unwrap().shared_connections(2).build().unwrap(),
        );
        for (id, ending) in [(1, "panics"), (2, "fails"), (3, "is dropped")] {
            let (loads, started) = (Arc::new(AtomicU32::new(0)), Arc::new(tokio::sync::Notify::new()));
            let end = Arc::new(tokio::sync::Notify::new());
            let leader = tokio::spawn({
                let (key, loads, started, end) =
                    (Keys::text(id).on(&one), Arc::clone(&loads), Arc::clone(&started), Arc::clone(&end));
                async move {
                    let load = || async {
                        loads.fetch_add(1, Ordering::Relaxed);
                        started.notify_one();
                        end.notified().await;
                        if ending == "panics" {
                            panic!("expected by the test")
                        }
                        Err::<String, _>(())
                    };
                    key.try_get_or_set(load).across_processes().await
                }
            });
            started.notified().await;
            let looked = calls(&server, "evalsha");
            // Half of the callers are in the same process, half in another one.
            let followers: Vec<_> = (0..20)
                .map(|nth| {
                    let key = Keys::text(id).on(if nth % 2 == 0 { &one } else { &other });
                    let loads = Arc::clone(&loads);
                    tokio::spawn(async move {
                        let load = || async {
                            loads.fetch_add(1, Ordering::Relaxed);
                            tokio::time::sleep(Duration::from_millis(50)).await;
                            "loaded".to_owned()
                        };
                        key.get_or_set(load).across_processes().await.unwrap()
                    })
                })
                .collect();
            let looks = async || calls(&server, "evalsha") >= looked + 3;
            eventually("the callers poll the lease", looks).await;
            let name = format!("across:text:{id}%fill{{across:text:{id}}}");
            let until: u64 = raw(&one, &["HGET", &name, "until"]).await;
            end.notify_one();
            if ending == "is dropped" {
                leader.abort();
            }
            for follower in followers {
                assert_eq!(follower.await.unwrap(), "loaded");
            }
            assert!(server_time(&one).await < until, "{ending}: the lease expired");
            assert_eq!(loads.load(Ordering::Relaxed), 2, "{ending}");
            assert!(leader.await.map_or(true, |outcome| outcome.is_err()));
        }
    });
}

/// Starts a fill and drops it while its loader runs.
async fn dropped_while_it_loads(key: &Key<Keys, Text>, redis: &Redis) {
    let begun = tokio::sync::Notify::new();
    let filling = key.get_or_set(|| async {
        begun.notify_one();
        std::future::pending().await
    });
    tokio::select! {
        ended = filling.on(redis).into_future() => panic!("{ended:?}"),
        () = begun.notified() => {}
    }
}

/// Without `across_processes`, each process loads, and they share the lease: a process whose load
/// fails leaves it to the others.
#[test]
fn a_shared_lease_is_not_released_by_one_holder() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let (one, other) = (
            Redis::open(&server.url()).unwrap(),
            Redis::builder().url(&server.url()).unwrap().shared_connections(2).build().unwrap(),
        );
        for ends in [false, true] {
            let key = Keys::text(u32::from(ends));
            let filled = key.get_or_set(|| async {
                let failing = key.try_get_or_set(|| async { Err::<String, _>(()) }).on(&other);
                failing.await.unwrap_err();
                dropped_while_it_loads(&key, &other).await;
                if ends {
                    key.del().on(&other).await.unwrap();
                    // A lease that starts after the delete is a different one.
                    dropped_while_it_loads(&key, &other).await;
                }
                "loaded".to_owned()
            });
            assert_eq!(filled.on(&one).await.unwrap(), "loaded");
            let stored = key.get().on(&one).await.unwrap();
            assert_eq!(stored.is_some(), !ends);
        }
    });
}

both_servers! {
    async fn scripts_flushed_during_a_load_are_sent_again(redis: Redis) {
        let flush = async || raw::<()>(&redis, &["SCRIPT", "FLUSH"]).await;
        for id in 0..3 {
            flush().await;
            let filled = Keys::text(id).get_or_set(|| async {
                flush().await;
                "loaded".to_owned()
            });
            assert_eq!(filled.across_processes().await.unwrap(), "loaded");
            assert_eq!(Keys::text(id).get().await.unwrap().as_deref(), Some("loaded"));
            assert_eq!(lease(&redis, &Keys::text(id)).await, None);
        }
        let fills = redis.stats().fills;
        assert_eq!((fills.superseded, fills.not_stored), (0, 0));
    }
}

#[test]
fn a_server_restart_during_a_load_stores_no_earlier_value() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let redis = Redis::open(&server.url()).unwrap();
        for across in [false, true] {
            let key = Keys::text(u32::from(across)).on(&redis);
            let mut filling = key.get_or_set(|| async {
                server.restart();
                "of before".to_owned()
            });
            if across {
                filling = filling.across_processes();
            }
            assert_eq!(filling.await.unwrap(), "of before", "the caller still gets the loaded value");
            // The restart removed the lease, and any mark that could end it.
            let there = async || key.get().await.ok();
            eventually("the server is back", async || there().await.is_some()).await;
            assert_eq!(there().await, Some(None));
            assert_eq!(key.get_or_set(|| async { "new".to_owned() }).await.unwrap(), "new");
            assert_eq!(key.get().await.unwrap().as_deref(), Some("new"));
        }
        let fills = redis.stats().fills;
        assert_eq!(fills.superseded + fills.not_stored, 2);
    });
}

/// A read that starts after a delete never gets a value that was read before it, not even from the
/// leader of another call, whose request was in flight.
#[test]
fn a_read_after_a_delete_does_not_get_a_value_found_with_the_lease() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let (stepper, mut stops) = Stepper::new();
        // The gate holds the reply to `begin`, and all later replies on that connection. Other
        // connections continue.
        let gate = Gate::start(server.address(), stepper.clone(), |step| step == "EVALSHA begin").await;
        let redis =
            Redis::builder().url(&gate.url()).unwrap().shared_connections(4).timeout(MINUTE).build().unwrap();
        let other = Redis::open(&server.url()).unwrap();
        redis.connect().await.unwrap();
        let key = Keys::text(1);
        key.get_or_set(|| async { "x".to_owned() }).on(&other).await.unwrap();
        key.del().on(&other).await.unwrap();
        stepper.close();
        let first = tokio::spawn({
            let key = key.clone().on(&redis);
            async move { key.get_or_set(|| async { "old".to_owned() }).await.unwrap() }
        });
        assert_eq!(stops.recv().await.unwrap(), "GET across:text:1");
        stepper.go();
        assert_eq!(stops.recv().await.unwrap(), "EVALSHA begin");
        // Another process stores the value now, so the request finds it ..
        key.set("old").on(&other).await.unwrap();
        stepper.go();
        assert_eq!(stops.recv().await.unwrap(), "the reply to EVALSHA begin");
        // .. and then the key is deleted.
        key.del().on(&other).await.unwrap();
        stepper.open();
        let gets = calls(&server, "get");
        let late: Vec<_> = (0..8)
            .map(|_| {
                let key = key.clone().on(&redis);
                tokio::spawn(async move { key.get_or_set(|| async { "new".to_owned() }).await.unwrap() })
            })
            .collect();
        // Calls on another lane than the held one read the key and join the leader.
        eventually("other calls have read the key", async || calls(&server, "get") > gets).await;
        stepper.go();
        assert_eq!(first.await.unwrap(), "old", "the first call started before the delete");
        for late in late {
            assert_eq!(late.await.unwrap(), "new");
        }
    });
}

#[derive(Keyspace)]
#[keyspace(prefix = "slots", ttl = "1h", stale_for = "1h")]
struct SlotKeys {
    loose: fn(id: u32) -> Text,
    #[key("user:{id}", hash_tag = id)]
    tagged: fn(id: &str) -> Text,
}

async fn fills_and_invalidations(redis: Redis, namespace: &str) {
    let (loose, tagged) = (SlotKeys::loose(7), SlotKeys::tagged("a}b{c:*"));
    for across in [false, true] {
        for end in [
            "nothing",
            "del",
            "set",
            "update",
            "del_many",
            "transaction",
            "sweep",
            "sweep of one",
            "sweep of all",
        ] {
            for key in [&loose, &tagged] {
                key.del().await.unwrap();
                let ends = async || match end {
                    "del" => drop(key.del().await.unwrap()),
                    "set" => key.set("set").await.unwrap(),
                    "update" => drop(key.update(|_| ()).await.unwrap()),
                    "del_many" => drop(Key::del_many([key.clone()]).await.unwrap()),
                    "transaction" => drop(redis.transaction((key.del(),)).await.unwrap()),
                    "sweep" => {
                        SlotKeys::loose_keys().all().delete().await.unwrap();
                        SlotKeys::tagged_keys().all().delete().await.unwrap();
                    }
                    "sweep of one" => {
                        SlotKeys::loose_keys().id(7).delete().await.unwrap();
                        SlotKeys::tagged_keys().id("a}b{c:*").delete().await.unwrap();
                    }
                    "sweep of all" => drop(SlotKeys::delete_pattern("*").await.unwrap()),
                    _ => {}
                };
                let load = || async {
                    ends().await;
                    "loaded".to_owned()
                };
                let filling = key.get_or_set(load).stale_for(MINUTE);
                let filling = if across { filling.across_processes() } else { filling };
                assert_eq!(filling.await.unwrap(), "loaded");
                let expected = match end {
                    "nothing" => Some("loaded"),
                    "set" => Some("set"),
                    _ => None,
                };
                assert_eq!(key.get().await.unwrap().as_deref(), expected, "{end} of {key}");
                // Only a stored value has a stale copy.
                raw::<()>(&redis, &["PEXPIRE", &format!("{namespace}{key}"), "0"]).await;
                let copy = key.try_get_or_set(|| async { Err(()) }).stale_for(MINUTE).lookup().await;
                assert_eq!(
                    copy.ok().map(|copy| copy.source),
                    (end == "nothing").then_some(ValueSource::Stale),
                    "{end}"
                );
            }
        }
    }
}

#[test]
fn shared_loads_work_on_clusters() {
    let run_in = |namespace: &str, redis: Redis| {
        within(PATIENCE, async {
            redis.scope(fills_and_invalidations(redis.clone(), namespace)).await;
            redis.close().await;
        });
    };
    let run = |redis: Redis| run_in("", redis);
    run(Redis::builder().embedded(Server::builder().cluster().build()).build().unwrap());
    let server = RealServer::start_node();
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        run(Redis::builder().url(&server.url()).unwrap().protocol(protocol).build().unwrap());
    }
    let builder = Redis::builder().url(&server.url()).unwrap();
    run_in("shop:", builder.namespace("shop").unwrap().build().unwrap());
    // Also on standalone servers, with each protocol, and on an application pool.
    let plain = RealServer::start();
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        run(Redis::builder().url(&plain.url()).unwrap().protocol(protocol).build().unwrap());
    }
    for server in [&plain, &server] {
        within(PATIENCE, async {
            let pool = pool_builder().max_size(2).build(manager(&server.url())).await.unwrap();
            let redis = Redis::from_pool(pool);
            redis.scope(fills_and_invalidations(redis.clone(), "")).await;
        });
    }
}

/// A process may serve the last value it saw while Redis is unavailable, but not after it deleted
/// the key, not even a value it saw during the delete.
#[test]
fn a_value_seen_during_its_deletion_is_not_served_without_redis() {
    for how in ["del", "sweep", "update"] {
        let server = RealServer::start();
        within(PATIENCE, async {
            let (stepper, mut stops) = Stepper::new();
            let gate = Gate::start(server.address(), stepper.clone(), |_| false).await;
            let builder = Redis::builder().url(&gate.url()).unwrap().shared_connections(4).retries(0);
            let redis = builder.build().unwrap();
            redis.connect().await.unwrap();
            let key = Keys::kept(9).on(&redis);
            key.get_or_set(|| async { "old".to_owned() }).stale_for(MINUTE).await.unwrap();
            key.update_with(|_| Change::Keep).await.unwrap();
            Keys::kept(10).on(&redis).update_with(|_| Change::Delete).await.unwrap();
            stepper.close();
            let deleting = tokio::spawn({
                let (redis, key) = (redis.clone(), key.clone());
                async move {
                    match how {
                        "del" => assert!(key.del().await.unwrap()),
                        "sweep" => drop(Keys::kept_keys().all().delete().on(&redis).await.unwrap()),
                        _ => drop(key.update_with(|_| Change::Delete).await.unwrap()),
                    }
                }
            });
            let last = match how {
                // In one step with the removal of the stale copy.
                "del" => "EXEC".to_owned(),
                "sweep" => format!("UNLINK {key}"),
                _ => "EVALSHA 1".to_owned(),
            };
            while stops.recv().await.unwrap() != last {
                stepper.go();
            }
            stepper.open();
            let (seen, mut sees) = tokio::sync::mpsc::channel(100);
            let readers: Vec<_> = (0..16)
                .map(|_| {
                    let (key, seen) = (key.clone(), seen.clone());
                    tokio::spawn(async move {
                        let value = key.get_or_set(std::future::pending).stale_for(MINUTE).await;
                        let _ = seen.send(value.unwrap()).await;
                    })
                })
                .collect();
            assert_eq!(sees.recv().await.unwrap(), "old", "read on a connection that is not held");
            stepper.go();
            deleting.await.unwrap();
            readers.iter().for_each(tokio::task::JoinHandle::abort);
            server.kill();
            let away = key.try_get_or_set(|| async { Ok::<_, ()>("new".to_owned()) }).stale_for(MINUTE);
            let away = away.lookup().await;
            assert!(away.is_err(), "{how}: {away:?}");
        });
    }
}

/// The new master has the lease but none of the scripts.
#[test]
fn another_server_takes_over_while_the_loader_runs() {
    within(PATIENCE, async {
        for deletes in [false, true] {
            let (master, replica) = (RealServer::start(), RealServer::start());
            replica.redis_cli(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]);
            let proxy = Proxy::start(master.address());
            let redis = Redis::builder().url(&master.url_through(&proxy)).unwrap().build().unwrap();
            let key = Keys::text(1).on(&redis);
            let (begun, ends) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
            let load = || async {
                begun.notify_one();
                ends.notified().await;
                "loaded".to_owned()
            };
            let fail_over = async {
                begun.notified().await;
                let ask = |server: &RealServer, command: &[&str]| {
                    server.client().call(command).map(|reply| reply.to_string()).unwrap_or_default()
                };
                // The server refuses while the replica is not in sync. Even after it agreed, it
                // gives up if the first synchronization had not ended. Therefore, ask until it is
                // done. A server that is no longer the master, or whose failover runs, refuses.
                let took_over = async || {
                    let is_master = ask(&replica, &["INFO", "replication"]).contains("role:master");
                    if !is_master {
                        ask(&master, &["FAILOVER", "TIMEOUT", "2000"]);
                    }
                    is_master
                };
                eventually("the replica takes over", took_over).await;
                // The name now refers to the new master. Old connections lead to the replica.
                proxy.redirect(replica.address());
                if deletes {
                    key.del().await.unwrap();
                }
                ends.notify_one();
            };
            let (loaded, ()) = tokio::join!(key.get_or_set(load).into_future(), fail_over);
            assert_eq!(loaded.unwrap(), "loaded");
            let there = replica.redis_cli(&["EXISTS", key.as_str()]);
            assert_eq!(there, if deletes { "0" } else { "1" }, "deleted in the meantime: {deletes}");
            let fills = redis.stats().fills;
            assert_eq!((fills.superseded, fills.not_stored), (u64::from(deletes), 0));
        }
    });
}
