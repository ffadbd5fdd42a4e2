//! The error type and its accessors.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::carried::CarriedResult;
use super::kind::{Budget, ErrorKind, TlsFailure};
use super::redirect::Redirect;
use super::short_name::short_name;
use super::slots::SlotConflict;

/// A `Result` whose error type is [`Error`] by default.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error type of this crate.
///
/// Cloning is cheap. [`kind`](Self::kind) and the predicates (`is_..`) are for programs; the
/// message is for people.
///
/// # What an error contains
///
/// Messages, `Debug` output and sources are meant for logs. They may contain:
///
/// - the address of the server, and the user name;
/// - the names of commands, keyspaces, templates, options, variables, known profiles and the
///   entries of their files;
/// - the path of a file with profiles, and the paths of files with certificates and keys for TLS;
/// - the names in the TLS certificate of the server;
/// - the key of the command, and so the arguments in it;
/// - numbers and durations of options that are out of range, and sizes;
/// - the answer of the server or the operating system, without the arguments of the command. In the
///   error reply to a [raw](crate::Redis::raw) command, `***` replaces every argument of more than
///   two bytes. In other error replies with the code `ERR`, `***` replaces quoted text.
///
/// They never contain an invalid URL or a part of it, the value of an environment variable or of a
/// profile's entry, an invalid name, a password, the path of a password file, a certificate or its
/// key, or a value that is sent, stored or returned.
///
/// Text from the application is included unchanged: the errors of its loaders and of its providers
/// of configuration and credentials, the messages of its `Serialize` implementations, and error
/// texts that its scripts build without arguments.
///
/// ```
/// # use redis_keyspace::{Keyspace, Redis, Text};
/// # #[derive(Keyspace)]
/// # #[keyspace(prefix = "motd", ttl = none)]
/// # struct Motd { today: Text }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// // Nothing listens on port 1.
/// let redis = Redis::open("redis://127.0.0.1:1").unwrap();
/// match Motd::today().on(&redis).get().await {
///     Err(error) if error.is_unavailable() => println!("no greeting today: {error}"),
///     other => panic!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Error {
    pub(super) inner: Arc<ErrorInner>,
}

#[derive(Clone)]
pub(super) struct ErrorInner {
    pub(super) kind: ErrorKind,
    pub(super) budget: Option<(Budget, Duration)>,
    pub(super) message: String,
    code: Option<String>,
    pub(super) context: Option<Context>,
    /// Set until the message names the templates of the two keys.
    slot_conflict: Option<Box<SlotConflict>>,
    /// Where a cluster redirects the command to.
    redirect: Option<Box<Redirect>>,
    /// Whether a circuit breaker rejected the command.
    breaker_open: bool,
    /// Whether an earlier attempt was lost, so that the command may have been executed.
    follows_loss: bool,
    /// Why TLS could not be set up with the server.
    pub(super) tls_failure: Option<TlsFailure>,
    pub(super) source: Option<Arc<dyn StdError + Send + Sync>>,
    /// The result of completed work that could not be stored.
    result: Option<CarriedResult>,
}

/// The command that failed, with its template and key.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) command: &'static str,
    pub(super) template: Option<TemplateName>,
    /// Shortened if it is very long, because errors may be kept and cloned many times.
    pub(super) key: Option<String>,
}

/// Longer keys are shortened in errors.
const LONGEST_KEY: usize = 1024;

/// A template and the names of its keyspace and field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TemplateName {
    pub(crate) keyspace: &'static str,
    pub(crate) field: &'static str,
    pub(crate) template: &'static str,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Arc::new(ErrorInner {
                kind,
                budget: None,
                message: message.into(),
                code: None,
                context: None,
                slot_conflict: None,
                redirect: None,
                breaker_open: false,
                follows_loss: false,
                tls_failure: None,
                source: None,
                result: None,
            }),
        }
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Configuration, message)
    }

    pub(crate) fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "this Redis handle was closed; create a new one")
    }

    pub(crate) fn timeout(budget: Budget, limit: Duration) -> Self {
        let (kind, message) = match budget {
            Budget::Checkout => (
                ErrorKind::PoolBusy,
                "timed out waiting for an exclusive connection; raise `exclusive_connections` or release connections \
                 sooner",
            ),
            Budget::Connect => (ErrorKind::Unavailable, "the server did not accept a connection in time"),
            Budget::Reply => (ErrorKind::Timeout, "no reply in time; the command may still be executed"),
        };
        Self::new(kind, message).with(|inner| inner.budget = Some((budget, limit)))
    }

    /// The queue of a connection is full.
    pub(crate) fn overloaded(requests: usize, bytes: usize) -> Self {
        Self::new(
            ErrorKind::PoolBusy,
            format!(
                "connection queue full ({requests} requests, {bytes} bytes); command not sent; the server does not keep \
                 up, or `max_in_flight` or `max_queued_bytes` is too low"
            ),
        )
    }

    /// Too many callers are waiting for exclusive connections.
    pub(crate) fn too_many_waiting(callers: usize) -> Self {
        Self::new(
            ErrorKind::PoolBusy,
            format!(
                "{callers} callers are already waiting for an exclusive connection, as many as `max_in_flight` \
                 allows; raise `exclusive_connections`, or hold the connections for a shorter time"
            ),
        )
    }

    /// A value exceeds `most` bytes and was not sent.
    pub(crate) fn too_large_to_send(length: usize, most: usize) -> Self {
        Self::new(
            ErrorKind::TooLarge,
            format!("a value of {length} bytes exceeds `max_value_bytes` ({most}); nothing was sent"),
        )
    }

    /// A key exceeds `most` bytes and was not sent.
    pub(crate) fn key_too_long(key: &str, most: usize) -> Self {
        let length = key.len();
        Self::invalid_input(format!(
            "a key of {length} bytes exceeds `max_key_bytes` ({most}); nothing was sent"
        ))
    }

    /// The encoder stopped because the value exceeds `most` bytes.
    pub(crate) fn too_large_to_encode(most: usize) -> Self {
        Self::new(
            ErrorKind::TooLarge,
            format!(
                "the value exceeds `max_value_bytes` ({most}); encoding stopped there, and nothing was sent"
            ),
        )
    }

    /// A value in a reply exceeds the limit.
    pub(crate) fn too_large_to_read(length: usize) -> Self {
        Self::new(
            ErrorKind::TooLarge,
            format!("a value of {length} bytes exceeds `max_value_bytes`; it was dropped"),
        )
    }

    pub(crate) fn connection_lost(cause: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::ConnectionLost,
            format!(
                "the connection was lost while the command was in flight ({cause}); the command may have been executed"
            ),
        )
    }

    pub(crate) fn io(endpoint: &str, error: std::io::Error) -> Self {
        Self::new(ErrorKind::Unavailable, format!("can't connect to {endpoint}: {error}")).sourced(error)
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, message)
    }

    pub(crate) fn decode(problem: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Decode, format!("the value can't be decoded: {problem}"))
    }

    pub(crate) fn encode(problem: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Encode, format!("the value can't be encoded: {problem}"))
    }

    /// `verify_writes` could not decode the bytes of a value.
    pub(crate) fn unreadable(problem: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::Encode,
            format!(
                "no reader could decode this value, so nothing was sent: its encoding is {problem}; make the type read \
                 what it writes (found by `verify_writes`)"
            ),
        )
    }

    /// The keys of one request are in different slots of a cluster.
    pub(crate) fn across_slots(conflict: SlotConflict) -> Self {
        let message = conflict.message(&mut |_| None);
        Self::invalid_input(message).with(|inner| inner.slot_conflict = Some(Box::new(conflict)))
    }

    /// Adds the templates of the two keys to the message. The caller knows which keyspaces the keys
    /// can belong to.
    pub(crate) fn naming_templates(self, template_of: &mut dyn FnMut(&str) -> Option<&'static str>) -> Self {
        if self.inner.slot_conflict.is_none() {
            return self;
        }
        self.with(|inner| {
            if let Some(conflict) = inner.slot_conflict.take() {
                inner.message = conflict.message(template_of);
            }
        })
    }

    /// Returns the error of a whole batch. `self` is the first error in the batch.
    pub(crate) fn in_batch(self, failed: usize, total: usize) -> Self {
        let message = format!("{failed} of {total} commands of the batch failed; the first error: {self}");
        let source = self.clone();
        self.with(|inner| {
            inner.message = message;
            inner.context = None;
            inner.source = Some(Arc::new(source));
        })
    }

    /// Marks the error as a rejection by a circuit breaker.
    pub(crate) fn of_breaker(self) -> Self {
        self.with(|inner| inner.breaker_open = true)
    }

    /// Records that an earlier attempt was lost. That this one was not executed says nothing about
    /// the earlier one.
    pub(crate) fn after_loss(self) -> Self {
        if self.is_connection_lost() || self.kind() == ErrorKind::Timeout {
            return self;
        }
        self.explained("an earlier attempt lost its connection, and may have been executed")
            .with(|inner| inner.follows_loss = true)
    }

    /// Changes the kind to `Unavailable`, unless the server rejected the user.
    pub(crate) fn unavailable(self) -> Self {
        self.with(|inner| {
            if !matches!(inner.kind, ErrorKind::AuthenticationFailed | ErrorKind::PermissionDenied) {
                inner.kind = ErrorKind::Unavailable;
            }
        })
    }

    /// Appends an explanation to the message.
    pub(crate) fn explained(self, sentence: &str) -> Self {
        self.with(|inner| inner.message = format!("{}; {sentence}", inner.message))
    }

    /// Replaces the message.
    pub(crate) fn reworded(self, message: &str) -> Self {
        self.with(|inner| message.clone_into(&mut inner.message))
    }

    /// Records where a cluster redirects the command to.
    pub(super) fn redirecting(self, redirect: Option<Redirect>) -> Self {
        self.with(|inner| inner.redirect = redirect.map(Box::new))
    }

    /// Returns where a cluster redirects the command to.
    pub(crate) fn redirect(&self) -> Option<&Redirect> {
        self.inner.redirect.as_deref()
    }

    pub(crate) fn with_code(self, code: &str) -> Self {
        self.with(|inner| inner.code = Some(code.to_owned()))
    }

    /// Attaches the result of work that could not be stored.
    pub(crate) fn with_result<T: Send + 'static>(self, result: T) -> Self {
        self.with(|inner| inner.result = Some(CarriedResult::new(result)))
    }

    pub(crate) fn sourced(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.source = Some(Arc::new(source)))
    }

    /// Adds the command, the template and the key that failed. Keeps what is already set.
    pub(crate) fn about(
        self,
        command: &'static str,
        template: Option<TemplateName>,
        key: Option<&str>,
    ) -> Self {
        match &self.inner.context {
            Some(context) if context.template.is_some() || template.is_none() => self,
            Some(_) => self.with(|inner| {
                if let Some(context) = &mut inner.context {
                    context.template = template;
                }
            }),
            None => {
                let kept = |key: &str| {
                    if key.len() <= LONGEST_KEY { key.to_owned() } else { short_name(key).into_owned() }
                };
                let context = Context { command, template, key: key.map(kept) };
                self.with(|inner| inner.context = Some(context))
            }
        }
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut ErrorInner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }

    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Returns true if Redis is unavailable: no connection could be made, the connection was lost,
    /// or the server does not run commands now, for example because it is still loading its data. A
    /// later attempt may succeed.
    ///
    /// Returns false if the reply is late ([`Timeout`](ErrorKind::Timeout), see
    /// [`is_timeout`](Self::is_timeout)), and for [`PoolBusy`](ErrorKind::PoolBusy).
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::ConnectionLost)
    }

    /// Whether Redis can't serve the command now because it is unavailable, too slow or busy.
    /// Otherwise the command itself is wrong.
    pub(crate) fn is_outage(&self) -> bool {
        self.is_unavailable() || self.is_timeout() || self.kind() == ErrorKind::PoolBusy
    }

    /// Returns true if the connection broke while the command was in flight. The command may have
    /// been executed.
    ///
    /// If the command was sent again, and that attempt was not executed, the kind is that of the
    /// last attempt.
    #[must_use]
    pub fn is_connection_lost(&self) -> bool {
        self.kind() == ErrorKind::ConnectionLost || self.inner.follows_loss
    }

    /// Returns true if a circuit breaker rejected the command, because the server failed several
    /// times in a row. Such an error is also [`is_unavailable`](Self::is_unavailable).
    #[must_use]
    pub fn is_breaker_open(&self) -> bool {
        self.inner.breaker_open
    }

    /// Returns true if the deadline passed. [`budget`](Self::budget) returns in which phase of the
    /// command, if that is known.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.inner.budget.is_some() || self.kind() == ErrorKind::Timeout
    }

    /// Returns true if the value at the key can't be decoded as the declared kind.
    #[must_use]
    pub fn is_decode(&self) -> bool {
        self.kind() == ErrorKind::Decode
    }

    /// Returns true if a URL, environment variable, option or attribute is invalid.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        self.kind() == ErrorKind::Configuration
    }

    /// Takes the result of a [`Once`](crate::Once) whose work completed but whose result could not
    /// be stored ([`ResultNotStored`](ErrorKind::ResultNotStored)). `T` is the type that the work
    /// returned.
    ///
    /// Returns `None` if `T` is another type, if this is another error, or if the result was
    /// already taken from this error or from a clone of it.
    ///
    /// ```
    /// # use redis_keyspace::{ErrorKind, Keyspace, Once, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "payment", ttl = "1d")]
    /// # struct PaymentKeys { request: fn(id: &str) -> Once<Text> }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// let request = PaymentKeys::request("r-17");
    /// let charge = || async {
    ///     request.del().await.ok(); // another task deletes the request meanwhile
    ///     "receipt 1".to_owned()
    /// };
    /// let error = request.run(charge).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::ResultNotStored);
    /// assert_eq!(error.take_result::<String>().as_deref(), Some("receipt 1"));
    /// # Ok(()) }).await }
    /// ```
    #[must_use]
    pub fn take_result<T: 'static>(&self) -> Option<T> {
        self.inner.result.as_ref()?.take()
    }

    /// Returns the phase of the command in which the deadline passed.
    #[must_use]
    pub fn budget(&self) -> Option<Budget> {
        self.inner.budget.map(|(budget, _)| budget)
    }

    /// Returns the first word of the server's error reply, such as `OOM`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.inner.code.as_deref()
    }

    /// Returns the name of the keyspace of the command.
    #[must_use]
    pub fn keyspace(&self) -> Option<&'static str> {
        self.template_name().map(|template| template.keyspace)
    }

    /// Returns the template of the key, such as `cart:user:{id}`.
    #[must_use]
    pub fn template(&self) -> Option<&'static str> {
        self.template_name().map(|template| template.template)
    }

    /// Returns the name of the field that declares the template, which is also the name of its
    /// constructor.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        self.template_name().map(|template| template.field)
    }

    /// Returns the key of the command. A key of more than 1024 bytes is shortened. Messages shorten
    /// a key of more than 256 bytes.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.inner.context.as_ref()?.key.as_deref()
    }

    /// Returns the Redis command that failed, such as `GET`.
    #[must_use]
    pub fn command(&self) -> Option<&'static str> {
        self.inner.context.as_ref().map(|context| context.command)
    }

    fn template_name(&self) -> Option<TemplateName> {
        self.inner.context.as_ref()?.template
    }
}
