//! Options of the operations of hashes.

use std::time::{Duration, SystemTime};

use super::base::{self, BuildOptions, KeyOptions};
use super::elements::EncodedElements;
use super::field_lifetimes::{self, ExpiryCondition, FieldExpiry, push_fields};
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::error::{Error, Result};
use crate::kind::{Hash, SingleValue};
use crate::protocol::{Args, Decode};
use crate::schema::{Key, Keyspace};
use crate::time::{Expiry, check_lifetime, millis, unix_millis};

type OfHash<S, F, V, O> = KeyOptions<S, Hash<F, V>, O>;

/// `HSET` of a field with its options, created by [`Key::hset`](crate::Key::hset). Await it, or
/// pass it to [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct HSet<S: Keyspace, F: SingleValue, V: SingleValue>(
    pub(super) Deferred<OfHash<S, F, V, HSetOptions>, bool>,
);

pub(super) struct HSetOptions {
    /// The field with its value.
    entry: Result<Args>,
    only_if_absent: bool,
}

impl HSetOptions {
    pub(super) fn new(entry: Result<Args>) -> Self {
        Self { entry, only_if_absent: false }
    }
}

impl<S: Keyspace, F: SingleValue, V: SingleValue> HSet<S, F, V> {
    /// Only sets a field that does not exist. Returns `false` if it exists, and changes nothing
    /// then.
    #[doc(alias = "HSETNX")]
    pub fn only_if_absent(self) -> Self {
        Self(self.0.map(|options| options.with(|options| HSetOptions { only_if_absent: true, ..options })))
    }

    /// Overrides the TTL of the template; see [`Command::ttl`].
    pub fn ttl(self, ttl: Duration) -> Self {
        Self(self.0.map(|options| options.with_ttl(ttl)))
    }
}

impl<S: Keyspace, F: SingleValue, V: SingleValue> BuildOptions<S, Hash<F, V>> for HSetOptions {
    type Output = bool;

    fn build(self, key: &Key<S, Hash<F, V>>) -> Command<bool> {
        let command = if self.only_if_absent { "HSETNX" } else { "HSET" };
        Command::write_of(key, command, self.entry, base::flag)
    }
}

command_builder!(HSet<S, F, V> => bool, where S: Keyspace, F: SingleValue, V: SingleValue);

/// `HSET` of several fields with its options, created by
/// [`Key::hset_many`](crate::Key::hset_many). Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch).
///
/// With an option, the command is `HSETEX`, which needs Redis 8.0 or Valkey 9.0. It then returns
/// whether the fields were set: all of them or none.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct HSetMany<S: Keyspace, F: SingleValue, V: SingleValue, R: 'static>(
    pub(super) Deferred<OfHash<S, F, V, HSetManyOptions<R>>, R>,
);

pub(super) struct HSetManyOptions<R> {
    /// Each field with its value.
    entries: Result<EncodedElements>,
    condition: Option<&'static str>,
    ttl: Option<Duration>,
    decode: Decode<R>,
}

impl HSetManyOptions<u64> {
    pub(super) fn new(entries: Result<EncodedElements>) -> Self {
        Self { entries, condition: None, ttl: None, decode: base::total }
    }
}

impl<S: Keyspace, F: SingleValue, V: SingleValue, R: 'static> HSetMany<S, F, V, R> {
    fn extended(
        self,
        change: impl FnOnce(HSetManyOptions<bool>) -> HSetManyOptions<bool>,
    ) -> HSetMany<S, F, V, bool> {
        HSetMany(self.0.map(|options| {
            options.with(|HSetManyOptions { entries, condition, ttl, .. }| {
                change(HSetManyOptions { entries, condition, ttl, decode: base::flag })
            })
        }))
    }

    /// Sets the TTL of the fields. Without this option, a field that is set never expires by
    /// itself.
    pub fn field_ttl(self, ttl: Duration) -> HSetMany<S, F, V, bool> {
        self.extended(|options| HSetManyOptions { ttl: Some(ttl), ..options })
    }

    /// Sets the fields only if none of them exists. Redis's `FNX`.
    pub fn only_if_no_field(self) -> HSetMany<S, F, V, bool> {
        self.extended(|options| HSetManyOptions { condition: Some("FNX"), ..options })
    }

    /// Sets the fields only if all of them exist. Redis's `FXX`.
    pub fn only_if_all_fields(self) -> HSetMany<S, F, V, bool> {
        self.extended(|options| HSetManyOptions { condition: Some("FXX"), ..options })
    }
}

impl<S: Keyspace, F: SingleValue, V: SingleValue, R: 'static> BuildOptions<S, Hash<F, V>>
    for HSetManyOptions<R>
{
    type Output = R;

    fn build(self, key: &Key<S, Hash<F, V>>) -> Command<R> {
        let Self { entries, condition, ttl, decode } = self;
        if condition.is_none() && ttl.is_none() {
            return Command::write_many_of(key, "HSET", &[], entries, decode);
        }
        let is_empty = entries.as_ref().is_ok_and(EncodedElements::is_empty);
        let args = entries.and_then(|entries| {
            base::check_count(2 * entries.len())?;
            let mut args = Args::default();
            condition.into_iter().for_each(|word| args.push(word.as_bytes()));
            if let Some(ttl) = ttl {
                check_lifetime(ttl)?;
                args.push(b"PX");
                args.push_int(millis(ttl)?);
            }
            push_fields(&mut args, entries);
            Ok(args)
        });
        Command::write_of(key, "HSETEX", args, decode).unless(is_empty)
    }
}

command_builder!(HSetMany<S, F, V, R> => R, where S: Keyspace, F: SingleValue, V: SingleValue, R: 'static);

/// `HGETEX` with its options, created by [`Key::hget_ex`](crate::Key::hget_ex). Await it, or pass
/// it to [`Redis::batch`](crate::Redis::batch).
///
/// There is one option at most: a later one replaces it. Without any, TTLs stay.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct HGetEx<S: Keyspace, F: SingleValue, V: SingleValue>(
    pub(super) Deferred<OfHash<S, F, V, HGetExOptions<V>>, OptionalValues<V>>,
);

/// One value for each field, if it exists.
type OptionalValues<V> = Vec<Option<<V as SingleValue>::Owned>>;

pub(super) struct HGetExOptions<V: SingleValue> {
    fields: Result<EncodedElements>,
    expiry: Expiry,
    decode: Decode<OptionalValues<V>>,
}

impl<V: SingleValue> HGetExOptions<V> {
    pub(super) fn new(fields: Result<EncodedElements>) -> Self {
        Self { fields, expiry: Expiry::Keep, decode: field_lifetimes::values::<V> }
    }
}

impl<S: Keyspace, F: SingleValue, V: SingleValue> HGetEx<S, F, V> {
    fn expiring(self, expiry: Expiry) -> Self {
        Self(self.0.map(|options| options.with(|options| HGetExOptions { expiry, ..options })))
    }

    /// Sets the TTL of the fields that exist, counted from now.
    pub fn ttl(self, ttl: Duration) -> Self {
        self.expiring(Expiry::After(ttl))
    }

    /// Sets the time at which the fields that exist expire. A time in the past removes them.
    pub fn expire_at(self, time: SystemTime) -> Self {
        self.expiring(Expiry::At(time))
    }

    /// Removes the TTLs of the fields, so that they never expire by themselves.
    pub fn persist(self) -> Self {
        self.expiring(Expiry::Never)
    }
}

impl<S: Keyspace, F: SingleValue, V: SingleValue> BuildOptions<S, Hash<F, V>> for HGetExOptions<V> {
    type Output = OptionalValues<V>;

    fn build(self, key: &Key<S, Hash<F, V>>) -> Command<Self::Output> {
        let Self { fields, expiry, decode } = self;
        let is_empty = fields.as_ref().is_ok_and(EncodedElements::is_empty);
        let fill = |args: &mut Args| {
            match expiry {
                Expiry::Keep => {}
                Expiry::Never => args.push(b"PERSIST"),
                Expiry::After(ttl) => {
                    check_lifetime(ttl)?;
                    args.push(b"PX");
                    args.push_int(millis(ttl)?);
                }
                Expiry::At(time) => {
                    args.push(b"PXAT");
                    args.push_int(unix_millis(time)?);
                }
            }
            push_fields(args, fields?);
            Ok(())
        };
        let command = Command::removal_of(key, "HGETEX", fill, decode).unless(is_empty);
        // A time in the past removes the fields, so a second run would not find them.
        if matches!(expiry, Expiry::At(_)) { command } else { command.repeatable() }
    }
}

command_builder!(HGetEx<S, F, V> => Vec<Option<V::Owned>>, where S: Keyspace, F: SingleValue, V: SingleValue);

/// `HPEXPIRE` or `HPEXPIREAT` with its options, created by [`Key::hexpire`](crate::Key::hexpire),
/// [`Key::hexpire_at`](crate::Key::hexpire_at) and their variants for records. Await it, or pass it
/// to [`Redis::batch`](crate::Redis::batch).
///
/// There is one condition at most: a later one replaces it.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct HExpire<S: Keyspace, V: crate::kind::Kind, R: 'static>(
    pub(super) Deferred<KeyOptions<S, V, HExpireOptions<R>>, R>,
);

pub(super) struct HExpireOptions<R> {
    fields: Result<EncodedElements>,
    /// A TTL, or a time.
    expiry: Expiry,
    condition: Option<ExpiryCondition>,
    decode: Decode<R>,
}

impl<R> HExpireOptions<R> {
    pub(super) fn new(fields: Result<EncodedElements>, expiry: Expiry, decode: Decode<R>) -> Self {
        Self { fields, expiry, condition: None, decode }
    }
}

impl<S: Keyspace, V: crate::kind::Kind, R: 'static> HExpire<S, V, R> {
    fn only_if(self, condition: ExpiryCondition) -> Self {
        let condition = Some(condition);
        Self(self.0.map(|options| options.with(|options| HExpireOptions { condition, ..options })))
    }

    /// Sets the TTL only if the field has none. Redis's `NX`.
    pub fn only_if_none(self) -> Self {
        self.only_if(ExpiryCondition::None)
    }

    /// Sets the TTL only if the field has one. Redis's `XX`.
    pub fn only_if_some(self) -> Self {
        self.only_if(ExpiryCondition::Some)
    }

    /// Sets the TTL only if it is longer than the current one. A field without a TTL keeps none.
    /// Redis's `GT`.
    pub fn extend_only(self) -> Self {
        self.only_if(ExpiryCondition::Longer)
    }

    /// Sets the TTL only if it is shorter than the current one, or if the field has none. Redis's
    /// `LT`.
    pub fn shorten_only(self) -> Self {
        self.only_if(ExpiryCondition::Shorter)
    }
}

impl<S: Keyspace, V: crate::kind::Kind, R: 'static> BuildOptions<S, V> for HExpireOptions<R> {
    type Output = R;

    fn build(self, key: &Key<S, V>) -> Command<R> {
        let Self { fields, expiry, condition, decode } = self;
        let is_empty = fields.as_ref().is_ok_and(EncodedElements::is_empty);
        let command = if matches!(expiry, Expiry::At(_)) { "HPEXPIREAT" } else { "HPEXPIRE" };
        let fill = |args: &mut Args| {
            match expiry {
                Expiry::After(ttl) => args.push_int(millis(ttl)?),
                Expiry::At(time) => args.push_int(unix_millis(time)?),
                Expiry::Keep | Expiry::Never => {
                    return Err(Error::invalid_input("a lifetime or a time is needed"));
                }
            }
            condition.into_iter().for_each(|condition| args.push(condition.word().as_bytes()));
            push_fields(args, fields?);
            Ok(())
        };
        Command::removal_of(key, command, fill, decode).unless(is_empty)
    }
}

command_builder!(HExpire<S, V, R> => R, where S: Keyspace, V: crate::kind::Kind, R: 'static);

/// The result for each field.
pub(super) type Expiries = Vec<FieldExpiry>;
