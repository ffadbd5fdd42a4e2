//! The names of the marks that deletions by pattern leave.

use super::template::TemplateMeta;
use crate::key::{KeyText, Piece, SWEPT};

/// The key at which a deletion by pattern of this template leaves a mark: leases and copies from before the mark are void.
/// The mark is a hash, so that scans for values do not find it.
pub(crate) fn sweep_mark(template: &TemplateMeta) -> KeyText {
    let start = match template.pieces.first() {
        Some(Piece::Literal(text)) => text,
        _ => "",
    };
    KeyText::Shared(format!("{start}{SWEPT}{}", template.field()).into())
}

pub(crate) fn is_sweep_mark(key: &str) -> bool {
    key.contains(SWEPT)
}
