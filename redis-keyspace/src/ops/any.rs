//! What every key can do, whatever lives at it.

use std::time::{Duration, SystemTime};

use crate::command::{Command, Keys, Packet, Request, reply};
use crate::connect::lane::Replies;
use crate::connect::lane::resp::Reply;
use crate::error::{Error, Result};
use crate::expiry::{Ttl, millis, unix_millis};
use crate::handle::same_server;
use crate::key::Key;
use crate::keyspace::Keyspace;
use crate::kind::Kind;

/// What every key can do. One round trip each.
impl<S: Keyspace, V: Kind> Key<S, V> {
    /// Deletes the key; gives whether there was one. `UNLINK`: the server frees large values in the background.
    pub fn del(&self) -> Command<bool> {
        Command::on_key(self, "UNLINK", |_| Ok(()), reply::boolean).ending_fills(V::IS_FILLED)
    }

    /// Whether there is such a key.
    pub fn exists(&self) -> Command<bool> {
        Command::on_key(self, "EXISTS", |_| Ok(()), reply::boolean).repeatable()
    }

    /// What is left of its lifetime, to the millisecond.
    pub fn ttl(&self) -> Command<Ttl> {
        Command::on_key(self, "PTTL", |_| Ok(()), remaining).repeatable()
    }

    /// Gives it a lifetime, counted from now; gives whether there is such a key. Zero deletes it. Fractions of a
    /// millisecond are rounded up. Ends loads of the key that are under way, and drops its stale copy.
    pub fn expire(&self, lifetime: Duration) -> Command<bool> {
        let fill = |args: &mut crate::command::Args| {
            args.push_int(millis(lifetime)?);
            Ok(())
        };
        let command = Command::on_key(self, "PEXPIRE", fill, reply::boolean).ending_fills(V::IS_FILLED);
        // Zero deletes: a second run would answer that there was no key.
        if lifetime.is_zero() { command } else { command.repeatable() }
    }

    /// Sets the moment at which it expires; gives whether there is such a key. A moment in the past deletes it.
    pub fn expire_at(&self, time: SystemTime) -> Command<bool> {
        let fill = |args: &mut crate::command::Args| {
            args.push_int(unix_millis(time)?);
            Ok(())
        };
        // Not repeatable: once the moment has passed, a second run would answer that there was no key.
        Command::on_key(self, "PEXPIREAT", fill, reply::boolean).ending_fills(V::IS_FILLED)
    }

    /// Takes its lifetime away, so that it stays until it is deleted; gives whether it had one.
    pub fn persist(&self) -> Command<bool> {
        Command::on_key(self, "PERSIST", |_| Ok(()), reply::boolean)
    }

    /// Moves what lives here to another key of the same template, with its remaining lifetime, replacing what is there;
    /// gives whether there was anything to move.
    ///
    /// Awaiting fails with [`InvalidInput`](crate::ErrorKind::InvalidInput) when `to` is of another template: the
    /// templates may declare different lifetimes.
    pub fn rename(&self, to: &Self) -> Command<bool> {
        self.rename_by("RENAME", to, renamed)
    }

    /// Like [`rename`](Self::rename), but only if there is nothing at `to`; gives whether it moved.
    pub fn rename_if_absent(&self, to: &Self) -> Command<bool> {
        self.rename_by("RENAMENX", to, renamed)
    }

    fn rename_by(&self, command: &'static str, to: &Self, decode: reply::Decode<bool>) -> Command<bool> {
        let request = if std::ptr::eq(self.template(), to.template()) {
            Ok(Request::One(Packet::new(command, Keys::Many(vec![self.text(), to.text()]))))
        } else {
            Err(Error::invalid_input(format!(
                "{:?} is of the template `{}` and {:?} of `{}`; a key is renamed within its template",
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
        Command::new::<S>(command, Some(self.template()), request, decode)
            .with_redis(redis)
            .ending_fills(V::IS_FILLED)
    }
}

/// `PTTL`: -2 for no key, -1 for no lifetime.
fn remaining(_: &Request, replies: Replies) -> Result<Ttl> {
    match reply::to_int(reply::one(replies)?)? {
        -2 => Ok(Ttl::Missing),
        -1 => Ok(Ttl::Forever),
        left => u64::try_from(left)
            .map(|left| Ttl::Left(Duration::from_millis(left)))
            .map_err(|_| Error::protocol("the server gave a lifetime that is negative")),
    }
}

/// Redis treats the lack of a key to rename as an error; here it is an answer.
fn renamed(_: &Request, replies: Replies) -> Result<bool> {
    match reply::one(replies) {
        Ok(Reply::Ok) => Ok(true),
        Ok(reply) => reply::to_bool(reply),
        Err(error) if error.code() == Some("ERR") && error.to_string().contains("no such key") => Ok(false),
        Err(error) => Err(error),
    }
}
