//! The operations of HyperLogLogs.

use redis_keyspace::command::Ttl;
use redis_keyspace::{HyperLogLog, Key};

use crate::Keys;

checks! {
    pf_add: async {
        let visitors = Keys::visitors(1, 0);
        assert!(visitors.pf_add([1, 2]).await.unwrap());
        assert!(!visitors.pf_add([1].iter()).await.unwrap());
        assert!(!visitors.pf_add(Vec::<u64>::new()).await.unwrap());
        assert!(!Keys::visitors(100, 0).pf_add([0_u64; 0]).await.unwrap());
        assert!(!Keys::visitors(100, 0).exists().await.unwrap(), "no element creates nothing");
    },
    pf_count: async {
        let visitors = Keys::visitors(2, 0);
        assert_eq!(visitors.pf_count().await.unwrap(), 0);
        visitors.pf_add([1, 2, 1]).await.unwrap();
        assert_eq!(visitors.pf_count().await.unwrap(), 2);
        visitors.pf_add(0..10_000).await.unwrap();
        let count = visitors.pf_count().await.unwrap();
        assert!(count.abs_diff(10_000) < 500, "{count}");
    },
    pf_count_of: async {
        let (one, two) = (Keys::visitors(3, 1), Keys::visitors(3, 2));
        one.pf_add([1, 2]).await.unwrap();
        two.pf_add([2, 3]).await.unwrap();
        assert_eq!(Key::pf_count_of([one.clone(), two]).await.unwrap(), 3);
        assert_eq!(Key::pf_count_of([one, Keys::visitors(3, 3)]).await.unwrap(), 2);
        assert_eq!(Key::pf_count_of(Vec::<Key<Keys, HyperLogLog<u64>>>::new()).await.unwrap(), 0);
    },
    pf_merge: async {
        let (one, two, to) = (Keys::visitors(4, 1), Keys::visitors(4, 2), Keys::visitors(4, 3));
        one.pf_add([1, 2]).await.unwrap();
        two.pf_add([2, 3]).await.unwrap();
        to.pf_merge(Vec::<Key<Keys, HyperLogLog<u64>>>::new()).await.unwrap();
        assert!(!to.exists().await.unwrap(), "no keys create nothing");
        to.pf_merge([one.clone(), two, Keys::visitors(4, 4)]).await.unwrap();
        assert_eq!(to.pf_count().await.unwrap(), 3);
        assert!(to.ttl().await.unwrap().remaining().is_some());
        // A key that exists keeps its lifetime.
        to.persist().await.unwrap();
        to.pf_merge([one]).await.unwrap();
        assert_eq!((to.pf_count().await.unwrap(), to.ttl().await.unwrap()), (3, Ttl::NoExpiry));
    },
}
