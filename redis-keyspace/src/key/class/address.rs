//! The automata of internet addresses as they are written in keys, with colons escaped as `%3A`.
//!
//! The IPv4 automaton is exact. The IPv6 automaton accepts the characters of addresses with at
//! least two colons. Apart from addresses, only crafted strings look like that.

use super::state::ClassState;

// IPv4: the index of the current number and its value so far. 256 means no digit yet.
const NUMBER: ClassState = 257;
const NOTHING: ClassState = 256;
const START_OF_FIRST: ClassState = 0;

/// Returns the index of the current number and its value so far.
const fn numbers(state: ClassState) -> (ClassState, ClassState) {
    if state == START_OF_FIRST { (0, NOTHING) } else { ((state - 1) / NUMBER, (state - 1) % NUMBER) }
}

pub(super) const fn step_v4(state: ClassState, byte: u8) -> Option<ClassState> {
    let (nth, value) = numbers(state);
    let (nth, value) = match byte {
        b'0'..=b'9' if value == NOTHING => (nth, (byte - b'0') as ClassState),
        // No leading zeros.
        b'0'..=b'9' if value > 0 && value * 10 + (byte - b'0') as ClassState <= 255 => {
            (nth, value * 10 + (byte - b'0') as ClassState)
        }
        b'.' if value != NOTHING && nth < 3 => (nth + 1, NOTHING),
        _ => return None,
    };
    Some(1 + nth * NUMBER + value)
}

pub(super) const fn accepts_v4(state: ClassState) -> bool {
    let (nth, value) = numbers(state);
    nth == 3 && value != NOTHING
}

// IPv6: the number of colons so far, up to two, and how many bytes of the next `%3A` were read.

pub(super) const fn step_v6(state: ClassState, byte: u8) -> Option<ClassState> {
    let (colons, escaped) = (state / 3, state % 3);
    match (escaped, byte) {
        (0, b'0'..=b'9' | b'a'..=b'f' | b'.') => Some(colons * 3),
        (0, b'%') => Some(colons * 3 + 1),
        (1, b'3') => Some(colons * 3 + 2),
        (2, b'A') => Some(if colons < 2 { (colons + 1) * 3 } else { colons * 3 }),
        _ => None,
    }
}

pub(super) const fn accepts_v6(state: ClassState) -> bool {
    state == 2 * 3
}

// Either: both automata run at once. One that rejects a byte stays out.
const OUT: ClassState = 0xffff;

pub(super) const fn step(state: ClassState, byte: u8) -> Option<ClassState> {
    let (v4, v6) = (state & 0xffff, state >> 16);
    let v4 = match step_v4(v4, byte) {
        Some(next) if v4 != OUT => next,
        _ => OUT,
    };
    let v6 = match step_v6(v6, byte) {
        Some(next) if v6 != OUT => next,
        _ => OUT,
    };
    if v4 == OUT && v6 == OUT { None } else { Some(v6 << 16 | v4) }
}

pub(super) const fn accepts(state: ClassState) -> bool {
    let (v4, v6) = (state & 0xffff, state >> 16);
    (v4 != OUT && accepts_v4(v4)) || (v6 != OUT && accepts_v6(v6))
}
