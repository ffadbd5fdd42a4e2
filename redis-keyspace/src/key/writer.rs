//! Writes the arguments of a key.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use super::class::ArgumentClass;
use super::escape;
use super::reserved::reserved_text;
use super::text::KeyText;
use crate::error::short_name;

/// Writes the arguments of one key. [`KeyArgument::write`](crate::KeyArgument::write) receives it.
///
/// It escapes everything that it writes, so no argument can extend beyond its own place in the key.
pub struct KeyWriter {
    // Keys are short: they are composed on the stack, and only the finished text is allocated.
    bytes: SmallVec<[u8; 120]>,
    has_raw: bool,
    /// Whether an argument is invalid for its type.
    has_invalid: bool,
}

impl KeyWriter {
    pub(crate) fn new() -> Self {
        Self { bytes: SmallVec::new(), has_raw: false, has_invalid: false }
    }

    /// Writes a string, escaped.
    pub fn write_str(&mut self, text: &str) {
        if !text.is_empty() && !text.bytes().any(escape::is_reserved) {
            self.bytes.extend_from_slice(text.as_bytes());
        } else {
            escape::escape_into(text, &mut self.bytes);
        }
    }

    /// Writes an integer in decimal.
    pub fn write_int(&mut self, integer: impl itoa::Integer) {
        self.bytes.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
    }

    /// Writes text that never needs escaping because of its type.
    pub(crate) fn verbatim(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Writes arbitrary text verbatim.
    pub(super) fn raw(&mut self, text: &str) {
        self.has_raw = true;
        self.verbatim(text);
    }

    /// Runs `write`. If its output does not belong to the class, no command can use the key. In
    /// that case, it writes a text that no valid argument produces instead, so the key never equals
    /// a valid key.
    #[doc(hidden)]
    pub fn write_of(&mut self, class: ArgumentClass, write: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        write(self);
        let written = self.bytes.get(start..).unwrap_or_default();
        if class.run(written) == Some(written.len()) {
            return;
        }
        self.has_invalid = true;
        let text: Vec<u8> = written.to_vec();
        self.bytes.truncate(start);
        escape::write_invalid(&text, &mut self.bytes);
    }

    /// Returns the bytes written so far.
    pub(super) fn written(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn finish(&self) -> KeyText {
        // Only whole `str`s and ASCII were written, so nothing is ever replaced.
        let text = match std::str::from_utf8(&self.bytes) {
            Ok(text) => Arc::from(text),
            Err(_) => Arc::from(String::from_utf8_lossy(&self.bytes)),
        };
        if self.has_invalid || self.has_raw && reserved_text(&text).is_some() {
            return KeyText::Unusable(text);
        }
        KeyText::Shared(text)
    }
}

impl fmt::Debug for KeyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyWriter").field(&short_name(&String::from_utf8_lossy(&self.bytes))).finish()
    }
}
