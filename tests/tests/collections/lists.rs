//! The operations of lists.

use std::num::NonZero;

use redis_keyspace::ErrorKind;
use redis_keyspace::command::{Inserted, ListEnd};

use crate::Keys;

async fn filled(id: u64, elements: &[u64]) -> redis_keyspace::Key<Keys, redis_keyspace::List<u64>> {
    let list = Keys::list(id);
    list.del().await.unwrap();
    assert_eq!(list.rpush_many(elements).await.unwrap(), elements.len() as u64);
    list
}

fn nth(rank: i64) -> NonZero<i64> {
    NonZero::new(rank).unwrap()
}

checks! {
    lpush: async {
        let list = Keys::texts(1);
        assert_eq!(list.lpush("a").await.unwrap(), 1);
        assert_eq!(list.lpush("").await.unwrap(), 2);
        assert_eq!(list.lpush("\r\n$1").await.unwrap(), 3);
        assert_eq!(list.lrange(..).await.unwrap(), ["\r\n$1", "", "a"]);
        assert_eq!(list.lpush("b").trim_to(2).await.unwrap(), 2);
        assert_eq!(list.lrange(..).await.unwrap(), ["b", "\r\n$1"]);
        assert_eq!(list.lpush("c").trim_to(9).await.unwrap(), 3);
        assert_eq!(list.lpush("d").only_if_present().trim_to(3).await.unwrap(), 3);
        assert_eq!(list.lindex(0).await.unwrap().as_deref(), Some("d"));
        let error = list.lpush("d").trim_to(0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert_eq!(list.llen().await.unwrap(), 3);
    },
    rpush: async {
        let list = Keys::any_list(2);
        assert_eq!(list.rpush(&[0, 255, 13, 10]).await.unwrap(), 1);
        assert_eq!(list.rpush(b"x").await.unwrap(), 2);
        assert_eq!(list.lrange(..).await.unwrap(), [&[0, 255, 13, 10][..], b"x"]);
        assert_eq!(list.rpush(b"y").trim_to(2).await.unwrap(), 2);
        assert_eq!(list.lrange(..).await.unwrap(), ["x", "y"]);
    },
    lpush_many: async {
        let list = filled(3, &[1]).await;
        assert_eq!(list.lpush_many([2, 3]).await.unwrap(), 3);
        assert_eq!(list.lrange(..).await.unwrap(), [3, 2, 1]);
        assert_eq!(list.lpush_many([0; 0]).await.unwrap(), 0);
        let texts = Keys::texts(3);
        assert_eq!(texts.lpush_many(["a".to_owned()]).await.unwrap(), 1);
        assert_eq!(texts.lpush_many(["b"]).await.unwrap(), 2);
        assert_eq!(list.lpush_many([4, 5]).trim_to(2).await.unwrap(), 2);
        assert_eq!(list.lrange(..).await.unwrap(), [5, 4]);
        assert_eq!(list.lpush_many([0; 0]).trim_to(1).await.unwrap(), 0);
        assert_eq!(list.llen().await.unwrap(), 2, "nothing was sent");
    },
    rpush_many: async {
        let list = filled(4, &[1]).await;
        let absent = Keys::list(5);
        assert_eq!(absent.rpush(&2).only_if_present().await.unwrap(), 0);
        assert_eq!(absent.lpush_many(0..20_000).only_if_present().await.unwrap(), 0);
        assert!(!absent.exists().await.unwrap());
        assert_eq!(list.rpush_many([2, 3].iter()).only_if_present().await.unwrap(), 3);
        assert_eq!(list.lrange(..).await.unwrap(), [1, 2, 3]);
        assert_eq!(list.rpush_many(Vec::<u64>::new()).await.unwrap(), 0);
        assert_eq!(list.rpush_many(4..20_000).trim_to(3).await.unwrap(), 3);
        assert_eq!(list.lrange(..).await.unwrap(), [19_997, 19_998, 19_999]);
    },
    lpop: async {
        let list = filled(7, &[1, 2]).await;
        assert_eq!(list.lpop().await.unwrap(), Some(1));
        assert_eq!(list.lpop().await.unwrap(), Some(2));
        assert_eq!(list.lpop().await.unwrap(), None);
        assert!(!list.exists().await.unwrap(), "an empty list does not exist");
    },
    rpop: async {
        let list = filled(8, &[1, 2]).await;
        assert_eq!(list.rpop().await.unwrap(), Some(2));
        list.del().await.unwrap();
        assert_eq!(list.rpop().await.unwrap(), None);
    },
    lpop_many: async {
        let list = filled(9, &[1, 2, 3]).await;
        assert_eq!(list.lpop_many(0).await.unwrap(), [0; 0]);
        assert_eq!(list.lpop_many(2).await.unwrap(), [1, 2]);
        assert_eq!(list.lpop_many(u32::MAX).await.unwrap(), [3]);
        assert_eq!(list.lpop_many(1).await.unwrap(), [0; 0]);
    },
    rpop_many: async {
        let list = filled(10, &[1, 2, 3]).await;
        assert_eq!(list.rpop_many(2).await.unwrap(), [3, 2]);
        assert_eq!(list.rpop_many(2).await.unwrap(), [1]);
        assert_eq!(list.rpop_many(2).await.unwrap(), [0; 0]);
    },
    lrange: async {
        let list = filled(11, &[1, 2, 3, 4, 5]).await;
        assert_eq!(list.lrange(..).await.unwrap(), [1, 2, 3, 4, 5]);
        assert_eq!(list.lrange(1..3).await.unwrap(), [2, 3]);
        assert_eq!(list.lrange(..=1).await.unwrap(), [1, 2]);
        assert_eq!(list.lrange(-2..).await.unwrap(), [4, 5]);
        assert_eq!(list.lrange(..-1).await.unwrap(), [1, 2, 3, 4]);
        assert_eq!(list.lrange(..0).await.unwrap(), [0; 0]);
        assert_eq!(list.lrange(9..).await.unwrap(), [0; 0]);
        list.del().await.unwrap();
        assert_eq!(list.lrange(..).await.unwrap(), [0; 0]);
    },
    llen: async {
        let list = filled(12, &[1, 2]).await;
        assert_eq!(list.llen().await.unwrap(), 2);
        list.del().await.unwrap();
        assert_eq!(list.llen().await.unwrap(), 0);
    },
    lindex: async {
        let list = filled(13, &[1, 2]).await;
        assert_eq!(list.lindex(0).await.unwrap(), Some(1));
        assert_eq!(list.lindex(-1).await.unwrap(), Some(2));
        assert_eq!(list.lindex(2).await.unwrap(), None);
        assert_eq!(list.lindex(i64::MIN).await.unwrap(), None);
    },
    lset: async {
        let list = filled(14, &[1, 2]).await;
        assert!(list.lset(0, &5).await.unwrap());
        assert!(list.lset(-1, &6).await.unwrap());
        assert!(!list.lset(2, &7).await.unwrap(), "out of range");
        assert_eq!(list.lrange(..).await.unwrap(), [5, 6]);
        list.del().await.unwrap();
        assert!(!list.lset(0, &1).await.unwrap(), "no list");
        assert!(!list.exists().await.unwrap());
    },
    lrem: async {
        let list = filled(15, &[1, 2, 1, 3, 1, 1]).await;
        assert_eq!(list.lrem(&1).first(0).await.unwrap(), 0);
        assert_eq!(list.lrem(&1).first(1).await.unwrap(), 1);
        assert_eq!(list.lrange(..).await.unwrap(), [2, 1, 3, 1, 1]);
        assert_eq!(list.lrem(&1).last(1).await.unwrap(), 1);
        assert_eq!(list.lrange(..).await.unwrap(), [2, 1, 3, 1]);
        assert_eq!(list.lrem(&1).await.unwrap(), 2);
        assert_eq!(list.lrem(&9).await.unwrap(), 0);
    },
    ltrim: async {
        let list = filled(16, &[1, 2, 3, 4]).await;
        list.ltrim(-3..).await.unwrap();
        assert_eq!(list.lrange(..).await.unwrap(), [2, 3, 4]);
        list.ltrim(..2).await.unwrap();
        assert_eq!(list.lrange(..).await.unwrap(), [2, 3]);
        list.ltrim(..0).await.unwrap();
        assert!(!list.exists().await.unwrap(), "an empty range keeps nothing");
    },
    linsert_before: async {
        let list = filled(17, &[1, 3]).await;
        assert_eq!(list.linsert_before(&3, &2).await.unwrap(), Inserted::Length(3));
        assert_eq!(list.linsert_before(&9, &2).await.unwrap(), Inserted::NoPivot);
        assert_eq!(list.lrange(..).await.unwrap(), [1, 2, 3]);
        list.del().await.unwrap();
        assert_eq!(list.linsert_before(&1, &2).await.unwrap(), Inserted::NoList);
    },
    linsert_after: async {
        let list = filled(18, &[1, 3]).await;
        assert_eq!(list.linsert_after(&1, &2).await.unwrap(), Inserted::Length(3));
        assert_eq!(list.lrange(..).await.unwrap(), [1, 2, 3]);
        assert_eq!(list.linsert_after(&9, &2).await.unwrap(), Inserted::NoPivot);
        list.del().await.unwrap();
        assert_eq!(list.linsert_after(&1, &2).await.unwrap(), Inserted::NoList);
    },
    lpos: async {
        let list = filled(19, &[5, 6, 5, 7, 5]).await;
        assert_eq!(list.lpos(&5).await.unwrap(), Some(0));
        assert_eq!(list.lpos(&9).await.unwrap(), None);
        assert_eq!(list.lpos(&5).rank(nth(2)).await.unwrap(), Some(2));
        assert_eq!(list.lpos(&5).rank(nth(-1)).await.unwrap(), Some(4));
        assert_eq!(list.lpos(&7).max_len(3).await.unwrap(), None);
        assert_eq!(list.lpos(&5).all().await.unwrap(), [0, 2, 4]);
        assert_eq!(list.lpos(&5).rank(nth(-2)).all().await.unwrap(), [2, 0]);
        assert_eq!(list.lpos(&5).all().max_len(3).await.unwrap(), [0, 2]);
        assert_eq!(list.lpos(&9).all().await.unwrap(), [0; 0]);
    },
    lmove: async {
        let (from, to) = (Keys::forever(20, 1), Keys::forever(20, 2));
        from.rpush_many([1, 2, 3]).await.unwrap();
        assert_eq!(from.lmove(ListEnd::Left, &to, ListEnd::Right).await.unwrap(), Some(1));
        assert_eq!(from.lmove(ListEnd::Right, &to, ListEnd::Left).await.unwrap(), Some(3));
        assert_eq!(to.lrange(..).await.unwrap(), [3, 1]);
        assert_eq!(from.lmove(ListEnd::Left, &from, ListEnd::Right).await.unwrap(), Some(2));
        from.del().await.unwrap();
        assert_eq!(from.lmove(ListEnd::Left, &to, ListEnd::Right).await.unwrap(), None);
        assert_eq!(to.lmove(ListEnd::Left, &Keys::list(20), ListEnd::Left).await.unwrap(), Some(3));
        assert!(Keys::list(20).ttl().await.unwrap().remaining().is_some());
    },
}
