//! Messages from other connections, and the size of the output buffer that they add to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::reply::Reply;

/// Creates both ends of a mailbox.
pub(crate) fn mailbox() -> (MessageSender, Mailbox) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (queued, buffered) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let message_sender = MessageSender { sender, queued: queued.clone(), buffered: buffered.clone() };
    (message_sender, Mailbox { receiver, queued, buffered })
}

/// The end that other connections use.
#[derive(Debug)]
pub(crate) struct MessageSender {
    sender: mpsc::UnboundedSender<(Reply, usize)>,
    queued: Arc<AtomicUsize>,
    buffered: Arc<AtomicUsize>,
}

impl MessageSender {
    /// Sends a message of about `size` bytes. Returns the new size of the output buffer.
    pub(crate) fn send(&self, message: Reply, size: usize) -> usize {
        self.queued.fetch_add(size, Ordering::Relaxed);
        // A subscriber whose connection is closing misses the message, as on a real server.
        drop(self.sender.send((message, size)));
        self.output_size()
    }

    /// Returns the size of the output buffer in bytes: unwritten replies and messages.
    pub(crate) fn output_size(&self) -> usize {
        self.queued.load(Ordering::Relaxed).saturating_add(self.buffered.load(Ordering::Relaxed))
    }
}

/// The end that the connection itself uses.
#[derive(Debug)]
pub(crate) struct Mailbox {
    receiver: mpsc::UnboundedReceiver<(Reply, usize)>,
    queued: Arc<AtomicUsize>,
    buffered: Arc<AtomicUsize>,
}

impl Mailbox {
    /// Receives a message. No message is lost if this is cancelled.
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
        self.queued.fetch_sub(size, Ordering::Relaxed);
        Some(message)
    }

    /// Records how many bytes of replies are not written yet.
    pub(crate) fn set_buffered(&self, bytes: usize) {
        self.buffered.store(bytes, Ordering::Relaxed);
    }
}
