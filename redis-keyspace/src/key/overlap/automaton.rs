//! The automaton of a template.

#![expect(clippy::indexing_slicing, reason = "`get` is not const, and all of this runs at compile time")]

use crate::key::class::{ArgumentClass, ClassState, START, nth_byte};
use crate::key::piece::Piece;

/// The position of the automaton of a template: the piece, and the state within it.
#[derive(Clone, Copy)]
pub(super) struct PiecePlace {
    pub(super) piece: u16,
    pub(super) state: ClassState,
}

#[derive(Clone, Copy)]
pub(super) enum Expects {
    Nothing,
    Byte(u8),
    Argument {
        class: ArgumentClass,
        /// The byte that ends the argument here, if it can end here.
        exit: Option<u8>,
    },
}

impl PiecePlace {
    /// Returns the position before the first byte of a piece.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`try_from` is not const, and no template has so many pieces"
    )]
    pub(super) const fn at(piece: usize) -> Self {
        Self { piece: piece as u16, state: START }
    }

    /// Advances by one byte.
    pub(super) const fn step(self, pieces: &[Piece], byte: u8) -> Option<Self> {
        let Self { piece, state } = self;
        match nth_piece(pieces, piece) {
            None => None,
            Some(Piece::Literal(text)) => match nth_byte(text, state) {
                Some(expected) if expected == byte => {
                    let state = state + 1;
                    Some(if state as usize == text.len() {
                        Self { piece: piece + 1, state: START }
                    } else {
                        Self { piece, state }
                    })
                }
                _ => None,
            },
            Some(Piece::Argument(argument)) => match argument.class.step(state, byte) {
                Some(state) => Some(Self { piece, state }),
                None if argument.class.accepts(state) => {
                    Self { piece: piece + 1, state: START }.step(pieces, byte)
                }
                None => None,
            },
        }
    }

    /// Whether the bytes read so far are a key of the template.
    pub(super) const fn is_end(self, pieces: &[Piece]) -> bool {
        match nth_piece(pieces, self.piece) {
            None => true,
            Some(Piece::Literal(_)) => false,
            Some(Piece::Argument(argument)) => {
                argument.class.accepts(self.state) && self.piece as usize + 1 == pieces.len()
            }
        }
    }

    /// Returns what the automaton accepts next.
    pub(super) const fn expects(self, pieces: &[Piece]) -> Expects {
        match nth_piece(pieces, self.piece) {
            None => Expects::Nothing,
            Some(Piece::Literal(text)) => match nth_byte(text, self.state) {
                Some(byte) => Expects::Byte(byte),
                None => Expects::Nothing,
            },
            Some(Piece::Argument(argument)) => Expects::Argument {
                class: argument.class,
                exit: match nth_piece(pieces, self.piece + 1) {
                    Some(Piece::Literal(text)) if argument.class.accepts(self.state) => nth_byte(text, 0),
                    _ => None,
                },
            },
        }
    }

    pub(super) const fn is(self, other: Self) -> bool {
        self.piece == other.piece && self.state == other.state
    }
}

const fn nth_piece(pieces: &[Piece], index: u16) -> Option<Piece> {
    if (index as usize) < pieces.len() { Some(pieces[index as usize]) } else { None }
}
