//! What a subscription yields.

use crate::error::Result;

/// What a subscription yields: a message, or that messages may be missing.
///
/// ```
/// # use redis_keyspace::{Channel, Keyspace, Redis, Text};
/// # #[derive(Keyspace)]
/// # #[keyspace(prefix = "chat")]
/// # struct ChatKeys { room: fn(id: u64) -> Channel<Text> }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// use redis_keyspace::channel::Event;
///
/// let mut messages = ChatKeys::room(7).subscribe().await?;
/// ChatKeys::room(7).publish("hello").await?;
/// while let Some(event) = messages.next().await.transpose()? {
///     match event {
///         Event::Message(text) => {
///             assert_eq!(text, "hello");
///             break;
///         }
///         // Messages may be missing: load the state again.
///         Event::Resubscribed | Event::Lagged(_) => {}
///         _ => {}
///     }
/// }
/// # Ok(()) }).await }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<M> {
    /// A message.
    Message(M),
    /// The connection was lost, or another node serves the channel now, and the server has
    /// confirmed the subscription again. Messages before this point may be missing. If another node
    /// serves the channel now, some may come a second time.
    Resubscribed,
    /// This many messages are missing here, because the program did not read them fast enough.
    Lagged(u64),
}

impl<M> Event<M> {
    /// Converts the message, if it is one.
    pub(super) fn try_map<N>(self, convert: impl FnOnce(M) -> Result<N>) -> Result<Event<N>> {
        Ok(match self {
            Self::Message(message) => Event::Message(convert(message)?),
            Self::Resubscribed => Event::Resubscribed,
            Self::Lagged(count) => Event::Lagged(count),
        })
    }

    /// Returns the message, if it is one.
    #[must_use]
    pub fn message(self) -> Option<M> {
        match self {
            Self::Message(message) => Some(message),
            Self::Resubscribed | Self::Lagged(_) => None,
        }
    }
}
