//! The operations of sorted sets.

use redis_keyspace::{ErrorKind, Key, SortedSet};

use crate::Keys;

async fn filled(id: u64, members: &[(u64, f64)]) -> Key<Keys, SortedSet<u64>> {
    let scores = Keys::scores(id);
    scores.del().await.unwrap();
    assert_eq!(scores.zadd_many(members.iter().copied()).await.unwrap(), members.len() as u64);
    scores
}

checks! {
    zadd: async {
        let scores = filled(1, &[]).await;
        assert!(scores.zadd(&1, 0.1).await.unwrap());
        assert!(!scores.zadd(&1, 10.0).await.unwrap());
        assert!(!scores.zadd(&1, 5.0).greater_only().await.unwrap());
        assert_eq!(scores.zscore(&1).await.unwrap(), Some(10.0));
        assert!(!scores.zadd(&1, 5.0).less_only().await.unwrap());
        assert_eq!(scores.zscore(&1).await.unwrap(), Some(5.0));
        assert!(scores.zadd(&1, 6.0).counting_changed().await.unwrap());
        assert!(!scores.zadd(&1, 7.0).only_if_absent().await.unwrap());
        assert!(!scores.zadd(&2, 7.0).only_if_present().await.unwrap());
        assert!(scores.zadd(&2, 7.0).only_if_absent().await.unwrap());
        assert!(!scores.zadd(&2, 8.0).only_if_present().await.unwrap());
        assert_eq!(scores.zscores([1, 2]).await.unwrap(), [Some(6.0), Some(8.0)]);
        let error = scores.zadd(&1, f64::NAN).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        scores.zadd(&3, -0.0).await.unwrap();
        assert!(scores.zscore(&3).await.unwrap().unwrap().is_sign_positive());
        assert!(!scores.zadd(&1, 9.0).keep_top(2).await.unwrap());
        assert_eq!(scores.zrange(..).await.unwrap(), [2, 1]);
        assert!(scores.zadd(&4, 1.0).keep_top(2).await.unwrap(), "it was added, and removed again");
        assert_eq!(scores.zrange(..).await.unwrap(), [2, 1]);
        let error = scores.zadd(&4, 1.0).keep_top(0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    },
    zadd_many: async {
        let scores = filled(2, &[(1, 1.0), (2, f64::NEG_INFINITY)]).await;
        assert_eq!(scores.zadd_many([(1, 2.0), (3, 3.0)]).await.unwrap(), 1);
        assert_eq!(scores.zadd_many([(1, 5.0), (4, 1e300)]).counting_changed().await.unwrap(), 2);
        assert_eq!(scores.zadd_many([(0_u64, 1.0); 0]).await.unwrap(), 0);
        let all = scores.zrange(..).with_scores().await.unwrap();
        assert_eq!(all, [(2, f64::NEG_INFINITY), (3, 3.0), (1, 5.0), (4, 1e300)]);
        assert_eq!(scores.zadd_many([(5, 6.0), (6, 7.0)]).keep_top(3).await.unwrap(), 2);
        assert_eq!(scores.zrange(..).await.unwrap(), [5, 6, 4]);
        assert_eq!(scores.zadd_many([(7, 1.0)]).keep_top(u64::MAX).await.unwrap(), 1);
        assert_eq!(scores.zadd_many([(0_u64, 1.0); 0]).keep_top(1).await.unwrap(), 0);
    },
    zincr_by: async {
        let scores = filled(3, &[]).await;
        assert_eq!(scores.zincr_by(&1, 1.5).await.unwrap(), 1.5);
        assert_eq!(scores.zincr_by(&1, -0.5).await.unwrap(), 1.0);
        assert_eq!(scores.zincr_by(&1, 1.0).only_if_present().await.unwrap(), Some(2.0));
        assert_eq!(scores.zincr_by(&2, 1.0).only_if_present().await.unwrap(), None);
        assert_eq!(scores.zscore(&2).await.unwrap(), None);
        assert!(scores.zincr_by(&1, f64::NAN).await.is_err());
    },
    zrange: async {
        let scores = filled(4, &[(1, 10.0), (2, 20.0), (3, 30.0)]).await;
        assert_eq!(scores.zrange(..).await.unwrap(), [1, 2, 3]);
        assert_eq!(scores.zrange(..2).rev().await.unwrap(), [3, 2]);
        assert_eq!(scores.zrange(-1..).with_scores().await.unwrap(), [(3, 30.0)]);
        assert_eq!(scores.zrange(..0).await.unwrap(), [0; 0]);
        assert_eq!(scores.zrange(..0).with_scores().await.unwrap(), []);
        assert!(scores.zrange(..).limit(0, 1).await.is_err());
        assert_eq!(Keys::scores(400).zrange(..).with_scores().await.unwrap(), []);
        let to = Keys::brief_ranks(4);
        assert_eq!(scores.zrange(..2).rev().store(&to).await.unwrap(), 2);
        assert_eq!(to.zrange(..).with_scores().await.unwrap(), [(2, 20.0), (3, 30.0)]);
        assert_eq!(scores.zrange(-1..).with_scores().store(&to).await.unwrap(), 1);
        assert_eq!(scores.zrange(..0).store(&to).await.unwrap(), 0);
        assert!(!to.exists().await.unwrap(), "an empty range deletes it");
    },
    zrange_by_score: async {
        let scores = filled(5, &[(1, 10.0), (2, 20.0), (3, 30.0)]).await;
        assert_eq!(scores.zrange_by_score(..).await.unwrap(), [1, 2, 3]);
        assert_eq!(scores.zrange_by_score(10.0..20.0).await.unwrap(), [1]);
        assert_eq!(scores.zrange_by_score(10.0..=20.0).rev().await.unwrap(), [2, 1]);
        assert_eq!(scores.zrange_by_score(..).limit(1, 1).await.unwrap(), [2]);
        assert_eq!(scores.zrange_by_score(..).rev().limit(0, 2).await.unwrap(), [3, 2]);
        assert_eq!(scores.zrange_by_score(..).limit(0, u64::MAX).await.unwrap(), [1, 2, 3]);
        assert_eq!(scores.zrange_by_score(20.5..).with_scores().await.unwrap(), [(3, 30.0)]);
        assert!(scores.zrange_by_score(f64::NAN..).await.is_err());
        let to = Keys::brief_ranks(5);
        assert_eq!(scores.zrange_by_score(10.0..30.0).rev().limit(0, 1).store(&to).await.unwrap(), 1);
        assert_eq!(to.zrange(..).with_scores().await.unwrap(), [(2, 20.0)]);
    },
    zrank: async {
        let scores = filled(6, &[(1, 10.0), (2, 20.0), (3, 20.0)]).await;
        assert_eq!(scores.zrank(&1).await.unwrap(), Some(0));
        assert_eq!(scores.zrank(&3).await.unwrap(), Some(2));
        assert_eq!(scores.zrank(&1).rev().await.unwrap(), Some(2));
        assert_eq!(scores.zrank(&9).await.unwrap(), None);
        assert_eq!(scores.zrank(&3).with_score().await.unwrap(), Some((2, 20.0)));
        assert_eq!(scores.zrank(&1).rev().with_score().await.unwrap(), Some((2, 10.0)));
        assert_eq!(scores.zrank(&9).with_score().rev().await.unwrap(), None);
    },
    zscore: async {
        let scores = filled(7, &[(1, 0.1), (2, f64::INFINITY)]).await;
        assert_eq!(scores.zscore(&1).await.unwrap(), Some(0.1));
        assert_eq!(scores.zscore(&2).await.unwrap(), Some(f64::INFINITY));
        assert_eq!(scores.zscore(&3).await.unwrap(), None);
    },
    zscores: async {
        let scores = filled(8, &[(1, 1.0)]).await;
        assert_eq!(scores.zscores([1, 2]).await.unwrap(), [Some(1.0), None]);
        assert_eq!(scores.zscores([0; 0]).await.unwrap(), []);
        assert_eq!(Keys::scores(800).zscores([1, 2]).await.unwrap(), [None, None]);
    },
    zcard: async {
        let scores = filled(9, &[(1, 1.0), (2, 2.0)]).await;
        assert_eq!(scores.zcard().await.unwrap(), 2);
        assert_eq!(Keys::scores(900).zcard().await.unwrap(), 0);
    },
    zcount: async {
        let scores = filled(10, &[(1, 1.0), (2, 2.0), (3, 3.0)]).await;
        assert_eq!(scores.zcount(..).await.unwrap(), 3);
        assert_eq!(scores.zcount(1.0..3.0).await.unwrap(), 2);
        assert_eq!(scores.zcount(5.0..).await.unwrap(), 0);
    },
    zrem: async {
        let scores = filled(11, &[(1, 1.0)]).await;
        assert!(scores.zrem(&1).await.unwrap());
        assert!(!scores.zrem(&1).await.unwrap());
        assert!(!scores.exists().await.unwrap());
    },
    zrem_many: async {
        let scores = filled(12, &[(1, 1.0), (2, 2.0)]).await;
        assert_eq!(scores.zrem_many([2, 3]).await.unwrap(), 1);
        assert_eq!(scores.zrem_many([0; 0]).await.unwrap(), 0);
    },
    zrem_range: async {
        let scores = filled(13, &[(1, 1.0), (2, 2.0), (3, 3.0)]).await;
        assert_eq!(scores.zrem_range(..0).await.unwrap(), 0, "an empty range removes nothing");
        assert_eq!(scores.zrem_range(..-2).await.unwrap(), 1);
        assert_eq!(scores.zrange(..).await.unwrap(), [2, 3]);
        assert_eq!(scores.zrem_range(..).await.unwrap(), 2);
    },
    zrem_range_by_score: async {
        let scores = filled(14, &[(1, 1.0), (2, 2.0), (3, 3.0)]).await;
        assert_eq!(scores.zrem_range_by_score(..2.0).await.unwrap(), 1);
        assert_eq!(scores.zrem_range_by_score(2.0..=3.0).await.unwrap(), 2);
    },
    zpop_min: async {
        let scores = filled(15, &[(1, 1.0), (2, 2.0)]).await;
        assert_eq!(scores.zpop_min().await.unwrap(), Some((1, 1.0)));
        scores.del().await.unwrap();
        assert_eq!(scores.zpop_min().await.unwrap(), None);
    },
    zpop_max: async {
        let scores = filled(16, &[(1, 1.0), (2, 2.0)]).await;
        assert_eq!(scores.zpop_max().await.unwrap(), Some((2, 2.0)));
    },
    zpop_min_many: async {
        let scores = filled(17, &[(1, 1.0), (2, 2.0), (3, 3.0)]).await;
        assert_eq!(scores.zpop_min_many(0).await.unwrap(), []);
        assert_eq!(scores.zpop_min_many(2).await.unwrap(), [(1, 1.0), (2, 2.0)]);
        assert_eq!(scores.zpop_min_many(2).await.unwrap(), [(3, 3.0)]);
        assert_eq!(scores.zpop_min_many(2).await.unwrap(), []);
    },
    zpop_max_many: async {
        let scores = filled(18, &[(1, 1.0), (2, 2.0)]).await;
        assert_eq!(scores.zpop_max_many(1).await.unwrap(), [(2, 2.0)]);
        assert_eq!(scores.zpop_max_many(9).await.unwrap(), [(1, 1.0)]);
    },
}
