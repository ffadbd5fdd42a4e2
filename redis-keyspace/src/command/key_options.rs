//! Builders of commands on one key.

use std::fmt;
use std::time::Duration;

use super::base::Command;
use super::builder::CommandOptions;
use crate::client::CallOptions;
use crate::error::Error;
use crate::kind::Kind;
use crate::schema::{Key, Keyspace};

/// The options of a builder, from which it creates its command.
pub(in crate::command) trait BuildOptions<S, V>: Sized + Send {
    /// The result of the command.
    type Output: 'static;

    fn build(self, key: &Key<S, V>) -> Command<Self::Output>;
}

/// A builder of a command on one key: its key and options.
pub(in crate::command) struct KeyOptions<S, V, O> {
    key: Key<S, V>,
    /// `None` after the command was built.
    options: Option<O>,
    /// The TTL that replaces the declared one.
    ttl: Option<Duration>,
    call: CallOptions,
}

impl<S: Keyspace, V: Kind, O: BuildOptions<S, V>> KeyOptions<S, V, O> {
    pub(in crate::command) fn new(key: &Key<S, V>, options: O) -> Self {
        Self { key: key.clone(), options: Some(options), ttl: None, call: CallOptions::of_key(key) }
    }

    /// Returns the key and the options; `None` after the command was built.
    pub(in crate::command) fn into_parts(self) -> Option<(Key<S, V>, O, CallOptions)> {
        let Self { key, options, call, .. } = self;
        Some((key, options?, call))
    }

    /// Replaces the declared TTL.
    pub(in crate::command) fn with_ttl(self, ttl: Duration) -> Self {
        Self { ttl: Some(ttl), ..self }
    }

    /// Changes the options, and possibly the result.
    pub(in crate::command) fn with<P>(self, change: impl FnOnce(O) -> P) -> KeyOptions<S, V, P> {
        let Self { key, options, ttl, call } = self;
        KeyOptions { key, options: options.map(change), ttl, call }
    }
}

impl<S: Keyspace, V: Kind, O: BuildOptions<S, V>> CommandOptions for KeyOptions<S, V, O> {
    type Output = O::Output;

    fn call(&mut self) -> &mut CallOptions {
        &mut self.call
    }

    fn finish(&mut self) -> Command<O::Output> {
        let call = std::mem::take(&mut self.call);
        match self.options.take() {
            Some(options) => {
                // In place, because commands are large.
                let mut command = options.build(&self.key);
                command.set_call(call);
                if let Some(ttl) = self.ttl {
                    command.set_ttl(ttl);
                }
                command
            }
            None => Command::on_key(
                &self.key,
                "",
                |_| Err(Error::invalid_input("the command was built before")),
                |_, _| Err(Error::protocol("a command that is not sent has no reply")),
            ),
        }
    }
}

impl<S, V, O> fmt::Debug for KeyOptions<S, V, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("key", &self.key).finish_non_exhaustive()
    }
}
