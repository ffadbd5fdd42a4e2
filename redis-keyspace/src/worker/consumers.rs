//! The consumers of workers that ended without deleting them.

use std::time::Duration;

use super::shared::Shared;
use crate::error::Result;
use crate::kind::SingleValue;
use crate::schema::Keyspace;

/// How long a consumer must have been idle to be deleted.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

impl<S: Keyspace, T: SingleValue> Shared<S, T> {
    /// Deletes the consumers of workers with the same name that ended long ago.
    pub(super) async fn delete_abandoned(&self) -> Result<()> {
        let prefix = self.consumer.rsplit_once('-').map_or("", |(prefix, _)| prefix);
        for consumer in self.command(self.group.consumers()).await? {
            let is_one_of_ours =
                consumer.name.rsplit_once('-').is_some_and(|(of_other, _)| of_other == prefix);
            if is_one_of_ours
                && consumer.name != self.consumer
                && consumer.pending == 0
                && consumer.idle > ABANDONED
            {
                self.command(self.group.delete_consumer(&consumer.name)).await?;
            }
        }
        Ok(())
    }
}
