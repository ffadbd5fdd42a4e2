//! What happens to an element that arrives when a wait is dropped. The documentation of each form
//! says what may be lost. Here, the server serves the wait before or while it is dropped.

use std::future::Future;
use std::pin::pin;

use redis_keyspace::command::ListEnd;
use redis_keyspace::stream::{ReadFrom, StreamId};
use redis_keyspace::{Key, Redis};
use redis_keyspace_embedded::Server;
use redis_keyspace_tests::{PATIENCE, RealServer, eventually, raw, within};

use crate::Keys;
use crate::streams::{LONG, filled, values};

/// How often an element arrives while a wait is dropped.
const ROUNDS: u64 = 30;

async fn blocked_clients(redis: &Redis) -> String {
    let info: String = raw(redis, &["INFO", "clients"]).await;
    let line = info.lines().find_map(|line| line.strip_prefix("blocked_clients:"));
    line.unwrap_or_default().to_owned()
}

async fn is_waiting(redis: &Redis) {
    eventually("the command waits", async || blocked_clients(redis).await == "1").await;
}

/// Lets a command wait, and drops it after `serve`, without reading the reply.
async fn drop_served<F: Future>(redis: &Redis, waiting: F, serve: impl AsyncFnOnce()) {
    let mut waiting = pin!(waiting);
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("nothing has arrived"),
        () = is_waiting(redis) => {}
    }
    serve().await;
}

/// Lets a command wait in a task, and ends the task while `serve` runs.
async fn race<F>(redis: &Redis, waiting: F, serve: impl Future<Output = ()>)
where
    F: Future<Output: Send> + Send + 'static,
{
    let task = tokio::spawn(waiting);
    is_waiting(redis).await;
    let ((), ()) = tokio::join!(async { task.abort() }, serve);
    drop(task.await);
    eventually("nothing waits", async || blocked_clients(redis).await == "0").await;
}

/// The next wait receives its own element: a reply that was not read is on no other connection.
async fn next_wait_is_clean(redis: &Redis, id: u64) {
    let (list, marker) = (Keys::forever(id, 9), 1_000 + id);
    for _ in 0..2 {
        let (taken, _) = tokio::join!(list.lpop().block(LONG).on(redis), list.rpush(&marker));
        assert_eq!(taken.unwrap(), Some(marker));
    }
}

async fn check_pops(redis: Redis) {
    let list = Keys::forever(1, 0);
    drop_served(&redis, list.lpop().block(LONG), async || {
        list.rpush(&1).await.unwrap();
        eventually("the pop is served", async || list.llen().await.unwrap() == 0).await;
    })
    .await;
    assert_eq!(list.llen().await.unwrap(), 0, "the element is lost, as documented");
    next_wait_is_clean(&redis, 1).await;

    let scores = Keys::scores(1);
    drop_served(&redis, scores.zpop_min().block(LONG), async || {
        scores.zadd(&1, 1.0).await.unwrap();
        eventually("the pop is served", async || scores.zcard().await.unwrap() == 0).await;
    })
    .await;
    next_wait_is_clean(&redis, 2).await;

    for round in 0..ROUNDS {
        let (waiting, scope) = (list.clone(), redis.clone());
        let waiting = async move { waiting.lpop().block(LONG).on(&scope).await };
        race(&redis, waiting, async {
            _ = list.rpush(&round).await.unwrap();
        })
        .await;
        let left = list.lrange(..).await.unwrap();
        assert!(left.is_empty() || left == [round], "{left:?}");
        list.del().await.unwrap();
        next_wait_is_clean(&redis, 1).await;
    }
}

async fn check_moves(redis: Redis) {
    let (from, to) = (Keys::forever(2, 1), Keys::forever(2, 2));
    drop_served(&redis, from.lmove(ListEnd::Left, &to, ListEnd::Right).block(LONG), async || {
        from.rpush(&1).await.unwrap();
        eventually("the move is served", async || from.llen().await.unwrap() == 0).await;
    })
    .await;
    assert_eq!(to.lrange(..).await.unwrap(), [1]);
    next_wait_is_clean(&redis, 3).await;

    for round in 0..ROUNDS {
        to.del().await.unwrap();
        let (waiting, target, scope) = (from.clone(), to.clone(), redis.clone());
        let waiting =
            async move { waiting.lmove(ListEnd::Left, &target, ListEnd::Right).block(LONG).on(&scope).await };
        race(&redis, waiting, async {
            _ = from.rpush(&round).await.unwrap();
        })
        .await;
        let both = [from.lrange(..).await.unwrap(), to.lrange(..).await.unwrap()].concat();
        assert_eq!(both, [round], "it is in one of the lists");
        from.del().await.unwrap();
    }
    next_wait_is_clean(&redis, 3).await;
}

async fn check_groups(redis: Redis) {
    let log = filled(3, &[]).await;
    let group = log.group("workers");
    group.create(ReadFrom::Start).await.unwrap();
    drop_served(&redis, group.read("one").block(LONG), async || {
        log.xadd(&1).await.unwrap();
        eventually("the entry is delivered", async || group.pending().await.unwrap().count == 1).await;
    })
    .await;
    let pending = group.pending_entries(StreamId::MIN..).await.unwrap();
    assert_eq!((pending.len(), pending[0].consumer.as_str()), (1, "one"));
    let claimed = group.auto_claim("two", std::time::Duration::ZERO).await.unwrap();
    assert_eq!(values(claimed.entries), [1]);
    group.ack([pending[0].id]).await.unwrap();
    next_wait_is_clean(&redis, 4).await;

    for round in 0..ROUNDS {
        let (waiting, scope) = (group.clone(), redis.clone());
        let waiting = async move { waiting.read("one").block(LONG).on(&scope).await };
        race(&redis, waiting, async {
            _ = log.xadd(&round).await.unwrap();
        })
        .await;
        let pending = group.read("one").pending_from(StreamId::MIN).await.unwrap();
        let fresh = group.read("two").await.unwrap();
        let ids: Vec<_> =
            pending.iter().map(|entry| entry.id).chain(fresh.iter().map(|entry| entry.id)).collect();
        let found: Vec<_> = values(pending).into_iter().flatten().chain(values(fresh)).collect();
        assert_eq!(found, [round], "it is pending, or not delivered yet");
        assert_eq!(group.ack(ids).await.unwrap(), 1);
    }

    // Reading takes nothing away.
    let last = log.xinfo().await.unwrap().unwrap().last_id;
    drop_served(&redis, log.xread(last).block(LONG), async || {
        _ = log.xadd(&7).await.unwrap();
    })
    .await;
    assert_eq!(values(log.xread(last).await.unwrap()), [7]);
    assert_eq!(values(Key::xread_many([(log, last)]).await.unwrap().remove(0).1), [7]);
    next_wait_is_clean(&redis, 4).await;
}

fn on_private_servers<F: Future<Output = ()>>(check: impl Fn(Redis) -> F) {
    let embedded = Redis::builder().embedded(Server::new()).timeout(PATIENCE).build().unwrap();
    let server = RealServer::start();
    let real = Redis::builder().url(&server.url()).unwrap().timeout(PATIENCE).build().unwrap();
    for redis in [embedded, real] {
        within(PATIENCE, redis.scope(check(redis.clone())));
    }
}

#[test]
fn a_pop_that_is_dropped_when_it_is_served_loses_at_most_its_element() {
    on_private_servers(check_pops);
}

#[test]
fn a_move_that_is_dropped_when_it_is_served_loses_nothing() {
    on_private_servers(check_moves);
}

#[test]
fn an_entry_of_a_read_that_is_dropped_when_it_is_served_stays_pending() {
    on_private_servers(check_groups);
}
