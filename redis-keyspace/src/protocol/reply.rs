//! Replies.

/// A reply in either version of the protocol, with its numbers unconverted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    Nil,
    /// `+OK`, by far the most frequent status, without its text.
    Ok,
    Status(String),
    Int(i64),
    Double(f64),
    Bool(bool),
    Bulk(Vec<u8>),
    /// An array or a set.
    Array(Vec<Reply>),
    /// A map, as alternating keys and values.
    Map(Vec<Reply>),
    /// A bulk of this many bytes, longer than the decoder keeps; its content was dropped.
    TooLong(usize),
    /// Out of band data; answers nothing.
    Push(Vec<Reply>),
    Error(String),
}

/// The replies to one request.
#[derive(Debug)]
pub(crate) enum Replies {
    One(Reply),
    Many(Vec<Reply>),
}
