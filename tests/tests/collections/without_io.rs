//! What every key has without a command.

use redis_keyspace::{Keyspace, Redis};

use crate::{Keys, ParsedKeys};

checks! {
    arguments: async {
        assert_eq!(Keys::set(7, 8).arguments(), Some(ParsedKeys::Set { id: 7, nth: 8 }));
    },
    as_str: async {
        assert_eq!(Keys::list(7).as_str(), "collections:list:{7}");
    },
    as_bytes: async {
        assert_eq!(Keys::list(7).as_bytes(), b"collections:list:{7}");
    },
    slot: async {
        assert_eq!(Keys::list(7).slot(), Keys::set(7, 1).slot(), "the hash tag decides");
    },
    template: async {
        assert_eq!(Keys::list(7).template().field(), "list");
        assert_eq!(Keys::META.prefix(), "collections");
    },
    wire_key: async {
        let redis = Redis::current().unwrap();
        let wired = Keys::list(7).wire_key().unwrap();
        assert_eq!(wired, redis.wire_key(&Keys::list(7)).unwrap());
        assert!(wired.len() > Keys::list(7).as_str().len() && wired.ends_with(Keys::list(7).as_str()));
    },
    on: async {
        let other = Redis::embedded();
        let key = Keys::list(8);
        key.rpush(&1).await.unwrap();
        assert_eq!(key.clone().on(&other).llen().await.unwrap(), 0);
        assert_eq!(key.llen().await.unwrap(), 1);
    },
}
