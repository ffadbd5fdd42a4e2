//! What an update decides.

/// The decision of an update; see [`Key::update_with`](crate::Key::update_with).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change<T> {
    /// Leaves the key unchanged.
    Keep,
    /// Stores this value.
    Set(T),
    /// Deletes the key.
    Delete,
}
