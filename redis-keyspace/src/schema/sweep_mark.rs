//! The names of sweep marks, which deletions by pattern leave behind.

use super::template::TemplateMeta;
use crate::key::{KeyText, Piece, SWEPT};

/// Returns the key of the sweep mark of a template. A deletion by pattern writes it, and leases and
/// copies from before the mark are void. The mark is a hash, so scans for values do not find it.
///
/// The name has the literals of the template, and no names of fields or parameters: another version
/// of the program may have renamed them, and its deletions must end the fills of this version.
/// Templates that differ only in the types of their arguments share a mark: a deletion of one ends
/// the fills of the other, too, which costs loads.
pub(crate) fn sweep_mark(template: &TemplateMeta) -> KeyText {
    let (start, rest) = match template.pieces.split_first() {
        Some((Piece::Literal(text), rest)) => (*text, rest),
        _ => ("", template.pieces),
    };
    let mut mark = format!("{start}{SWEPT}");
    for piece in rest {
        mark.push_str(match piece {
            Piece::Literal(text) => text,
            Piece::Argument(_) => "{}",
        });
    }
    KeyText::Shared(mark.into())
}

pub(crate) fn is_sweep_mark(key: &str) -> bool {
    key.contains(SWEPT)
}
