//! A single command that has not run yet.

use std::fmt;
use std::time::Duration;

use super::progress::CommandRun;
use crate::client::{Binding, CallOptions, Subject, Target, call_options, wait_option};
use crate::error::{Error, Result, short_name};
use crate::kind::Role;
use crate::protocol::{Args, Decode, GuardedReply, Keys, Packet, PacketLifetime, Request, guarded};
use crate::schema::{Key, Keyspace, OnUnavailable, Reads, TemplateMeta};
use crate::time::Expiry;

/// A Redis command that has not run yet. Await it, or pass it to
/// [`Redis::batch`](crate::Redis::batch) with other commands.
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
/// A command is a future: `tokio::spawn`, `tokio::join!` and `join_all` take it as it is. Set its
/// options before its first poll. After that, an option, or passing the command to a batch, makes
/// it fail with [`InvalidInput`](crate::ErrorKind::InvalidInput), because the command may have run.
///
/// # Errors
///
/// The error names the command, the template and the key. Its [`kind`](crate::Error::kind) says
/// what happened; see [`ErrorKind`](crate::ErrorKind). An invalid command is not sent.
///
/// # Cancellation
///
/// Dropping the command before its first poll sends nothing. After that, the server may or may not
/// run it. Other commands are not affected.
///
/// # Round trips
///
/// One, unless the method says otherwise. A retry after a lost connection takes another one; only
/// commands that are safe to repeat are retried.
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct Command<T> {
    pub(super) request: Result<Request>,
    pub(super) subject: Subject,
    /// Whether a second run has the same outcome, so that the command is safe to repeat.
    pub(super) repeatable: bool,
    pub(super) decode: Decode<T>,
    pub(super) call: CallOptions,
    /// Why no reader could decode a value that the command writes. Handles that verify writes fail
    /// with it.
    pub(super) unreadable: Option<Error>,
    pub(super) run: CommandRun,
}

impl<T> Command<T> {
    pub(crate) fn new<S: Keyspace>(
        command: &'static str,
        template: Option<&'static TemplateMeta>,
        request: Result<Request>,
        decode: Decode<T>,
    ) -> Self {
        let subject = Subject::new(Some(S::META), template, command);
        Self::with_subject(subject, request, decode)
    }

    /// Creates a command with default options.
    pub(super) fn with_subject(subject: Subject, request: Result<Request>, decode: Decode<T>) -> Self {
        Self {
            request,
            subject,
            repeatable: false,
            decode,
            call: CallOptions::default(),
            unreadable: None,
            run: CommandRun::default(),
        }
    }

    /// Creates a command that is not sent, because it is an error or has nothing to send.
    pub(super) fn unsent(subject: Subject, request: Result<Request>) -> Self {
        let decode = |_: &Request, _| Err(Error::protocol("a command that is not sent has no reply"));
        Self::with_subject(subject, request, decode)
    }

    /// Makes the command fail if it was polled already. An option that is set then would be
    /// ignored, and a batch would run the command a second time.
    pub(super) fn unpolled(&mut self) -> &mut Self {
        if !self.run.is_new() {
            self.run = CommandRun::default();
            self.request = Err(polled_already(self.subject.command));
        }
        self
    }

    /// Creates a command of one packet on one key.
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

    /// Like [`ending_fills`](Self::ending_fills), for a command that only sets a lifetime. It does
    /// not end work that must not run twice.
    pub(crate) fn ending_loads(self) -> Self {
        let is_work = self.subject.template.is_some_and(TemplateMeta::is_work);
        if is_work { self } else { self.ending_fills() }
    }

    /// Also sends the command that ends fills of the key in flight, if the template has fills. All
    /// commands of a transaction must be on the same keys.
    pub(crate) fn ending_fills(mut self) -> Self {
        self.end_fills();
        self
    }

    /// The same in place, because commands are large.
    pub(super) fn end_fills(&mut self) {
        let Some(template) = self.subject.template.filter(|template| template.ends_fills()) else { return };
        let Ok(request) = &mut self.request else { return };
        let keeps_copies = template.keeps_copies();
        *request = match std::mem::replace(request, Request::Empty) {
            Request::One(packet) => Request::ending_fills_of(packet, keeps_copies),
            Request::Atomic(packets) => {
                let keys = packets.first().map_or_else(Vec::new, |packet| packet.keys.as_slice().to_vec());
                Request::ending_fills(packets, &keys, true)
            }
            request => request,
        };
    }

    /// Ends fills of the keys in the same atomic step, but only if the command writes and the
    /// template has fills.
    pub(crate) fn ending_fills_if_it_writes(mut self) -> Self {
        if self.subject.template.is_some_and(TemplateMeta::ends_fills)
            && let Ok(Request::One(packet)) = self.request
        {
            self.request = Ok(Request::One(guarded(packet, GuardedReply::Own)));
        }
        self
    }

    /// Overrides the TTL of the template, for commands that set it: `incr`, `decr` and their
    /// variants, writes of collections, such as `sadd` and `hset`, and stored results.
    ///
    /// A counter or a collection gets the TTL only if the command creates it, unless the template
    /// declares `renew = "write"`. A stored result always gets it. Fractions of a millisecond are
    /// rounded up. For other commands, and for a TTL of zero, the command fails with
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), and nothing is sent.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use redis_keyspace::{Counter, Keyspace, Redis};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { views: fn(id: u64) -> Counter }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// PageKeys::views(8).incr().ttl(Duration::from_secs(60)).await?;
    /// assert!(PageKeys::views(8).ttl().await?.remaining() <= Some(Duration::from_secs(60)));
    /// # Ok(()) }).await }
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.set_ttl(ttl);
        self
    }

    /// The same in place, because commands are large.
    pub(super) fn set_ttl(&mut self, ttl: Duration) {
        self.unpolled();
        let (command, template) = (self.subject.command, self.subject.template);
        let Ok(request) = &mut self.request else { return };
        let set = if request.has_declared_lifetime() {
            request.set_lifetime(Expiry::After(ttl))
        } else {
            Err(Error::invalid_input(format!(
                "`.ttl(..)` does not apply to {command}: use it on commands that create counters or \
                 collections"
            )))
        };
        if let Err(error) = set {
            self.request = Err(error.about(command, template.map(TemplateMeta::name), None));
        }
    }

    /// Records where a command of one packet contains the declared TTL.
    pub(super) fn with_declared_lifetime(mut self, place: Option<PacketLifetime>) -> Self {
        if let (Ok(Request::One(packet)), Some(place)) = (&mut self.request, place) {
            let inherits = self.subject.template.is_some_and(|template| template.inherits_lifetime);
            packet.with_declared_lifetime(place, inherits);
        }
        self
    }

    /// Sets the arguments before the key.
    pub(super) fn with_head(mut self, head: Args) -> Self {
        self.request = self.request.map(|request| match request {
            Request::One(packet) => Request::One(packet.with_head(head)),
            request => request,
        });
        self
    }

    /// Marks the command as safe to repeat.
    pub(crate) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// Marks the command as one that reads values.
    pub(crate) fn reading(mut self) -> Self {
        self.subject.reads = true;
        self
    }

    /// Whether a replica may answer the command.
    pub(crate) fn may_use_replica(&self, binding: &Binding) -> bool {
        self.subject.reads_from() != Reads::Master && binding.pool().has_replicas()
    }

    /// Marks the command as one that a replica may answer.
    pub(crate) fn on_replica(mut self) -> Self {
        self.subject.may_use_replica = true;
        self
    }

    /// The same, but not on a cluster, because the reply does not show that a key is missing.
    pub(crate) fn on_replica_without_cluster(mut self) -> Self {
        self.subject.hides_misses = true;
        self.on_replica()
    }

    /// The same as `on_replica`, unless the key coordinates programs: a lock, for example.
    pub(super) fn on_replica_if_data(mut self) -> Self {
        let role = self.subject.template.map(|template| template.kind.role);
        self.subject.may_use_replica = matches!(role, Some(Role::Data | Role::Counter));
        self
    }

    call_options! { self => self.unpolled().call;
        /// Sets the deadline of the command. It covers waiting for a connection, connecting and the
        /// reply. The commands of a [batch](crate::Redis::batch) are sent together, so the shortest
        /// of their deadlines applies to all.
    }

    wait_option! { self => self.unpolled().call }

    /// Overrides how the keyspace behaves when Redis is unavailable, for commands that read values.
    /// Any other command fails with [`InvalidInput`](crate::ErrorKind::InvalidInput) if
    /// [`OnUnavailable::Miss`] is set.
    pub fn on_unavailable(mut self, answer: OnUnavailable) -> Self {
        self.unpolled().subject.on_unavailable = Some(answer);
        self
    }

    /// Overrides which server answers the command, for commands that only read; see [`Reads`]. Any
    /// other command fails with [`InvalidInput`](crate::ErrorKind::InvalidInput) unless it is
    /// [`Reads::Master`]. In a batch, the option has no effect: the master answers.
    ///
    /// ```
    /// # use redis_keyspace::{Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "page", ttl = "1d")]
    /// # struct PageKeys { title: fn(id: u64) -> Text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// use redis_keyspace::command::Reads;
    ///
    /// let title = PageKeys::title(7).get().reads(Reads::PreferReplica).await?;
    /// # assert_eq!(title, None);
    /// # Ok(()) }).await }
    /// ```
    pub fn reads(mut self, reads: Reads) -> Self {
        self.unpolled().subject.reads_from = Some(reads);
        self
    }

    pub(crate) fn with_on_unavailable(mut self, answer: Option<OnUnavailable>) -> Self {
        self.subject.on_unavailable = answer.or(self.subject.on_unavailable);
        self
    }

    /// Sets the target, unless `target` leaves the choice open.
    #[inline]
    pub(crate) fn on_target(mut self, target: Target) -> Self {
        self.set_target(target);
        self
    }

    #[inline]
    pub(super) fn set_target(&mut self, target: Target) {
        if !matches!(target, Target::Chosen) {
            self.call.target = target;
        }
    }

    #[inline]
    pub(crate) fn with_call(mut self, call: CallOptions) -> Self {
        self.set_call(call);
        self
    }

    /// Sets the options, except those that leave a choice open.
    #[inline]
    pub(super) fn set_call(&mut self, call: CallOptions) {
        self.call.timeout = call.timeout.or(self.call.timeout);
        self.call.also_wait(call.wait);
        self.set_target(call.target);
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

/// The error of a command that is changed after its first poll.
pub(super) fn polled_already(command: &'static str) -> Error {
    Error::invalid_input(format!(
        "the {command} command was polled before it was changed or passed to a batch, so it may have run; set all \
         options first, or create a new command"
    ))
}

impl<T> fmt::Debug for Command<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The output omits the arguments, because they contain values.
        let mut keys: Vec<_> = (self.request.iter())
            .flat_map(Request::requested)
            .flat_map(|packet| packet.keys.as_slice())
            .map(|key| short_name(key.as_str()))
            .collect();
        // Some commands are sent as two packets with the same key.
        keys.dedup();
        f.debug_struct("Command")
            .field("command", &self.subject.command)
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}

/// A single command, or a builder of one. A [batch](crate::Redis::batch) consists of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a single command",
    label = "a batch consists of commands such as `CartKeys::user(7).get()`",
    note = "operations of several steps, such as `get_or_set` and `update`, can't be part of a batch: run them concurrently with `tokio::join!`"
)]
pub trait IntoCommand {
    /// The result of the command.
    type Output: 'static;

    /// Returns the finished command.
    fn into_command(self) -> Command<Self::Output>;
}

impl<T: 'static> IntoCommand for Command<T> {
    type Output = T;

    fn into_command(self) -> Self {
        self
    }
}
