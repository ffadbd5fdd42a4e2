//! Chooses where the commands of a batch run.

use std::sync::Arc;

use super::part::{Part, PartCall};
use crate::client::{Binding, Redis, Target};
use crate::error::Result;
use crate::schema::{KeyspaceMeta, TemplateMeta};
use crate::time::Expiry;

/// Returns the target of a command: the one set on the command, else the handle of the batch.
pub(super) fn target(redis: &Redis, call: PartCall) -> Target {
    call.0.target.or(Target::Handle(redis.clone()))
}

/// Resolves the binding of a command, and applies the TTL that the binding sets for the keyspace.
pub(super) fn bind(redis: &Redis, part: &mut Part) -> Result<Arc<Binding>> {
    let keyspace = part.request.subject.keyspace;
    let binding = match &part.call.0.target {
        Target::Chosen => Target::Handle(redis.clone()).resolve(keyspace)?,
        target => target.resolve(keyspace)?,
    };
    binding.checks.pass(part.request.unreadable.as_ref())?;
    if let Ok(request) = &mut part.request.request {
        if let Some(ttl) = binding.ttl {
            request.set_keyspace_lifetime(Expiry::After(ttl))?;
        }
        // Checked here, so that an oversized command fails alone.
        request.check_size(binding.pool().settings.sizes())?;
    }
    Ok(binding)
}

/// Returns the template of a key that belongs to one of these keyspaces.
pub(super) fn template_of(keyspaces: &[&'static KeyspaceMeta], key: &str) -> Option<&'static str> {
    keyspaces.iter().find_map(|keyspace| keyspace.template_of(key)).map(TemplateMeta::template)
}
