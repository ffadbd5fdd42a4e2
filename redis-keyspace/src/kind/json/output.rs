//! The output of the encoder: strings, numbers and limits.

use std::fmt::{self, Display, Write};

use serde_json::ser::{CompactFormatter, Formatter};
use smallvec::SmallVec;

use super::problem::JsonProblem;
use super::unique::KeyPlaces;

/// The maximum nesting of arrays and objects. `serde_json` fails at the 128th level.
const DEEPEST: u8 = 127;

pub(super) struct Encoder<'o> {
    pub(super) out: &'o mut Vec<u8>,
    pub(super) keys: KeyPlaces,
    /// The maximum length of the output. `most` is the maximum length of the value alone.
    end: usize,
    most: usize,
    depth: u8,
}

impl<'o> Encoder<'o> {
    /// Creates an encoder for a value of at most `most` bytes.
    pub(super) fn new(most: usize, out: &'o mut Vec<u8>) -> Self {
        let end = out.len().saturating_add(most);
        Self { out, keys: KeyPlaces::new(), end, most, depth: 0 }
    }
}

impl Encoder<'_> {
    /// Fails if the output is too long. Called once per element of an array or a map, so the output
    /// never exceeds the limit by much. The fields of a struct check the room for their names.
    #[inline]
    pub(super) fn check_length(&self) -> Result<(), JsonProblem> {
        if self.out.len() > self.end { Err(JsonProblem::too_long(self.most)) } else { Ok(()) }
    }

    /// Fails if there is no room for this many more bytes.
    #[inline]
    pub(super) fn check_room(&self, bytes: usize) -> Result<(), JsonProblem> {
        if self.end.saturating_sub(self.out.len()) < bytes {
            return Err(JsonProblem::too_long(self.most));
        }
        Ok(())
    }

    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Opens an array or an object.
    #[inline]
    pub(super) fn open(&mut self, bracket: u8) -> Result<(), JsonProblem> {
        if self.depth == DEEPEST {
            return Err(JsonProblem::new(format!(
                "arrays and objects nest more than {DEEPEST} levels deep, which no reader accepts"
            )));
        }
        self.depth += 1;
        self.out.push(bracket);
        Ok(())
    }

    /// Closes the innermost array or object.
    #[inline]
    pub(super) fn close(&mut self, bracket: u8) {
        self.depth -= 1;
        self.out.push(bracket);
    }

    #[inline]
    pub(super) fn string(&mut self, text: &str) -> Result<(), JsonProblem> {
        self.check_room(text.len())?;
        if has_escapes(text.as_bytes()) {
            return self.escaped(text);
        }
        // Also for what follows a string: a colon or a comma, and the quotes of the next one.
        self.out.reserve(text.len() + 4);
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
        Ok(())
    }

    /// Writes `"name":`, after a comma unless the field is the first of its object. Returns the
    /// position of the name and its quotes.
    #[inline]
    pub(super) fn field(&mut self, name: &str, is_first: bool) -> Result<(usize, usize), JsonProblem> {
        self.check_room(name.len())?;
        let plain = !has_escapes(name.as_bytes());
        self.out.reserve(name.len() + 5);
        if !is_first {
            self.out.push(b',');
        }
        let start = self.out.len();
        if plain {
            self.out.push(b'"');
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"\":");
        } else {
            self.escaped(name)?;
            self.out.push(b':');
        }
        Ok((start, self.out.len() - 1))
    }

    #[cold]
    fn escaped(&mut self, text: &str) -> Result<(), JsonProblem> {
        serde_json::to_writer(&mut *self.out, text).map_err(|error| JsonProblem::new(error.to_string()))
    }

    pub(super) fn integer(&mut self, number: impl itoa::Integer) {
        self.push(itoa::Buffer::new().format(number).as_bytes());
    }

    pub(super) fn f32(&mut self, number: f32) -> Result<(), JsonProblem> {
        if !number.is_finite() {
            return Err(not_finite(number.is_nan()));
        }
        CompactFormatter
            .write_f32(&mut *self.out, number)
            .map_err(|error| JsonProblem::new(error.to_string()))
    }

    pub(super) fn f64(&mut self, number: f64) -> Result<(), JsonProblem> {
        if !number.is_finite() {
            return Err(not_finite(number.is_nan()));
        }
        CompactFormatter
            .write_f64(&mut *self.out, number)
            .map_err(|error| JsonProblem::new(error.to_string()))
    }

    /// Appends a string that is already JSON.
    pub(super) fn raw(&mut self, json: &str) -> Result<(), JsonProblem> {
        self.check_room(json.len())?;
        self.push(json.as_bytes());
        Ok(())
    }

    pub(super) fn displayed<T: Display + ?Sized>(&mut self, value: &T) -> Result<(), JsonProblem> {
        let mut text = Displayed { text: SmallVec::new(), most: self.end.saturating_sub(self.out.len()) };
        if write!(text, "{value}").is_err() {
            self.check_room(text.text.len())?;
            return Err(JsonProblem::new("the `Display` implementation failed"));
        }
        let text = std::str::from_utf8(&text.text).map_err(|error| JsonProblem::new(error.to_string()))?;
        self.string(text)
    }

    /// Writes `{"Variant":`, the start of a variant with data.
    pub(super) fn open_variant(&mut self, variant: &'static str) -> Result<(), JsonProblem> {
        self.open(b'{')?;
        self.string(variant)?;
        self.out.push(b':');
        Ok(())
    }
}

/// Whether a string contains characters that JSON escapes.
#[inline]
fn has_escapes(text: &[u8]) -> bool {
    // The last word overlaps the one before.
    let Some(last) = text.last_chunk::<8>() else {
        if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            return escapes_in(u64::from(first) | u64::from(last) << 32) != 0;
        }
        return text.iter().any(|&byte| byte < b' ' || byte == b'"' || byte == b'\\');
    };
    let words = text.as_chunks::<8>().0.iter().chain([last]);
    words.fold(0, |found, word| found | escapes_in(u64::from_le_bytes(*word))) != 0
}

/// Returns a number that is not 0 if a byte of the word is a control character, a quote or a
/// backslash.
#[inline]
const fn escapes_in(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    const fn equal(word: u64, byte: u8) -> u64 {
        let zero_where_equal = word ^ (ONES * byte as u64);
        zero_where_equal.wrapping_sub(ONES) & !zero_where_equal
    }
    // A byte of 0x80 and more sets no high bit: `!word` clears it.
    ((word.wrapping_sub(ONES * b' ' as u64) & !word) | equal(word, b'"') | equal(word, b'\\')) & HIGH
}

fn not_finite(is_nan: bool) -> JsonProblem {
    let number = if is_nan { "NaN" } else { "an infinite number" };
    JsonProblem::new(format!("JSON has no way to write {number}; store an `Option`, or a string"))
}

/// Collects the output of a `Display`, usually without an allocation: times, decimals and ids are
/// short.
struct Displayed {
    text: SmallVec<[u8; 64]>,
    most: usize,
}

impl Write for Displayed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text.extend_from_slice(text.as_bytes());
        if self.text.len() > self.most { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_found_at_every_place() {
        for length in 0..40 {
            // Bytes of 0x80 and more are parts of characters that need no escape.
            for filler in [b' ', b'!', b'#', b'[', b']', b'a', 0x7f, 0x80, 0xc3, 0xff] {
                let plain = vec![filler; length];
                assert!(!has_escapes(&plain), "{length} of {filler}");
                for at in 0..length {
                    for special in [0, 1, 0x1f, b'\n', b'"', b'\\'] {
                        let mut text = plain.clone();
                        text[at] = special;
                        assert!(has_escapes(&text), "{special} at {at} of {length} times {filler}");
                    }
                }
            }
        }
    }
}
