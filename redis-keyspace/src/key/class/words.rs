//! The automaton of a fixed list of strings.

use super::index::{have_common, nth, nth_byte, short};
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

/// Whether one of the strings starts with `text` followed by `next`.
const fn continues(text: &str, next: u8, texts: &[&str]) -> bool {
    let mut rest = texts;
    while let Some((other, others)) = rest.split_first() {
        if have_common(text, other, text.len())
            && let Some(byte) = nth_byte(other, short(text.len()))
            && byte == next
        {
            return true;
        }
        rest = others;
    }
    false
}

/// Whether the bytes read so far are one of the strings.
pub(super) const fn accepts(texts: &[&str], state: ClassState) -> bool {
    let (index, length) = (state >> 16, state & 0xffff);
    let Some(prefix) = nth(texts, index) else { return false };
    let mut rest = texts;
    while let Some((text, others)) = rest.split_first() {
        if text.len() == length as usize && have_common(text, prefix, length as usize) {
            return true;
        }
        rest = others;
    }
    false
}

/// Whether no string continues with this byte where another one ends.
pub(super) const fn end_before(texts: &[&str], next: u8) -> bool {
    let mut rest = texts;
    while let Some((text, others)) = rest.split_first() {
        if continues(text, next, texts) {
            return false;
        }
        rest = others;
    }
    true
}
