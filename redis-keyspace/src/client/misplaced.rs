//! Functions that programs look for where they do not exist. A call never compiles, and its error
//! says what to write.
//!
//! The bounds can't be met. They mention a lifetime, because the compiler rejects other such bounds
//! at the declaration.

use std::future::Ready;

use super::redis::Redis;

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

macro_rules! misplaced {
    ($($name:ident($($argument:ident),*)),* $(,)?) => {
        /// What most clients spell as methods of the connection.
        impl Redis {$(
            #[doc(hidden)]
            pub fn $name<$($argument),*>(&self, $(_: $argument),*) -> Ready<()>
            where
                for<'a> &'a Misplaced: CommandsAreMethodsOfKeys,
            {
                std::future::ready(())
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
