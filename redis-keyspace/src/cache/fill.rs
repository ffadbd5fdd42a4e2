//! A fill of one or more keys: the state that its steps share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::kind::FilledKind;
use super::lease::LeasePlace;
use super::lookup::ValueSource;
use super::options::Options;
use crate::client::{Binding, FillCounters};
use crate::error::{Error, Result};
use crate::local::{Flights, ReadStart, Remembered, field_flight};
use crate::schema::{Key, Keyspace, OnUnavailable, TemplateMeta};
use crate::time::Moment;

/// The process copies a value that it reads at most once per interval, however often it reads it.
const COPY_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

tokio::task_local! {
    /// The keys whose loaders led to this task.
    pub(super) static LEADING: Vec<LoadingKey>;
}

/// A key, identified by the address of its pool and its name on the server.
pub(super) type LoadingKey = (usize, String);

/// A fill on one server. The binding is resolved once, and each key's name is composed once.
pub(super) struct Fill<S, V: FilledKind> {
    pub(super) binding: Arc<Binding>,
    pub(super) options: Box<Options<V::Value>>,
    pub(super) entries: Vec<FillEntry<S, V>>,
}

/// A key of a fill.
pub(super) struct FillEntry<S, V> {
    pub(super) key: Key<S, V>,
    /// The field of the hash, if only that is filled.
    pub(super) field: Option<Bytes>,
    /// The wire key, and the field.
    pub(super) name: String,
    /// The moment before the key was read. Set if a stale copy may be served.
    start: Option<ReadStart>,
    /// Whether the caller needs the value more than once, and so needs its bytes.
    pub(super) needs_bytes: bool,
}

/// The known value or absence of a key.
pub(super) struct Known<T> {
    pub(super) value: Option<T>,
    /// Set if the value exists and the entry needs its bytes.
    pub(super) bytes: Option<Arc<[u8]>>,
    pub(super) source: ValueSource,
}

impl<S: Keyspace, V: FilledKind> Fill<S, V> {
    /// Creates a fill of these keys. The flag of each key says whether the caller needs its bytes.
    pub(super) fn new(
        binding: Arc<Binding>,
        options: Box<Options<V::Value>>,
        keys: impl IntoIterator<Item = (Key<S, V>, Option<Bytes>, bool)>,
    ) -> Self {
        let entry = |(key, field, needs_bytes): (Key<S, V>, Option<Bytes>, bool)| {
            let mut name = binding.wire_name(key.as_str());
            if let Some(field) = &field {
                name = field_flight(&name, field);
            }
            let start = options.stale_for.map(|_| binding.pool().local.reads.copies.start(&name));
            FillEntry { key, field, name, start, needs_bytes }
        };
        let entries = keys.into_iter().map(entry).collect();
        Self { binding, options, entries }
    }

    pub(super) fn flights(&self) -> &Flights {
        &self.binding.pool().local.flights
    }

    fn copies(&self) -> &Remembered<Arc<[u8]>> {
        &self.binding.pool().local.reads.copies
    }

    /// Returns the identity of a key among all servers.
    pub(super) fn loading_key(&self, entry: &FillEntry<S, V>) -> LoadingKey {
        (Arc::as_ptr(self.binding.pool()).addr(), entry.name.clone())
    }

    /// Returns whether this task is part of a load of the key. Waiting for that load would
    /// deadlock.
    pub(super) fn is_loading(&self, entry: &FillEntry<S, V>) -> bool {
        LEADING
            .try_with(|keys| {
                let pool = Arc::as_ptr(self.binding.pool()).addr();
                keys.iter().any(|(at, name)| *at == pool && *name == entry.name)
            })
            .unwrap_or(false)
    }

    /// Returns the keys of this pool whose loaders led to this task.
    pub(super) fn leading(&self) -> Vec<String> {
        let pool = Arc::as_ptr(self.binding.pool()).addr();
        let of_pool = |keys: &Vec<LoadingKey>| {
            keys.iter().filter(|(at, _)| *at == pool).map(|(_, name)| name.clone()).collect()
        };
        LEADING.try_with(of_pool).unwrap_or_default()
    }

    pub(super) fn place(&self, entry: &FillEntry<S, V>) -> LeasePlace {
        LeasePlace::new(Arc::clone(&self.binding), &entry.key, self.options.call.timeout)
            .of_form(V::FORM)
            .of_field(entry.field.clone())
    }

    /// Keeps a copy of a value that was read, for when Redis is unavailable.
    pub(super) fn keep_read(&self, entry: &FillEntry<S, V>, encoded: &[u8]) {
        if entry.start.is_some() && !self.copies().is_recent(&entry.name, COPY_INTERVAL) {
            self.keep_stored(entry, encoded);
        }
    }

    /// Keeps a copy of a value that this fill stored. It replaces any earlier copy.
    pub(super) fn keep_stored(&self, entry: &FillEntry<S, V>, encoded: &[u8]) {
        if let Some(start) = &entry.start {
            // The age counts from now: the value is in Redis now, however long its loader took.
            self.copies().keep(&entry.name, encoded.into(), start, Moment::now());
        }
    }

    /// Forgets the copy of a value that this fill removed.
    pub(super) fn forget_copy(&self, entry: &FillEntry<S, V>) {
        if entry.start.is_some() {
            self.copies().forget(&entry.name);
        }
    }

    /// Returns the value as it was last read, if it may still be served.
    pub(super) fn copy(&self, entry: &FillEntry<S, V>) -> Option<Arc<[u8]>> {
        let age = self.options.stale_for.filter(|_| self.serves_stale())?;
        self.copies().get(&entry.name, age).filter(|copy| V::decode_whole(copy).is_ok())
    }

    /// Returns whether callers receive a stale copy instead of waiting.
    pub(super) fn serves_stale(&self) -> bool {
        self.options.stale_for.is_some() && !self.options.refreshes
    }

    /// Returns whether the fill continues without Redis after this error.
    pub(super) fn goes_on(&self, error: &Error) -> bool {
        let declared = S::META.overrides.on_unavailable;
        self.options.on_unavailable.unwrap_or(declared) == OnUnavailable::Miss && error.is_outage()
    }

    pub(super) fn note_degraded(&self, error: &Error) {
        let template = self.entries.first().map(|entry| entry.key.template());
        self.binding.counters.note_degraded(error, template);
    }

    /// Counts a hit, and returns its value as known.
    pub(super) fn hit(&self, entry: &FillEntry<S, V>, value: V::Value) -> Known<V::Value> {
        self.note(entry, |fills| &fills.hits, "hit");
        Known { value: Some(value), bytes: None, source: ValueSource::Hit }
    }

    pub(super) fn note(
        &self,
        entry: &FillEntry<S, V>,
        counter: fn(&FillCounters) -> &AtomicU64,
        result: &'static str,
    ) {
        note(&self.binding, entry.key.template(), counter, result);
    }

    pub(super) fn decode(&self, entry: &FillEntry<S, V>, bytes: &[u8]) -> Result<V::Value> {
        V::decode_whole(bytes).map_err(|problem| entry.key.explain(V::FORM.read(), Error::decode(problem)))
    }

    /// Decodes the bytes of a value into a known value.
    pub(super) fn known(
        &self,
        entry: &FillEntry<S, V>,
        bytes: Arc<[u8]>,
        source: ValueSource,
    ) -> Result<Known<V::Value>> {
        let value = self.decode(entry, &bytes)?;
        Ok(Known { value: Some(value), bytes: entry.needs_bytes.then_some(bytes), source })
    }
}

impl<T> Known<T> {
    pub(super) fn absent() -> Self {
        Self { value: None, bytes: None, source: ValueSource::Absent }
    }
}

/// Counts how a fill of a key ended.
pub(super) fn note(
    binding: &Binding,
    template: &'static TemplateMeta,
    counter: fn(&FillCounters) -> &AtomicU64,
    result: &'static str,
) {
    counter(&binding.counters.fills).fetch_add(1, Ordering::Relaxed);
    count!(
        "redis_keyspace_fills_total",
        "keyspace" => template.keyspace(),
        "template" => template.template(),
        "result" => result
    );
}
