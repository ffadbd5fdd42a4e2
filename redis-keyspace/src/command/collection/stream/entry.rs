//! Entries of streams.

use std::fmt;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::kind::{SingleValue, StreamId};

/// An entry of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Entry<V> {
    /// Its ID.
    pub id: StreamId,
    /// Its value.
    pub value: V,
}

/// An entry of a stream as it is stored: fields with values, in their order. `.raw()` on the
/// commands that read returns it, for entries of other clients and for dead letters.
///
/// `Debug` prints the names of the fields, not their values.
///
/// ```
/// # use redis_keyspace::{Keyspace, Redis, Stream};
/// # #[derive(Keyspace)]
/// # #[keyspace(prefix = "feed", ttl = "7d")]
/// # struct FeedKeys { log: fn(id: u64) -> Stream<u64> }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// FeedKeys::log(1).xadd(&7).await?;
/// let entries = FeedKeys::log(1).xrange(..).raw().await?;
/// assert_eq!(entries[0].get("value"), Some(&b"7"[..]));
/// assert_eq!(entries[0].decode::<u64>()?, 7);
/// # Ok(()) }).await }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RawEntry {
    pub(super) id: StreamId,
    pub(super) fields: Vec<(Bytes, Bytes)>,
}

/// How many names of fields an error shows, and how much of each.
const SHOWN_FIELDS: usize = 5;
const SHOWN_NAME: usize = 40;

impl RawEntry {
    /// Returns the ID of the entry.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Iterates over the fields. A name may occur several times.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|(name, value)| (&name[..], &value[..]))
    }

    /// Returns the value of a field; the last one if there are several.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.find(name).map(|value| &value[..])
    }

    fn find(&self, name: &str) -> Option<&Bytes> {
        let mut fields = self.fields.iter().rev();
        fields.find(|(field, _)| field == name.as_bytes()).map(|(_, value)| value)
    }

    /// Decodes the value of the entry as this kind, from the field that the kind uses; see
    /// [`Stream`](crate::Stream).
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if the entry does not have the field exactly once, or
    /// its value is not of the kind.
    pub fn decode<T: SingleValue>(&self) -> Result<T::Owned> {
        let id = self.id;
        let fields = self.fields.iter().filter(|(name, _)| name == T::STREAM_FIELD.as_bytes());
        let mut values = fields.map(|(_, value)| value);
        let (Some(value), None) = (values.next(), values.next()) else { return Err(self.unexpected::<T>()) };
        T::decode_owned(value.clone()).map_err(|problem| Error::decode(format!("entry {id}: {problem}")))
    }

    fn unexpected<T: SingleValue>(&self) -> Error {
        let shown = |(name, _): &(Bytes, Bytes)| {
            let name = String::from_utf8_lossy(name.get(..SHOWN_NAME).unwrap_or(name)).into_owned();
            format!("{name:?}")
        };
        let mut names: Vec<String> = self.fields.iter().take(SHOWN_FIELDS).map(shown).collect();
        if self.fields.len() > SHOWN_FIELDS {
            names.push(format!("{} more", self.fields.len() - SHOWN_FIELDS));
        }
        Error::decode(format!(
            "entry {} has the fields {} instead of one field {:?}; another client may have written it: read it with `.raw()`",
            self.id,
            names.join(", "),
            T::STREAM_FIELD
        ))
    }
}

impl fmt::Debug for RawEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.fields.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
        f.debug_struct("RawEntry").field("id", &self.id).field("fields", &names).finish()
    }
}
