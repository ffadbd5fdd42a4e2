//! Each operation of a collection has one entry, which runs on all servers.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use redis_keyspace::Redis;
use redis_keyspace_tests::{
    PATIENCE, RealCluster, on_embedded, on_real, shared_cluster, unique_namespace, within,
};

use crate::{
    any_key, bitmaps, channels, combined, field_lifetimes, filled, geo, hashes, hyperloglogs, lists,
    rankings, records, scans, sets, sorted_sets, stream_groups, streams, workers,
};

/// The check of one operation. The handle is in scope.
pub(crate) type Check = fn() -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// The operations of one kind, each with its check.
pub(crate) type Table = &'static [(&'static str, Check)];

/// Defines the table of a kind. The name of a check is that of the operation.
macro_rules! checks {
    ($($name:ident: $body:expr,)*) => {
        pub(crate) const TABLE: $crate::table::Table = &[$((stringify!($name), || Box::pin($body)),)*];
    };
}

const TABLES: &[Table] = &[
    lists::TABLE,
    sets::TABLE,
    sorted_sets::TABLE,
    hashes::TABLE,
    combined::TABLE,
    rankings::TABLE,
    any_key::TABLE,
    records::TABLE,
    scans::TABLE,
    channels::TABLE,
    bitmaps::TABLE,
    hyperloglogs::TABLE,
    geo::TABLE,
    streams::TABLE,
    filled::TABLE,
];

pub(crate) async fn check_all(_: Redis) {
    for (name, check) in TABLES.iter().copied().chain([stream_groups::TABLE, workers::TABLE]).flatten() {
        println!("{name}");
        check().await;
    }
}

/// Checks the operations that need a newer server.
pub(crate) async fn check_newer(_: Redis) {
    for (name, check) in field_lifetimes::TABLE {
        println!("{name}");
        check().await;
    }
}

#[test]
fn all_operations_work_on_the_embedded_server() {
    on_embedded(check_all);
}

#[test]
fn all_operations_work_on_a_real_server() {
    on_real(check_all);
}

#[test]
fn all_operations_work_on_a_cluster() {
    let cluster: &RealCluster = shared_cluster();
    let builder = Redis::builder().url(&cluster.seeds_url()).unwrap().timeout(PATIENCE);
    let redis = builder.namespace(unique_namespace()).unwrap().build().unwrap();
    within(PATIENCE, redis.scope(check_all(redis.clone())));
}

/// Returns the lines of the source that belong to keys, not to builders.
fn operations_of(source: &str) -> impl Iterator<Item = &str> {
    let mut is_key = false;
    source.lines().filter(move |line| {
        if line.starts_with("impl") {
            is_key = line.contains(" Key<S, ");
        }
        is_key
    })
}

/// Finds the public operations in the source of the library.
#[test]
fn every_operation_has_a_check() {
    let sources = [
        include_str!("../../../redis-keyspace/src/cache/fields.rs"),
        include_str!("../../../redis-keyspace/src/cache/key.rs"),
        include_str!("../../../redis-keyspace/src/command/channel.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/list.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/list_take.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/push.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/set.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/set_algebra.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/sorted_set.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/sorted_algebra.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/lex.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/leaderboard.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/multi_pop.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/random.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/hash.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/bitmap.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/bit_op.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/hyper_log_log.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/geo.rs"),
        include_str!("../../../redis-keyspace/src/command/any.rs"),
        include_str!("../../../redis-keyspace/src/command/bytes.rs"),
        include_str!("../../../redis-keyspace/src/command/dump.rs"),
        include_str!("../../../redis-keyspace/src/command/expire.rs"),
        include_str!("../../../redis-keyspace/src/command/inspect.rs"),
        include_str!("../../../redis-keyspace/src/command/set_many.rs"),
        include_str!("../../../redis-keyspace/src/command/transfer.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/record.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/hash_fields.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/record_lifetimes.rs"),
        include_str!("../../../redis-keyspace/src/scan/members/operations.rs"),
        // The rest of the file is about options.
        include_str!("../../../redis-keyspace/src/update/record.rs").split("type Decide").next().unwrap(),
        include_str!("../../../redis-keyspace/src/command/collection/stream/operations.rs"),
        include_str!("../../../redis-keyspace/src/command/collection/stream/read_many.rs"),
    ];
    // Those of keys. A file also has the methods of builders.
    let operations = public_methods(sources.iter().flat_map(|source| operations_of(source)));
    let tables = TABLES.iter().copied().chain([field_lifetimes::TABLE]);
    let checked: BTreeSet<&str> = tables.flatten().map(|(name, _)| *name).collect();
    assert!(operations.len() > 50, "{operations:?}");
    assert_eq!(operations, checked);
}

#[test]
fn every_operation_of_a_group_has_a_check() {
    let source = include_str!("../../../redis-keyspace/src/command/collection/stream/group.rs");
    let checked: BTreeSet<&str> = stream_groups::TABLE.iter().map(|(name, _)| *name).collect();
    assert_eq!(public_methods(source.lines()), checked);
}

fn public_methods<'s>(lines: impl Iterator<Item = &'s str>) -> BTreeSet<&'s str> {
    lines
        .filter_map(|line| line.strip_prefix("    pub fn "))
        .filter_map(|rest| rest.split(['<', '(']).next())
        .collect()
}
