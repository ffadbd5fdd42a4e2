//! Finished keys and what they are made from.

mod argument;
mod class;
mod companion;
mod escape;
mod generation;
mod overlap;
mod parse;
mod slot;
mod text;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

pub use argument::{KeyArgument, Raw};
pub use class::ArgumentClass;
pub(crate) use companion::Companion;
pub(crate) use escape::is_reserved;
pub(crate) use generation::{MARKER as GENERATION_MARKER, is_member};
pub(crate) use generation::{parse as parse_generation, text as generation_text};
pub use overlap::{Message, conflict};
pub(crate) use overlap::{Overlap, conflict_of, overlap};
pub(crate) use parse::capture;
pub use parse::{Captures, KeyParseError};
pub(crate) use slot::slot_within;
pub(crate) use text::KeyText;
pub use text::{KeyBuilder, KeyWriter};

use crate::Redis;
use crate::handle::Stated;
use crate::keyspace::{Keyspace, TemplateMeta};

/// A finished key of the keyspace `S` with a value of kind `V`.
///
/// Constructors of a keyspace make them; making one does no I/O, allocates once, and cloning allocates nothing.
/// What can be done with it depends on the kind: see the methods below. A key prints as it stands in Redis,
/// without the application namespace.
///
/// ```
/// # use redis_keyspace::{Keyspace, Text};
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "user", ttl = "1h")]
/// struct UserKeys {
///     #[key("name:{login}")]
///     name: fn(login: &str) -> Text,
/// }
///
/// let key = UserKeys::name("a:b");
/// assert_eq!(key.to_string(), "user:name:a%3Ab");
/// assert_ne!(key, UserKeys::name("a"));
/// ```
#[must_use = "a key does nothing by itself: call an operation on it and await that"]
pub struct Key<S, V> {
    text: KeyText,
    template: &'static TemplateMeta,
    /// The server that it is on, if that was stated.
    stated: Option<Stated>,
    types: PhantomData<fn() -> (S, V)>,
}

impl<S: Keyspace, V> Key<S, V> {
    /// The typed arguments that the key was made from: what [`parse`](Keyspace::parse) gives for its text, of a
    /// [member](Self::member) of a group for that of the key it was made of. `None` only for a key with an argument whose own
    /// `KeyArgument` does not read back what it writes.
    #[must_use]
    pub fn arguments(&self) -> Option<S::Parsed> {
        S::parse(self.text.own()).ok()
    }
}

impl<S, V> Key<S, V> {
    pub(crate) fn new(text: KeyText, template: &'static TemplateMeta) -> Self {
        Self { text, template, stated: None, types: PhantomData }
    }

    #[doc(hidden)]
    #[inline]
    pub fn from_static(template: &'static TemplateMeta, text: &'static str) -> Self {
        Self::new(KeyText::Static(text), template)
    }

    /// The key's text, as it stands in Redis but for an application namespace.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The key's bytes, as they stand in Redis but for an application namespace.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }

    /// The key on this server: its commands run there, whatever is installed or in scope. Which server a key is on is no
    /// part of its identity.
    pub fn on(mut self, redis: &Redis) -> Self {
        self.stated = Some(redis.as_stated());
        self
    }

    /// The slot of a Redis cluster that the key is in, from 0 to 16,383. Keys with the same [hash tag] are in the same, and
    /// only such can be used in one command, batch or transaction there: others fail with
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), and nothing is sent. A namespace in front changes the slot of a key without a
    /// hash tag.
    ///
    /// Two templates with the same `hash_tag` are together by construction:
    ///
    /// ```
    /// # use redis_keyspace::{Counter, Keyspace, Text};
    /// #[derive(Keyspace)]
    /// #[keyspace(prefix = "cart", ttl = "1h")]
    /// struct CartKeys {
    ///     #[key("user:{id}", hash_tag = id)]
    ///     user: fn(id: u64) -> Text,
    ///     #[key("user:{id}:views", hash_tag = id)]
    ///     views: fn(id: u64) -> Counter,
    /// }
    ///
    /// assert_eq!(CartKeys::views(7).as_str(), "cart:user:{7}:views");
    /// assert_eq!(CartKeys::user(7).slot(), CartKeys::views(7).slot());
    /// ```
    ///
    /// [hash tag]: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
    #[must_use]
    pub fn slot(&self) -> u16 {
        slot::slot(self.as_str())
    }

    /// The template that the key was made from.
    #[must_use]
    pub fn template(&self) -> &'static TemplateMeta {
        self.template
    }

    /// The same key, of what lives there seen as another kind.
    pub(crate) fn of_kind<W>(&self) -> Key<S, W> {
        Key { stated: self.stated.clone(), ..Key::new(self.text.clone(), self.template) }
    }

    pub(crate) fn text(&self) -> KeyText {
        self.text.clone()
    }

    /// The same key in this generation of a group.
    pub(crate) fn in_generation(&self, generation: u64) -> Self {
        Self { stated: self.stated.clone(), ..Self::new(self.text.in_generation(generation), self.template) }
    }

    pub(crate) fn redis(&self) -> Option<Redis> {
        self.stated.as_ref().and_then(Redis::of_stated)
    }
}

// By hand, because derived impls would ask the marker types for theirs.

impl<S, V> Clone for Key<S, V> {
    fn clone(&self) -> Self {
        self.of_kind()
    }
}

impl<S, V> PartialEq for Key<S, V> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl<S, V> Eq for Key<S, V> {}

impl<S, V> PartialOrd for Key<S, V> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<S, V> Ord for Key<S, V> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl<S, V> Hash for Key<S, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl<S, V> fmt::Display for Key<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<S, V> fmt::Debug for Key<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.as_str()).finish()
    }
}

impl<S, V> AsRef<str> for Key<S, V> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}
