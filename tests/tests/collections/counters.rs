//! The operations of counters.

use std::time::Duration;

use redis_keyspace::command::Ttl;
use redis_keyspace::{Counter, ErrorKind, Key, Keyspace};

use crate::values::is_new;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Keyspace)]
#[keyspace(prefix = "counters", ttl = "1h")]
pub(crate) struct CounterKeys {
    visits: fn(id: u64) -> Counter,
    #[key("forever:{id}", ttl = none)]
    forever: fn(id: u64) -> Counter,
}

async fn visits(id: u64, count: i64) -> Key<CounterKeys, Counter> {
    let key = CounterKeys::visits(id);
    key.set(count).await.unwrap();
    key
}

checks! {
    get: async {
        assert_eq!(visits(1, i64::MIN).await.get().await.unwrap(), i64::MIN);
        assert_eq!(CounterKeys::visits(100).get().await.unwrap(), 0);
    },
    set: async {
        let key = visits(2, 7).await;
        assert!(is_new(key.ttl().await.unwrap(), HOUR));
        assert!(!key.set(8).only_if_absent().await.unwrap());
        key.set(9).ttl(MINUTE).await.unwrap();
        assert!(is_new(key.ttl().await.unwrap(), MINUTE));
        assert_eq!(key.get().await.unwrap(), 9);
    },
    get_set: async {
        assert_eq!(visits(3, 7).await.get_set(8).await.unwrap(), Some(7));
        assert_eq!(CounterKeys::visits(3).get().await.unwrap(), 8);
        assert_eq!(CounterKeys::visits(300).get_set(8).await.unwrap(), None);
    },
    get_del: async {
        assert_eq!(visits(4, 7).await.get_del().await.unwrap(), 7);
        assert_eq!(CounterKeys::visits(4).get_del().await.unwrap(), 0);
    },
    get_ex: async {
        let key = visits(5, 7).await;
        assert_eq!(key.get_ex().ttl(MINUTE).await.unwrap(), Some(7));
        assert!(is_new(key.ttl().await.unwrap(), MINUTE));
        assert_eq!(CounterKeys::visits(500).get_ex().await.unwrap(), None);
    },
    incr: async {
        let key = CounterKeys::visits(6);
        assert_eq!((key.incr().await.unwrap(), key.incr().await.unwrap()), (1, 2));
        assert!(is_new(key.ttl().await.unwrap(), HOUR), "the first increment sets the lifetime");
        key.expire(MINUTE).await.unwrap();
        assert_eq!(key.incr().await.unwrap(), 3);
        assert!(is_new(key.ttl().await.unwrap(), MINUTE), "a later one keeps it");
        assert_eq!(CounterKeys::forever(6).incr().await.unwrap(), 1);
        assert_eq!(CounterKeys::forever(6).ttl().await.unwrap(), Ttl::NoExpiry);
    },
    decr: async {
        assert_eq!(CounterKeys::visits(7).decr().await.unwrap(), -1);
        assert_eq!(visits(7, 7).await.decr().await.unwrap(), 6);
    },
    incr_by: async {
        let key = CounterKeys::visits(8);
        assert_eq!(key.incr_by(-5).await.unwrap(), -5);
        assert_eq!(key.incr_by(i64::MAX).await.unwrap(), i64::MAX - 5);
        key.incr_by(6).await.unwrap_err();
        assert_eq!(key.get().await.unwrap(), i64::MAX - 5, "a sum that is too large changes nothing");
    },
    decr_by: async {
        let key = CounterKeys::visits(9);
        assert_eq!(key.decr_by(5).await.unwrap(), -5);
        assert_eq!(key.decr_by(-6).await.unwrap(), 1);
        assert_eq!(key.decr_by(i64::MIN).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    },
}
