//! Collections on a disabled handle.

use std::time::Duration;

use redis_keyspace::command::{ListEnd, U};
use redis_keyspace::geo::{By, Distance, From, Position};
use redis_keyspace::{ErrorKind, Key, Redis};
use redis_keyspace_tests::{PATIENCE, within};

use crate::Keys;

/// Reads find nothing, removals remove nothing, and additions fail: they would be lost.
#[test]
fn a_disabled_handle_loses_no_element_silently() {
    let redis = Redis::builder().disabled().build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let (list, set, scores, map) = (Keys::list(8), Keys::set(8, 0), Keys::scores(8), Keys::map(8));
            assert_eq!(list.lrange(..).await.unwrap(), [0; 0]);
            assert!(set.smembers().await.unwrap().is_empty() && map.hget_all().await.unwrap().is_empty());
            assert_eq!(scores.zrange(..).with_scores().await.unwrap(), []);
            assert_eq!(set.smismember([1, 2]).await.unwrap(), [false, false]);
            assert!(!set.srem(&1).await.unwrap() && !map.hdel("a").await.unwrap());
            assert_eq!((list.lpop().await.unwrap(), list.lrem(&1).await.unwrap()), (None, 0));
            assert!(!list.lset(0, &1).await.unwrap());
            list.ltrim(..1).await.unwrap();
            let (bitmap, visitors) = (Keys::bitmap(8, 0), Keys::visitors(8, 0));
            let (places, position) = (Keys::places(8), Position::new(13.4, 52.5).unwrap());
            let around = From::position(position);
            assert_eq!(places.geo_search(around, By::radius(Distance::km(1.0))).await.unwrap(), [0; 0]);
            assert_eq!(places.geo_pos([1, 2]).await.unwrap(), [None, None]);
            assert_eq!((places.geo_dist(&1, &2).await.unwrap(), places.geo_len().await.unwrap()), (None, 0));
            assert!(!bitmap.get_bit(1).await.unwrap());
            assert_eq!((bitmap.bit_count(..).await.unwrap(), visitors.pf_count().await.unwrap()), (0, 0));
            assert_eq!(bitmap.bit_pos(true, ..).await.unwrap(), None);
            assert_eq!(bitmap.bit_pos(false, 16..).await.unwrap(), Some(16));
            assert_eq!(bitmap.bit_pos(false, 17..).await.unwrap(), Some(17));
            assert_eq!(bitmap.bit_field().get(U::<8>, 0).get(U::<8>, 8).await.unwrap(), [Some(0), Some(0)]);
            let sets = || [set.clone(), Keys::set(8, 1)];
            assert!(Key::sunion(sets()).await.unwrap().is_empty());
            assert_eq!(Key::sinter_card(sets()).await.unwrap(), 0);
            assert_eq!(Key::sunion(sets()).store(&set).await.unwrap(), 0);
            assert_eq!(Key::zunion([scores.clone()]).with_scores().await.unwrap(), []);
            assert_eq!(Key::lmpop([list.clone()], ListEnd::Left).await.unwrap(), None);
            assert_eq!(scores.zrank(&1).with_score().await.unwrap(), None);
            assert_eq!(scores.zaround(&1, 3).await.unwrap(), None);
            assert_eq!(scores.zpage(0, 3).await.unwrap().total, 0);
            assert_eq!((scores.zrandmember().await.unwrap(), map.hrandfield().await.unwrap()), (None, None));
            for error in [
                list.rpush(&1).await.unwrap_err(),
                list.rpush(&1).trim_to(1).await.unwrap_err(),
                scores.zadd(&1, 1.0).keep_top(1).await.unwrap_err(),
                set.sadd(&1).await.unwrap_err(),
                scores.zadd(&1, 1.0).await.unwrap_err(),
                map.hset("a", &1).await.unwrap_err(),
                places.geo_add(&1, position).await.unwrap_err(),
                bitmap.set_bit(1, true).await.unwrap_err(),
                bitmap.bit_field().set(U::<63>, 0, 1).await.unwrap_err(),
                visitors.pf_add([1]).await.unwrap_err(),
                list.lpop().block(Duration::from_secs(1)).await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::ServerNotConfigured, "{error}");
            }
        }),
    );
}
