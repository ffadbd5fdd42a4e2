//! Options and results of the operations of lists.

use std::num::NonZero;

use super::base::{self, BuildOptions, KeyOptions};
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::error::Result;
use crate::kind::{List, SingleValue};
use crate::protocol::{Args, Decode, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListEnd {
    /// The end of the first element.
    Left,
    /// The end of the last element.
    Right,
}

impl ListEnd {
    pub(super) fn word(self) -> &'static [u8] {
        match self {
            Self::Left => b"LEFT",
            Self::Right => b"RIGHT",
        }
    }
}

/// The outcome of [`linsert_before`](crate::Key::linsert_before) and
/// [`linsert_after`](crate::Key::linsert_after).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Inserted {
    /// The element was inserted. The list has this length now.
    Length(u64),
    /// No element of the list is equal to the pivot. Nothing was inserted.
    NoPivot,
    /// The list does not exist. Nothing was inserted.
    NoList,
}

/// `LREM` with its options, created by [`Key::lrem`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct LRem<S: Keyspace, T: SingleValue>(pub(super) Deferred<KeyOptions<S, List<T>, LRemOptions>, u64>);

pub(super) struct LRemOptions {
    /// The number of elements, negative from the end, 0 for all; `None` to remove none.
    pub(super) count: Option<i64>,
    pub(super) element: Result<Args>,
}

impl<S: Keyspace, T: SingleValue> LRem<S, T> {
    /// Removes at most this many elements, from the left end. 0 removes none.
    pub fn first(self, count: u32) -> Self {
        self.counting(i64::from(count))
    }

    /// Removes at most this many elements, from the right end. 0 removes none.
    pub fn last(self, count: u32) -> Self {
        self.counting(-i64::from(count))
    }

    fn counting(self, count: i64) -> Self {
        let count = (count != 0).then_some(count);
        Self(self.0.map(|options| options.with(|options| LRemOptions { count, ..options })))
    }
}

impl<S: Keyspace, T: SingleValue> BuildOptions<S, List<T>> for LRemOptions {
    type Output = u64;

    fn build(self, key: &Key<S, List<T>>) -> Command<u64> {
        let removes_none = self.count.is_none();
        let fill = |args: &mut Args| {
            args.push_int(self.count.unwrap_or_default());
            self.element?.iter().for_each(|element| args.push(element));
            Ok(())
        };
        let command = Command::removal_of(key, "LREM", fill, base::size);
        command.unless(removes_none)
    }
}

command_builder!(LRem<S, T> => u64, where S: Keyspace, T: SingleValue);

/// `LPOS` with its options, created by [`Key::lpos`]. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct LPos<S: Keyspace, T: SingleValue, R: 'static>(
    pub(super) Deferred<KeyOptions<S, List<T>, LPosOptions<R>>, R>,
);

pub(super) struct LPosOptions<R> {
    element: Result<Args>,
    rank: Option<i64>,
    most: Option<u64>,
    finds_all: bool,
    decode: Decode<R>,
}

impl LPosOptions<Option<u64>> {
    pub(super) fn new(element: Result<Args>) -> Self {
        Self { element, rank: None, most: None, finds_all: false, decode: position }
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> LPos<S, T, R> {
    /// Starts with the nth equal element. A negative rank searches from the end: -1 is the last
    /// equal element.
    pub fn rank(self, rank: NonZero<i64>) -> Self {
        let rank = Some(rank.get());
        Self(self.0.map(|options| options.with(|options| LPosOptions { rank, ..options })))
    }

    /// Compares at most this many elements. 0 means no limit.
    pub fn max_len(self, most: u64) -> Self {
        let most = Some(most);
        Self(self.0.map(|options| options.with(|options| LPosOptions { most, ..options })))
    }

    /// Returns the positions of all equal elements, in the order of the search.
    pub fn all(self) -> LPos<S, T, Vec<u64>> {
        LPos(self.0.map(|options| {
            options.with(|LPosOptions { element, rank, most, .. }| LPosOptions {
                element,
                rank,
                most,
                finds_all: true,
                decode: positions,
            })
        }))
    }
}

impl<S: Keyspace, T: SingleValue, R: 'static> BuildOptions<S, List<T>> for LPosOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, List<T>>) -> Command<R> {
        let fill = |args: &mut Args| {
            self.element?.iter().for_each(|element| args.push(element));
            let mut option = |name: &str, value: i128| {
                args.push(name.as_bytes());
                args.push_int(value);
            };
            self.rank.into_iter().for_each(|rank| option("RANK", rank.into()));
            if self.finds_all {
                option("COUNT", 0);
            }
            let most = self.most.map(|most| most.min(i64::MAX.unsigned_abs()));
            most.into_iter().for_each(|most| option("MAXLEN", most.into()));
            Ok(())
        };
        Command::read_of(key, "LPOS", fill, self.decode)
    }
}

command_builder!(LPos<S, T, R> => R, where S: Keyspace, T: SingleValue, R: 'static);

fn position(request: &Request, replies: Replies) -> Result<Option<u64>> {
    match base::answer(request, replies)? {
        Reply::Nil => Ok(None),
        reply => read::to_count(reply).map(Some),
    }
}

fn positions(_: &Request, replies: Replies) -> Result<Vec<u64>> {
    base::list(read::one(replies)?)?.into_iter().map(read::to_count).collect()
}
