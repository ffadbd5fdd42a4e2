//! The one error type: a stable kind, what it was about, and what to do.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::command::Apart;
use crate::keyspace::{KeyspaceMeta, TemplateMeta};

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed.
///
/// Cheap to clone. [`kind`](Self::kind) and the questions (`is_..`) are for programs, the message is for people.
/// No message, `Debug` output or source ever holds a password or a value that Redis keeps.
///
/// ```
/// # use redis_keyspace::{Keyspace, Redis, Text};
/// # #[derive(Keyspace)]
/// # #[keyspace(prefix = "motd", ttl = none)]
/// # struct Motd { today: Text }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// // nothing listens on port 1
/// let redis = Redis::connect("redis://127.0.0.1:1").unwrap();
/// match Motd::today().on(&redis).get().await {
///     Err(error) if error.is_unavailable() => println!("no greeting today: {error}"),
///     other => panic!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    budget: Option<(Budget, Duration)>,
    message: String,
    code: Option<String>,
    subject: Option<Subject>,
    /// Keys that a cluster does not take together, as long as the message does not name their templates.
    apart: Option<Box<Apart>>,
    /// Nothing was tried, because of failures before.
    breaker_open: bool,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What the failed command was about.
#[derive(Clone, Debug)]
struct Subject {
    command: &'static str,
    template: Option<&'static TemplateMeta>,
    key: Option<String>,
}

/// What went wrong, as a program may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A URL, environment variable, builder option or keyspace attribute is unusable. Nothing was sent.
    Configuration,
    /// No server was chosen for the command: nothing is installed, in scope or stated by `.on(..)`.
    NoServer,
    /// The handle, or the pool that it was given, has been closed.
    Closed,
    /// No connection could be made. Nothing was sent.
    Unavailable,
    /// The connection broke while the command was under way: it may or may not have been executed.
    ConnectionLost,
    /// The deadline passed while the command was under way: it may still be executed.
    Timeout,
    /// All connections stayed busy until the deadline, or so many requests wait for replies that no more are taken. Nothing
    /// was sent.
    PoolBusy,
    /// User name or password are wrong, or lack a right.
    Denied,
    /// The key holds a value of another Redis type than the template says.
    WrongType,
    /// The server answered with an error of its own; [`Error::code`] has its first word.
    Server,
    /// The server's answer is not of the shape that the command has.
    Protocol,
    /// The value at the key can't be read as the declared kind.
    Decode,
    /// The value given can't be written as the declared kind. Nothing was sent.
    Encode,
    /// An argument is out of range. Nothing was sent.
    InvalidInput,
    /// Others have written the key each time that an update was about to. Nothing was changed.
    Conflict,
    /// Somebody else is doing what is to be done [once](crate::Once).
    InProgress,
    /// What is to be done [once](crate::Once) was done, but its result could not be kept.
    NotKept,
    /// The loader of a fill was not done within its hard timeout. Nothing was stored.
    LoaderTimeout,
    /// Somebody else held the lock until the limit of waiting for it. Nothing was changed.
    Locked,
    /// The lock is not held any more: it expired, or was broken, or given back.
    LockLost,
    /// A value is longer than `max_value`. One to be stored was not sent; one that was read was thrown away.
    TooLarge,
}

/// A part of the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Budget {
    /// Waiting for a free connection.
    Checkout,
    /// Connecting and logging in.
    Connect,
    /// Waiting for the reply.
    Reply,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Arc::new(Inner {
                kind,
                budget: None,
                message: message.into(),
                code: None,
                subject: None,
                apart: None,
                breaker_open: false,
                source: None,
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
        Self::new(ErrorKind::Closed, "this Redis handle was closed; make a new one to go on")
    }

    pub(crate) fn timeout(budget: Budget, limit: Duration) -> Self {
        let (kind, message) = match budget {
            Budget::Checkout => (
                ErrorKind::PoolBusy,
                "all connections stayed busy; raise `exclusives` or hold them for less time",
            ),
            Budget::Connect => (ErrorKind::Unavailable, "the server did not accept a connection in time"),
            Budget::Reply => (ErrorKind::Timeout, "no reply in time; the command may still be executed"),
        };
        Self::new(kind, message).with(|inner| inner.budget = Some((budget, limit)))
    }

    /// More requests than a lane takes.
    pub(crate) fn overloaded(requests: usize, bytes: usize) -> Self {
        Self::new(
            ErrorKind::PoolBusy,
            format!(
                "{requests} requests wait for their replies on this connection and {bytes} bytes to be written, which is as \
                 much as is taken, so nothing was sent: the server does not keep up, or `max_in_flight` or \
                 `max_queued_bytes` is too low"
            ),
        )
    }

    pub(crate) fn too_large(length: usize, most: Option<usize>) -> Self {
        let message = match most {
            Some(most) => format!(
                "a value of {length} bytes is longer than `max_value`, which is {most}, so nothing was sent"
            ),
            None => {
                format!("the value has {length} bytes, which is more than `max_value`; it was thrown away")
            }
        };
        Self::new(ErrorKind::TooLarge, message)
    }

    /// Marks the refusal of a breaker.
    pub(crate) fn of_breaker(self) -> Self {
        self.with(|inner| inner.breaker_open = true)
    }

    pub(crate) fn connection_lost(cause: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::ConnectionLost,
            format!(
                "the connection was lost while the command was under way ({cause}); it may have been executed"
            ),
        )
    }

    pub(crate) fn io(endpoint: &str, error: std::io::Error) -> Self {
        Self::new(ErrorKind::Unavailable, format!("can't connect to {endpoint}: {error}"))
            .with(|inner| inner.source = Some(Arc::new(error)))
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, message)
    }

    pub(crate) fn decode(problem: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Decode, format!("the value can't be decoded: {problem}"))
    }

    pub(crate) fn encode(problem: crate::kind::EncodeError) -> Self {
        Self::new(ErrorKind::Encode, format!("the value can't be encoded: {problem}"))
    }

    /// An error reply of the server, whose text starts with its code.
    pub(crate) fn server(text: &str) -> Self {
        let text = without_arguments(text);
        let code = text.split(' ').next().unwrap_or_default();
        let kind = match code {
            "WRONGTYPE" => ErrorKind::WrongType,
            "NOAUTH" | "WRONGPASS" | "NOPERM" => ErrorKind::Denied,
            "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" => ErrorKind::Unavailable,
            _ => ErrorKind::Server,
        };
        let hint = match code {
            "WRONGTYPE" => "; another program, or a template of another kind, has written this key",
            "NOAUTH" => "; set a password, for example with REDIS_PASSWORD",
            "LOADING" => "; it is starting, try again in a moment",
            "READONLY" => "; this is a replica, connect to its master",
            "OOM" => "; it is out of memory and refuses writes",
            _ => "",
        };
        let code = code.to_owned();
        Self::new(kind, format!("the server answered: {text}{hint}")).with(|inner| inner.code = Some(code))
    }

    /// The same, of a server that ended the connection with it. Whom it denies, it denies.
    pub(crate) fn unavailable(self) -> Self {
        self.with(|inner| {
            if inner.kind != ErrorKind::Denied {
                inner.kind = ErrorKind::Unavailable;
            }
        })
    }

    /// Keys of one request that a cluster does not take together.
    pub(crate) fn across_slots(apart: Apart) -> Self {
        let message = apart.message(&mut std::iter::empty());
        Self::invalid_input(message).with(|inner| inner.apart = Some(Box::new(apart)))
    }

    /// Names the templates of the keys that the message is about, once it is known which keyspaces they can be of.
    pub(crate) fn naming_templates(self, keyspaces: &mut dyn Iterator<Item = &'static KeyspaceMeta>) -> Self {
        if self.inner.apart.is_none() {
            return self;
        }
        self.with(|inner| {
            if let Some(apart) = inner.apart.take() {
                inner.message = apart.message(keyspaces);
            }
        })
    }

    /// Adds a sentence to the message.
    pub(crate) fn explained(self, sentence: &str) -> Self {
        self.with(|inner| inner.message = format!("{}; {sentence}", inner.message))
    }

    /// Says it otherwise.
    pub(crate) fn reworded(self, message: &str) -> Self {
        self.with(|inner| message.clone_into(&mut inner.message))
    }

    /// The first failure of a batch, for all of them.
    pub(crate) fn in_batch(self, failed: usize, total: usize) -> Self {
        let message =
            format!("{failed} of {total} commands of the batch failed, the first of them with: {self}");
        let source = self.clone();
        self.with(|inner| {
            inner.message = message;
            inner.subject = None;
            inner.source = Some(Arc::new(source));
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }

    /// Says which command on which key it was; what is known already stays.
    pub(crate) fn about(
        self,
        command: &'static str,
        template: Option<&'static TemplateMeta>,
        key: Option<&str>,
    ) -> Self {
        match &self.inner.subject {
            Some(subject) if subject.template.is_some() || template.is_none() => self,
            Some(_) => self.with(|inner| {
                if let Some(subject) = &mut inner.subject {
                    subject.template = template;
                }
            }),
            None => {
                let subject = Subject { command, template, key: key.map(str::to_owned) };
                self.with(|inner| inner.subject = Some(subject))
            }
        }
    }

    pub(crate) fn sourced(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.source = Some(Arc::new(source)))
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Whether the server said that it does not run commands now, and did not run this one.
    pub(crate) fn is_not_run(&self) -> bool {
        self.code().is_some_and(|code| {
            matches!(code, "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "READONLY" | "BUSY")
        })
    }

    /// Whether Redis could not be reached or was lost: no connection, a broken one, or a server that is still
    /// loading. Another try later may succeed.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::ConnectionLost)
    }

    /// Whether the connection broke while the command was under way, so that it may have been executed.
    #[must_use]
    pub fn is_connection_lost(&self) -> bool {
        self.kind() == ErrorKind::ConnectionLost
    }

    /// Whether nothing was tried because the server failed several times in a row before, and is taken to be away. Such an
    /// error is also [`is_unavailable`](Self::is_unavailable).
    #[must_use]
    pub fn is_breaker_open(&self) -> bool {
        self.inner.breaker_open
    }

    /// Whether a part of the deadline ran out; [`budget`](Self::budget) says which, where it was one of ours.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.inner.budget.is_some() || self.kind() == ErrorKind::Timeout
    }

    /// Whether the value at the key could not be read as the declared kind.
    #[must_use]
    pub fn is_decode(&self) -> bool {
        self.kind() == ErrorKind::Decode
    }

    /// Whether a URL, environment variable, option or attribute is unusable.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        self.kind() == ErrorKind::Configuration
    }

    /// Which part of the deadline ran out, if one did.
    #[must_use]
    pub fn budget(&self) -> Option<Budget> {
        self.inner.budget.map(|(budget, _)| budget)
    }

    /// The first word of the server's error, such as `OOM`, if the server answered with one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.inner.code.as_deref()
    }

    /// The name of the keyspace that the command was about.
    #[must_use]
    pub fn keyspace(&self) -> Option<&'static str> {
        self.template().map(TemplateMeta::keyspace)
    }

    /// The template of the key that the command was about.
    #[must_use]
    pub fn template(&self) -> Option<&'static TemplateMeta> {
        self.inner.subject.as_ref()?.template
    }

    /// The key that the command was about, where it was about one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.inner.subject.as_ref()?.key.as_deref()
    }

    /// The Redis command that failed, such as `GET`.
    #[must_use]
    pub fn command(&self) -> Option<&'static str> {
        self.inner.subject.as_ref().map(|subject| subject.command)
    }
}

/// What a server says, without what it repeats of a command that it does not know: values, and secrets.
pub(crate) fn without_arguments(said: &str) -> &str {
    const UNKNOWN: &str = "unknown command";
    let end = said.to_ascii_lowercase().find(UNKNOWN).map_or(said.len(), |at| at + UNKNOWN.len());
    said.get(..end).unwrap_or(said)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(subject) = &self.inner.subject {
            f.write_str(subject.command)?;
            if let Some(key) = &subject.key {
                write!(f, " {key:?}")?;
            }
            if let Some(template) = subject.template {
                write!(f, " ({}::{})", template.keyspace(), template.field())?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.inner.message)?;
        if let Some((budget, limit)) = self.inner.budget {
            let budget = match budget {
                Budget::Checkout => "waiting for a connection",
                Budget::Connect => "connecting",
                Budget::Reply => "waiting for the reply",
            };
            write!(f, " (the limit of {limit:?} ran out while {budget})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.kind())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}
