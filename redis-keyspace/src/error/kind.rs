//! The kinds of errors.

/// The kind of an [`Error`](crate::Error), for programs that handle failures differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A URL, environment variable, builder option or keyspace attribute is invalid. Nothing was
    /// sent.
    Configuration,
    /// No server is configured for the command: none is installed, in scope, or set by `.on(..)`.
    /// Or no tokio runtime exists to connect on. Or the handle is
    /// [disabled](crate::Redis::disabled), and the operation needs a server.
    ServerNotConfigured,
    /// The handle, or the pool that it uses, is closed.
    Closed,
    /// No connection could be made, or the server does not run commands now. The command was not
    /// executed.
    Unavailable,
    /// The connection broke while the command was in flight. The command may have been executed.
    ConnectionLost,
    /// The deadline passed while the command was in flight. The command may still be executed.
    Timeout,
    /// All connections stayed busy until the deadline, a queue was full, or other tasks were still
    /// updating the key. Nothing was sent.
    PoolBusy,
    /// The server rejected the user name or the password, or requires one.
    AuthenticationFailed,
    /// The user is not permitted to run the command or to access the key.
    PermissionDenied,
    /// The key holds a value of another Redis type than the template declares.
    WrongType,
    /// The server replied with an error. [`Error::code`](crate::Error::code) returns its first
    /// word.
    Server,
    /// The server has no such command, or no such option of it. The message names the versions that
    /// have it. The command changed nothing.
    MissingCommand,
    /// The reply of the server does not have the shape that the command defines.
    Protocol,
    /// The value at the key can't be decoded as the declared kind.
    Decode,
    /// The value can't be encoded as the declared kind. Nothing was sent.
    Encode,
    /// An argument is invalid. Nothing was sent.
    InvalidInput,
    /// Every attempt of an `update` or `watch` found that a key had changed. Nothing was written.
    Conflict,
    /// Another caller is running the work of a [`Once`](crate::Once).
    InProgress,
    /// The work of a [`Once`](crate::Once) completed, but its result could not be stored.
    /// [`Error::take_result`](crate::Error::take_result) returns it.
    ResultNotStored,
    /// The work of a [`Once`](crate::Once) ran for another payload. It did not run again.
    PayloadMismatch,
    /// The loader of a fill did not finish within its hard timeout. Nothing was stored.
    LoaderTimeout,
    /// A caller waited for the loaders of two other callers, and both failed. Nothing was stored.
    LoaderFailed,
    /// Another holder kept the lock until the wait limit passed.
    LockTimeout,
    /// The lock is no longer held: it expired, was deleted, or was released.
    LockLost,
    /// The write was executed, but fewer replicas than requested acknowledged it in time; see
    /// [`Command::wait_replicas`](crate::Command::wait_replicas).
    NotReplicated,
    /// A value is larger than `max_value_bytes`. A value to be stored was not sent; a value that
    /// was read was dropped.
    TooLarge,
}

impl ErrorKind {
    /// The label of the kind in spans and metrics.
    #[cfg(any(feature = "tracing", feature = "metrics"))]
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::ServerNotConfigured => "server_not_configured",
            Self::Closed => "closed",
            Self::Unavailable => "unavailable",
            Self::ConnectionLost => "connection_lost",
            Self::Timeout => "timeout",
            Self::PoolBusy => "pool_busy",
            Self::AuthenticationFailed => "authentication_failed",
            Self::PermissionDenied => "permission_denied",
            Self::WrongType => "wrong_type",
            Self::Server => "server",
            Self::MissingCommand => "missing_command",
            Self::Protocol => "protocol",
            Self::Decode => "decode",
            Self::Encode => "encode",
            Self::InvalidInput => "invalid_input",
            Self::Conflict => "conflict",
            Self::InProgress => "in_progress",
            Self::ResultNotStored => "result_not_stored",
            Self::PayloadMismatch => "payload_mismatch",
            Self::LoaderTimeout => "loader_timeout",
            Self::LoaderFailed => "loader_failed",
            Self::LockTimeout => "lock_timeout",
            Self::LockLost => "lock_lost",
            Self::NotReplicated => "not_replicated",
            Self::TooLarge => "too_large",
        }
    }
}

/// The phase of a command in which its deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Budget {
    /// Waiting for a free exclusive connection, for one of the application's pool, or for other
    /// tasks that update the same key. The kind is [`PoolBusy`](ErrorKind::PoolBusy).
    Checkout,
    /// Connecting and logging in. The kind is [`Unavailable`](ErrorKind::Unavailable).
    Connect,
    /// Waiting for the reply. The kind is [`Timeout`](ErrorKind::Timeout).
    Reply,
}

impl Budget {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Checkout => "waiting for a connection",
            Self::Connect => "connecting",
            Self::Reply => "waiting for the reply",
        }
    }
}

/// Why an encrypted connection could not be made, from
/// [`Error::tls_failure`](crate::Error::tls_failure). The message of the error says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsFailure {
    /// The server answered the handshake with something other than TLS.
    NotTls,
    /// The server accepted the connection and did not answer the handshake in time. A port without
    /// TLS behaves like that, and so does a server that is overloaded.
    NoAnswer,
    /// The certificate of the server was issued by a CA that is not trusted.
    UnknownIssuer,
    /// The certificate of the server has expired.
    Expired,
    /// The certificate of the server is not valid yet.
    NotYetValid,
    /// The certificate of the server is for other names.
    WrongName,
    /// The server requires a client certificate, and none is set.
    ClientCertificateRequired,
    /// The server rejected the client certificate.
    ClientCertificateRejected,
    /// The server and the client have no version of TLS in common.
    Version,
    /// The server closed the connection during the handshake. A port without TLS may behave like
    /// that, and so may a proxy without a server, and a server with `maxclients` connections.
    Closed,
    /// Another reason. The message of the error contains it.
    Other,
}
