//! Conditional writes, which end fills only if they write.

use super::args::Args;
use super::keys::Keys;
use super::packet::Packet;
use crate::key::{Companion, KeyText};

/// Runs a command, and deletes the companions of its keys if the command wrote.
///
/// `KEYS` are the keys of the command, followed by the companion of each. `ARGV` are the arguments
/// after the keys, the command, and what the script returns: the `reply` of the command, or the
/// `previous` value. In the second case, the command runs only if the key has no value.
pub(crate) const GUARDED_WRITE: &str = "\
local half, last = #KEYS / 2, #ARGV
local previous = ARGV[last] == 'previous'
local old = previous and redis.pcall('GET', KEYS[1])
if old then return old end
local call = {ARGV[last - 1]}
for i = 1, half do call[#call + 1] = KEYS[i] end
for i = 1, last - 2 do call[#call + 1] = ARGV[i] end
local reply = redis.pcall(unpack(call))
local failed = type(reply) == 'table' and reply.err
local wrote = reply and reply ~= 0
if wrote and not failed then redis.call('UNLINK', unpack(KEYS, half + 1)) end
if previous and not failed then return false end
return reply";

/// What a guarded write returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GuardedReply {
    /// The reply of the command. It wrote if the reply is neither nil nor 0.
    Own,
    /// The previous value, which is read first. The command is a `SET` with `NX`, which servers
    /// before 7.0 do not combine with `GET`.
    Previous,
}

/// Wraps the command in a script that ends fills of its keys if the command writes. The whole
/// script is sent: a server that does not know its digest would need a second round trip, which is
/// impossible in a transaction.
pub(crate) fn guarded(packet: Packet, reply: GuardedReply) -> Packet {
    let keys = match packet.keys {
        Keys::One(key) => vec![key],
        Keys::Many(keys) => keys,
        keys => return Packet { keys, ..packet },
    };
    let mut head = Args::default();
    head.push(GUARDED_WRITE.as_bytes());
    head.push_int(2 * keys.len());
    let mut args = packet.args;
    args.push(packet.name.as_bytes());
    args.push(match reply {
        GuardedReply::Own => b"reply",
        GuardedReply::Previous => b"previous",
    });
    let Packet { lifetime, inherits_lifetime, .. } = packet;
    let script = Packet::new("EVAL", Keys::Pairs(keys, Companion::Fill)).with_head(head);
    Packet { args, lifetime, inherits_lifetime, ..script }
}

/// The command inside a guarded write.
pub(super) struct Unguarded<'p> {
    pub(super) name: &'p [u8],
    pub(super) keys: &'p [KeyText],
    pub(super) args: Vec<&'p [u8]>,
    /// What is returned: `reply` or `previous`.
    pub(super) returned: &'p [u8],
}

/// Returns the command inside a guarded write, or `None` for any other command.
pub(super) fn unguarded(packet: &Packet) -> Option<Unguarded<'_>> {
    let Keys::Pairs(keys, _) = &packet.keys else { return None };
    // Other scripts have such keys, too.
    packet.head.as_ref()?.iter().next().filter(|script| *script == GUARDED_WRITE.as_bytes())?;
    let mut args: Vec<_> = packet.args.iter().collect();
    let (returned, name) = (args.pop()?, args.pop()?);
    Some(Unguarded { name, keys, args, returned })
}
