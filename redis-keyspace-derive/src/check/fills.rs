//! Checks that `fills = false` and the options of fills do not contradict each other.

use proc_macro2::Span;

use crate::attr::fills::Fills;
use crate::diag::Diag;
use crate::model::{Entry, Keyspace};

pub(super) fn keyspace(model: &Keyspace<'_>, diag: &Diag) {
    let fills = &model.container.fills;
    if fills.are_disabled() {
        without_effect(fills, "`fills = false`", diag);
    }
}

/// Options of the struct apply only to fields that are filled, so a field may set `fills = false`
/// next to them.
pub(super) fn entry(model: &Keyspace<'_>, entry: &Entry<'_>, diag: &Diag) {
    let fills = &entry.fills;
    if fills.are_disabled() {
        without_effect(fills, "`fills = false`", diag);
    } else if model.container.fills.are_disabled() {
        if fills.enabled.is_none() {
            return without_effect(fills, "`fills = false` on the struct", diag);
        }
        for (_, span) in options(fills, true) {
            diag.error(
                span,
                "`fills = true` can't override `fills = false` on the struct, because `get_or_set` does not compile for \
                 the whole keyspace: write `fills = false` on the other fields instead of on the struct",
            );
        }
    }
}

/// Reports each option that `fills = false` makes useless.
fn without_effect(fills: &Fills, because_of: &str, diag: &Diag) {
    for (name, span) in options(fills, false) {
        diag.error(span, format!("`{name}` has no effect with {because_of}: remove one of them"));
    }
}

/// The option `fills` itself, or all others.
fn options(fills: &Fills, itself: bool) -> impl Iterator<Item = (&str, Span)> {
    fills
        .set
        .iter()
        .filter(move |(name, _)| (name == "fills") == itself)
        .map(|(name, span)| (name.as_str(), *span))
}
