//! The operations of consumer groups.

use std::time::Duration;

use redis_keyspace::stream::{ConsumerGroup, ReadFrom, StreamId};
use redis_keyspace::{ErrorKind, Stream};
use redis_keyspace_tests::both_servers;

use crate::Keys;
use crate::streams::{LONG, at, filled, values};

const BRIEF: Duration = Duration::from_millis(10);

/// Returns a group at the start of a stream of these values.
async fn group(id: u64, values: &[u64]) -> ConsumerGroup<Keys, u64> {
    let group = filled(id, values).await.group("workers");
    assert!(group.create(ReadFrom::Start).await.unwrap());
    group
}

checks! {
    name: async {
        assert_eq!(Keys::log(40).group("workers").name(), "workers");
    },
    key: async {
        assert_eq!(Keys::log(40).group("workers").key(), &Keys::log(40));
    },
    create: async {
        let log = Keys::log(41);
        log.del().await.unwrap();
        let group = log.group("workers");
        assert!(group.create(ReadFrom::Start).await.unwrap());
        assert!(!group.create(ReadFrom::End).await.unwrap());
        assert_eq!(log.xlen().await.unwrap(), 0);
        let log = filled(41, &[1, 2, 3]).await;
        for (name, from, expected) in [
            ("start", ReadFrom::Start, &[1, 2, 3][..]),
            ("after", ReadFrom::After(at(2)), &[3]),
            ("end", ReadFrom::End, &[]),
        ] {
            assert!(log.group(name).create(from).await.unwrap());
            assert_eq!(values(log.group(name).read("one").await.unwrap()), expected);
        }
    },
    set_id: async {
        let group = group(42, &[1, 2, 3]).await;
        group.set_id(ReadFrom::After(at(2))).await.unwrap();
        assert_eq!(values(group.read("one").await.unwrap()), [3]);
        group.set_id(ReadFrom::Start).await.unwrap();
        assert_eq!(values(group.read("one").count(1).await.unwrap()), [1]);
        let error = group.key().group("absent").set_id(ReadFrom::End).await.unwrap_err();
        assert_eq!(error.code(), Some("NOGROUP"), "{error}");
    },
    destroy: async {
        let group = group(43, &[1]).await;
        assert!(group.destroy().await.unwrap());
        assert!(!group.destroy().await.unwrap());
        assert_eq!(group.key().xlen().await.unwrap(), 1);
        group.key().del().await.unwrap();
        assert!(!group.destroy().await.unwrap(), "no stream");
    },
    consumers: async {
        let group = group(44, &[1, 2]).await;
        assert_eq!(group.consumers().await.unwrap(), []);
        group.read("one").count(1).await.unwrap();
        let consumers = group.consumers().await.unwrap();
        assert_eq!((consumers[0].name.as_str(), consumers[0].pending), ("one", 1));
        assert!(consumers[0].idle < LONG);
        assert_eq!(group.key().group("absent").consumers().await.unwrap_err().code(), Some("NOGROUP"));
        group.key().del().await.unwrap();
        assert_eq!(group.consumers().await.unwrap(), []);
    },
    create_consumer: async {
        let group = group(45, &[]).await;
        assert!(group.create_consumer("one").await.unwrap());
        assert!(!group.create_consumer("one").await.unwrap());
        assert_eq!(group.consumers().await.unwrap().len(), 1);
    },
    delete_consumer: async {
        let group = group(46, &[1]).await;
        let entries = group.read("one").await.unwrap();
        assert!(!group.delete_consumer("one").await.unwrap(), "an entry is pending");
        assert_eq!(group.pending().await.unwrap().count, 1);
        group.ack(entries.iter().map(|entry| entry.id)).await.unwrap();
        assert!(group.delete_consumer("one").await.unwrap());
        assert!(group.delete_consumer("absent").await.unwrap());
        assert_eq!(group.consumers().await.unwrap(), []);
        let error = group.key().group("absent").delete_consumer("one").await.unwrap_err();
        assert_eq!(error.code(), Some("NOGROUP"), "{error}");
    },
    read: async {
        let group = group(47, &[1, 2, 3]).await;
        assert_eq!(values(group.read("one").count(1).await.unwrap()), [1]);
        assert_eq!(values(group.read("two").await.unwrap()), [2, 3], "each entry goes to one consumer");
        assert_eq!(values(group.read("one").await.unwrap()), [0; 0]);
        assert_eq!(values(group.read("one").block(BRIEF).await.unwrap()), [0; 0]);
        let again = group.read("two").pending_from(at(3)).await.unwrap();
        assert_eq!((again.len(), again[0].id, again[0].value), (1, at(3), Some(3)));
        group.key().xdel([at(2)]).await.unwrap();
        let all = group.read("two").pending_from(StreamId::MIN).count(10).await.unwrap();
        assert_eq!(values(all), [None, Some(3)], "an entry that was deleted");
        let (read, _) = tokio::join!(group.read("one").block(LONG), group.key().xadd(&4));
        assert_eq!(values(read.unwrap()), [4]);
        group.key().xadd(&5).await.unwrap();
        assert_eq!(group.read("three").without_ack().raw().await.unwrap()[0].decode::<u64>().unwrap(), 5);
        assert_eq!(group.pending().await.unwrap().count, 4, "it is not pending");
        let both = group.read("one").pending_from(StreamId::MIN).block(LONG).await.unwrap_err();
        assert_eq!(both.kind(), ErrorKind::InvalidInput, "{both}");
        let zero = group.read("one").block(Duration::ZERO).await.unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::InvalidInput, "{zero}");
        assert_eq!(group.key().group("absent").read("one").await.unwrap_err().code(), Some("NOGROUP"));
    },
    ack: async {
        let group = group(48, &[1, 2, 3]).await;
        group.read("one").await.unwrap();
        assert_eq!(group.ack([at(1), at(2), at(9)]).await.unwrap(), 2);
        assert_eq!(group.ack([at(1)]).await.unwrap(), 0);
        assert_eq!(group.ack([]).await.unwrap(), 0);
        assert_eq!(group.key().xlen().await.unwrap(), 3);
        assert_eq!(group.key().group("absent").ack([at(1)]).await.unwrap(), 0);
    },
    delete of XAck: async {
        let group = group(49, &[1, 2, 3]).await;
        group.read("one").count(2).await.unwrap();
        assert_eq!(group.ack([at(1), at(3)]).delete().await.unwrap(), 1, "one was pending");
        assert_eq!(values(group.key().xrange(..).await.unwrap()), [2]);
        assert_eq!(group.ack([]).delete().await.unwrap(), 0);
    },
    pending: async {
        let group = group(50, &[1, 2, 3]).await;
        let pending = group.pending().await.unwrap();
        assert_eq!((pending.count, pending.first, pending.last, pending.consumers.len()), (0, None, None, 0));
        group.read("one").count(1).await.unwrap();
        group.read("two").await.unwrap();
        let pending = group.pending().await.unwrap();
        assert_eq!((pending.count, pending.first, pending.last), (3, Some(at(1)), Some(at(3))));
        assert_eq!(pending.consumers, [("one".to_owned(), 1), ("two".to_owned(), 2)]);
        assert_eq!(group.key().group("absent").pending().await.unwrap_err().code(), Some("NOGROUP"));
    },
    pending_entries: async {
        let group = group(51, &[1, 2, 3]).await;
        group.read("one").count(1).await.unwrap();
        group.read("two").await.unwrap();
        group.read("one").pending_from(StreamId::MIN).await.unwrap();
        let entries = group.pending_entries(..).await.unwrap();
        let seen: Vec<_> =
            entries.iter().map(|entry| (entry.id, entry.consumer.as_str(), entry.deliveries)).collect();
        assert_eq!(seen, [(at(1), "one", 2), (at(2), "two", 1), (at(3), "two", 1)]);
        let ids = |entries: Vec<redis_keyspace::stream::PendingEntry>| {
            entries.into_iter().map(|entry| entry.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(group.pending_entries(at(2)..at(3)).await.unwrap()), [at(2)]);
        assert_eq!(ids(group.pending_entries(..).count(2).await.unwrap()), [at(1), at(2)]);
        assert_eq!(ids(group.pending_entries(..).consumer("two").await.unwrap()), [at(2), at(3)]);
        assert_eq!(ids(group.pending_entries(..).idle_at_least(LONG).await.unwrap()), []);
        assert_eq!(ids(group.pending_entries(..).idle_at_least(Duration::ZERO).await.unwrap()).len(), 3);
        assert_eq!(ids(group.pending_entries(at(3)..at(3)).await.unwrap()), []);
    },
    claim: async {
        let group = group(52, &[1, 2, 3]).await;
        group.read("one").await.unwrap();
        assert_eq!(values(group.claim("two", [at(1), at(2)], LONG).await.unwrap()), [0; 0]);
        assert_eq!(values(group.claim("two", [at(1), at(2)], Duration::ZERO).await.unwrap()), [1, 2]);
        assert_eq!(group.pending_entries(..).consumer("two").await.unwrap()[0].deliveries, 2);
        assert_eq!(values(group.claim("two", [], Duration::ZERO).await.unwrap()), [0; 0]);
        group.key().xdel([at(3)]).await.unwrap();
        assert_eq!(group.claim("two", [at(3), at(9)], Duration::ZERO).raw().await.unwrap(), []);
        let error = group.key().group("absent").claim("two", [at(1)], Duration::ZERO).await.unwrap_err();
        assert_eq!(error.code(), Some("NOGROUP"), "{error}");
    },
    auto_claim: async {
        let group = group(53, &[1, 2, 3, 4]).await;
        group.read("one").await.unwrap();
        let claimed = group.auto_claim("two", LONG).await.unwrap();
        assert_eq!((values(claimed.entries), claimed.next), (Vec::new(), None));
        group.key().xdel([at(2)]).await.unwrap();
        let claimed = group.auto_claim("two", Duration::ZERO).count(2).await.unwrap();
        assert!(claimed.next.is_some());
        let (mut found, mut deleted) = (values(claimed.entries), claimed.deleted);
        let rest = group.auto_claim("two", Duration::ZERO).start(claimed.next.unwrap()).await.unwrap();
        found.extend(values(rest.entries));
        deleted.extend(rest.deleted);
        assert_eq!((found, rest.next), (vec![1, 3, 4], None));
        // Servers before 7.0 report how many there are, but not which.
        assert!(deleted == [at(2)] || rest.deleted_and_pending + claimed.deleted_and_pending == 1);
        assert_eq!(group.auto_claim("three", Duration::ZERO).raw().await.unwrap().entries.len(), 3);
    },
}

both_servers! {
    async fn a_wait_ends_when_the_group_or_the_stream_is_deleted(_redis: redis_keyspace::Redis) {
        let group = group(60, &[]).await;
        let reading = group.read("one").block(LONG);
        let (read, _) = tokio::join!(reading, async {
            redis_keyspace_tests::eventually("the consumer reads", async || {
                group.key().del().await.unwrap();
                !group.key().exists().await.unwrap()
            })
            .await;
        });
        // The wait may begin before or after the deletion.
        let code = read.unwrap_err().code().map(str::to_owned);
        assert!(matches!(code.as_deref(), Some("UNBLOCKED" | "NOGROUP")), "{code:?}");
    }

    async fn a_wrong_type_is_an_error_that_names_both(redis: redis_keyspace::Redis) {
        let log: redis_keyspace::Key<Keys, Stream<u64>> = Keys::log(61);
        let () = redis_keyspace_tests::raw(&redis, &["SADD", &redis_keyspace_tests::wire(&log), "1"]).await;
        for error in [
            log.xlen().await.unwrap_err(),
            log.xadd(&1).await.unwrap_err(),
            log.xread(StreamId::MIN).await.unwrap_err(),
            log.xinfo().await.unwrap_err(),
            log.group("workers").read("one").await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
            assert!(error.to_string().contains("expected stream (Stream<u64>), found set"), "{error}");
        }
    }
}
