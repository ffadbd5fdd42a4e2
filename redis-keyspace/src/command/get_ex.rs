//! `GETEX` with its options.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use super::{Command, IntoCommand, OnUnavailable, command_builder, reply};
use crate::Redis;
use crate::error::Result;
use crate::expiry::{Expiry, push_duration, unix_millis};
use crate::key::Key;
use crate::keyspace::Keyspace;
use crate::kind::SingleValue;

/// Reads a value and renews its lifetime: [`Key::get_ex`] with its options. Await it, or hand it to a
/// [batch](Redis::batch).
///
/// Without options the value gets the lifetime that the template declares, counted from now; a template with
/// `ttl = none` takes its lifetime away.
#[must_use = "a command does nothing unless it is awaited or handed to a batch"]
pub struct GetEx<S, V> {
    key: Key<S, V>,
    expiry: Expiry,
    pub(crate) redis: Option<Redis>,
    pub(crate) timeout: Option<Duration>,
    on_unavailable: Option<OnUnavailable>,
    types: PhantomData<fn() -> (S, V)>,
}

impl<S: Keyspace, V: SingleValue> GetEx<S, V> {
    pub(crate) fn new(key: &Key<S, impl Sized>) -> Self {
        Self {
            key: key.of_kind(),
            expiry: key.template().lifetime().into(),
            redis: key.redis(),
            timeout: None,
            on_unavailable: None,
            types: PhantomData,
        }
    }

    /// A lifetime other than the template's, counted from now. Fractions of a millisecond are rounded up.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.expiry = Expiry::After(ttl);
        self
    }

    /// A moment at which the value expires. One in the past deletes the key.
    pub fn expire_at(mut self, time: SystemTime) -> Self {
        self.expiry = Expiry::At(time);
        self
    }

    /// What it comes to when Redis is away, whatever the keyspace declares.
    pub fn on_unavailable(mut self, answer: OnUnavailable) -> Self {
        self.on_unavailable = Some(answer);
        self
    }

    /// Takes the lifetime away: the value stays until it is deleted.
    pub fn persist(mut self) -> Self {
        self.expiry = Expiry::Never;
        self
    }
}

impl<S: Keyspace, V: SingleValue> IntoCommand for GetEx<S, V> {
    type Output = Option<V::Owned>;

    fn into_command(self) -> Command<Self::Output> {
        let Self { key, expiry, .. } = self;
        let fill = |args: &mut super::Args| -> Result<()> {
            match expiry {
                Expiry::After(duration) => push_duration(duration, args),
                Expiry::At(time) => {
                    args.push(b"PXAT");
                    args.push_int(unix_millis(time)?);
                    Ok(())
                }
                Expiry::Never => {
                    args.push(b"PERSIST");
                    Ok(())
                }
                Expiry::Keep => Ok(()),
            }
        };
        let command = Command::on_key(&key, "GETEX", fill, reply::value::<V>)
            .with_redis(self.redis)
            .with_timeout(self.timeout)
            .with_on_unavailable(self.on_unavailable)
            .reading();
        // A moment that has passed deletes the value: a second run would not find what the first one read.
        if matches!(expiry, Expiry::At(_)) {
            command.ending_fills(V::IS_FILLED)
        } else {
            command.repeatable()
        }
    }
}

command_builder!(GetEx<S, V> => Option<V::Owned>, where S: Keyspace, V: SingleValue);

impl<S, V> fmt::Debug for GetEx<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetEx").field("key", &self.key).field("expiry", &self.expiry).finish_non_exhaustive()
    }
}
