//! A single command that has not run yet.

use std::fmt;
use std::time::Duration;

use crate::client::{CallOptions, Subject, Target, call_options};
use crate::error::{Error, Result, short_name};
use crate::protocol::{Args, Decode, Keys, Packet, Request, Writes, guarded};
use crate::schema::{Key, Keyspace, OnUnavailable, TemplateMeta};

/// A Redis command that has not run yet: await it, or pass it to [`Redis::batch`](crate::Redis::batch) with others.
///
/// ```
/// # use redis_keyspace::{Command, Counter, Keyspace, Redis};
/// # #[derive(Keyspace)]
/// # #[keyspace(prefix = "page", ttl = "1d")]
/// # struct PageKeys { views: fn(id: u64) -> Counter }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// let redis = Redis::embedded();
/// let command: Command<i64> = PageKeys::views(7).incr();
/// assert_eq!(command.on(&redis).await?, 1);
/// # Ok(()) }
/// ```
///
/// # Cancellation
///
/// If the future is dropped before it is ready, the server may or may not run the command. Other commands are not
/// affected.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct Command<T> {
    pub(super) request: Result<Request>,
    pub(super) subject: Subject,
    /// Whether it is safe to repeat: a second run has the same outcome.
    pub(super) repeatable: bool,
    pub(super) decode: Decode<T>,
    pub(super) call: CallOptions,
    /// Why no reader could decode a value that it writes: an error on handles that verify writes.
    pub(super) unreadable: Option<Error>,
}

impl<T> Command<T> {
    pub(crate) fn new<S: Keyspace>(
        command: &'static str,
        template: Option<&'static TemplateMeta>,
        request: Result<Request>,
        decode: Decode<T>,
    ) -> Self {
        let subject = Subject::new(Some(S::META), template, command);
        Self { request, subject, repeatable: false, decode, call: CallOptions::default(), unreadable: None }
    }

    /// A command of one packet on one key.
    pub(crate) fn on_key<S: Keyspace, V>(
        key: &Key<S, V>,
        command: &'static str,
        fill: impl FnOnce(&mut Args) -> Result<()>,
        decode: Decode<T>,
    ) -> Self {
        let mut packet = Packet::new(command, Keys::One(key.text()));
        let filled = fill(&mut packet.args);
        let request = filled.map(|()| Request::One(packet)).map_err(|error| key.explain(command, error));
        Self::new::<S>(command, Some(key.template()), request, decode).on_target(key.redis().into())
    }

    /// Sends along the command that ends fills of the key in flight, if `ends`.
    pub(crate) fn ending_fills(mut self, ends: bool) -> Self {
        if ends && let Ok(Request::One(packet)) = self.request {
            let keeps = self.subject.template.is_some_and(TemplateMeta::keeps_copies);
            self.request = Ok(Request::ending_fills(vec![packet], keeps));
        }
        self
    }

    /// Ends fills of its keys if it writes, in one step with it, if `ends`.
    pub(crate) fn ending_fills_if_it_writes(mut self, ends: bool) -> Self {
        if ends && let Ok(Request::One(packet)) = self.request {
            self.request = Ok(Request::One(guarded(packet, Writes::UnlessNil)));
        }
        self
    }

    /// Marks a command that is safe to repeat.
    pub(crate) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Marks a command that reads values.
    pub(crate) fn reading(mut self) -> Self {
        self.subject.reads = true;
        self
    }

    call_options! { self => self.call;
        /// Sets the deadline of the command, which covers waiting for a connection, connecting and the reply. In a
        /// [batch](crate::Redis::batch), whose commands are sent together, the shortest deadline applies to all.
    }

    /// Overrides how the keyspace behaves when Redis is unavailable, for commands that read values. For other commands,
    /// [`OnUnavailable::Miss`] fails with [`InvalidInput`](crate::ErrorKind::InvalidInput).
    pub fn on_unavailable(mut self, answer: OnUnavailable) -> Self {
        self.subject.on_unavailable = Some(answer);
        self
    }

    pub(crate) fn with_on_unavailable(mut self, answer: Option<OnUnavailable>) -> Self {
        self.subject.on_unavailable = answer.or(self.subject.on_unavailable);
        self
    }

    /// Runs it on this target, unless the target leaves the choice open.
    pub(crate) fn on_target(mut self, target: Target) -> Self {
        self.call.target = target.or(self.call.target);
        self
    }

    pub(crate) fn with_call(mut self, call: CallOptions) -> Self {
        self.call.timeout = call.timeout.or(self.call.timeout);
        self.on_target(call.target)
    }

    pub(super) fn unreadable(mut self, error: Option<Error>) -> Self {
        self.unreadable = error;
        self
    }

    pub(crate) fn with_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.call.timeout = timeout.or(self.call.timeout);
        self
    }
}

impl<T> fmt::Debug for Command<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the arguments, which are values.
        let keys: Vec<_> = (self.request.iter())
            .flat_map(Request::asked_for)
            .flat_map(|packet| packet.keys.as_slice())
            .map(|key| short_name(key.as_str()))
            .collect();
        f.debug_struct("Command")
            .field("command", &self.subject.command)
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}

/// A single command, or a builder of one: what a [batch](crate::Redis::batch) consists of.
pub trait IntoCommand {
    /// The result of the command.
    type Output;

    /// Returns the finished command.
    fn into_command(self) -> Command<Self::Output>;
}

impl<T> IntoCommand for Command<T> {
    type Output = T;

    fn into_command(self) -> Self {
        self
    }
}
