//! Chooses the server of a command: the handle that was set on it, else the innermost scope, else
//! the installed handle.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;

use super::binding::Binding;
use super::redis::Redis;
use super::scope::with_scope;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{Keyspace, KeyspaceMeta};

/// The installed handles.
#[derive(Default, Clone)]
struct Installed {
    default: Option<Redis>,
    named: HashMap<String, Redis>,
}

static INSTALLED: LazyLock<ArcSwap<Installed>> = LazyLock::new(ArcSwap::default);

impl Redis {
    /// Makes this handle the default for all commands of the process. A later call replaces it.
    ///
    /// Returns the handle, so that it can be kept: `let redis = Redis::from_env()?.install();`.
    #[allow(clippy::must_use_candidate, reason = "the effect is the point")]
    pub fn install(self) -> Self {
        change_installed(|installed| installed.default = Some(self.clone()));
        self
    }

    /// Makes this handle the default for the keyspaces that declare `server = "name"`.
    #[allow(clippy::must_use_candidate, reason = "the effect is the point")]
    pub fn install_as(self, name: &str) -> Self {
        change_installed(|installed| {
            installed.named.insert(name.to_owned(), self.clone());
        });
        self
    }

    /// Removes all installed handles, including named ones. A handle stays usable while clones of
    /// it exist.
    pub fn clear_installed() {
        change_installed(|installed| *installed = Installed::default());
    }

    /// Returns the handle that commands without `.on(..)` use here: the one of the innermost
    /// [`scope`](Self::scope), else the [installed](Self::install) one. For a keyspace that
    /// declares `server = "name"`, see [`current_for`](Self::current_for).
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// Redis::embedded()
    ///     .scope(async {
    ///         let redis = Redis::current()?;
    ///         redis.ping().await?;
    ///         Ok(())
    ///     })
    ///     .await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ServerNotConfigured`](ErrorKind::ServerNotConfigured) if no handle is in scope or
    /// installed.
    pub fn current() -> Result<Self> {
        with_chosen(None, Self::clone)
    }

    /// Returns the handle that commands of this keyspace use here; see [`current`](Self::current).
    ///
    /// # Errors
    ///
    /// [`ServerNotConfigured`](ErrorKind::ServerNotConfigured) if no handle is in scope, and no
    /// handle is installed under the name that the keyspace declares.
    pub fn current_for<S: Keyspace>() -> Result<Self> {
        with_chosen(Some(S::META), Self::clone)
    }
}

/// The place where a command runs.
#[derive(Clone, Default)]
pub(crate) enum Target {
    /// On the handle in scope, or the installed one.
    #[default]
    Chosen,
    /// On the handle that was set on the command or its key.
    Handle(Redis),
    /// On a binding that was already resolved by the operation that the command belongs to.
    Bound(Arc<Binding>),
}

impl From<Option<Redis>> for Target {
    fn from(redis: Option<Redis>) -> Self {
        redis.map_or(Self::Chosen, Self::Handle)
    }
}

impl Target {
    /// Returns this target, or `other` if this target leaves the choice open.
    pub(crate) fn or(self, other: Self) -> Self {
        if matches!(self, Self::Chosen) { other } else { self }
    }

    /// Resolves the binding of a keyspace.
    pub(crate) fn resolve(&self, keyspace: Option<&'static KeyspaceMeta>) -> Result<Arc<Binding>> {
        self.with_binding(keyspace, Arc::clone)
    }

    /// Calls `use_binding` with the binding of a keyspace. On the hot path, does not clone the
    /// binding.
    #[inline]
    pub(crate) fn with_binding<R>(
        &self,
        keyspace: Option<&'static KeyspaceMeta>,
        use_binding: impl FnOnce(&Arc<Binding>) -> R,
    ) -> Result<R> {
        match self {
            Self::Bound(binding) => Ok(use_binding(binding)),
            Self::Handle(redis) => redis.with_binding(keyspace, use_binding),
            Self::Chosen => with_chosen(keyspace, |redis| redis.with_binding(keyspace, use_binding))?,
        }
    }
}

fn with_chosen<R>(keyspace: Option<&'static KeyspaceMeta>, work: impl FnOnce(&Redis) -> R) -> Result<R> {
    // The closure runs at most once, which the borrow checker can't see through `try_with`.
    let mut work = Some(work);
    if let Some(Some(result)) = with_scope(|redis| work.take().map(|work| work(redis))) {
        return Ok(result);
    }
    let Some(work) = work else { return Err(no_server(keyspace)) };
    let installed = INSTALLED.load();
    let redis = match keyspace.and_then(KeyspaceMeta::server) {
        None => installed.default.as_ref(),
        Some(name) => installed.named.get(name),
    };
    redis.map(work).ok_or_else(|| no_server(keyspace))
}

/// Returns the handle of the keys of one command. Fails if the keys are on different servers.
pub(crate) fn same_server(handles: impl IntoIterator<Item = Option<Redis>>) -> Result<Option<Redis>> {
    let mut handles = handles.into_iter();
    let first = handles.next().flatten();
    let all_same = handles.all(|other| match (&first, &other) {
        (None, None) => true,
        (Some(first), Some(other)) => first.is_same(other),
        _ => false,
    });
    if all_same {
        Ok(first)
    } else {
        Err(Error::invalid_input(
            "the keys of one command are on different servers; set the server once, on the command",
        ))
    }
}

fn change_installed(change: impl Fn(&mut Installed)) {
    INSTALLED.rcu(|installed| {
        let mut installed = Installed::clone(installed);
        change(&mut installed);
        installed
    });
}

fn no_server(keyspace: Option<&'static KeyspaceMeta>) -> Error {
    let message = match keyspace.and_then(|meta| Some((meta.name(), meta.server()?))) {
        Some((keyspace, server)) => format!(
            "{keyspace} requires a server named {server:?}, but none is installed: call \
             Redis::..install_as({server:?}) at the start of the program, run within redis.scope(..), \
             or add .on(&redis) to the command"
        ),
        None => "no server is installed: call Redis::..install() at the start of the program, run within \
                 redis.scope(..), or add .on(&redis) to the command"
            .to_owned(),
    };
    Error::new(ErrorKind::ServerNotConfigured, message)
}
