//! Commands that wait for a key.

use std::time::Duration;

use bytes::Bytes;

use super::arguments::integer;
use super::context::{Context, Effect, Nesting};
use crate::db::{Db, Serve};
use crate::number::LongDouble;
use crate::reply::{Answer, Failure, Reply};

/// Parses a timeout in seconds. Returns `None` if there is no timeout.
pub(super) fn timeout(argument: &[u8]) -> Result<Option<Duration>, Failure> {
    let seconds = LongDouble::parse(argument);
    let seconds = seconds.ok_or(Failure::new("ERR timeout is not a float or out of range"))?;
    let milliseconds = u64::try_from(seconds.thousandfold());
    let milliseconds = milliseconds.map_err(|_| Failure::new("ERR timeout is negative"))?;
    Ok((milliseconds > 0).then(|| Duration::from_millis(milliseconds)))
}

/// Parses a timeout in milliseconds. Returns `None` if there is no timeout.
pub(super) fn milliseconds(argument: &[u8]) -> Result<Option<Duration>, Failure> {
    let timeout = integer(argument);
    let timeout = timeout.map_err(|_| Failure::new("ERR timeout is not an integer or out of range"))?;
    let timeout = u64::try_from(timeout).map_err(|_| Failure::new("ERR timeout is negative"))?;
    Ok((timeout > 0).then(|| Duration::from_millis(timeout)))
}

/// Blocks the client until `serve` answers for one of the keys. After the timeout, or at once in a
/// transaction or script, the reply is nil.
///
/// `serve` is called whenever a command has changed one of the keys, also if it was removed. The
/// client that has waited longest is first.
pub(super) fn wait(
    context: &mut Context<'_>,
    keys: &[Bytes],
    timeout: Option<Duration>,
    serve: impl Fn(&mut Db, &Bytes, i64) -> Option<Answer> + Send + Sync + 'static,
) -> Answer {
    if context.nesting == Nesting::Nothing {
        let client = context.client.id;
        let receiver = context.db()?.wait(client, keys, Serve(Box::new(serve)));
        context.set_effect(Effect::Wait { receiver, timeout });
    }
    Ok(Reply::NilArray)
}
