//! Decodes replies. A reply whose shape differs from what the command defines is an error; no value
//! is wrapped or guessed.

use bytes::Bytes;

use super::packet::Packet;
use super::reply::{Replies, Reply};
use super::request::Request;
use crate::error::{Error, Result};
use crate::kind::Readable;

/// Turns the replies to a request into its result.
pub(crate) type Decode<T> = fn(&Request, Replies) -> Result<T>;

/// Returns the replies to the commands of the caller, without the replies to commands that the
/// library added. For a transaction, these are its results.
#[inline]
pub(crate) fn requested_replies(request: &Request, replies: Replies) -> Result<Replies> {
    match request {
        Request::One(_) => Ok(replies),
        request => without_added(request, replies),
    }
}

/// Checks the replies to the commands that the library added, and removes them.
fn without_added(request: &Request, replies: Replies) -> Result<Replies> {
    let (packets, replies) = match (request, replies) {
        (Request::Pipeline(packets), Replies::Two([ending, reply])) if ends_fills_first(packets) => {
            return match checked(ending) {
                // If the command of the caller also failed, its own error is more useful.
                Err(error) if !reply.is_error() => Err(error.explained(ASIDE)),
                _ => Ok(Replies::One(reply)),
            };
        }
        (Request::Pipeline(packets), replies) => (packets, many(replies)),
        (Request::Atomic(packets), replies) => (packets, executed(ends_fills(packets), replies)?),
        (_, replies) => return Ok(replies),
    };
    let mut kept = Vec::with_capacity(replies.len());
    let mut refused = None;
    for (index, reply) in replies.into_iter().enumerate() {
        match packets.get(index) {
            Some(packet) if packet.aside => refused = refused.or(checked(reply).err()),
            _ => kept.push(reply),
        }
    }
    match refused {
        Some(error) if !kept.iter().any(Reply::is_error) => Err(error.explained(ASIDE)),
        _ => Ok(Replies::Many(kept)),
    }
}

/// Appended to the error of a write that the user is not permitted to run.
const RIGHTS: &str = "writes also end fills in flight, which requires more permissions: see `Catalog::acl_rules`, or declare \
     `fills = false` for keys that are never filled";

const ASIDE: &str = "the command was executed, but fills of the key in flight could not be ended and may store an older \
                     value; `Catalog::acl_rules` lists the required permissions, and `fills = false` makes them unnecessary";

/// Returns the reply to a request of one command.
#[inline]
pub(crate) fn one(replies: Replies) -> Result<Reply> {
    checked(first(replies)?)
}

/// Returns the reply to a request of one command, which may be an error.
#[inline]
fn first(replies: Replies) -> Result<Reply> {
    let reply = match replies {
        Replies::One(reply) | Replies::Two([reply, _]) => Some(reply),
        Replies::Many(replies) => replies.into_iter().next(),
    };
    reply.ok_or_else(|| Error::protocol("no reply to a command"))
}

/// Returns the reply to a request of one command. `None` if it is an error that means a result, and
/// not a failure: the function recognizes its text.
pub(crate) fn one_unless(replies: Replies, is_result: impl FnOnce(&str) -> bool) -> Result<Option<Reply>> {
    match first(replies)? {
        Reply::Error(said) if is_result(&said) => Ok(None),
        reply => checked(reply).map(Some),
    }
}

/// Returns the replies to several commands, including errors.
pub(crate) fn many(replies: Replies) -> Vec<Reply> {
    match replies {
        Replies::One(reply) => vec![reply],
        Replies::Two(replies) => replies.into(),
        Replies::Many(replies) => replies,
    }
}

/// Whether the library added commands that end fills.
pub(crate) fn ends_fills(packets: &[Packet]) -> bool {
    packets.iter().any(|packet| packet.aside)
}

/// Whether the first of two commands was added by the library.
fn ends_fills_first(packets: &[Packet]) -> bool {
    matches!(packets, [ending, packet] if ending.aside && !packet.aside)
}

/// Returns the results of the commands between MULTI and EXEC, including errors.
pub(crate) fn executed(ends_fills: bool, replies: Replies) -> Result<Vec<Reply>> {
    results(replies).map_err(|error| match error.code() {
        Some("NOPERM") if ends_fills => error.explained(RIGHTS),
        _ => error,
    })
}

fn results(replies: Replies) -> Result<Vec<Reply>> {
    let mut replies = many(replies);
    let exec = replies.pop().ok_or_else(|| Error::protocol("no reply to EXEC"))?;
    // The error of a command that could not be queued is more useful than the EXECABORT that
    // follows from it.
    for (nth, queued) in replies.into_iter().enumerate() {
        checked(queued).map_err(|error| match nth {
            // The server accepted MULTI at the login, so the permissions have changed since.
            0 => error.explained("the server rejected MULTI, and may have run the commands after it"),
            _ => error,
        })?;
    }
    match checked(exec)? {
        Reply::Array(results) => Ok(results),
        _ => Err(unexpected("EXEC did not return a list")),
    }
}

/// Turns an error reply into an error.
#[inline]
pub(crate) fn checked(reply: Reply) -> Result<Reply> {
    match reply {
        Reply::Error(text) => Err(Error::server(&text)),
        Reply::Failed(failure) => Err(*failure.0),
        Reply::TooLong(length) => Err(Error::too_large_to_read(length)),
        reply => Ok(reply),
    }
}

/// Returns the value of a line of `INFO`.
pub(crate) fn info_line<'r>(info: &'r Reply, name: &str) -> Option<&'r str> {
    let Reply::Bulk(text) = info else { return None };
    let mut lines = text.split(|&byte| byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    let value = lines.find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))?;
    (!value.is_empty()).then_some(value)
}

fn unexpected(problem: &'static str) -> Error {
    Error::protocol(format!("the server's reply has an unexpected shape: {problem}"))
}

#[inline]
pub(crate) fn to_unit(reply: Reply) -> Result<()> {
    match checked(reply)? {
        Reply::Ok => Ok(()),
        _ => Err(unexpected("OK was expected")),
    }
}

pub(crate) fn to_int(reply: Reply) -> Result<i64> {
    match checked(reply)? {
        Reply::Int(number) => Ok(number),
        _ => Err(unexpected("an integer was expected")),
    }
}

pub(crate) fn to_count(reply: Reply) -> Result<u64> {
    u64::try_from(to_int(reply)?).map_err(|_| unexpected("a count is negative"))
}

pub(crate) fn to_bool(reply: Reply) -> Result<bool> {
    match checked(reply)? {
        Reply::Int(1) | Reply::Bool(true) => Ok(true),
        Reply::Int(0) | Reply::Bool(false) => Ok(false),
        _ => Err(unexpected("1 or 0 was expected")),
    }
}

/// Decodes `OK` as true, and nil (the condition did not hold) as false.
pub(crate) fn to_done(reply: Reply) -> Result<bool> {
    match checked(reply)? {
        Reply::Ok => Ok(true),
        Reply::Nil => Ok(false),
        _ => Err(unexpected("OK or nil was expected")),
    }
}

#[inline]
pub(crate) fn to_bytes(reply: Reply) -> Result<Option<Bytes>> {
    match checked(reply)? {
        Reply::Bulk(bytes) => Ok(Some(bytes)),
        Reply::Nil => Ok(None),
        _ => Err(unexpected("a string or nil was expected")),
    }
}

#[inline]
pub(crate) fn to_value<V: Readable>(reply: Reply) -> Result<V::Read> {
    V::read(to_bytes(reply)?).map_err(Error::decode)
}

// The decoders of whole requests. They are plain functions, so that a command stores a function
// pointer.

pub(crate) fn unit(_: &Request, replies: Replies) -> Result<()> {
    to_unit(one(replies)?)
}

pub(crate) fn pong(_: &Request, replies: Replies) -> Result<()> {
    match one(replies)? {
        Reply::Status(text) if text == "PONG" => Ok(()),
        _ => Err(unexpected("PONG was expected")),
    }
}

pub(crate) fn count(_: &Request, replies: Replies) -> Result<u64> {
    to_count(one(replies)?)
}

pub(crate) fn boolean(_: &Request, replies: Replies) -> Result<bool> {
    to_bool(one(replies)?)
}

pub(crate) fn done(_: &Request, replies: Replies) -> Result<bool> {
    to_done(one(replies)?)
}

#[inline]
pub(crate) fn value<V: Readable>(_: &Request, replies: Replies) -> Result<V::Read> {
    to_value::<V>(one(replies)?)
}
