//! Commands that wait for an element.

use std::time::Duration;

use redis_keyspace::command::{Extreme, ListEnd};
use redis_keyspace::embedded::{Fault, Server};
use redis_keyspace::{ErrorKind, Key, List, Redis};
use redis_keyspace_tests::{
    PATIENCE, RealCluster, RealServer, both_servers, eventually, is_available, shared_cluster,
    unique_namespace, within,
};

use crate::Keys;

/// Long enough for a busy machine: no test waits until it has passed.
const LONG: Duration = Duration::from_secs(60);
const BRIEF: Duration = Duration::from_millis(10);

async fn check_waits(_: Redis) {
    let list = Keys::forever(1, 1);
    let (taken, pushed) = tokio::join!(list.lpop().block(LONG), list.rpush_many([1, 2]));
    assert_eq!((taken.unwrap(), pushed.unwrap()), (Some(1), 2));
    assert_eq!(list.rpop().block(LONG).await.unwrap(), Some(2), "what is there is taken at once");
    assert_eq!(list.lpop().block(BRIEF).await.unwrap(), None);
    assert_eq!(list.rpop().block(Duration::from_nanos(1)).await.unwrap(), None);

    let to = Keys::forever(1, 2);
    let (moved, _) = tokio::join!(list.lmove(ListEnd::Left, &to, ListEnd::Right).block(LONG), list.rpush(&3));
    assert_eq!(moved.unwrap(), Some(3));
    assert_eq!(to.lrange(..).await.unwrap(), [3]);
    assert_eq!(list.lmove(ListEnd::Left, &to, ListEnd::Right).block(BRIEF).await.unwrap(), None);

    let scores = Keys::scores(1);
    let (taken, _) = tokio::join!(scores.zpop_min().block(LONG), scores.zadd(&7, 1.5));
    assert_eq!(taken.unwrap(), Some((7, 1.5)));
    let (taken, _) = tokio::join!(scores.zpop_max().block(LONG), scores.zadd(&8, -1.5));
    assert_eq!(taken.unwrap(), Some((8, -1.5)));
    assert_eq!(scores.zpop_max().block(BRIEF).await.unwrap(), None);
}

async fn check_waits_on_several_keys(_: Redis) {
    let lists = || [1, 2].map(|nth| Keys::forever(7, nth));
    let (taken, pushed) = tokio::join!(
        Key::lmpop(lists(), ListEnd::Left).count(5).block(LONG),
        Keys::forever(7, 2).rpush_many([1, 2])
    );
    if !is_available(&taken, &["BLMPOP"]).await {
        let none = Key::zmpop([Keys::ranks(7, 1)], Extreme::Max).block(BRIEF).await;
        assert!(!is_available(&none, &["BZMPOP"]).await);
        return;
    }
    assert_eq!((taken.unwrap(), pushed.unwrap()), (Some((Keys::forever(7, 2), vec![1, 2])), 2));
    assert_eq!(Key::lmpop(lists(), ListEnd::Right).block(BRIEF).await.unwrap(), None);
    let ranks = || [1, 2].map(|nth| Keys::ranks(7, nth));
    let (taken, _) = tokio::join!(
        Key::zmpop(ranks(), Extreme::Max).block(LONG),
        Keys::ranks(7, 2).zadd_many([(7, 1.5), (8, 2.5)])
    );
    assert_eq!(taken.unwrap(), Some((Keys::ranks(7, 2), vec![(8, 2.5)])));
    assert_eq!(
        Key::zmpop(ranks(), Extreme::Min).block(LONG).await.unwrap(),
        Some((Keys::ranks(7, 2), vec![(7, 1.5)]))
    );
}

both_servers! {
    async fn a_pop_waits_for_an_element(redis: Redis) {
        check_waits(redis).await;
    }

    async fn a_pop_waits_for_one_of_several_keys(redis: Redis) {
        check_waits_on_several_keys(redis).await;
    }

    async fn a_wait_of_zero_is_refused(_redis: Redis) {
        let error = Keys::list(2).lpop().block(Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let error = Key::lmpop([Keys::list(2)], ListEnd::Left).block(Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }

    async fn a_move_that_waits_can_set_no_lifetime(_redis: Redis) {
        let (from, to) = (Keys::forever(8, 1), Keys::list(8));
        from.rpush(&1).await.unwrap();
        let error = from.lmove(ListEnd::Left, &to, ListEnd::Left).block(LONG).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("`ttl = none`"), "{error}");
        assert_eq!(from.llen().await.unwrap(), 1);
    }

    async fn each_element_goes_to_one_of_many_waiting_tasks(_redis: Redis) {
        const TASKS: u64 = 6;
        let list: Key<Keys, List<u64>> = Keys::forever(3, 0);
        let tasks: Vec<_> = (0..TASKS).map(|_| {
            let (list, scope) = (list.clone(), Redis::current().unwrap());
            tokio::spawn(async move { list.lpop().block(LONG).on(&scope).await })
        }).collect();
        list.rpush_many(0..TASKS).await.unwrap();
        let mut taken = Vec::new();
        for task in tasks {
            taken.push(task.await.unwrap().unwrap().unwrap());
        }
        taken.sort_unstable();
        assert_eq!(taken, (0..TASKS).collect::<Vec<_>>());
    }

    async fn a_pop_that_does_not_wait_can_be_part_of_a_batch(redis: Redis) {
        let list = Keys::list(4);
        let (_, first, last) = redis.batch((list.rpush_many([1, 2, 3]), list.lpop(), list.rpop())).await.unwrap();
        assert_eq!((first, last), (Some(1), Some(3)));
    }
}

#[test]
fn a_pop_waits_on_a_cluster() {
    let cluster: &RealCluster = shared_cluster();
    let builder = Redis::builder().url(&cluster.seeds_url()).unwrap().timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            check_waits(redis.clone()).await;
            check_waits_on_several_keys(redis.clone()).await;
        }),
    );
}

fn blocked_clients(server: &RealServer) -> String {
    let info = server.redis_cli(&["INFO", "clients"]);
    let line = info.lines().find(|line| line.contains("blocked_clients:")).unwrap_or_default();
    line.trim().rsplit(':').next().unwrap_or_default().to_owned()
}

#[test]
fn a_dropped_wait_ends_and_takes_no_element() {
    let server = RealServer::start();
    let redis = Redis::open(&server.url()).unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let list = Keys::forever(5, 0);
            let (waiting, scope) = (list.clone(), redis.clone());
            let task = tokio::spawn(async move { waiting.lpop().block(LONG).on(&scope).await });
            eventually("the pop waits", async || blocked_clients(&server) == "1").await;
            task.abort();
            eventually("the wait ends", async || blocked_clients(&server) == "0").await;
            list.rpush(&1).await.unwrap();
            assert_eq!(list.lrange(..).await.unwrap(), [1]);
        }),
    );
}

/// A master that is demoted tells the clients that wait. They took nothing, and wait again.
#[test]
fn a_wait_goes_on_after_a_demotion() {
    let server = Server::new();
    let redis = Redis::with_embedded_server(server.clone());
    within(
        PATIENCE,
        redis.scope(async {
            let said = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
            let demoted = server.inject(Fault::error(said).on("BLPOP").times(1));
            let list = Keys::forever(6, 0);
            let (taken, _) = tokio::join!(list.lpop().block(LONG), async {
                eventually("the wait was interrupted", async || demoted.hits() == 1).await;
                list.rpush(&1).await.unwrap();
            });
            assert_eq!(taken.unwrap(), Some(1));
        }),
    );
}
