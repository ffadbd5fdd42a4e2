//! Conditional writes, which end fills only if they write.

use super::args::Args;
use super::keys::Keys;
use super::packet::Packet;
use crate::key::{Companion, KeyText};

/// Runs a command, and deletes the companions of its keys if the command wrote.
///
/// `KEYS` are the keys of the command, followed by the companion of each. `ARGV` are the arguments
/// after the keys, the command, and either `nil` (a nil reply means that it wrote) or `some` (any
/// other reply means that it wrote).
pub(crate) const GUARDED_WRITE: &str = "\
local half, last = #KEYS / 2, #ARGV
local call = {ARGV[last - 1]}
for i = 1, half do call[#call + 1] = KEYS[i] end
for i = 1, last - 2 do call[#call + 1] = ARGV[i] end
local reply = redis.pcall(unpack(call))
local failed = type(reply) == 'table' and reply.err
local wrote = reply and reply ~= 0
if ARGV[last] == 'nil' then wrote = not reply end
if wrote and not failed then redis.call('UNLINK', unpack(KEYS, half + 1)) end
return reply";

/// Which replies of a command mean that it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    /// A nil reply, as for `SET` with `NX` and `GET`.
    IfNil,
    /// Any reply except nil and 0.
    UnlessNil,
}

/// Wraps the command in a script that ends fills of its keys if the command writes. The whole
/// script is sent: a server that does not know its digest would need a second round trip, which is
/// impossible in a transaction.
pub(crate) fn guarded(packet: Packet, writes: Writes) -> Packet {
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
    args.push(match writes {
        Writes::IfNil => b"nil",
        Writes::UnlessNil => b"some",
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
    /// Which replies mean that the command wrote: `nil` or `some`.
    pub(super) writes: &'p [u8],
}

/// Returns the command inside a guarded write, or `None` for any other command.
pub(super) fn unguarded(packet: &Packet) -> Option<Unguarded<'_>> {
    let Keys::Pairs(keys, _) = &packet.keys else { return None };
    let mut args: Vec<_> = packet.args.iter().collect();
    let (writes, name) = (args.pop()?, args.pop()?);
    Some(Unguarded { name, keys, args, writes })
}
