//! Sets of bytes, and which strings need no escaping.

use crate::key::escape::is_reserved;

/// A set of byte values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteSet {
    ascii: u128,
    beyond: u128,
}

impl ByteSet {
    /// `==` is not const.
    pub(super) const fn is_same(self, other: Self) -> bool {
        self.ascii == other.ascii && self.beyond == other.beyond
    }

    pub(super) const EMPTY: Self = Self { ascii: 0, beyond: 0 };
    pub(super) const ALL: Self = Self { ascii: u128::MAX, beyond: u128::MAX };
    pub(super) const TEXT: Self = {
        let mut set = Self::ALL;
        let mut byte = 0_u8;
        while byte < 128 {
            // `%` is in the set because it starts an escape.
            if is_reserved(byte) && byte != b'%' {
                set.ascii &= !(1 << byte);
            }
            byte += 1;
        }
        set
    };

    pub(super) const fn of(bytes: &[u8]) -> Self {
        let (mut set, mut rest) = (Self::EMPTY, bytes);
        while let Some((byte, others)) = rest.split_first() {
            set = set.with(*byte);
            rest = others;
        }
        set
    }

    pub(super) const fn with(mut self, byte: u8) -> Self {
        let bit = 1 << (byte & 127);
        if byte < 128 {
            self.ascii |= bit;
        } else {
            self.beyond |= bit;
        }
        self
    }

    pub(super) const fn contains(self, byte: u8) -> bool {
        let half = if byte < 128 { self.ascii } else { self.beyond };
        half & (1 << (byte & 127)) != 0
    }
}

/// Whether a string contains nothing that is escaped in keys.
pub(super) const fn is_plain(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some((byte, others)) = rest.split_first() {
        if is_reserved(*byte) {
            return false;
        }
        rest = others;
    }
    true
}
