//! A keyspace as data.

use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::policy::OnUnavailable;
use super::template::TemplateMeta;
use crate::key::capture;

/// A declared keyspace as data.
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

    /// Returns what every key starts with, without the separator; empty if the keyspace declares `prefix = none`.
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

    /// Returns the templates in the order of the fields.
    #[must_use]
    pub const fn templates(&self) -> &'static [TemplateMeta] {
        self.templates
    }

    /// The identity of the declaration.
    pub(crate) fn address(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The template that produces a key. Templates of a keyspace do not overlap, so there is at most one.
    pub(crate) fn template_of(&self, key: &str) -> Option<&'static TemplateMeta> {
        self.templates.iter().find(|template| capture(template.pieces, key).is_some())
    }
}

/// What a keyspace sets about its connections; `None` means as the server is configured.
#[derive(Debug, Clone, Copy)]
#[doc(hidden)]
pub struct Overrides {
    pub db: Option<u16>,
    pub server: Option<&'static str>,
    pub timeout: Option<Duration>,
    pub retries: Option<u32>,
    pub shared_connections: Option<u16>,
    pub exclusive_connections: Option<u16>,
    pub on_unavailable: OnUnavailable,
}

impl Overrides {
    /// Nothing set; the derive sets what the attributes say.
    pub const NONE: Self = Self {
        db: None,
        server: None,
        timeout: None,
        retries: None,
        shared_connections: None,
        exclusive_connections: None,
        on_unavailable: OnUnavailable::Error,
    };
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
