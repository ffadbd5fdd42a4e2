//! The operations that add elements to lists.

use std::borrow::Borrow;
use std::time::Duration;

use super::base::{self, BuildOptions, KeyOptions};
use super::docs::writing;
use super::elements::EncodedElements;
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::error::{Error, Result};
use crate::kind::{List, SingleValue};
use crate::protocol::{Args, Keys, Packet, Replies, Request};
use crate::schema::{Key, Keyspace};

/// Operations that add elements to lists; see [`List`].
impl<S: Keyspace, T: SingleValue> Key<S, List<T>> {
    /// Adds an element at the left end. Returns the length of the list.
    ///
    /// [`trim_to`](Push::trim_to) limits the length of the list.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).lpush("older").await?;
    /// assert_eq!(FeedKeys::user(7).lpush("newer").await?, 2);
    /// assert_eq!(FeedKeys::user(7).lrange(..).await?, ["newer", "older"]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "LPUSH")]
    pub fn lpush(&self, element: &T::Borrowed) -> Push<S, T> {
        Push::new(self, "LPUSH", Pushed::One(base::one::<S, _, T>(self, element)))
    }

    /// Adds an element at the right end. Returns the length of the list.
    ///
    /// [`trim_to`](Push::trim_to) limits the length of the list.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush("first").await?;
    /// assert_eq!(FeedKeys::user(7).rpush("second").await?, 2);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "RPUSH")]
    pub fn rpush(&self, element: &T::Borrowed) -> Push<S, T> {
        Push::new(self, "RPUSH", Pushed::One(base::one::<S, _, T>(self, element)))
    }

    /// Adds elements at the left end, one after the other, so the last one is the first of the list
    /// then. Returns the length of the list; 0 if there are no elements, and nothing is sent then.
    ///
    /// Thousands of elements are sent as several commands in one transaction.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(FeedKeys::user(7).lpush_many([1, 2, 3]).await?, 3);
    /// assert_eq!(FeedKeys::user(7).lrange(..).await?, [3, 2, 1]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "LPUSH")]
    pub fn lpush_many<B: Borrow<T::Borrowed>>(&self, elements: impl IntoIterator<Item = B>) -> Push<S, T> {
        Push::new(self, "LPUSH", Pushed::Many(base::each::<S, _, T, B>(self, elements)))
    }

    /// Adds elements at the right end, in their order. Returns the length of the list; 0 if there
    /// are no elements, and nothing is sent then.
    ///
    /// Thousands of elements are sent as several commands in one transaction.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// FeedKeys::user(7).rpush_many([1, 2, 3]).await?;
    /// assert_eq!(FeedKeys::user(7).lrange(..).await?, [1, 2, 3]);
    /// # Ok(()) }).await }
    /// ```
    #[doc = writing!()]
    #[doc(alias = "RPUSH")]
    pub fn rpush_many<B: Borrow<T::Borrowed>>(&self, elements: impl IntoIterator<Item = B>) -> Push<S, T> {
        Push::new(self, "RPUSH", Pushed::Many(base::each::<S, _, T, B>(self, elements)))
    }
}

/// `LPUSH` or `RPUSH` with its options, created by [`Key::lpush`] and similar methods. Await it, or
/// pass it to [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct Push<S: Keyspace, T: SingleValue>(Deferred<KeyOptions<S, List<T>, PushOptions>, u64>);

struct PushOptions {
    command: &'static str,
    elements: Pushed,
    /// How many elements are kept.
    most: Option<u64>,
    only_if_present: bool,
}

/// The elements that are added.
enum Pushed {
    One(Result<Args>),
    Many(Result<EncodedElements>),
}

const LEFT: &str = "LPUSH";

impl<S: Keyspace, T: SingleValue> Push<S, T> {
    fn new(key: &Key<S, List<T>>, command: &'static str, elements: Pushed) -> Self {
        Self(Deferred::Building(KeyOptions::new(
            key,
            PushOptions { command, elements, most: None, only_if_present: false },
        )))
    }

    /// Only adds elements to a list that exists. Returns 0 if it does not exist.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<u64> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// assert_eq!(FeedKeys::user(7).lpush(&1).only_if_present().await?, 0);
    /// FeedKeys::user(7).rpush(&1).await?;
    /// assert_eq!(FeedKeys::user(7).rpush_many([2, 3]).only_if_present().await?, 3);
    /// # Ok(()) }).await }
    /// ```
    #[doc(alias = "LPUSHX")]
    #[doc(alias = "RPUSHX")]
    pub fn only_if_present(self) -> Self {
        Self(self.0.map(|options| options.with(|options| PushOptions { only_if_present: true, ..options })))
    }

    /// Keeps this many elements, and removes all others in the same atomic step: those at the other
    /// end of the list. The result is the length afterwards. 0 is an error.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, List, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "feed", ttl = "7d")]
    /// # struct FeedKeys { user: fn(id: u64) -> List<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// for entry in ["one", "two", "three"] {
    ///     FeedKeys::user(7).lpush(entry).trim_to(2).await?;
    /// }
    /// assert_eq!(FeedKeys::user(7).lrange(..).await?, ["three", "two"]);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// Without elements to add, nothing is sent, so nothing is removed either.
    #[doc(alias = "LTRIM")]
    pub fn trim_to(self, length: u64) -> Self {
        let most = Some(length);
        Self(self.0.map(|options| options.with(|options| PushOptions { most, ..options })))
    }

    /// Overrides the TTL of the template; see [`Command::ttl`].
    pub fn ttl(self, ttl: Duration) -> Self {
        Self(self.0.map(|options| options.with_ttl(ttl)))
    }
}

impl<S: Keyspace, T: SingleValue> BuildOptions<S, List<T>> for PushOptions {
    type Output = u64;

    fn build(self, key: &Key<S, List<T>>) -> Command<u64> {
        let Self { command, elements, most, only_if_present } = self;
        let is_left = command == LEFT;
        let command = match (is_left, only_if_present) {
            (true, true) => "LPUSHX",
            (false, true) => "RPUSHX",
            (_, false) => command,
        };
        let checked = match most {
            Some(0) => {
                Err(Error::invalid_input("a list of 0 elements would not exist: delete it with `del`"))
            }
            _ => Ok(()),
        };
        let push = match elements {
            Pushed::One(element) => {
                let element = checked.and(element);
                match only_if_present {
                    true => Command::change_of(key, command, element, base::size),
                    false => Command::write_of(key, command, element, base::size),
                }
            }
            Pushed::Many(elements) => {
                let elements = checked.and(elements);
                match only_if_present {
                    true => Command::change_many_of(key, command, elements, base::last),
                    false => Command::write_many_of(key, command, &[], elements, base::last),
                }
            }
        };
        let Some(most) = most else { return push };
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut trim = Packet::new("LTRIM", Keys::One(key.text()));
        let [first, last] = if is_left { [0, most - 1] } else { [-most, -1] };
        trim.args.push_int(first);
        trim.args.push_int(last);
        push.and_trim(trim, trimmed_length)
    }
}

command_builder!(Push<S, T> => u64, where S: Keyspace, T: SingleValue);

/// Decodes the length of a list after it was trimmed.
fn trimmed_length(request: &Request, replies: Replies) -> Result<u64> {
    let length = base::last(request, base::without_trim(replies)?)?;
    let trim =
        request.packets().last().map(|packet| packet.args.iter().filter_map(number).collect::<Vec<_>>());
    let most = match trim.as_deref() {
        Some([0, last]) => last.saturating_add(1),
        Some([first, _]) => first.saturating_neg(),
        _ => i64::MAX,
    };
    Ok(length.min(most.unsigned_abs()))
}

fn number(argument: &[u8]) -> Option<i64> {
    str::from_utf8(argument).ok()?.parse().ok()
}
