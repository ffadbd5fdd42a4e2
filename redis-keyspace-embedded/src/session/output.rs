//! The output buffer of a connection, within the limits of its class.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::limits::OutputLimit;
use crate::reply::Reply;
use crate::resp::{OutputFull, Protocol, write};

/// The maximum capacity that an empty buffer keeps.
const MOST_KEPT: usize = 1024 * 1024;

/// Frees the memory of a large buffer when it is empty.
pub(super) fn shrink(buffer: &mut BytesMut) {
    // Reclaiming succeeds only if all commands and values have released the memory. Until then, the
    // buffer has nothing to free.
    if buffer.is_empty() && buffer.try_reclaim(MOST_KEPT.saturating_add(1)) {
        *buffer = BytesMut::new();
    }
}

/// Replies and messages that are not written yet, because the client does not read them.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: BytesMut,
    /// Whether written bytes were not flushed yet.
    unflushed: bool,
    /// When the soft limit was first exceeded.
    exceeded: Option<Instant>,
}

impl Output {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is something to write or to flush.
    pub(super) fn is_pending(&self) -> bool {
        self.unflushed || !self.bytes.is_empty()
    }

    /// Adds a reply. It stops at the hard limit, so no reply takes more memory than that.
    pub(super) fn push(
        &mut self,
        reply: &Reply,
        protocol: Protocol,
        limit: &OutputLimit,
    ) -> Result<(), OutputFull> {
        write(&mut self.bytes, reply, protocol, limit.hard())
    }

    /// Discards unwritten output.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.unflushed = false;
    }

    /// Frees memory that is no longer needed.
    pub(super) fn shrink(&mut self) {
        shrink(&mut self.bytes);
    }

    /// Whether the connection must be closed now. The limits may have changed.
    pub(super) fn is_excessive(&mut self, limit: &OutputLimit) -> bool {
        self.exceeded = limit.is_soft_reached(self.len()).then(|| self.exceeded.unwrap_or_else(Instant::now));
        limit.is_reached(self.len())
            || self.deadline(limit).is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Returns the time until which the soft limit may be exceeded.
    pub(super) fn deadline(&self, limit: &OutputLimit) -> Option<Instant> {
        self.exceeded.and_then(|since| since.checked_add(limit.grace()))
    }

    /// Writes some bytes and removes them from the buffer. This holds even if it is cancelled.
    pub(super) async fn write_some<W: AsyncWrite + Unpin>(&mut self, writer: &mut W) -> io::Result<()> {
        if !self.bytes.is_empty() {
            if writer.write_buf(&mut self.bytes).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.unflushed = true;
        }
        if self.bytes.is_empty() {
            writer.flush().await?;
            self.unflushed = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, BytesMut};

    use super::{MOST_KEPT, Output, shrink};
    use crate::limits::OutputLimits;
    use crate::reply::Reply;
    use crate::resp::Protocol;

    #[test]
    fn an_empty_buffer_frees_its_memory_after_it_was_large() {
        let mut output = Output::default();
        let limits = OutputLimits::default();
        output.push(&Reply::bulk(vec![0; 2 * MOST_KEPT]), Protocol::Resp2, limits.of(false)).unwrap();
        output.bytes.advance(output.len());
        output.shrink();
        assert!(!output.bytes.try_reclaim(MOST_KEPT + 1));
        // Commands hold parts of the input and release them later.
        let mut input = BytesMut::from(&vec![0; 2 * MOST_KEPT][..]);
        let argument = input.split_to(2 * MOST_KEPT).freeze();
        shrink(&mut input);
        drop(argument);
        shrink(&mut input);
        assert!(!input.try_reclaim(MOST_KEPT + 1));
    }

    #[test]
    fn a_small_buffer_is_kept() {
        let mut buffer = BytesMut::with_capacity(MOST_KEPT / 2);
        shrink(&mut buffer);
        assert_eq!(buffer.capacity(), MOST_KEPT / 2);
    }
}
