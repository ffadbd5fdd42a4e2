//! What lives at a key.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::Bytes;

use crate::number::parse_i64;
use crate::ordered::Ordered;
use crate::reply::Failure;

#[derive(Clone, Debug)]
pub(crate) enum Value {
    String(Bytes),
    List(VecDeque<Bytes>),
    Hash(Ordered<Bytes>),
    Set(Ordered<()>),
    SortedSet(SortedSet),
}

impl Value {
    /// The name that TYPE answers.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Hash(_) => "hash",
            Self::Set(_) => "set",
            Self::SortedSet(_) => "zset",
        }
    }

    /// Whether nothing is left; a key with an empty collection does not exist.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::String(_) => false,
            Self::List(list) => list.is_empty(),
            Self::Hash(hash) => hash.is_empty(),
            Self::Set(set) => set.is_empty(),
            Self::SortedSet(sorted) => sorted.is_empty(),
        }
    }

    /// The encoding a real server would choose for a value of this size that was written at once.
    pub(crate) fn encoding(&self) -> &'static str {
        const SMALL: usize = 64;
        match self {
            Self::String(data) if parse_i64(data).is_some() => "int",
            Self::String(data) if data.len() <= 44 => "embstr",
            Self::String(_) => "raw",
            Self::List(_) => "quicklist",
            Self::Hash(hash) => {
                let small = hash.iter().all(|(field, value)| field.len() <= SMALL && value.len() <= SMALL);
                if small && hash.len() <= 128 { "listpack" } else { "hashtable" }
            }
            Self::Set(set) => {
                let integers = set.iter().all(|(member, ())| parse_i64(member).is_some());
                if integers && set.len() <= 512 { "intset" } else { "hashtable" }
            }
            Self::SortedSet(sorted) => {
                let small = sorted.iter().all(|(member, _)| member.len() <= SMALL);
                if small && sorted.len() <= 128 { "listpack" } else { "skiplist" }
            }
        }
    }
}

/// A copy of an argument to keep. A short slice of a request would pin the whole read buffer.
pub(crate) fn keep(argument: &Bytes) -> Bytes {
    const WORTH_SHARING: usize = 32 * 1024;
    if argument.len() >= WORTH_SHARING { argument.clone() } else { Bytes::copy_from_slice(argument) }
}

/// Members by score, then by their bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct SortedSet {
    scores: HashMap<Bytes, f64>,
    order: BTreeSet<Ranked>,
}

#[derive(Clone, Debug)]
struct Ranked {
    score: f64,
    member: Bytes,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        // NaN is refused when a score is read.
        self.score.total_cmp(&other.score).then_with(|| self.member.cmp(&other.member))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

impl SortedSet {
    pub(crate) fn len(&self) -> usize {
        self.scores.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    pub(crate) fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).copied()
    }

    /// Gives `member` this score and returns the one it had.
    pub(crate) fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let score = score + 0.0; // makes the two zeros one
        let member = Bytes::copy_from_slice(member);
        let before = self.scores.insert(member.clone(), score);
        if let Some(score) = before {
            self.order.remove(&Ranked { score, member: member.clone() });
        }
        self.order.insert(Ranked { score, member });
        before
    }

    /// Members and scores, lowest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, f64)> {
        self.order.iter().map(|ranked| (&ranked.member, ranked.score))
    }
}

/// Takes the inside of one kind of value out, or reports the wrong type.
macro_rules! accessor {
    ($name:ident, ref $variant:ident, $inner:ty) => {
        pub(crate) fn $name(&self) -> Result<&$inner, Failure> {
            if let Self::$variant(inner) = self { Ok(inner) } else { Err(Failure::WRONG_TYPE) }
        }
    };
    ($name:ident, mut $variant:ident, $inner:ty) => {
        pub(crate) fn $name(&mut self) -> Result<&mut $inner, Failure> {
            if let Self::$variant(inner) = self { Ok(inner) } else { Err(Failure::WRONG_TYPE) }
        }
    };
}

impl Value {
    accessor!(string, ref String, Bytes);
    accessor!(list, ref List, VecDeque<Bytes>);
    accessor!(list_mut, mut List, VecDeque<Bytes>);
    accessor!(hash, ref Hash, Ordered<Bytes>);
    accessor!(hash_mut, mut Hash, Ordered<Bytes>);
    accessor!(set, ref Set, Ordered<()>);
    accessor!(set_mut, mut Set, Ordered<()>);
    accessor!(sorted_set, ref SortedSet, SortedSet);
    accessor!(sorted_set_mut, mut SortedSet, SortedSet);
}
