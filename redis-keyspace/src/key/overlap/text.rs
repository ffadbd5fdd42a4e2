//! Strings that are built at compile time.

#![expect(clippy::indexing_slicing, reason = "`get` is not const, and all of this runs at compile time")]

/// A string that is built at compile time.
#[derive(Debug, Clone, Copy)]
pub struct ConstText<const CAPACITY: usize> {
    pub(super) bytes: [u8; CAPACITY],
    pub(super) length: usize,
}

impl<const CAPACITY: usize> ConstText<CAPACITY> {
    pub(crate) const EMPTY: Self = Self { bytes: [0; CAPACITY], length: 0 };

    /// Appends a string. Bytes beyond the capacity are dropped.
    pub(crate) const fn with(mut self, text: &str) -> Self {
        let mut rest = text.as_bytes();
        while let Some((byte, others)) = rest.split_first()
            && self.length < CAPACITY
        {
            self.bytes[self.length] = *byte;
            self.length += 1;
            rest = others;
        }
        self
    }

    /// Returns the string, without an incomplete character at its end.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        match self.bytes.split_at_checked(self.length) {
            Some((bytes, _)) => match str::from_utf8(bytes) {
                Ok(text) => text,
                // The string was cut within a character.
                Err(error) => match str::from_utf8(bytes.split_at(error.valid_up_to()).0) {
                    Ok(text) => text,
                    Err(_) => "",
                },
            },
            None => "",
        }
    }
}
