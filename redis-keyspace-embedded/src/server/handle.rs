//! The handle of a server: creation, faults and scripts.

use std::sync::Arc;

use bytes::Bytes;

use crate::builder::ServerBuilder;
use crate::fault::{Fault, FaultGuard};
use crate::reply::Reply;
use crate::script::ScriptContext;
use crate::shared::Shared;

/// An in-process server that speaks the Redis protocol.
///
/// This is a cheap handle: all clones share the data. The data lives as long as a handle or a
/// connection exists.
///
/// ```
/// use redis_keyspace_embedded::Server;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let server = Server::new();
/// let mut connection = server.connect()?;
/// connection.write_all(b"SET greeting hello\r\n").await?;
/// let mut reply = [0; 5];
/// connection.read_exact(&mut reply).await?;
/// assert_eq!(&reply, b"+OK\r\n");
/// assert_eq!(server.get(0, b"greeting").as_deref(), Some(&b"hello"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Server {
    pub(super) shared: Arc<Shared>,
}

impl Server {
    /// Creates an empty server with 16 databases and no password. It needs no runtime until a
    /// client connects.
    ///
    /// ```
    /// use redis_keyspace_embedded::Server;
    ///
    /// let server = Server::new();
    /// assert!(server.keys(0).is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Returns a builder for a server with other options.
    ///
    /// ```
    /// use redis_keyspace_embedded::Server;
    ///
    /// let server = Server::builder().databases(2).password("secret").build();
    /// # drop(server);
    /// ```
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// Returns the `run_id` that INFO reports. It is different for each server.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.shared.run_id
    }

    /// Injects a fault. It lasts until the guard is dropped or its [`times`](Fault::times) are used
    /// up.
    ///
    /// If several faults match a command, the one that was injected first applies.
    ///
    /// ```
    /// use redis_keyspace_embedded::{Fault, Server};
    ///
    /// let server = Server::new();
    /// let lost_reply = server.inject(Fault::close_after().on("INCR").times(1));
    /// # drop(lost_reply);
    /// ```
    pub fn inject(&self, fault: Fault) -> FaultGuard {
        self.shared.faults.add(fault)
    }

    /// Registers a function that this server runs in place of the Lua script with exactly this
    /// text.
    ///
    /// EVALSHA can run the script after EVAL or SCRIPT LOAD has sent its text, as on a real server.
    ///
    /// The function runs while the server is locked, so no other command runs between its commands.
    /// It must not use handles of the server, which would deadlock.
    ///
    /// ```
    /// use redis_keyspace_embedded::{Reply, Server};
    ///
    /// let server = Server::new();
    /// server.register_script("return redis.call('GET', KEYS[1])", |script, keys, _arguments| {
    ///     script.call(&[&b"GET"[..], &keys[0]])
    /// });
    /// # let _ = Reply::Nil;
    /// ```
    pub fn register_script<F>(&self, text: impl AsRef<[u8]>, script: F)
    where
        F: Fn(&mut ScriptContext<'_, '_>, &[Bytes], &[Bytes]) -> Reply + Send + Sync + 'static,
    {
        self.shared.state().scripts.register(text.as_ref(), Arc::new(script));
    }

    /// Registers a function that FCALL runs under this name, in place of the Lua function.
    ///
    /// As on a real server, FCALL finds it only after FUNCTION LOAD. The server does not run Lua:
    /// the loaded library must only contain the name somewhere in its text.
    ///
    /// The function runs as a [registered script](Self::register_script) does.
    ///
    /// ```
    /// use redis_keyspace_embedded::{Reply, Server};
    ///
    /// let server = Server::new();
    /// server.register_function("read", |script, keys, _arguments| script.call(&[&b"GET"[..], &keys[0]]));
    /// # let _ = Reply::Nil;
    /// ```
    pub fn register_function<F>(&self, name: &str, function: F)
    where
        F: Fn(&mut ScriptContext<'_, '_>, &[Bytes], &[Bytes]) -> Reply + Send + Sync + 'static,
    {
        self.shared.state().scripts.register_function(name, Arc::new(function));
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerBuilder {
    /// Creates the server. It needs no runtime until a client connects.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// let server = Server::builder().build();
    /// assert_eq!(server.connection_count(), 0);
    /// ```
    #[must_use]
    pub fn build(self) -> Server {
        Server { shared: Arc::new(Shared::new(self)) }
    }
}
