//! What the operations of streams share.

use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use crate::command::base::Command;
use crate::error::{Error, Result};
use crate::kind::{SingleValue, Stream, StreamId};
use crate::protocol::{Args, Decode, Keys, Packet, Request, push_id};
use crate::schema::{Key, Keyspace};
use crate::time::millis;

/// The arguments of a command on a stream: some before the key, some after it.
#[derive(Default)]
pub(super) struct StreamParts {
    pub(super) head: Args,
    pub(super) args: Args,
}

impl StreamParts {
    /// Starts with the words before the key.
    pub(super) fn before(words: &[&str]) -> Self {
        let mut parts = Self::default();
        words.iter().for_each(|word| parts.head.push(word.as_bytes()));
        parts
    }

    /// Adds words after the key.
    pub(super) fn after(mut self, words: &[&str]) -> Self {
        words.iter().for_each(|word| self.args.push(word.as_bytes()));
        self
    }

    /// Adds IDs after the key.
    pub(super) fn ids(mut self, ids: &[StreamId]) -> Self {
        ids.iter().for_each(|id| push_id(*id, &mut self.args));
        self
    }

    /// Adds a number after the key.
    pub(super) fn number(mut self, number: u64) -> Self {
        self.args.push_count(number);
        self
    }

    pub(super) fn packet<S: Keyspace, V>(self, key: &Key<S, V>, name: &'static str) -> Packet {
        let Self { head, args } = self;
        let packet = Packet { args, ..Packet::new(name, Keys::One(key.text())) };
        if head.len() == 0 { packet } else { packet.with_head(head) }
    }
}

/// Creates a command. `name` is its first word, `subject` the name that errors show.
pub(super) fn command<S: Keyspace, V, T>(
    key: &Key<S, V>,
    subject: &'static str,
    name: &'static str,
    parts: Result<StreamParts>,
    decode: Decode<T>,
) -> Command<T> {
    let request = parts.map(|parts| Request::One(parts.packet(key, name)));
    let request = request.map_err(|error| key.explain(subject, error));
    Command::new::<S>(subject, Some(key.template()), request, decode).on_target(key.redis().into())
}

/// Creates a command that reads a range.
pub(super) fn range_of<S: Keyspace, T: SingleValue, R>(
    key: &Key<S, Stream<T>>,
    range: Option<IdRange>,
    count: Option<u64>,
    is_reversed: bool,
    decode: Decode<R>,
) -> Command<R> {
    let name = if is_reversed { "XREVRANGE" } else { "XRANGE" };
    let ends = range.map(|range| range.ends(is_reversed));
    let mut parts = StreamParts::default().ids(ends.as_ref().map_or(&[], |ends| &ends[..]));
    if let Some(count) = count {
        parts = parts.after(&["COUNT"]).number(count);
    }
    let command = command(key, name, name, Ok(parts), decode).repeatable().reading().on_replica();
    command.unless(range.is_none() || count == Some(0))
}

/// Makes a command wait at the server for entries.
pub(super) fn waiting<T>(mut command: Command<T>, limit: Option<Duration>) -> Command<T> {
    let Some(limit) = limit else { return command };
    if limit.is_zero() {
        command.request = command.request.and(Err(Error::invalid_input(
            "a wait of zero would be endless: leave `block` out to read only what is there, or give a limit",
        )));
    }
    command.call.wait_for_elements(limit);
    command.subject.may_use_replica = false;
    // A handle that stores nothing would answer without waiting.
    command.subject.needs_server = true;
    command
}

/// Returns a time in milliseconds, as an argument.
pub(super) fn push_millis(time: Duration, args: &mut Args) -> Result<()> {
    args.push_int(millis(time)?);
    Ok(())
}

/// A range of IDs as the server takes it: both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IdRange {
    pub(super) first: StreamId,
    pub(super) last: StreamId,
}

impl IdRange {
    /// Returns `None` for a range that contains no ID.
    pub(super) fn new(range: &impl RangeBounds<StreamId>) -> Option<Self> {
        let first = match range.start_bound() {
            Bound::Included(&id) => id,
            Bound::Excluded(id) => id.checked_next()?,
            Bound::Unbounded => StreamId::MIN,
        };
        let last = match range.end_bound() {
            Bound::Included(&id) => id,
            Bound::Excluded(id) => id.checked_previous()?,
            Bound::Unbounded => StreamId::MAX,
        };
        (first <= last).then_some(Self { first, last })
    }

    /// Returns the ends in the order of the command.
    pub(super) fn ends(self, is_reversed: bool) -> [StreamId; 2] {
        if is_reversed { [self.last, self.first] } else { [self.first, self.last] }
    }

    /// Returns the rest of the range after an entry of it, in this direction.
    pub(super) fn after(self, id: StreamId, is_reversed: bool) -> Option<Self> {
        let rest = if is_reversed {
            Self { last: id.checked_previous()?, ..self }
        } else {
            Self { first: id.checked_next()?, ..self }
        };
        (rest.first <= rest.last).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64) -> StreamId {
        StreamId::new(ms, 0)
    }

    #[test]
    fn excluded_ends_become_included_ones() {
        let range = |first, last| Some(IdRange { first, last });
        assert_eq!(IdRange::new(&(..)), range(StreamId::MIN, StreamId::MAX));
        assert_eq!(IdRange::new(&(id(5)..=id(6))), range(id(5), id(6)));
        assert_eq!(IdRange::new(&(id(5)..id(6))), range(id(5), StreamId::new(5, u64::MAX)));
        let excluded = (Bound::Excluded(id(5)), Bound::Unbounded);
        assert_eq!(IdRange::new(&excluded), range(StreamId::new(5, 1), StreamId::MAX));
        assert_eq!(IdRange::new(&(..StreamId::MIN)), None);
        assert_eq!(IdRange::new(&(id(6)..id(6))), None);
        assert_eq!(IdRange::new(&(Bound::Excluded(StreamId::MAX), Bound::Unbounded)), None);
    }

    #[test]
    fn the_rest_of_a_range_starts_after_the_entry() {
        let whole = IdRange { first: id(1), last: id(9) };
        assert_eq!(whole.after(id(3), false), Some(IdRange { first: StreamId::new(3, 1), last: id(9) }));
        let before = IdRange { first: id(1), last: StreamId::new(2, u64::MAX) };
        assert_eq!(whole.after(id(3), true), Some(before));
        assert_eq!((whole.after(id(9), false), whole.after(id(1), true)), (None, None));
    }
}
