//! What parsed arguments have in common.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};

/// What a parsed argument must implement.
///
/// Parsed keys can be printed, compared and collected in a `HashSet`, so their arguments must
/// implement `Debug`, `Clone`, `PartialEq`, `Eq` and `Hash`. Every type with these traits
/// implements this one:
///
/// ```
/// use std::collections::HashSet;
///
/// use redis_keyspace::{KeyArgument, Keyspace, Text};
///
/// #[derive(Debug, Clone, PartialEq, Eq, Hash, KeyArgument)]
/// pub struct UserId(u64);
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "session", ttl = "1d")]
/// pub struct SessionKeys {
///     user: fn(id: UserId) -> Text,
/// }
///
/// let log = ["session:user:7", "session:user:8", "session:user:7"];
/// let users: HashSet<ParsedSessionKeys> = log.iter().flat_map(|key| SessionKeys::parse(key)).collect();
/// assert_eq!(users.len(), 2);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is an argument of keys, but can't be part of a parsed key",
    label = "needs `Debug`, `Clone`, `PartialEq`, `Eq` and `Hash`",
    note = "add `#[derive(Debug, Clone, PartialEq, Eq, Hash)]` to `{Self}`"
)]
pub trait ParsedArgument: Sized + Send + 'static {
    // Functions instead of supertraits: the compiler would report each missing supertrait, without
    // the message above.

    #[doc(hidden)]
    fn debug(value: &Self) -> &dyn Debug;

    #[doc(hidden)]
    fn clone(value: &Self) -> Self;

    #[doc(hidden)]
    fn are_equal(left: &Self, right: &Self) -> bool;

    #[doc(hidden)]
    fn hash(value: &Self, state: &mut dyn Hasher);
}

#[diagnostic::do_not_recommend]
impl<T: Clone + Debug + Eq + Hash + Send + 'static> ParsedArgument for T {
    fn debug(value: &Self) -> &dyn Debug {
        value
    }

    fn clone(value: &Self) -> Self {
        value.clone()
    }

    fn are_equal(left: &Self, right: &Self) -> bool {
        left == right
    }

    fn hash(value: &Self, mut state: &mut dyn Hasher) {
        Hash::hash(value, &mut state);
    }
}
