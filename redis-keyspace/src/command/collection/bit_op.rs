//! Combinations of bitmaps.

use std::fmt;
use std::marker::PhantomData;

use super::docs::storing;
use super::several::{SeveralKeys, Store};
use crate::command::base::Command;
use crate::kind::Bitmap;
use crate::protocol::{Args, KeyCount, read};
use crate::schema::{Key, Keyspace};

/// Combined bitmaps, created by [`Key::bit_and`], [`Key::bit_or`], [`Key::bit_xor`] and
/// [`Key::bit_not`]. [`store`](Self::store) writes them to a key.
#[must_use = "nothing is combined unless the result is stored"]
pub struct BitOp<S> {
    operation: &'static [&'static str],
    sources: SeveralKeys,
    keyspace: PhantomData<fn() -> S>,
}

impl<S: Keyspace> BitOp<S> {
    fn new(operation: &'static [&'static str], keys: impl IntoIterator<Item = Key<S, Bitmap>>) -> Self {
        Self { operation, sources: SeveralKeys::of(keys), keyspace: PhantomData }
    }

    /// Writes the result to a key, whatever that key held before. Returns the length of the result
    /// in bytes: that of the longest bitmap. A result without bytes deletes the key.
    ///
    /// Without bitmaps to combine, the command is an
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) error. On a cluster, all keys must be in one
    /// slot.
    ///
    /// ```
    /// # use redis_keyspace::{Bitmap, Key, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "active", ttl = "90d")]
    /// # struct ActiveKeys {
    /// #     #[key("day:{day}")]
    /// #     day: fn(day: u32) -> Bitmap,
    /// #     #[key("week:{week}", ttl = "1h")]
    /// #     week: fn(week: u32) -> Bitmap,
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// ActiveKeys::day(1).set_bit(7, true).await?;
    /// ActiveKeys::day(2).set_bit(8, true).await?;
    /// let days = (1..=7).map(ActiveKeys::day);
    /// assert_eq!(Key::bit_or(days).store(&ActiveKeys::week(1)).await?, 2);
    /// assert_eq!(ActiveKeys::week(1).bit_count(..).await?, 2);
    /// # Ok(()) }).await }
    /// ```
    #[doc = storing!()]
    #[doc(alias = "BITOP")]
    pub fn store(self, to: &Key<S, Bitmap>) -> Command<u64> {
        let store = Store {
            command: "BITOP",
            before: self.operation,
            counts: KeyCount::Implied,
            args: Ok(Args::default()),
            replaces: true,
            decode: read::count,
        };
        store.into_key(self.sources, to)
    }
}

impl<S> fmt::Debug for BitOp<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BitOp").field("operation", &self.operation).finish_non_exhaustive()
    }
}

/// Combinations of bitmaps; see [`Bitmap`].
impl<S: Keyspace> Key<S, Bitmap> {
    /// Combines bitmaps: a bit of the result is 1 if it is 1 in all of them. A shorter bitmap
    /// counts as filled with zeros.
    ///
    /// [`store`](BitOp::store) runs the command; see there for its errors.
    ///
    /// ```
    /// # use redis_keyspace::{Bitmap, Key, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "active", ttl = "90d")]
    /// # struct ActiveKeys { day: fn(day: u32) -> Bitmap }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// ActiveKeys::day(1).set_bit(7, true).await?;
    /// ActiveKeys::day(2).set_bit(7, true).await?;
    /// Key::bit_and([1, 2].map(ActiveKeys::day)).store(&ActiveKeys::day(100)).await?;
    /// assert!(ActiveKeys::day(100).get_bit(7).await?);
    /// # Ok(()) }).await }
    /// ```
    #[doc(alias = "BITOP")]
    pub fn bit_and(keys: impl IntoIterator<Item = Self>) -> BitOp<S> {
        BitOp::new(&["AND"], keys)
    }

    /// Combines bitmaps: a bit of the result is 1 if it is 1 in any of them.
    ///
    /// [`store`](BitOp::store) runs the command; see there for an example and its errors.
    #[doc(alias = "BITOP")]
    pub fn bit_or(keys: impl IntoIterator<Item = Self>) -> BitOp<S> {
        BitOp::new(&["OR"], keys)
    }

    /// Combines bitmaps: a bit of the result is 1 if it is 1 in an odd number of them. For two
    /// bitmaps, these are the bits in which they differ.
    ///
    /// [`store`](BitOp::store) runs the command; see there for an example and its errors.
    #[doc(alias = "BITOP")]
    pub fn bit_xor(keys: impl IntoIterator<Item = Self>) -> BitOp<S> {
        BitOp::new(&["XOR"], keys)
    }

    /// Inverts the bitmap: a bit of the result is 1 if it is 0 in this one, up to the end of its
    /// last byte.
    ///
    /// [`store`](BitOp::store) runs the command; see there for its errors.
    ///
    /// ```
    /// # use redis_keyspace::{Bitmap, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "active", ttl = "90d")]
    /// # struct ActiveKeys { day: fn(day: u32) -> Bitmap }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// ActiveKeys::day(1).set_bit(7, true).await?;
    /// ActiveKeys::day(1).bit_not().store(&ActiveKeys::day(100)).await?;
    /// assert_eq!(ActiveKeys::day(100).bit_count(..).await?, 7);
    /// # Ok(()) }).await }
    /// ```
    #[doc(alias = "BITOP")]
    pub fn bit_not(&self) -> BitOp<S> {
        BitOp::new(&["NOT"], [self.clone()])
    }
}
