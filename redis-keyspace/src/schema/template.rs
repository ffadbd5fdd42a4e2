//! A template as data.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::lifetime::Lifetime;
use super::policy::{FillPolicy, Reads};
use crate::error::TemplateName;
use crate::key::Piece;
use crate::kind::{KindMeta, Role};

/// A template of a keyspace, as data.
#[derive(Debug)]
#[non_exhaustive]
pub struct TemplateMeta {
    pub(crate) keyspace: &'static str,
    pub(crate) field: &'static str,
    pub(crate) template: &'static str,
    pub(crate) pieces: &'static [Piece],
    pub(crate) kind: KindMeta,
    pub(crate) lifetime: Lifetime,
    /// Whether the template declares no lifetime and uses that of the keyspace.
    pub(crate) inherits_lifetime: bool,
    pub(crate) fills: FillPolicy,
    /// Whether every write renews the lifetime of its key. Only for kinds with several elements.
    renews_lifetime: bool,
    /// Whether the messages of a channel stay at the nodes of its slot: `sharded = true`.
    is_sharded: bool,
    /// Which server answers reads, if the template declares it.
    pub(crate) reads: Option<Reads>,
    /// See [`ends_fills`](Self::ends_fills).
    ends_fills: bool,
    pub(crate) docs: &'static str,
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
        Self {
            keyspace,
            field,
            template,
            pieces,
            kind,
            lifetime,
            inherits_lifetime: true,
            fills: if kind.may_be_filled { FillPolicy::DISABLED } else { FillPolicy::NONE },
            renews_lifetime: false,
            is_sharded: false,
            reads: None,
            ends_fills: kind.is_filled,
            docs,
        }
    }

    /// Sets the fill policy that the attributes declare.
    #[doc(hidden)]
    #[must_use]
    pub const fn filled_by(self, mut fills: FillPolicy) -> Self {
        // The work of a `Once` runs under a lease, which every write must end.
        fills.enabled |= matches!(self.kind.role, Role::Once);
        fills.enabled &= !self.kind.may_be_filled;
        Self { fills, ends_fills: self.kind.is_filled && fills.enabled, ..self }
    }

    /// Sets that keys are filled, as the attribute of the field declares: `fills = true`.
    #[doc(hidden)]
    #[must_use]
    pub const fn filled(self) -> Self {
        let mut fills = self.fills;
        fills.enabled = true;
        Self { fills, ends_fills: self.kind.is_filled || self.kind.may_be_filled, ..self }
    }

    /// Sets which server answers reads, as the attribute declares.
    #[doc(hidden)]
    #[must_use]
    pub const fn read_from(self, reads: Reads) -> Self {
        assert!(
            matches!(self.kind.role, Role::Data | Role::Counter),
            "`reads` does not apply to keys that coordinate programs: the master answers for locks, groups, `Once` and \
             rate limits; remove it"
        );
        Self { reads: Some(reads), ..self }
    }

    /// Sets that every write renews the lifetime, as the attribute declares.
    #[doc(hidden)]
    #[must_use]
    pub const fn renewed_by_writes(self) -> Self {
        assert!(
            self.kind.is_collection,
            "`renew` is for kinds with several elements, such as `List` and `Set`: every `set` of a single value renews \
             its TTL anyway; remove it"
        );
        assert!(
            matches!(self.lifetime, Lifetime::Expires(_)),
            "`renew` needs a TTL, but keys of this template never expire: set `ttl`, or remove `renew`"
        );
        Self { renews_lifetime: true, ..self }
    }

    /// Sets that only the write that creates a key sets its lifetime, as the attribute of the field
    /// declares.
    #[doc(hidden)]
    #[must_use]
    pub const fn renewed_on_creation(self) -> Self {
        assert!(
            self.kind.is_collection,
            "`renew` is for kinds with several elements, such as `List` and `Set`: every `set` of a single value renews \
             its TTL anyway; remove it"
        );
        Self { renews_lifetime: false, ..self }
    }

    /// Sets that every write renews the lifetime, as the attribute of the struct declares. It
    /// applies to collections that have a lifetime.
    #[doc(hidden)]
    #[must_use]
    pub const fn renewed_as_declared_for_all(self) -> Self {
        let applies = self.kind.is_collection && matches!(self.lifetime, Lifetime::Expires(_));
        Self { renews_lifetime: applies, ..self }
    }

    /// Sets that messages stay at the nodes of the slot of their channel, as the attribute
    /// declares.
    #[doc(hidden)]
    #[must_use]
    pub const fn sharded(self) -> Self {
        assert!(
            matches!(self.kind.role, Role::Channel),
            "`sharded` is for channels: the keys of a cluster are always sharded; remove it"
        );
        Self { is_sharded: true, ..self }
    }

    /// Returns whether the messages of a channel stay at the nodes of its slot: `sharded = true`.
    #[must_use]
    pub const fn is_sharded(&self) -> bool {
        self.is_sharded
    }

    /// Whether every write renews the lifetime of its key: `renew = "write"`.
    #[inline]
    pub(crate) const fn renews_lifetime(&self) -> bool {
        self.renews_lifetime
    }

    /// Marks the template as having its own lifetime.
    #[doc(hidden)]
    #[must_use]
    #[track_caller]
    pub const fn with_own_lifetime(self) -> Self {
        assert!(
            self.stores() || matches!(self.lifetime, Lifetime::Forever),
            "a channel stores nothing, so it takes no `ttl`: remove it; a message is delivered at once or not at all"
        );
        Self { inherits_lifetime: false, ..self }
    }

    /// Returns the name of the keyspace.
    #[must_use]
    pub const fn keyspace(&self) -> &'static str {
        self.keyspace
    }

    /// Returns the name of the field, which is also the name of the constructor.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// Returns the whole template, including the prefix: `cart:user:{id}`.
    #[must_use]
    pub const fn template(&self) -> &'static str {
        self.template
    }

    /// Returns the literals and arguments in order.
    #[must_use]
    pub const fn pieces(&self) -> &'static [Piece] {
        self.pieces
    }

    /// Returns the kind of the keys, as declared: `Json<Cart>`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind.name
    }

    /// Returns a short description of the stored format, for other clients.
    #[must_use]
    pub const fn wire_format(&self) -> &'static str {
        self.kind.wire_format
    }

    /// Returns the Redis type of the keys.
    #[must_use]
    pub const fn redis_type(&self) -> &'static str {
        self.kind.redis_type
    }

    /// Returns the declared TTL of the keys. A channel stores nothing, and has none.
    #[must_use]
    pub const fn lifetime(&self) -> Lifetime {
        match self.kind.role {
            Role::Channel => Lifetime::Forever,
            _ => self.lifetime,
        }
    }

    /// Returns the declared options of `get_or_set`.
    #[must_use]
    pub const fn fills(&self) -> FillPolicy {
        self.fills
    }

    /// Returns how writes trim a stream, as the declaration says: `~100000`, `1000` or `none`.
    /// `None` if it says nothing.
    #[must_use]
    pub fn trim(&self) -> Option<String> {
        self.kind.trim.text()
    }

    /// Returns the documentation of the field.
    #[must_use]
    pub const fn docs(&self) -> &'static str {
        self.docs
    }
}

impl TemplateMeta {
    /// Returns the names that errors show.
    pub(crate) fn name(&self) -> TemplateName {
        TemplateName { keyspace: self.keyspace, field: self.field, template: self.template }
    }

    /// Whether keys are stored at all. A channel is not.
    pub(crate) const fn stores(&self) -> bool {
        !matches!(self.kind.role, Role::Channel)
    }

    /// Whether keys may have a lifetime: the declared one, or that of a handle.
    pub(crate) fn may_expire(&self) -> bool {
        self.lifetime().duration().is_some() || (self.inherits_lifetime && self.stores())
    }

    /// The value of `fills` in the declaration, if it makes a difference: `false` for a kind that
    /// has fills by default, and `true` for one that has none.
    pub(crate) const fn declared_fills(&self) -> Option<bool> {
        match (self.kind.is_filled, self.ends_fills) {
            (true, false) => Some(false),
            (false, true) => Some(true),
            _ => None,
        }
    }

    /// Whether a write must end the fills of its key. Every write checks this. Without fills, a
    /// write sends nothing for them, and nothing uses companion keys.
    #[inline]
    pub(crate) const fn ends_fills(&self) -> bool {
        self.ends_fills
    }

    /// Whether the lease of a key is for work that must not run twice. Only a write of the result
    /// ends it, and `del`; not what concerns lifetimes or many keys.
    pub(crate) const fn is_work(&self) -> bool {
        matches!(self.kind.role, Role::Once)
    }

    /// Whether fills store stale copies or negative entries, so that writes must delete them.
    pub(crate) fn keeps_copies(&self) -> bool {
        self.fills.stale_for.is_some() || self.fills.negative_ttl.is_some()
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
        let ttl = self.lifetime().duration().map(|lifetime| lifetime.as_millis());
        let trim = self.trim();
        let fields = 8 + usize::from(self.declared_fills().is_some()) + usize::from(trim.is_some());
        let mut template = serializer.serialize_struct("Template", fields)?;
        template.serialize_field("field", self.field)?;
        template.serialize_field("template", self.template)?;
        template.serialize_field("arguments", &arguments)?;
        template.serialize_field("kind", self.kind())?;
        template.serialize_field("wire", self.wire_format())?;
        template.serialize_field("redis_type", self.redis_type())?;
        template.serialize_field("ttl_ms", &ttl)?;
        match self.declared_fills() {
            Some(fills) => template.serialize_field("fills", &fills)?,
            None => template.skip_field("fills")?,
        }
        match trim {
            Some(trim) => template.serialize_field("trim", &trim)?,
            None => template.skip_field("trim")?,
        }
        template.serialize_field("docs", self.docs)?;
        template.end()
    }
}
