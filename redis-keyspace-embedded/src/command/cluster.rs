//! CLUSTER, and the slots of keys, on a server that is a cluster with a single node.

use bytes::Bytes;
use crc16::XMODEM;

use super::arguments::exactly;
use super::context::{Context, Spec, command};
use super::flags::{CONTAINER, NO_KEYS};
use super::positions::keys;
use crate::reply::{Answer, Failure, Reply};

const SLOTS: u16 = 16_384;

pub(super) const TABLE: &[Spec] = &[
    command("cluster", -2, CONTAINER, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("cluster|info", 2, 0, NO_KEYS, |context, _| {
        enabled(context)?;
        Ok(Reply::Verbatim(
            format!("cluster_enabled:1\r\ncluster_state:ok\r\ncluster_slots_assigned:{SLOTS}\r\n").into(),
        ))
    }),
    command("cluster|keyslot", 3, 0, NO_KEYS, key_slot),
];

fn key_slot(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    enabled(context)?;
    let [key] = exactly(arguments)?;
    Ok(Reply::Integer(slot(key).into()))
}

fn enabled(context: &Context<'_>) -> Result<(), Failure> {
    let is_cluster = context.shared.is_cluster;
    is_cluster.then_some(()).ok_or(Failure::new("ERR This instance has cluster support disabled"))
}

/// Fails if the keys of the command, or of the commands of a transaction, are in several slots.
pub(super) fn check_slots<'a>(
    context: &Context<'_>,
    commands: impl IntoIterator<Item = (&'static Spec, &'a [Bytes])>,
) -> Result<(), Failure> {
    if !context.shared.is_cluster {
        return Ok(());
    }
    let keys = commands.into_iter().flat_map(|(spec, arguments)| keys(spec, arguments));
    let mut slots = keys.map(|key| slot(key));
    let first = slots.next();
    if slots.all(|slot| Some(slot) == first) {
        Ok(())
    } else {
        Err(Failure::new("CROSSSLOT Keys in request don't hash to the same slot"))
    }
}

/// Returns the slot of a key. If there is text between the first `{` and the next `}`, only that
/// text is hashed.
fn slot(key: &[u8]) -> u16 {
    let rest = key.iter().position(|&byte| byte == b'{').and_then(|open| key.get(open + 1..));
    let tag = rest.and_then(|rest| rest.get(..rest.iter().position(|&byte| byte == b'}')?));
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    crc16::State::<XMODEM>::calculate(hashed) % SLOTS
}
