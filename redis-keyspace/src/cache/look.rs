//! The first step of a fill: reading the keys.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::fill::{Fill, FillEntry};
use super::kind::{FilledKind, read_packet};
use super::packed;
use crate::client::Target;
use crate::command::{Command, get_many_bytes};
use crate::error::{Error, Result};
use crate::protocol::{Keys, Packet, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace, OnUnavailable};
use crate::time::part_of;

/// The outcome of reading the keys.
pub(super) enum Looked<T> {
    /// One finding for each key.
    Read(Vec<Finding<T>>),
    /// Redis is unavailable or disabled, and the fill continues without it.
    Unavailable,
    /// Redis is unavailable, and these copies may be served.
    Copies(Vec<Arc<[u8]>>),
}

/// The finding at one key.
pub(super) enum Finding<T> {
    /// `due`: the value must be reloaded before it expires.
    Value {
        value: T,
        bytes: Bytes,
        due: bool,
    },
    Nothing,
    /// A value that can't be decoded, for example from an older version of the program. It counts
    /// as missing.
    Undecodable,
}

impl<S: Keyspace, V: FilledKind> Fill<S, V> {
    /// Reads all keys, in one round trip.
    pub(super) async fn look(&self) -> Result<Looked<V::Value>> {
        if self.options.refreshes && !self.binding.is_disabled {
            return Ok(Looked::Read(self.entries.iter().map(|_| Finding::Nothing).collect()));
        }
        if self.binding.is_disabled {
            return Ok(Looked::Unavailable);
        }
        let target = Target::Bound(Arc::clone(&self.binding));
        let timeout = self.options.call.timeout;
        let values = if V::FORM.is_field() {
            let read = self.fields().on_target(target).with_timeout(timeout);
            read.on_unavailable(OnUnavailable::Error).await
        } else if let [only] = self.entries.as_slice() {
            let read = with_remaining(&only.key, self.options.early_refresh.is_some());
            read.on_target(target)
                .with_timeout(timeout)
                .on_unavailable(OnUnavailable::Error)
                .await
                .map(|value| vec![value])
        } else {
            let read = get_many_bytes(self.entries.iter().map(|entry| entry.key.clone()));
            let read = read.on_target(target).with_timeout(timeout).on_unavailable(OnUnavailable::Error);
            read.await.map(|values| values.into_iter().map(|bytes| (bytes, None)).collect())
        };
        self.looked(values)
    }

    /// Reads the fields of a hash.
    fn fields(&self) -> Command<Vec<WithRemaining>> {
        let Some(first) = self.entries.first() else {
            return Command::new::<S>("HMGET", None, Ok(Request::Empty), |_, _| Ok(Vec::new()));
        };
        let mut packet = Packet::new("HMGET", Keys::One(first.key.text()));
        self.entries
            .iter()
            .filter_map(|entry| entry.field.as_deref())
            .for_each(|field| packet.args.push(field));
        let decode = |_: &Request, replies: Replies| match read::one(replies)? {
            Reply::Array(values) => {
                values.into_iter().map(|value| Ok((read::to_bytes(value)?, None))).collect()
            }
            _ => Err(Error::protocol("the reply to HMGET is not a list")),
        };
        let request = Ok(Request::One(packet));
        Command::new::<S>("HMGET", Some(first.key.template()), request, decode).repeatable().reading()
    }

    /// Interprets the outcome of a read.
    pub(super) fn looked(&self, values: Result<Vec<WithRemaining>>) -> Result<Looked<V::Value>> {
        match values {
            Ok(values) => {
                let findings =
                    self.entries.iter().zip(values).map(|(entry, value)| self.finding(entry, value));
                Ok(Looked::Read(findings.collect()))
            }
            // Only the typed read of a single key fails with a decode error.
            Err(error) if error.is_decode() => Ok(Looked::Read(vec![undecodable(&error)])),
            Err(error) if self.goes_on(&error) => {
                self.note_degraded(&error);
                Ok(Looked::Unavailable)
            }
            Err(error) if error.is_outage() => {
                let copies: Option<Vec<_>> = self.entries.iter().map(|entry| self.copy(entry)).collect();
                match copies.filter(|copies| !copies.is_empty()) {
                    Some(copies) => {
                        self.note_degraded(&error);
                        Ok(Looked::Copies(copies))
                    }
                    None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn finding(&self, entry: &FillEntry<S, V>, (bytes, left): WithRemaining) -> Finding<V::Value> {
        let Some(bytes) = bytes else { return Finding::Nothing };
        match self.decode(entry, &bytes) {
            Ok(value) => {
                self.keep_read(entry, &bytes);
                let due = self.is_due(entry, &value, left);
                Finding::Value { value, bytes, due }
            }
            Err(error) => undecodable(&error),
        }
    }

    /// Returns whether a value with this much time left must be reloaded early.
    fn is_due(&self, entry: &FillEntry<S, V>, value: &V::Value, left: Option<i64>) -> bool {
        let left = left.and_then(|left| u64::try_from(left).ok()).map(Duration::from_millis);
        let (Some(part), Some(left)) = (self.options.early_refresh, left) else { return false };
        let chosen = self.options.ttl_by.as_ref().map(|ttl_by| ttl_by(value)).or(self.options.ttl);
        let lifetime = chosen.or(self.binding.lifetime(entry.key.template()).duration());
        lifetime.is_some_and(|lifetime| left < part_of(lifetime, 1.0 - part))
    }
}

fn undecodable<T>(error: &Error) -> Finding<T> {
    event!(warn, "value can't be decoded and is reloaded", error = %error);
    Finding::Undecodable
}

/// The bytes of a value, and the milliseconds until it expires if requested.
pub(super) type WithRemaining = (Option<Bytes>, Option<i64>);

/// Reads a value as bytes, and its remaining TTL if `remaining` is set.
fn with_remaining<S: Keyspace, V: FilledKind>(key: &Key<S, V>, remaining: bool) -> Command<WithRemaining> {
    let mut packets = vec![read_packet(key)];
    if remaining {
        packets.push(Packet::new("PTTL", Keys::One(key.text())));
    }
    let decode = |_: &Request, replies: Replies| {
        let mut replies = read::many(replies).into_iter();
        let value = replies.next().ok_or_else(|| Error::protocol("no reply to a command"))?;
        Ok((packed::of_reply(value)?, replies.next().map(read::to_int).transpose()?))
    };
    let request = Ok(Request::Pipeline(packets));
    Command::new::<S>(V::FORM.read(), Some(key.template()), request, decode).repeatable().reading()
}
