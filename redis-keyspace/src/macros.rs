//! The macros of catalogs. They use what generated code uses, so they are above both.

/// Declares the catalog of a program: all of its keyspaces, from any crates. Keyspaces that may use the same server and
/// database and can make the same key do not compile together.
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
/// It checks all pairs of keyspaces, except pairs that declare different databases, and pairs that declare different servers of
/// which one is a `dedicated_server`. Different names alone are not enough: one server can be installed under both names, and
/// `redis.scope(..)` and `.on(&redis)` override names. The check rejects
///
/// - templates that can make the same key;
/// - a prefix within another prefix, such as `cart:items` within `cart`;
/// - a template of a keyspace with `prefix = none` that can make keys within another keyspace's prefix.
///
/// Keyspaces are checked again at run time: a command fails if its keyspace and another one on the same database can make the
/// same key. See [`RedisBuilder::allow_overlapping_keyspaces`](crate::RedisBuilder::allow_overlapping_keyspaces).
///
/// The check costs the compiler about half a millisecond a template, and twice that where keyspaces have `prefix = none`:
/// their templates are compared with all that start alike.
#[macro_export]
macro_rules! catalog {
    ($(#[$attribute:meta])* $visibility:vis $name:ident = [$($keyspace:ty),* $(,)?] $(;)?) => {
        $(#[$attribute])*
        $visibility static $name: $crate::catalog::Catalog = {
            const KEYSPACES: &[&$crate::__private::KeyspaceMeta] =
                &[$(<$keyspace as $crate::__private::Keyspace>::META),*];
            const TEMPLATES: ::core::primitive::usize = $crate::__private::count_templates(KEYSPACES);
            #[allow(long_running_const_eval, reason = "the pairs of a large program are many")]
            const CONFLICT: $crate::__private::Option<$crate::__private::Message> =
                $crate::__private::conflict_between::<{ TEMPLATES }>(KEYSPACES);
            // The panic stands here, so that the error ends here. It binds no name, which the user's scope could have.
            const _: () = if $crate::__private::Option::is_some(&CONFLICT) {
                ::core::panic!("{}", $crate::__private::conflict_text(&CONFLICT))
            };
            $crate::catalog::Catalog::new(KEYSPACES)
        };
    };
}

/// A test that fails when the catalog says something else than a file that is committed: a template, kind, wire format or
/// lifetime that changed is a line in the diff that a reviewer reads. The path is relative to the package's manifest.
///
/// ```
/// # use redis_keyspace::{Keyspace, Text, catalog, catalog_test};
/// # #[derive(Keyspace)]
/// # #[keyspace(prefix = "motd", ttl = "1h")]
/// # struct Motd { today: Text }
/// catalog!(CATALOG = [Motd]);
/// catalog_test!(CATALOG, "keys.txt");
/// # fn main() {}
/// ```
///
/// A second one in the same module is given a name of its own: `catalog_test!(jobs, JOBS, "jobs.txt")`.
///
/// Written the first time, and after a change that is meant, by `REDIS_KEYSPACE_SNAPSHOT=update cargo test`.
#[macro_export]
macro_rules! catalog_test {
    ($catalog:expr, $path:literal $(,)?) => {
        $crate::catalog_test!(the_catalog_is_as_committed, $catalog, $path);
    };
    ($name:ident, $catalog:expr, $path:literal $(,)?) => {
        // Other crates have a macro named `test` to import.
        #[::core::prelude::v1::test]
        fn $name() {
            $crate::__private::assert_snapshot(
                &$catalog,
                ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", $path),
            );
        }
    };
}
