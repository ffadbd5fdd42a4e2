//! Changes users while the server runs.

use super::handle::Server;

impl Server {
    /// Adds a user with all permissions, or changes its password.
    ///
    /// Open connections stay logged in, as on a real server.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// let server = Server::builder().user("app", "old").build();
    /// server.set_user("app", "new");
    /// ```
    pub fn set_user(&self, name: impl Into<String>, password: impl Into<String>) {
        self.shared.set_user(name.into(), password.into());
    }

    /// Removes a user, and closes its connections at once. Returns whether the user existed.
    ///
    /// A real server never removes the user `default`. This one does, and new connections must then
    /// log in as another user.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// let server = Server::builder().user("app", "secret").build();
    /// assert!(server.remove_user("app"));
    /// assert!(!server.remove_user("app"));
    /// ```
    pub fn remove_user(&self, name: &str) -> bool {
        self.shared.remove_user(name)
    }
}
