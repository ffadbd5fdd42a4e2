//! Decodes the replies of streams.

use std::collections::HashMap;

use bytes::Bytes;

use super::entry::{Entry, RawEntry};
use crate::command::collection::base::{answer, is_miss, list, unexpected};
use crate::error::Result;
use crate::kind::{SingleValue, StreamId};
use crate::protocol::{Replies, Reply, Request, read};

/// An entry as the server returns it.
pub(super) enum WireEntry {
    There(RawEntry),
    /// It is pending, but was deleted from the stream.
    Deleted(StreamId),
    /// The same on servers before 7.0, which do not say which entry it was.
    Unnamed,
}

impl WireEntry {
    pub(super) fn decode(reply: Reply) -> Result<Self> {
        let mut parts = match reply {
            Reply::Nil => return Ok(Self::Unnamed),
            reply => list(reply)?.into_iter(),
        };
        let id = id(parts.next().ok_or_else(|| unexpected("an entry has no ID"))?)?;
        let fields = match parts.next() {
            None | Some(Reply::Nil) => return Ok(Self::Deleted(id)),
            Some(fields) => list(fields)?,
        };
        let mut fields = fields.into_iter();
        let mut pairs = Vec::with_capacity(fields.len() / 2);
        while let Some(name) = fields.next() {
            let value = fields.next().ok_or_else(|| unexpected("a field has no value"))?;
            pairs.push((bytes(name)?, bytes(value)?));
        }
        Ok(Self::There(RawEntry { id, fields: pairs }))
    }

    fn there(self) -> Option<RawEntry> {
        match self {
            Self::There(entry) => Some(entry),
            Self::Deleted(_) | Self::Unnamed => None,
        }
    }
}

pub(super) fn bytes(reply: Reply) -> Result<Bytes> {
    match read::checked(reply)? {
        Reply::Status(text) => Ok(text.into()),
        reply => read::to_bytes(reply)?.ok_or_else(|| unexpected("a string is nil")),
    }
}

pub(super) fn text(reply: Reply) -> Result<String> {
    Ok(String::from_utf8_lossy(&bytes(reply)?).into_owned())
}

pub(super) fn id(reply: Reply) -> Result<StreamId> {
    let bytes = bytes(reply)?;
    let id = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
    id.ok_or_else(|| unexpected("an ID is not of the form ms-seq"))
}

/// Decodes the ID of a new entry; nil if there is no stream.
pub(super) fn optional_id(request: &Request, replies: Replies) -> Result<Option<StreamId>> {
    match answer(request, replies)? {
        Reply::Nil => Ok(None),
        reply => id(reply).map(Some),
    }
}

pub(super) fn new_id(request: &Request, replies: Replies) -> Result<StreamId> {
    optional_id(request, replies)?.ok_or_else(|| unexpected("an ID is nil"))
}

pub(super) fn ids(reply: Reply) -> Result<Vec<StreamId>> {
    list(reply)?.into_iter().map(id).collect()
}

pub(super) fn wire_entries(reply: Reply) -> Result<Vec<WireEntry>> {
    list(reply)?.into_iter().map(WireEntry::decode).collect()
}

fn there(reply: Reply) -> Result<Vec<RawEntry>> {
    Ok(wire_entries(reply)?.into_iter().filter_map(WireEntry::there).collect())
}

pub(super) fn typed<T: SingleValue>(entries: Vec<RawEntry>) -> Result<Vec<Entry<T::Owned>>> {
    let typed = |entry: RawEntry| entry.decode::<T>().map(|value| Entry { id: entry.id, value });
    entries.into_iter().map(typed).collect()
}

/// Decodes the entries of XRANGE and XCLAIM.
pub(super) fn entries<T: SingleValue>(request: &Request, replies: Replies) -> Result<Vec<Entry<T::Owned>>> {
    typed::<T>(raw_entries(request, replies)?)
}

pub(super) fn raw_entries(request: &Request, replies: Replies) -> Result<Vec<RawEntry>> {
    there(answer(request, replies)?)
}

/// Returns the names of the streams that were read, and their entries.
pub(super) fn pairs(request: &Request, replies: Replies) -> Result<Vec<(Reply, Reply)>> {
    let unexpected = || unexpected("the entries of a stream were expected");
    let pair = |parts: Vec<Reply>| <[Reply; 2]>::try_from(parts).map(Into::into).map_err(|_| unexpected());
    match read::checked(answer(request, replies)?)? {
        reply if is_miss(&reply) => Ok(Vec::new()),
        Reply::Map(parts) => {
            let mut parts = parts.into_iter();
            let mut streams = Vec::new();
            while let Some(name) = parts.next() {
                streams.push((name, parts.next().ok_or_else(unexpected)?));
            }
            Ok(streams)
        }
        Reply::Array(streams) => streams.into_iter().map(|stream| pair(list(stream)?)).collect(),
        _ => Err(unexpected()),
    }
}

/// Decodes the entries of a stream.
pub(super) fn entries_of<T: SingleValue>(entries: Reply) -> Result<Vec<Entry<T::Owned>>> {
    typed::<T>(there(entries)?)
}

/// Returns the entries of the only stream that was read.
fn of_one_stream(request: &Request, replies: Replies) -> Result<Reply> {
    Ok(pairs(request, replies)?.into_iter().next().map_or(Reply::Nil, |(_, entries)| entries))
}

/// Decodes the entries of XREAD and XREADGROUP.
pub(super) fn read_entries<T: SingleValue>(
    request: &Request,
    replies: Replies,
) -> Result<Vec<Entry<T::Owned>>> {
    typed::<T>(raw_read_entries(request, replies)?)
}

pub(super) fn raw_read_entries(request: &Request, replies: Replies) -> Result<Vec<RawEntry>> {
    there(of_one_stream(request, replies)?)
}

/// Decodes entries that are pending, of which some may be deleted.
pub(super) fn pending_read_entries<T: SingleValue>(
    request: &Request,
    replies: Replies,
) -> Result<Vec<Entry<Option<T::Owned>>>> {
    let mut entries = Vec::new();
    for entry in wire_entries(of_one_stream(request, replies)?)? {
        entries.push(match entry {
            WireEntry::There(entry) => Entry { id: entry.id, value: Some(entry.decode::<T>()?) },
            WireEntry::Deleted(id) => Entry { id, value: None },
            WireEntry::Unnamed => continue,
        });
    }
    Ok(entries)
}

/// The fields of a reply of XINFO. Unknown ones are ignored, because newer servers add some.
pub(super) struct Facts(HashMap<String, Reply>);

impl Facts {
    pub(super) fn new(reply: Reply) -> Result<Self> {
        let mut facts = HashMap::new();
        let mut parts = list(reply)?.into_iter();
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            facts.insert(text(name)?, value);
        }
        Ok(Self(facts))
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Reply> {
        self.0.remove(name).filter(|reply| *reply != Reply::Nil)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String> {
        text(self.take(name).ok_or_else(|| unexpected("XINFO lacks a name"))?)
    }

    /// Returns a count that not all servers report.
    pub(super) fn optional_count(&mut self, name: &str) -> Result<Option<u64>> {
        self.take(name).map(read::to_count).transpose()
    }

    pub(super) fn count(&mut self, name: &str) -> Result<u64> {
        Ok(self.optional_count(name)?.unwrap_or_default())
    }

    pub(super) fn optional_id(&mut self, name: &str) -> Result<Option<StreamId>> {
        self.take(name).map(id).transpose()
    }

    pub(super) fn id(&mut self, name: &str) -> Result<StreamId> {
        Ok(self.optional_id(name)?.unwrap_or_default())
    }

    /// Returns a time in milliseconds. -1 means that it never was.
    pub(super) fn time(&mut self, name: &str) -> Result<Option<std::time::Duration>> {
        let millis = self.take(name).map(read::to_int).transpose()?;
        Ok(millis.and_then(|millis| u64::try_from(millis).ok()).map(std::time::Duration::from_millis))
    }
}

/// Whether this is the error of a stream that does not exist. The server has no code for it.
pub(super) fn is_no_stream(said: &str) -> bool {
    said.starts_with("ERR no such key")
}
