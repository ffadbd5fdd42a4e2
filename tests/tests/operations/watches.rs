//! Optimistic transactions: they run only if the watched keys are unchanged.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use redis_keyspace::command::IntoCommand;
use redis_keyspace::{Bitmap, Counter, Error, ErrorKind, Keyspace, List, Redis, SortedSet, Text};
use redis_keyspace_embedded::{Fault as ServerFault, Server};
use redis_keyspace_tests::{
    Fault, PATIENCE, Proxy, both_servers, manager, on_embedded, on_real, pool_builder, shared_cluster,
    shared_server, unique_namespace, wire, within,
};

#[derive(Keyspace)]
#[keyspace(prefix = "watches", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Keys {
    text: fn(id: u32) -> Text,
    #[key("draft:{bank}:{id}", hash_tag = bank, stale_for = "1h")]
    draft: fn(bank: u32, id: u32) -> Text,
    #[key("account:{bank}:{id}", hash_tag = bank)]
    account: fn(bank: u32, id: u32) -> Counter,
    #[key("moves:{bank}", hash_tag = bank)]
    moves: fn(bank: u32) -> List<u64>,
    #[key("days:{bank}", hash_tag = bank)]
    days: fn(bank: u32) -> Bitmap,
    #[key("ranks:{bank}", hash_tag = bank)]
    ranks: fn(bank: u32) -> SortedSet<u64>,
}

#[derive(Keyspace)]
#[keyspace(prefix = "audits", ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Audits {
    #[key("audit:{bank}", hash_tag = bank)]
    audit: fn(bank: u32) -> Counter,
}

#[derive(Keyspace)]
#[keyspace(prefix = "elsewhere", db = 3, ttl = 3600)]
#[allow(dead_code, reason = "fields are declarations")]
struct Elsewhere {
    text: fn(id: u32) -> Text,
}

const ACCOUNTS: u32 = 4;

/// Moves an amount if the first account has it. Returns whether it did.
async fn transfer(redis: &Redis, from: u32, to: u32, amount: i64) -> Result<bool, Error> {
    let (from, to) = (Keys::account(1, from), Keys::account(1, to));
    let keys = (from.clone(), [to.clone()]);
    let moved = redis
        .watch(keys, move |tx| {
            let (from, to) = (from.clone(), to.clone());
            async move {
                let (has, there) = tx.run((from.get(), to.get())).await?;
                if has < amount {
                    return Ok(None);
                }
                // Reads of keys that are not watched, on the handle.
                let _ = Keys::moves(1).llen().await?;
                let log = vec![Keys::moves(1).rpush(&1).into_command(), Keys::moves(1).llen()];
                Ok(Some(((from.set(has - amount), to.set(there + amount)), log, Audits::audit(1).incr())))
            }
        })
        .attempts(u32::MAX)
        .timeout(PATIENCE)
        .await?;
    Ok(moved.is_some())
}

/// Many tasks move money. No update is lost, and no money appears.
async fn transfers(redis: Redis) {
    for id in 0..ACCOUNTS {
        Keys::account(1, id).set(100).await.unwrap();
    }
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let redis = redis.clone();
            tokio::spawn(async move {
                let mut moved = 0;
                for nth in 0..8 {
                    let (from, to) = ((task + nth) % ACCOUNTS, (task + 3 * nth + 1) % ACCOUNTS);
                    if from != to && redis.scope(transfer(&redis, from, to, 30)).await.unwrap() {
                        moved += 1;
                    }
                }
                moved
            })
        })
        .collect();
    let mut moved = 0;
    for task in tasks {
        moved += task.await.unwrap();
    }
    let mut balances = Vec::new();
    for id in 0..ACCOUNTS {
        balances.push(Keys::account(1, id).get().await.unwrap());
    }
    assert_eq!(balances.iter().sum::<i64>(), 400, "{balances:?}");
    assert!(balances.iter().all(|balance| *balance >= 0), "{balances:?}");
    assert!(moved > 0);
    assert_eq!(Keys::moves(1).llen().await.unwrap(), moved);
    assert_eq!(Audits::audit(1).get().await.unwrap(), i64::try_from(moved).unwrap());
}

#[test]
fn no_update_is_lost_on_the_embedded_server() {
    on_embedded(transfers);
}

#[test]
fn no_update_is_lost_on_a_real_server() {
    on_real(transfers);
}

#[test]
fn no_update_is_lost_on_a_cluster() {
    let builder = Redis::builder().url(&shared_cluster().url()).unwrap().timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(PATIENCE, redis.scope(transfers(redis.clone())));
}

#[test]
fn no_update_is_lost_with_one_connection() {
    let builder =
        Redis::builder().url(&shared_server().url()).unwrap().exclusive_connections(1).timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(PATIENCE, redis.scope(transfers(redis.clone())));
}

#[test]
fn no_update_is_lost_on_a_pool_of_the_application() {
    within(PATIENCE, async {
        let pool = pool_builder().max_size(2).build(manager(&shared_server().url())).await.unwrap();
        let builder = Redis::builder().pool(pool).timeout(PATIENCE);
        let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
        redis.scope(transfers(redis.clone())).await;
    });
}

/// Commands of several steps, which need MULTI elsewhere, work while keys are watched, and the keys
/// stay watched.
async fn commands_of_several_steps(redis: Redis) {
    let (days, ranks, moves) = (Keys::days(5), Keys::ranks(5), Keys::moves(5));
    for day in [1, 9, 17] {
        days.set_bit(day, true).await.unwrap();
    }
    ranks.zadd_many([(1, 1.5), (2, 2.5), (3, 3.5)]).await.unwrap();
    let reads = || {
        (
            (
                days.bit_count(..-8),
                days.bit_count(..-32),
                days.bit_pos(false, ..=-9),
                days.bit_pos(true, -16..),
            ),
            (ranks.zpage(0, 2).rev(), ranks.zrank(&2).with_score(), ranks.zrank(&4).with_score()),
            moves.llen(),
        )
    };
    let expected = redis.batch(reads()).await.unwrap();
    assert_eq!(expected.0, (2, 0, Some(0), Some(9)));
    let runs = AtomicU32::new(0);
    let moved = redis
        .watch((days.clone(), ranks.clone()), async |tx| {
            let found = tx.run(reads()).await?;
            if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                assert_eq!(found, expected);
                // A write of two commands to a key that is not watched takes effect at once.
                assert_eq!(tx.run(moves.rpush_many([1, 2, 3]).trim_to(2)).await?, 2);
                ranks.zadd(&4, 4.5).await?;
            } else {
                assert_eq!((found.1.0.total, found.1.2), (4, Some((3, 4.5))));
                assert_eq!(found.2, 2);
            }
            Ok(Some(ranks.zcard()))
        })
        .timeout(PATIENCE)
        .await
        .unwrap();
    assert_eq!((moved, runs.into_inner()), (Some(4), 2), "the key stayed watched");
    assert_eq!(moves.lrange(..).await.unwrap(), [2, 3]);
}

#[test]
fn commands_of_several_steps_work_in_a_watch_on_a_cluster() {
    let builder = Redis::builder().url(&shared_cluster().url()).unwrap().timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(PATIENCE, redis.scope(commands_of_several_steps(redis.clone())));
}

both_servers! {
    async fn commands_of_several_steps_work_in_a_watch(redis: Redis) {
        commands_of_several_steps(redis).await;
    }

    async fn commands_that_no_script_can_replace_are_refused_in_a_watch(redis: Redis) {
        let (draft, other) = (Keys::draft(6, 1), Keys::draft(6, 2));
        draft.set("a draft").await.unwrap();
        let rename = || draft.raw("RENAME").key().other_key(&other).writes().query::<String>();
        let refused = redis.watch(draft.clone(), async |tx| {
            let error = tx.run(rename()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains("return the command from the closure"), "{error}");
            Ok(Some(rename()))
        });
        assert_eq!(refused.await.unwrap().as_deref(), Some("OK"));
        assert_eq!(other.get().await.unwrap().as_deref(), Some("a draft"));
    }

    async fn nothing_changes_if_the_closure_says_so(redis: Redis) {
        let aborted = redis.watch(Keys::text(1), async |_| Ok(None::<redis_keyspace::Command<bool>>)).await.unwrap();
        assert_eq!(aborted, None);
        let error = redis
            .watch(Keys::text(1), async |tx| {
                tx.run(Keys::text(1).get()).await?;
                tx.run(Keys::moves(1).raw("LSET").arg(0).arg(1).query::<()>()).await?;
                Ok(Some(Keys::text(1).set("never")))
            })
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        assert_eq!(Keys::text(1).get().await.unwrap(), None);
        let empty = redis.watch(Keys::text(1), async |_| Ok(Some(Vec::<redis_keyspace::Command<bool>>::new()))).await;
        assert_eq!(empty.unwrap(), Some(Vec::new()));
    }

    async fn a_key_that_always_changes_is_a_conflict(redis: Redis) {
        let runs = AtomicU32::new(0);
        let error = redis
            .watch((Keys::text(1), Keys::text(2)), async |_| {
                runs.fetch_add(1, Ordering::SeqCst);
                Keys::text(2).set("changed").await?;
                Ok(Some(Keys::text(1).set("never")))
            })
            .attempts(3)
            .timeout(PATIENCE)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("3 attempts") && error.to_string().contains("WATCH"), "{error}");
        assert_eq!(runs.into_inner(), 3);
        assert_eq!(Keys::text(1).get().await.unwrap(), None);
        // The second attempt finds the keys unchanged.
        let runs = AtomicU32::new(0);
        let set = redis.watch([Keys::text(2)], async |tx| {
            if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                Keys::text(2).set("first").await?;
            }
            let text = tx.run(Keys::text(2).get()).await?.unwrap_or_default();
            Ok(Some([Keys::text(1).set(&text)]))
        });
        assert_eq!(set.timeout(PATIENCE).await.unwrap(), Some([()]));
        assert_eq!((runs.load(Ordering::SeqCst), Keys::text(1).get().await.unwrap().as_deref()), (2, Some("first")));
    }

    async fn commands_elsewhere_are_refused(redis: Redis) {
        let watching_two = redis.watch((Keys::text(1), Elsewhere::text(1)), async |_| Ok(Some(Keys::text(1).del()))).await;
        let reading = redis.watch(Keys::text(1), async |tx| {
            tx.run(Elsewhere::text(1).get()).await?;
            Ok(Some(Keys::text(1).del()))
        });
        let writing = redis.watch(Keys::text(1), async |_| Ok(Some((Keys::text(1).del(), Elsewhere::text(1).del()))));
        let other = redis.watch(Keys::text(1), async |_| Ok(Some(Elsewhere::text(1).del())));
        let nothing = redis.watch(Vec::<redis_keyspace::Key<Keys, Text>>::new(), async |_| Ok(Some(Keys::text(1).del())));
        for error in [
            watching_two.unwrap_err(),
            reading.await.unwrap_err(),
            writing.await.unwrap_err(),
            other.await.unwrap_err(),
            nothing.await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
    }

    async fn the_connection_of_an_attempt_ends_with_it(redis: Redis) {
        let kept = Arc::new(std::sync::Mutex::new(None));
        let keep = Arc::clone(&kept);
        let set = redis.watch(Keys::text(1), move |tx| {
            *keep.lock().unwrap() = Some(tx);
            async { Ok(Some(Keys::text(1).set("x"))) }
        });
        set.await.unwrap();
        let tx = kept.lock().unwrap().take().unwrap();
        assert_eq!(tx.run(Keys::text(1).get()).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

/// The next user of the only connection finds no watched key, wherever a watch is dropped.
async fn dropped_watches(redis: Redis) {
    let next = wire(&Keys::text(2));
    for polls in 0..40 {
        let watch = redis.watch(Keys::text(1), async |tx| {
            tx.run(Keys::text(1).get()).await?;
            tokio::task::yield_now().await;
            Ok(Some((Keys::text(1).set("x"), Keys::text(1).del())))
        });
        let mut watch = watch.timeout(PATIENCE).into_future();
        for _ in 0..polls {
            let poll = poll_fn(|context| Poll::Ready(watch.as_mut().poll(context))).await;
            if poll.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
            if polls % 3 == 0 {
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
        }
        drop(watch);
        Keys::text(1).set("changed").await.unwrap();
        let key = next.clone();
        let executed: Option<(String,)> = redis
            .raw(|mut connection| async move {
                redis::pipe().atomic().cmd("SET").arg(key).arg(polls).query_async(&mut connection).await
            })
            .await
            .unwrap();
        assert!(executed.is_some(), "after {polls} polls");
    }
}

#[test]
fn a_dropped_watch_leaves_nothing_behind_on_the_embedded_server() {
    let builder = Redis::builder().embedded(Server::new()).exclusive_connections(1).timeout(PATIENCE);
    alone(builder, dropped_watches_without_namespace);
}

#[test]
fn a_dropped_watch_leaves_nothing_behind_on_a_real_server() {
    on_real(dropped_watches);
}

async fn dropped_watches_without_namespace(redis: Redis) {
    for polls in 0..40 {
        let watch = redis.watch(Keys::text(1), async |tx| {
            tx.run(Keys::text(1).get()).await?;
            Ok(Some((Keys::text(1).set("x"), Keys::text(1).del())))
        });
        let mut watch = watch.timeout(PATIENCE).into_future();
        for _ in 0..polls {
            if poll_fn(|context| Poll::Ready(watch.as_mut().poll(context))).await.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(watch);
        Keys::text(1).set("changed").await.unwrap();
        let next = redis
            .watch(Keys::text(2), async |_| Ok(Some(Keys::text(2).set("next"))))
            .attempts(1)
            .timeout(PATIENCE);
        assert_eq!(next.await.unwrap(), Some(()), "after {polls} polls");
    }
}

fn alone<F: Future<Output = ()>>(builder: redis_keyspace::RedisBuilder, body: impl FnOnce(Redis) -> F) {
    let redis = builder.build().unwrap();
    within(PATIENCE, redis.scope(body(redis.clone())));
}

#[test]
fn an_attempt_takes_two_round_trips_and_the_reads() {
    within(PATIENCE, async {
        let server = Server::builder().log_commands(1000).build();
        let redis = Redis::with_embedded_server(server.clone());
        redis
            .scope(async {
                Keys::account(1, 1).set(1).await.unwrap();
                let once = || {
                    redis.watch(Keys::account(1, 1), async |tx| {
                        let (one, many) =
                            tx.run((Keys::account(1, 1).get(), vec![Keys::moves(1).llen()])).await?;
                        assert_eq!((one > 0, many), (true, vec![0]));
                        Ok(Some((Keys::account(1, 1).incr(), vec![Keys::account(1, 2).incr()])))
                    })
                };
                once().await.unwrap();
                let (trips, logged) = (server.round_trips(), server.command_log().len());
                assert_eq!(once().await.unwrap(), Some((3, vec![2])));
                assert_eq!(server.round_trips() - trips, 3);
                let log = server.command_log();
                let names: Vec<_> = log[logged..]
                    .iter()
                    .map(|logged| String::from_utf8_lossy(&logged.arguments[0]).into_owned())
                    .collect();
                assert_eq!(names.first().map(String::as_str), Some("WATCH"));
                assert_eq!(names.last().map(String::as_str), Some("EXEC"));
            })
            .await;
    });
}

#[test]
fn a_watch_needs_multi() {
    within(PATIENCE, async {
        let server = Server::new();
        let _rejecting = server.inject(ServerFault::error("NOPERM no permission to run MULTI").on("MULTI"));
        let redis = Redis::with_embedded_server(server);
        redis
            .scope(async {
                let error =
                    redis.watch(Keys::text(1), async |_| Ok(Some(Keys::text(1).set("x")))).await.unwrap_err();
                assert!(error.to_string().contains("MULTI"), "{error}");
                assert_eq!(Keys::text(1).get().await.unwrap(), None);
            })
            .await;
        let disabled = Redis::disabled();
        let error =
            disabled.watch(Keys::text(1), async |_| Ok(Some(Keys::text(1).set("x")))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ServerNotConfigured);
    });
}

/// An EXEC without a reply is not sent again. A WATCH without a reply is.
#[test]
fn a_lost_connection_never_executes_a_transaction_twice() {
    let proxy = Proxy::start(shared_server().address());
    within(PATIENCE, async {
        let builder = Redis::builder().url(&shared_server().url_through(&proxy)).unwrap().timeout(PATIENCE);
        let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
        redis
            .scope(async {
                let incr =
                    || redis.watch(Keys::account(1, 1), async |_| Ok(Some(Keys::account(1, 1).incr())));
                assert_eq!(incr().await.unwrap(), Some(1));
                proxy.on("EXEC", Fault::CutReply);
                let error = incr().await.unwrap_err();
                assert!(error.is_connection_lost(), "{error}");
                assert_eq!(Keys::account(1, 1).get().await.unwrap(), 2);
                proxy.on("WATCH", Fault::CutReply);
                assert_eq!(incr().await.unwrap(), Some(3));
                assert_eq!(proxy.unused(), 0);
            })
            .await;
    });
}

#[test]
fn a_cluster_refuses_keys_of_several_slots() {
    let builder = Redis::builder().url(&shared_cluster().url()).unwrap().timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let keys = (Keys::account(1, 1), Keys::account(2, 1));
            let watching = redis.watch(keys, async |_| Ok(Some(Keys::account(1, 1).incr())));
            let writing = redis.watch(Keys::account(1, 1), async |_| Ok(Some(Audits::audit(2).incr())));
            let reading = redis.watch(Keys::account(1, 1), async |tx| {
                tx.run(Audits::audit(2).get()).await?;
                Ok(Some(Keys::account(1, 1).incr()))
            });
            for error in [watching.await.unwrap_err(), writing.await.unwrap_err(), reading.await.unwrap_err()]
            {
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
                assert!(error.to_string().contains("slot"), "{error}");
            }
            // The handle reads other slots while keys are watched.
            let other = redis.watch(Keys::account(1, 1), async |_| {
                let audit = Audits::audit(2).incr().await?;
                Ok(Some(Keys::account(1, 1).incr_by(audit)))
            });
            assert_eq!(other.await.unwrap(), Some(1));
        }),
    );
}
