//! The loop that serves a connection.
//!
//! Reading never waits for writing. A client may send a large pipeline before it reads any reply.
//! If the server then waited until the client reads, both would wait forever.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::connection::Connection;
use super::output::shrink;
use super::pending::Waited;
use crate::command::Closing;
use crate::reply::Reply;
use crate::shared::Shared;
use crate::state::Endpoints;

/// The minimum and maximum buffer space that is reserved for a read.
const READ_SIZE: usize = 16 * 1024;
const MOST_READ: usize = 1024 * 1024;
/// The limit of input while a command blocks. As on a real server, a connection that exceeds it is
/// closed. Reading continues until then, because only a read detects that the client has
/// disconnected.
const QUERY_BUFFER_LIMIT: usize = 1024 * 1024 * 1024;

enum Event {
    Cut,
    /// The output limits may require closing the connection.
    CheckOutput,
    /// Keys may have expired, and their events are wanted or clients wait for them.
    CheckExpiry,
    Written(io::Result<()>),
    Read(io::Result<usize>),
    Message(Reply),
    Waited(Waited),
}

/// Opens a connection and returns the future that serves it until either side closes it.
///
/// The connection counts as open from this call on. While connections are refused, the future only
/// closes the stream.
pub(crate) fn open<S>(
    shared: &Arc<Shared>,
    stream: S,
    endpoints: Endpoints,
) -> impl Future<Output = ()> + Send + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = (!shared.is_refusing()).then(|| Connection::new(shared.clone(), endpoints));
    async move {
        if let Some(connection) = connection {
            run(connection, stream).await;
        }
    }
}

async fn run<S>(mut connection: Connection, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    let cut = connection.cut.clone();
    loop {
        connection.check_output();
        let writing = connection.output.is_pending();
        match connection.closing {
            Closing::AtOnce => return,
            Closing::No if !connection.has_nothing_left() => {}
            Closing::No | Closing::AfterOutput if writing => {}
            Closing::No | Closing::AfterOutput => {
                // Shuts down streams that support it. Fails if the client has disconnected.
                drop(writer.shutdown().await);
                return;
            }
        }
        let blocked = connection.is_blocked();
        let is_open = connection.closing == Closing::No;
        let reading = is_open && !connection.ended;
        if reading {
            shrink(&mut connection.input);
            let wanted = connection.parser.wanted(connection.input.len());
            connection.input.reserve(wanted.clamp(READ_SIZE, MOST_READ));
        }
        connection.output.shrink();
        let deadline = connection.output_deadline();
        let expiry = connection.expiry_check();
        let event = tokio::select! {
            biased;
            () = cut.notified() => Event::Cut,
            () = until(deadline) => Event::CheckOutput,
            () = until(expiry) => Event::CheckExpiry,
            Ok(()) = connection.limits.changed() => Event::CheckOutput,
            result = connection.output.write_some(&mut writer), if writing => Event::Written(result),
            waited = connection.pending.wait(), if blocked && is_open => Event::Waited(waited),
            Some(message) = connection.mailbox.recv() => Event::Message(message),
            result = reader.read_buf(&mut connection.input), if reading => Event::Read(result),
        };
        match event {
            Event::Cut => return,
            Event::CheckOutput | Event::Written(Ok(())) => {}
            Event::CheckExpiry => connection.check_expiry(),
            Event::Written(Err(_)) => {
                connection.ended = true;
                if connection.has_nothing_left() {
                    return;
                }
                connection.output.clear(); // the client has disconnected
            }
            Event::Read(Ok(0) | Err(_)) => connection.ended = true,
            Event::Read(Ok(_)) => {
                connection.execute_read();
                if blocked && connection.input.len() > QUERY_BUFFER_LIMIT {
                    connection.close(Closing::AfterOutput);
                }
            }
            Event::Message(message) => connection.answer(&message),
            Event::Waited(waited) => connection.resume(waited),
        }
    }
}

/// Waits until this time, or forever.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
