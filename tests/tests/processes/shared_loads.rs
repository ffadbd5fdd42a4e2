//! Processes that load once together, and what becomes of it when one of them ends, stands still or loses its server.

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

/// Not a test of its own: what others run in processes of their own, by what they are to do.
#[test]
fn a_child() {
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
            // Loads until it is told to end, what was in the database when it began.
            "slow" => {
                let load = || async {
                    count(&redis).await;
                    eventually_told(&redis).await;
                    "old".to_owned()
                };
                assert_eq!(key.get_or_set(load).across_processes().await.unwrap(), "old");
                assert_eq!(redis.stats().fills.superseded, 1, "another one has loaded meanwhile");
            }
            other => panic!("{other}"),
        }
    });
}

async fn eventually_told(redis: &Redis) {
    while raw::<i64>(redis, &["EXISTS", "told"]).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn child(server: &RealServer, does: &str) -> RunningTest {
    child_test!("a_child").env("ACROSS_CHILD", does).env("ACROSS_URL", server.url()).spawn()
}

fn wait_for_loads(server: &RealServer, count: &str) {
    eventually_blocking("the loads are begun", || loads(server) == count);
}

/// How often a command was run on a server.
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
fn a_process_that_is_killed_is_followed_by_one_more_load() {
    let server = RealServer::start();
    let leader = child(&server, "slow");
    wait_for_loads(&server, "1");
    let children: Vec<_> = (0..3).map(|_| child(&server, "crowd")).collect();
    // They have come, and wait: each looks for the lease again and again.
    eventually_blocking("they look again and again", || calls(&server, "evalsha") >= 20);
    assert_eq!(loads(&server), "1");
    leader.kill();
    for child in children {
        child.passes();
    }
    assert_eq!(loads(&server), "2");
    assert_eq!(server.redis_cli(&["GET", "across:text:1"]), "loaded");
}

#[test]
fn a_process_that_stood_still_stores_nothing_over_what_others_have() {
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

/// The same when it was deleted meanwhile, and nobody has loaded it since.
#[test]
fn a_process_that_stood_still_stores_nothing_that_was_deleted() {
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

/// The token of the lease of a key, and when it ends unless it is renewed.
async fn lease(redis: &Redis, key: &Key<Keys, Text>) -> Option<(String, u64)> {
    let beside = beside(key);
    let (token, until): (Option<String>, Option<u64>) =
        raw(redis, &["HMGET", &beside, "lease", "until"]).await;
    token.zip(until)
}

fn beside(key: &Key<Keys, Text>) -> String {
    format!("{0}%fill{{{0}}}", wire(key))
}

async fn server_time(redis: &Redis) -> u64 {
    let (seconds, micros): (u64, u64) = raw(redis, &["TIME"]).await;
    seconds * 1000 + micros / 1000
}

/// One who is dropped, at whatever point, leaves nobody waiting for its lease: the next one has it before the old one would
/// have ended by itself.
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
        // What is on its way arrives.
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
            assert!(now < until, "dropped at {at:?}: the lease ended by itself");
        }
        assert!(loads.load(Ordering::Relaxed) <= 2, "{at}");
        assert!(value == "second" || at.contains("EVALSHA store"), "{at}: {value}");
        // Nothing is on its way any more that would be told of in the next round: there is one lane, and this comes last.
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
fn who_is_dropped_at_whatever_step_leaves_nobody_waiting() {
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
fn a_leader_that_panics_or_fails_gives_its_lease_back() {
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
                            panic!("as the test has it")
                        }
                        Err::<String, _>(())
                    };
                    key.try_get_or_set(load).across_processes().await
                }
            });
            started.notified().await;
            let looked = calls(&server, "evalsha");
            // Some of the same process, and some of another one.
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
            eventually("they wait for the lease", looks).await;
            let name = format!("across:text:{id}%fill{{across:text:{id}}}");
            let until: u64 = raw(&one, &["HGET", &name, "until"]).await;
            end.notify_one();
            if ending == "is dropped" {
                leader.abort();
            }
            for follower in followers {
                assert_eq!(follower.await.unwrap(), "loaded");
            }
            assert!(server_time(&one).await < until, "{ending}: the lease ended by itself");
            assert_eq!(loads.load(Ordering::Relaxed), 2, "{ending}");
            assert!(leader.await.map_or(true, |outcome| outcome.is_err()));
        }
    });
}

/// A fill that is dropped when its loader runs.
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

/// Without `across_processes`, each process loads, and the lease is everybody's: whoever fails leaves it to the others.
#[test]
fn a_lease_that_is_shared_is_not_given_back_by_one() {
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
                    // A lease that is begun after that is another one.
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
    async fn scripts_that_are_forgotten_while_it_loads_are_sent_again(redis: Redis) {
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
fn a_server_that_is_started_again_while_it_loads_stores_nothing_of_before() {
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
            assert_eq!(filling.await.unwrap(), "of before", "the caller has it all the same");
            // The lease is gone with the server, and whatever has ended it.
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

/// Whoever comes after a key was deleted is given nothing that was read before, not even by the leader of another caller, whose
/// question was under way.
#[test]
fn who_comes_after_a_delete_does_not_get_what_the_asking_for_a_lease_found() {
    let server = RealServer::start();
    within(PATIENCE, async {
        let (stepper, mut stops) = Stepper::new();
        // The reply to the asking is held, and what is behind it on its connection; others go on.
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
        // Another process has loaded it meanwhile, so the asking finds it there ..
        key.set("old").on(&other).await.unwrap();
        stepper.go();
        assert_eq!(stops.recv().await.unwrap(), "the reply to EVALSHA begin");
        // .. and then it is deleted.
        key.del().on(&other).await.unwrap();
        stepper.open();
        let gets = calls(&server, "get");
        let late: Vec<_> = (0..8)
            .map(|_| {
                let key = key.clone().on(&redis);
                tokio::spawn(async move { key.get_or_set(|| async { "new".to_owned() }).await.unwrap() })
            })
            .collect();
        // Those whose lane is not the one that waits look, and join the leader.
        eventually("they have looked", async || calls(&server, "get") > gets).await;
        stepper.go();
        assert_eq!(first.await.unwrap(), "old", "it came before");
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

async fn fills_and_what_ends_them(redis: Redis, namespace: &str) {
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
                        SlotKeys::loose_keys().delete().await.unwrap();
                        SlotKeys::tagged_keys().delete().await.unwrap();
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
                // A copy is there only of what was stored.
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
fn on_clusters() {
    let run_in = |namespace: &str, redis: Redis| {
        within(PATIENCE, async {
            redis.scope(fills_and_what_ends_them(redis.clone(), namespace)).await;
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
    // And on servers by themselves, by each protocol and by a pool of the application's.
    let plain = RealServer::start();
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        run(Redis::builder().url(&plain.url()).unwrap().protocol(protocol).build().unwrap());
    }
    for server in [&plain, &server] {
        within(PATIENCE, async {
            let pool = pool_builder().max_size(2).build(manager(&server.url())).await.unwrap();
            let redis = Redis::from_pool(pool);
            redis.scope(fills_and_what_ends_them(redis.clone(), "")).await;
        });
    }
}

/// What a process has seen of a key is for when Redis is away, and not for after it has deleted it: not even what was seen
/// while it did.
#[test]
fn what_was_seen_while_it_was_deleted_is_not_given_when_redis_is_away() {
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
                        "sweep" => drop(Keys::kept_keys().delete().on(&redis).await.unwrap()),
                        _ => drop(key.update_with(|_| Change::Delete).await.unwrap()),
                    }
                }
            });
            let last = match how {
                // With the removal of the copy, in one step.
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
            assert_eq!(sees.recv().await.unwrap(), "old", "by a connection that does not wait");
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

/// The server that takes over has the lease, and knows none of the scripts.
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
                // Refused as long as the replica is not in sync.
                eventually("a failover begins", async || ask(&master, &["FAILOVER"]) == "OK").await;
                let replication = ["INFO", "replication"];
                let took_over = async || ask(&replica, &replication).contains("role:master");
                eventually("the replica takes over", took_over).await;
                // The name moves. Connections of before are to what is a replica now.
                proxy.redirect(replica.address());
                if deletes {
                    key.del().await.unwrap();
                }
                ends.notify_one();
            };
            let (loaded, ()) = tokio::join!(key.get_or_set(load).into_future(), fail_over);
            assert_eq!(loaded.unwrap(), "loaded");
            let there = replica.redis_cli(&["EXISTS", key.as_str()]);
            assert_eq!(there, if deletes { "0" } else { "1" }, "deleted meanwhile: {deletes}");
            let fills = redis.stats().fills;
            assert_eq!((fills.superseded, fills.not_stored), (u64::from(deletes), 0));
        }
    });
}
