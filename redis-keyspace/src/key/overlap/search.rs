//! The search at run time. It finds the same as the search at compile time, but works on the heap,
//! because the stack of a thread may be too small. It needs no small first table, which saves time
//! only in the compiler.

use rustc_hash::FxHashSet;

use super::automaton::PiecePlace;
use super::candidates::Candidates;
use super::{ConstText, MOST, Overlap, SearchNode, end_differently, index};
use crate::key::piece::Piece;

/// Returns whether two templates can make the same key when `before` precedes every key of `other`.
/// An example is a key of `one`.
pub(crate) fn overlap_behind(one: &[Piece], before: &str, other: &[Piece]) -> Overlap {
    if before.is_empty() && end_differently(one, other) {
        return Overlap::Nothing;
    }
    let start = |text: &str| {
        let mut nodes =
            vec![SearchNode { one: PiecePlace::at(0), other: PiecePlace::at(0), before: 0, byte: 0 }];
        for byte in text.bytes() {
            let last = nodes.last()?;
            let node = SearchNode {
                one: last.one.step(one, byte)?,
                other: last.other,
                before: index(nodes.len() - 1),
                byte,
            };
            nodes.push(node);
        }
        Some(nodes)
    };
    let Some(mut nodes) = start(before) else { return Overlap::Nothing };
    let mut seen = FxHashSet::default();
    let mut next = before.len();
    while let Some(&node) = nodes.get(next) {
        if node.one.is_end(one) && node.other.is_end(other) {
            return Overlap::Key(ConstText::leading_to(&nodes, next));
        }
        let candidates = Candidates::of(node.one, one, node.other, other);
        for &byte in candidates.bytes.iter().take(candidates.count) {
            let (Some(one), Some(other)) = (node.one.step(one, byte), node.other.step(other, byte)) else {
                continue;
            };
            if seen.insert((one.piece, one.state, other.piece, other.state)) {
                if nodes.len() == MOST {
                    return Overlap::Unknown;
                }
                nodes.push(SearchNode { one, other, before: index(next), byte });
            }
        }
        next += 1;
    }
    Overlap::Nothing
}
