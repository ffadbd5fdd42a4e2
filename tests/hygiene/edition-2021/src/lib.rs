//! Compiles expansions in edition 2021, although the macro uses a later edition. All warnings and
//! missing documentation are errors, and local names shadow the usual ones.
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications)]
#![deny(clippy::all, clippy::pedantic)]

pub mod fragments;
pub mod lints;
pub mod many;
pub mod names;
pub mod shadowed;
pub mod shop;

/// A public keyspace can use private items if its constructors are private.
mod narrowed {
    use redis_keyspace::{Json, KeyArgument, Keyspace};

    #[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
    pub(crate) struct Secret(pub(crate) u64);

    /// A public keyspace with a private constructor.
    #[derive(Debug, Keyspace)]
    #[keyspace(prefix = "narrowed", ttl = none)]
    pub struct NarrowedKeys {
        pub(crate) secret: fn(secret: Secret) -> Json<u8>,
        open: fn(id: u64) -> Json<u8>,
    }
}
pub use narrowed::{NarrowedKeys, ParsedNarrowedKeys};

#[test]
fn narrowed_constructors_work() {
    assert_eq!(NarrowedKeys::secret(narrowed::Secret(3)).as_str(), "narrowed:secret:3");
    assert_eq!(NarrowedKeys::open(3).as_str(), "narrowed:open:3");
}
