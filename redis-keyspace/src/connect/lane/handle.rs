//! The handle of a lane.

use std::sync::Arc;

use bytes::BytesMut;

use super::driver::Driver;
use super::limits::Room;
use super::queue::Queue;
use super::submitted::Submitted;
use super::wire::split;
use crate::connect::attempt::Origin;
use crate::connect::facts::ServerRun;
use crate::connect::stream::Stream;
use crate::error::Error;
use crate::protocol::Request;
use crate::time::Deadline;

/// A lane: one connection that any number of tasks use at once. Cheap to clone; the connection closes when the last clone is
/// dropped and no caller waits for a reply.
#[derive(Clone)]
pub(crate) struct Lane {
    handle: Arc<LaneHandle>,
}

struct LaneHandle {
    queue: Arc<Queue>,
    server: ServerRun,
    /// Why the server rejects MULTI, if it does. It would run the commands after a rejected MULTI one by one, so none may be
    /// sent.
    no_transactions: Option<Error>,
}

impl Drop for LaneHandle {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Lane {
    /// Starts the driver of a connection that is logged in. `unread` is what arrived after the last reply. Must be called
    /// within a runtime.
    pub(crate) fn spawn(
        stream: Stream,
        unread: BytesMut,
        origin: Origin,
        server: ServerRun,
        no_transactions: Option<Error>,
    ) -> Self {
        let (reader, writer) = split(stream);
        let queue = Arc::new(Queue::new(writer, Room::new(&origin.settings)));
        tokio::spawn(Driver::new(reader, unread, Arc::clone(&queue), origin));
        Self { handle: Arc::new(LaneHandle { queue, server, no_transactions }) }
    }

    /// Whether the lane still takes commands.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.handle.queue.is_open()
    }

    /// The run of its server.
    pub(crate) fn server(&self) -> ServerRun {
        self.handle.server
    }

    /// Queues a request.
    pub(crate) fn submit(&self, request: &Request, namespace: &str, deadline: Deadline) -> Submitted {
        if let Some(error) = &self.handle.no_transactions
            && request.is_transactional()
        {
            return Submitted::Refused(error.clone());
        }
        self.handle.queue.submit(request, namespace, deadline)
    }

    /// How many requests wait for replies.
    pub(crate) fn in_flight(&self) -> usize {
        self.handle.queue.in_flight()
    }

    /// Accepts no more commands, and ends when no caller waits for a reply.
    pub(crate) fn close(&self) {
        self.handle.queue.close();
    }

    /// Waits until the driver has ended.
    pub(crate) async fn ended(&self) {
        self.handle.queue.ended().await;
    }
}
