//! Scopes: a handle for all commands of a future.

use super::redis::Redis;

tokio::task_local! {
    static SCOPE: Redis;
}

impl Redis {
    /// Makes this handle the default for all commands within `future`, overriding the installed
    /// handles. This way, concurrent tests can each use their own server.
    ///
    /// The scope does not apply to tasks that `future` spawns; wrap those in
    /// [`in_current_scope`](Self::in_current_scope). The returned future owns the handle, so it can
    /// itself be spawned: `tokio::spawn(redis.scope(async { .. }))`.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "motd", ttl = none)]
    /// # struct Motd { today: Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// Redis::embedded()
    ///     .scope(async {
    ///         Motd::today().set("hello").await?;
    ///         assert_eq!(Motd::today().get().await?.as_deref(), Some("hello"));
    ///         Ok(())
    ///     })
    ///     .await
    /// # }
    /// ```
    pub fn scope<F: RunsInScope>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        SCOPE.scope(self.clone(), future)
    }

    /// Runs a future in the scope of the caller, even if another task polls it. Use it to carry the
    /// scope into a spawned task. Outside of a scope, it has no effect.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "motd", ttl = none)]
    /// # struct Motd { today: Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// Redis::embedded()
    ///     .scope(async {
    ///         let task = tokio::spawn(Redis::in_current_scope(async { Motd::today().set("hello").await }));
    ///         task.await.unwrap()?;
    ///         assert_eq!(Motd::today().get().await?.as_deref(), Some("hello"));
    ///         Ok(())
    ///     })
    ///     .await
    /// # }
    /// ```
    pub fn in_current_scope<F: Future>(future: F) -> impl Future<Output = F::Output> + use<F> {
        in_scope_of_caller(future)
    }
}

/// The type of a future in a scope.
#[cfg(feature = "tower")]
pub(crate) type InScope<F> = tokio::task::futures::TaskLocalFuture<Redis, F>;

#[cfg(feature = "tower")]
impl Redis {
    /// Wraps a future in the scope of this handle.
    pub(crate) fn into_scope<F>(self, future: F) -> InScope<F>
    where
        F: Future,
    {
        SCOPE.scope(self, future)
    }

    /// Calls a function in the scope of this handle.
    pub(crate) fn sync_scope<R>(&self, work: impl FnOnce() -> R) -> R {
        SCOPE.sync_scope(self.clone(), work)
    }
}

/// Calls `use_scope` with the handle in scope. Returns `None` if no handle is in scope.
pub(super) fn with_scope<R>(use_scope: impl FnOnce(&Redis) -> R) -> Option<R> {
    SCOPE.try_with(use_scope).ok()
}

/// Wraps a future that another task will run in the scope of the caller.
pub(crate) fn in_scope_of_caller<F: Future>(future: F) -> impl Future<Output = F::Output> + use<F> {
    let scope = with_scope(Redis::clone);
    async move {
        match scope {
            Some(redis) => SCOPE.scope(redis, future).await,
            None => future.await,
        }
    }
}

/// A future that can run in a scope. Every future can.
#[diagnostic::on_unimplemented(
    message = "`redis.scope` takes a future",
    label = "write `redis.scope(async {{ .. }})`, without `||`"
)]
pub trait RunsInScope: Future {}

#[diagnostic::do_not_recommend]
impl<F: Future> RunsInScope for F {}
