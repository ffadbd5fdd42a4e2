//! Selects the bytes that the search must try.

#![expect(clippy::indexing_slicing, reason = "`get` is not const, and all of this runs at compile time")]

use super::automaton::{Expects, PiecePlace};
use crate::key::class::{ArgumentClass, ClassState};
use crate::key::piece::Piece;

/// The bytes to try. Every other byte leads only to states that these reach as well.
pub(super) struct Candidates {
    pub(super) bytes: [u8; 256],
    pub(super) count: usize,
}

impl Candidates {
    pub(super) const fn of(one: PiecePlace, ones: &[Piece], other: PiecePlace, others: &[Piece]) -> Self {
        let none = Self { bytes: [0; 256], count: 0 };
        match (one.expects(ones), other.expects(others)) {
            (Expects::Nothing, _) | (_, Expects::Nothing) => none,
            (Expects::Byte(byte), _) | (_, Expects::Byte(byte)) => none.with(byte),
            (
                Expects::Argument { class, exit },
                Expects::Argument { class: other_class, exit: other_exit },
            ) => {
                let exits = none.with_exit(exit).with_exit(other_exit);
                if one.state == other.state && class.is_same(other_class) {
                    // Both are in the same state, so they read the same text and end together. Any
                    // text will do.
                    return if class.accepts(one.state) {
                        exits
                    } else if class.leads_to_an_end() {
                        exits.with_first(class, one.state, class, one.state)
                    } else {
                        exits.with_all(class, one.state, class, one.state)
                    };
                }
                if class.counts_only() && other_class.counts_only() {
                    // Only the number of bytes matters to both.
                    return exits.with_first(class, one.state, other_class, other.state);
                }
                if class.is_free() && other_class.leads_to_an_end() {
                    return exits.with_way_out(other_class, other.state, class, one.state);
                }
                if other_class.is_free() && class.leads_to_an_end() {
                    return exits.with_way_out(class, one.state, other_class, other.state);
                }
                exits.with_all(class, one.state, other_class, other.state)
            }
        }
    }

    const fn with(mut self, byte: u8) -> Self {
        self.bytes[self.count] = byte;
        self.count += 1;
        self
    }

    const fn with_exit(self, exit: Option<u8>) -> Self {
        match exit {
            Some(byte) if self.count == 0 || self.bytes[0] != byte => self.with(byte),
            _ => self,
        }
    }

    /// Adds the first byte that both arguments accept.
    const fn with_first(
        self,
        one: ArgumentClass,
        state: ClassState,
        other: ArgumentClass,
        others: ClassState,
    ) -> Self {
        let mut nth = 0;
        while nth < ORDER.len() {
            let byte = ORDER[nth];
            if one.step(state, byte).is_some() && other.step(others, byte).is_some() {
                return if self.has(byte) { self } else { self.with(byte) };
            }
            nth += 1;
        }
        self
    }

    /// Free text accepts every byte and stays in the same state. So one path to the end of the
    /// other argument is enough.
    const fn with_way_out(
        self,
        other: ArgumentClass,
        others: ClassState,
        free: ArgumentClass,
        state: ClassState,
    ) -> Self {
        if other.accepts(others) && free.accepts(state) {
            self
        } else {
            self.with_first(other, others, free, state)
        }
    }

    /// Adds all bytes that both arguments accept.
    const fn with_all(
        mut self,
        one: ArgumentClass,
        state: ClassState,
        other: ArgumentClass,
        others: ClassState,
    ) -> Self {
        let bytes: &[u8] = match (one.few_bytes(state), other.few_bytes(others)) {
            (Some(few), Some(more)) if few.len() <= more.len() => few,
            (Some(_), Some(few)) | (Some(few), None) | (None, Some(few)) => few,
            (None, None) => &ORDER,
        };
        let mut nth = 0;
        while nth < bytes.len() {
            let byte = bytes[nth];
            nth += 1;
            if one.may_step(byte)
                && other.may_step(byte)
                && one.step(state, byte).is_some()
                && other.step(others, byte).is_some()
                && !self.has(byte)
            {
                self = self.with(byte);
            }
        }
        self
    }

    const fn has(&self, byte: u8) -> bool {
        let mut nth = 0;
        while nth < self.count {
            if self.bytes[nth] == byte {
                return true;
            }
            nth += 1;
        }
        false
    }
}

/// All bytes, in the order in which examples prefer them.
const ORDER: [u8; 256] = {
    let mut order = [0; 256];
    let (mut filled, mut round) = (0, 0);
    while round < 5 {
        let mut byte = 0_u8;
        loop {
            let rank = match byte {
                b'a'..=b'z' => 0,
                b'0'..=b'9' => 1,
                b'A'..=b'Z' => 2,
                b'!'..=b'~' => 3,
                _ => 4,
            };
            if rank == round {
                order[filled] = byte;
                filled += 1;
            }
            if byte == u8::MAX {
                break;
            }
            byte += 1;
        }
        round += 1;
    }
    order
};
