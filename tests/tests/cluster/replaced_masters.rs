//! Scans, counts and deletes while a master is replaced or restarts between two pages.

use std::collections::BTreeSet;

use redis_keyspace::scan::{SweepError, SweepProgress};
use redis_keyspace::{Error, Key, Redis};
use redis_keyspace_tests::{Failover, RealCluster};
use tokio::task::block_in_place;

use crate::foreign_keys::ForeignKeys;
use crate::{CartKeys, builder, on, slot_of};

/// The number of keys. A master has about a third of them.
const MANY: u64 = 600;
/// After how many keys a fault happens. One master was read then, and the next one in part.
const HALF: usize = 300;

/// Which master a fault hits.
#[derive(Clone, Copy, Debug)]
enum Hit {
    /// The one that was read completely.
    Former,
    /// The one that is being read.
    Current,
    /// The one that was not read yet.
    Next,
}

const ALL: [Hit; 3] = [Hit::Former, Hit::Current, Hit::Next];

async fn create_pages() {
    Key::set_many((0..MANY).map(|id| (CartKeys::page(id), "x"))).await.unwrap();
}

fn pages() -> BTreeSet<String> {
    (0..MANY).map(|id| CartKeys::page(id).to_string()).collect()
}

/// Scans the pages. Half-way, the fault hits a master.
async fn scan(
    cluster: &RealCluster,
    redis: &Redis,
    hit: Hit,
    fault: impl Fn(usize),
) -> Result<BTreeSet<String>, Error> {
    let (mut found, mut first, mut has_hit) = (BTreeSet::new(), None, false);
    let mut scan = CartKeys::page_keys().page_size(20).scan();
    while let Some(key) = scan.next().await {
        let key = key?.into_key();
        assert!(found.insert(key.to_string()), "twice: {key}");
        let slot = slot_of(redis, &key);
        let first = *first.get_or_insert(slot);
        if found.len() == HALF && !std::mem::replace(&mut has_hit, true) {
            block_in_place(|| {
                let (former, current) = (cluster.master_of(first), cluster.master_of(slot));
                assert_ne!(former, current, "half of the keys are not on one master");
                let next = cluster.masters().into_iter().find(|node| ![former, current].contains(node));
                fault(match hit {
                    Hit::Former => former,
                    Hit::Current => current,
                    Hit::Next => next.unwrap(),
                });
            });
        }
    }
    assert!(has_hit);
    Ok(found)
}

fn is_outage(error: &Error) -> bool {
    error.is_unavailable() || error.is_timeout() || error.is_connection_lost()
}

fn fail_over(cluster: &RealCluster, master: usize) {
    cluster.failover(cluster.replicas_of(master)[0], Failover::Graceful);
}

/// Restarts a killed master, which becomes a replica.
fn repair(cluster: &RealCluster, node: usize) {
    if !cluster.node(node).is_running() {
        cluster.promoted(node);
        cluster.node(node).restart();
    }
    cluster.settled();
}

#[test]
fn a_scan_finds_every_key_while_a_master_hands_over() {
    let cluster = RealCluster::start();
    on(builder(&cluster), async |redis: Redis| {
        create_pages().await;
        for hit in ALL {
            block_in_place(|| cluster.settled());
            let found = scan(&cluster, &redis, hit, |master| fail_over(&cluster, master)).await.unwrap();
            assert_eq!(found, pages(), "{hit:?}");
        }
    });
}

#[test]
fn a_scan_finds_every_key_or_fails_when_a_master_is_killed() {
    let cluster = RealCluster::start();
    on(builder(&cluster), async |redis: Redis| {
        create_pages().await;
        for (hit, waits) in ALL.into_iter().flat_map(|hit| [(hit, false), (hit, true)]) {
            block_in_place(|| cluster.settled());
            let killed = std::cell::Cell::new(None);
            let outcome = scan(&cluster, &redis, hit, |master| {
                cluster.node(master).kill();
                killed.set(Some(master));
                if waits {
                    cluster.promoted(master);
                }
            });
            match outcome.await {
                Ok(found) => assert_eq!(found, pages(), "{hit:?}"),
                Err(error) => assert!(is_outage(&error), "{hit:?}: {error}"),
            }
            block_in_place(|| repair(&cluster, killed.get().unwrap()));
            assert_eq!(CartKeys::page_keys().count().await.unwrap(), MANY);
        }
    });
}

/// A cursor is valid only for one run of a server.
#[test]
fn a_scan_finds_every_key_while_a_master_restarts() {
    // Each write is in the file before its reply. By default, the server may write later.
    let files = RealCluster::builder().replicas(0).arg("--appendonly").arg("yes");
    let cluster = files.arg("--appendfsync").arg("no").start();
    let keys = |node: &usize| cluster.node(*node).redis_cli(&["DBSIZE"]).parse::<u64>().unwrap();
    on(builder(&cluster), async |redis: Redis| {
        create_pages().await;
        for hit in ALL {
            let found = scan(&cluster, &redis, hit, |master| cluster.node(master).restart()).await;
            assert_eq!(cluster.members().iter().map(keys).sum::<u64>(), MANY, "a restart lost keys");
            assert_eq!(found.unwrap(), pages(), "{hit:?}");
        }
    });
}

#[test]
fn a_count_is_right_while_masters_hand_over() {
    let cluster = RealCluster::start();
    on(builder(&cluster), async |redis: Redis| {
        create_pages().await;
        let foreign = block_in_place(|| ForeignKeys::create(&cluster, &redis));
        std::thread::scope(|threads| {
            let failovers = threads.spawn(|| {
                for master in cluster.masters() {
                    fail_over(&cluster, master);
                    cluster.settled();
                }
            });
            let counting = async {
                let mut counts = 0;
                while !failovers.is_finished() {
                    assert_eq!(CartKeys::page_keys().page_size(20).count().await.unwrap(), MANY);
                    counts += 1;
                }
                assert!(counts > 0);
            };
            block_in_place(|| tokio::runtime::Handle::current().block_on(redis.scope(counting)));
        });
        block_in_place(|| foreign.are_unchanged());
    });
}

/// Deletes all pages. When the first ones were found, the fault hits a master.
async fn delete(cluster: &RealCluster, fault: impl Fn(usize) + Sync) -> Result<SweepProgress, SweepError> {
    let mut has_hit = false;
    let deleted = CartKeys::page_keys().all().delete().page_size(20).on_progress(|progress| {
        if progress.matched > 0 && !std::mem::replace(&mut has_hit, true) {
            block_in_place(|| fault(cluster.masters()[0]));
        }
    });
    let deleted = deleted.await;
    assert!(has_hit);
    deleted
}

#[test]
fn a_delete_is_complete_while_a_master_hands_over() {
    let cluster = RealCluster::start();
    on(builder(&cluster), async |redis: Redis| {
        let foreign = block_in_place(|| ForeignKeys::create(&cluster, &redis));
        for _ in 0..3 {
            create_pages().await;
            block_in_place(|| cluster.settled());
            let deleted = delete(&cluster, |master| fail_over(&cluster, master)).await.unwrap();
            assert_eq!((deleted.affected, deleted.finished), (MANY, true), "{deleted:?}");
            // Those of a master that was replaced are seen twice.
            assert!(deleted.skipped >= ForeignKeys::MATCHED, "{deleted:?}");
            assert_eq!(CartKeys::page_keys().count().await.unwrap(), 0);
            block_in_place(|| foreign.are_unchanged());
        }
    });
}

#[test]
fn a_delete_is_complete_or_fails_when_a_master_is_killed() {
    let cluster = RealCluster::start();
    on(builder(&cluster), async |redis: Redis| {
        let foreign = block_in_place(|| ForeignKeys::create(&cluster, &redis));
        for waits in [false, true] {
            create_pages().await;
            block_in_place(|| cluster.settled());
            let killed = std::sync::OnceLock::new();
            let deleted = delete(&cluster, |master| {
                cluster.node(master).kill();
                killed.set(master).unwrap();
                if waits {
                    cluster.promoted(master);
                }
            });
            match deleted.await {
                // The promoted replica may not have received the last deletes.
                Ok(deleted) => assert!(deleted.finished && deleted.affected >= MANY, "{deleted:?}"),
                Err(error) => {
                    let (error, progress) = (error.error(), error.progress());
                    assert!(!progress.finished, "{progress:?}");
                    assert!(is_outage(error), "{error}");
                    block_in_place(|| repair(&cluster, *killed.get().unwrap()));
                    CartKeys::page_keys().all().delete().await.unwrap();
                }
            }
            assert_eq!(CartKeys::page_keys().count().await.unwrap(), 0);
            block_in_place(|| repair(&cluster, *killed.get().unwrap()));
            block_in_place(|| foreign.are_unchanged());
        }
    });
}
