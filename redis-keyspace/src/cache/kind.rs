//! The kinds that fills can load and store.

use std::collections::{HashMap, HashSet};
use std::hash::Hash as StdHash;

use bytes::Bytes;

use super::form::{CollectionForm, FillForm};
use super::packed;
use crate::client::WriteChecks;
use crate::command::{Command, score_text};
use crate::error::{Error, Result};
use crate::kind::{
    DecodeError, FieldReader, FieldWriter, Hash, Kind, List, Record, RecordFields, Set, SingleValue,
    SortedSet,
};
use crate::protocol::{Keys, Packet, Replies, Request, read};
use crate::schema::{Key, Keyspace};

/// A kind whose keys [`get_or_set`](crate::Key::get_or_set) can fill: every [`SingleValue`], and,
/// where the template declares `fills = true`, a [`Hash`](struct@crate::Hash), [`List`],
/// [`Record`](struct@crate::Record), [`Set`] or [`SortedSet`].
///
/// Other types can't implement it.
#[diagnostic::on_unimplemented(
    message = "`get_or_set` can't fill keys of the kind `{Self}`",
    label = "expected a single-value kind, or `Hash`, `List`, `Record`, `Set` or `SortedSet`",
    note = "the fields of a `Hash` and the members of a `Set` must implement `Eq` and `Hash`"
)]
pub trait FilledKind: Kind + Sized + sealed::SealedKind {
    /// What a loader returns, and `get_or_set`: one value, or the whole collection.
    type Value: Send + 'static;

    /// The commands that read and store the value.
    #[doc(hidden)]
    const FORM: FillForm;

    /// Returns the value without any element, if there is one. It does not exist in Redis.
    #[doc(hidden)]
    #[must_use]
    fn empty() -> Option<Self::Value> {
        None
    }

    /// Returns the command that reads the whole value.
    #[doc(hidden)]
    fn read_whole<S: Keyspace>(key: &Key<S, Self>) -> Command<Option<Self::Value>> {
        let decode = |_: &Request, replies: Replies| {
            let elements = packed::elements(read::one(replies)?)?;
            if elements.is_empty() {
                return Ok(None);
            }
            Self::of_elements(elements).map(Some).map_err(Error::decode)
        };
        let request = Ok(Request::One(read_packet(key)));
        Command::new::<S>(Self::FORM.read(), Some(key.template()), request, decode)
            .repeatable()
            .reading()
            .on_replica()
            .on_target(key.redis().into())
    }

    /// Appends the encoded value. `most` is the maximum size of a value or element.
    ///
    /// # Errors
    ///
    /// Fails if the value has no encoding, or is too large. If `verifies` is set, also if no reader
    /// could decode it.
    #[doc(hidden)]
    fn encode_whole(value: &Self::Value, most: usize, verifies: bool, out: &mut Vec<u8>) -> Result<()>;

    /// Decodes what [`encode_whole`](Self::encode_whole) appended.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a value of this kind.
    #[doc(hidden)]
    fn decode_whole(bytes: &[u8]) -> Result<Self::Value, DecodeError> {
        Self::of_elements(packed::parse(bytes)?.into_iter().map(Bytes::copy_from_slice).collect())
    }

    /// Decodes a collection from its elements. Kinds with one value decode that instead.
    ///
    /// # Errors
    ///
    /// Fails if the elements are not a value of this kind.
    #[doc(hidden)]
    fn of_elements(_: Vec<Bytes>) -> Result<Self::Value, DecodeError> {
        Err(DecodeError::new("a single value has no elements"))
    }
}

pub(super) mod sealed {
    use super::{Hash, List, Record, Set, SingleValue, SortedSet};
    use crate::kind::RecordFields;

    pub trait SealedKind {}

    impl<V: SingleValue> SealedKind for V {}
    impl<F: SingleValue, V: SingleValue> SealedKind for Hash<F, V> {}
    impl<T: SingleValue> SealedKind for List<T> {}
    impl<T: RecordFields> SealedKind for Record<T> {}
    impl<T: SingleValue> SealedKind for Set<T> {}
    impl<T: SingleValue> SealedKind for SortedSet<T> {}
}

impl<V: SingleValue> FilledKind for V {
    type Value = V::Owned;
    const FORM: FillForm = FillForm::Value;

    #[inline]
    fn read_whole<S: Keyspace>(key: &Key<S, Self>) -> Command<Option<V::Owned>> {
        key.get()
    }

    fn encode_whole(value: &V::Owned, most: usize, verifies: bool, out: &mut Vec<u8>) -> Result<()> {
        WriteChecks { most, verifies }.encode::<V>(V::borrow(value), out)
    }

    fn decode_whole(bytes: &[u8]) -> Result<V::Owned, DecodeError> {
        V::decode(bytes)
    }
}

/// Returns the command that reads the whole value.
pub(super) fn read_packet<S, V: FilledKind>(key: &Key<S, V>) -> Packet {
    let mut packet = Packet::new(V::FORM.read(), Keys::One(key.text()));
    let range = V::FORM.collection().map_or(&[][..], |form| form.range);
    range.iter().for_each(|argument| packet.args.push(argument.as_bytes()));
    packet
}

/// Appends an element of the kind `T`.
fn encode_element<T: SingleValue>(
    element: &T::Owned,
    (most, verifies): (usize, bool),
    out: &mut Vec<u8>,
) -> Result<()> {
    let mut encoded = Vec::new();
    WriteChecks { most, verifies }.encode::<T>(T::borrow(element), &mut encoded)?;
    packed::push(out, &encoded);
    Ok(())
}

/// Returns the elements in pairs.
fn pairs(elements: Vec<Bytes>) -> Result<impl ExactSizeIterator<Item = (Bytes, Bytes)>, DecodeError> {
    if elements.len() % 2 == 1 {
        return Err(DecodeError::new("an element is missing"));
    }
    let (count, mut elements) = (elements.len() / 2, elements.into_iter());
    Ok((0..count).map(move |_| (elements.next().unwrap_or_default(), elements.next().unwrap_or_default())))
}

impl<T: SingleValue> FilledKind for List<T> {
    type Value = Vec<T::Owned>;
    const FORM: FillForm = FillForm::Collection(CollectionForm {
        range: &["0", "-1"],
        ..CollectionForm::new("LRANGE", "RPUSH", 1)
    });

    fn empty() -> Option<Self::Value> {
        Some(Vec::new())
    }

    fn encode_whole(elements: &Self::Value, most: usize, verifies: bool, out: &mut Vec<u8>) -> Result<()> {
        elements.iter().try_for_each(|element| encode_element::<T>(element, (most, verifies), out))
    }

    fn of_elements(elements: Vec<Bytes>) -> Result<Self::Value, DecodeError> {
        elements.into_iter().map(T::decode_owned).collect()
    }
}

impl<T: SingleValue> FilledKind for Set<T>
where
    T::Owned: Eq + StdHash,
{
    type Value = HashSet<T::Owned>;
    const FORM: FillForm = FillForm::Collection(CollectionForm::new("SMEMBERS", "SADD", 1));

    fn empty() -> Option<Self::Value> {
        Some(HashSet::new())
    }

    fn encode_whole(members: &Self::Value, most: usize, verifies: bool, out: &mut Vec<u8>) -> Result<()> {
        members.iter().try_for_each(|member| encode_element::<T>(member, (most, verifies), out))
    }

    fn of_elements(elements: Vec<Bytes>) -> Result<Self::Value, DecodeError> {
        elements.into_iter().map(T::decode_owned).collect()
    }
}

impl<T: SingleValue> FilledKind for SortedSet<T> {
    type Value = Vec<(T::Owned, f64)>;
    const FORM: FillForm = FillForm::Collection(CollectionForm {
        range: &["0", "-1", "WITHSCORES"],
        is_reversed: true,
        ..CollectionForm::new("ZRANGE", "ZADD", 2)
    });

    fn empty() -> Option<Self::Value> {
        Some(Vec::new())
    }

    fn encode_whole(members: &Self::Value, most: usize, verifies: bool, out: &mut Vec<u8>) -> Result<()> {
        members.iter().try_for_each(|(member, score)| {
            encode_element::<T>(member, (most, verifies), out)?;
            packed::push(out, score_text(*score)?.as_bytes());
            Ok(())
        })
    }

    fn of_elements(elements: Vec<Bytes>) -> Result<Self::Value, DecodeError> {
        let scored = |(member, score): (Bytes, Bytes)| {
            let score: Option<f64> = str::from_utf8(&score).ok().and_then(|score| score.parse().ok());
            // Adding zero turns negative zero into zero, as for all scores that are read.
            let score = score.ok_or_else(|| DecodeError::new("a score is not a number"))? + 0.0;
            Ok((T::decode_owned(member)?, score))
        };
        pairs(elements)?.map(scored).collect()
    }
}

impl<F: SingleValue, V: SingleValue> FilledKind for Hash<F, V>
where
    F::Owned: Eq + StdHash,
{
    type Value = HashMap<F::Owned, V::Owned>;
    const FORM: FillForm = FillForm::Collection(CollectionForm::new("HGETALL", "HSET", 2));

    fn empty() -> Option<Self::Value> {
        Some(HashMap::new())
    }

    fn encode_whole(fields: &Self::Value, most: usize, verifies: bool, out: &mut Vec<u8>) -> Result<()> {
        fields.iter().try_for_each(|(field, value)| {
            encode_element::<F>(field, (most, verifies), out)?;
            encode_element::<V>(value, (most, verifies), out)
        })
    }

    fn of_elements(elements: Vec<Bytes>) -> Result<Self::Value, DecodeError> {
        let decoded = |(field, value)| Ok((F::decode_owned(field)?, V::decode_owned(value)?));
        pairs(elements)?.map(decoded).collect()
    }
}

impl<T: RecordFields> FilledKind for Record<T> {
    type Value = T;
    const FORM: FillForm = FillForm::Collection(CollectionForm {
        fields: T::FIELDS,
        ..CollectionForm::new("HGETALL", "HSET", 2)
    });

    fn empty() -> Option<T> {
        T::read_fields(&mut FieldReader::new::<T>(HashMap::new())).ok()
    }

    fn encode_whole(record: &T, most: usize, verifies: bool, out: &mut Vec<u8>) -> Result<()> {
        let mut fields = FieldWriter::new(most, verifies);
        record.write_fields(&mut fields)?;
        for (meta, value) in fields.iter() {
            if let Some(value) = value {
                packed::push(out, meta.name.as_bytes());
                packed::push(out, value);
            }
        }
        Ok(())
    }

    fn of_elements(elements: Vec<Bytes>) -> Result<T, DecodeError> {
        T::read_fields(&mut FieldReader::new::<T>(pairs(elements)?.collect()))
    }
}
