//! The automaton of decimals up to a limit.

use super::index::nth_byte;
use super::state::{ClassState, START};

// An integer's states: nothing yet, a sign, a zero, and else how many digits there are and how they compare with the
// limit's first ones.
const MINUS: ClassState = 1;
const ZERO: ClassState = 2;
const NEGATIVE: ClassState = 1 << 16;
const EQUAL: ClassState = 1;
const LESS: ClassState = 2;
const GREATER: ClassState = 3;

pub(super) const fn step(
    zero: bool,
    min: &'static str,
    max: &'static str,
    state: ClassState,
    byte: u8,
) -> Option<ClassState> {
    match (state, byte) {
        (START, b'-') if !min.is_empty() => Some(MINUS),
        (START, b'0') => {
            if zero {
                Some(ZERO)
            } else {
                None
            }
        }
        (ZERO, _) | (MINUS, b'0') => None,
        (_, b'0'..=b'9') => {
            let negative = state == MINUS || state & NEGATIVE != 0;
            let limit = if negative { min } else { max };
            // Digits so far, and the comparison so far, which the first digit starts as equal.
            let (digits, compared) =
                if state <= MINUS { (0, EQUAL) } else { ((state & 0xffff) >> 2, state & 3) };
            let Some(limits) = nth_byte(limit, digits) else { return None };
            let compared = if compared != EQUAL {
                compared
            } else if byte == limits {
                EQUAL
            } else if byte < limits {
                LESS
            } else {
                GREATER
            };
            // Of as many digits as the limit, but more than it.
            if digits as usize + 1 == limit.len() && compared == GREATER {
                return None;
            }
            Some((if negative { NEGATIVE } else { 0 }) | ((digits + 1) << 2) | compared)
        }
        _ => None,
    }
}

pub(super) const fn accepts(state: ClassState) -> bool {
    state != START && state != MINUS
}
