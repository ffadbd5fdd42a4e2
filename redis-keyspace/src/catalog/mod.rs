//! All keyspaces of a program, as data.

mod acl;
mod acl_commands;
mod check;
mod reference;
mod snapshot;
mod tenant;
mod together;

pub use acl::AclRules;
#[doc(hidden)]
pub use check::{Deployment, conflict_between, count_templates};
use serde::Serialize;
#[doc(hidden)]
pub use snapshot::assert_snapshot;
pub use tenant::TenantKeys;
#[doc(hidden)]
pub use together::{TogetherEntry, apart};

pub use crate::key::{ArgumentMeta, Piece};
pub use crate::schema::{Identified, KeyspaceMeta, Lifetime, TemplateMeta};

/// The keyspaces of a program, as data. Declared by [`catalog!`](macro@crate::catalog).
///
/// It serializes, and prints a [reference](Self::to_markdown) of every key and the
/// [permissions](Self::acl_rules) that the program needs. [`catalog_test!`](crate::catalog_test)
/// compares it with a file that reviewers read.
#[derive(Debug, Clone, Copy, Serialize)]
#[must_use]
pub struct Catalog {
    keyspaces: &'static [&'static KeyspaceMeta],
}

impl Catalog {
    #[doc(hidden)]
    pub const fn new(keyspaces: &'static [&'static KeyspaceMeta]) -> Self {
        Self { keyspaces }
    }

    /// Returns the keyspaces, in the order in which they are declared.
    #[must_use]
    pub const fn keyspaces(&self) -> &'static [&'static KeyspaceMeta] {
        self.keyspaces
    }
}
