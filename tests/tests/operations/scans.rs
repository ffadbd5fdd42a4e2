//! Patterns: which keys a scan finds, counts, reads, deletes and leaves alone.

use std::collections::BTreeSet;
use std::task::Poll;
use std::time::Duration;

use redis_keyspace::command::Ttl;
use redis_keyspace::scan::Pattern;
use redis_keyspace::{Counter, Error, ErrorKind, Json, Key, Keyspace, Raw, Redis, Text};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{
    PATIENCE, Proxy, RealServer, both_servers, child_test, eventually, raw, unique_namespace, wired, within,
};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Keyspace)]
#[keyspace(prefix = "scans", ttl = 3600)]
struct Keys {
    #[key("doc:{user}:{id}")]
    doc: fn(user: &str, id: u32) -> Json<Vec<u32>>,
    #[key("doc:{user}:{id}:views")]
    views: fn(user: &str, id: u32) -> Counter,
    #[key("note:{user}")]
    note: fn(user: &str) -> Text,
    #[key("file:{path}")]
    file: fn(path: Raw<&str>) -> Text,
    #[key("kept:{id}", stale_for = "1h")]
    kept: fn(id: u32) -> Text,
}

/// Arguments that must match exactly their own key.
const HOSTILE: [&str; 12] = ["*", "?", "[a-z]", "a*", "\\", "a:b", "", "%", "{x}", "a", "%2A", "ä*"];

/// Returns the results of a scan of docs, as text and arguments.
async fn docs<B>(pattern: &Pattern<Keys, Json<Vec<u32>>, B>) -> BTreeSet<(String, u32)> {
    let (mut found, mut scan) = (BTreeSet::new(), pattern.scan());
    while let Some(next) = scan.next().await.transpose().unwrap() {
        let ParsedKeys::Doc { user, id } = next.arguments() else { panic!("{next:?} is not a doc") };
        assert_eq!(next.key(), &Keys::doc(&user, id));
        assert!(found.insert((user, id)), "found twice: {next:?}");
    }
    found
}

fn pairs(users: &[&str], ids: &[u32]) -> BTreeSet<(String, u32)> {
    users.iter().flat_map(|user| ids.iter().map(|id| ((*user).to_owned(), *id))).collect()
}

both_servers! {
    async fn bound_arguments_match_exactly(_redis: Redis) {
        for user in HOSTILE {
            for id in [1, 2] {
                Keys::doc(user, id).set(&vec![id]).await.unwrap();
                Keys::views(user, id).incr().await.unwrap();
            }
            Keys::note(user).set("x").await.unwrap();
        }
        assert_eq!(docs(&Keys::doc_keys()).await, pairs(&HOSTILE, &[1, 2]));
        assert_eq!(docs(&Keys::doc_keys().id(2)).await, pairs(&HOSTILE, &[2]));
        for user in HOSTILE {
            assert_eq!(docs(&Keys::doc_keys().user(user)).await, pairs(&[user], &[1, 2]), "{user:?}");
            assert_eq!(docs(&Keys::doc_keys().user(user).id(1)).await, pairs(&[user], &[1]), "{user:?}");
            assert_eq!(Keys::note_keys().user(user).count().await.unwrap(), 1, "{user:?}");
        }
        assert_eq!(Keys::views_keys().count().await.unwrap(), 2 * HOSTILE.len() as u64);
        // Deletes with an id of `*`, which must delete the keys of one user only.
        for (nth, user) in HOSTILE.iter().enumerate() {
            let gone = Keys::doc_keys().user(user).delete().await.unwrap();
            assert_eq!((gone.matched, gone.affected, gone.finished), (2, 2, true), "{user:?}");
            let left = HOSTILE.len() - nth - 1;
            assert_eq!(docs(&Keys::doc_keys()).await, pairs(&HOSTILE[nth + 1..], &[1, 2]), "{left} users left");
        }
        assert_eq!(Keys::views_keys().count().await.unwrap(), 2 * HOSTILE.len() as u64);
        assert_eq!(Keys::note_keys().count().await.unwrap(), HOSTILE.len() as u64);
    }

    async fn foreign_keys_are_skipped_counted_and_kept(redis: Redis) {
        Keys::doc("ada", 7).set(&vec![7]).await.unwrap();
        // Keys that match the glob of the template but do not parse.
        let foreign = [
            "scans:doc:ada:7:extra", "scans:doc:ada:007", "scans:doc:ada:x", "scans:doc::7", "scans:doc:%61da:7",
            "scans:doc:a%2ada:7", "scans:doc:a*:7", "scans:doc:ada:4294967296", "scans:doc:ada:-1", "scans:doc:a:b:7",
            "scans:doc:ada:\u{1}",
        ];
        for key in foreign {
            raw::<()>(&redis, &["SET", &wired(key), "x"]).await;
        }
        // A key of the template with a value of another type does not belong to the template.
        raw::<u64>(&redis, &["RPUSH", &wired(Keys::doc("bob", 1)), "x"]).await;
        let unreadable = [wired("scans:doc:").as_bytes(), b"\xff\xfe:7"].concat();
        redis
            .raw(|mut connection| async move {
                redis::cmd("SET").arg(unreadable).arg("x").query_async::<()>(&mut connection).await
            })
            .await
            .unwrap();
        let mut scan = Keys::doc_keys().scan();
        let found = scan.next().await.unwrap().unwrap();
        assert_eq!(found.into_key(), Keys::doc("ada", 7));
        assert!(scan.next().await.is_none());
        assert!(scan.next().await.is_none(), "the end is final");
        assert_eq!(scan.skipped(), foreign.len() as u64 + 1);
        let gone = Keys::doc_keys().all().delete().await.unwrap();
        assert_eq!((gone.matched, gone.affected, gone.skipped), (1, 1, foreign.len() as u64 + 1));
        for key in foreign {
            assert_eq!(raw::<u64>(&redis, &["EXISTS", &wired(key)]).await, 1, "{key}");
        }
        assert_eq!(raw::<u64>(&redis, &["EXISTS", &wired(Keys::doc("bob", 1))]).await, 1);
        assert!(!Keys::doc_keys().exists().await.unwrap());
    }

    async fn a_scan_reads_many_pages(_redis: Redis) {
        let keys = |range: std::ops::Range<u32>| range.map(|id| (Keys::doc(if id % 2 == 0 { "even" } else { "odd" }, id), vec![id]));
        Key::set_many(keys(0..2500)).await.unwrap();
        for page in [0, 7, 1000, 100_000] {
            assert_eq!(Keys::doc_keys().page_size(page).count().await.unwrap(), 2500, "{page}");
        }
        assert_eq!(docs(&Keys::doc_keys().user("odd")).await.len(), 1250);
        let mut values = Keys::doc_keys().user("even").page_size(100_000).values();
        let mut seen = 0;
        while let Some((found, value)) = values.next().await.transpose().unwrap() {
            let ParsedKeys::Doc { id, .. } = found.arguments() else { panic!("{found:?}") };
            assert_eq!(value, [id]);
            seen += 1;
        }
        assert_eq!(seen, 1250);
        let expiring = Keys::doc_keys().user("odd").expire(MINUTE).await.unwrap();
        assert_eq!((expiring.affected, expiring.finished), (1250, true));
        assert!(matches!(Keys::doc("odd", 1).ttl().await.unwrap(), Ttl::Remaining(left) if left <= MINUTE));
        assert!(matches!(Keys::doc("even", 2).ttl().await.unwrap(), Ttl::Remaining(left) if left > MINUTE));
        assert_eq!(Keys::doc_keys().user("odd").expire(Duration::ZERO).await.unwrap().affected, 1250);
        assert_eq!(Keys::doc_keys().count().await.unwrap(), 1250);
        let would = Keys::doc_keys().all().delete().dry_run().await.unwrap();
        assert_eq!((would.matched, would.affected, would.finished), (1250, 0, true));
        assert_eq!(Keys::doc_keys().all().delete().page_size(0).await.unwrap().affected, 1250);
        assert_eq!(Keys::doc_keys().count().await.unwrap(), 0);
        let nothing = Keys::doc_keys().all().delete().await.unwrap();
        assert_eq!((nothing.matched, nothing.affected, nothing.finished), (0, 0, true));
    }

    async fn progress_is_reported_also_after_a_stop(_redis: Redis) {
        Key::set_many((0..1000).map(|id| (Keys::doc("ada", id), vec![id]))).await.unwrap();
        let mut told = Vec::new();
        let stopped = Keys::doc_keys().all()
            .delete()
            .page_size(50)
            .on_progress(|progress| told.push(*progress))
            .stop_if(|progress| progress.affected >= 300)
            .await
            .unwrap();
        assert!(!stopped.finished && stopped.affected >= 300 && stopped.affected < 1000, "{stopped:?}");
        assert_eq!(told.last(), Some(&stopped));
        assert!(told.is_sorted_by_key(|progress| (progress.looked_at, progress.affected)));
        assert!(told.iter().all(|progress| (0.0..=1.0).contains(&progress.fraction())));
        assert_eq!(Keys::doc_keys().count().await.unwrap(), 1000 - stopped.affected);
        let mut last = None;
        let rest = Keys::doc_keys().all().delete().on_progress(|progress| last = Some(*progress)).await.unwrap();
        assert_eq!(rest.affected, 1000 - stopped.affected);
        assert_eq!(last, Some(rest));
        assert!(rest.fraction() >= 1.0);
    }

    async fn undecodable_values_do_not_end_the_stream(redis: Redis) {
        for id in 0..20 {
            Keys::doc("ada", id).set(&vec![id]).await.unwrap();
            Keys::views("ada", id).incr_by(i64::from(id)).await.unwrap();
        }
        raw::<()>(&redis, &["SET", &wired(Keys::doc("ada", 7)), "no json"]).await;
        let (mut good, mut bad, mut values) = (0, Vec::new(), Keys::doc_keys().page_size(5).values());
        while let Some(next) = values.next().await {
            match next {
                Ok((found, value)) => {
                    assert_eq!(found.key().get().await.unwrap(), Some(value));
                    good += 1;
                }
                Err(error) => bad.push(error),
            }
        }
        assert_eq!((good, bad.len()), (19, 1));
        assert!(bad[0].is_decode() && bad[0].key() == Some("scans:doc:ada:7"), "{}", bad[0]);
        let (mut sum, mut counters) = (0, Keys::views_keys().values());
        while let Some((_, value)) = counters.next().await.transpose().unwrap() {
            sum += value;
        }
        assert_eq!(sum, (0..20).sum::<i64>());
    }

    async fn verbatim_arguments_are_not_globs(_redis: Redis) {
        for path in ["a*", "ab", "a[b]", "a\\", "a?"] {
            Keys::file(Raw(path)).set(path).await.unwrap();
        }
        assert_eq!(Keys::file_keys().count().await.unwrap(), 5);
        for path in ["a*", "a[b]", "a\\", "a?"] {
            let gone = Keys::file_keys().path(Raw(path)).delete().await.unwrap();
            assert_eq!((gone.affected, gone.skipped), (1, 0), "{path}");
        }
        assert_eq!(Keys::file(Raw("ab")).get().await.unwrap().as_deref(), Some("ab"));
    }

    async fn a_raw_pattern_stays_within_the_prefix(redis: Redis) {
        Keys::doc("ada", 1).set(&vec![1]).await.unwrap();
        Keys::note("ada").set("x").await.unwrap();
        raw::<u64>(&redis, &["RPUSH", &wired("scans:doc:list"), "x"]).await;
        for key in ["scan", "scanss:doc:1", "other:scans:doc:1"] {
            raw::<()>(&redis, &["SET", &wired(key), "x"]).await;
        }
        assert_eq!(Keys::delete_pattern("doc:*").dry_run().await.unwrap().matched, 2);
        assert_eq!(Keys::delete_pattern("doc:*").await.unwrap().affected, 2);
        assert_eq!(Keys::delete_pattern("*").await.unwrap().affected, 1);
        for key in ["scan", "scanss:doc:1", "other:scans:doc:1"] {
            assert_eq!(raw::<u64>(&redis, &["EXISTS", &wired(key)]).await, 1, "{key}");
        }
    }

    /// While the table grows and shrinks during the scan, each key is found at most once, and every
    /// key that stays is found.
    async fn each_key_is_found_once_while_others_change(_redis: Redis) {
        Key::set_many((0..3000).map(|id| (Keys::doc("stays", id), vec![id]))).await.unwrap();
        let (mut scan, mut found, mut turn) = (Keys::doc_keys().user("stays").page_size(50).scan(), BTreeSet::new(), 0_u32);
        while let Some(next) = scan.next().await.transpose().unwrap() {
            assert!(found.insert(next.key().to_string()), "found twice: {next:?}");
            turn += 1;
            if turn.is_multiple_of(200) {
                let others = (0..4000).map(|id| Keys::doc("goes", id));
                if (turn / 200).is_multiple_of(2) {
                    Key::del_many(others).await.unwrap();
                } else {
                    Key::set_many(others.map(|key| (key, vec![0]))).await.unwrap();
                }
            }
        }
        assert_eq!(found.len(), 3000);
    }
}

#[test]
fn a_scan_stays_within_its_namespace() {
    within(PATIENCE, async {
        let server = Server::new();
        let namespaced =
            |name: &str| Redis::builder().embedded(server.clone()).namespace(name).unwrap().build().unwrap();
        let (one, other) = (namespaced(&unique_namespace()), namespaced(&unique_namespace()));
        let bare = Redis::with_embedded_server(server.clone());
        for redis in [&one, &other, &bare] {
            Keys::note("ada").set("x").on(redis).await.unwrap();
        }
        assert_eq!(Keys::note_keys().on(&one).count().await.unwrap(), 1);
        let found = Keys::note_keys().on(&one).scan().next().await.unwrap().unwrap();
        assert_eq!(found.key().as_str(), "scans:note:ada");
        assert_eq!(Keys::note_keys().all().delete().on(&one).await.unwrap().affected, 1);
        assert_eq!(Keys::delete_pattern("*").on(&one).await.unwrap().affected, 0);
        for redis in [&other, &bare] {
            assert!(Keys::note("ada").exists().on(redis).await.unwrap());
        }
    });
}

/// Keys that were found through an explicit handle use that handle.
#[test]
fn found_keys_use_the_scanned_handle() {
    within(PATIENCE, async {
        let (one, other) = (Redis::embedded(), Redis::embedded());
        other
            .scope(async {
                for redis in [&one, &other] {
                    Keys::doc("ada", 1).set(&vec![1]).on(redis).await.unwrap();
                }
                let found = Keys::doc_keys().on(&one).scan().next().await.unwrap().unwrap();
                assert!(found.key().del().await.unwrap());
                assert!(!Keys::doc("ada", 1).exists().on(&one).await.unwrap());
                assert!(
                    Keys::doc("ada", 1).exists().await.unwrap(),
                    "the key on the handle in scope is untouched"
                );
            })
            .await;
    });
}

/// The error contains the progress up to it.
#[test]
fn an_error_reports_the_progress() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::with_embedded_server(server.clone());
        Key::set_many((0..1000).map(|id| (Keys::doc("ada", id), vec![id]))).on(&redis).await.unwrap();
        let mut pages = 0;
        let swept = Keys::doc_keys()
            .all()
            .delete()
            .on(&redis)
            .page_size(100)
            .on_progress(|_| {
                pages += 1;
                if pages == 4 {
                    server.inject(Fault::error("LOADING Redis is loading").on("UNLINK").times(1)).keep();
                }
            })
            .await;
        let error = swept.unwrap_err();
        // One of the scanned keys may be the mark of the sweep.
        let affected = error.progress().affected;
        assert!(affected == 299 || affected == 300, "{affected}");
        assert!(!error.progress().finished);
        assert_eq!((error.error().kind(), error.error().command()), (ErrorKind::Unavailable, Some("UNLINK")));
        assert!(error.to_string().contains(&format!("after {affected} keys")), "{error}");
        let plain: Error = error.into();
        assert!(plain.is_unavailable());
        assert_eq!(Keys::doc_keys().on(&redis).count().await.unwrap(), 1000 - affected);
    });
}

/// A user who may not ask for the number of keys still sees progress.
#[test]
fn without_the_number_of_keys_the_examined_keys_are_counted() {
    within(PATIENCE, async {
        let server = Server::new();
        server
            .inject(Fault::error("NOPERM this user has no permissions to run 'dbsize'").on("DBSIZE"))
            .keep();
        let real = RealServer::start();
        real.redis_cli(&["ACL", "SETUSER", "app", "on", ">pass", "~*", "+@all", "-dbsize"]);
        let builder = Redis::builder().host("127.0.0.1").port(real.port()).username("app").password("pass");
        for redis in [Redis::with_embedded_server(server), builder.build().unwrap()] {
            Key::set_many((0..1000).map(|id| (Keys::doc("ada", id), vec![id]))).on(&redis).await.unwrap();
            let mut told = Vec::new();
            let sweep = Keys::doc_keys().all().delete().on(&redis).page_size(100);
            let swept = sweep.on_progress(|progress| told.push(progress.looked_at)).await.unwrap();
            assert_eq!((swept.total, swept.affected), (0, 1000));
            assert!(told[0] == 100 && told.is_sorted() && swept.looked_at >= 1000, "{told:?}");
        }
    });
}

/// A server that is out of memory can't record the deletion of a pattern, but deletes.
#[test]
fn without_memory_stale_copies_are_deleted() {
    within(PATIENCE, async {
        let server = Server::new();
        let redis = Redis::with_embedded_server(server.clone());
        let companion = "scans:kept:1%fill{scans:kept:1}";
        let exists = async || raw::<u64>(&redis, &["EXISTS", companion]).await == 1;
        Keys::kept(1).get_or_set(|| async { "x".to_owned() }).on(&redis).await.unwrap();
        assert!(exists().await, "a stale copy");
        let oom = "OOM command not allowed when used memory > 'maxmemory'.";
        let fault = server.inject(Fault::error(oom).on("HSET"));
        assert_eq!(Keys::kept_keys().all().delete().on(&redis).await.unwrap().affected, 1);
        assert_eq!(fault.hits(), 1);
        assert!(!exists().await);
    });
}

/// Runs in a separate process, because an installed handle applies to a whole process.
#[test]
fn a_sweep_stays_on_its_server() {
    const CHILD: &str = "REDIS_KEYSPACE_TEST_SWEEP_STAYS";
    if std::env::var_os(CHILD).is_none() {
        child_test!("a_sweep_stays_on_its_server").env(CHILD, "1").run();
        return;
    }
    within(PATIENCE, async {
        let server = Server::new();
        let (first, second) = (Redis::with_embedded_server(server.clone()).install(), Redis::embedded());
        for redis in [&first, &second] {
            Keys::note("ada").set("x").on(redis).await.unwrap();
        }
        // Otherwise the server in the process replies at once.
        server.inject(Fault::delay(Duration::from_millis(1)).on("HSET").times(1)).keep();
        let mut sweep = Keys::note_keys().all().delete().into_future();
        let started = std::future::poll_fn(|context| Poll::Ready(sweep.as_mut().poll(context).is_pending()));
        assert!(started.await, "loads in flight are being ended");
        second.clone().install();
        assert_eq!(sweep.await.unwrap().affected, 1);
        assert!(!Keys::note("ada").exists().on(&first).await.unwrap());
        assert!(Keys::note("ada").exists().on(&second).await.unwrap());
    });
}

/// A cursor is invalid after a server restart.
#[test]
fn a_scan_restarts_after_a_server_restart() {
    within(PATIENCE, async {
        let server = RealServer::start();
        let redis = Redis::builder().url(&server.url()).unwrap().shared_connections(2).build().unwrap();
        let fill = || async {
            let docs = (0..4000).map(|id| (Keys::doc("ada", id), vec![id]));
            Key::set_many(docs).on(&redis).await.unwrap();
            for id in 0..100 {
                raw::<()>(&redis, &["SET", &format!("scans:doc:ada:foreign{id}"), "x"]).await;
            }
        };
        let restart = || async {
            server.restart();
            eventually("the server is back", async || redis.ping().await.is_ok()).await;
            fill().await;
        };
        fill().await;
        let mut scan = Keys::doc_keys().on(&redis).page_size(100).scan();
        let mut found = BTreeSet::new();
        while let Some(next) = scan.next().await {
            let ParsedKeys::Doc { id, .. } = next.unwrap().arguments() else { panic!("no doc") };
            assert!(found.insert(id), "the scan returned {id} twice");
            if found.len() == 1500 {
                restart().await;
            }
        }
        assert_eq!(found.len(), 4000);

        let mut pages = 0;
        let gone = Keys::doc_keys().all().on(&redis).page_size(100).delete().stop_if(|_| {
            pages += 1;
            pages == 15
        });
        assert!(!gone.await.unwrap().finished);
        let (mut pages, handle) = (0, tokio::runtime::Handle::current());
        let gone = Keys::doc_keys().all().on(&redis).page_size(100).delete().on_progress(|_| {
            pages += 1;
            if pages == 15 {
                tokio::task::block_in_place(|| handle.block_on(restart()));
            }
        });
        assert!(gone.await.unwrap().finished);
        assert_eq!(Keys::doc_keys().on(&redis).count().await.unwrap(), 0);
        fill().await;
        let mut pages = 0;
        let preview = Keys::doc_keys().all().on(&redis).page_size(100).delete().dry_run().on_progress(|_| {
            pages += 1;
            if pages == 15 {
                tokio::task::block_in_place(|| handle.block_on(restart()));
            }
        });
        let preview = preview.await.unwrap();
        assert_eq!((preview.matched, preview.skipped), (4000, 100), "only those of the new server");
    });
}

/// Two lanes move to another server, one after the other, during a scan.
#[test]
fn a_scan_survives_a_failover_of_one_connection_at_a_time() {
    within(PATIENCE, async {
        let servers = [RealServer::start(), RealServer::start()];
        for server in &servers {
            let redis = Redis::open(&server.url()).unwrap();
            let docs = (0..6000).map(|id| (Keys::doc("ada", id), vec![id]));
            Key::set_many(docs).on(&redis).await.unwrap();
            redis.close().await;
        }
        let proxy = Proxy::start(servers[0].address());
        let redis = Redis::builder()
            .url(&servers[0].url_through(&proxy))
            .unwrap()
            .shared_connections(2)
            .build()
            .unwrap();
        redis.connect().await.unwrap();
        let mut scan = Keys::doc_keys().on(&redis).page_size(100).scan();
        let mut found = BTreeSet::new();
        while let Some(next) = scan.next().await {
            let ParsedKeys::Doc { id, .. } = next.unwrap().arguments() else { panic!("no doc") };
            found.insert(id);
            if [1000, 3000].contains(&found.len()) {
                proxy.redirect(servers[1].address());
                let before = proxy.traffic().open;
                proxy.cut_oldest();
                proxy.until(|traffic| traffic.open < before).await;
            }
        }
        assert_eq!(found.len(), 6000);
    });
}

/// A user without permission to read the identity of the server.
#[test]
fn new_lanes_do_not_count_as_another_server() {
    within(PATIENCE, async {
        let server = RealServer::start();
        server.redis_cli(&["ACL", "SETUSER", "app", "on", ">pass", "~*", "+@all", "-info"]);
        let builder = || {
            let host = Redis::builder().host("127.0.0.1").port(server.port());
            host.username("app").password("pass").shared_connections(8)
        };
        let docs = (0..3000).map(|id| (Keys::doc("ada", id), vec![id]));
        Key::set_many(docs).on(&builder().build().unwrap()).await.unwrap();
        let fresh = || Keys::doc_keys().all().on(&builder().retries(9).build().unwrap()).page_size(100);
        assert_eq!(fresh().delete().dry_run().await.unwrap().matched, 3000);
        assert_eq!(fresh().expire(MINUTE).await.unwrap().affected, 3000);
        assert_eq!(fresh().allow_repeats().count().await.unwrap(), 3000);
    });
}

/// With all arguments bound, the pattern is a single key.
#[test]
fn a_pattern_of_one_key_needs_no_scan() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(10_000).build();
        let redis = Redis::builder().embedded(server.clone()).shared_connections(1).build().unwrap();
        Key::set_many((0..5000).map(|id| (Keys::doc("ada", id), vec![id]))).on(&redis).await.unwrap();
        raw::<()>(&redis, &["RPUSH", "scans:doc:bob:1", "a value of another type"]).await;
        let before = server.round_trips();
        let one = Keys::doc_keys().user("ada").id(7).on(&redis);
        assert_eq!(docs(&one).await, pairs(&["ada"], &[7]));
        assert_eq!((one.count().await.unwrap(), one.exists().await.unwrap()), (1, true));
        assert_eq!(one.values().next().await.unwrap().unwrap().1, [7]);
        let given = one.expire(MINUTE).await.unwrap();
        assert_eq!((given.matched, given.affected, given.finished), (1, 1, true));
        assert_eq!(one.delete().dry_run().await.unwrap().matched, 1);
        assert_eq!(one.delete().await.unwrap().affected, 1);
        assert_eq!((one.count().await.unwrap(), one.exists().await.unwrap()), (0, false));
        assert!(server.round_trips() - before <= 15, "{}", server.round_trips() - before);
        let foreign = Keys::doc_keys().user("bob").id(1).on(&redis);
        assert_eq!((foreign.count().await.unwrap(), foreign.delete().await.unwrap().affected), (0, 0));
        assert_eq!(Keys::doc_keys().on(&redis).count().await.unwrap(), 4999);
    });
}

#[test]
fn a_page_is_one_round_trip() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(10_000).build();
        let redis = Redis::builder().embedded(server.clone()).shared_connections(1).build().unwrap();
        Key::set_many((0..100).map(|id| (Keys::doc("ada", id), vec![id]))).on(&redis).await.unwrap();
        let before = (server.command_log().len(), server.round_trips());
        Keys::doc_keys().all().delete().on(&redis).page_size(10).await.unwrap();
        let log = server.command_log();
        let names: Vec<_> =
            log[before.0..].iter().map(|c| String::from_utf8_lossy(&c.arguments[0]).into_owned()).collect();
        assert_eq!(names[..7], ["HSET", "PEXPIRE", "HGET", "DBSIZE", "SCAN", "UNLINK", "SCAN"]);
        let (scans, unlinks) =
            (names.iter().filter(|n| *n == "SCAN").count(), names.iter().filter(|n| *n == "UNLINK").count());
        assert_eq!(
            server.round_trips() - before.1,
            scans as u64 + 2,
            "{unlinks} deletions are in the same round trips"
        );
        assert!(unlinks >= 9);
    });
}

#[test]
fn without_a_server_the_error_comes_once_and_the_stream_ends() {
    within(PATIENCE, async {
        let nowhere = Redis::builder().url("redis://127.0.0.1:1").unwrap().retries(0).build().unwrap();
        let mut scan = Keys::doc_keys().on(&nowhere).scan();
        let error = scan.next().await.unwrap().unwrap_err();
        assert!(error.is_unavailable() && error.command() == Some("SCAN"), "{error}");
        assert_eq!(error.field(), Some("doc"));
        assert!(scan.next().await.is_none());
        assert!(Keys::doc_keys().on(&nowhere).count().await.unwrap_err().is_unavailable());
        assert!(Keys::doc_keys().on(&nowhere).exists().await.unwrap_err().is_unavailable());
        let swept = Keys::doc_keys().all().delete().on(&nowhere).await.unwrap_err();
        assert_eq!(swept.progress().affected, 0);
    });
}

/// Every future can be spawned, and the streams implement `Stream`.
#[test]
fn futures_are_send_and_streams_are_streams() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    within(PATIENCE, async {
        let redis = Redis::embedded();
        let pattern = Keys::doc_keys().user("ada").on(&redis);
        let of = pattern.clone();
        assert_eq!(tokio::spawn(async move { send(of.count()).await }).await.unwrap().unwrap(), 0);
        assert_eq!(tokio::spawn(send(pattern.delete().into_future())).await.unwrap().unwrap().affected, 0);
        Keys::doc("ada", 1).set(&vec![1]).on(&redis).await.unwrap();
        let mut stream = send(pattern.values());
        let next = std::future::poll_fn(|context| {
            futures_core::Stream::poll_next(std::pin::Pin::new(&mut stream), context)
        });
        assert_eq!(next.await.unwrap().unwrap().1, [1]);
    });
}
