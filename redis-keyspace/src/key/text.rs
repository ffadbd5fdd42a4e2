//! The finished text of a key, and the writer that makes it.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use super::escape;
use super::generation;
use super::{ArgumentClass, Key, KeyArgument};
use crate::Keyspace;
use crate::keyspace::TemplateMeta;

/// The text of a key. Cloning it never allocates.
#[derive(Clone)]
pub(crate) enum KeyText {
    /// A template without arguments is its own key.
    Static(&'static str),
    Shared(Arc<str>),
    /// With the generations of its groups behind it; `own` is the length of what the template has made.
    Member {
        text: Arc<str>,
        own: u32,
    },
}

impl KeyText {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) | Self::Member { text, .. } => text,
        }
    }

    /// What the template has made.
    pub(crate) fn own(&self) -> &str {
        let text = self.as_str();
        match self {
            Self::Member { own, .. } => {
                usize::try_from(*own).ok().and_then(|own| text.get(..own)).unwrap_or(text)
            }
            Self::Static(_) | Self::Shared(_) => text,
        }
    }

    /// The same in this generation of a group.
    pub(crate) fn in_generation(&self, generation: u64) -> Self {
        let own = u32::try_from(self.own().len()).unwrap_or(u32::MAX);
        Self::Member { text: generation::name(self.as_str(), generation).into(), own }
    }
}

/// Writes the arguments of one key; handed to [`KeyArgument::write`](crate::KeyArgument::write).
///
/// Everything that goes through it is escaped, so no argument can reach beyond its own place in the key.
pub struct KeyWriter {
    // Keys are short: they are put together on the stack, and the one allocation is the finished text.
    bytes: SmallVec<[u8; 120]>,
}

impl KeyWriter {
    pub(crate) fn new() -> Self {
        Self { bytes: SmallVec::new() }
    }

    /// Writes a text, escaped.
    pub fn text(&mut self, text: &str) {
        if !text.is_empty() && !text.bytes().any(escape::is_reserved) {
            self.bytes.extend_from_slice(text.as_bytes());
        } else {
            escape::escape_into(text, &mut self.bytes);
        }
    }

    /// Writes an integer in decimal.
    pub fn integer(&mut self, integer: impl itoa::Integer) {
        self.bytes.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
    }

    /// Writes what needs no escaping because of its type, or is to be taken verbatim.
    pub(crate) fn verbatim(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Writes an argument.
    ///
    /// One that writes nothing is written as every empty argument is. In debug builds, one that writes what its `CLASS` does not
    /// have is a panic: the checks of all templates rely on it.
    #[inline]
    pub(crate) fn argument<A: KeyArgument + ?Sized>(&mut self, argument: &A) {
        let start = self.bytes.len();
        argument.write(self);
        if self.bytes.len() == start && !A::CLASS.accepts(ArgumentClass::START) {
            self.verbatim(escape::EMPTY);
        }
        debug_assert!(
            self.bytes.get(start..).is_some_and(|text| A::CLASS.run(text) == Some(text.len())),
            "`KeyArgument::write` of {} has written {:?}, which is none of the texts that its `CLASS` states",
            std::any::type_name::<A>(),
            String::from_utf8_lossy(self.bytes.get(start..).unwrap_or_default()),
        );
    }

    pub(crate) fn finish(&self) -> KeyText {
        // Only whole `str`s and ASCII were written, so the lossy branch is never taken; it is cheaper to
        // check than to argue.
        KeyText::Shared(Arc::from(String::from_utf8_lossy(&self.bytes).as_ref()))
    }
}

impl fmt::Debug for KeyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyWriter").field(&String::from_utf8_lossy(&self.bytes)).finish()
    }
}

/// Puts a key together; the generated constructors are one chain of calls on it.
#[doc(hidden)]
#[derive(Debug)]
pub struct KeyBuilder {
    writer: KeyWriter,
    template: &'static TemplateMeta,
}

impl KeyBuilder {
    #[inline]
    #[must_use]
    pub fn new(template: &'static TemplateMeta) -> Self {
        Self { writer: KeyWriter::new(), template }
    }

    #[inline]
    #[must_use]
    pub fn literal(mut self, text: &'static str) -> Self {
        self.writer.verbatim(text);
        self
    }

    #[inline]
    #[must_use]
    pub fn argument<A: KeyArgument + ?Sized>(mut self, argument: &A) -> Self {
        self.writer.argument(argument);
        self
    }

    #[inline]
    pub fn finish<S: Keyspace, V>(self) -> Key<S, V> {
        Key::new(self.writer.finish(), self.template)
    }
}
