//! The stream of an encrypted connection, and its two halves on a lane.
//!
//! Written bytes count as written when the socket has taken their records. So a lane needs no
//! separate flush, and a caller that writes on an idle lane never leaves bytes behind that no task
//! would send.

use std::future::poll_fn;
use std::io::{self, BufRead, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, SupportedCipherSuite};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::io::poll_read_buf;

use crate::sync::lock;

/// How much is read from the socket at once: a whole record, with its header.
const INCOMING: usize = 17 * 1024;
/// Longer writes of callers are left to the driver, because encrypting them takes time, and a
/// caller holds the lock of the queue.
const DIRECT: usize = 16 * 1024;
/// The most bytes in a record.
const RECORD: usize = 16 * 1024;
/// How much is read at most to find out why the peer has closed the connection.
const LAST_WORDS: usize = 64 * 1024;

/// An encrypted connection.
#[derive(Debug)]
pub(in crate::connect) struct TlsStream {
    reader: TlsReader,
    writer: TlsWriter,
}

/// The half that reads.
#[derive(Debug)]
pub(in crate::connect) struct TlsReader {
    socket: OwnedReadHalf,
    /// Bytes from the socket that the session has not taken.
    incoming: BytesMut,
    /// The error of the session, after all bytes that came before it.
    failed: Option<io::Error>,
    shared: Arc<SharedSession>,
}

/// The half that writes. Several tasks may use it.
#[derive(Debug)]
pub(in crate::connect) struct TlsWriter {
    shared: Arc<SharedSession>,
}

#[derive(Debug)]
struct SharedSession {
    socket: OwnedWriteHalf,
    session: Mutex<Session>,
    /// Whether the connection should be replaced soon.
    is_worn_out: AtomicBool,
}

#[derive(Debug)]
struct Session {
    connection: ClientConnection,
    /// How many bytes the session has taken that are not reported as written. The next write starts
    /// with the same bytes.
    unreported: usize,
    /// How many records were sent, and how many the cipher suite allows with the same keys. rustls
    /// renews the keys of TLS 1.3 by itself. At the limit of TLS 1.2, it drops what is written.
    records: u64,
    limit: Option<u64>,
}

impl Session {
    /// Encrypts bytes, and returns how many.
    fn encrypt(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let records = |bytes: usize| u64::try_from(bytes.div_ceil(RECORD)).unwrap_or(u64::MAX);
        if self.records.saturating_add(records(bytes.len())) >= self.limit() {
            return Err(io::Error::other(
                "the TLS session has sent as many records as its cipher suite allows; a new connection is needed",
            ));
        }
        let taken = self.connection.writer().write(bytes)?;
        self.records += records(taken);
        Ok(taken)
    }

    /// How many records the cipher suite allows.
    fn limit(&mut self) -> u64 {
        let allowed = match self.connection.negotiated_cipher_suite() {
            Some(SupportedCipherSuite::Tls12(suite)) => suite.common.confidentiality_limit,
            _ => u64::MAX,
        };
        *self.limit.get_or_insert(allowed)
    }

    /// Whether most of the records that are allowed were sent.
    fn is_worn_out(&mut self) -> bool {
        self.records >= self.limit() / 10 * 9
    }

    /// Passes received bytes to the session, which removes some of them. Returns how many: none
    /// after the peer has ended the session.
    fn decrypt(&mut self, incoming: &mut BytesMut) -> io::Result<usize> {
        let taken = self.connection.read_tls(&mut incoming.as_ref())?;
        incoming.advance(taken);
        let processed = self.connection.process_new_packets();
        processed.map(|_| taken).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

/// The socket as a blocking writer that never blocks.
struct SocketWriter<'s>(&'s OwnedWriteHalf);

impl Write for SocketWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SharedSession {
    fn encrypt(&self, session: &mut Session, bytes: &[u8]) -> io::Result<usize> {
        let taken = session.encrypt(bytes)?;
        if session.is_worn_out() {
            self.is_worn_out.store(true, Ordering::Relaxed);
        }
        Ok(taken)
    }

    /// Writes all records of the session that are ready. All of them that fit take one system call.
    fn try_flush(&self, session: &mut Session) -> io::Result<()> {
        while session.connection.wants_write() {
            if session.connection.write_tls(&mut SocketWriter(&self.socket))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Writes all records of the session that are ready, or registers the waker.
    fn poll_flush(&self, session: &mut Session, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.try_flush(session) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.as_ref().poll_write_ready(context))?;
                }
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    fn shut_down(&self) -> io::Result<()> {
        let mut session = lock(&self.session);
        session.connection.send_close_notify();
        // The connection ends anyway, so the peer may miss it.
        let _ = self.try_flush(&mut session);
        SockRef::from(self.socket.as_ref()).shutdown(Shutdown::Both)
    }
}

impl TlsReader {
    /// Reads from the socket. Returns 0 at the end of the stream.
    fn poll_socket(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.incoming.reserve(INCOMING);
        poll_read_buf(Pin::new(&mut self.socket), context, &mut self.incoming)
    }

    /// Decrypts what has arrived and passes it to `take`, which returns how many bytes it has
    /// taken, and 0 only if it has no more room. Returns how many it has taken in total, and 0 at
    /// the end of the stream.
    fn poll_plaintext(
        &mut self,
        context: &mut Context<'_>,
        mut take: impl FnMut(&[u8]) -> usize,
    ) -> Poll<io::Result<usize>> {
        let (mut total, mut unwritable) = (0, None);
        loop {
            let mut session = lock(&self.shared.session);
            if unwritable.is_none()
                && session.connection.wants_write()
                && let Poll::Ready(Err(error)) = self.shared.poll_flush(&mut session, context)
            {
                // The peer may have sent replies before it closed the connection.
                unwritable = Some(error);
            }
            let ended = loop {
                let mut reader = session.connection.reader();
                let taken = match reader.fill_buf() {
                    // Without the message that ends a session, the end is the same for us: a
                    // truncated reply is never taken for a whole one.
                    Ok([]) => break true,
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break true,
                    Ok(plaintext) => take(plaintext),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        if self.incoming.is_empty() {
                            break false;
                        }
                        let decrypted = session.decrypt(&mut self.incoming);
                        // An alert, or the answer to an update of the keys.
                        let _ = self.shared.poll_flush(&mut session, context);
                        if let Err(error) = decrypted {
                            // The records before the invalid one are read first.
                            self.failed = Some(error);
                            self.incoming.clear();
                        }
                        continue;
                    }
                    Err(error) => return Poll::Ready(Err(error)),
                };
                if taken == 0 {
                    return Poll::Ready(Ok(total));
                }
                reader.consume(taken);
                total += taken;
            };
            drop(session);
            if total == 0
                && let Some(error) = self.failed.take()
            {
                return Poll::Ready(Err(error));
            }
            if total > 0 || ended {
                return Poll::Ready(Ok(total));
            }
            match (self.poll_socket(context), unwritable.take()) {
                (Poll::Ready(Ok(read)), error) if read > 0 => unwritable = error,
                (_, Some(error)) => return Poll::Ready(Err(error)),
                (read, None) => {
                    if ready!(read)? == 0 {
                        return Poll::Ready(Ok(0));
                    }
                }
            }
        }
    }

    /// Reads into the room that the buffer has. Returns 0 at the end of the stream.
    pub(in crate::connect) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        self.poll_plaintext(context, |plaintext| {
            let room = input.capacity() - input.len();
            let taken = plaintext.get(..room).unwrap_or(plaintext);
            input.extend_from_slice(taken);
            taken.len()
        })
    }

    /// Returns why the peer has closed the connection, if it has sent the reason.
    pub(super) fn reason(&mut self) -> Option<io::Error> {
        while self.incoming.len() < LAST_WORDS
            && self.socket.try_read_buf(&mut self.incoming).is_ok_and(|read| read > 0)
        {}
        let mut session = lock(&self.shared.session);
        while !self.incoming.is_empty() {
            match session.decrypt(&mut self.incoming) {
                // The peer has ended the session before. It says nothing more.
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    return Some(error)
                        .filter(|error| error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()));
                }
            }
        }
        None
    }

    /// Waits until bytes have arrived.
    #[cfg(test)]
    pub(super) async fn arrival(&mut self) -> io::Result<()> {
        self.socket.peek(&mut [0]).await.map(drop)
    }
}

impl TlsWriter {
    /// Whether the connection should be replaced soon, because its keys can't be used for long.
    #[inline]
    pub(in crate::connect) fn is_worn_out(&self) -> bool {
        self.shared.is_worn_out.load(Ordering::Relaxed)
    }

    /// Closes the connection for writing, as if the peer had reset it.
    #[cfg(test)]
    pub(super) fn close_for_writing(&self) -> io::Result<()> {
        SockRef::from(self.shared.socket.as_ref()).shutdown(Shutdown::Write)
    }

    /// Sets how many records may be sent.
    #[cfg(test)]
    pub(super) fn set_limit(&self, records: u64) {
        lock(&self.shared.session).limit = Some(records);
    }

    /// Closes the connection, even while other tasks hold this writer.
    pub(in crate::connect) fn shut_down(&self) -> io::Result<()> {
        self.shared.shut_down()
    }

    /// Writes what fits now, without registering a waker. If the socket does not take all records,
    /// no byte counts as written, and the next [`poll_write`](Self::poll_write) continues.
    pub(in crate::connect) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > DIRECT {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut session = lock(&self.shared.session);
        if session.unreported > 0 || session.connection.wants_write() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        session.unreported = self.shared.encrypt(&mut session, bytes)?;
        self.shared.try_flush(&mut session)?;
        Ok(std::mem::take(&mut session.unreported))
    }

    /// Writes what fits now, or registers the waker. The bytes must start with those of the last
    /// call, without the ones that it has written.
    pub(in crate::connect) fn poll_write(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut session = lock(&self.shared.session);
        if session.unreported == 0 {
            ready!(self.shared.poll_flush(&mut session, context))?;
            session.unreported = self.shared.encrypt(&mut session, bytes)?;
        }
        ready!(self.shared.poll_flush(&mut session, context))?;
        Poll::Ready(Ok(std::mem::take(&mut session.unreported)))
    }
}

impl TlsStream {
    pub(super) fn new(
        socket: TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, rustls::Error> {
        let connection = ClientConnection::new(config, name)?;
        let (reader, writer) = socket.into_split();
        let session = Mutex::new(Session { connection, unreported: 0, records: 0, limit: None });
        let shared = Arc::new(SharedSession { socket: writer, session, is_worn_out: AtomicBool::new(false) });
        let reader = TlsReader {
            socket: reader,
            incoming: BytesMut::with_capacity(INCOMING),
            failed: None,
            shared: Arc::clone(&shared),
        };
        Ok(Self { reader, writer: TlsWriter { shared } })
    }

    /// Completes the handshake. Calls `heard` when the server answers.
    pub(super) async fn handshake(&mut self, heard: impl Fn()) -> io::Result<()> {
        poll_fn(|context| {
            loop {
                {
                    let shared = &self.writer.shared;
                    let mut session = lock(&shared.session);
                    if self.reader.incoming.is_empty() || !session.connection.is_handshaking() {
                        ready!(shared.poll_flush(&mut session, context))?;
                    }
                    if !session.connection.is_handshaking() {
                        return Poll::Ready(Ok(()));
                    }
                    if !self.reader.incoming.is_empty() {
                        let decrypted = session.decrypt(&mut self.reader.incoming);
                        if decrypted.is_err() {
                            // Tell the peer why.
                            let _ = shared.try_flush(&mut session);
                        }
                        decrypted?;
                        continue;
                    }
                }
                if ready!(self.reader.poll_socket(context))? == 0 {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                heard();
            }
        })
        .await
    }

    /// Whether the certificate of the server was accepted.
    pub(super) fn knows_server(&self) -> bool {
        lock(&self.writer.shared.session).connection.peer_certificates().is_some()
    }

    /// Splits the stream for a lane.
    pub(in crate::connect) fn into_split(self) -> (TlsReader, TlsWriter) {
        (self.reader, self.writer)
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let read = self.get_mut().reader.poll_plaintext(context, |plaintext| {
            let taken = plaintext.get(..buffer.remaining()).unwrap_or(plaintext);
            buffer.put_slice(taken);
            taken.len()
        });
        read.map_ok(drop)
    }
}

/// Bytes count as written when the session has taken them, as usual for this trait. Callers flush.
impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let shared = &this.writer.shared;
        let mut session = lock(&shared.session);
        let outcome = match ready!(shared.poll_flush(&mut session, context)) {
            Ok(()) => {
                let taken = shared.encrypt(&mut session, bytes)?;
                match shared.poll_flush(&mut session, context) {
                    Poll::Ready(Err(error)) => Err(error),
                    _ => Ok(taken),
                }
            }
            Err(error) => Err(error),
        };
        drop(session);
        // A peer that rejects the client sends an alert and closes the connection. A write that
        // fails then must not hide the alert.
        Poll::Ready(outcome.map_err(|error| this.reader.reason().unwrap_or(error)))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = {
            let shared = &this.writer.shared;
            shared.poll_flush(&mut lock(&shared.session), context)
        };
        Poll::Ready(ready!(flushed).map_err(|error| this.reader.reason().unwrap_or(error)))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.writer.shared.shut_down())
    }
}
