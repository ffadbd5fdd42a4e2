//! Ranges of members, rankings and random members of sorted sets.

use std::ops::Bound;

use redis_keyspace::{ErrorKind, Key, SortedSet, Text};

use crate::Keys;

async fn named(id: u64) -> Key<Keys, SortedSet<Text>> {
    let names = Keys::names(id);
    names.del().await.unwrap();
    names.zadd_many(["", "a", "b", "ba", "c"].map(|name| (name, 0.0))).await.unwrap();
    names
}

checks! {
    zrange_by_lex: async {
        let names = named(1).await;
        assert_eq!(names.zrange_by_lex(..).await.unwrap(), ["", "a", "b", "ba", "c"]);
        assert_eq!(names.zrange_by_lex("a".."ba").await.unwrap(), ["a", "b"]);
        assert_eq!(names.zrange_by_lex("a"..="ba").rev().await.unwrap(), ["ba", "b", "a"]);
        assert_eq!(names.zrange_by_lex((Bound::Excluded("b"), Bound::Unbounded)).await.unwrap(), ["ba", "c"]);
        assert_eq!(names.zrange_by_lex(..).limit(1, 2).await.unwrap(), ["a", "b"]);
        assert_eq!(names.zrange_by_lex(.."b").rev().limit(0, 1).await.unwrap(), ["a"]);
        assert_eq!(names.zrange_by_lex("x".."y").await.unwrap(), [""; 0]);
        assert_eq!(names.zrange_by_lex("c".."a").await.unwrap(), [""; 0]);
        let error = names.zrange_by_lex(..).with_scores().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert_eq!(names.zrange_by_lex("b"..).store(&names).await.unwrap(), 3, "into itself");
        assert_eq!(names.zrange(..).await.unwrap(), ["b", "ba", "c"]);
        let numbers = Keys::scores(101);
        numbers.zadd_many([(9, 0.0), (10, 0.0), (100, 0.0)]).await.unwrap();
        assert_eq!(numbers.zrange_by_lex(&10..&9).await.unwrap(), [10, 100], "numbers are compared as text");
    },
    zlex_count: async {
        let names = named(2).await;
        assert_eq!(names.zlex_count(..).await.unwrap(), 5);
        assert_eq!(names.zlex_count("a"..="b").await.unwrap(), 2);
        assert_eq!(Keys::names(200).zlex_count(..).await.unwrap(), 0);
    },
    zrem_range_by_lex: async {
        let names = named(3).await;
        assert_eq!(names.zrem_range_by_lex("b"..).await.unwrap(), 3);
        assert_eq!(names.zrange(..).await.unwrap(), ["", "a"]);
        assert_eq!(names.zrem_range_by_lex(..).await.unwrap(), 2);
        assert!(!names.exists().await.unwrap());
    },
    zaround: async {
        let scores = Keys::scores(102);
        scores.zadd_many((1..=5_u32).map(|n| (u64::from(n), f64::from(n)))).await.unwrap();
        let around = scores.zaround(&3, 1).await.unwrap().unwrap();
        assert_eq!(around.members, [(2, 2.0), (3, 3.0), (4, 4.0)]);
        assert_eq!((around.first_rank, around.rank), (1, 2));
        let around = scores.zaround(&4, 2).rev().await.unwrap().unwrap();
        assert_eq!(around.members, [(5, 5.0), (4, 4.0), (3, 3.0), (2, 2.0)]);
        assert_eq!((around.first_rank, around.rank), (0, 1));
        let around = scores.zaround(&1, 0).await.unwrap().unwrap();
        assert_eq!((around.members, around.rank), (vec![(1, 1.0)], 0));
        let around = scores.zaround(&5, u32::MAX).await.unwrap().unwrap();
        assert_eq!((around.members.len(), around.rank), (5, 4));
        assert_eq!(scores.zaround(&9, 1).await.unwrap(), None);
        assert_eq!(Keys::scores(202).zaround(&9, 1).await.unwrap(), None);
    },
    zpage: async {
        let scores = Keys::scores(103);
        scores.zadd_many((1..=5_u32).map(|n| (u64::from(n), f64::from(n)))).await.unwrap();
        let page = scores.zpage(1, 2).await.unwrap();
        assert_eq!((page.members, page.total), (vec![(3, 3.0), (4, 4.0)], 5));
        let page = scores.zpage(2, 2).rev().await.unwrap();
        assert_eq!((page.members, page.total), (vec![(1, 1.0)], 5));
        for (page, size) in [(3, 2), (0, 0), (u64::MAX, 10)] {
            let page = scores.zpage(page, size).await.unwrap();
            assert_eq!((page.members, page.total), (vec![], 5));
        }
        let page = Keys::scores(203).zpage(0, 10).await.unwrap();
        assert_eq!((page.members, page.total), (vec![], 0));
    },
    zrandmember: async {
        let scores = Keys::scores(104);
        assert_eq!(scores.zrandmember().await.unwrap(), None);
        scores.zadd(&1, 1.0).await.unwrap();
        assert_eq!(scores.zrandmember().await.unwrap(), Some(1));
    },
    zrandmembers: async {
        let scores = Keys::scores(105);
        assert_eq!(scores.zrandmembers(3).await.unwrap(), [0; 0]);
        assert_eq!(scores.zrandmembers(3).with_scores().await.unwrap(), []);
        scores.zadd_many([(1, 1.0), (2, 2.0)]).await.unwrap();
        assert_eq!(scores.zrandmembers(i64::MAX).await.unwrap().len(), 2);
        assert_eq!(scores.zrandmembers(0).await.unwrap(), [0; 0]);
        let members = scores.zrandmembers(-5).with_scores().await.unwrap();
        assert_eq!(members.len(), 5);
        assert!(members.iter().all(|member| *member == (1, 1.0) || *member == (2, 2.0)));
    },
}
