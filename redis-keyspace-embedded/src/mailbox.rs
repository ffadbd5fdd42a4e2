//! Messages from other connections, and how much a connection has not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::reply::Reply;

/// Creates both ends.
pub(crate) fn mailbox() -> (Postbox, Mailbox) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (posted, unread) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    (Postbox { sender, posted: posted.clone(), unread: unread.clone() }, Mailbox { receiver, posted, unread })
}

/// Where other connections put messages.
#[derive(Debug)]
pub(crate) struct Postbox {
    sender: mpsc::UnboundedSender<(Reply, usize)>,
    posted: Arc<AtomicUsize>,
    unread: Arc<AtomicUsize>,
}

impl Postbox {
    /// Adds a message of about `size` bytes. Returns how many bytes the client has not read.
    pub(crate) fn post(&self, message: Reply, size: usize) -> usize {
        self.posted.fetch_add(size, Ordering::Relaxed);
        // A subscriber whose connection is closing misses the message, as on a real server.
        drop(self.sender.send((message, size)));
        self.waiting()
    }

    /// Returns how many bytes the client has not read: messages, and replies that are not written.
    pub(crate) fn waiting(&self) -> usize {
        self.posted.load(Ordering::Relaxed).saturating_add(self.unread.load(Ordering::Relaxed))
    }
}

/// Where a connection takes them out.
#[derive(Debug)]
pub(crate) struct Mailbox {
    receiver: mpsc::UnboundedReceiver<(Reply, usize)>,
    posted: Arc<AtomicUsize>,
    unread: Arc<AtomicUsize>,
}

impl Mailbox {
    /// Loses nothing if cancelled.
    pub(crate) async fn recv(&mut self) -> Option<Reply> {
        let message = self.receiver.recv().await;
        self.take(message)
    }

    pub(crate) fn try_recv(&mut self) -> Option<Reply> {
        let message = self.receiver.try_recv().ok();
        self.take(message)
    }

    fn take(&self, message: Option<(Reply, usize)>) -> Option<Reply> {
        let (message, size) = message?;
        self.posted.fetch_sub(size, Ordering::Relaxed);
        Some(message)
    }

    /// Records how many bytes are not written.
    pub(crate) fn set_unread(&self, bytes: usize) {
        self.unread.store(bytes, Ordering::Relaxed);
    }
}
