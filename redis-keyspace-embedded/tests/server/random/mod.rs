//! Random sequences of commands get the same replies from the embedded server and a real one.

mod bits;
mod commands;
mod families;
mod geo;
mod newer;
mod notices;
mod replies;
mod runner;
mod sorted_sets;
mod streams;
mod waiting;

pub(crate) use commands::Family;
pub(crate) use runner::{Figures, configuration};

/// The families whose commands change keys.
const FAMILIES: [Family; 11] = [
    families::LISTS,
    families::SETS,
    families::HASHES,
    families::KEYS,
    geo::GEO,
    bits::BITMAPS,
    bits::HYPERLOGLOGS,
    sorted_sets::SORTED_SETS,
    sorted_sets::LEX,
    streams::ENTRIES,
    streams::GROUPS,
];
