//! What a pool keeps for its encrypted connections.

use std::hash::{BuildHasher, RandomState};
use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::client_config::client_config;
use super::failure::{Handshake, handshake_error};
use super::pem::Pems;
use super::session::TlsStream;
use crate::config::{Endpoint, PemSource, Tls};
use crate::error::{Error, ErrorKind, TlsFailure};
use crate::sync::lock;

/// How often invalid files are read again within one attempt to connect, and after which pause.
const RELOADS: u32 = 2;
const RELOAD_AFTER: Duration = Duration::from_millis(20);

/// What a pool keeps for its encrypted connections.
#[derive(Debug, Default)]
pub(in crate::connect) struct TlsContext {
    /// The configuration of the last connection, with a hash of the bytes that it was made from.
    /// Connections that share a configuration resume sessions, which makes handshakes cheaper.
    current: Mutex<Option<(u64, Arc<ClientConfig>)>>,
    hasher: RandomState,
    /// Whether the last handshake was sent and the server has not answered.
    unanswered: AtomicBool,
}

impl TlsContext {
    /// Starts an attempt to connect, and returns its configuration. Reads the files again.
    pub(in crate::connect) async fn config(self: &Arc<Self>, tls: &Tls) -> Result<Arc<ClientConfig>, Error> {
        // What the last attempt found says nothing about this one.
        self.unanswered.store(false, Ordering::Relaxed);
        let is_file = |source: &PemSource| matches!(source, PemSource::File(_));
        let has_files = tls.ca.as_ref().is_some_and(is_file)
            || tls.client.as_ref().is_some_and(|client| is_file(&client.chain) || is_file(&client.key));
        if !has_files && let Some((_, config)) = &*lock(&self.current) {
            return Ok(Arc::clone(config));
        }
        let (context, tls) = (Arc::clone(self), tls.clone());
        let loading = tokio::task::spawn_blocking(move || context.load(&tls));
        loading.await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::Unavailable,
                "TLS files could not be read: the runtime is shutting down",
            ))
        })
    }

    /// Loads the files. Blocks.
    fn load(&self, tls: &Tls) -> Result<Arc<ClientConfig>, Error> {
        for _ in 0..RELOADS {
            if let Ok(config) = self.load_once(tls) {
                return Ok(config);
            }
            // A tool may be replacing the files: for a moment, a certificate and its key do not
            // belong together.
            std::thread::sleep(RELOAD_AFTER);
        }
        self.load_once(tls)
    }

    fn load_once(&self, tls: &Tls) -> Result<Arc<ClientConfig>, Error> {
        let pems = Pems::read(tls)?;
        let hash = self.hasher.hash_one(&pems);
        if let Some((of, config)) = &*lock(&self.current)
            && *of == hash
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(client_config(tls, &pems)?);
        if tls.accepts_any_certificate {
            event!(warn, "TLS certificates are not verified: `danger_accept_any_certificate` is set");
        }
        *lock(&self.current) = Some((hash, Arc::clone(&config)));
        Ok(config)
    }

    /// Encrypts a new connection.
    pub(in crate::connect) async fn connect(
        &self,
        socket: TcpStream,
        config: Arc<ClientConfig>,
        tls: &Tls,
        endpoint: &Endpoint,
    ) -> Result<TlsStream, Error> {
        let name = server_name(tls, endpoint)?;
        let heard = || self.unanswered.store(false, Ordering::Relaxed);
        self.unanswered.store(true, Ordering::Relaxed);
        let mut stream = TlsStream::new(socket, config, name)
            .map_err(|error| Error::configuration(format!("TLS can't be started: {error}")))?;
        let outcome = stream.handshake(heard).await;
        heard();
        match outcome {
            Ok(()) => Ok(stream),
            Err(error) => {
                let handshake = Handshake { tls, knows_server: stream.knows_server() };
                Err(handshake_error(&endpoint.to_string(), error, &handshake))
            }
        }
    }

    /// Adds the likely cause to the error of an attempt that took too long.
    pub(in crate::connect) fn explain_timeout(&self, error: Error) -> Error {
        if !self.unanswered.load(Ordering::Relaxed) {
            return error;
        }
        error
            .explained(
                "it accepted the connection, but did not answer the TLS handshake; a port without TLS stays silent, \
                 so check the port",
            )
            .of_tls(TlsFailure::NoAnswer)
    }
}

/// Returns the name that the certificate of the server must contain.
fn server_name(tls: &Tls, endpoint: &Endpoint) -> Result<ServerName<'static>, Error> {
    let host = match (&tls.server_name, endpoint) {
        (Some(name), _) => name,
        (None, Endpoint::Tcp { host, .. }) => host,
        (None, _) => return Err(Error::configuration("TLS needs a host")),
    };
    // A zone is a name of this machine, and the dot at the end is not part of names in
    // certificates.
    let address = host.split('%').next().unwrap_or_default();
    let name = if address.parse::<Ipv6Addr>().is_ok() { address } else { host.trim_end_matches('.') };
    ServerName::try_from(name.to_owned()).map_err(|_| {
        Error::configuration(format!(
            "`{name}` can't be the name in a TLS certificate; set the name with `Tls::server_name` or \
             REDIS_TLS_SERVER_NAME"
        ))
    })
}
