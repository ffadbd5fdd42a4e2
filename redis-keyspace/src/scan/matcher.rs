//! Matches the keys of a pattern: builds the glob for the server, and checks each key that the glob
//! matched.

use std::marker::PhantomData;

use smallvec::SmallVec;

use super::target::Wanted;
use crate::error::Result;
use crate::key::{KeyText, Piece, capture, is_member, reserved_text};
use crate::schema::{Keyspace, TemplateMeta};

/// A template with some of its arguments bound.
pub(crate) struct Matcher<S> {
    template: &'static TemplateMeta,
    index: usize,
    /// The bound arguments, by placeholder. A placeholder without an entry is not bound.
    bound: SmallVec<[Option<KeyText>; 4]>,
    keyspace: PhantomData<fn() -> S>,
}

impl<S> Clone for Matcher<S> {
    fn clone(&self) -> Self {
        let Self { template, index, bound, .. } = self;
        Self { template, index: *index, bound: bound.clone(), keyspace: PhantomData }
    }
}

impl<S> Matcher<S> {
    pub(super) fn new(template: &'static TemplateMeta, index: usize) -> Self {
        Self { template, index, bound: SmallVec::new(), keyspace: PhantomData }
    }

    pub(super) fn bind(&mut self, hole: usize, text: KeyText) {
        if self.bound.len() <= hole {
            self.bound.resize(hole + 1, None);
        }
        if let Some(place) = self.bound.get_mut(hole) {
            *place = Some(text);
        }
    }

    pub(crate) fn template(&self) -> &'static TemplateMeta {
        self.template
    }

    /// Returns the only key of the pattern, if every argument is bound.
    fn only(&self) -> Option<String> {
        let (mut key, mut hole) = (String::new(), 0);
        for piece in self.template.pieces {
            match piece {
                Piece::Literal(text) => key.push_str(text),
                Piece::Argument(_) => {
                    key.push_str(self.bound.get(hole)?.as_ref()?.as_str());
                    hole += 1;
                }
            }
        }
        Some(key)
    }

    /// Fails if a bound argument has a text that no key may have.
    pub(crate) fn check_bound(&self) -> Result<()> {
        self.bound.iter().flatten().try_for_each(KeyText::check)
    }

    /// Returns what the scan requests from the server.
    pub(super) fn wanted(&self, redis_type: &'static str) -> Wanted {
        let refusal = self.bound.iter().flatten().find_map(|text| text.check().err());
        Wanted { glob: self.glob(), only: self.only(), redis_type: Some(redis_type), refusal }
    }

    /// Returns the narrowest glob that matches all keys of the pattern.
    pub(crate) fn glob(&self) -> String {
        let (mut glob, mut hole) = (String::new(), 0);
        for piece in self.template.pieces {
            match piece {
                Piece::Literal(text) => escape_glob(text, &mut glob),
                Piece::Argument(_) => {
                    match self.bound.get(hole).and_then(Option::as_ref) {
                        // An escaped argument contains no glob character; a verbatim one may.
                        Some(text) => escape_glob(text.as_str(), &mut glob),
                        None => glob.push('*'),
                    }
                    hole += 1;
                }
            }
        }
        glob
    }
}

impl<S: Keyspace> Matcher<S> {
    /// Returns the arguments of a key; `None` if the key does not belong to the pattern.
    pub(super) fn arguments(&self, key: &str) -> Option<S::Parsed> {
        // Keys that the library itself creates: a verbatim argument could match their names.
        if is_member(key) || reserved_text(key).is_some() {
            return None;
        }
        let captures = capture(self.template.pieces, key)?;
        for (hole, bound) in self.bound.iter().enumerate() {
            if let Some(bound) = bound
                && captures.text(hole) != Some(bound.as_str())
            {
                return None;
            }
        }
        S::from_captures(self.index, &captures)
    }
}

/// Appends text, escaped so that a glob matches it literally.
pub(super) fn escape_glob(text: &str, glob: &mut String) {
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\') {
            glob.push('\\');
        }
        glob.push(c);
    }
}
