//! Keys on a handle.

use super::redis::Redis;
use crate::schema::Key;

impl<S, V> Key<S, V> {
    /// Returns the key on this handle: its commands run there, overriding the installed or scoped one. The handle is not part
    /// of the key's identity.
    pub fn on(self, redis: &Redis) -> Self {
        self.pin(redis.as_pinned())
    }

    /// The handle that was set.
    pub(crate) fn redis(&self) -> Option<Redis> {
        self.pinned().and_then(Redis::from_pinned)
    }
}
