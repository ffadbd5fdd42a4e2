//! Commands as values: what to send, on which server, and how to read the answer.

mod degrade;
mod future;
mod get_ex;
mod packet;
pub(crate) mod reply;
mod set;
mod slots;

use std::fmt;
use std::time::Duration;

pub use degrade::OnUnavailable;
pub(crate) use degrade::is_away;
pub use future::CommandFuture;
pub use get_ex::GetEx;
pub(crate) use packet::{Args, Keys, Packet, Request, Wire};
use reply::Decode;
pub use set::Set;
pub(crate) use slots::Apart;

use crate::Redis;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::keyspace::{Keyspace, KeyspaceMeta, TemplateMeta};

/// A server and a deadline of its own, for a builder with the fields for them; what the deadline is of, the docs say.
macro_rules! on_and_timeout {
    ($(#[$of_what:meta])+) => {
        /// Runs it on this server, whatever is installed or in scope.
        pub fn on(mut self, redis: &$crate::Redis) -> Self {
            self.redis = Some(redis.clone());
            self
        }

        $(#[$of_what])+
        pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
            self.timeout = Some(timeout);
            self
        }
    };
}
pub(crate) use on_and_timeout;

/// How many keys go into one command, so that it does not hold up the server for long.
pub(crate) const KEYS_PER_COMMAND: usize = 1000;

/// A Redis command that has not run yet: await it, or hand it to [`Redis::batch`] with others.
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
/// Dropping the future before it is done leaves it open whether the server runs the command. It disturbs
/// nothing else.
#[must_use = "a command does nothing unless it is awaited or handed to a batch"]
pub struct Command<T> {
    request: Result<Request>,
    subject: Subject,
    /// Whether running it twice has the same outcome as running it once.
    repeatable: bool,
    decode: Decode<T>,
    redis: Option<Redis>,
    timeout: Option<Duration>,
}

/// What a command is about.
#[derive(Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) keyspace: Option<&'static KeyspaceMeta>,
    pub(crate) template: Option<&'static TemplateMeta>,
    pub(crate) command: &'static str,
    /// Whether it reads values, and can be answered as if there were none.
    pub(crate) reads: bool,
    pub(crate) on_unavailable: Option<OnUnavailable>,
}

impl Subject {
    pub(crate) fn new(
        keyspace: Option<&'static KeyspaceMeta>,
        template: Option<&'static TemplateMeta>,
        command: &'static str,
    ) -> Self {
        Self { keyspace, template, command, reads: false, on_unavailable: None }
    }

    pub(crate) fn explain(&self, error: Error, request: Option<&Request>) -> Error {
        let error = error.naming_templates(&mut self.keyspace.into_iter());
        let mut keys =
            request.iter().flat_map(|request| request.packets()).flat_map(|packet| packet.keys.as_slice());
        // The keys of a command on many are too many to name; where one is to blame, its error names it already.
        let (first, several) = (keys.next(), keys.any(|key| Some(key.as_str()) != self.first_key(request)));
        error.about(self.command, self.template, first.filter(|_| !several).map(|key| key.as_str()))
    }

    fn first_key<'r>(&self, request: Option<&'r Request>) -> Option<&'r str> {
        let packet = request?.packets().first()?;
        packet.keys.as_slice().first().map(|key| key.as_str())
    }
}

impl<T> Command<T> {
    pub(crate) fn new<S: Keyspace>(
        command: &'static str,
        template: Option<&'static TemplateMeta>,
        request: Result<Request>,
        decode: Decode<T>,
    ) -> Self {
        let subject = Subject::new(Some(S::META), template, command);
        Self { request, subject, repeatable: false, decode, redis: None, timeout: None }
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
        let request = filled
            .map(|()| Request::One(packet))
            .map_err(|error| error.about(command, Some(key.template()), Some(key.as_str())));
        Self::new::<S>(command, Some(key.template()), request, decode).with_redis(key.redis())
    }

    /// Has a command end the fills of its keys that are under way, if it writes such as are filled.
    pub(crate) fn ending_fills(mut self, ends: bool) -> Self {
        if ends && let Ok(Request::One(packet)) = self.request {
            self.request = Ok(Request::with(Packet::ending_fills(&packet.keys), packet));
        }
        self
    }

    /// Marks a command that may run twice.
    pub(crate) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Marks a command that reads values.
    pub(crate) fn reading(mut self) -> Self {
        self.subject.reads = true;
        self
    }

    on_and_timeout! {
        /// Gives it a deadline of its own, over waiting for a connection, connecting and the reply. In a
        /// [batch](Redis::batch), whose commands share their way, the shortest deadline is that of all.
    }

    /// What it comes to when Redis is away, whatever the keyspace declares; for commands that read values. Another one that
    /// is to be answered by a miss fails with [`InvalidInput`](crate::ErrorKind::InvalidInput).
    pub fn on_unavailable(mut self, answer: OnUnavailable) -> Self {
        self.subject.on_unavailable = Some(answer);
        self
    }

    pub(crate) fn with_on_unavailable(mut self, answer: Option<OnUnavailable>) -> Self {
        self.subject.on_unavailable = answer.or(self.subject.on_unavailable);
        self
    }

    pub(crate) fn with_redis(mut self, redis: Option<Redis>) -> Self {
        self.redis = redis.or(self.redis);
        self
    }

    pub(crate) fn with_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout.or(self.timeout);
        self
    }

    /// The deadline of its own, if it states one.
    pub(crate) fn stated_timeout(&self) -> Option<Duration> {
        self.timeout
    }

    pub(crate) fn into_parts(self) -> (Result<Request>, Subject, bool, Decode<T>, Option<Redis>) {
        let request = self.subject.check_degrading().and(self.request);
        (request, self.subject, self.repeatable, self.decode, self.redis)
    }
}

impl Command<()> {
    pub(crate) fn ping() -> Self {
        Self {
            request: Ok(Request::One(Packet::new("PING", Keys::None))),
            subject: Subject::new(None, None, "PING"),
            repeatable: true,
            decode: reply::pong,
            redis: None,
            timeout: None,
        }
    }
}

impl<T> IntoFuture for Command<T> {
    type Output = Result<T>;
    type IntoFuture = CommandFuture<T>;

    fn into_future(self) -> CommandFuture<T> {
        CommandFuture::new(self)
    }
}

impl<T> fmt::Debug for Command<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its arguments are values: they are not printed.
        let keys: Vec<_> = (self.request.iter())
            .flat_map(Request::packets)
            .flat_map(|packet| packet.keys.as_slice())
            .map(|key| key.as_str())
            .collect();
        f.debug_struct("Command")
            .field("command", &self.subject.command)
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}

/// A single command, or a builder that ends in one: what can be part of a [batch](Redis::batch).
pub trait IntoCommand {
    /// What running it gives.
    type Output;

    /// The finished command.
    fn into_command(self) -> Command<Self::Output>;
}

impl<T> IntoCommand for Command<T> {
    type Output = T;

    fn into_command(self) -> Self {
        self
    }
}

/// What every builder of a command has: a server and a deadline of its own, and a future.
macro_rules! command_builder {
    ($builder:ident<$($parameter:ident),+> => $output:ty $(, where $($bounds:tt)+)?) => {
        impl<$($parameter),+> $builder<$($parameter),+> $(where $($bounds)+)? {
            $crate::command::on_and_timeout! {
                /// Gives it a deadline of its own, over waiting for a connection, connecting and the reply. In a
                /// [batch](crate::Redis::batch), whose commands share their way, the shortest deadline is that of all.
            }
        }

        impl<$($parameter),+> IntoFuture for $builder<$($parameter),+> $(where $($bounds)+)? {
            type Output = $crate::Result<$output>;
            type IntoFuture = $crate::CommandFuture<$output>;

            fn into_future(self) -> Self::IntoFuture {
                $crate::IntoCommand::into_command(self).into_future()
            }
        }
    };
}
pub(crate) use command_builder;
