//! Writes to collections, with and without a lifetime of the key.

pub mod by_hand;

use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::measure::Op;

/// What is written in one round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    SortedSet,
    Hash,
    List,
    /// A stream of about [`MOST_ENTRIES`] entries.
    Stream,
    /// Four writes to each of the three, in a batch.
    Several,
}

/// A write, and whether the write that creates a key also gives it a lifetime, in one atomic step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    pub target: Target,
    pub expires: bool,
}

/// How many entries of a stream are kept.
pub const MOST_ENTRIES: u64 = 1000;

/// The number of writes to each collection in a batch.
pub const OF_EACH: u64 = 4;

const fn write(target: Target, expires: bool) -> Op {
    Op::Write(Write { target, expires })
}

/// All operations.
pub const ALL_OPS: [Op; 18] = [
    Op::Get,
    Op::Set,
    Op::Fill,
    Op::Del,
    Op::Mget,
    Op::Batch,
    Op::LargeGet,
    Op::LargeSet,
    write(Target::SortedSet, false),
    write(Target::Hash, false),
    write(Target::List, false),
    write(Target::Stream, false),
    write(Target::Several, false),
    write(Target::SortedSet, true),
    write(Target::Hash, true),
    write(Target::List, true),
    write(Target::Stream, true),
    write(Target::Several, true),
];

impl Write {
    pub fn name(self) -> &'static str {
        match (self.target, self.expires) {
            (Target::SortedSet, false) => "zadd",
            (Target::Hash, false) => "hset",
            (Target::List, false) => "lpush",
            (Target::Stream, false) => "xadd",
            (Target::Several, false) => "writes",
            (Target::SortedSet, true) => "zadd-ttl",
            (Target::Hash, true) => "hset-ttl",
            (Target::List, true) => "lpush-ttl",
            (Target::Stream, true) => "xadd-ttl",
            (Target::Several, true) => "writes-ttl",
        }
    }

    pub fn title(self) -> &'static str {
        match (self.target, self.expires) {
            (Target::SortedSet, false) => "ZADD, no lifetime",
            (Target::Hash, false) => "HSET, no lifetime",
            (Target::List, false) => "LPUSH, no lifetime",
            (Target::Stream, false) => "XADD with MAXLEN ~, no lifetime",
            (Target::Several, false) => "4 ZADD, 4 HSET and 4 LPUSH in a batch, no lifetime",
            (Target::SortedSet, true) => "ZADD, lifetime",
            (Target::Hash, true) => "HSET, lifetime",
            (Target::List, true) => "LPUSH, lifetime",
            (Target::Stream, true) => "XADD with MAXLEN ~, lifetime",
            (Target::Several, true) => "4 ZADD, 4 HSET and 4 LPUSH in a batch, lifetime",
        }
    }
}

impl FromStr for Write {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = ALL_OPS.into_iter().find_map(|op| match op {
            Op::Write(write) if write.name() == text => Some(write),
            _ => None,
        });
        found.ok_or(())
    }
}

impl Serialize for Write {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
