//! All keyspaces of a program as data.

mod acl;
mod check;
mod reference;
mod snapshot;

pub use acl::AclRules;
pub use check::{conflict_between, count_templates};
use serde::Serialize;
pub use snapshot::assert_snapshot;

use crate::keyspace::KeyspaceMeta;

/// The keyspaces of a program, declared by [`catalog!`](crate::catalog): what it keeps in Redis, as data.
///
/// It serialises, prints a [reference](Self::to_markdown) of every key and the [rights](Self::acl_rules) that the program
/// needs, and [`catalog_test!`](crate::catalog_test) compares it with a file that reviewers read.
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

    /// The keyspaces, in the order in which they are listed.
    #[must_use]
    pub const fn keyspaces(&self) -> &'static [&'static KeyspaceMeta] {
        self.keyspaces
    }
}

/// Declares the catalog of a program: all of its keyspaces, whatever crates they come from. Keyspaces of one server and
/// database that could share a key do not compile together.
///
/// ```
/// use redis_keyspace::{Counter, Keyspace, Text, catalog};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "session", ttl = "1d")]
/// pub struct SessionKeys {
///     token: fn(user: u64) -> Text,
/// }
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "page", ttl = "30d")]
/// pub struct PageKeys {
///     views: fn(id: u64) -> Counter,
/// }
///
/// catalog!(pub CATALOG = [SessionKeys, PageKeys]);
///
/// assert!(CATALOG.to_markdown().contains("`page:views:{id}`"));
/// ```
///
/// Checked are all pairs of keyspaces that may be on one server and database: all but those that state
/// different ones. (Servers of different names are taken for different servers.) Refused are templates that can make the same
/// key, a prefix within another one's (`cart` and `cart:items`), and, of a keyspace with `prefix = none`, a template that can
/// make keys of another one's prefix.
///
/// The check costs the compiler about half a millisecond a template, and twice that where keyspaces have `prefix = none`:
/// their templates are compared with all that start alike.
#[macro_export]
macro_rules! catalog {
    ($(#[$attribute:meta])* $visibility:vis $name:ident = [$($keyspace:ty),* $(,)?] $(;)?) => {
        $(#[$attribute])*
        $visibility static $name: $crate::Catalog = {
            const KEYSPACES: &[&$crate::KeyspaceMeta] = &[$(<$keyspace as $crate::Keyspace>::META),*];
            const TEMPLATES: usize = $crate::private::count_templates(KEYSPACES);
            #[allow(long_running_const_eval, reason = "the pairs of a large program are many")]
            const CONFLICT: $crate::private::Option<$crate::private::Message> =
                $crate::private::conflict_between::<TEMPLATES>(KEYSPACES);
            // The panic stands here, so that the error ends here.
            const _: () = if let $crate::private::Option::Some(conflict) = &CONFLICT {
                ::core::panic!("{}", conflict.as_str())
            };
            $crate::Catalog::new(KEYSPACES)
        };
    };
}
