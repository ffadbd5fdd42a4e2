//! The state that a process keeps for each pool and each database: plain data, without commands.
//!
//! Untrusted ids must not fill the memory of a process. This table lists every place in the crate
//! that holds keys or data per key, and its bound. No key is longer than `max_key_bytes`.
//!
//! | place | holds | bounded by |
//! | --- | --- | --- |
//! | [`Remembered`] copies | a name and a value for each key that may be served stale | 16 MiB, names included |
//! | [`Remembered`] generations | a name and a number for each group that was read | 2 MiB, names included |
//! | [`Flights`] | a name for each load in flight, of a key or of a field | the calls, which hold their keys anyway, and the background loads: one for each key whose loader runs |
//! | [`Turns`] | a name for each key that tasks update or lock now | the calls and the lock guards |
//! | queue of a shared connection | requests without a reply | `max_in_flight`, and `max_queued_bytes` for what is not written, keys included |
//! | queue for a connection | requests without a connection | the same two limits |
//! | input of a shared connection | a reply that arrives | `max_value_bytes` for each value |
//! | queue of a subscription | messages that were not read | its `buffer`, 1024 by default, and 16 MiB |
//! | subscriptions of a pool | the name of each channel and pattern | the subscriptions that exist |
//! | a scan | the keys of a page; a hash of 16 bytes for each key that was returned | the page; the hashes grow with the scan unless `allow_repeats` is set |
//! | an [`Error`](crate::Error) | the key of the command | 1024 bytes |
//! | pools, databases, bindings, installed handles | one entry for each configuration, keyspace and runtime | the program; entries of ended runtimes and dropped handles are removed |
//! | runs of a server | the ids of its latest runs | 16 |
//! | scripts | a digest for each script of the crate | the crate: scripts never contain arguments |
//! | labels of metrics and spans | keyspaces, templates, commands, kinds of errors, servers | the declarations and the nodes: no label contains a key |
//! | nodes of a cluster | the nodes of the map, and the addresses of former ones | the cluster, and 256 addresses |

mod bound;
mod flights;
#[cfg(test)]
mod flights_tests;
mod remembered;
mod sync;
mod turns;

use std::sync::Arc;

pub(crate) use bound::{BindingConflict, BoundKeyspace, BoundKeyspaces};
pub(crate) use flights::{Flights, Follower, Leader, LoadRole, LoadStage};
pub(crate) use remembered::{ReadStart, Remembered};
pub(crate) use turns::{Streak, Turn, Turns};

use crate::key::Companion;

/// The most bytes of stale copies, and the largest copy.
const COPIES: u64 = 16 << 20;
const LONGEST_COPY: usize = 1 << 20;
/// The most bytes of group generations: enough for about ten thousand groups.
const GENERATIONS: u64 = 2 << 20;

/// The local state of a pool.
#[derive(Debug, Default)]
pub(crate) struct Local {
    /// The turns of tasks that update a key.
    pub(crate) updates: Turns,
    /// The turns of tasks that hold a lock or wait for it.
    pub(crate) locks: Turns<Streak>,
    /// Loads in flight.
    pub(crate) flights: Flights,
    /// The values that the process read from the database.
    pub(crate) reads: Arc<DatabaseReads>,
}

/// What a process has read from one database of a server. All pools of that database share it, so a
/// write through one pool also removes values that were read through another.
#[derive(Debug)]
pub(crate) struct DatabaseReads {
    /// Values that may be served stale while Redis is unavailable.
    pub(crate) copies: Remembered<Arc<[u8]>>,
    /// The last generation of each group that was read.
    pub(crate) generations: Remembered<u64>,
    /// The keyspaces that use the database.
    pub(crate) keyspaces: Arc<BoundKeyspaces>,
}

impl Local {
    pub(crate) fn new(reads: Arc<DatabaseReads>) -> Self {
        Self { reads, ..Self::default() }
    }

    /// Stops callers from joining the loads of a key and of its fields, because it was written.
    pub(crate) fn end_flights(&self, key: &str) {
        self.flights.end(|name| {
            let rest = name.strip_prefix(key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(Companion::Fill.marker()))
        });
    }
}

/// Returns the name of the load of a field of a hash. It is not the name of any key: names that
/// contain the marker of a companion key are reserved.
pub(crate) fn field_flight(key: &str, field: &[u8]) -> String {
    let mut name = format!("{key}{}", Companion::Fill.marker());
    match str::from_utf8(field) {
        Ok(field) => {
            name.push('=');
            name.push_str(field);
        }
        Err(_) => {
            name.push('#');
            field.iter().for_each(|byte| name.push_str(&format!("{byte:02x}")));
        }
    }
    name
}

impl Default for DatabaseReads {
    fn default() -> Self {
        Self {
            copies: Remembered::new(COPIES, LONGEST_COPY),
            generations: Remembered::new(GENERATIONS, size_of::<u64>()),
            keyspaces: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_ends_the_loads_of_the_key_and_of_its_fields() {
        let local = Local::default();
        let names =
            ["a:1".to_owned(), field_flight("a:1", b"f"), field_flight("a:1", b"\xff"), "a:12".to_owned()];
        let leads = |name: &String| match local.flights.join(name, 0) {
            LoadRole::Leader(leader) => Some(leader),
            LoadRole::Follower(_) | LoadRole::Latecomer(_) => None,
        };
        let _flying: Vec<_> = names.iter().map(leads).collect();
        local.end_flights("a:1");
        let ended: Vec<_> = names.iter().map(|name| leads(name).is_some()).collect();
        assert_eq!(ended, [true, true, true, false]);
    }

    /// Reads 600 MB of names.
    #[test]
    fn long_ids_do_not_fill_the_memory() {
        let reads = DatabaseReads::default();
        let padding = "x".repeat(1_000_000);
        for id in 0..600_u64 {
            let name = format!("{id}{padding}");
            let start = reads.generations.start(&name);
            reads.generations.keep(&name, id, &start, start.at());
            let start = reads.copies.start(&name);
            reads.copies.keep(&name, Arc::from(id.to_string().as_bytes()), &start, start.at());
            reads.copies.forget("another");
        }
        let (copies, generations) = (reads.copies.names_kept(), reads.generations.names_kept());
        assert!(copies > 0 && copies <= usize::try_from(COPIES).unwrap(), "{copies} bytes");
        assert!(
            generations > 0 && generations <= usize::try_from(GENERATIONS).unwrap(),
            "{generations} bytes"
        );
    }
}
