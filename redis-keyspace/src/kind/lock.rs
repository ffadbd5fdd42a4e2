//! The kind of locks.

use super::role::Role;
use super::traits::Kind;

/// A lock that one task holds at a time, stored at a key. [`Key::lock`](crate::Key::lock) describes
/// its guarantees and limitations.
///
/// Use it as the return type of a field. The TTL of the template is how long the lock stays after
/// its holder dies without releasing it. The lock is renewed while its holder lives. `ttl = none`
/// is a compile error: the lock of a dead holder would never expire.
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
///
/// # Operations
///
/// | | |
/// | --- | --- |
/// | acquire | [`try_lock`], [`lock`], [`with_lock`] |
/// | read | [`is_locked`] |
///
/// [`try_lock`]: crate::Key::try_lock
/// [`lock`]: crate::Key::lock
/// [`with_lock`]: crate::Key::with_lock
/// [`is_locked`]: crate::Key::is_locked
#[derive(Debug)]
pub struct Lock(());

impl Kind for Lock {
    const WIRE_FORMAT: &'static str = "the token of the holder";
    const IS_FILLED: bool = false;
    const ROLE: Role = Role::Lock;
}
