//! Keys on a handle.

use super::checks::WriteChecks;
use super::redis::Redis;
use crate::schema::{Key, Keyspace};

impl<S, V> Key<S, V> {
    /// Returns the key on this handle: its commands run there, overriding the installed or scoped one. The handle is not part
    /// of the key's identity.
    pub fn on(self, redis: &Redis) -> Self {
        self.pin(redis.as_pinned())
    }

    /// The checks of a value for a command on this key. The value is encoded before it is known where the command runs: a
    /// later `.on(..)` may choose another handle. So the limit is that of the handle of the key, or, if the key has
    /// none, the greatest of all handles; and the value is verified if any handle verifies, for the command to know.
    pub(crate) fn checks(&self) -> WriteChecks
    where
        S: Keyspace,
    {
        let loosest = WriteChecks::loosest();
        self.redis().map_or(loosest, |redis| {
            let checks = redis.checks(S::META);
            WriteChecks { verifies: checks.verifies || loosest.verifies, ..checks }
        })
    }

    /// The handle that was set.
    pub(crate) fn redis(&self) -> Option<Redis> {
        self.pinned().and_then(Redis::from_pinned)
    }
}
