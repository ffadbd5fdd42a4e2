//! The operations that take elements from lists.

use super::base;
use super::docs::taking;
use super::lists::ListEnd;
use super::pop::Pop;
use super::several;
use crate::command::base::Command;
use crate::error::Result;
use crate::kind::{List, SingleValue};
use crate::protocol::{Args, Replies, Request};
use crate::schema::{Key, Keyspace};

/// Operations that take elements from lists; see [`List`].
impl<S: Keyspace, T: SingleValue> Key<S, List<T>> {
    /// Removes the first element and returns it; `None` if the list does not exist.
    ///
    /// [`block`](Pop::block) waits for an element.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2]).await?;
    /// assert_eq!(FeedKeys::user(7).lpop().await?, Some(1));
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "LPOP")]
    #[doc(alias = "BLPOP")]
    pub fn lpop(&self) -> Pop<Option<T::Owned>> {
        let pop = Command::removal_of(self, "LPOP", |_| Ok(()), base::element::<T>);
        Pop::new(pop, "BLPOP", awaited::<T>)
    }

    /// Removes the last element and returns it; `None` if the list does not exist.
    ///
    /// [`block`](Pop::block) waits for an element.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2]).await?;
    /// assert_eq!(FeedKeys::user(7).rpop().await?, Some(2));
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "RPOP")]
    #[doc(alias = "BRPOP")]
    pub fn rpop(&self) -> Pop<Option<T::Owned>> {
        let pop = Command::removal_of(self, "RPOP", |_| Ok(()), base::element::<T>);
        Pop::new(pop, "BRPOP", awaited::<T>)
    }

    /// Removes up to `count` elements from the left end and returns them in their order.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2, 3]).await?;
    /// assert_eq!(FeedKeys::user(7).lpop_many(2).await?, [1, 2]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "LPOP")]
    pub fn lpop_many(&self, count: u32) -> Command<Vec<T::Owned>> {
        self.pop_many("LPOP", count)
    }

    /// Removes up to `count` elements from the right end and returns them, the last one first.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2, 3]).await?;
    /// assert_eq!(FeedKeys::user(7).rpop_many(2).await?, [3, 2]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = taking!()]
    #[doc(alias = "RPOP")]
    pub fn rpop_many(&self, count: u32) -> Command<Vec<T::Owned>> {
        self.pop_many("RPOP", count)
    }

    fn pop_many(&self, command: &'static str, count: u32) -> Command<Vec<T::Owned>> {
        let command = Command::removal_of(
            self,
            command,
            |args| {
                args.push_int(count);
                Ok(())
            },
            base::elements::<T>,
        );
        command.unless(count == 0)
    }

    /// Moves an element from one end of this list to an end of another one of the same keyspace,
    /// atomically. Returns the element; `None` if this list does not exist. Both lists may be the
    /// same, which rotates it.
    /// [`block`](Pop::block) waits for an element.
    ///
    /// To process a queue without losing elements, a worker moves each element to its own list, and
    /// removes it there after the work.
    ///
    /// If the element creates the other list, the list gets the TTL of its template in the same
    /// step. With [`block`](Pop::block), that is not possible, so the template must declare `ttl =
    /// none` then.
    ///
    /// ```
    /// # use redis_keyspace::command::ListEnd;
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "jobs", ttl = none)]
    /// struct JobKeys {
    ///     #[key("waiting:{queue}", hash_tag = queue)]
    ///     waiting: fn(queue: u64) -> List<u64>,
    ///     #[key("working:{queue}", hash_tag = queue)]
    ///     working: fn(queue: u64) -> List<u64>,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// JobKeys::waiting(1).rpush(&42).await?;
    /// let (from, to) = (JobKeys::waiting(1), JobKeys::working(1));
    /// assert_eq!(from.lmove(ListEnd::Left, &to, ListEnd::Right).await?, Some(42));
    /// // After the work:
    /// to.lrem(&42).await?;
    /// # Ok(()) }).await }
    /// ```
    ///
    /// On a cluster, both lists must be in one slot; otherwise the command fails with
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), and nothing is sent.
    #[doc = taking!()]
    #[doc(alias = "LMOVE")]
    #[doc(alias = "BLMOVE")]
    #[doc(alias = "RPOPLPUSH")]
    pub fn lmove(&self, from: ListEnd, to: &Self, into: ListEnd) -> Pop<Option<T::Owned>> {
        let mut args = Args::default();
        args.push(from.word());
        args.push(into.word());
        let moving = several::moving("LMOVE", self, to, Ok(args), base::element::<T>);
        Pop::new(moving, "BLMOVE", base::element::<T>)
    }
}

/// Decodes the reply of a command that waited: the key and the element, or nil.
fn awaited<T: SingleValue>(request: &Request, replies: Replies) -> Result<Option<T::Owned>> {
    base::list(base::answer(request, replies)?)?.pop().map(base::present::<T>).transpose()
}
