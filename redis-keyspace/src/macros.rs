//! The macros of catalogs. They use the items that generated code uses, so they are above both.

/// Declares the catalog of a program: all of its keyspaces, from any crates. It is a compile error
/// if two keyspaces may use the same server and database and can produce the same key.
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
/// The check covers all pairs of keyspaces, except pairs that declare different databases, and
/// pairs that declare different servers of which one is a `dedicated_server`. Different names of
/// servers alone are not enough: one server can be installed under both names, and
/// `redis.scope(..)` and `.on(&redis)` override names. The check rejects:
///
/// - templates that can produce the same key;
/// - a prefix within another prefix, such as `cart:items` within `cart`;
/// - a template of a keyspace with `prefix = none` that can produce keys within another keyspace's
///   prefix.
///
/// Keyspaces are checked again at run time: a command fails if its keyspace and another one on the
/// same database can produce the same key. See
/// [`RedisBuilder::allow_overlapping_keyspaces`](crate::RedisBuilder::allow_overlapping_keyspaces).
///
/// # Clusters
///
/// `cluster` after the keyspaces checks that the program fits a Redis Cluster. A cluster has only
/// one database, so the check then covers keyspaces with different databases, too. Templates that
/// are used in one transaction are listed in `together = [..]`: their keys must share a slot, so
/// their `hash_tag` must be an argument of the same name and type.
///
/// ```
/// use redis_keyspace::{Counter, Keyspace, Text, catalog};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "cart", ttl = "1h")]
/// pub struct CartKeys {
///     #[key("user:{id}", hash_tag = id)]
///     user: fn(id: u64) -> Text,
///     #[key("user:{id}:views", hash_tag = id)]
///     views: fn(id: u64) -> Counter,
/// }
///
/// catalog!(pub CATALOG = [CartKeys], cluster, together = [CartKeys::user, CartKeys::views]);
/// ```
///
/// `together` may be repeated. A keyspace is named without its path.
///
/// # Optional keyspaces
///
/// A keyspace, or a template in `together`, may have a `#[cfg(..)]`:
///
/// ```
/// # use redis_keyspace::{Keyspace, Text, catalog};
/// # #[derive(Keyspace)]
/// # #[keyspace(prefix = "motd", ttl = "1h")]
/// # struct MotdKeys { today: Text }
/// catalog!(pub CATALOG = [MotdKeys, #[cfg(feature = "search")] SearchKeys]);
/// ```
///
/// # Cost
///
/// The check takes the compiler about half a millisecond per template. It takes twice that if
/// keyspaces have `prefix = none`, because their templates are compared with all templates that
/// start alike.
#[macro_export]
macro_rules! catalog {
    (
        $(#[$attribute:meta])* $visibility:vis $name:ident = [$($(#[$of:meta])* $keyspace:ty),* $(,)?] $(;)?
    ) => {
        $crate::catalog!(
            @checked Databases, [$(#[$attribute])* $visibility $name], [$([$(#[$of])*] $keyspace),*], []
        );
    };
    (
        $(#[$attribute:meta])* $visibility:vis $name:ident = [$($(#[$of:meta])* $keyspace:ty),* $(,)?], cluster
        $(, together = [$($(#[$only:meta])* $owner:ident :: $field:ident),+ $(,)?])* $(,)? $(;)?
    ) => {
        $crate::catalog!(
            @checked Cluster, [$(#[$attribute])* $visibility $name], [$([$(#[$of])*] $keyspace),*],
            [$([$([$(#[$only])*] $owner $field),+])*]
        );
    };
    (
        @checked $deployment:ident, [$(#[$attribute:meta])* $visibility:vis $name:ident],
        [$([$(#[$of:meta])*] $keyspace:ty),*],
        [$([$([$(#[$only:meta])*] $owner:ident $field:ident),+])*]
    ) => {
        // All checks are inside of the static, so that its `#[cfg(..)]` covers them.
        $(#[$attribute])*
        $visibility static $name: $crate::catalog::Catalog = {
            const KEYSPACES: &[&$crate::__private::KeyspaceMeta] =
                &[$($(#[$of])* <$keyspace as $crate::__private::Keyspace>::META),*];
            const TEMPLATES: ::core::primitive::usize = $crate::__private::count_templates(KEYSPACES);
            #[allow(long_running_const_eval, reason = "a large program has many pairs")]
            const CONFLICT: $crate::__private::Option<$crate::__private::Message> =
                $crate::__private::conflict_between::<{ TEMPLATES }>(
                    KEYSPACES,
                    $crate::__private::Deployment::$deployment,
                );
            // The panic is in the macro itself. The error then points to the macro call, without
            // notes about inner functions. It binds no name, because the user's scope could have
            // the same one.
            const _: () = if $crate::__private::Option::is_some(&CONFLICT) {
                ::core::panic!("{}", $crate::__private::conflict_text(&CONFLICT))
            };
            $(
                const _: () = {
                    const TOGETHER: &[$crate::__private::TogetherEntry] = &[$(
                        $(#[$only])*
                        (<$owner as $crate::__private::Keyspace>::META, ::core::stringify!($field))
                    ),+];
                    const APART: $crate::__private::Option<$crate::__private::Message> =
                        $crate::__private::apart(TOGETHER);
                    if $crate::__private::Option::is_some(&APART) {
                        ::core::panic!("{}", $crate::__private::conflict_text(&APART))
                    }
                };
            )*
            $crate::catalog::Catalog::new(KEYSPACES)
        };
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "write a name and the keyspaces, separated by commas: `catalog!(pub CATALOG = [CartKeys, SessionKeys]);`; for a \
             cluster, add `, cluster, together = [CartKeys::user, CartKeys::views]`"
        );
    };
}

/// Defines a test that fails when the catalog differs from a committed file. Every change of a
/// template, kind, wire format or TTL then shows up in the diff for reviewers. The path is relative
/// to the package's manifest.
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
/// For a second test in the same module, choose a name: `catalog_test!(jobs, JOBS, "jobs.txt")`.
///
/// To write the file the first time, and after an intended change, run
/// `REDIS_KEYSPACE_SNAPSHOT=update cargo test`.
#[macro_export]
macro_rules! catalog_test {
    ($catalog:expr, $path:literal $(,)?) => {
        $crate::catalog_test!(the_catalog_is_as_committed, $catalog, $path);
    };
    ($name:ident, $catalog:expr, $path:literal $(,)?) => {
        // The full path, because other crates export a macro named `test`.
        #[::core::prelude::v1::test]
        fn $name() {
            $crate::__private::assert_snapshot(
                &$catalog,
                ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", $path),
            );
        }
    };
}
