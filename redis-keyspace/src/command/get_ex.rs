//! `GETEX` with its options.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use super::base::Command;
use super::builder::{CommandOptions, Deferred, command_builder};
use crate::client::CallOptions;
use crate::kind::SingleValue;
use crate::protocol::{PacketLifetime, read};
use crate::schema::{Key, Keyspace, OnUnavailable};
use crate::time::Expiry;

/// A read that renews the TTL, created by [`Key::get_ex`]. Await it, or pass it to a
/// [batch](crate::Redis::batch).
///
/// By default, the TTL becomes the one of the template, counted from now. A template with
/// `ttl = none` removes the TTL.
///
/// The default renews only the value. A [stale copy](crate::cache::GetOrSet::stale_for) still ends
/// at the time that was set when it was stored. With any other TTL, loads of the key that are in
/// flight do not store their values, and its stale copy is deleted, as for
/// [`expire`](Key::expire).
///
/// # Errors
///
/// As for [`Key::get_ex`]. Invalid options are [`InvalidInput`](crate::ErrorKind::InvalidInput)
/// errors, and nothing is sent.
///
/// # Cancellation
///
/// Dropping it before its first poll sends nothing. After that, the command may still run.
///
/// # Round trips
///
/// One.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct GetEx<S, V: SingleValue>(Deferred<GetExOptions<S, V>, Option<V::Owned>>);

/// A read that is not finished.
struct GetExOptions<S, V> {
    key: Key<S, V>,
    expiry: Expiry,
    /// Whether the expiry is the one that the template declares.
    is_declared: bool,
    call: CallOptions,
    on_unavailable: Option<OnUnavailable>,
    types: PhantomData<fn() -> (S, V)>,
}

impl<S: Keyspace, V: SingleValue> GetEx<S, V> {
    /// `K` is the kind of the key; `V` decodes the value.
    pub(crate) fn new<K>(key: &Key<S, K>) -> Self {
        Self(Deferred::Building(GetExOptions {
            key: key.of_kind(),
            expiry: key.template().lifetime().into(),
            is_declared: true,
            call: CallOptions::of_key(key),
            on_unavailable: None,
            types: PhantomData,
        }))
    }

    fn expiring(mut self, expiry: Expiry) -> Self {
        if let Some(options) = self.0.options() {
            options.expiry = expiry;
            options.is_declared = false;
        }
        self
    }

    /// Overrides the TTL of the template, counted from now. Fractions of a millisecond are rounded
    /// up.
    pub fn ttl(self, ttl: Duration) -> Self {
        self.expiring(Expiry::After(ttl))
    }

    /// Sets the time at which the value expires. A time in the past deletes the key. A time before
    /// 1970 fails with [`InvalidInput`](crate::ErrorKind::InvalidInput).
    pub fn expire_at(self, time: SystemTime) -> Self {
        self.expiring(Expiry::At(time))
    }

    /// Overrides how the keyspace behaves when Redis is unavailable.
    pub fn on_unavailable(mut self, answer: OnUnavailable) -> Self {
        if let Some(options) = self.0.options() {
            options.on_unavailable = Some(answer);
        }
        self
    }

    /// Removes the TTL, so that the value never expires.
    pub fn persist(self) -> Self {
        self.expiring(Expiry::Never)
    }
}

impl<S: Keyspace, V: SingleValue> CommandOptions for GetExOptions<S, V> {
    type Output = Option<V::Owned>;

    fn call(&mut self) -> &mut CallOptions {
        &mut self.call
    }

    fn finish(&mut self) -> Command<Self::Output> {
        let Self { key, expiry, is_declared, .. } = &*self;
        let (expiry, is_declared) = (*expiry, *is_declared);
        let command = Command::on_key(key, "GETEX", |args| expiry.push_for_get_ex(args), read::value::<V>)
            .with_declared_lifetime(is_declared.then_some(PacketLifetime::Options(0)))
            .with_call(std::mem::take(&mut self.call))
            .with_on_unavailable(self.on_unavailable)
            .reading();
        // The declared TTL is also the one of a value that a fill stores.
        let command = if is_declared { command } else { command.ending_fills() };
        // A time in the past deletes the value, so a second run would not find it.
        if matches!(expiry, Expiry::At(_)) { command } else { command.repeatable() }
    }
}

command_builder!(GetEx<S, V> => Option<V::Owned>, where S: Keyspace, V: SingleValue);

impl<S, V> fmt::Debug for GetExOptions<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetEx").field("key", &self.key).field("expiry", &self.expiry).finish_non_exhaustive()
    }
}
