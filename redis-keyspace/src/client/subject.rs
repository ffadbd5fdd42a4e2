//! The declaration that a command belongs to, for spans, metrics and errors.

use crate::connect::Pool;
use crate::error::{Error, Result};
use crate::protocol::Request;
use crate::schema::{KeyspaceMeta, OnUnavailable, Reads, TemplateMeta};

/// The keyspace, template and name of a command, and how it behaves without Redis.
#[derive(Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) keyspace: Option<&'static KeyspaceMeta>,
    pub(crate) template: Option<&'static TemplateMeta>,
    pub(crate) command: &'static str,
    /// Whether the command reads values, so that a miss is a valid result.
    pub(crate) reads: bool,
    /// Whether the command fails on a disabled handle, because even a miss would be a wrong result.
    pub(crate) needs_server: bool,
    /// Overrides what the keyspace declares.
    pub(crate) on_unavailable: Option<OnUnavailable>,
    /// Whether a replica may answer the command.
    pub(crate) may_use_replica: bool,
    /// Whether the reply does not show that a key is missing, which only the master of a cluster
    /// knows: see [`is_final`](super::is_final).
    pub(crate) hides_misses: bool,
    /// Overrides which server the declaration reads from.
    pub(crate) reads_from: Option<Reads>,
}

impl Subject {
    pub(crate) fn new(
        keyspace: Option<&'static KeyspaceMeta>,
        template: Option<&'static TemplateMeta>,
        command: &'static str,
    ) -> Self {
        let needs_server = template.is_some_and(|template| template.kind.role.needs_server());
        Self {
            keyspace,
            template,
            command,
            reads: false,
            needs_server,
            on_unavailable: None,
            may_use_replica: false,
            hides_misses: false,
            reads_from: None,
        }
    }

    /// Returns which server answers the command.
    #[inline]
    pub(crate) fn reads_from(&self) -> Reads {
        if !self.may_use_replica {
            return Reads::Master;
        }
        let declared = || {
            let of_template = self.template.and_then(|template| template.reads);
            of_template.or_else(|| Some(self.keyspace?.overrides.reads))
        };
        self.reads_from.or_else(declared).unwrap_or_default()
    }

    /// Returns which server answers the command in this pool, as far as is known.
    #[inline]
    pub(crate) fn reads_in(&self, pool: &Pool) -> Reads {
        match self.reads_from() {
            Reads::PreferReplica | Reads::Replica if self.hides_misses && pool.cluster().is_some() => {
                Reads::Master
            }
            reads => reads,
        }
    }

    /// Fails if a replica was set for a command that only the master can answer.
    pub(crate) fn check_reads(&self) -> Result<()> {
        match self.reads_from {
            Some(Reads::PreferReplica | Reads::Replica) if !self.may_use_replica => {
                Err(Error::invalid_input(format!(
                    "{} can't use a replica: `reads` is for commands that only read",
                    self.command
                )))
            }
            _ => Ok(()),
        }
    }

    /// Returns the names of the keyspace and of the template, or empty strings.
    #[cfg(any(feature = "tracing", feature = "metrics"))]
    pub(super) fn names(&self) -> (&'static str, &'static str) {
        let keyspace = self.keyspace.map_or("", KeyspaceMeta::name);
        (keyspace, self.template.map_or("", TemplateMeta::template))
    }

    /// Adds the command to an error, and the key if there is only one.
    pub(crate) fn explain(&self, error: Error, request: Option<&Request>) -> Error {
        let error =
            error.naming_templates(&mut |key| self.keyspace?.template_of(key).map(TemplateMeta::template));
        let mut keys =
            request.iter().flat_map(|request| request.packets()).flat_map(|packet| packet.keys.as_slice());
        let first = keys.next().map(|key| key.as_str());
        // If there are several keys, the error already names the one that failed, if it is known.
        let is_only = keys.all(|key| Some(key.as_str()) == first);
        error.about(self.command, self.template.map(TemplateMeta::name), first.filter(|_| is_only))
    }
}
