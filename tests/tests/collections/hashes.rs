//! The operations of hashes.

use std::collections::HashMap;

use redis_keyspace::ErrorKind;
use redis_keyspace::command::Ttl;

use crate::Keys;

checks! {
    hset: async {
        let map = Keys::map(1);
        assert!(map.hset("a", &1).await.unwrap());
        assert!(!map.hset("a", &2).await.unwrap());
        assert_eq!(map.hget("a").await.unwrap(), Some(2));
        let objects = Keys::objects(1);
        assert!(objects.hset(&[0, 255], &(7, "x".to_owned())).await.unwrap());
        assert!(!objects.hset(&[0, 255], &(8, "y".to_owned())).only_if_absent().await.unwrap());
        assert!(objects.hset(&[1], &(8, "y".to_owned())).only_if_absent().await.unwrap());
        assert_eq!(objects.hget(&[0, 255]).await.unwrap(), Some((7, "x".to_owned())));
    },
    hset_many: async {
        let map = Keys::map(2);
        assert_eq!(map.hset_many([("a", 1), ("b", 2)]).await.unwrap(), 2);
        assert_eq!(map.hset_many([("b".to_owned(), 3), ("c".to_owned(), 4)]).await.unwrap(), 1);
        assert_eq!(map.hset_many([("a", 1); 0]).await.unwrap(), 0);
        assert_eq!(map.hget_many(["a", "b", "c"]).await.unwrap(), [Some(1), Some(3), Some(4)]);
    },
    hget: async {
        let map = Keys::map(4);
        assert_eq!(map.hget("a").await.unwrap(), None);
        map.hset("", &5).await.unwrap();
        assert_eq!(map.hget("").await.unwrap(), Some(5));
    },
    hget_many: async {
        let map = Keys::map(5);
        assert_eq!(map.hget_many(["a", "b"]).await.unwrap(), [None, None]);
        map.hset("b", &1).await.unwrap();
        assert_eq!(map.hget_many(["a", "b", "b"]).await.unwrap(), [None, Some(1), Some(1)]);
        assert_eq!(map.hget_many([""; 0]).await.unwrap(), []);
    },
    hget_all: async {
        let map = Keys::map(6);
        assert_eq!(map.hget_all().await.unwrap(), HashMap::new());
        map.hset_many([("a", 1), ("b", 2)]).await.unwrap();
        let expected = HashMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert_eq!(map.hget_all().await.unwrap(), expected);
    },
    hkeys: async {
        let map = Keys::map(7);
        map.hset_many([("a", 1), ("b", 2)]).await.unwrap();
        let mut fields = map.hkeys().await.unwrap();
        fields.sort_unstable();
        assert_eq!(fields, ["a", "b"]);
    },
    hvals: async {
        let map = Keys::map(8);
        map.hset_many([("a", 1), ("b", 2)]).await.unwrap();
        let mut values = map.hvals().await.unwrap();
        values.sort_unstable();
        assert_eq!(values, [1, 2]);
    },
    hlen: async {
        let map = Keys::map(9);
        assert_eq!(map.hlen().await.unwrap(), 0);
        map.hset("a", &1).await.unwrap();
        assert_eq!(map.hlen().await.unwrap(), 1);
    },
    hexists: async {
        let map = Keys::map(10);
        assert!(!map.hexists("a").await.unwrap());
        map.hset("a", &1).await.unwrap();
        assert!(map.hexists("a").await.unwrap());
    },
    hstrlen: async {
        let map = Keys::map(11);
        assert_eq!(map.hstrlen("a").await.unwrap(), 0);
        map.hset("a", &1234).await.unwrap();
        assert_eq!(map.hstrlen("a").await.unwrap(), 4);
    },
    hrandfield: async {
        let map = Keys::map(30);
        assert_eq!(map.hrandfield().await.unwrap(), None);
        map.hset("a", &1).await.unwrap();
        assert_eq!(map.hrandfield().await.unwrap().as_deref(), Some("a"));
    },
    hrandfields: async {
        let map = Keys::map(31);
        assert_eq!(map.hrandfields(2).await.unwrap(), [""; 0]);
        assert_eq!(map.hrandfields(2).with_values().await.unwrap(), []);
        map.hset_many([("a", 1), ("b", 2)]).await.unwrap();
        assert_eq!(map.hrandfields(5).await.unwrap().len(), 2);
        assert_eq!(map.hrandfields(-5).await.unwrap().len(), 5);
        let entries = map.hrandfields(-5).with_values().await.unwrap();
        assert_eq!(entries.len(), 5);
        assert!(entries.iter().all(|(field, value)| (field == "a") == (*value == 1)));
    },
    hdel: async {
        let map = Keys::map(12);
        map.hset("a", &1).await.unwrap();
        assert!(map.hdel("a").await.unwrap());
        assert!(!map.hdel("a").await.unwrap());
        assert!(!map.exists().await.unwrap());
    },
    hdel_many: async {
        let map = Keys::map(13);
        map.hset_many([("a", 1), ("b", 2)]).await.unwrap();
        assert_eq!(map.hdel_many(["b", "c"]).await.unwrap(), 1);
        assert_eq!(map.hdel_many([""; 0]).await.unwrap(), 0);
    },
    hincr_by: async {
        let sums = Keys::sums(14);
        assert_eq!(sums.hincr_by(&1, 5).await.unwrap(), 5);
        assert_eq!(sums.hincr_by(&1, -7).await.unwrap(), -2);
        sums.hset(&2, &i64::MAX).await.unwrap();
        let levels = Keys::levels(1);
        assert_eq!(levels.hincr_by("a", 250).await.unwrap(), 250);
        assert!(matches!(levels.ttl().await.unwrap(), Ttl::Remaining(_)));
        for amount in [6, -251, 1000] {
            let error = levels.hincr_by("a", amount).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Server | ErrorKind::InvalidInput), "{error}");
        }
        assert_eq!(levels.hget("a").await.unwrap(), Some(250), "nothing was changed");
        let error = sums.hincr_by(&2, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        assert_eq!(sums.hget(&2).await.unwrap(), Some(i64::MAX));
        // Lua, which sets the lifetime, has no exact integers above 2^53.
        for exact in [1 << 53, (1 << 53) + 1, i64::MAX - 1, i64::MIN + 1] {
            sums.hset(&3, &(exact - 1)).await.unwrap();
            assert_eq!(sums.hincr_by(&3, 1).await.unwrap(), exact);
        }
    },
}
