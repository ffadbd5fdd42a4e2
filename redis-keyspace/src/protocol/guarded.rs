//! Conditional writes: they end fills only if they write.

use super::args::Args;
use super::keys::Keys;
use super::packet::Packet;
use crate::key::{Companion, KeyText};

/// Runs a command, and deletes the companions of its keys if it wrote. `KEYS`: the keys of the command, and the companion of
/// each. `ARGV`: the arguments after the keys, the command, and `nil` if a nil reply means that it wrote, or `some` if any other
/// reply does.
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
    /// Nil: `SET` with `NX` and `GET`.
    IfNil,
    /// Anything but nil or 0.
    UnlessNil,
}

/// Wraps the command in a script that ends fills of its keys if it writes. The whole script is sent: with its digest alone, a
/// server that does not know it would need a second round trip, which a transaction can't make.
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

/// The command in a guarded write.
pub(super) struct Unguarded<'p> {
    pub(super) name: &'p [u8],
    pub(super) keys: &'p [KeyText],
    pub(super) args: Vec<&'p [u8]>,
    /// Which replies mean that it wrote, as the script spells it.
    pub(super) writes: &'p [u8],
}

/// Returns the command in a guarded write; `None` for any other command.
pub(super) fn unguarded(packet: &Packet) -> Option<Unguarded<'_>> {
    let Keys::Pairs(keys, _) = &packet.keys else { return None };
    let mut args: Vec<_> = packet.args.iter().collect();
    let (writes, name) = (args.pop()?, args.pop()?);
    Some(Unguarded { name, keys, args, writes })
}
