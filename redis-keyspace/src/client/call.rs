//! Options of every operation: its server and its deadline.

use std::sync::Arc;
use std::time::Duration;

use super::binding::Binding;
use super::choose::Target;
use crate::error::Result;
use crate::schema::{Key, Keyspace};

/// The server of an operation, and the timeout of each of its commands.
#[derive(Clone, Default)]
pub(crate) struct CallOptions {
    pub(crate) target: Target,
    pub(crate) timeout: Option<Duration>,
}

impl CallOptions {
    /// Creates the options of an operation on a key, with the handle that was set on the key, if
    /// any.
    pub(crate) fn of_key<S, V>(key: &Key<S, V>) -> Self {
        Self { target: key.redis().into(), timeout: None }
    }

    /// Resolves the binding of a keyspace.
    pub(crate) fn resolve<S: Keyspace>(&self) -> Result<Arc<Binding>> {
        self.target.resolve(Some(S::META))
    }
}

/// Defines `on` and `timeout` of a builder. `$place` is the field that holds its [`CallOptions`].
/// The docs of `timeout` say what it covers.
macro_rules! call_options {
    ($this:ident => $place:expr; $(#[$timeout_docs:meta])+) => {
        /// Sets the handle to run on, overriding the installed or scoped one.
        pub fn on(mut $this, redis: &$crate::Redis) -> Self {
            $place.target = $crate::client::Target::Handle(redis.clone());
            $this
        }

        $(#[$timeout_docs])+
        pub fn timeout(mut $this, timeout: std::time::Duration) -> Self {
            $place.timeout = Some(timeout);
            $this
        }
    };
}
pub(crate) use call_options;
