//! Options of a server.

use std::collections::HashMap;

/// Options of a server, from [`Server::builder`](crate::Server::builder).
///
/// ```
/// use redis_keyspace_embedded::Server;
///
/// let server = Server::builder().databases(4).password("secret").build();
/// # drop(server);
/// ```
#[derive(Clone)]
#[must_use = "call `build` to get the server"]
pub struct ServerBuilder {
    pub(crate) databases: usize,
    pub(crate) users: HashMap<String, Option<String>>,
    pub(crate) logged_commands: usize,
    pub(crate) cluster: bool,
}

impl ServerBuilder {
    pub(crate) fn new() -> Self {
        Self {
            databases: 16,
            users: HashMap::from([("default".to_owned(), None)]),
            logged_commands: 0,
            cluster: false,
        }
    }

    /// Sets the number of databases. The default is 16, the minimum 1.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// let server = Server::builder().databases(1).build();
    /// # drop(server);
    /// ```
    pub fn databases(mut self, databases: usize) -> Self {
        self.databases = databases.max(1);
        self
    }

    /// Sets the password of the user `default`. Connections must then authenticate.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// let server = Server::builder().password("secret").build();
    /// # drop(server);
    /// ```
    pub fn password(self, password: impl Into<String>) -> Self {
        self.user("default", password)
    }

    /// Adds a user with all permissions.
    ///
    /// Connections start as `default`, which has no password unless [`password`](Self::password)
    /// sets one.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// let server = Server::builder().password("secret").user("app", "other").build();
    /// # drop(server);
    /// ```
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.users.insert(name.into(), Some(password.into()));
        self
    }

    /// Logs the last `limit` commands for [`Server::command_log`](crate::Server::command_log), up
    /// to about 64 MiB. The default is 0.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// let server = Server::builder().log_commands(1_000).build();
    /// assert!(server.command_log().is_empty());
    /// ```
    pub fn log_commands(mut self, limit: usize) -> Self {
        self.logged_commands = limit;
        self
    }

    /// Runs the server as a cluster with a single node that owns all slots.
    ///
    /// It has one database, and commands on keys of several slots fail with `CROSSSLOT`, as on any
    /// cluster. `CLUSTER SLOTS`, `SHARDS` and `NODES` describe the node. Its host name is empty: a
    /// client uses the address that it connected to.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// let server = Server::builder().cluster().build();
    /// # drop(server);
    /// ```
    pub fn cluster(mut self) -> Self {
        self.cluster = true;
        self
    }
}

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut users: Vec<_> = self.users.keys().collect();
        users.sort();
        f.debug_struct("ServerBuilder")
            .field("databases", &self.databases)
            .field("users", &users) // names only: passwords stay out of logs
            .field("logged_commands", &self.logged_commands)
            .field("cluster", &self.cluster)
            .finish()
    }
}
