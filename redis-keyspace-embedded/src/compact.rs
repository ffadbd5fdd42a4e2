//! The sizes up to which a real server stores collections in a compact form.
//!
//! OBJECT ENCODING names the form, and some replies depend on it: the order of a scan, or the nodes
//! that approximate trimming removes.

/// The greatest number of items of a compact collection, and the greatest length of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompactSize {
    pub(crate) items: usize,
    pub(crate) length: usize,
}

/// The greatest number of entries of a node of a stream, and its greatest size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeSize {
    /// 0 for no limit.
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

/// The sizes of a database. CONFIG SET changes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompactSizes {
    pub(crate) hash: CompactSize,
    pub(crate) sorted_set: CompactSize,
    /// The greatest number of members of a set of integers.
    pub(crate) integers: usize,
    pub(crate) node: NodeSize,
}

impl CompactSize {
    pub(crate) const HASH: Self = Self { items: 512, length: 64 };
    pub(crate) const SORTED_SET: Self = Self { items: 128, length: 64 };
}

impl Default for NodeSize {
    fn default() -> Self {
        Self { entries: 100, bytes: 4096 }
    }
}

impl Default for CompactSizes {
    fn default() -> Self {
        Self {
            hash: CompactSize::HASH,
            sorted_set: CompactSize::SORTED_SET,
            integers: 512,
            node: NodeSize::default(),
        }
    }
}
