//! How commands read a list and name its ends.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::command::arguments::option;
use crate::command::context::Context;
use crate::reply::Failure;
use crate::value::{End, Value};

/// Returns the list for a read command.
pub(super) fn read<'a>(
    context: &'a mut Context<'_>,
    key: &[u8],
) -> Result<Option<&'a VecDeque<Bytes>>, Failure> {
    let now = context.now;
    context.db()?.read(key, now).map(Value::list).transpose()
}

/// Returns the name of the event of a push.
pub(super) fn pushed(end: End) -> &'static str {
    match end {
        End::Front => "lpush",
        End::Back => "rpush",
    }
}

/// Returns the name of the event of a pop.
pub(super) fn popped(end: End) -> &'static str {
    match end {
        End::Front => "lpop",
        End::Back => "rpop",
    }
}

/// Parses `LEFT` or `RIGHT`.
pub(super) fn end(argument: &[u8]) -> Result<End, Failure> {
    match option(argument).as_slice() {
        b"LEFT" => Ok(End::Front),
        b"RIGHT" => Ok(End::Back),
        _ => Err(Failure::SYNTAX),
    }
}
