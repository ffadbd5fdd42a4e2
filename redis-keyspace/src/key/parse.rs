//! The way back: from a key's text to the arguments that made it.

use smallvec::SmallVec;

use super::argument::KeyArgument;
use super::class::ArgumentClass;
use super::escape;
use super::piece::Piece;

/// The still escaped arguments that a template captured from a key, in the template's order.
#[doc(hidden)]
#[derive(Debug)]
pub struct Captures<'k> {
    texts: SmallVec<[&'k str; 6]>,
}

impl Captures<'_> {
    /// The argument at `index`, typed; `None` when the text is not what that type writes.
    #[must_use]
    pub fn get<A: KeyArgument>(&self, index: usize) -> Option<A::Parsed> {
        A::parse(self.texts.get(index)?)
    }

    /// The argument at `index`, as it stands in the key.
    pub(crate) fn text(&self, index: usize) -> Option<&str> {
        self.texts.get(index).copied()
    }

    pub(crate) fn named(&self, pieces: &'static [Piece]) -> Vec<(&'static str, String)> {
        let arguments = pieces.iter().filter_map(|piece| match piece {
            Piece::Argument(argument) => Some(argument),
            Piece::Literal(_) => None,
        });
        let named = arguments.zip(&self.texts).map(|(argument, text)| {
            // A verbatim text may look like an escaped one.
            let plain = if argument.class() == ArgumentClass::RAW { None } else { escape::unescape(text) };
            (argument.name(), plain.unwrap_or((*text).into()).into_owned())
        });
        named.collect()
    }
}

/// Matches a key against a template. Arguments take the longest run of their class; the checks at compile
/// time have made sure that a literal after an argument starts with a byte that the argument can't contain,
/// so there is nothing to try twice.
pub(crate) fn capture<'k>(pieces: &[Piece], key: &'k str) -> Option<Captures<'k>> {
    let mut texts = SmallVec::new();
    let mut rest = key;
    for piece in pieces {
        match piece {
            Piece::Literal(text) => rest = rest.strip_prefix(text)?,
            Piece::Argument(argument) => {
                let (text, tail) = rest.split_at_checked(argument.class().run(rest.as_bytes())?)?;
                texts.push(text);
                rest = tail;
            }
        }
    }
    rest.is_empty().then_some(Captures { texts })
}
