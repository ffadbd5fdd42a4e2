//! The automaton of decimals up to a limit.

use super::index::nth_byte;
use super::state::{ClassState, START};

// The states are: nothing yet, a sign, a zero, or the number of digits so far and how they compare
// with the first digits of the limit.
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
            // The digits so far and their comparison with the limit. The first digit starts as
            // equal.
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
            // As many digits as the limit, but a larger number.
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
