//! The operations of sets.

use std::collections::HashSet;

use crate::Keys;

checks! {
    sadd: async {
        let set = Keys::set(1, 0);
        assert!(set.sadd(&7).await.unwrap());
        assert!(!set.sadd(&7).await.unwrap());
        assert_eq!(set.scard().await.unwrap(), 1);
    },
    sadd_many: async {
        let set = Keys::set(2, 0);
        assert_eq!(set.sadd_many([1, 2, 1]).await.unwrap(), 2);
        assert_eq!(set.sadd_many([2, 3].iter()).await.unwrap(), 1);
        assert_eq!(set.sadd_many(Vec::<u64>::new()).await.unwrap(), 0);
    },
    srem: async {
        let set = Keys::set(3, 0);
        set.sadd(&1).await.unwrap();
        assert!(set.srem(&1).await.unwrap());
        assert!(!set.srem(&1).await.unwrap());
        assert!(!set.exists().await.unwrap());
    },
    srem_many: async {
        let set = Keys::set(4, 0);
        set.sadd_many([1, 2, 3]).await.unwrap();
        assert_eq!(set.srem_many([1, 3, 5]).await.unwrap(), 2);
        assert_eq!(set.srem_many([0; 0]).await.unwrap(), 0);
    },
    smembers: async {
        let set = Keys::set(5, 0);
        assert_eq!(set.smembers().await.unwrap(), HashSet::new());
        set.sadd_many([1, 2, 3]).await.unwrap();
        assert_eq!(set.smembers().await.unwrap(), HashSet::from([1, 2, 3]));
    },
    smembers_vec: async {
        let set = Keys::set(6, 0);
        set.sadd_many([2, 1]).await.unwrap();
        let mut members = set.smembers_vec().await.unwrap();
        members.sort_unstable();
        assert_eq!(members, [1, 2]);
    },
    sismember: async {
        let set = Keys::set(7, 0);
        assert!(!set.sismember(&1).await.unwrap());
        set.sadd(&1).await.unwrap();
        assert!(set.sismember(&1).await.unwrap());
    },
    smismember: async {
        let set = Keys::set(8, 0);
        assert_eq!(set.smismember([1, 2]).await.unwrap(), [false, false]);
        set.sadd(&1).await.unwrap();
        assert_eq!(set.smismember([1, 2, 1]).await.unwrap(), [true, false, true]);
        assert_eq!(set.smismember([0; 0]).await.unwrap(), [false; 0]);
    },
    scard: async {
        let set = Keys::set(9, 0);
        assert_eq!(set.scard().await.unwrap(), 0);
        set.sadd_many([1, 2]).await.unwrap();
        assert_eq!(set.scard().await.unwrap(), 2);
    },
    spop: async {
        let set = Keys::set(10, 0);
        assert_eq!(set.spop().await.unwrap(), None);
        set.sadd(&1).await.unwrap();
        assert_eq!(set.spop().await.unwrap(), Some(1));
    },
    spop_many: async {
        let set = Keys::set(11, 0);
        set.sadd_many([1, 2, 3]).await.unwrap();
        assert_eq!(set.spop_many(0).await.unwrap(), [0; 0]);
        let taken: HashSet<u64> = set.spop_many(2).await.unwrap().into_iter().collect();
        let rest = set.smembers().await.unwrap();
        assert_eq!((taken.len(), rest.len()), (2, 1));
        assert!(taken.is_disjoint(&rest));
        assert_eq!(set.spop_many(9).await.unwrap().len(), 1);
        assert_eq!(set.spop_many(9).await.unwrap(), [0; 0]);
    },
    srandmember: async {
        let set = Keys::set(12, 0);
        assert_eq!(set.srandmember().await.unwrap(), None);
        set.sadd(&1).await.unwrap();
        assert_eq!(set.srandmember().await.unwrap(), Some(1));
        assert_eq!(set.scard().await.unwrap(), 1);
    },
    srandmembers: async {
        let set = Keys::set(13, 0);
        assert_eq!(set.srandmembers(3).await.unwrap(), [0; 0]);
        set.sadd_many([1, 2]).await.unwrap();
        assert_eq!(set.srandmembers(5).await.unwrap().len(), 2);
        assert_eq!(set.srandmembers(-5).await.unwrap().len(), 5);
        assert_eq!(set.srandmembers(0).await.unwrap(), [0; 0]);
    },
    smove: async {
        let (from, to) = (Keys::forever_set(14, 1), Keys::forever_set(14, 2));
        from.sadd(&1).await.unwrap();
        assert!(from.smove(&to, &1).await.unwrap());
        assert!(!from.smove(&to, &1).await.unwrap());
        assert_eq!(to.smembers().await.unwrap(), HashSet::from([1]));
        assert!(to.smove(&Keys::set(14, 0), &1).await.unwrap());
        assert!(Keys::set(14, 0).ttl().await.unwrap().remaining().is_some());
    },
}
