//! The operations of streams.

use std::time::{Duration, SystemTime};

use redis_keyspace::stream::{ReadFrom, StreamId, Trim};
use redis_keyspace::{ErrorKind, Key, Redis, Stream};
use redis_keyspace_tests::{both_servers, raw, wire};

use crate::Keys;

pub(crate) const LONG: Duration = Duration::from_secs(60);
const BRIEF: Duration = Duration::from_millis(10);

/// Returns a stream of these values, with the IDs `1-0`, `2-0` and so on.
pub(crate) async fn filled(id: u64, values: &[u64]) -> Key<Keys, Stream<u64>> {
    let log = Keys::log(id);
    log.del().await.unwrap();
    for (ms, value) in (1..).zip(values) {
        assert_eq!(log.xadd(value).id(at(ms)).await.unwrap(), at(ms));
    }
    log
}

pub(crate) fn at(ms: u64) -> StreamId {
    StreamId::new(ms, 0)
}

pub(crate) fn values<V>(entries: Vec<redis_keyspace::stream::Entry<V>>) -> Vec<V> {
    entries.into_iter().map(|entry| entry.value).collect()
}

checks! {
    xadd: async {
        let log = Keys::log(1);
        assert_eq!(log.xadd(&7).only_if_present().await.unwrap(), None);
        assert!(!log.exists().await.unwrap());
        let first = log.xadd(&7).await.unwrap();
        let second = log.xadd(&8).await.unwrap();
        assert!(first < second && first.time().unwrap() < SystemTime::now() + LONG);
        let third = log.xadd(&9).only_if_present().await.unwrap().unwrap();
        let fixed = StreamId::new(third.ms + 10, 5);
        assert_eq!(log.xadd(&10).id(fixed).await.unwrap(), fixed);
        let error = log.xadd(&11).id(fixed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        assert_eq!(values(log.xrange(..).await.unwrap()), [7, 8, 9, 10]);

        let events = Keys::events(1);
        let item = (1, "a\r\nb".to_owned());
        events.xadd(&item).await.unwrap();
        assert_eq!(values(events.xread(StreamId::MIN).await.unwrap()), [item]);
    },
    xlen: async {
        let log = filled(2, &[1, 2]).await;
        assert_eq!(log.xlen().await.unwrap(), 2);
        log.del().await.unwrap();
        assert_eq!(log.xlen().await.unwrap(), 0);
    },
    xdel: async {
        let log = filled(3, &[1, 2, 3]).await;
        assert_eq!(log.xdel([at(1), at(3), at(9)]).await.unwrap(), 2);
        assert_eq!(values(log.xrange(..).await.unwrap()), [2]);
        assert_eq!(log.xdel([]).await.unwrap(), 0);
        assert_eq!(log.xdel([at(2)]).await.unwrap(), 1);
        assert!(log.exists().await.unwrap(), "a stream without entries stays");
        log.del().await.unwrap();
        assert_eq!(log.xdel([at(1)]).await.unwrap(), 0);
    },
    xtrim: async {
        let log = filled(4, &[1, 2, 3, 4, 5]).await;
        assert_eq!(log.xtrim(Trim::max_len(3).exact()).await.unwrap(), 2);
        assert_eq!(log.xtrim(Trim::min_id(at(4)).exact()).await.unwrap(), 1);
        assert_eq!(values(log.xrange(..).await.unwrap()), [4, 5]);
        assert_eq!(log.xtrim(Trim::max_len(1).limit(10)).await.unwrap(), 0, "only whole blocks");
        let error = log.xtrim(Trim::max_len(1).exact().limit(10)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert_eq!(log.xtrim(Trim::max_len(0).exact()).await.unwrap(), 2);
        assert_eq!(log.xlen().await.unwrap(), 0);
    },
    xrange: async {
        let log = filled(5, &[1, 2, 3, 4]).await;
        assert_eq!(values(log.xrange(..).await.unwrap()), [1, 2, 3, 4]);
        assert_eq!(values(log.xrange(at(2)..at(4)).await.unwrap()), [2, 3]);
        assert_eq!(values(log.xrange(at(2)..=at(4)).await.unwrap()), [2, 3, 4]);
        assert_eq!(values(log.xrange(at(2).next()..).count(1).await.unwrap()), [3]);
        assert_eq!(values(log.xrange(..).rev().count(2).await.unwrap()), [4, 3]);
        assert_eq!(values(log.xrange(..=at(2)).rev().await.unwrap()), [2, 1]);
        assert_eq!(values(log.xrange(at(3)..at(3)).await.unwrap()), [0; 0]);
        assert_eq!(values(log.xrange(..).count(0).await.unwrap()), [0; 0]);
        let raw = log.xrange(..).raw().count(1).await.unwrap();
        assert_eq!((raw[0].id(), raw[0].get("value"), raw[0].fields().count()), (at(1), Some(&b"1"[..]), 1));

        for (is_reversed, expected) in [(false, [1, 2, 3, 4]), (true, [4, 3, 2, 1])] {
            for page in 1..=5 {
                let range = log.xrange(..).count(page);
                let mut pages = if is_reversed { range.rev() } else { range }.pages();
                let mut found = Vec::new();
                while let Some(entry) = pages.next().await.transpose().unwrap() {
                    found.push(entry.value);
                }
                assert_eq!(found, expected, "{page} {is_reversed}");
                assert!(pages.next().await.is_none());
            }
        }
        log.del().await.unwrap();
        assert!(log.xrange(..).pages().next().await.is_none());
    },
    xread: async {
        let log = filled(6, &[1, 2, 3]).await;
        assert_eq!(values(log.xread(StreamId::MIN).await.unwrap()), [1, 2, 3]);
        assert_eq!(values(log.xread(at(1)).count(1).await.unwrap()), [2]);
        assert_eq!(values(log.xread(at(3)).await.unwrap()), [0; 0]);
        assert_eq!(values(log.xread(at(3)).block(BRIEF).await.unwrap()), [0; 0]);
        let (read, _) = tokio::join!(log.xread(at(3)).count(5).block(LONG), log.xadd(&4));
        assert_eq!(values(read.unwrap()), [4]);
        assert_eq!(log.xread(at(2)).raw().block(LONG).await.unwrap().len(), 2);
        let error = log.xread(at(3)).block(Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        log.del().await.unwrap();
        assert_eq!(values(log.xread(StreamId::MIN).await.unwrap()), [0; 0]);
    },
    xread_many: async {
        let (one, none, two) = (filled(16, &[1, 2, 3]).await, Keys::renewed_log(16), Keys::loose(16));
        two.del().await.unwrap();
        for (ms, value) in [(1, 7), (2, 8)] {
            two.xadd(&value).id(at(ms)).await.unwrap();
        }
        let read = async |ids: [u64; 3]| {
            let streams = [one.clone(), none.clone(), two.clone()].into_iter().zip(ids.map(at));
            let found = Key::xread_many(streams).await.unwrap();
            found.into_iter().map(|(log, entries)| (log, values(entries))).collect::<Vec<_>>()
        };
        assert_eq!(read([0, 0, 0]).await, [(one.clone(), vec![1, 2, 3]), (two.clone(), vec![7, 8])]);
        assert_eq!(read([3, 0, 1]).await, [(two.clone(), vec![8])]);
        assert_eq!(read([3, 0, 2]).await, []);
        let both = || [(one.clone(), StreamId::MIN), (two.clone(), at(1))];
        let found = Key::xread_many(both()).count(1).await.unwrap();
        assert_eq!(found.iter().map(|(_, entries)| entries.len()).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(found[1].0.xlen().await.unwrap(), 2, "the key can be used");
        assert_eq!(Key::xread_many(both()).count(0).await.unwrap(), []);
        assert_eq!(Key::xread_many(Vec::<(Key<Keys, Stream<u64>>, StreamId)>::new()).await.unwrap(), []);
        let ends = || [(one.clone(), at(3)), (two.clone(), at(2))];
        assert_eq!(Key::xread_many(ends()).block(BRIEF).await.unwrap(), []);
        let (found, _) = tokio::join!(Key::xread_many(ends()).block(LONG), two.xadd(&9));
        let found: Vec<_> = found.unwrap().into_iter().map(|(log, entries)| (log, values(entries))).collect();
        assert_eq!(found, [(two.clone(), vec![9])]);
        let found = Key::xread_many(both()).count(1).block(LONG).await.unwrap();
        assert_eq!(found.iter().map(|(_, entries)| entries.len()).collect::<Vec<_>>(), [1, 1]);
        let error = Key::xread_many(ends()).block(Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    },
    tail: async {
        let log = filled(7, &[1, 2, 3]).await;
        let mut from_start = log.tail().after(StreamId::MIN).count(2);
        for expected in 1..=3 {
            assert_eq!(from_start.next().await.unwrap().value, expected);
            assert_eq!(from_start.position(), Some(at(expected)));
        }
        let mut new = log.tail();
        let (entry, ()) = tokio::join!(new.next(), async {
            // Entries that are added before the first poll of the stream are not new.
            for value in 4..=20 {
                log.xadd(&value).await.unwrap();
            }
        });
        let first = entry.unwrap();
        assert!(first.value > 3);
        for value in first.value + 1..=20 {
            assert_eq!(new.next().await.unwrap().value, value, "none is missing, none comes twice");
        }
        for value in 4..=20 {
            assert_eq!(from_start.next().await.unwrap().value, value);
        }
        let last = log.xinfo().await.unwrap().unwrap().last_id;
        assert_eq!((new.position(), from_start.position()), (Some(last), Some(last)));
    },
    xinfo: async {
        let log = filled(8, &[1, 2, 3]).await;
        log.group("a").create(ReadFrom::Start).await.unwrap();
        log.xdel([at(3)]).await.unwrap();
        let info = log.xinfo().await.unwrap().unwrap();
        assert_eq!((info.length, info.last_id, info.groups), (2, at(3), 1));
        assert_eq!((info.first_entry, info.last_entry), (Some(at(1)), Some(at(2))));
        log.xdel([at(1), at(2)]).await.unwrap();
        let info = log.xinfo().await.unwrap().unwrap();
        assert_eq!((info.length, info.first_entry, info.last_entry), (0, None, None));
        log.del().await.unwrap();
        assert_eq!(log.xinfo().await.unwrap(), None);
    },
    groups: async {
        let log = filled(9, &[1, 2]).await;
        assert_eq!(log.groups().await.unwrap(), []);
        log.group("b").create(ReadFrom::End).await.unwrap();
        log.group("a").create(ReadFrom::Start).await.unwrap();
        log.group("a").read("one").count(1).await.unwrap();
        let mut groups = log.groups().await.unwrap();
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!((groups[0].name.as_str(), groups[0].consumers, groups[0].pending), ("a", 1, 1));
        assert_eq!((groups[0].last_delivered, groups[1].last_delivered), (at(1), at(2)));
        log.del().await.unwrap();
        assert_eq!(log.groups().await.unwrap(), []);
    },
    group: async {
        let log = filled(10, &[1]).await;
        let group = log.group("a:{*} b");
        assert_eq!((group.name(), group.key()), ("a:{*} b", &log));
        assert!(group.create(ReadFrom::Start).await.unwrap());
        assert_eq!(log.groups().await.unwrap()[0].name, "a:{*} b");
    },
}

both_servers! {
    async fn a_declared_trim_applies_to_each_write(redis: Redis) {
        let events = Keys::events(20);
        for n in 0..25 {
            events.xadd(&(n, String::new())).await.unwrap();
        }
        assert_eq!(events.xlen().await.unwrap(), 10);
        assert_eq!(events.xrange(..).count(1).await.unwrap()[0].value.0, 15);
        events.xadd(&(25, String::new())).trim(Trim::max_len(2).exact()).await.unwrap();
        assert_eq!(events.xlen().await.unwrap(), 2, "an option of the call replaces the declaration");
        let loose = Keys::loose(20);
        let adding = (0..500_u64).map(|n| loose.xadd(&n)).collect::<Vec<_>>();
        for added in redis.batch(adding).each().await.unwrap() {
            added.unwrap();
        }
        let length = loose.xlen().await.unwrap();
        assert!((100..300).contains(&length), "{length}");
    }

    async fn entries_of_other_clients_are_errors_that_name_the_fields(redis: Redis) {
        let log = Keys::log(21);
        let key = wire(&log);
        raw::<String>(&redis, &["XADD", &key, "1-0", "from", "ada", "to", "bob"]).await;
        raw::<String>(&redis, &["XADD", &key, "2-0", "value", "7", "more", "x"]).await;
        raw::<String>(&redis, &["XADD", &key, "3-0", "value", "7", "value", "8"]).await;
        raw::<String>(&redis, &["XADD", &key, "4-0", "value", "seven"]).await;
        let error = log.xrange(..).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        for part in ["1-0", "\"from\", \"to\"", "\"value\"", "collections:log", ".raw()"] {
            assert!(error.to_string().contains(part), "{part} {error}");
        }
        assert!(!error.to_string().contains("ada"), "{error}");
        assert_eq!(values(log.xrange(at(2)..=at(2)).await.unwrap()), [7], "other fields are ignored");
        let raw = log.xread(StreamId::MIN).raw().await.unwrap();
        assert_eq!((raw.len(), raw[0].get("to"), raw[2].get("value")), (4, Some(&b"bob"[..]), Some(&b"8"[..])));
        assert!(!format!("{raw:?}").contains("ada"));

        // A stream of entries goes on after one that can't be decoded.
        let mut pages = log.xrange(..).count(3).pages();
        let mut found = Vec::new();
        while let Some(entry) = pages.next().await {
            found.push(entry.map(|entry| entry.value).map_err(|error| error.kind()));
        }
        let undecodable = Err(ErrorKind::Decode);
        assert_eq!(found, [undecodable, Ok(7), undecodable, undecodable]);
        let mut tail = log.tail().after(StreamId::MIN);
        assert_eq!(tail.next().await.unwrap_err().kind(), ErrorKind::Decode);
        assert_eq!(tail.next().await.unwrap().value, 7);
    }

    async fn a_stream_gets_its_lifetime_from_the_write_or_the_group_that_creates_it(_redis: Redis) {
        let hour = Duration::from_secs(3600);
        let is_new = |left: Option<Duration>| left.is_some_and(|left| left > hour / 2 && left <= hour);
        let log = Keys::log(22);
        assert!(log.group("a").create(ReadFrom::Start).await.unwrap());
        assert!(is_new(log.ttl().await.unwrap().remaining()));
        log.expire(LONG).await.unwrap();
        assert!(!log.group("a").create(ReadFrom::Start).await.unwrap(), "it exists");
        assert!(log.group("b").create(ReadFrom::Start).await.unwrap());
        log.xadd(&7).await.unwrap();
        assert!(log.ttl().await.unwrap().remaining() <= Some(LONG), "later writes keep it");
        log.del().await.unwrap();
        log.xadd(&7).await.unwrap();
        assert!(is_new(log.ttl().await.unwrap().remaining()));
        let renewed = Keys::renewed_log(22);
        renewed.xadd(&7).await.unwrap();
        renewed.expire(LONG).await.unwrap();
        renewed.xadd(&7).only_if_present().await.unwrap();
        assert!(is_new(renewed.ttl().await.unwrap().remaining()));
        let events = Keys::events(22);
        events.group("a").create(ReadFrom::Start).await.unwrap();
        assert_eq!(events.ttl().await.unwrap().remaining(), None);
    }

    async fn streams_in_batches_and_transactions(redis: Redis) {
        let log = Keys::log(23);
        let group = log.group("a");
        let (created, id, read) =
            redis.transaction((group.create(ReadFrom::Start), log.xadd(&7), group.read("one"))).await.unwrap();
        assert!(created && read[0].id == id);
        let (pending, acked, length) =
            redis.batch((group.pending(), group.ack([id]).delete(), log.xlen())).await.unwrap();
        assert_eq!((pending.count, acked, length), (1, 1, 0));
        let waiting = redis.batch((log.xlen(), log.xread(id).block(LONG))).await.unwrap_err();
        assert_eq!(waiting.kind(), ErrorKind::InvalidInput, "{waiting}");
    }
}
