//! Groups: many keys that are invalidated in one step. Their names contain a generation, and
//! invalidation replaces it.

mod script;

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::FutureExt;

#[cfg(feature = "embedded")]
pub(crate) use script::GROUP_SCRIPT;

use crate::client::{CallOptions, Observed, Subject, Target, call_options, run};
use crate::error::{Error, Result};
use crate::key::generation_text;
use crate::kind::{Group, Kind};
use crate::protocol::{Keys, Packet, Request, read};
use crate::random;
use crate::schema::{Key, Keyspace};
use crate::time::Expiry;

const MILLISECOND: Duration = Duration::from_millis(1);

/// Groups: keys that are invalidated together, in one step for any number of keys.
///
/// The key of a group holds a random *generation*, and the name of each member ends with it. To
/// invalidate the group is to replace the generation. After that, no caller finds the values under
/// the old names, and they expire by their own TTL. No list of members is kept, so nothing has to
/// be cleaned up.
///
/// A fill or an update that started under an old generation stores its value under the old name, so
/// an invalidated value never comes back. A generation that was lost or has expired is never
/// created again.
///
/// [`del`](Key::del) on a group also invalidates it. But callers in this process that use
/// [`cached_for`](GroupMember::cached_for) notice it only when their cached generation expires;
/// after [`invalidate`](Key::invalidate), they notice it at once.
impl<S: Keyspace> Key<S, Group> {
    /// Returns `key` as a member of this group: the same key, with the group's generation in its
    /// name. Use the returned key for any number of operations. The original key is a different key
    /// with a different value.
    ///
    /// The call also renews the group's TTL. A member of one group can become a member of another
    /// one; either group invalidates it.
    ///
    /// Patterns of the template do not match members: `cart_keys().all().delete()` neither finds
    /// nor deletes them. On a cluster, a member shares the slot of its key only if the key has a
    /// hash tag. [`arguments`](Key::arguments) returns the arguments of the key.
    ///
    /// ```
    /// # use redis_keyspace::{Group, Json, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "shop", ttl = "1h")]
    /// # struct ShopKeys { orders: fn(user: u64, page: u32) -> Json<Vec<String>> }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "group", ttl = "30d")]
    /// # struct Groups { user: fn(id: u64) -> Group }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// for page in 0..10 {
    ///     let key = Groups::user(7).member(&ShopKeys::orders(7, page)).await?;
    ///     key.set(&vec![format!("page {page}")]).await?;
    /// }
    /// Groups::user(7).invalidate().await?; // all pages at once
    /// let key = Groups::user(7).member(&ShopKeys::orders(7, 3)).await?;
    /// assert_eq!(key.get().await?, None);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the template of the member has
    /// `ttl = none`: invalidated values would stay forever. [`Decode`](crate::ErrorKind::Decode) if
    /// another program wrote the group's key. Otherwise those of any command; see
    /// [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, the group's TTL may or may not be renewed.
    ///
    /// # Round trips
    ///
    /// One. None if the process has a cached generation; see
    /// [`cached_for`](GroupMember::cached_for).
    pub fn member<M: Keyspace, V: Kind>(&self, key: &Key<M, V>) -> GroupMember<S, M, V> {
        let () = V::STORED;
        GroupMember {
            group: self.clone(),
            key: key.clone(),
            cached_for: None,
            options: CallOptions::of_key(self),
        }
    }

    /// Invalidates all members, by replacing the group's generation.
    ///
    /// Once the server has run the command, every member is read without a value. Callers that use
    /// [`cached_for`](GroupMember::cached_for) keep the old generation until it expires, except
    /// callers in this process with a handle of the same configuration on the same runtime.
    ///
    /// ```
    /// # use redis_keyspace::{Group, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "shop", ttl = "1h")]
    /// # struct ShopKeys { order: fn(id: u64) -> Text }
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "group", ttl = "30d")]
    /// # struct Groups { user: fn(id: u64) -> Group }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let order = Groups::user(7).member(&ShopKeys::order(1)).await?;
    /// order.set("a lamp").await?;
    /// Groups::user(7).invalidate().await?;
    /// let order = Groups::user(7).member(&ShopKeys::order(1)).await?;
    /// assert_eq!(order.get().await?, None);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command; see [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the members may still
    /// be invalidated.
    ///
    /// # Round trips
    ///
    /// One.
    pub fn invalidate(&self) -> InvalidateGroup<S> {
        InvalidateGroup { group: self.clone(), options: CallOptions::of_key(self) }
    }
}

/// A lookup of a key as a member of a group, with its options. Await it. See
/// [`Key::member`](Key::member).
#[must_use = "nothing is read unless it is awaited"]
pub struct GroupMember<S, M, V> {
    group: Key<S, Group>,
    key: Key<M, V>,
    cached_for: Option<Duration>,
    options: CallOptions,
}

impl<S: Keyspace, M: Keyspace, V: Kind> GroupMember<S, M, V> {
    /// Uses a generation that this process read at most this long ago, without a round trip. For
    /// that long, the caller may read and write values that another process has invalidated. At
    /// most the TTL of the group.
    ///
    /// A process caches about 2 MiB of generations: some ten thousand groups.
    pub fn cached_for(mut self, duration: Duration) -> Self {
        self.cached_for = Some(duration);
        self
    }

    call_options! { self => self.options;
        /// Sets the timeout for reading the generation: waiting for a connection, connecting and
        /// the reply.
    }

    async fn run(self) -> Result<Key<M, V>> {
        let subject = Subject::new(Some(S::META), Some(self.group.template()), "EVALSHA");
        let observed = Observed::command(&subject);
        let outcome = self.generation(&observed).await;
        observed.outcome(&subject, outcome.as_ref().err());
        let generation = outcome.map_err(|error| self.group.explain("EVALSHA", error))?;
        Ok(self.key.in_generation(generation))
    }

    async fn generation(&self, observed: &Observed) -> Result<u64> {
        let template = self.key.template();
        if template.lifetime().duration().is_none()
            && Target::from(self.key.redis()).resolve(Some(M::META))?.lifetime(template).duration().is_none()
        {
            return Err(Error::invalid_input(format!(
                "the template `{}` has `ttl = none`, so its invalidated values would never expire; \
                 members of a group need a TTL",
                template.template(),
            )));
        }
        self.key.check_name()?;
        let binding = self.options.resolve::<S>()?;
        observed.to(&binding);
        let generations = &binding.pool().local.reads.generations;
        let name = binding.wire_name(self.group.as_str());
        if binding.is_disabled {
            // The members may use a handle with a server. Their values must not be found after an
            // invalidation, or by another process.
            if let Some(generation) = generations.get(&name, Duration::MAX) {
                return Ok(generation);
            }
            let (start, generation) = (generations.start(&name), random::bits());
            generations.keep(&name, generation, &start, start.at());
            return Ok(generation);
        }
        let lifetime = binding.lifetime(self.group.template());
        // After a longer time, the group could have expired, and another caller could have created
        // a new generation. The server drops the fraction of a millisecond of its clock, so the key
        // may expire that much earlier.
        let lasts = lifetime.duration().map_or(Duration::MAX, |lasts| lasts.saturating_sub(MILLISECOND));
        let cached_for = self.cached_for.map(|wanted| wanted.min(lasts));
        if let Some(generation) = cached_for.and_then(|duration| generations.get(&name, duration)) {
            return Ok(generation);
        }
        let start = generations.start(&name);
        let deadline = binding.deadline(self.options.timeout);
        let call = script::call(self.group.text(), lifetime)?;
        // Repeatable: a second run finds the generation that the first run created.
        let answer = script::SCRIPT.run(&binding, call, deadline, true).await?;
        let generation = script::generation(answer)?;
        if cached_for.is_some() {
            generations.keep(&name, generation, &start, start.at());
        }
        Ok(generation)
    }
}

impl<S: Keyspace, M: Keyspace, V: Kind> IntoFuture for GroupMember<S, M, V> {
    type Output = Result<Key<M, V>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.run().boxed()
    }
}

/// An invalidation of a group, with its options. Await it. See [`Key::invalidate`].
#[must_use = "nothing is invalidated unless it is awaited"]
pub struct InvalidateGroup<S> {
    group: Key<S, Group>,
    options: CallOptions,
}

impl<S: Keyspace> InvalidateGroup<S> {
    call_options! { self => self.options;
        /// Sets the timeout of the command: waiting for a connection, connecting and the reply.
    }

    async fn run(self) -> Result<()> {
        let subject = Subject::new(Some(S::META), Some(self.group.template()), "SET");
        let observed = Observed::command(&subject);
        let outcome = self.replace(&observed).await;
        observed.outcome(&subject, outcome.as_ref().err());
        outcome.map_err(|error| self.group.explain("SET", error))
    }

    async fn replace(&self, observed: &Observed) -> Result<()> {
        let binding = self.options.resolve::<S>()?;
        observed.to(&binding);
        let name = binding.wire_name(self.group.as_str());
        if binding.is_disabled {
            drop(binding.pool().local.reads.generations.forgetting(name));
            binding.pool().local.flights.end_all();
            binding.counters.note_dropped(Some(self.group.template()));
            return Ok(());
        }
        let mut packet = Packet::new("SET", Keys::One(self.group.text()));
        packet.args.push(generation_text(random::bits()).as_bytes());
        Expiry::from(binding.lifetime(self.group.template())).push_for_set(&mut packet.args)?;
        let _forgetting = binding.pool().local.reads.generations.forgetting(name);
        let deadline = binding.deadline(self.options.timeout);
        // Repeatable: a second run invalidates only values that were stored moments ago.
        let replies = run(binding.clone(), Request::One(packet), deadline, true, None).await?;
        read::one(replies).and_then(read::to_unit)
    }
}

impl<S: Keyspace> IntoFuture for InvalidateGroup<S> {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.run().boxed()
    }
}

impl<S, M, V> fmt::Debug for GroupMember<S, M, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupMember")
            .field("group", &self.group)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for InvalidateGroup<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidateGroup").field("group", &self.group).finish_non_exhaustive()
    }
}
