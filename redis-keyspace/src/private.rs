//! Everything that generated code may touch. Not public: it changes with any release.

pub use crate::cache::FillPolicy;
pub use crate::catalog::{assert_snapshot, conflict_between, count_templates};
pub use crate::command::OnUnavailable;
pub use crate::key::{ArgumentClass, Captures, Key, KeyArgument, KeyBuilder, KeyWriter, Message, conflict};
pub use crate::keyspace::{
    ArgumentMeta, Keyspace, KeyspaceMeta, KindMeta, Lifetime, Overrides, Piece, TemplateMeta,
};
pub use crate::kind::{Kind, Role};
pub use crate::scan::{Pattern, Sweep, delete_pattern};
pub use core::option::Option;
pub use core::time::Duration;

/// Checks that a field's type says what lives at the key, where the user wrote the type.
pub const fn assert_kind<V: Kind>() {}
