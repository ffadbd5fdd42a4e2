//! Checks that a value must pass when it is encoded.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::config::RedisBuilder;
use crate::error::{Error, Result};
use crate::kind::{EncodeError, SingleValue};
use crate::sync::lock;

/// Checks that a value must pass before it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteChecks {
    /// The maximum size in bytes. Encoding stops there.
    pub(crate) most: usize,
    /// Whether the encoded value is decoded, to verify that readers can decode it.
    pub(crate) verifies: bool,
}

impl WriteChecks {
    /// Returns the loosest checks of all handles of the process.
    pub(super) fn loosest() -> Self {
        Self { most: MOST.load(Ordering::Relaxed), verifies: VERIFIES.load(Ordering::Relaxed) }
    }

    /// Appends a value. Fails if it does not pass all checks.
    pub(crate) fn encode<V: SingleValue>(self, value: &V::Borrowed, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        self.encode_unverified::<V>(value, out)?;
        self.unreadable::<V>(out.get(start..).unwrap_or_default()).map_or(Ok(()), Err)
    }

    /// Appends a value. Fails only if it is too large or can't be encoded.
    pub(crate) fn encode_unverified<V: SingleValue>(
        self,
        value: &V::Borrowed,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        V::encode_within(value, self.most, out).map_err(EncodeError::into_error)
    }

    /// Fails with the error of a value that no reader could decode, if this handle verifies writes.
    pub(crate) fn pass(self, unreadable: Option<&Error>) -> Result<()> {
        unreadable.filter(|_| self.verifies).map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Returns the error if no reader could decode these bytes, and writes are verified.
    pub(crate) fn unreadable<V: SingleValue>(self, encoded: &[u8]) -> Option<Error> {
        self.verifies.then(|| V::decode(encoded).err().map(Error::unreadable)).flatten()
    }
}

/// Returns the greatest limit of all handles. The length of an argument is checked again when it is
/// sent.
pub(crate) fn most_value_bytes() -> usize {
    WriteChecks::loosest().most
}

/// The loosest checks of all handles. Without any handle, no limit is known.
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);
static VERIFIES: AtomicBool = AtomicBool::new(cfg!(debug_assertions));

/// The number of handles with each limit, and the number of handles that verify.
static HANDLES: Mutex<(BTreeMap<usize, usize>, usize)> = Mutex::new((BTreeMap::new(), 0));

/// The contribution of one handle to the loosest checks. It ends when the handle is dropped.
#[derive(Debug)]
pub(super) struct CountedChecks(WriteChecks);

impl CountedChecks {
    pub(super) fn new(builder: &RedisBuilder) -> Self {
        let (most, verifies) = builder.loosest_checks();
        let this = Self(WriteChecks { most, verifies });
        this.count(|count| count.saturating_add(1));
        this
    }

    fn count(&self, change: impl Fn(usize) -> usize) {
        let mut handles = lock(&HANDLES);
        let (limits, verifying) = &mut *handles;
        let count = limits.entry(self.0.most).or_default();
        *count = change(*count);
        if *count == 0 {
            limits.remove(&self.0.most);
        }
        if self.0.verifies {
            *verifying = change(*verifying);
        }
        let most = limits.last_key_value().map_or(usize::MAX, |(most, _)| *most);
        let verifies = *verifying > 0 || (limits.is_empty() && cfg!(debug_assertions));
        MOST.store(most, Ordering::Relaxed);
        VERIFIES.store(verifies, Ordering::Relaxed);
    }
}

impl Drop for CountedChecks {
    fn drop(&mut self) {
        self.count(|count| count.saturating_sub(1));
    }
}
