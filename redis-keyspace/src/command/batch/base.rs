//! A batch or transaction that has not run yet.

use std::fmt;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::time::Instant;

use super::commands::{Commands, RequestsOfParts};
use super::part::{BatchRequests, PartOutcomes};
use super::send::send;
use super::transact::transact;
use super::types::name_types;
use crate::client::{Binding, Observed, Redis};
use crate::error::Result;

impl Redis {
    /// Runs several commands in one round trip and returns their results with exact types. The
    /// commands are a tuple of up to 16 items, or a `Vec` or array of items of one type. An item is
    /// a command, or again a tuple, a `Vec` or an array; see [`Commands`].
    ///
    /// The commands run in order but not atomically: other clients' commands may run in between,
    /// and each command succeeds or fails separately. Commands of keyspaces on different databases
    /// or servers are sent concurrently, each on its own connection.
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Json, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", ttl = 3600)]
    /// # struct CartKeys { user: fn(id: u64) -> Json<Vec<String>>, views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// let (cart, views): (Option<Vec<String>>, i64) =
    ///     redis.batch((CartKeys::user(7).get(), CartKeys::views(7).incr())).await?;
    ///
    /// // Each result separately:
    /// let (cart, views) = redis.batch((CartKeys::user(7).get(), CartKeys::views(7).incr())).each().await?;
    /// assert_eq!((cart?, views?), (None, 2));
    ///
    /// // Any number of commands, next to others:
    /// let carts: Vec<_> = (1..=3).map(|id| CartKeys::user(id).get()).collect();
    /// let (carts, views) = redis.batch((carts, CartKeys::views(7).get())).await?;
    /// assert_eq!((carts.len(), views), (3, 2));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If a command fails, returns its error with the number of failed commands; the other commands
    /// still run. If several fail, the error is that of the first. [`each`](Batch::each) returns
    /// every result instead. On a [cluster](crate::guide::cluster), a command of the batch whose
    /// own keys must be in one [slot](crate::Key::slot), such as `rename`, fails with
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if they are not.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, any of the commands may
    /// still run.
    ///
    /// # Round trips
    ///
    /// One for each database and server, and for each node of a cluster, all at the same time. If
    /// keys have other types than the commands need, another one finds out which.
    pub fn batch<C: Commands>(&self, commands: C) -> Batch<C::Finished> {
        Batch::new(self, commands, false)
    }

    /// Runs several commands as one `MULTI` / `EXEC`, in one round trip. No other command runs in
    /// between. As in Redis, a command that fails does not undo the others.
    ///
    /// All keyspaces must be on the same server and database.
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Json, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", ttl = 3600)]
    /// # struct CartKeys { user: fn(id: u64) -> Json<Vec<String>>, views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// let (_, views) =
    ///     redis.transaction((CartKeys::user(7).set(&vec![]), CartKeys::views(7).incr())).await?;
    /// assert_eq!(views, 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`batch`](Self::batch); and [`InvalidInput`](crate::ErrorKind::InvalidInput), with
    /// nothing sent, if the commands use different databases or servers. If one command can't be
    /// sent, none is.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, the transaction may
    /// still run, as a whole.
    ///
    /// # Round trips
    ///
    /// One. A second one if a key has another type than its command needs, to find out which.
    pub fn transaction<C: Commands>(&self, commands: C) -> Batch<C::Finished> {
        Batch::new(self, commands, true)
    }
}

/// Several commands that run in one round trip. Await it. Created by [`Redis::batch`] and
/// [`Redis::transaction`].
#[must_use = "the commands do nothing unless the batch is awaited"]
pub struct Batch<C> {
    redis: Redis,
    /// Boxed, because commands are large, and the future of a batch would be as large as all.
    commands: Box<C>,
    requests: BatchRequests,
    timeout: Option<Duration>,
    atomic: bool,
}

impl<C> Batch<C> {
    fn new(redis: &Redis, commands: impl Commands<Finished = C>, atomic: bool) -> Self {
        let mut requests = BatchRequests::with_room(commands.count());
        let commands = Box::new(commands.finished(&mut requests));
        Self { redis: redis.clone(), commands, requests, timeout: None, atomic }
    }
}

impl<C: Commands<Finished = C>> Batch<C> {
    /// Sets the deadline of the batch. It covers waiting for a connection, connecting and all
    /// replies. If commands have their own deadlines, the shortest applies to all.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Returns the result of every command, so that one failure does not hide the others.
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Json, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "cart", ttl = 3600)]
    /// # struct CartKeys { user: fn(id: u64) -> Json<Vec<String>>, views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # let redis = Redis::embedded();
    /// CartKeys::user(7).set(&vec!["lamp".to_owned()]).on(&redis).await?;
    /// let (cart, views) = redis.batch((CartKeys::user(7).get(), CartKeys::views(7).get())).each().await?;
    /// assert_eq!((cart?.map(|cart| cart.len()), views?), (Some(1), 0));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// A batch never fails as a whole. A transaction does if it can't be sent, for example because
    /// its commands use different servers.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before its first poll sends nothing. After that, any of the commands may
    /// still run.
    ///
    /// # Round trips
    ///
    /// As for [`Redis::batch`] and [`Redis::transaction`].
    pub async fn each(self) -> Result<C::Results> {
        let Self { redis, commands, mut requests, timeout, atomic } = self;
        let mut parts = Vec::with_capacity(requests.0.len());
        C::parts(&commands, &mut RequestsOfParts::new(&mut requests), &mut parts);
        let timeout = parts.iter().filter_map(|part| part.call.timeout).chain(timeout).min();
        let name = if atomic { "MULTI" } else { "PIPELINE" };
        let started = Instant::now();
        let observed = Observed::batch(name, parts.len());
        let subject = parts.first().map(|part| *part.subject);
        // Boxed, because the compiler limits how deeply the futures of callers nest.
        let mut outcomes = if atomic {
            let run: BoxFuture<'_, _> = Box::pin(transact(&redis, &parts, &mut requests, timeout, &observed));
            let outcomes = run.await;
            if let Err(error) = &outcomes {
                for part in &parts {
                    observed.outcome(part.subject, Some(error));
                }
                observed.batch_ended(name, subject.as_ref());
            }
            outcomes?
        } else {
            let run: BoxFuture<'_, _> = Box::pin(send(&redis, &parts, &mut requests, timeout, &observed));
            run.await
        };
        let deadline = |binding: &Binding| binding.deadline(timeout).if_started(started);
        name_types(&redis, &parts, &requests, deadline, &mut outcomes).await;
        observed.batch_ended(name, subject.as_ref());
        Ok(C::join(&commands, &mut PartOutcomes::new(outcomes, &requests, &redis, &observed)))
    }
}

impl<C> IntoFuture for Batch<C>
where
    C: Commands<Finished = C> + Send + 'static,
    C::Output: 'static,
    C::Results: Send,
{
    type Output = Result<C::Output>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { C::all(self.each().await?) })
    }
}

impl<C> fmt::Debug for Batch<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("redis", &self.redis)
            .field("atomic", &self.atomic)
            .finish_non_exhaustive()
    }
}
