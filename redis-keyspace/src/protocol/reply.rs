//! Replies of the server.

use bytes::Bytes;

use crate::error::Error;

/// A reply in either version of the protocol. Numbers are not converted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    Nil,
    /// `+OK`, by far the most frequent status. It needs no allocation.
    Ok,
    Status(String),
    Int(i64),
    Double(f64),
    Bool(bool),
    Bulk(Bytes),
    /// An array or a set.
    Array(Vec<Reply>),
    /// A map, as alternating keys and values.
    Map(Vec<Reply>),
    /// A bulk string of this many bytes, longer than the decoder keeps. Its content was dropped.
    TooLong(usize),
    /// Out-of-band data, which answers no request.
    Push(Vec<Reply>),
    Error(String),
    /// No reply arrived, for this reason. Only if a request was sent in several parts.
    Failed(NoReply),
}

/// Why no reply arrived.
#[derive(Debug, Clone)]
pub(crate) struct NoReply(pub(crate) Box<Error>);

impl PartialEq for NoReply {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_string() == other.0.to_string()
    }
}

#[cfg(any(feature = "tracing", feature = "metrics"))]
impl Reply {
    /// Returns the length of the longest string.
    pub(crate) fn longest(&self) -> usize {
        match self {
            Self::Bulk(bytes) => bytes.len(),
            Self::TooLong(length) => *length,
            Self::Array(replies) | Self::Map(replies) | Self::Push(replies) => {
                replies.iter().map(Self::longest).max().unwrap_or_default()
            }
            _ => 0,
        }
    }
}

impl Reply {
    /// Returns what the reply is, for messages that must not contain it.
    pub(crate) fn shape(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Ok | Self::Status(_) => "a status",
            Self::Int(_) => "an integer",
            Self::Double(_) => "a double",
            Self::Bool(_) => "a boolean",
            Self::Bulk(_) | Self::TooLong(_) => "a string",
            Self::Array(_) | Self::Push(_) => "a list",
            Self::Map(_) => "a map",
            Self::Error(_) | Self::Failed(_) => "an error",
        }
    }

    pub(crate) fn failed(error: Error) -> Self {
        Self::Failed(NoReply(Box::new(error)))
    }

    /// Whether the reply is an error, or did not arrive.
    #[inline]
    pub(crate) fn is_error(&self) -> bool {
        matches!(self, Self::Error(_) | Self::Failed(_))
    }
}

/// The replies to one request.
#[derive(Debug)]
pub(crate) enum Replies {
    One(Reply),
    /// The replies to a write and to the command that ends fills. They need no allocation.
    Two([Reply; 2]),
    Many(Vec<Reply>),
}

impl Replies {
    /// Returns the replies with those at these positions replaced, in order.
    pub(crate) fn with_replaced(self, places: &[usize], by: Self) -> Self {
        let mut all = match self {
            Self::One(_) => return by,
            Self::Two(replies) => replies.into(),
            Self::Many(replies) => replies,
        };
        let by = match by {
            Self::One(reply) => vec![reply],
            Self::Two(replies) => replies.into(),
            Self::Many(replies) => replies,
        };
        for (&place, reply) in places.iter().zip(by) {
            if let Some(old) = all.get_mut(place) {
                *old = reply;
            }
        }
        Self::Many(all)
    }

    /// Whether these are one or two replies, without an error.
    #[inline]
    pub(crate) fn are_plain(&self) -> bool {
        match self {
            Self::One(reply) => !reply.is_error(),
            Self::Two([first, second]) => !first.is_error() && !second.is_error(),
            Self::Many(_) => false,
        }
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[Reply] {
        match self {
            Self::One(reply) => std::slice::from_ref(reply),
            Self::Two(replies) => replies,
            Self::Many(replies) => replies,
        }
    }
}
