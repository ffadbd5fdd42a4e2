//! What a declaration says, as data: the derive writes it, everything else reads it.

use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::cache::FillPolicy;
use crate::command::OnUnavailable;
use crate::key::{ArgumentClass, Captures, KeyParseError, capture};
use crate::kind::Role;

/// A declared set of keys: what `#[derive(Keyspace)]` implements.
///
/// The trait is implemented by the derive only; its items are data about the declaration and ways back from
/// a key's text to typed arguments.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no keyspace",
    label = "not a `Keyspace`",
    note = "a struct becomes one with `#[derive(Keyspace)]`"
)]
pub trait Keyspace: Sized + 'static {
    /// The declaration as data.
    const META: &'static KeyspaceMeta;

    /// One variant per template, its arguments typed: what [`parse`](Self::parse) gives.
    type Parsed: Clone + std::fmt::Debug + PartialEq;

    /// Turns the captured arguments of one template into typed ones.
    #[doc(hidden)]
    fn from_captures(template: usize, captures: &Captures<'_>) -> Option<Self::Parsed>;

    /// Reads a key back into the template and the typed arguments that made it.
    ///
    /// `key` is the key as the constructors print it: with the prefix, without an application namespace.
    ///
    /// # Errors
    ///
    /// When no template of this keyspace produces that key.
    fn parse(key: &str) -> Result<Self::Parsed, KeyParseError> {
        Self::META
            .templates
            .iter()
            .enumerate()
            .find_map(|(index, template)| Self::from_captures(index, &capture(template.pieces, key)?))
            .ok_or_else(|| KeyParseError::new(Self::META, key))
    }

    /// Says which template a key belongs to, with its arguments as text, for tools that know no types.
    fn identify(key: &str) -> Option<Identified> {
        Self::META.templates.iter().enumerate().find_map(|(index, template)| {
            let captures = capture(template.pieces, key)?;
            // A capture is of the right alphabet, but may still be out of range: only the types can tell.
            Self::from_captures(index, &captures)?;
            Some(Identified { template, arguments: captures.named(template.pieces) })
        })
    }
}

/// A declared keyspace as data.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeyspaceMeta {
    #[doc(hidden)]
    pub name: &'static str,
    #[doc(hidden)]
    pub prefix: &'static str,
    #[doc(hidden)]
    pub docs: &'static str,
    #[doc(hidden)]
    pub overrides: Overrides,
    #[doc(hidden)]
    pub templates: &'static [TemplateMeta],
}

impl KeyspaceMeta {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(
        name: &'static str,
        prefix: &'static str,
        docs: &'static str,
        overrides: Overrides,
        templates: &'static [TemplateMeta],
    ) -> Self {
        Self { name, prefix, docs, overrides, templates }
    }

    /// The name of the struct.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What every key of it starts with, without the separator; empty when the keyspace declares none.
    #[must_use]
    pub const fn prefix(&self) -> &'static str {
        self.prefix
    }

    /// The documentation of the struct.
    #[must_use]
    pub const fn docs(&self) -> &'static str {
        self.docs
    }

    /// The logical database that the declaration states, if it does.
    #[must_use]
    pub const fn db(&self) -> Option<u16> {
        self.overrides.db
    }

    /// The named server that the declaration states, if it does.
    #[must_use]
    pub const fn server(&self) -> Option<&'static str> {
        self.overrides.server
    }

    /// The templates in the order of the fields.
    #[must_use]
    pub const fn templates(&self) -> &'static [TemplateMeta] {
        self.templates
    }
}

/// What a keyspace states about its connections; `None` is 'as the server is configured'.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct Overrides {
    pub db: Option<u16>,
    pub server: Option<&'static str>,
    pub timeout: Option<Duration>,
    pub retries: Option<u32>,
    pub lanes: Option<u16>,
    pub exclusives: Option<u16>,
    pub on_unavailable: OnUnavailable,
}

impl Overrides {
    /// Nothing stated; the derive sets what the attributes say.
    pub const NONE: Self = Self {
        db: None,
        server: None,
        timeout: None,
        retries: None,
        lanes: None,
        exclusives: None,
        on_unavailable: OnUnavailable::Error,
    };
}

/// One template of a keyspace as data.
#[derive(Debug)]
#[non_exhaustive]
pub struct TemplateMeta {
    #[doc(hidden)]
    pub keyspace: &'static str,
    #[doc(hidden)]
    pub field: &'static str,
    #[doc(hidden)]
    pub template: &'static str,
    #[doc(hidden)]
    pub pieces: &'static [Piece],
    #[doc(hidden)]
    pub kind: KindMeta,
    #[doc(hidden)]
    pub lifetime: Lifetime,
    #[doc(hidden)]
    pub fills: FillPolicy,
    #[doc(hidden)]
    pub docs: &'static str,
}

impl TemplateMeta {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(
        keyspace: &'static str,
        field: &'static str,
        template: &'static str,
        pieces: &'static [Piece],
        kind: KindMeta,
        lifetime: Lifetime,
        docs: &'static str,
    ) -> Self {
        Self { keyspace, field, template, pieces, kind, lifetime, fills: FillPolicy::NONE, docs }
    }

    /// The same with what its attributes state about fills.
    #[doc(hidden)]
    #[must_use]
    pub const fn filled_by(self, fills: FillPolicy) -> Self {
        Self { fills, ..self }
    }

    /// The name of the keyspace that it belongs to.
    #[must_use]
    pub const fn keyspace(&self) -> &'static str {
        self.keyspace
    }

    /// The field that declares it, which is also the name of its constructor.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// The whole template, prefix included: `cart:user:{id}`.
    #[must_use]
    pub const fn template(&self) -> &'static str {
        self.template
    }

    /// Its literal texts and arguments in order.
    #[must_use]
    pub const fn pieces(&self) -> &'static [Piece] {
        self.pieces
    }

    /// What lives at its keys, as declared: `Json<Cart>`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind.name
    }

    /// How the values look to any other client.
    #[must_use]
    pub const fn wire(&self) -> &'static str {
        self.kind.wire
    }

    /// The type that Redis gives the keys.
    #[must_use]
    pub const fn redis_type(&self) -> &'static str {
        self.kind.redis_type
    }

    /// How long its keys live.
    #[must_use]
    pub const fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// How `get_or_set` goes about it, as declared.
    #[must_use]
    pub const fn fills(&self) -> FillPolicy {
        self.fills
    }

    /// The documentation of the field.
    #[must_use]
    pub const fn docs(&self) -> &'static str {
        self.docs
    }
}

impl Serialize for KeyspaceMeta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut keyspace = serializer.serialize_struct("Keyspace", 6)?;
        keyspace.serialize_field("name", self.name)?;
        keyspace.serialize_field("prefix", self.prefix)?;
        keyspace.serialize_field("db", &self.overrides.db)?;
        keyspace.serialize_field("server", &self.overrides.server)?;
        keyspace.serialize_field("docs", self.docs)?;
        keyspace.serialize_field("templates", self.templates)?;
        keyspace.end()
    }
}

impl Serialize for TemplateMeta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let arguments: Vec<_> = self
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Argument(argument) => Some(argument),
                Piece::Literal(_) => None,
            })
            .collect();
        let ttl = self.lifetime.duration().map(|lifetime| lifetime.as_millis());
        let mut template = serializer.serialize_struct("Template", 8)?;
        template.serialize_field("field", self.field)?;
        template.serialize_field("template", self.template)?;
        template.serialize_field("arguments", &arguments)?;
        template.serialize_field("kind", self.kind())?;
        template.serialize_field("wire", self.wire())?;
        template.serialize_field("redis_type", self.redis_type())?;
        template.serialize_field("ttl_ms", &ttl)?;
        template.serialize_field("docs", self.docs)?;
        template.end()
    }
}

impl Serialize for ArgumentMeta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut argument = serializer.serialize_struct("Argument", 3)?;
        argument.serialize_field("name", self.name)?;
        argument.serialize_field("type", self.type_name)?;
        argument.serialize_field("class", &self.class.to_string())?;
        argument.end()
    }
}

/// What lives at the keys of a template, as data.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct KindMeta {
    pub(crate) name: &'static str,
    pub(crate) wire: &'static str,
    pub(crate) redis_type: &'static str,
    pub(crate) is_filled: bool,
    pub(crate) role: Role,
}

/// How long the keys of a template live, as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lifetime {
    /// Every write that creates or replaces the value states this lifetime.
    Expires(Duration),
    /// The keys stay until they are deleted: `ttl = none`.
    Forever,
}

impl Lifetime {
    #[doc(hidden)]
    #[must_use]
    pub const fn millis(millis: u64) -> Self {
        Self::Expires(Duration::from_millis(millis))
    }

    /// The duration, or `None` for keys that stay.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::Expires(duration) => Some(duration),
            Self::Forever => None,
        }
    }
}

/// A part of a template.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Piece {
    /// Text that stands in the key as it is.
    Literal(&'static str),
    /// A hole that an argument fills.
    Argument(ArgumentMeta),
}

/// An argument of a template as data.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ArgumentMeta {
    #[doc(hidden)]
    pub name: &'static str,
    #[doc(hidden)]
    pub type_name: &'static str,
    #[doc(hidden)]
    pub class: ArgumentClass,
}

impl ArgumentMeta {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, type_name: &'static str, class: ArgumentClass) -> Self {
        Self { name, type_name, class }
    }

    /// The parameter's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The parameter's type as written.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// Which bytes its encoding can consist of.
    #[must_use]
    pub const fn class(&self) -> ArgumentClass {
        self.class
    }
}

/// A key that [`Keyspace::identify`] recognised.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Identified {
    template: &'static TemplateMeta,
    arguments: Vec<(&'static str, String)>,
}

impl Identified {
    /// The template that produces the key.
    #[must_use]
    pub fn template(&self) -> &'static TemplateMeta {
        self.template
    }

    /// Names and values of the arguments, in the template's order, with the key's escaping undone.
    #[must_use]
    pub fn arguments(&self) -> &[(&'static str, String)] {
        &self.arguments
    }
}
