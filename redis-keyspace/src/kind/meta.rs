//! A kind as data.

use super::collection::{Trim, TrimPolicy};
use super::role::{Layout, Role};
use super::traits::Kind;

/// The kind of a template's keys, as data.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct KindMeta {
    pub(crate) name: &'static str,
    pub(crate) wire_format: &'static str,
    pub(crate) redis_type: &'static str,
    pub(crate) is_filled: bool,
    /// Whether `fills = true` turns fills on.
    pub(crate) may_be_filled: bool,
    pub(crate) role: Role,
    /// Whether a key holds several elements.
    pub(crate) is_collection: bool,
    pub(crate) layout: Layout,
    /// Whether a key grows until it is trimmed.
    is_trimmed: bool,
    /// How the declaration says that keys are trimmed.
    pub(crate) trim: TrimPolicy,
}

impl KindMeta {
    /// Creates the data of the kind `V`. `name` is how the declaration writes it.
    #[must_use]
    pub const fn of<V: Kind>(name: &'static str) -> Self {
        Self {
            name,
            wire_format: V::WIRE_FORMAT,
            redis_type: V::REDIS_TYPE,
            is_filled: V::IS_FILLED,
            may_be_filled: V::MAY_BE_FILLED,
            role: V::ROLE,
            is_collection: V::IS_COLLECTION,
            layout: V::LAYOUT,
            is_trimmed: V::IS_TRIMMED,
            trim: TrimPolicy::Unset,
        }
    }

    /// Checks the kind of a template without a TTL, neither its own nor of the keyspace. Only a
    /// kind that stores nothing can have none.
    #[must_use]
    #[track_caller]
    pub const fn without_ttl(self) -> Self {
        assert!(
            matches!(self.role, Role::Channel),
            "this template has no TTL: set `ttl = ..`, or `ttl = none` for keys that never expire"
        );
        self
    }

    /// Checks the kind of a template with `ttl = none`. A kind that needs a TTL is a compile error.
    #[must_use]
    #[track_caller]
    pub const fn without_end(self) -> Self {
        assert!(
            !matches!(self.role, Role::Lock),
            "a lock needs a TTL: if its holder dies, it would be held forever; write `ttl = \"30s\"` instead of \
             `ttl = none`; the lock is renewed while its holder lives"
        );
        assert!(
            !self.is_trimmed || !matches!(self.trim, TrimPolicy::Unset),
            "a stream with `ttl = none` grows until it is trimmed: write `trim = \"~100000\"` to keep at least that \
             many entries, or `trim = none` if the program trims it"
        );
        self
    }

    /// Sets how each write trims the keys, as the attribute declares.
    #[must_use]
    #[track_caller]
    pub const fn trimmed(self, trim: Trim) -> Self {
        self.with_trim(TrimPolicy::To(trim))
    }

    /// Sets that writes do not trim the keys, as the attribute declares.
    #[must_use]
    #[track_caller]
    pub const fn untrimmed(self) -> Self {
        self.with_trim(TrimPolicy::None)
    }

    #[track_caller]
    const fn with_trim(self, trim: TrimPolicy) -> Self {
        assert!(self.is_trimmed, "`trim` is for streams: keys of this kind are not trimmed; remove it");
        Self { trim, ..self }
    }
}
