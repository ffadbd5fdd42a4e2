//! Limits on what is sent.

use crate::error::{Error, Result};
use crate::key::Companion;

/// The size limits of keys and values, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SizeLimits {
    pub(crate) key: usize,
    pub(crate) value: usize,
}

impl SizeLimits {
    /// Fails if a key is too long. A scan may have found companions, whose names are longer than
    /// those of their keys.
    pub(crate) fn check_key(self, key: &str) -> Result<()> {
        if key.len() <= self.key || Companion::is_companion(key) {
            return Ok(());
        }
        Err(Error::key_too_long(key, self.key))
    }
}
