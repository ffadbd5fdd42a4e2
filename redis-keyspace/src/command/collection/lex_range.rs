//! Ranges of members, in the order of their bytes.

use std::ops::{Bound, RangeBounds};

use crate::error::Result;
use crate::kind::{SingleValue, SortedSet};
use crate::protocol::Args;
use crate::schema::{Key, Keyspace};

/// A range of members as the server takes it.
#[derive(Debug, Clone)]
pub(super) struct LexRange {
    pub(super) least: Args,
    pub(super) most: Args,
}

impl LexRange {
    pub(super) fn new<'a, S: Keyspace, T: SingleValue>(
        key: &Key<S, SortedSet<T>>,
        range: &impl RangeBounds<&'a T::Borrowed>,
    ) -> Result<Self>
    where
        T::Borrowed: 'a,
    {
        let checks = key.checks();
        let end = |bound: Bound<&&'a T::Borrowed>, open: &[u8]| -> Result<Args> {
            let mut args = Args::default();
            let (mark, member) = match bound {
                Bound::Included(member) => (b'[', *member),
                Bound::Excluded(member) => (b'(', *member),
                Bound::Unbounded => {
                    args.push(open);
                    return Ok(args);
                }
            };
            args.push_with(|out| {
                out.push(mark);
                checks.encode::<T>(member, out)
            })?;
            Ok(args)
        };
        Ok(Self { least: end(range.start_bound(), b"-")?, most: end(range.end_bound(), b"+")? })
    }

    pub(super) fn push(&self, args: &mut Args) {
        [&self.least, &self.most].into_iter().flat_map(Args::iter).for_each(|end| args.push(end));
    }
}
