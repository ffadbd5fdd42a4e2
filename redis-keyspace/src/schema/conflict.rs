//! The error message for two templates that can make the same key.

#![expect(clippy::indexing_slicing, reason = "`get` is not const, and this runs at compile time")]

use super::template::TemplateMeta;
use crate::key::{ConstText, Overlap, overlap};

/// Returns the error message if the templates at two indices can make the same key.
pub const fn conflict(templates: &[TemplateMeta], one: usize, other: usize) -> Option<Message> {
    if one < templates.len() && other < templates.len() {
        conflict_of(&templates[one], &templates[other])
    } else {
        None
    }
}

/// A message that is built at compile time, for a constant that panics with it.
pub type Message = ConstText<1024>;

/// Returns the error message if two templates can make the same key.
pub(crate) const fn conflict_of(one: &TemplateMeta, other: &TemplateMeta) -> Option<Message> {
    let example = match overlap(one.pieces, other.pieces) {
        Overlap::Nothing => return None,
        Overlap::Key(example) => Some(example),
        Overlap::Unknown => None,
    };
    let message = Message::EMPTY
        .with("the template \"")
        .with(other.template)
        .with("\" of `")
        .with(other.keyspace)
        .with("::")
        .with(other.field)
        .with("` and \"")
        .with(one.template)
        .with("\" of `")
        .with(one.keyspace)
        .with("::")
        .with(one.field);
    Some(match &example {
        Some(example) => message
            .with("` can make the same key, for example `")
            .with(example.as_str())
            .with("`: add a distinguishing literal to one of them before the argument, or use an argument type that excludes it"),
        None => message.with("` are too similar to decide whether they can make the same key: add a distinguishing literal to one of them before the first argument"),
    })
}
