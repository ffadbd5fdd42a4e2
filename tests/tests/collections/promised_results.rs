//! Errors of the server that mean a result are that result in every form of a request: by
//! themselves, in batches and transactions, and with the commands that end fills.

use redis_keyspace::command::IntoCommand;
use redis_keyspace::geo::{By, Distance, From};
use redis_keyspace::{Command, Keyspace, List, Redis};
use redis_keyspace_tests::{both_servers, is_known};

use crate::Keys;

#[derive(Keyspace)]
#[keyspace(prefix = "promised", ttl = "1h")]
struct Lists {
    #[key("plain:{id}")]
    plain: fn(id: u64) -> List<u64>,
    #[key("filled:{id}", fills = true)]
    filled: fn(id: u64) -> List<u64>,
    #[key("kept:{id}", fills = true, stale_for = "1h")]
    kept: fn(id: u64) -> List<u64>,
}

/// Runs a command by itself, in a batch and in a transaction.
async fn in_all_forms<T: std::fmt::Debug + PartialEq + Send + 'static>(
    redis: &Redis,
    command: impl Fn() -> Command<T>,
    result: T,
) {
    assert_eq!(command().await.unwrap(), result);
    let (one, other) = redis.batch((command(), Keys::text(1).exists())).await.unwrap();
    assert_eq!((&one, other), (&result, false));
    let (one, other) = redis.transaction((command(), Keys::text(1).exists())).await.unwrap();
    assert_eq!((&one, other), (&result, false));
}

both_servers! {
    async fn lists(redis: Redis) {
        for key in [Lists::plain(1), Lists::filled(1), Lists::kept(1)] {
            in_all_forms(&redis, || key.lset(0, &1), false).await;
            key.rpush_many([1, 2]).await.unwrap();
            in_all_forms(&redis, || key.lset(9, &1), false).await;
            in_all_forms(&redis, || key.lset(1, &3), true).await;
            assert_eq!(key.lrange(..).await.unwrap(), [1, 3]);
        }
    }

    async fn keys_that_do_not_exist(redis: Redis) {
        let text = Keys::text(7);
        in_all_forms(&redis, || text.rename(&Keys::text(8)).into_command(), false).await;
        let log = Keys::log(7);
        in_all_forms(&redis, || log.xinfo().into_command(), None).await;
        in_all_forms(&redis, || log.group("workers").destroy().into_command(), false).await;
    }

    async fn searches_around_missing_members(redis: Redis) {
        if !is_known(&["GEOSEARCH"]).await {
            return;
        }
        let places = Keys::places(7);
        let search = || places.geo_search(From::member(&9), By::radius(Distance::km(1.0))).into_command();
        in_all_forms(&redis, search, Vec::new()).await;
        places.geo_add(&1, crate::geo::at(13.0, 38.0)).await.unwrap();
        in_all_forms(&redis, search, Vec::new()).await;
    }
}
