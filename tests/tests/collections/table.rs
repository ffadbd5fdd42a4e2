//! Each operation of a collection has one entry, which runs on all servers.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use redis_keyspace::Redis;
use redis_keyspace_tests::{
    PATIENCE, RealCluster, on_embedded, on_real, shared_cluster, unique_namespace, within,
};

use crate::source::source;
use crate::{
    any_key, bitmaps, channels, combined, coordinated, counters, field_lifetimes, filled, geo, hashes,
    hyperloglogs, lists, rankings, records, scans, sets, sorted_sets, stream_groups, streams, values,
    without_io, workers,
};

/// The check of one operation. The handle is in scope.
pub(crate) type Check = fn() -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// An operation, with its check.
pub(crate) struct Entry {
    /// The kind, if it is not that of the table. Not more than one.
    pub(crate) kind: &'static [&'static str],
    pub(crate) name: &'static str,
    pub(crate) check: Check,
}

/// The operations of one kind, each with its check.
pub(crate) type Table = &'static [Entry];

/// Defines a table. The name of a check is that of the operation. `of` names its kind, in a table
/// with operations of several kinds.
macro_rules! checks {
    ($($name:ident $(of $kind:ident)?: $body:expr,)*) => {
        pub(crate) const TABLE: $crate::table::Table = &[$($crate::table::Entry {
            kind: &[$(stringify!($kind))?],
            name: stringify!($name),
            check: || Box::pin($body),
        },)*];
    };
}

/// The tables, each with the kind of its operations. The kind of operations of several kinds is the
/// trait that they have in common, and `any` if they are those of every key.
const TABLES: &[(&str, Table)] = &[
    ("List", lists::TABLE),
    ("Set", sets::TABLE),
    ("SortedSet", sorted_sets::TABLE),
    ("Hash", hashes::TABLE),
    ("", combined::TABLE),
    ("SortedSet", rankings::TABLE),
    ("Kind", any_key::TABLE),
    ("Record", records::TABLE),
    ("", scans::TABLE),
    ("Channel", channels::TABLE),
    ("Bitmap", bitmaps::TABLE),
    ("HyperLogLog", hyperloglogs::TABLE),
    ("Geo", geo::TABLE),
    ("Stream", streams::TABLE),
    ("FilledKind", filled::TABLE),
    ("SingleValue", values::TABLE),
    ("Counter", counters::TABLE),
    ("", coordinated::TABLE),
    ("any", without_io::TABLE),
];

/// The operations of consumer groups.
const GROUP_TABLES: &[(&str, Table)] =
    &[("ConsumerGroup", stream_groups::TABLE), ("ConsumerGroup", workers::TABLE)];

/// The operations that need a newer server.
const NEWER_TABLES: &[(&str, Table)] = &[("Hash", field_lifetimes::TABLE)];

/// The kinds and names of the operations of some tables.
fn checked<'t>(
    tables: impl IntoIterator<Item = &'t (&'static str, Table)>,
) -> BTreeSet<(&'static str, &'static str)> {
    let mut checked = BTreeSet::new();
    for (kind, table) in tables {
        for Entry { kind: of, name, .. } in *table {
            let operation = (of.first().copied().unwrap_or(kind), *name);
            assert!(checked.insert(operation), "two checks of {operation:?}");
        }
    }
    checked
}

pub(crate) async fn check_all(_: Redis) {
    for entry in TABLES.iter().chain(GROUP_TABLES).flat_map(|(_, table)| *table) {
        println!("{}", entry.name);
        (entry.check)().await;
    }
}

/// Checks the operations that need a newer server.
pub(crate) async fn check_newer(_: Redis) {
    for entry in NEWER_TABLES.iter().flat_map(|(_, table)| *table) {
        println!("{}", entry.name);
        (entry.check)().await;
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

/// Every public method of `Key` in the source of the library is in a table, by its kind and name.
#[test]
fn every_operation_has_a_check() {
    let operations = source().methods_of("Key");
    assert!(operations.len() > 200, "{operations:?}");
    assert_eq!(operations, checked(TABLES.iter().chain(NEWER_TABLES)));
}

#[test]
fn every_operation_of_a_group_has_a_check() {
    let source = source();
    let mut operations = source.methods_of("ConsumerGroup");
    operations.extend(source.methods_of("XAck"));
    assert_eq!(operations, checked(GROUP_TABLES));
}

/// The walk does not look into macros. Only methods that never compile come from one.
#[test]
fn no_macro_writes_operations() {
    assert_eq!(source().macros, BTreeSet::from(["misplaced_on_keys".to_owned()]));
}
