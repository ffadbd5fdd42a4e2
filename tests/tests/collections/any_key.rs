//! The operations of every key, and parts of byte strings.

use std::ops::Bound;
use std::time::{Duration, SystemTime};

use redis_keyspace::command::{Dump, Ttl};
use redis_keyspace::{ErrorKind, Key, List, Redis};
use redis_keyspace_tests::is_available;

use crate::Keys;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Whether the rest of a lifetime is that of one that began within this test.
fn is_new(ttl: Ttl, lifetime: Duration) -> bool {
    ttl.remaining().is_some_and(|left| left <= lifetime && left > lifetime / 2)
}

/// The name of a key that does not exist.
fn absent() -> String {
    Redis::current().unwrap().wire_key(&Keys::list(5000)).unwrap()
}

async fn list(id: u64) -> Key<Keys, List<u64>> {
    let list = Keys::list(id);
    list.del().await.unwrap();
    list.rpush_many([1, 2]).await.unwrap();
    list
}

checks! {
    del: async {
        let list = list(501).await;
        assert!(list.del().await.unwrap());
        assert!(!list.del().await.unwrap());
    },
    exists: async {
        assert!(list(502).await.exists().await.unwrap());
        assert!(!Keys::list(5020).exists().await.unwrap());
    },
    ttl: async {
        assert!(is_new(list(503).await.ttl().await.unwrap(), HOUR));
        assert_eq!(Keys::list(5030).ttl().await.unwrap(), Ttl::NoKey);
    },
    persist: async {
        let list = list(504).await;
        assert!(list.persist().await.unwrap());
        assert_eq!(list.ttl().await.unwrap(), Ttl::NoExpiry);
    },
    expire: async {
        let list = list(505).await;
        assert!(list.expire(MINUTE).await.unwrap());
        assert!(is_new(list.ttl().await.unwrap(), MINUTE));
        assert!(!Keys::list(5050).expire(MINUTE).await.unwrap());
        let extended = list.expire(MINUTE / 2).extend_only().await;
        if !is_available(&extended, &["PEXPIRE", &absent(), "1", "GT"]).await {
            return;
        }
        assert!(!extended.unwrap());
        assert!(list.expire(2 * MINUTE).extend_only().await.unwrap());
        assert!(!list.expire(3 * MINUTE).shorten_only().await.unwrap());
        assert!(list.expire(MINUTE).shorten_only().await.unwrap());
        assert!(!list.expire(MINUTE).only_if_none().await.unwrap());
        assert!(is_new(list.ttl().await.unwrap(), MINUTE));
        list.persist().await.unwrap();
        assert!(!list.expire(MINUTE).extend_only().await.unwrap(), "without a lifetime, it is endless");
        assert!(list.expire(MINUTE).only_if_none().await.unwrap());
        assert!(is_new(list.ttl().await.unwrap(), MINUTE));
        assert!(!Keys::list(5050).expire(MINUTE).only_if_none().await.unwrap());
        assert!(list.expire(Duration::MAX).await.is_err());
        assert!(list.expire(Duration::ZERO).await.unwrap() && !list.exists().await.unwrap());
    },
    expire_at: async {
        let list = list(506).await;
        let moment = SystemTime::now() + MINUTE;
        assert!(list.expire_at(moment).await.unwrap());
        // The time is rounded up to milliseconds.
        assert!(is_new(list.ttl().await.unwrap(), MINUTE + Duration::from_millis(2)));
        let extended = list.expire_at(moment - MINUTE / 4).extend_only().await;
        if !is_available(&extended, &["PEXPIREAT", &absent(), "1", "GT"]).await {
            return;
        }
        assert!(!extended.unwrap());
        assert!(list.expire_at(moment + MINUTE).extend_only().await.unwrap());
        assert!(list.expire_at(SystemTime::UNIX_EPOCH + MINUTE).await.unwrap());
        assert!(!list.exists().await.unwrap(), "it is past");
    },
    rename of Stored: async {
        let set = Keys::set(507, 1);
        set.sadd(&1).await.unwrap();
        set.expire(MINUTE).await.unwrap();
        assert!(set.rename(&Keys::set(507, 2)).await.unwrap());
        assert!(!set.rename(&Keys::set(507, 2)).await.unwrap());
        assert!(is_new(Keys::set(507, 2).ttl().await.unwrap(), MINUTE));
        let error = Keys::set(507, 2).rename(&Keys::brief(507, 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    },
    rename_if_absent of Stored: async {
        let (one, two) = (Keys::ranks(508, 1), Keys::ranks(508, 2));
        one.zadd(&1, 1.0).await.unwrap();
        two.zadd(&2, 2.0).await.unwrap();
        assert!(!one.rename_if_absent(&two).await.unwrap());
        assert!(one.rename_if_absent(&Keys::ranks(508, 3)).await.unwrap());
    },
    copy of Stored: async {
        let (one, two) = (Keys::set(509, 1), Keys::set(509, 2));
        assert!(!one.copy(&two).await.unwrap(), "it does not exist");
        one.sadd(&1).await.unwrap();
        one.expire(MINUTE).await.unwrap();
        assert!(one.copy(&two).await.unwrap());
        assert!(is_new(two.ttl().await.unwrap(), MINUTE), "the copy has the rest of the lifetime");
        one.sadd(&2).await.unwrap();
        assert!(!one.copy(&two).await.unwrap());
        assert_eq!(two.scard().await.unwrap(), 1);
        assert!(one.copy(&two).replace().await.unwrap());
        assert_eq!(two.scard().await.unwrap(), 2);
        let error = one.copy(&Keys::brief(509, 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        for template in ["collections:set:{{{id}}}:{nth}", "collections:brief:{{{id}}}:{nth}"] {
            assert!(error.to_string().contains(template), "{error}");
        }
    },
    dump of Stored: async {
        let list = list(510).await;
        let dump = list.dump().await.unwrap().unwrap();
        let again = Dump::from_bytes(dump.as_bytes().to_vec());
        assert_eq!(dump, again);
        assert!(Keys::list(5100).restore(&again).await.unwrap());
        assert_eq!(Keys::list(5100).lrange(..).await.unwrap(), [1, 2]);
        assert_eq!(Keys::list(5101).dump().await.unwrap(), None);
    },
    restore of Stored: async {
        let list = list(511).await;
        list.persist().await.unwrap();
        let dump = list.dump().await.unwrap().unwrap();
        list.rpush(&3).await.unwrap();
        assert!(!list.restore(&dump).await.unwrap());
        assert_eq!(list.llen().await.unwrap(), 3);
        assert!(list.restore(&dump).replace().await.unwrap());
        assert_eq!(list.lrange(..).await.unwrap(), [1, 2]);
        assert!(is_new(list.ttl().await.unwrap(), HOUR), "it has the declared lifetime");
        assert!(list.restore(&dump).replace().ttl(MINUTE).await.unwrap());
        assert!(is_new(list.ttl().await.unwrap(), MINUTE));
        assert!(list.restore(&dump).expire_at(SystemTime::now() + HOUR).replace().await.unwrap());
        assert!(is_new(list.ttl().await.unwrap(), HOUR + Duration::from_millis(2)));
        assert!(Keys::forever(511, 1).restore(&dump).await.unwrap());
        assert_eq!(Keys::forever(511, 1).ttl().await.unwrap(), Ttl::NoExpiry);
        let error = list.restore(&dump).replace().ttl(Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let error = list.restore(&Dump::from_bytes(&b"no dump"[..])).replace().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        assert_eq!(list.llen().await.unwrap(), 2);
    },
    expire_time: async {
        let list = list(512).await;
        let moment = SystemTime::now() + HOUR;
        list.expire_at(moment).await.unwrap();
        let end = list.expire_time().await;
        if !is_available(&end, &["PEXPIRETIME"]).await {
            return;
        }
        // In milliseconds, rounded up.
        let rounded = end.unwrap().unwrap().duration_since(moment).unwrap();
        assert!(rounded < Duration::from_millis(1), "{rounded:?}");
        list.persist().await.unwrap();
        assert_eq!(list.expire_time().await.unwrap(), None);
        assert_eq!(Keys::list(5120).expire_time().await.unwrap(), None);
    },
    object_encoding: async {
        let encoding = list(513).await.object_encoding().await.unwrap();
        assert!(encoding.as_deref().is_some_and(|name| name.ends_with("list") || name.ends_with("pack")), "{encoding:?}");
        assert_eq!(Keys::list(5130).object_encoding().await.unwrap(), None);
    },
    idle_time: async {
        assert!(list(514).await.idle_time().await.unwrap() < Some(HOUR));
        assert_eq!(Keys::list(5140).idle_time().await.unwrap(), None);
    },
    memory_usage: async {
        assert!(list(515).await.memory_usage().await.unwrap() > Some(8));
        assert_eq!(Keys::list(5150).memory_usage().await.unwrap(), None);
    },
    touch: async {
        assert!(list(516).await.touch().await.unwrap());
        assert!(!Keys::list(5160).touch().await.unwrap());
    },
    get_range of Bytes: async {
        let bytes = Keys::bytes(517);
        assert_eq!(bytes.get_range(..).await.unwrap(), "");
        bytes.set(b"0123456789").await.unwrap();
        assert_eq!(bytes.get_range(..).await.unwrap(), "0123456789");
        assert_eq!(bytes.get_range(2..4).await.unwrap(), "23");
        assert_eq!(bytes.get_range(..=2).await.unwrap(), "012");
        assert_eq!(bytes.get_range(-3..).await.unwrap(), "789");
        assert_eq!(bytes.get_range(8..99).await.unwrap(), "89");
        assert_eq!(bytes.get_range(..0).await.unwrap(), "", "an empty range");
        assert_eq!(bytes.get_range((Bound::Included(5), Bound::Excluded(2))).await.unwrap(), "");
        // Ends that count from the end, up to before the first byte.
        let included = |first, last| (Bound::Included(first), Bound::Included(last));
        assert_eq!(bytes.get_range(..-1).await.unwrap(), "012345678");
        assert_eq!(bytes.get_range(included(-4, -2)).await.unwrap(), "678");
        for (range, found) in [
            (included(0, -10), "0"),
            (included(0, -11), ""),
            (included(0, i64::MIN), ""),
            (included(-12, -10), "0"),
            (included(-12, -11), ""),
            (included(2, -8), "2"),
            (included(2, -9), ""),
            (included(-3, -4), ""),
            (included(20, -2), ""),
        ] {
            assert_eq!(bytes.get_range(range).await.unwrap(), found, "{range:?}");
        }
        bytes.set(b"x").await.unwrap();
        assert_eq!(bytes.get_range(..-1).await.unwrap(), "");
        assert_eq!(Keys::bytes(5170).get_range(..-1).await.unwrap(), "");
    },
    set_range of Bytes: async {
        let bytes = Keys::bytes(518);
        assert_eq!(bytes.set_range(2, b"").await.unwrap(), 0);
        assert!(!bytes.exists().await.unwrap());
        assert_eq!(bytes.set_range(2, b"xy").await.unwrap(), 4);
        assert!(is_new(bytes.ttl().await.unwrap(), HOUR), "a new key gets the declared lifetime");
        assert_eq!(bytes.get().await.unwrap().unwrap(), "\0\0xy");
        bytes.expire(MINUTE).await.unwrap();
        assert_eq!(bytes.set_range(0, b"ab").await.unwrap(), 4);
        assert_eq!(bytes.get().await.unwrap().unwrap(), "abxy");
        assert!(is_new(bytes.ttl().await.unwrap(), MINUTE), "an existing one keeps its lifetime");
    },
    append of Bytes: async {
        let bytes = Keys::bytes(519);
        assert_eq!(bytes.append(b"a\r\n").await.unwrap(), 3);
        assert!(is_new(bytes.ttl().await.unwrap(), HOUR));
        bytes.expire(MINUTE).await.unwrap();
        assert_eq!(bytes.append(&[0, 255]).await.unwrap(), 5);
        assert_eq!(bytes.get().await.unwrap().unwrap(), &b"a\r\n\x00\xff"[..]);
        assert!(is_new(bytes.ttl().await.unwrap(), MINUTE));
        bytes.del().await.unwrap();
        bytes.append(b"a").ttl(MINUTE).await.unwrap();
        assert!(is_new(bytes.ttl().await.unwrap(), MINUTE));
    },
    set_many of SingleValue: async {
        let pair = |nths: [u64; 2], text| nths.map(|nth| (Keys::note(520, nth), text));
        let each = Key::set_many(pair([1, 2], "each")).each().await.unwrap();
        assert!(matches!(each[..], [Ok(()), Ok(())]), "{each:?}");
        Key::set_many(pair([1, 2], "a")).ttl(MINUTE).await.unwrap();
        assert!(is_new(Keys::note(520, 1).ttl().await.unwrap(), MINUTE));
        assert!(!Key::set_many(pair([2, 3], "b")).only_if_all_absent().await.unwrap());
        assert!(!Keys::note(520, 3).exists().await.unwrap(), "all or none");
        assert!(Key::set_many(pair([3, 4], "c")).only_if_all_absent().await.unwrap());
        assert_eq!(Keys::note(520, 4).get().await.unwrap().as_deref(), Some("c"));
        assert!(is_new(Keys::note(520, 4).ttl().await.unwrap(), HOUR));
        assert!(Key::set_many(pair([5, 6], "")).ttl(MINUTE).only_if_all_absent().await.unwrap());
        assert!(is_new(Keys::note(520, 6).ttl().await.unwrap(), MINUTE));
        let mixed = [(Keys::note(520, 7), "d"), (Keys::eternal(520), "d")];
        assert!(Key::set_many(mixed).only_if_all_absent().await.unwrap());
        assert!(is_new(Keys::note(520, 7).ttl().await.unwrap(), HOUR));
        assert_eq!(Keys::eternal(520).ttl().await.unwrap(), Ttl::NoExpiry);
        assert!(Key::set_many(pair([1, 1], "a")[..0].to_vec()).only_if_all_absent().await.unwrap());
        let many = (0..1001).map(|nth| (Keys::note(521, nth), "e"));
        assert_eq!(Key::set_many(many).only_if_all_absent().await.unwrap_err().kind(), ErrorKind::InvalidInput);
        let zero = Key::set_many(pair([8, 9], "f")).ttl(Duration::ZERO).only_if_all_absent().await.unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::InvalidInput, "{zero}");
    },
}
