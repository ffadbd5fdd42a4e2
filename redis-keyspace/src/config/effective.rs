//! Computes the settings of one keyspace. Its options override its declaration, which overrides the
//! options for all keyspaces.

use std::time::Duration;

use super::builder::RedisBuilder;
use super::endpoint::Endpoint;
use super::keyspace_options::OptionEndpoint;
use super::settings::Settings;
use super::validate::validate;
use crate::error::{Error, Result};
use crate::schema::KeyspaceMeta;
use crate::time::Expiry;

impl RedisBuilder {
    /// The maximum length of values of a keyspace, and whether its writes are verified.
    pub(crate) fn checks(&self, keyspace: &'static KeyspaceMeta) -> (usize, bool) {
        let options = self.keyspaces.get(&keyspace.address()).map(|(_, options)| options);
        let most = options.and_then(|options| options.max_value_bytes);
        let verifies = options.and_then(|options| options.verify_writes);
        (most.unwrap_or(self.base.max_value_bytes), verifies.unwrap_or(self.base.verify_writes))
    }

    /// The largest of the maximum lengths, and whether the writes of any keyspace are verified.
    pub(crate) fn loosest_checks(&self) -> (usize, bool) {
        let most = self.keyspaces.values().filter_map(|(_, options)| options.max_value_bytes).max();
        let verifies = self.keyspaces.values().any(|(_, options)| options.verify_writes == Some(true));
        (self.base.max_value_bytes.max(most.unwrap_or_default()), self.base.verify_writes || verifies)
    }

    /// Fails if the options of any keyspace are invalid, or if `check` fails for its settings.
    pub(crate) fn check_keyspaces(&self, check: impl Fn(&Settings) -> Result<()>) -> Result<()> {
        self.keyspaces.values().try_for_each(|&(keyspace, _)| {
            check(&self.effective(Some(keyspace))?)?;
            self.keyspace_ttl(Some(keyspace)).map(drop)
        })
    }

    /// The settings of the pool of a keyspace.
    pub(crate) fn effective(&self, keyspace: Option<&'static KeyspaceMeta>) -> Result<Settings> {
        let Some(meta) = keyspace else { return Ok(self.base.clone()) };
        let options =
            self.keyspaces.get(&meta.address()).map(|(_, options)| options.clone()).unwrap_or_default();
        let declared = meta.overrides;
        let invalid = |error: Error| {
            Error::configuration(format!("the options of {} are invalid: {error}", meta.name()))
        };
        let mut settings = self.base.clone();
        let mut url_db = None;
        match options.endpoint {
            // A disabled handle is disabled for all keyspaces.
            _ if matches!(settings.endpoint, Endpoint::Disabled(_)) => {}
            None => {}
            Some(OptionEndpoint::Address { host, port }) => {
                let (old_host, old_port) = match settings.endpoint {
                    Endpoint::Tcp { host, port } => (host, port),
                    _ => ("localhost".to_owned(), 6379),
                };
                let (host, port) = (host.unwrap_or(old_host), port.unwrap_or(old_port));
                settings.endpoint = Endpoint::Tcp { host, port };
                // The handle's nodes belong to its own server, and so does what it says about them.
                settings.nodes = Vec::new();
                settings.cluster = None;
            }
            Some(OptionEndpoint::Url(parts)) => {
                let parts = parts.map_err(invalid)?;
                settings.endpoint = parts.endpoint;
                settings.nodes = parts.nodes;
                settings.cluster = parts.cluster;
                #[cfg(feature = "tls")]
                {
                    let tls = settings.tls.unwrap_or_default().for_other_server();
                    settings.tls = parts.tls.then_some(tls);
                }
                // The credentials of the handle are for its own server, and never sent to another
                // one.
                settings.username = parts.username;
                settings.password = parts.password;
                settings.credentials = None;
                settings.protocol = parts.protocol.unwrap_or(settings.protocol);
                settings.login = parts.login.unwrap_or(settings.login);
                url_db = parts.db;
            }
        }
        settings.cluster = options.cluster.or(settings.cluster);
        #[cfg(feature = "tls")]
        {
            settings.tls = options.tls.or(settings.tls);
        }
        if let Some(db) = options.db.or(url_db).or(declared.db) {
            if matches!(settings.endpoint, Endpoint::Pool(_)) && db != settings.db {
                return Err(Error::configuration(format!(
                    "{} uses database {db}, but the application's pool uses {}; pass a pool of that database to \
                     Redis::from_pool_on",
                    meta.name(),
                    settings.db,
                )));
            }
            settings.db = db;
        }
        settings.shared_connections =
            options.shared_connections.or(declared.shared_connections).unwrap_or(settings.shared_connections);
        settings.exclusive_connections = options
            .exclusive_connections
            .or(declared.exclusive_connections)
            .unwrap_or(settings.exclusive_connections);
        settings.timeout = options.timeout.or(declared.timeout).unwrap_or(settings.timeout);
        settings.retries = options.retries.or(declared.retries).unwrap_or(settings.retries);
        settings.retry_delay = options.retry_delay.unwrap_or(settings.retry_delay);
        settings.max_key_bytes = options.max_key_bytes.unwrap_or(settings.max_key_bytes);
        settings.max_value_bytes = options.max_value_bytes.unwrap_or(settings.max_value_bytes);
        settings.verify_writes = options.verify_writes.unwrap_or(settings.verify_writes);
        validate(&settings).map_err(invalid)?;
        Ok(settings)
    }

    /// The TTL from the options, which replaces the TTL that the keyspace declares.
    pub(crate) fn keyspace_ttl(&self, keyspace: Option<&'static KeyspaceMeta>) -> Result<Option<Duration>> {
        let Some(meta) = keyspace else { return Ok(None) };
        let Some(ttl) = self.keyspaces.get(&meta.address()).and_then(|(_, options)| options.ttl) else {
            return Ok(None);
        };
        if !meta.templates.iter().any(|template| template.inherits_lifetime) {
            return Err(Error::configuration(format!(
                "`ttl` is set for {}, but each of its templates declares its own TTL",
                meta.name()
            )));
        }
        Expiry::After(ttl).check().map_err(|error| {
            Error::configuration(format!("the options of {} are invalid: {error}", meta.name()))
        })?;
        Ok(Some(ttl))
    }
}
