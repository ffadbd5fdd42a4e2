//! Keys that look like those of a pattern and do not belong to it.

use redis_keyspace::Redis;
use redis_keyspace_tests::RealCluster;

use crate::{CartKeys, slot};

/// Keys on all masters, of which the glob of `CartKeys::page_keys` matches two thirds.
pub struct ForeignKeys<'c> {
    cluster: &'c RealCluster,
    names: Vec<String>,
}

impl<'c> ForeignKeys<'c> {
    /// How many of them the glob matches.
    pub const MATCHED: u64 = 60;

    /// Creates the keys, without a TTL.
    pub fn create(cluster: &'c RealCluster, redis: &Redis) -> Self {
        let page = redis.wire_key(&CartKeys::page(1)).unwrap();
        let stem = page.strip_suffix('1').unwrap();
        // The last ones are outside of the namespace.
        let of =
            |nth: u32| [format!("{stem}x{nth}"), format!("{stem}{nth}:more"), format!("other:{stem}{nth}")];
        let created = Self { cluster, names: (0..30).flat_map(of).collect() };
        created.names.iter().for_each(|name| drop(created.call(&["SET", name, "x"])));
        created
    }

    /// Checks that they all exist and have no TTL.
    pub fn are_unchanged(&self) {
        for name in &self.names {
            assert_eq!(
                (self.call(&["GET", name]), self.call(&["TTL", name])),
                ("x".into(), "-1".into()),
                "{name}"
            );
        }
    }

    fn call(&self, command: &[&str]) -> String {
        self.cluster.node(self.cluster.master_of(slot(command[1]))).redis_cli(command)
    }
}
