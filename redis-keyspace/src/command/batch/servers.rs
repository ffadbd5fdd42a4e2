//! Chooses where the commands of a batch run.

use std::sync::Arc;

use super::part::{Part, target};
use crate::client::{Binding, Redis, Target};
use crate::error::Result;
use crate::protocol::Request;
use crate::schema::{KeyspaceMeta, TemplateMeta};
use crate::time::Expiry;

/// Resolves the bindings of the commands of a batch.
pub(super) struct Binder<'r> {
    redis: &'r Redis,
    /// The last binding of a command that leaves the choice open. Commands of one keyspace often
    /// follow each other.
    last: Option<(Option<&'static KeyspaceMeta>, Arc<Binding>)>,
}

impl<'r> Binder<'r> {
    pub(super) fn new(redis: &'r Redis) -> Self {
        Self { redis, last: None }
    }

    /// Resolves the binding of a command, and applies the TTL that the binding sets for the
    /// keyspace to its request.
    pub(super) fn bind(&mut self, part: &Part<'_>, request: &mut Request) -> Result<Arc<Binding>> {
        let binding = self.resolve(part)?;
        if !part.call.others().is_empty() {
            let target = target(self.redis, part.call);
            part.call.check_others(part.subject.keyspace, &target, &binding)?;
        }
        binding.checks.pass(part.unreadable)?;
        if let Some(ttl) = binding.ttl {
            request.set_keyspace_lifetime(Expiry::After(ttl))?;
        }
        // Checked here, so that an oversized command fails alone.
        request.check_size(binding.pool().settings.sizes())?;
        part.failed.clone().map_or(Ok(binding), Err)
    }

    fn resolve(&mut self, part: &Part<'_>) -> Result<Arc<Binding>> {
        let keyspace = part.subject.keyspace;
        let target = &part.call.target;
        if !matches!(target, Target::Chosen) {
            return target.resolve(keyspace);
        }
        if let Some((last, binding)) = &self.last
            && last.map(std::ptr::from_ref) == keyspace.map(std::ptr::from_ref)
        {
            return Ok(Arc::clone(binding));
        }
        let binding = Target::Handle(self.redis.clone()).resolve(keyspace)?;
        self.last = Some((keyspace, Arc::clone(&binding)));
        Ok(binding)
    }
}

/// Returns the template of a key that belongs to one of these keyspaces.
pub(super) fn template_of(keyspaces: &[&'static KeyspaceMeta], key: &str) -> Option<&'static str> {
    keyspaces.iter().find_map(|keyspace| keyspace.template_of(key)).map(TemplateMeta::template)
}
