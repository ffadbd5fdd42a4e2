//! The operations on several keys.

use std::collections::HashSet;

use redis_keyspace::command::{Extreme, ListEnd, ScoreAggregate};
use redis_keyspace::{ErrorKind, Key, List, Set, SortedSet};
use redis_keyspace_tests::is_available;

use crate::Keys;

/// Three sorted sets in one slot, the last of which does not exist.
async fn ranked(id: u64) -> [Key<Keys, SortedSet<u64>>; 3] {
    let keys = [1, 2, 3].map(|nth| Keys::ranks(id, nth));
    keys[0].zadd_many([(1, 1.0), (2, 2.0)]).await.unwrap();
    keys[1].zadd_many([(2, 20.0), (3, 30.0)]).await.unwrap();
    keys
}

checks! {
    sinter of Set: async {
        let (one, two) = (Keys::set(15, 1), Keys::set(15, 2));
        one.sadd_many([1, 2]).await.unwrap();
        two.sadd_many([2, 3]).await.unwrap();
        assert_eq!(Key::sinter([one.clone(), two.clone()]).await.unwrap(), HashSet::from([2]));
        assert_eq!(Key::sinter([one.clone(), Keys::set(15, 3)]).await.unwrap(), HashSet::new());
        assert_eq!(Key::sinter(Vec::<Key<Keys, Set<u64>>>::new()).await.unwrap(), HashSet::new());
        let to = Keys::brief(15, 0);
        assert_eq!(Key::sinter([one.clone(), two]).store(&to).await.unwrap(), 1);
        assert_eq!(to.smembers().await.unwrap(), HashSet::from([2]));
        assert_eq!(Key::sinter([one, Keys::set(15, 3)]).store(&to).await.unwrap(), 0);
        assert!(!to.exists().await.unwrap(), "an empty result deletes it");
        let error = Key::sinter(Vec::<Key<Keys, Set<u64>>>::new()).store(&to).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    },
    sunion of Set: async {
        let (one, two) = (Keys::set(16, 1), Keys::set(16, 2));
        one.sadd_many([1, 2]).await.unwrap();
        two.sadd_many([2, 3]).await.unwrap();
        assert_eq!(Key::sunion([one.clone(), two.clone()]).await.unwrap(), HashSet::from([1, 2, 3]));
        assert_eq!(Key::sunion([one.clone(), two]).store(&one).await.unwrap(), 3, "into one of them");
        assert_eq!(one.scard().await.unwrap(), 3);
    },
    sdiff of Set: async {
        let (one, two) = (Keys::set(17, 1), Keys::set(17, 2));
        one.sadd_many([1, 2]).await.unwrap();
        two.sadd_many([2, 3]).await.unwrap();
        assert_eq!(Key::sdiff([one.clone(), two.clone()]).await.unwrap(), HashSet::from([1]));
        let to = Keys::forever_set(17, 0);
        assert_eq!(Key::sdiff([two, one]).store(&to).await.unwrap(), 1);
        assert_eq!(to.smembers().await.unwrap(), HashSet::from([3]));
    },
    sinter_card of Set: async {
        let (one, two) = (Keys::set(18, 1), Keys::set(18, 2));
        one.sadd_many([1, 2, 3]).await.unwrap();
        two.sadd_many([2, 3, 4]).await.unwrap();
        let both = || [one.clone(), two.clone()];
        let counted = Key::sinter_card(both()).await;
        if !is_available(&counted, &["SINTERCARD"]).await {
            return;
        }
        assert_eq!(counted.unwrap(), 2);
        assert_eq!(Key::sinter_card(both()).limit(1).await.unwrap(), 1);
        assert_eq!(Key::sinter_card(both()).limit(0).await.unwrap(), 0);
        assert_eq!(Key::sinter_card(both()).limit(u64::MAX).await.unwrap(), 2);
        assert_eq!(Key::sinter_card(Vec::<Key<Keys, Set<u64>>>::new()).await.unwrap(), 0);
    },
    zunion of SortedSet: async {
        let [one, two, none] = ranked(19).await;
        let all = || [one.clone(), two.clone(), none.clone()];
        assert_eq!(Key::zunion(all()).await.unwrap(), [1, 2, 3]);
        assert_eq!(Key::zunion(all()).with_scores().await.unwrap(), [(1, 1.0), (2, 22.0), (3, 30.0)]);
        let weighted = Key::zunion(all()).weights([100.0, 0.5, 1.0]).aggregate(ScoreAggregate::Max);
        assert_eq!(weighted.with_scores().await.unwrap(), [(3, 15.0), (1, 100.0), (2, 200.0)]);
        assert_eq!(Key::zunion(Vec::<Key<Keys, SortedSet<u64>>>::new()).with_scores().await.unwrap(), []);
        for error in [
            Key::zunion(all()).weights([1.0]).await.unwrap_err(),
            Key::zunion(all()).weights([1.0, f64::NAN, 1.0]).await.unwrap_err(),
            Key::zunion(all()).weights([]).store(&one).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
        let to = Keys::brief_ranks(19);
        let weighted = Key::zunion(all()).with_scores().weights([1.0, 2.0, 3.0]).aggregate(ScoreAggregate::Min);
        assert_eq!(weighted.store(&to).await.unwrap(), 3);
        assert_eq!(to.zrange(..).with_scores().await.unwrap(), [(1, 1.0), (2, 2.0), (3, 60.0)]);
    },
    zinter of SortedSet: async {
        let [one, two, none] = ranked(20).await;
        assert_eq!(Key::zinter([one.clone(), two.clone()]).with_scores().await.unwrap(), [(2, 22.0)]);
        assert_eq!(Key::zinter([one.clone(), none.clone()]).await.unwrap(), [0; 0]);
        let to = Keys::brief_ranks(20);
        assert_eq!(Key::zinter([one.clone(), two]).store(&to).await.unwrap(), 1);
        assert_eq!(to.zscore(&2).await.unwrap(), Some(22.0));
        assert_eq!(Key::zinter([one, none]).store(&to).await.unwrap(), 0);
        assert!(!to.exists().await.unwrap());
    },
    zdiff of SortedSet: async {
        let [one, two, none] = ranked(21).await;
        assert_eq!(Key::zdiff([one.clone(), two.clone()]).with_scores().await.unwrap(), [(1, 1.0)]);
        assert_eq!(Key::zdiff([one.clone(), none.clone()]).await.unwrap(), [1, 2]);
        let error = Key::zdiff([one.clone(), two.clone()]).weights([1.0, 1.0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert_eq!(Key::zdiff([two, one.clone()]).store(&one).await.unwrap(), 1);
        assert_eq!(one.zrange(..).with_scores().await.unwrap(), [(3, 30.0)]);
    },
    zinter_card of SortedSet: async {
        let [one, two, none] = ranked(22).await;
        let counted = Key::zinter_card([one.clone(), two.clone()]).await;
        if !is_available(&counted, &["ZINTERCARD"]).await {
            return;
        }
        assert_eq!(counted.unwrap(), 1);
        assert_eq!(Key::zinter_card([one.clone(), one.clone()]).limit(1).await.unwrap(), 1);
        assert_eq!(Key::zinter_card([one, none]).await.unwrap(), 0);
    },
    lmpop of List: async {
        let [one, two] = [1, 2].map(|nth| Keys::forever(23, nth));
        let both = || [one.clone(), two.clone()];
        let taken = Key::lmpop(both(), ListEnd::Left).await;
        if !is_available(&taken, &["LMPOP"]).await {
            return;
        }
        assert_eq!(taken.unwrap(), None);
        one.rpush(&1).await.unwrap();
        two.rpush_many([2, 3, 4, 5]).await.unwrap();
        assert_eq!(Key::lmpop(both(), ListEnd::Left).count(0).await.unwrap(), None);
        let taken = Key::lmpop(both(), ListEnd::Left).count(7).count(9).await.unwrap();
        assert_eq!(taken, Some((one.clone(), vec![1])), "only elements of one list");
        let taken = Key::lmpop(both(), ListEnd::Right).count(2).await.unwrap();
        assert_eq!(taken, Some((two.clone(), vec![5, 4])));
        let (list, _) = Key::lmpop(both(), ListEnd::Left).await.unwrap().unwrap();
        assert_eq!(list.template().field(), "forever");
        assert_eq!(list.lrange(..).await.unwrap(), [3], "the key can be used");
        assert_eq!(Key::lmpop(Vec::<Key<Keys, List<u64>>>::new(), ListEnd::Left).await.unwrap(), None);
    },
    zmpop of SortedSet: async {
        let [one, two, none] = ranked(24).await;
        let all = || [none.clone(), one.clone(), two.clone()];
        let taken = Key::zmpop(all(), Extreme::Max).await;
        if !is_available(&taken, &["ZMPOP"]).await {
            return;
        }
        assert_eq!(taken.unwrap(), Some((one.clone(), vec![(2, 2.0)])));
        assert_eq!(Key::zmpop(all(), Extreme::Min).count(5).await.unwrap(), Some((one.clone(), vec![(1, 1.0)])));
        let taken = Key::zmpop(all(), Extreme::Min).count(2).await.unwrap();
        assert_eq!(taken, Some((two.clone(), vec![(2, 20.0), (3, 30.0)])));
        assert_eq!(Key::zmpop(all(), Extreme::Min).count(2).await.unwrap(), None);
    },
}
