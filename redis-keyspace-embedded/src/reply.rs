//! Replies to commands, and the errors of commands.

use bytes::Bytes;

use crate::number::format_double;

/// A reply of the server, before it is encoded for the protocol version of the connection.
///
/// Scripts registered with [`Server::register_script`](crate::Server::register_script) receive
/// replies of this type from the commands they call, and return one. As in Lua, the replies that
/// they receive have the form of RESP2, whatever the protocol of the connection: HGETALL returns an
/// [`Array`](Self::Array) of fields and values, and ZSCORE a [`Bulk`](Self::Bulk).
///
/// ```
/// use redis_keyspace_embedded::Reply;
///
/// assert_eq!(Reply::bulk("hello"), Reply::Bulk("hello".into()));
/// assert!(Reply::error("ERR no such thing").is_error());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// A short status such as `OK`.
    Status(Bytes),
    /// An error. Its first word is its kind, such as `ERR` or `WRONGTYPE`.
    Error(Bytes),
    /// A whole number.
    Integer(i64),
    /// A binary-safe string.
    Bulk(Bytes),
    /// No value, in place of a string.
    Nil,
    /// No value, in place of an array. Only RESP2 distinguishes it from [`Nil`](Self::Nil).
    NilArray,
    /// A floating-point number. Sent as a string under RESP2.
    Double(f64),
    /// Human-readable text. Sent as a string under RESP2.
    Verbatim(Bytes),
    /// A sequence.
    Array(Vec<Reply>),
    /// An unordered collection. Sent as an array under RESP2.
    Set(Vec<Reply>),
    /// Key-value pairs. Sent as a flat array under RESP2.
    Map(Vec<(Reply, Reply)>),
    /// An out-of-band message. Sent as an array under RESP2.
    Push(Vec<Reply>),
    /// Several replies to one command, for example to SUBSCRIBE with several channels.
    Several(Vec<Reply>),
    /// A reply that is already encoded for the connection. Scripts do not receive it.
    Encoded(EncodedReply),
}

/// The encoded bytes of a reply. Only the server creates it.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodedReply(pub(crate) Bytes);

impl Reply {
    pub(crate) const OK: Self = Self::Status(Bytes::from_static(b"OK"));
    pub(crate) const QUEUED: Self = Self::Status(Bytes::from_static(b"QUEUED"));

    /// Creates a binary-safe string.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Reply;
    /// assert_eq!(Reply::bulk(vec![0, 255]), Reply::Bulk(vec![0, 255].into()));
    /// ```
    pub fn bulk(data: impl Into<Bytes>) -> Self {
        Self::Bulk(data.into())
    }

    /// Creates an error. The first word of the text is its kind.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Reply;
    /// assert!(Reply::error("WRONGTYPE not a list").is_error());
    /// ```
    pub fn error(text: impl Into<Bytes>) -> Self {
        Self::Error(text.into())
    }

    /// Returns whether this is an error.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Reply;
    /// assert!(!Reply::Integer(1).is_error());
    /// ```
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    pub(crate) const fn text(text: &'static str) -> Self {
        Self::Bulk(Bytes::from_static(text.as_bytes()))
    }

    pub(crate) const fn status(text: &'static str) -> Self {
        Self::Status(Bytes::from_static(text.as_bytes()))
    }

    /// Creates an integer from a count. A count of items in memory always fits an `i64`.
    pub(crate) fn count(count: usize) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    pub(crate) fn flag(yes: bool) -> Self {
        Self::Integer(i64::from(yes))
    }

    /// Converts a reply into the form that Lua sees by default: that of RESP2.
    pub(crate) fn for_script(self) -> Self {
        let all = |replies: Vec<Self>| replies.into_iter().map(Self::for_script).collect();
        match self {
            Self::NilArray => Self::Nil,
            Self::Double(number) => Self::bulk(format_double(number)),
            Self::Verbatim(text) => Self::Bulk(text),
            Self::Array(items) | Self::Set(items) | Self::Push(items) => Self::Array(all(items)),
            Self::Map(pairs) => {
                Self::Array(pairs.into_iter().flat_map(<[Self; 2]>::from).map(Self::for_script).collect())
            }
            reply => reply,
        }
    }

    pub(crate) fn bulk_or_nil(data: Option<Bytes>) -> Self {
        data.map_or(Self::Nil, Self::Bulk)
    }
}

/// The reason why a command failed: the text of an error reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) Bytes);

impl Failure {
    pub(crate) const SYNTAX: Self = Self::new("ERR syntax error");
    pub(crate) const NOT_AN_INTEGER: Self = Self::new("ERR value is not an integer or out of range");
    pub(crate) const NOT_A_FLOAT: Self = Self::new("ERR value is not a valid float");
    pub(crate) const WRONG_TYPE: Self =
        Self::new("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub(crate) const NO_SUCH_KEY: Self = Self::new("ERR no such key");
    pub(crate) const DB_RANGE: Self = Self::new("ERR DB index is out of range");
    pub(crate) const OVERFLOW: Self = Self::new("ERR increment or decrement would overflow");

    pub(crate) const fn new(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self(text.into())
    }

    /// Quotes an argument as C prints it: up to the first zero byte.
    pub(crate) fn quoting(before: &str, argument: &[u8], after: &str) -> Self {
        let quoted = argument.split(|&byte| byte == 0).next().unwrap_or_default();
        Self::text([before.as_bytes(), quoted, after.as_bytes()].concat())
    }

    pub(crate) fn arity(command: &str) -> Self {
        Self::text(format!("ERR wrong number of arguments for '{command}' command"))
    }

    pub(crate) fn expire_time(command: &str) -> Self {
        Self::text(format!("ERR invalid expire time in '{command}' command"))
    }
}

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Self {
        Self::Error(failure.0)
    }
}

/// The result of a command's handler.
pub(crate) type Answer = Result<Reply, Failure>;
