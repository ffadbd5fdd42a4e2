//! The commands of records, and their options.

use std::collections::HashMap;

use bytes::Bytes;

use super::base::{self, BuildOptions, KeyOptions};
use crate::command::base::Command;
use crate::command::builder::{Deferred, command_builder};
use crate::error::{Error, Result};
use crate::kind::{
    FieldMeta, FieldReader, FieldSelection, FieldValue, FieldWriter, Record, RecordFields, Summable,
};
use crate::protocol::{
    Args, Decode, FieldChanges, FieldIncrement, KeyLifetime, Keys, Packet, PacketLifetime, Replies, Reply,
    Request, read,
};
use crate::schema::{Key, Keyspace};

/// Returns the command that writes these fields.
pub(super) fn write<S: Keyspace, T: RecordFields>(
    key: &Key<S, Record<T>>,
    fields: Result<FieldWriter>,
) -> Command<()> {
    let changes = match fields {
        Ok(fields) => changes(&fields),
        Err(error) => return Command::write_of(key, "HSET", Err(error), written),
    };
    match changes.into_command() {
        Ok(("HSET", args)) => Command::write_of(key, "HSET", Ok(args), written),
        // All fields are absent.
        Ok((name, args)) => Command::on_key(key, name, |out| base::append(out, Ok(args)), written)
            .with_declared_lifetime(Some(PacketLifetime::Unneeded))
            .ending_fills(),
        Err(changes) => {
            let template = key.template();
            let renews = template.renews_lifetime();
            let request = KeyLifetime::new(template.lifetime().into(), renews).map(|lifetime| {
                let keys = Keys::One(key.text());
                let inherits = template.inherits_lifetime;
                Request::One(Packet::changing_record(keys, lifetime, renews, inherits, &changes))
            });
            Command::writing(key, "HSET", request, written)
        }
    }
}

/// Returns the changes that store these values.
pub(crate) fn changes(fields: &FieldWriter) -> FieldChanges {
    let mut changes = FieldChanges::default();
    for (meta, value) in fields.iter() {
        change(&mut changes, meta, value);
    }
    changes
}

/// Adds the change of one field. Its earlier names are removed, so that it has one value.
pub(crate) fn change(changes: &mut FieldChanges, meta: &FieldMeta, value: Option<&[u8]>) {
    match value {
        Some(value) => changes.set(meta.name, value, meta.ttl),
        None => changes.remove(meta.name),
    }
    meta.aliases.iter().for_each(|alias| changes.remove(alias));
}

fn written(_: &Request, replies: Replies) -> Result<()> {
    read::one(replies).map(|_| ())
}

/// Returns the command that reads these fields.
pub(super) fn read<S: Keyspace, T: RecordFields, F: FieldSelection<T>>(
    key: &Key<S, Record<T>>,
    fields: &F,
) -> Command<F::Values> {
    let mut list = Vec::new();
    fields.list(&mut list);
    let mut args = Args::default();
    list.iter().flat_map(|meta| meta.names()).for_each(|name| args.push(name.as_bytes()));
    let command = if args.len() == 1 { "HGET" } else { "HMGET" };
    Command::read_of(key, command, |out| base::append(out, Ok(args)), selected::<T, F>)
}

/// Decodes the values of fields. A field with earlier names was read under all of them.
fn selected<T: RecordFields, F: FieldSelection<T>>(request: &Request, replies: Replies) -> Result<F::Values> {
    let mut values = match base::answer(request, replies)? {
        Reply::Nil => Vec::new(),
        Reply::Array(values) => values,
        value => vec![value],
    }
    .into_iter();
    let names: Vec<&[u8]> = request.requested().flat_map(|packet| packet.args.iter()).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(name) = names.get(at) {
        let meta = T::FIELDS.iter().find(|meta| meta.name.as_bytes() == *name);
        let meta = meta.ok_or_else(|| base::unexpected("it is not that of a field of the record"))?;
        let mut value = None;
        for _ in meta.names() {
            let next = values.next().map_or(Ok(None), read::to_bytes)?;
            value = value.or(next);
            at += 1;
        }
        found.push((meta.name, value));
    }
    F::decode(&mut found.into_iter()).map_err(Error::decode)
}

/// Decodes a whole record.
pub(super) fn loaded<T: RecordFields>(request: &Request, replies: Replies) -> Result<Option<T>> {
    decode(all(base::answer(request, replies)?)?)
}

/// Returns all fields of a hash.
pub(crate) fn all(reply: Reply) -> Result<HashMap<Bytes, Bytes>> {
    let mut parts = base::list(reply)?.into_iter();
    let mut fields = HashMap::with_capacity(parts.len() / 2);
    while let Some(name) = parts.next() {
        let (name, value) = (read::to_bytes(name)?, parts.next().map_or(Ok(None), read::to_bytes)?);
        let (Some(name), Some(value)) = (name, value) else {
            return Err(base::unexpected("a field or its value is missing"));
        };
        fields.insert(name, value);
    }
    Ok(fields)
}

/// Decodes a record from all fields of its hash; `None` if the hash does not exist.
pub(crate) fn decode<T: RecordFields>(fields: HashMap<Bytes, Bytes>) -> Result<Option<T>> {
    if fields.is_empty() {
        return Ok(None);
    }
    T::read_fields(&mut FieldReader::new::<T>(fields)).map(Some).map_err(Error::decode)
}

/// Returns the command that checks whether a field has a value, under any of its names.
pub(super) fn exists<S: Keyspace, T: RecordFields>(
    key: &Key<S, Record<T>>,
    meta: &'static FieldMeta,
) -> Command<bool> {
    let fill = |args: &mut Args| {
        meta.names().for_each(|name| args.push(name.as_bytes()));
        Ok(())
    };
    if meta.aliases.is_empty() {
        return Command::read_of(key, "HEXISTS", fill, base::flag);
    }
    Command::read_of(key, "HMGET", fill, |request, replies| {
        Ok(base::list(base::answer(request, replies)?)?.iter().any(|value| *value != Reply::Nil))
    })
}

/// An increment of a field, created by [`Key::incr`](crate::Key#impl-Key%3CS,+Record%3CT%3E%3E).
/// Await it, or pass it to [`Redis::batch`](crate::Redis::batch).
#[must_use = "a command does nothing unless it is awaited or passed to a batch"]
pub struct Incr<S: Keyspace, T: RecordFields, V: Summable, R: 'static>(Deferred<IncrOfKey<S, T, V, R>, R>);

type IncrOfKey<S, T, V, R> = KeyOptions<S, Record<T>, IncrOptions<V, R>>;

pub(super) struct IncrOptions<V: Summable, R> {
    meta: &'static FieldMeta,
    amount: V::Amount,
    only_if_present: bool,
    decode: Decode<R>,
}

impl<S: Keyspace, T: RecordFields, V: Summable> Incr<S, T, V, V::Owned> {
    pub(super) fn new(key: &Key<S, Record<T>>, meta: &'static FieldMeta, amount: V::Amount) -> Self {
        let options = IncrOptions { meta, amount, only_if_present: false, decode: sum::<V> };
        Self(Deferred::Building(KeyOptions::new(key, options)))
    }

    /// Adds only if the record exists. Returns `None` otherwise.
    pub fn only_if_present(self) -> Incr<S, T, V, Option<V::Owned>> {
        Incr(self.0.map(|options| {
            options.with(|IncrOptions { meta, amount, .. }| IncrOptions {
                meta,
                amount,
                only_if_present: true,
                decode: optional_sum::<V>,
            })
        }))
    }
}

impl<S: Keyspace, T: RecordFields, V: Summable, R: 'static> BuildOptions<S, Record<T>> for IncrOptions<V, R> {
    type Output = R;

    fn build(self, key: &Key<S, Record<T>>) -> Command<R> {
        let Self { meta, amount, only_if_present, decode } = self;
        let text = V::amount_text(amount);
        if meta.aliases.is_empty() && meta.ttl.is_none() && !only_if_present && !V::may_exceed(amount) {
            let args = text.map(|text| {
                let mut args = Args::default();
                args.push(meta.name.as_bytes());
                args.push(text.as_bytes());
                args
            });
            return Command::write_of(key, V::COMMAND, args, decode);
        }
        let names: Vec<&[u8]> = meta.names().map(str::as_bytes).collect();
        let increment = text.as_deref().map_err(Error::clone).map(|amount| FieldIncrement {
            command: V::COMMAND,
            amount,
            limits: V::LIMITS,
            only_if_present,
            ttl: meta.ttl,
            names: &names,
        });
        increment_of(key, V::COMMAND, increment, decode)
    }
}

/// Creates the command that runs the script of an increment.
pub(super) fn increment_of<S: Keyspace, V, R>(
    key: &Key<S, V>,
    command: &'static str,
    increment: Result<FieldIncrement<'_>>,
    decode: Decode<R>,
) -> Command<R> {
    let template = key.template();
    let renews = template.renews_lifetime();
    let request = increment.and_then(|increment| {
        let lifetime = KeyLifetime::new(template.lifetime().into(), renews)?;
        let inherits = template.inherits_lifetime;
        let keys = Keys::One(key.text());
        Ok(Request::One(Packet::incrementing(keys, lifetime, renews, inherits, &increment)))
    });
    Command::writing(key, command, request, decode)
}

command_builder!(Incr<S, T, V, R> => R, where S: Keyspace, T: RecordFields, V: Summable, R: 'static);

/// Decodes a sum: a number, or text from a script.
fn sum<V: FieldValue>(request: &Request, replies: Replies) -> Result<V::Owned> {
    optional_sum::<V>(request, replies)?.ok_or_else(|| base::unexpected("a sum was expected"))
}

fn optional_sum<V: FieldValue>(_: &Request, replies: Replies) -> Result<Option<V::Owned>> {
    let text = match read::one(replies)? {
        Reply::Nil => return Ok(None),
        Reply::Int(sum) => Bytes::from(sum.to_string()),
        reply => read::to_bytes(reply)?.ok_or_else(|| base::unexpected("a sum was expected"))?,
    };
    V::decode_field(text).map(Some).map_err(Error::decode)
}
