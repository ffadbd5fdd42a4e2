//! The automaton of one character, escaped if it is reserved.

use super::bytes::ByteSet;
use super::state::{ClassState, START};

// The states count the bytes of the UTF-8 sequence, or the digits of the escape, that are missing.
const CHAR_DONE: ClassState = 1;
const CHAR_MISSING: ClassState = 2;
const ESCAPE_TWO: ClassState = 16;
const ESCAPE_ONE: ClassState = 17;

pub(super) const fn step(state: ClassState, byte: u8) -> Option<ClassState> {
    match (state, byte) {
        (START, b'%') => Some(ESCAPE_TWO),
        (START, 0..=0x7f) if ByteSet::TEXT.contains(byte) => Some(CHAR_DONE),
        (START, 0xc2..=0xdf) => Some(CHAR_MISSING + 1),
        (START, 0xe0..=0xef) => Some(CHAR_MISSING + 2),
        (START, 0xf0..=0xf4) => Some(CHAR_MISSING + 3),
        (ESCAPE_TWO, b'0'..=b'9' | b'A'..=b'F') => Some(ESCAPE_ONE),
        (ESCAPE_ONE, b'0'..=b'9' | b'A'..=b'F') => Some(CHAR_DONE),
        (_, 0x80..=0xbf) if state > CHAR_MISSING && state < ESCAPE_TWO => {
            Some(if state == CHAR_MISSING + 1 { CHAR_DONE } else { state - 1 })
        }
        _ => None,
    }
}

pub(super) const fn accepts(state: ClassState) -> bool {
    state == CHAR_DONE
}
