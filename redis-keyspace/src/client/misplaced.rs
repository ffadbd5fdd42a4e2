//! Functions that programs look for where they do not exist. A call never compiles, and its error
//! says what to write.
//!
//! The bounds can't be met. They mention a lifetime, because the compiler rejects other such bounds
//! at the declaration.

use std::future::Pending;

use super::redis::Redis;
use crate::error::Result;
#[cfg(feature = "json")]
use crate::kind::Json;
use crate::kind::{Bytes, Counter, Text};
use crate::schema::Key;

/// The commands of keys, written as methods of a handle.
#[diagnostic::on_unimplemented(
    message = "commands are methods of keys, not of `Redis`",
    label = "write `CartKeys::user(7).get()`",
    note = "to run a command on this handle, add `.on(&redis)`: `CartKeys::user(7).get().on(&redis)`",
    note = "for keys that are not declared, use `redis.raw(..)`"
)]
#[doc(hidden)]
pub trait CommandsAreMethodsOfKeys {}

#[doc(hidden)]
#[derive(Debug)]
pub struct Misplaced;

/// What such a function seems to return: a future of any result, so that `.await?` is no second
/// error.
type Never<T> = Pending<Result<T>>;

macro_rules! misplaced {
    ($($name:ident($($argument:ident),*)),* $(,)?) => {
        /// What most clients spell as methods of the connection.
        impl Redis {$(
            #[doc(hidden)]
            pub fn $name<$($argument,)* T>(&self, $(_: $argument),*) -> Never<T>
            where
                for<'a> &'a Misplaced: CommandsAreMethodsOfKeys,
            {
                std::future::pending()
            }
        )*}
    };
}

misplaced!(
    get(Key),
    set(Key, Value),
    set_ex(Key, Value, Seconds),
    del(Key),
    exists(Key),
    expire(Key, Seconds),
    incr(Key, By),
    keys(Pattern),
    scan(Pattern),
    hget(Key, Field),
    lpush(Key, Value),
    publish(Channel, Message),
);

/// The operations of patterns, written as methods of a key.
#[diagnostic::on_unimplemented(
    message = "a key names one value, so it can't be scanned",
    label = "to scan the keys of a template, write `CartKeys::user_keys().scan()`",
    note = "to check whether this key exists, use `.exists()`"
)]
#[doc(hidden)]
pub trait ScansAreMethodsOfPatterns {}

impl<S, V> Key<S, V> {
    #[doc(hidden)]
    pub fn scan<T>(&self) -> Never<T>
    where
        for<'a> &'a Misplaced: ScansAreMethodsOfPatterns,
    {
        std::future::pending()
    }
}

/// A key created from a string.
#[diagnostic::on_unimplemented(
    message = "keys are not created from strings",
    label = "call its constructor: `CartKeys::user(7)`",
    note = "to find out what a key is, use `CartKeys::parse(text)`; for keys that are not declared, use `redis.raw(..)`"
)]
#[doc(hidden)]
pub trait KeysAreMadeByConstructors {}

impl Key<(), ()> {
    #[doc(hidden)]
    #[expect(clippy::new_ret_no_self, reason = "so that a use of the key is no second error")]
    pub fn new<K, T>(_: T) -> K
    where
        for<'a> &'a Misplaced: KeysAreMadeByConstructors,
    {
        unreachable!("the bound can't be met")
    }
}

/// The commands of counters, written as methods of a JSON value or of text.
#[diagnostic::on_unimplemented(
    message = "only a `Counter` can be incremented by the server",
    label = "to change this value atomically, use `.update(|value| ..)`",
    note = "if the key is only ever a number, declare it as a counter: `views: fn(id: u64) -> Counter`"
)]
#[doc(hidden)]
pub trait OnlyCountersCount {}

/// The operations of single values, written as methods of a counter.
#[diagnostic::on_unimplemented(
    message = "this operation does not work on a `Counter`",
    label = "to count, use `.incr()` or `.incr_by(n)`; to read or replace the number, use `.get()` or `.set(n)`",
    note = "to load or update a number as any other value, declare the kind `i64`: `views: fn(id: u64) -> i64`"
)]
#[doc(hidden)]
pub trait CountersOnlyCount {}

macro_rules! misplaced_on_keys {
    ($bound:ident, [$($generics:ident)?] $kind:ty: $($name:ident($($argument:ident)?)),*) => {
        impl<S $(, $generics)?> Key<S, $kind> {$(
            #[doc(hidden)]
            pub fn $name<$($argument,)? Output>(&self $(, _: $argument)?) -> Never<Output>
            where
                for<'a> &'a Misplaced: $bound,
            {
                std::future::pending()
            }
        )*}
    };
}

/// The methods of JSON values, on other kinds.
#[diagnostic::on_unimplemented(
    message = "this key is not declared as JSON",
    label = "use `.get()` and `.set(..)`, or declare the kind `Json<T>`"
)]
#[doc(hidden)]
pub trait OnlyJsonIsJson {}

/// The methods of locks, on other kinds.
#[diagnostic::on_unimplemented(
    message = "only a key of the kind `Lock` can be locked",
    label = "to change this value atomically, use `.update(|value| ..)`, which needs no lock",
    note = "to protect something else, declare a second key: `lock: fn(id: u64) -> Lock`"
)]
#[doc(hidden)]
pub trait OnlyLocksLock {}

macro_rules! not_counters {
    ($([$($generics:ident)?] $kind:ty),* $(,)?) => {$(
        misplaced_on_keys!(OnlyCountersCount, [$($generics)?] $kind: incr(), decr(), incr_by(By), decr_by(By));
        misplaced_on_keys!(OnlyLocksLock, [$($generics)?] $kind: lock(), try_lock());
    )*};
}

macro_rules! not_json {
    ($($kind:ty),* $(,)?) => {$(
        misplaced_on_keys!(OnlyJsonIsJson, [] $kind: get_json(), set_json(Value), get_or_set_json(Loader));
    )*};
}

not_counters!([] Text, [] Bytes);
#[cfg(feature = "json")]
not_counters!([T] Json<T>);
not_json!(Text, Bytes, bool, u8, u16, u32, u64, u128, i8, i16, i32, i64, i128);
misplaced_on_keys!(
    CountersOnlyCount, [] Counter:
    get_or_set(Loader), try_get_or_set(Loader), get_or_set_optional(Loader), try_get_or_set_optional(Loader),
    get_or_set_json(Loader), update(Change), update_or_insert(Change), update_with(Change), get_json(), set_json(Value)
);

#[cfg(not(feature = "embedded"))]
mod embedded {
    use super::{Misplaced, Redis};

    #[diagnostic::on_unimplemented(
        message = "`Redis::embedded` needs the feature `embedded`",
        label = "enable the feature: `cargo add redis-keyspace --features embedded`"
    )]
    #[doc(hidden)]
    pub trait FeatureEmbedded {}

    impl Redis {
        #[doc(hidden)]
        #[must_use]
        pub fn embedded() -> Self
        where
            for<'a> &'a Misplaced: FeatureEmbedded,
        {
            Self::disabled()
        }
    }
}
