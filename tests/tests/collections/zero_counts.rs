//! A count of 0 returns nothing, and nothing is sent. The greatest count means all. Commands that
//! wait for elements can't wait for replicas, too.

use std::time::Duration;

use redis_keyspace::command::{IntoCommand, ListEnd};
use redis_keyspace::geo::{By, Distance, From, Position};
use redis_keyspace::stream::{ReadFrom, StreamId, Trim};
use redis_keyspace::{ErrorKind, Key, Redis};
use redis_keyspace_tests::both_servers;

use crate::Keys;
use crate::streams::LONG;

/// Every command with a count, on a server that nothing can be sent to.
#[tokio::test]
async fn a_count_of_zero_sends_nothing() {
    let redis = Redis::builder().url("redis://127.0.0.1:1").unwrap().timeout(LONG).build().unwrap();
    redis
        .scope(async {
            let (list, set, scores) = (Keys::list(1), Keys::set(1, 1), Keys::scores(1));
            assert!(list.lpop_many(0).await.unwrap().is_empty());
            assert!(list.rpop_many(0).await.unwrap().is_empty());
            assert_eq!(list.lrem(&1).first(0).await.unwrap(), 0);
            assert_eq!(list.lrem(&1).last(0).await.unwrap(), 0);
            assert_eq!(Key::lmpop([list.clone()], ListEnd::Left).count(0).await.unwrap(), None);
            let pop = Key::lmpop([list], ListEnd::Left).count(0).block(LONG);
            assert_eq!(pop.await.unwrap(), None);
            assert!(set.spop_many(0).await.unwrap().is_empty());
            assert!(set.srandmembers(0).await.unwrap().is_empty());
            assert_eq!(Key::sinter_card([set]).limit(0).await.unwrap(), 0);
            assert!(scores.zpop_min_many(0).await.unwrap().is_empty());
            assert!(scores.zpop_max_many(0).await.unwrap().is_empty());
            assert!(scores.zrandmembers(0).await.unwrap().is_empty());
            assert!(scores.zrandmembers(0).with_scores().await.unwrap().is_empty());
            assert!(scores.zrange_by_score(..).limit(3, 0).await.unwrap().is_empty());
            assert!(scores.zrange_by_score(..).limit(3, 0).with_scores().await.unwrap().is_empty());
            let hash = Keys::sums(1);
            assert!(hash.hrandfields(0).await.unwrap().is_empty());
            assert!(hash.hrandfields(0).with_values().await.unwrap().is_empty());
            let near = From::position(Position::new(1.0, 1.0).unwrap());
            let search = Keys::places(1).geo_search(near, By::radius(Distance::km(1.0)));
            assert!(search.count(0).await.unwrap().is_empty());

            let log = Keys::log(1);
            let group = log.group("readers");
            assert!(log.xrange(..).count(0).await.unwrap().is_empty());
            assert!(log.xread(StreamId::MIN).count(0).await.unwrap().is_empty());
            assert!(log.xread(StreamId::MIN).count(0).raw().await.unwrap().is_empty());
            assert!(log.xread(StreamId::MIN).count(0).block(LONG).await.unwrap().is_empty());
            assert!(group.read("one").count(0).await.unwrap().is_empty());
            assert!(group.read("one").count(0).block(LONG).without_ack().await.unwrap().is_empty());
            assert!(group.read("one").count(0).pending_from(StreamId::MIN).await.unwrap().is_empty());
            assert!(group.pending_entries(..).count(0).await.unwrap().is_empty());
            let claimed = group.auto_claim("two", Duration::ZERO).count(0).await.unwrap();
            assert_eq!((claimed.entries, claimed.next), (vec![], None));
            let claimed = group.auto_claim("two", Duration::ZERO).count(0).raw().await.unwrap();
            assert_eq!((claimed.entries, claimed.next), (vec![], None));
            // The opposite: the same without a limit of 0 fails.
            assert!(log.xread(StreamId::MIN).count(1).await.is_err());
        })
        .await;
}

both_servers! {
    async fn a_count_of_zero_delivers_nothing(_redis: Redis) {
        let log = Keys::log(2);
        log.xadd(&1).await.unwrap();
        let group = log.group("readers");
        group.create(ReadFrom::Start).await.unwrap();
        assert!(group.read("one").count(0).await.unwrap().is_empty());
        assert_eq!(group.pending().await.unwrap().count, 0);
        assert_eq!(group.read("one").count(1).await.unwrap().len(), 1);
        assert_eq!(group.auto_claim("two", Duration::ZERO).count(0).await.unwrap().entries, []);
        assert_eq!(group.pending().await.unwrap().consumers, [("one".to_owned(), 1)]);
        // A page has at least one entry.
        let mut pages = log.xrange(..).count(0).pages();
        assert_eq!(pages.next().await.unwrap().unwrap().value, 1);
        assert!(pages.next().await.is_none());
        assert_eq!(log.tail().after(StreamId::MIN).count(0).next().await.unwrap().value, 1);
    }

    async fn the_greatest_counts_mean_all(_redis: Redis) {
        let (log, most) = (Keys::log(4), u64::MAX);
        log.xadd(&1).trim(Trim::max_len(most)).await.unwrap();
        let group = log.group("readers");
        group.create(ReadFrom::Start).await.unwrap();
        assert_eq!(log.xrange(..).count(most).await.unwrap().len(), 1);
        assert_eq!(log.xrange(..).rev().count(most).await.unwrap().len(), 1);
        assert_eq!(log.xread(StreamId::MIN).count(most).await.unwrap().len(), 1);
        assert_eq!(group.read("one").count(most).await.unwrap().len(), 1);
        assert_eq!(group.pending_entries(..).count(most).await.unwrap().len(), 1);
        assert_eq!(group.auto_claim("two", Duration::ZERO).count(most).await.unwrap().entries.len(), 1);
        assert_eq!(log.tail().after(StreamId::MIN).count(most).next().await.unwrap().value, 1);
        let list = Keys::list(4);
        list.rpush(&1).await.unwrap();
        assert_eq!(list.lpos(&1).max_len(most).await.unwrap(), Some(0));
    }

    async fn a_wait_for_elements_and_replicas_is_refused(_redis: Redis) {
        let log = Keys::log(3);
        let group = log.group("readers");
        group.create(ReadFrom::Start).await.unwrap();
        let brief = Duration::from_millis(10);
        let refused = |error: redis_keyspace::Error| {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains("either `block` or `wait_replicas`"), "{error}");
        };
        refused(log.xread(StreamId::MAX).block(LONG).wait_replicas(0, brief).await.unwrap_err());
        refused(log.xread(StreamId::MAX).wait_replicas(0, brief).block(LONG).await.unwrap_err());
        refused(group.read("one").block(LONG).wait_replicas(0, brief).await.unwrap_err());
        refused(group.read("one").wait_replicas(0, brief).block(LONG).await.unwrap_err());
        refused(group.read("one").block(LONG).into_command().wait_replicas(0, brief).await.unwrap_err());
        refused(group.read("one").raw().wait_replicas(0, brief).block(LONG).into_command().await.unwrap_err());
        assert_eq!(group.consumers().await.unwrap(), [], "nothing was sent");
        // Each on its own.
        assert!(group.read("one").wait_replicas(0, brief).await.unwrap().is_empty());
        assert!(group.read("one").block(brief).await.unwrap().is_empty());
    }
}
