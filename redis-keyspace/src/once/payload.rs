//! The payload that work ran for: a note next to its result.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use sha1_smol::Sha1;

use crate::command::Command;
use crate::error::Error;
#[cfg(feature = "json")]
use crate::error::Result;
use crate::key::Companion;
use crate::kind::{Once, SingleValue};
use crate::protocol::{Keys, Packet, Replies, Reply, Request, read};
use crate::schema::{Key, Keyspace};
use crate::time::LONGEST_LIFETIME;

/// The version of the note's format. A later version writes `v`, its number, `:` and more.
const VERSION: &str = "1";
/// How much longer than the result the note is kept, at least. A result without a note matches
/// every payload.
const LONGER: Duration = Duration::from_secs(60);
/// How long the note of a result that never expires is kept.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// The hash of a payload.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PayloadHash(String);

impl PayloadHash {
    pub(super) fn of(payload: &[u8]) -> Self {
        Self(Sha1::from(payload).digest().to_string())
    }

    #[cfg(feature = "json")]
    pub(super) fn of_json(payload: &(impl serde::Serialize + ?Sized)) -> Result<Self> {
        let json = crate::kind::json_bytes(payload).map_err(|problem| {
            Error::invalid_input(format!("the payload can't be serialized as JSON: {problem}"))
        })?;
        Ok(Self::of(&json))
    }

    /// Returns the note for a result. It contains a hash of the result, so it never counts as the
    /// note of another result, whatever was deleted, evicted or stored in between.
    pub(super) fn note(&self, result: &[u8]) -> String {
        format!("{VERSION} {} {}", self.0, Sha1::from(result).digest())
    }

    /// Returns whether a note says that this result belongs to another payload.
    pub(super) fn contradicts(&self, note: &[u8], result: &[u8]) -> bool {
        let mut parts = note.split(|&byte| byte == b' ');
        let (version, payload, of) = (parts.next(), parts.next(), parts.next());
        version == Some(VERSION.as_bytes())
            && of == Some(Sha1::from(result).digest().to_string().as_bytes())
            && payload.is_some_and(|payload| payload != self.0.as_bytes())
    }
}

impl fmt::Debug for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadHash")
    }
}

/// A result and its note.
type ResultWithNote = (Option<Bytes>, Option<Bytes>);

/// Reads a result and its note atomically.
pub(super) fn read<S: Keyspace, V: SingleValue>(key: &Key<S, Once<V>>) -> Command<ResultWithNote> {
    let request = Request::One(Packet::new("MGET", Keys::With(key.text(), Companion::Payload, None)));
    let decode = |_: &Request, replies: Replies| {
        let Reply::Array(items) = read::one(replies)? else {
            return Err(Error::protocol("MGET did not return a list"));
        };
        let mut items = items.into_iter();
        let mut next = || items.next().map_or(Ok(None), read::to_bytes);
        Ok((next()?, next()?))
    };
    Command::new::<S>("MGET", Some(key.template()), Ok(request), decode).repeatable()
}

/// Returns how long the note for a result with this lifetime is kept; `None` if the result never
/// expires.
pub(super) fn kept(lifetime: Option<Duration>) -> Duration {
    lifetime.map_or(LONGEST, |lifetime| lifetime.saturating_add(LONGER).min(LONGEST_LIFETIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_applies_only_to_its_result_and_format_version() {
        let (one, other) = (PayloadHash::of(b"one"), PayloadHash::of(b"other"));
        let note = one.note(b"result");
        assert!(other.contradicts(note.as_bytes(), b"result"));
        assert!(!one.contradicts(note.as_bytes(), b"result"));
        assert!(!other.contradicts(note.as_bytes(), b"another result"));
        let later = format!("2{}", &note[1..]);
        for note in [later.as_str(), "", "1", "1 ", " ", "1 x", "\u{0}"] {
            assert!(!other.contradicts(note.as_bytes(), b"result"), "{note}");
        }
    }
}
