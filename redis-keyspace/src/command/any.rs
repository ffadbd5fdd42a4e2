//! The operations of every key.

use std::time::{Duration, SystemTime};

use super::base::Command;
use super::ttl::Ttl;
use crate::client::same_server;
use crate::error::{Error, Result};
use crate::kind::{Kind, Readable};
use crate::protocol::{Args, Decode, Keys, Packet, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};
use crate::time::{millis, unix_millis};

/// Operations of every key. One round trip each.
impl<S: Keyspace, V: Kind> Key<S, V> {
    /// Deletes the key; returns whether it existed. `UNLINK`: the server frees large values in the background.
    pub fn del(&self) -> Command<bool> {
        Command::on_key(self, "UNLINK", |_| Ok(()), read::boolean).ending_fills(V::IS_FILLED)
    }

    /// Returns whether the key exists.
    pub fn exists(&self) -> Command<bool> {
        Command::on_key(self, "EXISTS", |_| Ok(()), read::boolean).repeatable()
    }

    /// Returns the remaining TTL, with a resolution of milliseconds.
    pub fn ttl(&self) -> Command<Ttl> {
        Command::on_key(self, "PTTL", |_| Ok(()), remaining).repeatable()
    }

    /// Sets the TTL, from now on; returns whether the key exists. Zero deletes the key. Fractions of a millisecond are rounded
    /// up. Ends loads of the key in flight, and deletes its stale copy.
    pub fn expire(&self, lifetime: Duration) -> Command<bool> {
        let fill = |args: &mut Args| {
            args.push_int(millis(lifetime)?);
            Ok(())
        };
        let command = Command::on_key(self, "PEXPIRE", fill, read::boolean).ending_fills(V::IS_FILLED);
        // Zero deletes: a second run would return that the key does not exist.
        if lifetime.is_zero() { command } else { command.repeatable() }
    }

    /// Sets the time at which the key expires; returns whether the key exists. A time in the past deletes it.
    pub fn expire_at(&self, time: SystemTime) -> Command<bool> {
        let fill = |args: &mut Args| {
            args.push_int(unix_millis(time)?);
            Ok(())
        };
        // Not repeatable: after that time, a second run would return that the key does not exist.
        Command::on_key(self, "PEXPIREAT", fill, read::boolean).ending_fills(V::IS_FILLED)
    }

    /// Removes the TTL, so that the key never expires; returns whether it had one.
    pub fn persist(&self) -> Command<bool> {
        Command::on_key(self, "PERSIST", |_| Ok(()), read::boolean)
    }
}

/// Renaming keys that hold values. A lock, a rate limit or the result of work belongs to its name: under another one, a second
/// holder would get in.
impl<S: Keyspace, V: Readable> Key<S, V> {
    /// Renames the key to another one of the same template, with its remaining TTL, replacing that key; returns whether this
    /// key existed.
    ///
    /// A key of another template is an [`InvalidInput`](crate::ErrorKind::InvalidInput) error: the templates may declare
    /// different lifetimes.
    pub fn rename(&self, to: &Self) -> Command<bool> {
        self.rename_by("RENAME", to, renamed).ending_fills(V::IS_FILLED)
    }

    /// Like [`rename`](Self::rename), but only if `to` does not exist; returns whether it was renamed.
    pub fn rename_if_absent(&self, to: &Self) -> Command<bool> {
        self.rename_by("RENAMENX", to, renamed).ending_fills_if_it_writes(V::IS_FILLED)
    }

    fn rename_by(&self, command: &'static str, to: &Self, decode: Decode<bool>) -> Command<bool> {
        let request = if std::ptr::eq(self.template(), to.template()) {
            Ok(Request::One(Packet::new(command, Keys::Many(vec![self.text(), to.text()]))))
        } else {
            Err(Error::invalid_input(format!(
                "{:?} belongs to the template `{}` and {:?} to `{}`; a key can only be renamed within its template",
                self.as_str(),
                self.template().template(),
                to.as_str(),
                to.template().template(),
            )))
        };
        let server = same_server([self.redis(), to.redis().or_else(|| self.redis())]);
        let (request, redis) = match server {
            Ok(redis) => (request, redis),
            Err(error) => (Err(error), None),
        };
        Command::new::<S>(command, Some(self.template()), request, decode).on_target(redis.into())
    }
}

/// `PTTL`: -2 for a missing key, -1 for no TTL.
fn remaining(_: &Request, replies: Replies) -> Result<Ttl> {
    match read::to_int(read::one(replies)?)? {
        -2 => Ok(Ttl::NoKey),
        -1 => Ok(Ttl::NoExpiry),
        left => u64::try_from(left)
            .map(|left| Ttl::Remaining(Duration::from_millis(left)))
            .map_err(|_| Error::protocol("the server returned a negative TTL")),
    }
}

/// To Redis a missing key is an error; here it is a result.
fn renamed(_: &Request, replies: Replies) -> Result<bool> {
    match read::one(replies) {
        Ok(Reply::Ok) => Ok(true),
        Ok(reply) => read::to_bool(reply),
        Err(error) if error.code() == Some("ERR") && error.to_string().contains("no such key") => Ok(false),
        Err(error) => Err(error),
    }
}
