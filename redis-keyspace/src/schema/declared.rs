//! The `Keyspace` trait, which also parses keys back into their arguments.

use std::fmt::Debug;
use std::hash::Hash;

use super::keyspace::KeyspaceMeta;
use super::template::TemplateMeta;
use crate::key::{Captures, KeyParseError, capture};

/// A declared set of keys.
///
/// Use `#[derive(Keyspace)]` to implement this trait; never implement it by hand. It provides the
/// declaration as data, and parses the text of a key back into typed arguments.
///
/// ```
/// use redis_keyspace::{Json, Keyspace};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "cart", ttl = 3600)]
/// pub struct CartKeys {
///     user: fn(id: u64) -> Json<Vec<String>>,
/// }
///
/// assert_eq!(CartKeys::META.prefix(), "cart");
/// assert_eq!(CartKeys::parse("cart:user:7").unwrap(), ParsedCartKeys::User { id: 7 });
/// assert!(CartKeys::parse("cart:user:seven").is_err());
/// assert_eq!(CartKeys::identify("cart:user:7").unwrap().template().field(), "user");
/// ```
///
/// A keyspace without `fills = false` also implements [`FilledKeyspace`], which `get_or_set`
/// requires.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a keyspace",
    label = "not a `Keyspace`",
    note = "a struct becomes one with `#[derive(Keyspace)]`"
)]
pub trait Keyspace: Sized + 'static {
    /// The declaration as data.
    const META: &'static KeyspaceMeta;

    /// The enum that [`parse`](Self::parse) returns: one variant per template, with typed
    /// arguments.
    type Parsed: Clone + Debug + Eq + Hash;

    /// Parses the captured arguments of one template.
    #[doc(hidden)]
    fn from_captures(template: usize, captures: &Captures<'_>) -> Option<Self::Parsed>;

    /// Parses a key into its template and typed arguments.
    ///
    /// `key` is the key as the constructors print it: with the prefix, without an application
    /// namespace.
    ///
    /// # Errors
    ///
    /// Fails if no template of this keyspace produces that key.
    fn parse(key: &str) -> Result<Self::Parsed, KeyParseError> {
        let mut templates = Self::META.templates.iter().enumerate();
        templates
            .find_map(|(index, template)| Self::from_captures(index, &capture(template.pieces, key)?))
            .ok_or_else(|| {
                let templates = Self::META.templates.iter().map(TemplateMeta::template);
                KeyParseError::new(Self::META.name, templates, key)
            })
    }

    /// Returns the template that produces a key, with the arguments as text. For tools that do not
    /// know the types.
    fn identify(key: &str) -> Option<Identified> {
        Self::META.templates.iter().enumerate().find_map(|(index, template)| {
            let captures = capture(template.pieces, key)?;
            // A captured argument has the right characters, but may be out of range. Only its type
            // can tell.
            Self::from_captures(index, &captures)?;
            Some(Identified { template, arguments: captures.named(template.pieces) })
        })
    }
}

/// A keyspace whose keys can be filled: one without `fills = false`.
///
/// `#[derive(Keyspace)]` implements this trait. [`get_or_set`](crate::Key::get_or_set) and its
/// variants require it. A generic function that calls them uses it instead of [`Keyspace`]:
///
/// ```
/// use redis_keyspace::cache::FilledKeyspace;
/// use redis_keyspace::{Key, Text};
///
/// async fn title<S: FilledKeyspace>(key: &Key<S, Text>) -> redis_keyspace::Result<String> {
///     key.get_or_set(|| async { "A page".to_owned() }).await
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`get_or_set` needs `{Self}: FilledKeyspace`",
    label = "the keys of `{Self}` may not be filled",
    note = "if the keyspace declares `fills = false`, remove it, set it only on single fields in `#[key(..)]`, or use `get` and `set`",
    note = "in a generic function, write `S: FilledKeyspace` instead of `S: Keyspace`"
)]
pub trait FilledKeyspace: Keyspace {}

/// A key that [`Keyspace::identify`] recognized.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Identified {
    template: &'static TemplateMeta,
    arguments: Vec<(&'static str, String)>,
}

impl Identified {
    /// Returns the template that produces the key.
    #[must_use]
    pub fn template(&self) -> &'static TemplateMeta {
        self.template
    }

    /// Returns the names and values of the arguments, unescaped, in the order of the template.
    #[must_use]
    pub fn arguments(&self) -> &[(&'static str, String)] {
        &self.arguments
    }
}
