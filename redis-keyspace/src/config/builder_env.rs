//! Environment variables as options of a handle.

use super::builder::RedisBuilder;
use super::endpoint::Endpoint;
use super::environment::{self, Environment};
use crate::error::Result;

impl RedisBuilder {
    /// Applies environment variables:
    ///
    /// - `REDIS_URL`, or `REDIS_HOST` and `REDIS_PORT`, or `REDIS_NODES`, the nodes of a cluster:
    ///   `redis-1:7000,redis-2:7000`;
    /// - `REDIS_CLUSTER` (`true`, `false`); see [`cluster`](Self::cluster);
    /// - `REDIS_SENTINELS`, the sentinels that name the master (`sentinel-1:26379,sentinel-2`), and
    ///   `REDIS_SENTINEL_MASTER`, the name of the master; see [`sentinel`](Self::sentinel). One
    ///   without the other is an error;
    /// - `REDIS_SENTINEL_USERNAME`, and `REDIS_SENTINEL_PASSWORD` or
    ///   `REDIS_SENTINEL_PASSWORD_FILE`, for connections to sentinels;
    /// - `REDIS_REPLICAS`, servers that replicate the server (`redis-2:6379,redis-3`); see
    ///   [`replicas`](Self::replicas);
    /// - `REDIS_USERNAME`;
    /// - `REDIS_PASSWORD`, or `REDIS_PASSWORD_FILE`, the path of a file that contains the password;
    /// - `REDIS_DB`;
    /// - `REDIS_NAMESPACE`;
    /// - `REDIS_LOGIN` (`auto`, `minimal`, `plain`);
    /// - `REDIS_TLS` (`true`, `false`; feature `tls`). `false` is an error if the code, a profile
    ///   or the URL switches TLS on;
    /// - `REDIS_TLS_CA`, `REDIS_TLS_CERT` and `REDIS_TLS_KEY`, each the path of a PEM file, or PEM
    ///   text; `REDIS_TLS_SERVER_NAME`; `REDIS_TLS_MIN_VERSION` (`1.2`, `1.3`); `REDIS_TLS_ROOTS`
    ///   (`system`, `webpki`). They need TLS to be on;
    /// - `REDIS_SENTINEL_TLS` (`true`, `false`; feature `tls`) switches TLS on for connections to
    ///   sentinels, with the same options. `REDIS_TLS` then concerns only the master;
    /// - `REDIS_VERIFY_WRITES` (`true`, `false`).
    ///
    /// `REDIS_URL`, `REDIS_NODES`, `REDIS_SENTINELS`, and `REDIS_HOST` with `REDIS_PORT`, each set
    /// the server. None of them overrides another: two of them together are an error. Each replaces
    /// a server that the code or a profile sets, together with its nodes, sentinels and replicas.
    /// `REDIS_REPLICAS` together with `REDIS_NODES` or `REDIS_SENTINELS` is an error, too.
    /// `REDIS_PORT` alone keeps the host. The variable `REDIS_PROFILE` selects a profile before
    /// these are applied; see [`Redis::from_profile`](crate::Redis::from_profile).
    ///
    /// White space around a value, and around the password in the file, is ignored. Unset and empty
    /// variables change nothing. A `REDIS_PORT` such as `tcp://10.0.0.5:6379` is ignored too:
    /// Kubernetes and Docker set it for a service called `redis`.
    ///
    /// # Errors
    ///
    /// [`Configuration`](crate::ErrorKind::Configuration) if a variable is invalid, or if two
    /// variables contradict each other. The message names the variable.
    pub fn env(self) -> Result<Self> {
        // `std::env::vars` would panic on an unrelated variable that is not UTF-8.
        let mut variables = Vec::new();
        for name in environment::NAMES {
            match std::env::var(name) {
                Ok(value) => variables.push((name.to_owned(), value)),
                Err(std::env::VarError::NotPresent) => {}
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err(environment::wrong(name, "is not UTF-8"));
                }
            }
        }
        self.variables(variables)
    }

    /// Applies the same variables as [`env`](Self::env), from another source.
    ///
    /// ```
    /// # use redis_keyspace::Redis;
    /// let variables = [("REDIS_HOST", "10.0.0.5"), ("REDIS_PORT", "70000")];
    /// let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    /// let error = Redis::builder().variables(variables).unwrap_err();
    /// assert!(error.to_string().contains("REDIS_PORT is not a port from 1 to 65535"));
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`env`](Self::env).
    pub fn variables(self, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        self.with_environment(environment::read(variables)?)
    }

    fn with_environment(mut self, environment: Environment) -> Result<Self> {
        let Environment {
            url,
            host,
            port,
            nodes,
            cluster,
            watched,
            sentinel_username,
            sentinel_password,
            replicas,
            username,
            password,
            db,
            namespace,
            login,
            verify_writes,
            ..
        } = environment;
        if let Some(url) = url {
            self = self.with_url(url);
        }
        let replaces_port = host.is_none();
        self = self.with_nodes(nodes).host(host);
        if let Some(port) = port {
            self = if replaces_port { self.on_other_port(port) } else { self.port(port) };
        }
        self = self.username(username).db(db);
        if let Some(watched) = watched {
            self = self.with_endpoint(Endpoint::Sentinel(watched));
        }
        self.base.sentinel.username = sentinel_username.or(self.base.sentinel.username);
        self.base.sentinel.password = sentinel_password.or(self.base.sentinel.password);
        if !replicas.is_empty() {
            self.base.replicas = replicas;
        }
        self.base.password = password.or(self.base.password);
        self.base.verify_writes = verify_writes.unwrap_or(self.base.verify_writes);
        self.base.login = login.unwrap_or(self.base.login);
        self.base.cluster = cluster.or(self.base.cluster);
        #[cfg(feature = "tls")]
        self.change_tls(environment.tls)
            .map_err(|error| environment::wrong(&environment::tls_variable(error.option), &error.problem))?;
        self.namespace(namespace)
    }

    /// Uses another server on the same host. It is no server that a profile may require: the host
    /// may still be the default.
    fn on_other_port(mut self, port: u16) -> Self {
        let host = match &self.base.endpoint {
            Endpoint::Tcp { host, .. } => host.clone(),
            _ => "localhost".to_owned(),
        };
        let requires_server = self.requires_server;
        self = self.with_endpoint(Endpoint::Tcp { host, port });
        self.requires_server = requires_server;
        self
    }
}
