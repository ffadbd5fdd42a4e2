//! Replaces the value that was read: with a command if the server has one for it, else with a
//! script.

use std::sync::Arc;

use bytes::Bytes;

use super::script::{Action, SCRIPT, call};
use crate::client::{Binding, delete_if_equal, run_newer};
use crate::error::{Error, Result};
use crate::protocol::{Keys, Packet, ReplacedCommand, Reply, read};
use crate::schema::Key;
use crate::time::Deadline;

/// The outcome of an attempt to replace a value. The inner error is the current value, if it is not
/// the expected one.
type Replaced = Result<Result<(), Option<Bytes>>>;

/// Replaces or deletes the value if it is the expected one.
pub(super) async fn replace<S, V>(
    binding: &Arc<Binding>,
    key: &Key<S, V>,
    expected: Option<&[u8]>,
    action: Action<'_>,
    deadline: Deadline,
) -> Replaced {
    let copies = &binding.pool().local.reads.copies;
    let _forgetting = copies.is_used().then(|| copies.forgetting(binding.wire_name(key.as_str())));
    // A command can't end fills of the key in the same step.
    if !key.template().ends_fills()
        && let Some(replaced) = with_command(binding, key, expected, action, deadline).await?
    {
        return Ok(replaced);
    }
    let call = call(key, expected, &action)?;
    // Not repeatable: a second run would find its own value and report it as another writer's.
    let outcome = SCRIPT.run(binding, call, deadline, false).await?;
    let Reply::Array(parts) = outcome else { return Err(unexpected()) };
    let mut parts = parts.into_iter();
    match parts.next() {
        Some(Reply::Int(1)) => Ok(Ok(())),
        // The current value. If the key has no value, older protocols omit this part.
        Some(Reply::Int(0)) => Ok(Err(parts.next().map_or(Ok(None), read::to_bytes)?)),
        _ => Err(unexpected()),
    }
}

/// Replaces or deletes the value with a command. Returns `None` if the server has none for it.
async fn with_command<S, V>(
    binding: &Arc<Binding>,
    key: &Key<S, V>,
    expected: Option<&[u8]>,
    action: Action<'_>,
    deadline: Deadline,
) -> Result<Option<Result<(), Option<Bytes>>>> {
    let text = key.text();
    match action {
        Action::Set(value, expiry) => {
            let mut packet = Packet::new("SET", Keys::One(text.clone()));
            packet.args.push(value);
            let newer = match expected {
                Some(expected) => {
                    packet = packet.if_equal(expected);
                    ReplacedCommand::SetIfEq
                }
                None => {
                    packet.args.push(b"NX");
                    ReplacedCommand::SetNxGet
                }
            };
            packet.args.push(b"GET");
            expiry.push_for_set(&mut packet.args)?;
            // Not repeatable, as for the script.
            let replies = run_newer(binding, newer, &text, vec![packet], deadline, false).await?;
            let Some(replies) = replies else { return Ok(None) };
            // The previous value, whether it was replaced or not.
            let before = read::to_bytes(replies.into_iter().next().ok_or_else(unexpected)?)?;
            Ok(Some(if before.as_deref() == expected { Ok(()) } else { Err(before) }))
        }
        Action::Delete => {
            // The key had no value when it was read, and no fill has to be ended.
            let Some(expected) = expected else { return Ok(Some(Ok(()))) };
            // Added by the library: if the server ran only this command, the other is sent again.
            let get = Packet { aside: true, ..Packet::new("GET", Keys::One(text.clone())) };
            let replies = delete_if_equal(binding, &text, expected, Some(get), deadline).await?;
            let Some(replies) = replies else { return Ok(None) };
            let mut replies = replies.into_iter();
            let is_deleted = read::to_bool(replies.next().ok_or_else(unexpected)?)?;
            // Read after the attempt, so it may be a later value than the one that was in the way.
            let now = replies.next().ok_or_else(unexpected)?;
            Ok(Some(if is_deleted { Ok(()) } else { Err(read::to_bytes(now)?) }))
        }
    }
}

fn unexpected() -> Error {
    Error::protocol("the server returned an unexpected reply to a command of an update")
}
