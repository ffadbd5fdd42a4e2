//! A lane: one connection that any number of tasks share at once.
//!
//! A command is encoded into the lane's buffer by the task that wants it, under a lock held for a copy. A caller that is
//! alone on the lane writes it too; where several are about, the driver task of the lane writes what has gathered. The
//! driver also reads the replies and hands each to its caller. Dropping a
//! caller's future never disturbs the others: its reply is read and thrown away.

mod driver;
mod queue;
pub(crate) mod resp;
mod value;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::oneshot;

use crate::command::Request;
use crate::connect::health::ServerRun;
use crate::connect::manager::Origin;
use crate::connect::settings::Settings;
use crate::connect::stream::Stream;
use crate::deadline::Deadline;
use crate::error::Error;
use queue::Queue;
use resp::Reply;

/// The replies to one request.
#[derive(Debug)]
pub(crate) enum Replies {
    One(Reply),
    Many(Vec<Reply>),
}

pub(crate) type Receiver = oneshot::Receiver<Result<Replies, Error>>;

/// Where a request got to.
pub(crate) enum Submitted {
    /// It is on its way.
    Waiting(Receiver),
    /// There is no open lane at hand; nothing was sent.
    NoLane,
    /// No server may be sent this; nothing was.
    Refused(Error),
}

/// A handle on a lane; the connection closes when the last one is gone and nobody waits for a reply any more.
#[derive(Clone)]
pub(crate) struct Lane {
    handle: Arc<Handle>,
}

struct Handle {
    queue: Arc<Queue>,
    server: ServerRun,
    /// Why the server would refuse MULTI. It would run the commands behind a MULTI that it refused one by one, so none
    /// may be sent.
    no_transactions: Option<Error>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// How a lane treats silence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// A lane on which a deadline passed and nothing at all arrived for this long is given up.
    silence: Duration,
}

impl Patience {
    /// Silence that is work: a command that was given more time than the others may need it, up to this.
    const LONGEST: Duration = Duration::from_secs(60);

    /// The patience of a lane whose commands have this limit, unless they state another.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { silence: timeout.max(Duration::from_secs(1)) }
    }

    /// How long the server may be silent while it owes replies, of which the most patient asker gave it `limit`.
    fn with(self, limit: Duration) -> Duration {
        self.silence.max(limit.min(Self::LONGEST))
    }
}

/// How much may wait on a lane. What comes beyond is refused at once: it would only wait for its deadline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Replies that are owed.
    replies: usize,
    /// Bytes that are not written yet.
    bytes: usize,
}

impl Room {
    fn new(settings: &Settings) -> Self {
        // The one for big requests has its share as well.
        let lanes = u32::from(settings.lanes.max(1)) + 1;
        let replies = settings.max_in_flight.div_ceil(lanes);
        Self {
            replies: usize::try_from(replies).unwrap_or(usize::MAX),
            bytes: settings.max_queued_bytes / (usize::from(settings.lanes.max(1)) + 1),
        }
    }
}

impl Lane {
    /// Starts the driver of a connection that is logged in. `unread` is what arrived behind the last reply.
    /// Must be called within a runtime.
    pub(crate) fn spawn(
        stream: Stream,
        unread: BytesMut,
        origin: Origin,
        server: ServerRun,
        no_transactions: Option<Error>,
    ) -> Self {
        let (reader, writer) = wire::split(stream);
        let queue = Arc::new(Queue::new(writer, Room::new(&origin.settings)));
        tokio::spawn(driver::Driver::new(reader, unread, Arc::clone(&queue), origin));
        Self { handle: Arc::new(Handle { queue, server, no_transactions }) }
    }

    /// Whether the lane still takes commands.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.handle.queue.is_open()
    }

    /// The run of the server that it is connected to.
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

    /// Takes no more commands, and ends once nobody waits for a reply any more.
    pub(crate) fn close(&self) {
        self.handle.queue.close();
    }

    /// Waits until the driver has ended.
    pub(crate) async fn ended(&self) {
        self.handle.queue.ended().await;
    }
}
