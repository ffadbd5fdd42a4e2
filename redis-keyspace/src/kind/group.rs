//! The kind of groups.

use super::role::Role;
use super::traits::Kind;

/// A group of keys that are invalidated together, in one step for any number of keys. See
/// [`Key::member`](crate::Key::member).
///
/// Use it as the return type of a field. The TTL of the template is how long a group lives without
/// being used. When the group expires, the values of all its members become unreachable.
///
/// ```
/// use redis_keyspace::{Group, Keyspace};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "group", ttl = "30d")]
/// struct Groups {
///     user: fn(id: u64) -> Group,
/// }
/// ```
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | join | [`member`] |
/// | invalidate all members | [`invalidate`] |
///
/// [`member`]: crate::Key::member
/// [`invalidate`]: crate::Key::invalidate
#[derive(Debug)]
pub struct Group(());

impl Kind for Group {
    const WIRE_FORMAT: &'static str = "a generation in hex";
    const IS_FILLED: bool = false;
    const ROLE: Role = Role::Group;
}
