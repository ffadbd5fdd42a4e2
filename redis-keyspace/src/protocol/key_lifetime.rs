//! The lifetime that a write gives to its key.

use crate::error::{Error, Result};
use crate::time::{Expiry, millis};

/// The lifetime that a command gives to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyLifetime {
    pub(crate) millis: i64,
    /// Whether every write renews it. Otherwise only the write that creates the key sets it.
    pub(crate) renews: bool,
    /// Whether the server may not know the script.
    pub(crate) sends_script: bool,
}

impl KeyLifetime {
    pub(crate) fn new(expiry: Expiry, renews: bool) -> Result<Option<Self>> {
        let duration = match expiry {
            Expiry::After(duration) => duration,
            Expiry::Never | Expiry::Keep => return Ok(None),
            Expiry::At(_) => return Err(Error::invalid_input("the key of a collection has no fixed end")),
        };
        if duration.is_zero() {
            return Err(Error::invalid_input("a TTL of zero would delete the key; use `del`"));
        }
        Ok(Some(Self { millis: millis(duration)?, renews, sends_script: false }))
    }

    /// The flag as the script reads it.
    pub(super) fn renews_word(self) -> &'static str {
        if self.renews { "1" } else { "0" }
    }
}
