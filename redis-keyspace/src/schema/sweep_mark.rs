//! The names of sweep marks, which deletions by pattern leave behind.

use super::template::TemplateMeta;
use crate::key::{KeyText, Piece, SWEPT};

/// Returns the key of the sweep mark of a template. A deletion by pattern writes it, and leases and
/// copies from before the mark are void. The mark is a hash, so scans for values do not find it.
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
