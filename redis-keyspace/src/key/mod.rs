//! The text of keys: arguments and their escaping, the languages of templates, overlap, parsing,
//! and what depends only on the text (cluster slots, names of companion keys).

mod argument;
mod class;
mod companion;
mod error;
mod escape;
mod generation;
mod overlap;
mod parse;
mod parsed;
mod piece;
mod reserved;
mod slot;
mod text;
mod writer;

pub use argument::{KeyArgument, Raw};
pub use class::ArgumentClass;
pub(crate) use companion::Companion;
pub use error::KeyParseError;
pub(crate) use escape::{is_reserved, without_spaces};
pub(crate) use generation::{MARKER as GENERATION_MARKER, is_member};
pub(crate) use generation::{parse as parse_generation, text as generation_text, without_generation};
pub use overlap::ConstText;
pub(crate) use overlap::{Overlap, overlap, overlap_behind};
pub use parse::Captures;
pub(crate) use parse::capture;
pub use parsed::ParsedArgument;
pub use piece::{ArgumentMeta, Piece};
pub(crate) use reserved::{SWEPT, reserved_text};
pub(crate) use slot::{SLOTS, slot, slot_within};
pub(crate) use text::KeyText;
pub use writer::KeyWriter;
