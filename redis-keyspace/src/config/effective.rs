//! Computes the settings of one keyspace. Its options override its declaration, which overrides the
//! options for all keyspaces.

use std::time::Duration;

use super::builder::RedisBuilder;
use super::endpoint::Endpoint;
use super::keyspace_options::OptionEndpoint;
use super::sentinel::SentinelAccess;
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
        #[cfg(feature = "tls")]
        let mut encrypts_sentinels = false;
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
                remove_surroundings(&mut settings);
            }
            Some(OptionEndpoint::Url(parts)) => {
                let parts = parts.map_err(invalid)?;
                remove_surroundings(&mut settings);
                settings.endpoint = parts.endpoint;
                settings.nodes = parts.nodes;
                settings.cluster = parts.cluster;
                settings.sentinel = parts.sentinel;
                #[cfg(feature = "tls")]
                {
                    let tls = settings.tls.unwrap_or_default().for_other_server();
                    encrypts_sentinels = parts.sentinel_tls;
                    settings.sentinel.tls = encrypts_sentinels.then(|| tls.clone());
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
            if encrypts_sentinels {
                settings.sentinel.tls = options.tls.clone().or(settings.sentinel.tls);
            }
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
            options.shared_connections.or(declared.shared_connections).or(settings.shared_connections);
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

/// Removes what belongs to the server of the handle, for a keyspace with its own server: its nodes
/// and replicas, what is said about them, and the credentials for its sentinels.
fn remove_surroundings(settings: &mut Settings) {
    settings.nodes = Vec::new();
    settings.cluster = None;
    settings.sentinel = SentinelAccess::default();
    settings.replicas = Vec::new();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{KeyspaceOptions, Secret};
    use crate::schema::Overrides;

    static META: KeyspaceMeta = KeyspaceMeta::new("Carts", "cart", "", Overrides::NONE, &[]);

    fn with(
        mut handle: RedisBuilder,
        change: impl FnOnce(KeyspaceOptions) -> KeyspaceOptions,
    ) -> Result<Settings> {
        handle.keyspaces.insert(META.address(), (&META, change(KeyspaceOptions::default())));
        handle.effective(Some(&META))
    }

    fn watched() -> RedisBuilder {
        let handle = RedisBuilder::default().sentinel("mymaster", ["s1", "s2"]).unwrap();
        handle.sentinel_username("u").sentinel_password("hunter2").password("hunter3")
    }

    #[test]
    fn a_keyspace_with_its_own_server_does_not_use_the_sentinels_of_the_handle() {
        let settings = with(watched(), |options| options.retries(1)).unwrap();
        assert_eq!(settings.endpoint, watched().base.endpoint);
        assert_eq!(settings.sentinel, watched().base.sentinel);
        for (change, server) in [
            ((|options| options.host("h")) as fn(KeyspaceOptions) -> KeyspaceOptions, "h:6379"),
            (|options| options.port(7), "localhost:7"),
            (|options| options.url("redis://h"), "h:6379"),
            (|options| options.url("unix:///s"), "/s"),
            (|options| options.url("redis+sentinel://t/other"), "the master other of the sentinels t:26379"),
        ] {
            let settings = with(watched(), change).unwrap();
            assert_eq!(settings.endpoint.to_string(), server);
            assert_eq!(settings.sentinel, SentinelAccess::default());
        }
        let url = "redis+sentinel://app:p@t/other?db=3&sentinel_user=w&sentinel_pass=hunter4";
        let settings = with(RedisBuilder::default().password("hunter3"), |options| options.url(url)).unwrap();
        assert_eq!((settings.username.as_deref(), settings.db), (Some("app"), 3));
        assert_eq!(settings.sentinel.username.as_deref(), Some("w"));
        assert_eq!(settings.sentinel.password.as_ref().map(Secret::expose), Some("hunter4"));
        // A disabled handle is disabled for all keyspaces.
        let settings = with(RedisBuilder::default().disabled(), |options| options.url(url)).unwrap();
        assert_eq!(settings.sentinel, SentinelAccess::default());
        let error = with(watched(), |options| options.cluster(true)).unwrap_err().to_string();
        assert!(error.contains("Carts") && error.contains("`cluster` is true, but sentinels"), "{error}");
        let error = with(watched(), |options| options.url("redis+sentinel://u:hunter2@s")).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("Carts") && error.contains("no name of the master"), "{error}");
        assert!(!error.contains("hunter"), "{error}");
    }

    #[test]
    fn a_keyspace_with_its_own_server_does_not_use_the_replicas_of_the_handle() {
        let handle = || RedisBuilder::default().host("h").replicas(["r1", "r2"]).unwrap();
        let replicas =
            |change: fn(KeyspaceOptions) -> KeyspaceOptions| with(handle(), change).unwrap().replicas.len();
        assert_eq!(replicas(|options| options.db(3)), 2);
        assert_eq!(replicas(|options| options.host("i")), 0);
        assert_eq!(replicas(|options| options.port(7)), 0);
        assert_eq!(replicas(|options| options.url("redis://i")), 0);
        assert_eq!(replicas(|options| options.url("redis+sentinel://s/m")), 0);
        let error = with(handle(), |options| options.cluster(true)).unwrap_err().to_string();
        assert!(error.contains("Carts") && error.contains("`replicas` is set, but `cluster`"), "{error}");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_url_of_a_keyspace_decides_about_tls_to_its_sentinels() {
        use crate::config::Tls;
        let ca = Tls::new().ca_file("ca.crt");
        let handle = || {
            let builder = watched().tls(Tls::new().ca_file("ca.crt").server_name("redis.internal"));
            builder.sentinel_tls(Tls::new().ca_file("sentinels.crt"))
        };
        let tls = |change: fn(KeyspaceOptions) -> KeyspaceOptions| {
            let settings = with(handle(), change).unwrap();
            (settings.tls, settings.sentinel.tls)
        };
        assert_eq!(tls(|options| options.url("redis+sentinel://t/m")), (None, None));
        let both = (Some(ca.clone()), Some(ca.clone()));
        assert_eq!(tls(|options| options.url("rediss+sentinel://t/m")), both);
        let master = (Some(ca.clone()), None);
        assert_eq!(tls(|options| options.url("rediss+sentinel://t/m?sentinel_tls=false")), master);
        let sentinels = (None, Some(ca));
        assert_eq!(tls(|options| options.url("redis+sentinel://t/m?sentinel_tls=true")), sentinels);
        let own = || Tls::new().ca_file("own.crt");
        let changed = tls(|options| options.url("rediss+sentinel://t/m").tls(Tls::new().ca_file("own.crt")));
        assert_eq!(changed, (Some(own()), Some(own())));
        let changed = tls(|options| options.tls(Tls::new().ca_file("own.crt")));
        assert_eq!(changed, (Some(own()), Some(Tls::new().ca_file("sentinels.crt"))));
    }
}
