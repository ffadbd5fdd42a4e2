//! The TTLs of fields: results, and the decoding of replies.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::base;
use super::elements::EncodedElements;
use crate::command::ttl::Ttl;
use crate::error::Result;
use crate::protocol::{Args, Replies, Reply, Request, read};

/// What setting the TTL of a field did, for example by [`Key::hexpire`](crate::Key::hexpire).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldExpiry {
    /// The field, or the whole key, does not exist.
    NoField,
    /// The condition does not hold, so nothing was changed.
    Unmet,
    /// The TTL is set.
    Set,
    /// The time has already passed, so the field was removed.
    Deleted,
}

/// What removing the TTL of a field did, for example by
/// [`Key::hpersist`](crate::Key::hpersist).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldPersist {
    /// The field, or the whole key, does not exist.
    NoField,
    /// The field had no TTL.
    NoExpiry,
    /// The field had a TTL and now never expires.
    Removed,
}

/// When a TTL is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExpiryCondition {
    None,
    Some,
    Longer,
    Shorter,
}

impl ExpiryCondition {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::None => "NX",
            Self::Some => "XX",
            Self::Longer => "GT",
            Self::Shorter => "LT",
        }
    }
}

/// Adds fields: their number, and the fields themselves.
pub(super) fn push_fields(args: &mut Args, fields: EncodedElements) {
    args.push(b"FIELDS");
    args.push_int(fields.len());
    args.append(fields.into_args());
}

/// The number of fields in a request, for the answer of a key that does not exist.
fn asked(request: &Request) -> usize {
    let count = |args: &Args| {
        let mut rest = args.iter().skip_while(|argument| *argument != b"FIELDS").skip(1);
        rest.next().and_then(|count| str::from_utf8(count).ok()?.parse::<usize>().ok()).unwrap_or_default()
    };
    request.requested().map(|packet| count(&packet.args)).sum()
}

fn each<T: Clone>(
    request: &Request,
    replies: Replies,
    missing: T,
    decode: impl Fn(Reply) -> Result<T>,
) -> Result<Vec<T>> {
    match base::answer(request, replies)? {
        Reply::Nil => Ok(vec![missing; asked(request)]),
        reply => base::list(reply)?.into_iter().map(decode).collect(),
    }
}

pub(super) fn expiries(request: &Request, replies: Replies) -> Result<Vec<FieldExpiry>> {
    each(request, replies, FieldExpiry::NoField, |reply| match read::to_int(reply)? {
        -2 => Ok(FieldExpiry::NoField),
        0 => Ok(FieldExpiry::Unmet),
        1 => Ok(FieldExpiry::Set),
        2 => Ok(FieldExpiry::Deleted),
        _ => Err(base::unexpected("-2, 0, 1 or 2 was expected")),
    })
}

pub(super) fn persists(request: &Request, replies: Replies) -> Result<Vec<FieldPersist>> {
    each(request, replies, FieldPersist::NoField, |reply| match read::to_int(reply)? {
        -2 => Ok(FieldPersist::NoField),
        -1 => Ok(FieldPersist::NoExpiry),
        1 => Ok(FieldPersist::Removed),
        _ => Err(base::unexpected("-2, -1 or 1 was expected")),
    })
}

pub(super) fn ttls(request: &Request, replies: Replies) -> Result<Vec<Ttl>> {
    each(request, replies, Ttl::NoKey, |reply| match read::to_int(reply)? {
        -2 => Ok(Ttl::NoKey),
        -1 => Ok(Ttl::NoExpiry),
        millis => match u64::try_from(millis) {
            Ok(millis) => Ok(Ttl::Remaining(Duration::from_millis(millis))),
            Err(_) => Err(base::unexpected("a lifetime is negative")),
        },
    })
}

pub(super) fn times(request: &Request, replies: Replies) -> Result<Vec<Option<SystemTime>>> {
    each(request, replies, None, |reply| match read::to_int(reply)? {
        -2 | -1 => Ok(None),
        millis => {
            let since = u64::try_from(millis).ok().map(Duration::from_millis);
            let time = since.and_then(|since| UNIX_EPOCH.checked_add(since));
            time.map(Some).ok_or_else(|| base::unexpected("a time is out of range"))
        }
    })
}

/// Decodes values that may each be missing.
pub(super) fn values<V: crate::kind::SingleValue>(
    request: &Request,
    replies: Replies,
) -> Result<Vec<Option<V::Owned>>> {
    match base::answer(request, replies)? {
        Reply::Nil => Ok(std::iter::repeat_with(|| None).take(asked(request)).collect()),
        reply => base::list(reply)?.into_iter().map(read::to_value::<V>).collect(),
    }
}
