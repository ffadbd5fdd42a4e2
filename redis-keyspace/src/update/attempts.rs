//! The attempts of an update: turns within the process, and pauses after conflicts.

use std::time::Duration;

use crate::client::Binding;
use crate::error::{Budget, Error, ErrorKind, Result};
use crate::time::{Deadline, part_of};

/// The default number of attempts. A failed attempt means that another writer succeeded.
pub(super) const ATTEMPTS: u32 = 100;
/// The longest pause after a conflict.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Waits until no other task of this process updates the key. The turn ends when the result is
/// dropped.
pub(super) async fn take_turn(
    binding: &Binding,
    key: &str,
    deadline: Deadline,
) -> Result<impl Sized + Send + use<>> {
    let turn = binding.pool().local.updates.take(binding.wire_name(key));
    deadline.bound(Budget::Checkout, turn).await.map_err(|error| {
        error.reworded("other tasks were still updating this key when the deadline passed; nothing was sent")
    })
}

/// The attempts of one update.
pub(super) struct Attempts {
    made: u32,
    limit: u32,
    deadline: Deadline,
}

impl Attempts {
    pub(super) fn new(limit: u32, deadline: Deadline) -> Self {
        Self { made: 0, limit, deadline }
    }

    /// Whether no attempt has failed yet.
    pub(super) fn is_first(&self) -> bool {
        self.made == 0
    }

    /// Pauses after a conflict. Fails if no attempt is left.
    pub(super) async fn conflict(&mut self) -> Result<()> {
        self.made += 1;
        let longest = Duration::from_millis(u64::from(self.made)).min(LONGEST_PAUSE);
        let pause = part_of(longest, fastrand::f64());
        if self.made >= self.limit || tokio::time::Instant::now() + pause >= self.deadline.at() {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "update conflicted with other writers on every attempt (limit: {} attempts in {:?}); nothing \
                     was changed",
                    self.limit,
                    self.deadline.limit(),
                ),
            ));
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
