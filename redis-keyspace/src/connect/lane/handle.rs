//! The handle of a lane.

use std::sync::Arc;

use bytes::BytesMut;

use super::driver::Driver;
use super::limits::{Patience, Room};
use super::queue::Queue;
use super::submitted::Submitted;
use super::wire::split;
use crate::config::LoginMode;
use crate::connect::atomicity::{Atomicity, SendPlan};
use crate::connect::attempt::Origin;
use crate::connect::facts::{ServerFacts, ServerInfo, ServerRun};
use crate::connect::stream::ByteStream;
use crate::protocol::Request;
use crate::task::spawn_here;
use crate::time::Deadline;

/// A lane: one connection that any number of tasks use at the same time. Cloning is cheap. The
/// connection closes when the last clone is dropped and no caller waits for a reply.
#[derive(Clone)]
pub(crate) struct Lane {
    handle: Arc<LaneHandle>,
}

struct LaneHandle {
    queue: Arc<Queue>,
    server: ServerRun,
    /// The generation of connections that it belongs to.
    generation: u64,
    atomicity: Atomicity,
    /// Set if the pool fell back to a plain login. When a full login is due, another connection
    /// replaces this one.
    fallback_of: Option<Arc<ServerFacts>>,
}

impl Drop for LaneHandle {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Lane {
    /// Starts the driver of a connection that is logged in. `unread` contains the bytes after the
    /// last reply. Must be called within a runtime.
    pub(crate) fn spawn(
        stream: ByteStream,
        unread: BytesMut,
        origin: Origin,
        run: ServerRun,
        server: ServerInfo,
        generation: u64,
    ) -> Self {
        let (reader, writer) = split(stream);
        let is_fallback = server.is_plain && origin.settings.login != LoginMode::Plain;
        let fallback_of = is_fallback.then(|| Arc::clone(&origin.facts));
        let room = Room::new(&origin.settings, origin.shared_connections());
        let queue = Arc::new(Queue::new(writer, room, Patience::new(&origin.settings)));
        spawn_here(Driver::new(reader, unread, Arc::clone(&queue), origin));
        let atomicity = server.atomicity;
        Self { handle: Arc::new(LaneHandle { queue, server: run, generation, atomicity, fallback_of }) }
    }

    /// Whether the lane accepts commands. A lane with a plain login stops when a full login is due,
    /// and an encrypted one before its keys have been used too often.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        let is_full_login_due =
            self.handle.fallback_of.as_ref().is_some_and(|facts| facts.logins.is_full_login_due());
        if is_full_login_due || self.handle.queue.writer().is_worn_out() {
            self.close();
        }
        self.handle.queue.is_open()
    }

    /// The generation of connections that it belongs to.
    pub(crate) fn generation(&self) -> u64 {
        self.handle.generation
    }

    /// The run of the server.
    pub(crate) fn server(&self) -> ServerRun {
        self.handle.server
    }

    /// Returns how a request must be sent on this lane.
    #[inline]
    pub(crate) fn plan(&self, request: &Request) -> SendPlan {
        self.handle.atomicity.plan(request)
    }

    /// Queues a request. If its transactions must be sent as scripts on this lane, nothing is
    /// queued: the caller converts them first.
    pub(crate) fn submit(&self, request: &Request, namespace: &str, deadline: Deadline) -> Submitted {
        match self.plan(request) {
            SendPlan::Unchanged => self.handle.queue.submit(request, namespace, deadline),
            SendPlan::AsScript => Submitted::NoLane,
            SendPlan::Rejected(error) => Submitted::Refused(error),
        }
    }

    /// The number of requests that wait for replies.
    #[inline]
    pub(crate) fn in_flight(&self) -> usize {
        self.handle.queue.in_flight()
    }

    /// Stops accepting commands. The lane ends when no caller waits for a reply.
    pub(crate) fn close(&self) {
        self.handle.queue.close();
    }

    /// Stops accepting commands, because the server was replaced. The lane ends when no caller
    /// waits for a reply, or soon if the server is silent.
    pub(crate) fn retire(&self) {
        self.handle.queue.retire();
    }

    /// Waits until the driver has ended.
    pub(crate) async fn ended(&self) {
        self.handle.queue.ended().await;
    }

    /// Returns a reference that does not keep the lane open.
    pub(crate) fn downgrade(&self) -> LaneRef {
        LaneRef { queue: Arc::clone(&self.handle.queue) }
    }
}

/// A reference to a lane that does not keep it open.
pub(crate) struct LaneRef {
    queue: Arc<Queue>,
}

impl LaneRef {
    /// Queues a request on no keys. It is sent when all earlier ones are answered, and before later
    /// ones.
    pub(crate) fn submit_after_replies(&self, request: &Request, deadline: Deadline) -> Submitted {
        self.queue.submit_after_replies(request, deadline)
    }

    /// Whether the lane accepts no more commands.
    pub(crate) fn is_closed(&self) -> bool {
        !self.queue.is_open()
    }

    /// Waits until the driver has ended.
    pub(crate) async fn ended(&self) {
        self.queue.ended().await;
    }
}
