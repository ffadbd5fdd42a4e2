//! Writes of one key from others, which give the written key its lifetime in the same atomic step.

use super::args::Args;
use super::key_lifetime::KeyLifetime;
use super::packet::{Packet, PacketLifetime};
use crate::error::Result;
use crate::time::Expiry;

/// Runs a command that writes its first key, and sets the lifetime of that key: always, or only if
/// the command created it.
///
/// A command that replaces a key removes its lifetime. A transaction of the command and `PEXPIRE`
/// would not do: if a key that is read has another type, the command fails, and `PEXPIRE` would
/// still run.
///
/// `KEYS`: the key that is written, and those that are read. `ARGV`: the lifetime in milliseconds,
/// or 0 for none; `1` to set it always, otherwise `0`; the number of arguments before the keys; the
/// command; these arguments; and those after the keys.
pub(crate) const STORED_WRITE: &str = "\
local starts = ARGV[1] ~= '0' and (ARGV[2] == '1' or redis.call('EXISTS', KEYS[1]) == 0)
if starts and redis.acl_check_cmd and not redis.acl_check_cmd('PEXPIRE', KEYS[1], ARGV[1]) then
  return redis.error_reply('NOPERM no permission to run PEXPIRE, which sets the declared TTL; nothing was executed')
end
local call, last = {}, 4 + tonumber(ARGV[3])
for at = 4, last do call[#call + 1] = ARGV[at] end
for _, key in ipairs(KEYS) do call[#call + 1] = key end
for at = last + 1, #ARGV do call[#call + 1] = ARGV[at] end
local reply = redis.pcall(unpack(call))
if starts and not (type(reply) == 'table' and reply.err) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return reply";

impl Packet {
    /// Marks the command as one that writes its first key, which gets this lifetime: always, or
    /// only if the command creates it.
    pub(crate) fn storing(mut self, expiry: Expiry, always: bool, inherits: bool) -> Result<Self> {
        self.set_stored_lifetime(expiry, always)?;
        self.with_declared_lifetime(PacketLifetime::OfStored { always }, inherits);
        Ok(self)
    }

    /// Sets the lifetime of the key that the command writes. Without one, the command is sent as it
    /// is. Otherwise, the whole script is sent, also in transactions.
    pub(super) fn set_stored_lifetime(&mut self, expiry: Expiry, always: bool) -> Result<()> {
        let millis = KeyLifetime::new(expiry, always)?.map_or(0, |lifetime| lifetime.millis);
        let mut args = Args::default();
        args.push_int(millis);
        if self.stored().is_some() {
            self.args.iter().skip(1).for_each(|argument| args.push(argument));
        } else if millis > 0 {
            let before = self.head.take().unwrap_or_default();
            args.push(if always { b"1" } else { b"0" });
            args.push_int(before.len());
            args.push(self.name.as_bytes());
            before.iter().chain(self.args.iter()).for_each(|argument| args.push(argument));
            let mut head = Args::default();
            head.push(STORED_WRITE.as_bytes());
            head.push_int(self.keys.count());
            (self.name, self.head) = ("EVAL", Some(Box::new(head)));
        } else {
            return Ok(());
        }
        self.args = args;
        Ok(())
    }

    /// Returns the command inside the script: its name, and its arguments after the keys. `None`
    /// for any other command.
    pub(super) fn stored(&self) -> Option<(&[u8], impl Iterator<Item = &[u8]>)> {
        if self.name != "EVAL" || self.head.as_ref()?.iter().next() != Some(STORED_WRITE.as_bytes()) {
            return None;
        }
        let mut args = self.args.iter().skip(2);
        let before: usize = str::from_utf8(args.next()?).ok()?.parse().ok()?;
        Some((args.next()?, args.skip(before)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::key::KeyText;
    use crate::protocol::{Keys, Request};

    fn bit_op(expiry: Expiry) -> Packet {
        let mut head = Args::default();
        head.push(b"AND");
        let keys = Keys::Many(["to", "one", "two"].map(KeyText::Static).to_vec());
        Packet::new("BITOP", keys).with_head(head).storing(expiry, true, false).unwrap()
    }

    fn words(args: &Args) -> Vec<String> {
        args.iter().map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
    }

    const SECOND: Expiry = Expiry::After(Duration::from_secs(1));

    #[test]
    fn without_a_lifetime_the_command_is_sent_as_it_is() {
        let packet = bit_op(Expiry::Never);
        assert_eq!((packet.name, packet.args.len()), ("BITOP", 0));
        assert!(packet.stored().is_none());
    }

    #[test]
    fn the_keys_and_the_arguments_around_them_reach_the_script() {
        let packet = bit_op(SECOND);
        assert_eq!(packet.name, "EVAL");
        assert_eq!(words(packet.head.as_ref().unwrap()), [STORED_WRITE, "3"]);
        assert_eq!(words(&packet.args), ["1000", "1", "1", "BITOP", "AND"]);
        assert_eq!(packet.stored().map(|(name, args)| (name, args.count())), Some((&b"BITOP"[..], 0)));
    }

    #[test]
    fn a_call_can_replace_the_lifetime() {
        for declared in [SECOND, Expiry::Never] {
            let mut request = Request::One(bit_op(declared));
            assert!(request.has_declared_lifetime());
            request.set_lifetime(Expiry::After(Duration::from_secs(2))).unwrap();
            let [packet] = request.packets() else { panic!("one command") };
            assert_eq!(words(&packet.args), ["2000", "1", "1", "BITOP", "AND"]);
        }
        let mut request = Request::One(bit_op(SECOND));
        request.set_lifetime(Expiry::Never).unwrap();
        assert_eq!(words(&request.packets()[0].args)[0], "0");
    }
}
