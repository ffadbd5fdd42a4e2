//! A fill in progress: the known keys, and the loader for the others.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::time::Instant;

use super::error::FillError;
use super::fill::{Fill, Known};
use super::kind::FilledKind;
use super::load::{Load, Loaded};
use super::lookup::ValueSource;
use crate::error::Result;
use crate::schema::Keyspace;
use crate::time::from_now;

/// The outcome of a load for the caller that started it.
pub(super) enum Ended<T, E> {
    Loaded(Vec<Loaded<T>>),
    Failed(FillError<E>),
    /// The load continues in the background.
    Pending,
}

pub(super) type Starting<'s, T, E> = BoxFuture<'s, Ended<T, E>>;

/// Runs a loader.
pub(super) trait StartLoad<S, V: FilledKind>: Send {
    type Error: fmt::Debug + Send;

    /// Whether the loader may find that there is no value.
    const FINDS_NONE: bool;

    fn start(&mut self, load: Load<S, V>) -> Starting<'_, V::Value, Self::Error>;
}

/// A fill in progress.
pub(super) struct Engine<S, V: FilledKind, L> {
    pub(super) fill: Arc<Fill<S, V>>,
    pub(super) loader: L,
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
pub(super) type Filled<T, E> = Result<Vec<Known<T>>, FillError<E>>;

impl<S: Keyspace, V: FilledKind, L: StartLoad<S, V>> Engine<S, V, L> {
    pub(super) fn new(fill: Fill<S, V>, loader: L) -> Self {
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
