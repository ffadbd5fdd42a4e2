//! Opens, refuses and closes connections.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};

use super::handle::Server;
use crate::listener::Listener;
use crate::session;
use crate::state::Endpoints;
#[cfg(feature = "tls")]
use crate::tls::ServerTls;

/// The buffer size of an in-memory connection in each direction. When it is full, the writer waits.
const IN_MEMORY_BUFFER: usize = 64 * 1024;

impl Server {
    /// Opens an in-memory connection, served by a task on the current tokio runtime. Dropping the
    /// stream closes the connection.
    ///
    /// # Errors
    ///
    /// Fails if it is called outside of a tokio runtime, or while connections are
    /// [refused](Self::refuse_connections).
    ///
    /// ```
    /// use redis_keyspace_embedded::Server;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = Server::new();
    /// let connection = server.connect()?;
    /// assert_eq!(server.connection_count(), 1);
    /// # drop(connection);
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect(&self) -> io::Result<DuplexStream> {
        if self.shared.is_refusing() {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionRefused,
                "the embedded server refuses connections; call `refuse_connections(false)` to accept them",
            ));
        }
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| io::Error::other("connecting to the embedded server requires a tokio runtime"))?;
        let (near, far) = tokio::io::duplex(IN_MEMORY_BUFFER);
        runtime.spawn(session::open(&self.shared, far, Endpoints::named("embedded:0")));
        Ok(near)
    }

    /// Serves one connection over any stream until either side closes it.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the connection. A command in flight is either executed or not;
    /// its reply is lost.
    ///
    /// ```
    /// use redis_keyspace_embedded::Server;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let server = Server::new();
    /// let (client, stream) = tokio::io::duplex(4096);
    /// let serving = tokio::spawn(server.serve(stream));
    /// drop(client);
    /// serving.await.expect("the session ends with the connection");
    /// # }
    /// ```
    pub fn serve<S>(&self, stream: S) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shared = self.shared.clone();
        async move { session::open(&shared, stream, Endpoints::named("stream:0")).await }
    }

    /// Listens on a free port of 127.0.0.1, for clients that need an address.
    ///
    /// # Errors
    ///
    /// Fails if the operating system has no free port.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before it completes leaves nothing behind. Dropping the [`Listener`]
    /// stops listening.
    ///
    /// ```
    /// use redis_keyspace_embedded::Server;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = Server::new().listen().await?;
    /// println!("redis-cli -u {}", listener.url());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn listen(&self) -> io::Result<Listener> {
        self.listen_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Listens on this address. Port 0 picks a free port.
    ///
    /// # Errors
    ///
    /// Fails if the address is not a loopback address, because the server is not protected against
    /// attacks from a network, or if the address is in use.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before it completes leaves nothing behind. Dropping the [`Listener`]
    /// stops listening.
    ///
    /// ```
    /// use redis_keyspace_embedded::Server;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = Server::new();
    /// let listener = server.listen_tcp(([127, 0, 0, 1], 0).into()).await?;
    /// # drop(listener);
    /// assert!(server.listen_tcp(([0, 0, 0, 0], 0).into()).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn listen_tcp(&self, address: SocketAddr) -> io::Result<Listener> {
        Listener::tcp(self.shared.clone(), address).await
    }

    /// Listens on a free port of 127.0.0.1 with TLS. Feature `tls`.
    ///
    /// A client must know a name in the certificate, for example the IP address, and trust the CA
    /// that has issued it. [`ServerTls`] has an example.
    ///
    /// # Errors
    ///
    /// Fails if the operating system has no free port.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before it completes leaves nothing behind. Dropping the [`Listener`]
    /// stops listening.
    #[cfg(feature = "tls")]
    pub async fn listen_tls(&self, tls: &ServerTls) -> io::Result<Listener> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Listener::tls(self.shared.clone(), address, tls).await
    }

    /// Listens on a unix socket at this path.
    ///
    /// # Errors
    ///
    /// Fails if the path already exists, or if the socket cannot be created there.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before it completes leaves nothing behind. Dropping the [`Listener`]
    /// stops listening and removes the socket.
    ///
    /// ```
    /// use redis_keyspace_embedded::Server;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("redis.sock");
    /// let listener = Server::new().listen_unix(&path).await?;
    /// assert!(listener.url().starts_with("redis+unix:///"));
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(unix)]
    pub async fn listen_unix(&self, path: impl AsRef<std::path::Path>) -> io::Result<Listener> {
        Listener::unix(self.shared.clone(), path.as_ref()).await
    }

    /// Returns the number of open connections.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// assert_eq!(Server::new().connection_count(), 0);
    /// ```
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.shared.state().clients.len()
    }

    /// Closes all open connections at once. Commands in flight get no reply.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// # use tokio::io::AsyncReadExt;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = Server::new();
    /// let mut connection = server.connect()?;
    /// server.disconnect_all();
    /// assert_eq!(connection.read(&mut [0; 16]).await?, 0); // end of stream
    /// # Ok(())
    /// # }
    /// ```
    pub fn disconnect_all(&self) {
        let mut state = self.shared.state();
        let open: Vec<u64> = state.clients.keys().copied().collect();
        open.into_iter().for_each(|id| state.disconnect(id));
    }

    /// Refuses new connections, or accepts them again. Open connections are not affected.
    ///
    /// While connections are refused, [`connect`](Self::connect) fails, and a listener closes each
    /// connection that it accepts.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// let server = Server::new();
    /// server.refuse_connections(true);
    /// assert!(server.connect().is_err());
    /// ```
    pub fn refuse_connections(&self, refuse: bool) {
        self.shared.refuse(refuse);
    }
}
