//! Listening sockets, for clients that need an address.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use crate::session;
use crate::shared::Shared;
use crate::state::Endpoints;

/// A listener that accepts connections until it is dropped. Accepted connections stay open.
///
/// ```
/// use redis_keyspace_embedded::Server;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let server = Server::new();
/// let listener = server.listen().await?;
/// assert!(listener.url().starts_with("redis://127.0.0.1:"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping the listener stops listening"]
pub struct Listener {
    address: Option<SocketAddr>,
    url: String,
    accepting: AbortHandle,
    #[cfg(unix)]
    socket: Option<std::path::PathBuf>,
}

impl Listener {
    /// Returns the TCP address, or `None` for a unix socket.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = Server::new().listen().await?;
    /// assert!(listener.addr().is_some_and(|addr| addr.ip().is_loopback()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn addr(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns the URL that clients connect to: `redis://127.0.0.1:PORT`, `rediss://127.0.0.1:PORT`
    /// with TLS, or `redis+unix:///path`.
    ///
    /// ```
    /// # use redis_keyspace_embedded::Server;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let listener = Server::new().listen().await?;
    /// println!("redis-cli -u {}", listener.url());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) async fn tcp(shared: Arc<Shared>, address: SocketAddr) -> io::Result<Self> {
        Self::tcp_with(address, "redis", move |stream, endpoints| {
            tokio::spawn(session::open(&shared, stream, endpoints));
        })
        .await
    }

    #[cfg(feature = "tls")]
    pub(crate) async fn tls(
        shared: Arc<Shared>,
        address: SocketAddr,
        tls: &crate::tls::ServerTls,
    ) -> io::Result<Self> {
        let acceptor = tls.acceptor();
        Self::tcp_with(address, "rediss", move |stream, endpoints| {
            let (shared, accepting) = (Arc::clone(&shared), acceptor.accept(stream));
            tokio::spawn(async move {
                // The client learns from an alert why its handshake failed.
                if let Ok(stream) = accepting.await {
                    session::open(&shared, stream, endpoints).await;
                }
            });
        })
        .await
    }

    /// Passes each accepted connection to `serve`, which must not block.
    async fn tcp_with(
        address: SocketAddr,
        scheme: &str,
        serve: impl Fn(TcpStream, Endpoints) + Send + 'static,
    ) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "the embedded server listens only on loopback addresses, not on {address}: it is made \
                     for tests and is not protected against attacks from a network"
                ),
            ));
        }
        let listener = tokio::net::TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let accepting = spawn(async move {
            loop {
                if let Ok((stream, peer)) = listener.accept().await {
                    // Replies are written in one piece, so Nagle's algorithm would only delay them.
                    drop(stream.set_nodelay(true));
                    let endpoints =
                        Endpoints { peer: peer.to_string(), local: address.to_string(), is_unix: false };
                    serve(stream, endpoints);
                } else {
                    pause().await; // the process may be out of file descriptors; retry later
                }
            }
        });
        Ok(Self {
            address: Some(address),
            url: format!("{scheme}://{address}"),
            accepting,
            #[cfg(unix)]
            socket: None,
        })
    }

    #[cfg(unix)]
    pub(crate) async fn unix(shared: Arc<Shared>, path: &std::path::Path) -> io::Result<Self> {
        let listener = tokio::net::UnixListener::bind(path)?;
        let path = std::path::absolute(path)?;
        let name = path.display().to_string();
        let url = format!("redis+unix://{name}");
        let accepting = spawn(async move {
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    let address = format!("{name}:0");
                    let endpoints = Endpoints { peer: address.clone(), local: address, is_unix: true };
                    tokio::spawn(session::open(&shared, stream, endpoints));
                } else {
                    pause().await;
                }
            }
        });
        Ok(Self { address: None, url, accepting, socket: Some(path) })
    }
}

fn spawn(accepting: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    tokio::spawn(accepting).abort_handle()
}

async fn pause() {
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
        #[cfg(unix)]
        if let Some(path) = &self.socket {
            // The file may be gone already, and a destructor cannot report an error.
            drop(std::fs::remove_file(path));
        }
    }
}
