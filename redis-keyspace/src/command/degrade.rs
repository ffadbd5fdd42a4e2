//! Going on without Redis: a read that is answered as if there were nothing.

use super::packet::Request;
use super::{Keys, Packet, Subject};
use crate::Redis;
use crate::connect::lane::Replies;
use crate::connect::lane::resp::Reply;
use crate::error::{Error, Result};
use crate::handle::chosen;

/// What a read comes to when Redis is away: it can't be reached, does not answer in time, or takes no more.
///
/// Declared for a keyspace by `#[keyspace(on_unavailable = "miss")]`, and stated for a single call by
/// [`Command::on_unavailable`](crate::Command::on_unavailable). It is about `get`, `get_json`, `get_ex`, `get_many` and
/// `get_or_set`, also within a batch. Everything else fails as ever: a write that was not done is not to be taken for
/// one that was.
///
/// ```
/// use redis_keyspace::{Keyspace, OnUnavailable, Redis, Text};
///
/// #[derive(Keyspace)]
/// #[keyspace(prefix = "page", ttl = "1h", on_unavailable = "miss")]
/// struct PageKeys {
///     title: fn(id: u64) -> Text,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// let away = Redis::connect("redis://127.0.0.1:1")?;
/// assert_eq!(PageKeys::title(7).get().on(&away).await?, None);
/// let title = PageKeys::title(7).get_or_set(|| async { "from the database".to_owned() }).on(&away).await?;
/// assert_eq!((title.as_str(), away.stats().degraded), ("from the database", 2));
/// assert!(PageKeys::title(7).set("x").on(&away).await.is_err());
/// assert!(PageKeys::title(7).get().on_unavailable(OnUnavailable::Error).on(&away).await.is_err());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnUnavailable {
    /// An error.
    #[default]
    Error,
    /// A miss, as if there were nothing at the key: `None`, and 0 for a counter. It is counted, see
    /// [`Stats::degraded`](crate::Stats::degraded), and logged as a warning.
    Miss,
}

/// Whether a failure means that Redis is away, and not that something is wrong with what was asked for.
pub(crate) fn is_away(error: &Error) -> bool {
    error.is_unavailable() || error.is_timeout() || error.kind() == crate::ErrorKind::PoolBusy
}

impl Subject {
    /// What a failure is replaced by, if the command is to go on without Redis.
    pub(crate) fn degraded(
        &self,
        error: &Error,
        request: &Request,
        redis: Option<&Redis>,
    ) -> Option<Replies> {
        let declared = self.keyspace.map(|keyspace| keyspace.overrides.on_unavailable).unwrap_or_default();
        let goes_on = self.reads && self.on_unavailable.unwrap_or(declared) == OnUnavailable::Miss;
        if !goes_on || !is_away(error) {
            return None;
        }
        if let Ok(redis) = chosen(redis, self.keyspace) {
            redis.note_degraded(error, self.template);
        }
        Some(misses(request))
    }

    /// Refuses an answer for a command that has none.
    pub(crate) fn check_degrading(&self) -> Result<()> {
        if self.on_unavailable == Some(OnUnavailable::Miss) && !self.reads {
            return Err(Error::invalid_input(format!(
                "{} can't be answered by a miss: `on_unavailable` is for commands that read values",
                self.command
            )));
        }
        Ok(())
    }
}

/// The replies to reads of which nothing is there.
fn misses(request: &Request) -> Replies {
    let miss = |packet: &Packet| match &packet.keys {
        Keys::Many(keys) => Reply::Array(vec![Reply::Nil; keys.len()]),
        Keys::None | Keys::One(_) => Reply::Nil,
        // No read of a value is about these.
        Keys::Beside(..) | Keys::BesideMany(..) | Keys::With(..) => Reply::Nil,
    };
    match request {
        Request::One(packet) => Replies::One(miss(packet)),
        request => Replies::Many(request.packets().iter().map(miss).collect()),
    }
}
