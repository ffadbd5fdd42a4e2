//! A keyspace as data.

use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::policy::{OnUnavailable, Reads};
use super::template::TemplateMeta;
use crate::key::capture;

/// A declared keyspace, as data.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeyspaceMeta {
    pub(crate) name: &'static str,
    pub(crate) prefix: &'static str,
    pub(crate) docs: &'static str,
    pub(crate) overrides: Overrides,
    pub(crate) templates: &'static [TemplateMeta],
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

    /// Returns the name of the struct.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the prefix of every key, without the separator. It is empty if the keyspace declares
    /// `prefix = none`.
    #[must_use]
    pub const fn prefix(&self) -> &'static str {
        self.prefix
    }

    /// Returns the documentation of the struct.
    #[must_use]
    pub const fn docs(&self) -> &'static str {
        self.docs
    }

    /// Returns the logical database, if the declaration sets one.
    #[must_use]
    pub const fn db(&self) -> Option<u16> {
        self.overrides.db
    }

    /// Returns the named server, if the declaration sets one.
    #[must_use]
    pub const fn server(&self) -> Option<&'static str> {
        self.overrides.server
    }

    /// Returns whether the declaration sets `dedicated_server`. Then only keyspaces with the same
    /// `server` may use that server.
    #[must_use]
    pub const fn has_dedicated_server(&self) -> bool {
        self.overrides.dedicated_server
    }

    /// Returns the segment before the tenant in each key, if the declaration sets `tenant`.
    #[must_use]
    pub const fn tenant(&self) -> Option<&'static str> {
        self.overrides.tenant
    }

    /// Returns the templates in the order of the fields.
    #[must_use]
    pub const fn templates(&self) -> &'static [TemplateMeta] {
        self.templates
    }

    /// Whether `dedicated_server` keeps two keyspaces on different servers. This is verified when
    /// the keyspaces are bound.
    pub(crate) const fn is_kept_apart_from(&self, other: &Self) -> bool {
        let same_server = match (self.overrides.server, other.overrides.server) {
            (Some(one), Some(other)) => equal(one, other),
            (None, None) => true,
            _ => false,
        };
        (self.overrides.dedicated_server || other.overrides.dedicated_server) && !same_server
    }

    /// Returns the identity of the declaration.
    pub(crate) fn address(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Whether a template declares that stale values may be served.
    pub(crate) fn may_serve_stale(&self) -> bool {
        self.templates.iter().any(|template| template.fills().stale_for.is_some())
    }

    /// Returns the template that produces a key. Templates of a keyspace do not overlap, so at most
    /// one matches.
    pub(crate) fn template_of(&self, key: &str) -> Option<&'static TemplateMeta> {
        self.templates.iter().find(|template| capture(template.pieces, key).is_some())
    }
}

/// Whether two strings are equal. `==` is not const.
const fn equal(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while let (Some((a, rest)), Some((b, others))) = (one.split_first(), other.split_first()) {
        if *a != *b {
            return false;
        }
        (one, other) = (rest, others);
    }
    one.is_empty() && other.is_empty()
}

/// Connection settings of a keyspace. `None` means the setting of the server applies.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct Overrides {
    pub db: Option<u16>,
    pub server: Option<&'static str>,
    pub dedicated_server: bool,
    pub tenant: Option<&'static str>,
    pub timeout: Option<Duration>,
    pub retries: Option<u32>,
    pub shared_connections: Option<u16>,
    pub exclusive_connections: Option<u16>,
    pub on_unavailable: OnUnavailable,
    pub reads: Reads,
}

impl Overrides {
    /// No settings. The derive adds those of the attributes.
    pub const NONE: Self = Self {
        db: None,
        server: None,
        dedicated_server: false,
        tenant: None,
        timeout: None,
        retries: None,
        shared_connections: None,
        exclusive_connections: None,
        on_unavailable: OnUnavailable::Error,
        reads: Reads::Master,
    };
}

impl Serialize for KeyspaceMeta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = if self.tenant().is_some() { 8 } else { 7 };
        let mut keyspace = serializer.serialize_struct("Keyspace", fields)?;
        keyspace.serialize_field("name", self.name)?;
        keyspace.serialize_field("prefix", self.prefix)?;
        keyspace.serialize_field("db", &self.overrides.db)?;
        keyspace.serialize_field("server", &self.overrides.server)?;
        keyspace.serialize_field("dedicated_server", &self.overrides.dedicated_server)?;
        match self.tenant() {
            Some(tenant) => keyspace.serialize_field("tenant", tenant)?,
            None => keyspace.skip_field("tenant")?,
        }
        keyspace.serialize_field("docs", self.docs)?;
        keyspace.serialize_field("templates", self.templates)?;
        keyspace.end()
    }
}
