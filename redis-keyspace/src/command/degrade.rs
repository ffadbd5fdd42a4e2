//! Reads that return a miss when Redis is unavailable.

use crate::client::{Subject, Target};
use crate::error::{Error, Result};
use crate::protocol::{Keys, Packet, Replies, Reply, Request};
use crate::schema::OnUnavailable;

impl Subject {
    /// Returns the replies that replace a failure, if the command returns a miss when Redis is
    /// unavailable.
    pub(super) fn degraded(&self, error: &Error, request: &Request, target: &Target) -> Option<Replies> {
        let declared = self.keyspace.map(|keyspace| keyspace.overrides.on_unavailable).unwrap_or_default();
        let misses_instead =
            self.reads && self.on_unavailable.unwrap_or(declared) == OnUnavailable::Miss && error.is_outage();
        if !misses_instead {
            return None;
        }
        // Without a binding, there are no counters to update.
        let _ = target.with_binding(self.keyspace, |binding| {
            binding.counters.note_degraded(error, self.template);
        });
        Some(misses(request))
    }

    /// Fails if a command that reads no values is set to return a miss.
    pub(super) fn check_degrading(&self) -> Result<()> {
        if self.on_unavailable == Some(OnUnavailable::Miss) && !self.reads {
            return Err(Error::invalid_input(format!(
                "{} can't return a miss: `on_unavailable` is for commands that read values",
                self.command
            )));
        }
        Ok(())
    }
}

/// Returns the replies to reads of keys that do not exist.
fn misses(request: &Request) -> Replies {
    let miss = |packet: &Packet| match &packet.keys {
        Keys::Many(keys) => Reply::Array(vec![Reply::Nil; keys.len()]),
        Keys::None | Keys::One(_) => Reply::Nil,
        // No read of a value uses these variants.
        Keys::CompanionOf(..)
        | Keys::CompanionsOf(..)
        | Keys::With(..)
        | Keys::Pairs(..)
        | Keys::Into(..) => Reply::Nil,
    };
    match request {
        Request::One(packet) => Replies::One(miss(packet)),
        // The reply that EXEC would return.
        Request::Atomic(packets) => Replies::Many(vec![Reply::Array(packets.iter().map(miss).collect())]),
        request => Replies::Many(request.packets().iter().map(miss).collect()),
    }
}
