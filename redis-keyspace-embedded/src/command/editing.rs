//! Changes strings in place.

use bytes::{Bytes, BytesMut};

use super::context::Context;
use crate::notices::EventClasses;
use crate::reply::Failure;
use crate::value::Value;

/// What was done to a string.
#[derive(Clone, Copy, Default)]
pub(super) struct Edit {
    /// Whether anything was written, even if it was there before.
    pub(super) has_written: bool,
    /// Whether any byte changed.
    pub(super) has_changed: bool,
}

/// Passes the bytes of a string to `change`. An absent key is empty, and the string grows to at
/// least `len` bytes. `change` returns a result and what it did.
pub(super) fn edit<R>(
    context: &mut Context<'_>,
    key: &[u8],
    len: usize,
    change: impl FnOnce(&mut BytesMut) -> (R, Edit),
) -> Result<R, Failure> {
    let now = context.now;
    let db = context.db()?;
    let is_new = !db.contains(key);
    let Some(Value::String(data)) = db.value_or(key, Value::String(Bytes::new()), now) else {
        return Err(Failure::WRONG_TYPE);
    };
    // Without a copy, unless a reply that is not written yet shares the bytes.
    let mut bytes = std::mem::take(data).try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
    let has_grown = bytes.len() < len;
    if has_grown {
        bytes.resize(len, 0);
    }
    let (result, Edit { has_written, has_changed }) = change(&mut bytes);
    *data = bytes.freeze();
    if is_new || has_grown || has_changed {
        if has_written {
            db.notify(EventClasses::STRING, "setbit", key);
        }
        db.settle(key);
    }
    Ok(result)
}
