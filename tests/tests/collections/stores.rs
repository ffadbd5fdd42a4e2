//! Commands that write a key from others.

use std::time::Duration;

use redis_keyspace::command::{I, Ttl};
use redis_keyspace::geo::From;
use redis_keyspace::{ErrorKind, Key, Redis};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{
    PATIENCE, RealCluster, RealServer, both_servers, raw, shared_cluster, unique_namespace, wire,
};

use crate::Keys;
use crate::geo::{at, from_south, is_close, sicily, within};

async fn found_members_are_stored() {
    let places = sicily(11).await;
    let (near, distances) = (Keys::near(11), Keys::distances(11));
    let search = || places.geo_search(from_south(), within(200.0));
    assert_eq!(search().store(&near).await.unwrap(), 3);
    assert_eq!(search().count(2).with_distance().store(&near).await.unwrap(), 2);
    assert_eq!(near.geo_len().await.unwrap(), 2, "it replaces what was there");
    assert!(near.ttl().await.unwrap().remaining().is_some());
    let [position] = near.geo_pos([2]).await.unwrap()[..] else { panic!("one") };
    assert!(is_close(position.unwrap(), at(15.087269, 37.502669)));
    assert_eq!(search().store_distances(&distances).await.unwrap(), 3);
    let stored = distances.zrange(..1).with_scores().await.unwrap();
    assert!(stored[0].0 == 2 && (stored[0].1 - 56_441.3).abs() < 1.0, "{stored:?}");
    assert!(distances.ttl().await.unwrap().remaining().is_some());

    // Nothing is found.
    let none = places.geo_search(from_south(), within(0.0)).store(&near).await.unwrap();
    assert_eq!((none, near.exists().await.unwrap()), (0, false));
    // The member in the center is missing, so nothing changes.
    let missing = places.geo_search(From::member(&9), within(1.0)).store_distances(&distances);
    let error = missing.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server, "{error}");
    assert!(error.to_string().contains("the member in the center"), "{error}");
    assert_eq!(distances.zcard().await.unwrap(), 3);
    // Invalid searches are not sent.
    for invalid in [
        search().any().store(&near),
        search().count(0).store(&near),
        places.geo_search(from_south(), within(-1.0)).store(&near),
    ] {
        let error = invalid.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    assert!(!near.exists().await.unwrap());
}

both_servers! {
    async fn found_members_are_stored_in_other_keys(_redis: Redis) {
        found_members_are_stored().await;
    }

    async fn a_failed_store_changes_nothing(redis: Redis) {
        let (bitmap, to) = (Keys::bitmap(1, 0), Keys::bitmap(1, 1));
        let () = raw(&redis, &["RPUSH", &wire(&bitmap), "foreign"]).await;
        let () = raw(&redis, &["RPUSH", &wire(&to), "foreign"]).await;
        let error = Key::bit_or([bitmap.clone()]).store(&to).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
        assert_eq!(to.ttl().await.unwrap(), Ttl::NoExpiry, "a key of another type gets no lifetime");
        let visitors = Keys::visitors(1, 0);
        let () = raw(&redis, &["SET", &wire(&visitors), "foreign"]).await;
        let error = visitors.pf_merge([Keys::visitors(1, 1)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
        assert_eq!(visitors.ttl().await.unwrap(), Ttl::NoExpiry);
    }

    async fn stores_work_in_batches_and_transactions(redis: Redis) {
        let (bitmap, to) = (Keys::bitmap(2, 0), Keys::bitmap(2, 1));
        let store = || Key::bit_or([bitmap.clone()]).store(&to);
        let (was, length) = redis.batch((bitmap.set_bit(1, true), store())).await.unwrap();
        assert_eq!((was, length), (false, 1));
        let (length, count) = redis.transaction((store(), to.bit_count(..))).await.unwrap();
        assert_eq!((length, count), (1, 1));
        assert!(to.ttl().await.unwrap().remaining().is_some());
        let minute = Duration::from_secs(60);
        store().ttl(minute).await.unwrap();
        assert!(to.ttl().await.unwrap().remaining() <= Some(minute));
    }
}

#[test]
fn keys_in_several_slots_are_rejected_before_anything_is_sent() {
    let cluster: &RealCluster = shared_cluster();
    let builder = Redis::builder().url(&cluster.seeds_url()).unwrap().timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    redis_keyspace_tests::within(
        PATIENCE,
        redis.scope(async {
            found_members_are_stored().await;
            let (one, other) = (Keys::bitmap(1, 0), Keys::bitmap(2, 0));
            one.set_bit(1, true).await.unwrap();
            let visitors = Keys::visitors(1, 0);
            let search = Keys::places(1).geo_search(from_south(), within(1.0));
            for (error, templates) in [
                (Key::bit_or([one.clone()]).store(&other).await.unwrap_err(), ["bitmap:{", "bitmap:{"]),
                (
                    one.bit_not().store(&Keys::renewed_bitmap(2)).await.unwrap_err(),
                    ["bitmap:{", "renewed-bitmap:{"],
                ),
                (visitors.pf_merge([Keys::visitors(2, 0)]).await.unwrap_err(), ["visitors:{", "visitors:{"]),
                (
                    Key::pf_count_of([1, 2].map(|id| Keys::visitors(id, 0))).await.unwrap_err(),
                    ["visitors:{", "visitors:{"],
                ),
                (search.store(&Keys::near(2)).await.unwrap_err(), ["places:{", "near:{"]),
            ] {
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
                let text = error.to_string();
                assert!(text.contains("nothing was sent"), "{text}");
                assert!(templates.iter().all(|template| text.contains(template)), "{text}");
            }
        }),
    );
}

/// Without MULTI, a transaction is a script, which sets the lifetimes itself.
#[test]
fn a_server_without_multi_stores_in_transactions() {
    let server = RealServer::start();
    server.redis_cli(&["ACL", "SETUSER", "app", "reset", "on", ">pass", "~*", "+@all", "-multi"]);
    let builder = Redis::builder().host("127.0.0.1").port(server.port()).username("app").password("pass");
    let embedded = Server::new();
    let _rejecting = embedded.inject(Fault::error("NOPERM no permission to run MULTI").on("MULTI"));
    for builder in [builder, Redis::builder().embedded(embedded.clone())] {
        let redis = builder.build().unwrap();
        redis_keyspace_tests::within(PATIENCE, redis.scope(stored_without_multi(&redis)));
    }
}

async fn stored_without_multi(redis: &Redis) {
    let (bitmap, to, forever) = (Keys::bitmap(3, 0), Keys::bitmap(3, 1), Keys::forever_bitmap(3));
    bitmap.set_bit(1, true).await.unwrap();
    assert_eq!(Key::bit_or([bitmap.clone()]).store(&to).await.unwrap(), 1);
    assert!(to.persist().await.unwrap());
    let store = Key::bit_or([bitmap.clone()]).store(&to);
    assert_eq!(redis.transaction((store, to.get_bit(1))).await.unwrap(), (1, true));
    assert!(to.ttl().await.unwrap().remaining().is_some(), "it is replaced, so it gets its TTL");
    let (visitors, all) = (Keys::visitors(3, 0), Keys::visitors(3, 1));
    let merge = || (visitors.pf_add([1]), all.pf_merge([visitors.clone()]));
    redis.transaction(merge()).await.unwrap();
    assert!(all.ttl().await.unwrap().remaining().is_some());
    assert!(all.persist().await.unwrap());
    redis.transaction(merge()).await.unwrap();
    assert_eq!(all.ttl().await.unwrap(), Ttl::NoExpiry, "a merge keeps the TTL");
    assert_eq!(all.pf_count().await.unwrap(), 1);
    let store = Key::bit_or([bitmap.clone()]).store(&forever);
    assert_eq!(redis.transaction((store, forever.bit_count(..))).await.unwrap(), (1, 1));
    // The numbers of Lua would round this integer, which is an error.
    let large = (1 << 60) + 1;
    forever.bit_field().set(I::<64>, 0, large).await.unwrap();
    assert_eq!(forever.bit_field().get(I::<64>, 0).await.unwrap(), [Some(large)]);
    let reads = (forever.bit_field().get(I::<64>, 0), forever.get_bit(0));
    let error = redis.transaction(reads).await.unwrap_err();
    assert!(error.to_string().contains("2^53"), "{error}");
}
