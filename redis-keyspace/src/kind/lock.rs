//! The kind of locks.

use super::role::Role;
use super::traits::Kind;

/// A lock: held by one at a time, by way of its key. See [`Key::lock`](crate::Key::lock) for what it is and is not.
///
/// Declared as the return type of a field. The lifetime that the template states is how long the lock stays when its holder
/// is gone without giving it back; while the holder lives, it is renewed. `ttl = none` does not compile: a lock whose holder
/// has died would be held for ever.
///
/// ```
/// use redis_keyspace::{Keyspace, Lock};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "job", ttl = "30s")]
/// struct JobKeys {
///     #[key("lock:{job}")]
///     lock: fn(job: &str) -> Lock,
/// }
/// ```
#[derive(Debug)]
pub struct Lock(());

impl Kind for Lock {
    const WIRE_FORMAT: &'static str = "the token of the holder";
    const IS_FILLED: bool = false;
    const ROLE: Role = Role::Lock;
}
