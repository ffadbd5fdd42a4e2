//! The kind of groups.

use super::role::Role;
use super::traits::Kind;

/// A group of keys that are invalidated together, in one step however many they are. See [`Key::member`](crate::Key::member).
///
/// Declared as the return type of a field. The lifetime that the template states is how long the group stays when none of
/// its keys is asked for; with it, all that is stored under its keys is out of sight.
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
#[derive(Debug)]
pub struct Group(());

impl Kind for Group {
    const WIRE_FORMAT: &'static str = "a generation in hex";
    const IS_FILLED: bool = false;
    const ROLE: Role = Role::Group;
}
