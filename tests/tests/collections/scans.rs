//! Scans of large collections.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redis_keyspace::{ErrorKind, Redis};
use redis_keyspace_embedded::{Fault, Server};
use redis_keyspace_tests::{PATIENCE, RealServer, both_servers, raw, wire, within};

use crate::Keys;

const MANY: u64 = 3000;

checks! {
    hscan of Hash: async {
        let sums = Keys::sums(61);
        let mut scan = sums.hscan();
        assert!(scan.next().await.is_none() && scan.next().await.is_none());
        let expected: BTreeMap<u64, i64> = (0..MANY).map(|nth| (nth, -1)).collect();
        sums.hset_many(expected.clone()).await.unwrap();
        let mut found = BTreeMap::new();
        let mut scan = sums.hscan().batch(0).timeout(Duration::from_secs(30));
        while let Some(entry) = scan.next().await {
            let (field, value) = entry.unwrap();
            assert_eq!(found.insert(field, value), None, "each once");
        }
        assert_eq!(found, expected);
        let mut fields = BTreeSet::new();
        let mut scan = sums.hscan().batch(100).fields_only();
        while let Some(field) = scan.next().await {
            fields.insert(field.unwrap());
        }
        assert!(fields.into_iter().eq(0..MANY));
        // A small hash comes as a whole.
        let map = Keys::map(61);
        map.hset("a", &1).await.unwrap();
        assert_eq!(map.hscan().next().await.unwrap().unwrap(), ("a".to_owned(), 1));
        assert_eq!(map.hscan().fields_only().next().await.unwrap().unwrap(), "a");
    },
    sscan of Set: async {
        let set = Keys::set(62, 0);
        set.sadd_many(0..MANY).await.unwrap();
        let mut found = BTreeSet::new();
        let mut scan = set.sscan().batch(50);
        while let Some(member) = scan.next().await {
            assert!(found.insert(member.unwrap()), "each once");
        }
        assert!(found.into_iter().eq(0..MANY));
        let mut count = 0;
        let mut scan = set.sscan().allow_repeats();
        while let Some(member) = scan.next().await {
            member.unwrap();
            count += 1;
        }
        assert!(count >= MANY);
    },
    zscan of SortedSet: async {
        let scores = Keys::scores(63);
        let expected: Vec<(u64, f64)> = (0..2000_u32).map(|nth| (nth.into(), f64::from(nth) / 8.0)).collect();
        scores.zadd_many(expected.clone()).await.unwrap();
        let mut found = Vec::new();
        let mut scan = scores.zscan();
        while let Some(member) = scan.next().await {
            found.push(member.unwrap());
        }
        found.sort_by_key(|(member, _)| *member);
        assert_eq!(found, expected);
    },
}

both_servers! {
    async fn an_element_of_another_kind_does_not_end_the_scan(redis: Redis) {
        let set = Keys::set(64, 0);
        set.sadd_many([1, 2]).await.unwrap();
        let _: i64 = raw(&redis, &["SADD", &wire(&set), "three"]).await;
        let (mut good, mut bad) = (BTreeSet::new(), 0);
        let mut scan = set.sscan();
        while let Some(member) = scan.next().await {
            match member {
                Ok(member) => drop(good.insert(member)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
                    assert!(error.to_string().contains("SSCAN"), "{error}");
                    bad += 1;
                }
            }
        }
        assert_eq!((good, bad), (BTreeSet::from([1, 2]), 1));
    }

    async fn a_key_of_another_type_is_an_error_and_the_end(redis: Redis) {
        let set = Keys::set(65, 0);
        let () = raw(&redis, &["SET", &wire(&set), "foreign"]).await;
        let mut scan = set.sscan();
        assert_eq!(scan.next().await.unwrap().unwrap_err().kind(), ErrorKind::WrongType);
        assert!(scan.next().await.is_none());
    }

    async fn an_option_that_is_set_too_late_is_an_error(_redis: Redis) {
        let sums = Keys::sums(69);
        sums.hset_many([(1, 1), (2, 2), (3, 3)]).await.unwrap();
        let started = async || {
            let mut scan = sums.hscan();
            scan.next().await.unwrap().unwrap();
            scan
        };
        let mut fields = started().await.fields_only();
        let mut errors = vec![(fields.next().await.unwrap().unwrap_err(), "fields_only")];
        assert!(fields.next().await.is_none(), "the end");
        for (mut scan, option) in
            [(started().await.batch(5), "batch"), (started().await.timeout(Duration::from_secs(30)), "timeout")]
        {
            errors.push((scan.next().await.unwrap().unwrap_err(), option));
            assert!(scan.next().await.is_none(), "the end");
        }
        for (error, option) in errors {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(&format!("`{option}`")), "{error}");
        }
    }

    async fn elements_that_stay_are_found_while_others_change(_redis: Redis) {
        let set = Keys::set(66, 0);
        set.sadd_many(0..MANY).await.unwrap();
        let mut found = BTreeSet::new();
        let mut scan = set.sscan().batch(20);
        let mut next = MANY;
        while let Some(member) = scan.next().await {
            found.insert(member.unwrap());
            // The hash table shrinks under the scan, and elements are added.
            if found.len() == 100 {
                set.srem_many((100..MANY).collect::<Vec<u64>>()).await.unwrap();
            }
            if found.len() % 50 == 0 && next < MANY + 100 {
                set.sadd(&next).await.unwrap();
                next += 1;
            }
        }
        assert!((0..100).all(|member| found.contains(&member)));
    }
}

/// A failed page is never the end of a scan that looks complete.
#[test]
fn a_failed_page_is_an_error() {
    let server = Server::new();
    let redis = Redis::builder().embedded(server.clone()).retries(0).build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let set = Keys::set(67, 0);
            set.sadd_many(0..MANY).await.unwrap();
            let mut scan = set.sscan().batch(10);
            scan.next().await.unwrap().unwrap();
            let _fault = server.inject(Fault::error("ERR no").on("SSCAN"));
            let mut last = None;
            while let Some(member) = scan.next().await {
                last = Some(member);
            }
            assert_eq!(last.unwrap().unwrap_err().kind(), ErrorKind::Server);
        }),
    );
}

/// A cursor of the former run of a server means nothing to the next one.
#[test]
fn a_scan_starts_again_on_another_run_of_the_server() {
    let first = RealServer::start();
    let port = first.port();
    let redis = Redis::builder().host("127.0.0.1").port(port).timeout(PATIENCE).build().unwrap();
    within(
        PATIENCE,
        redis.scope(async {
            let set = Keys::set(68, 0);
            set.sadd_many(0..MANY).await.unwrap();
            let mut scan = set.sscan().batch(50);
            let mut found = BTreeSet::new();
            for _ in 0..60 {
                found.insert(scan.next().await.unwrap().unwrap());
            }
            first.restart();
            set.sadd_many(0..MANY).await.unwrap();
            while let Some(member) = scan.next().await {
                found.insert(member.unwrap());
            }
            assert!(found.into_iter().eq(0..MANY));
        }),
    );
}
