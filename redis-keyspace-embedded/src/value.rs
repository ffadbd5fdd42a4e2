//! The value of a key.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::compact::CompactSizes;
use crate::hash::Hash;
use crate::number::parse_i64;
use crate::ordered::Ordered;
use crate::reply::Failure;
use crate::sorted_set::SortedSet;
use crate::stream::Stream;

#[derive(Clone, Debug)]
pub(crate) enum Value {
    String(Bytes),
    List(VecDeque<Bytes>),
    Hash(Hash),
    Set(Ordered<()>),
    SortedSet(SortedSet),
    Stream(Box<Stream>),
}

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Front,
    Back,
}

impl End {
    pub(crate) fn take(self, list: &mut VecDeque<Bytes>) -> Option<Bytes> {
        match self {
            Self::Front => list.pop_front(),
            Self::Back => list.pop_back(),
        }
    }

    pub(crate) fn add(self, list: &mut VecDeque<Bytes>, element: Bytes) {
        match self {
            Self::Front => list.push_front(element),
            Self::Back => list.push_back(element),
        }
    }
}

impl Value {
    /// Returns the name of the type, as TYPE does.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Hash(_) => "hash",
            Self::Set(_) => "set",
            Self::SortedSet(_) => "zset",
            Self::Stream(_) => "stream",
        }
    }

    /// Whether the collection is empty. The key of an empty collection does not exist,
    /// except that of a stream.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::String(_) | Self::Stream(_) => false,
            Self::List(list) => list.is_empty(),
            Self::Hash(hash) => hash.is_empty(),
            Self::Set(set) => set.is_empty(),
            Self::SortedSet(sorted) => sorted.is_empty(),
        }
    }

    /// Sets the sizes for the following changes.
    pub(crate) fn set_compact(&mut self, sizes: &CompactSizes) {
        match self {
            Self::Hash(hash) => hash.set_compact(sizes.hash),
            Self::SortedSet(sorted) => sorted.set_compact(sizes.sorted_set),
            Self::Stream(stream) => stream.set_node_size(sizes.node),
            Self::String(_) | Self::List(_) | Self::Set(_) => {}
        }
    }

    /// Returns the encoding that a real server would choose for a value written in one command.
    pub(crate) fn encoding(&self, sizes: &CompactSizes) -> &'static str {
        match self {
            Self::String(data) if parse_i64(data).is_some() => "int",
            Self::String(data) if data.len() <= 44 => "embstr",
            Self::String(_) => "raw",
            Self::List(_) => "quicklist",
            Self::Hash(hash) if hash.is_large() => "hashtable",
            Self::Hash(hash) if hash.next_expiry().is_some() => "listpackex",
            Self::Hash(_) => "listpack",
            Self::Set(set) => {
                let is_integer = |member: &Bytes| parse_i64(member).is_some();
                let integers =
                    set.len() <= sizes.integers && set.iter().all(|(member, ())| is_integer(member));
                if integers { "intset" } else { "hashtable" }
            }
            Self::SortedSet(sorted) if sorted.is_large() => "skiplist",
            Self::SortedSet(_) => "listpack",
            Self::Stream(_) => "stream",
        }
    }
}

/// Copies an argument to store. A short slice of a request would keep the whole read buffer alive.
pub(crate) fn keep(argument: &Bytes) -> Bytes {
    const WORTH_SHARING: usize = 32 * 1024;
    if argument.len() >= WORTH_SHARING { argument.clone() } else { Bytes::copy_from_slice(argument) }
}

/// Returns the content of one kind of value, or an error for the other kinds.
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
    accessor!(hash, ref Hash, Hash);
    accessor!(hash_mut, mut Hash, Hash);
    accessor!(set, ref Set, Ordered<()>);
    accessor!(set_mut, mut Set, Ordered<()>);
    accessor!(sorted_set, ref SortedSet, SortedSet);
    accessor!(sorted_set_mut, mut SortedSet, SortedSet);
    accessor!(stream, ref Stream, Stream);
    accessor!(stream_mut, mut Stream, Stream);
}
