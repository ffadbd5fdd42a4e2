//! A fill in progress: the known keys, and the loader for the others.

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::time::Instant;

use super::error::{FillError, LoadFailure};
use super::fill::{Fill, Known};
use super::kind::FilledKind;
use super::load::{Ended, Load};
use super::lookup::ValueSource;
use crate::error::Result;
use crate::schema::Keyspace;
use crate::time::from_now;

pub(super) type Starting<'s, T> = BoxFuture<'s, Ended<T>>;

/// Runs a loader. The engine uses it as a trait object, so that it is compiled once for each kind,
/// not for each call. The loader keeps its error for its caller, and the engine only has its text.
pub(super) trait StartLoad<S, V: FilledKind>: Send {
    /// Whether the loader may find that there is no value.
    fn finds_none(&self) -> bool;

    fn start(&mut self, load: Load<S, V>) -> Starting<'_, V::Value>;
}

/// A fill in progress.
pub(super) struct Engine<'e, 'l, S, V: FilledKind> {
    pub(super) fill: Arc<Fill<S, V>>,
    pub(super) loader: &'e mut (dyn StartLoad<S, V> + 'l),
    pub(super) known: Vec<Option<Known<V::Value>>>,
    /// The indices of values that exist and can't be decoded.
    pub(super) undecodable: Vec<usize>,
    /// The indices of keys whose miss was counted.
    pub(super) counted: Vec<usize>,
    /// Whether Redis is unavailable or disabled, and the fill continues without it.
    pub(super) is_unavailable: bool,
    /// Until when the caller waits for other callers' loads, and the total time that this allows.
    pub(super) waits: Option<(Instant, Duration)>,
}

/// The outcome of a fill.
pub(super) type Filled<T> = Result<Vec<Known<T>>, FillError<LoadFailure>>;

impl<'e, 'l, S: Keyspace, V: FilledKind> Engine<'e, 'l, S, V> {
    pub(super) fn new(fill: Fill<S, V>, loader: &'e mut (dyn StartLoad<S, V> + 'l)) -> Self {
        let limits = [fill.options.hard_timeout, fill.options.call.timeout];
        let waits = limits.into_iter().flatten().min().map(|limit| (from_now(limit), limit));
        let known = fill.entries.iter().map(|_| None).collect();
        Self {
            fill: Arc::new(fill),
            loader,
            known,
            undecodable: Vec::new(),
            counted: Vec::new(),
            is_unavailable: false,
            waits,
        }
    }

    pub(super) fn set(&mut self, index: usize, known: Known<V::Value>) {
        if let Some(place) = self.known.get_mut(index) {
            *place = Some(known);
        }
    }

    pub(super) fn serve_stale(&mut self, index: usize, bytes: Arc<[u8]>) -> Result<()> {
        let fill = Arc::clone(&self.fill);
        let Some(entry) = fill.entries.get(index) else { return Ok(()) };
        let known = fill.known(entry, bytes, ValueSource::Stale)?;
        fill.note(entry, |fills| &fills.stale, "stale");
        self.set(index, known);
        Ok(())
    }

    pub(super) fn set_absent(&mut self, index: usize) {
        if let Some(entry) = self.fill.entries.get(index) {
            self.fill.note(entry, |fills| &fills.absent, "absent");
        }
        self.set(index, Known::absent());
    }
}
