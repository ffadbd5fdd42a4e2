//! The automaton of a fixed list of strings.

use super::index::{have_common, nth, nth_byte};
use super::state::ClassState;

/// A state is the index of the first string that starts with the bytes read so far, and how many
/// were read.
pub(super) const fn step(texts: &'static [&'static str], state: ClassState, byte: u8) -> Option<ClassState> {
    let (index, length) = (state >> 16, (state & 0xffff) as usize);
    let Some(prefix) = nth(texts, index) else { return None };
    let (mut rest, mut at) = (texts, 0);
    while let Some((text, others)) = rest.split_first() {
        if have_common(text, prefix, length)
            && let Some(next) = nth_byte(text, state & 0xffff)
            && next == byte
        {
            return Some((at << 16) | ((state & 0xffff) + 1));
        }
        rest = others;
        at += 1;
    }
    None
}

/// Whether the bytes read so far are one of the strings.
pub(super) const fn accepts(texts: &[&str], state: ClassState) -> bool {
    let (index, length) = (state >> 16, state & 0xffff);
    let Some(prefix) = nth(texts, index) else { return false };
    is_start_a_word(prefix, length, texts)
}

/// Whether no string continues with this byte where another one ends.
///
/// Most literals start with a byte that no string contains. This is then one pass: the compiler
/// interprets it for each argument before a literal.
pub(super) const fn end_before(texts: &[&str], next: u8) -> bool {
    let mut rest = texts;
    while let Some((text, others)) = rest.split_first() {
        let mut at = 0;
        while let Some(byte) = nth_byte(text, at) {
            if byte == next && is_start_a_word(text, at, texts) {
                return false;
            }
            at += 1;
        }
        rest = others;
    }
    true
}

/// Whether the first `length` bytes of a string are one of the strings.
const fn is_start_a_word(text: &str, length: u32, texts: &[&str]) -> bool {
    let mut rest = texts;
    while let Some((word, others)) = rest.split_first() {
        if word.len() == length as usize && have_common(word, text, length as usize) {
            return true;
        }
        rest = others;
    }
    false
}
