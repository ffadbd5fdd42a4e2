//! Parses a key back into its arguments.

use smallvec::SmallVec;

use super::argument::KeyArgument;
use super::class::ArgumentClass;
use super::escape;
use super::piece::Piece;

/// The arguments that a template captured from a key, still escaped, in the order of the template.
#[doc(hidden)]
#[derive(Debug)]
pub struct Captures<'k> {
    texts: SmallVec<[&'k str; 6]>,
}

impl Captures<'_> {
    /// Returns the typed argument at `index`, or `None` if the text is not in the canonical form of
    /// that type.
    #[must_use]
    pub fn get<A: KeyArgument>(&self, index: usize) -> Option<A::Parsed> {
        A::parse(self.texts.get(index)?)
    }

    /// Returns the argument at `index` as it is written in the key.
    pub(crate) fn text(&self, index: usize) -> Option<&str> {
        self.texts.get(index).copied()
    }

    pub(crate) fn named(&self, pieces: &'static [Piece]) -> Vec<(&'static str, String)> {
        let arguments = pieces.iter().filter_map(|piece| match piece {
            Piece::Argument(argument) => Some(argument),
            Piece::Literal(_) => None,
        });
        let named = arguments.zip(&self.texts).map(|(argument, text)| {
            // A verbatim argument may look like an escaped one.
            let plain = if argument.class() == ArgumentClass::RAW { None } else { escape::unescape(text) };
            (argument.name(), plain.unwrap_or((*text).into()).into_owned())
        });
        named.collect()
    }
}

/// Matches a key against a template. Each argument takes the longest run of its class. Backtracking
/// is not needed: the checks at compile time ensure that a literal after an argument starts with a
/// byte that the argument cannot contain.
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
