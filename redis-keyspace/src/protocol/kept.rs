//! Writes that give the key that they write its lifetime in the same atomic step.

use super::args::{Args, write_bulk, write_length};
use super::key_lifetime::KeyLifetime;
use super::keys::{KeyCount, Keys};
use super::packet::Packet;
use super::script::LuaScript;
use super::script_form::ScriptForm;
use super::wire_buffer::WireBuffer;

/// Runs a command on one key, and sets the lifetime of the key if the command created it.
///
/// A transaction of the command and `PEXPIRE` would not do: if the key has another type, the
/// command fails, and `PEXPIRE` would still run on it.
///
/// `KEYS`: the key. `ARGV`: the lifetime in milliseconds; the command; and its arguments after the
/// key. There are no flags, because each argument of a script costs the server as much as a fifth
/// of the command.
pub(crate) const KEPT_WRITE: &str = "\
local starts = redis.call('EXISTS', KEYS[1]) == 0
if starts and redis.acl_check_cmd and not redis.acl_check_cmd('PEXPIRE', KEYS[1], ARGV[1]) then
  return redis.error_reply('NOPERM no permission to run PEXPIRE, which sets the declared TTL; nothing was executed')
end
local reply = redis.pcall(ARGV[2], KEYS[1], unpack(ARGV, 3))
if starts and not (type(reply) == 'table' and reply.err) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return reply";

/// Like [`KEPT_WRITE`], for `XADD` of one field with `MAXLEN ~`: what most programs write to a
/// stream. It has five arguments fewer.
///
/// `KEYS`: the stream. `ARGV`: the lifetime in milliseconds, the number of entries to keep, the
/// field and its value.
pub(crate) const KEPT_ENTRY: &str = "\
local starts = redis.call('EXISTS', KEYS[1]) == 0
if starts and redis.acl_check_cmd and not redis.acl_check_cmd('PEXPIRE', KEYS[1], ARGV[1]) then
  return redis.error_reply('NOPERM no permission to run PEXPIRE, which sets the declared TTL; nothing was executed')
end
local reply = redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', ARGV[3], ARGV[4])
if starts and not (type(reply) == 'table' and reply.err) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return reply";

/// Like [`KEPT_WRITE`], for all other commands on one key.
///
/// Lua stores integers as floating-point numbers, so a sum of `HINCRBY` that may have been rounded
/// is read again as text. No other command returns such large numbers.
///
/// `KEYS`: the key. `ARGV`: the lifetime in milliseconds; `1` if every write renews it, otherwise
/// `0`; the command; and its arguments. The key comes before them, but after the subcommand of
/// XGROUP.
pub(crate) const KEPT_ANY_WRITE: &str = "\
local starts = ARGV[2] == '1' or redis.call('EXISTS', KEYS[1]) == 0
if starts and redis.acl_check_cmd and not redis.acl_check_cmd('PEXPIRE', KEYS[1], ARGV[1]) then
  return redis.error_reply('NOPERM no permission to run PEXPIRE, which sets the declared TTL; nothing was executed')
end
local reply
if ARGV[3] == 'XGROUP' then
  reply = redis.pcall(ARGV[3], ARGV[4], KEYS[1], unpack(ARGV, 5))
else
  reply = redis.pcall(ARGV[3], KEYS[1], unpack(ARGV, 4))
end
if starts and not (type(reply) == 'table' and reply.err) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
if type(reply) == 'number' and math.abs(reply) >= 9007199254740992 then
  return redis.call('HGET', KEYS[1], ARGV[4])
end
return reply";

/// Runs a command on several keys, and sets the lifetime of the key that it writes: if the command
/// created it, or if every write renews it. A command that replaces the key always sets it, because
/// the lifetime of the previous value is lost.
///
/// A command that wrote nothing replies nil or 0, and then sets no lifetime.
///
/// `KEYS`: the keys of the command. `ARGV`: the lifetime in milliseconds; `1` if every write sets
/// it, otherwise `0`; the position of the written key; `1` if the number of the keys after the
/// first one precedes them, otherwise `0`; the number of arguments before the keys; the command;
/// these arguments; and those after the keys.
pub(crate) const KEPT_TRANSFER: &str = "\
local written = KEYS[tonumber(ARGV[3])]
local starts = ARGV[2] == '1' or redis.call('EXISTS', written) == 0
if starts and redis.acl_check_cmd and not redis.acl_check_cmd('PEXPIRE', written, ARGV[1]) then
  return redis.error_reply('NOPERM no permission to run PEXPIRE, which sets the declared TTL; nothing was executed')
end
local call, last = {}, 6 + tonumber(ARGV[5])
for place = 6, last do call[#call + 1] = ARGV[place] end
for place, key in ipairs(KEYS) do
  call[#call + 1] = key
  if place == 1 and ARGV[4] == '1' then call[#call + 1] = #KEYS - 1 end
end
for place = last + 1, #ARGV do call[#call + 1] = ARGV[place] end
local reply = redis.pcall(unpack(call))
local failed = type(reply) == 'table' and reply.err
if starts and reply and reply ~= 0 and not failed then redis.call('PEXPIRE', written, ARGV[1]) end
return reply";

static WRITE: LuaScript = LuaScript::new(KEPT_WRITE);
static ENTRY: LuaScript = LuaScript::new(KEPT_ENTRY);
static ANY_WRITE: LuaScript = LuaScript::new(KEPT_ANY_WRITE);
static TRANSFER: LuaScript = LuaScript::new(KEPT_TRANSFER);

/// The scripts that run commands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeptScript {
    Write,
    Entry,
    AnyWrite,
    Transfer,
}

impl KeptScript {
    fn script(self) -> &'static LuaScript {
        match self {
            Self::Write => &WRITE,
            Self::Entry => &ENTRY,
            Self::AnyWrite => &ANY_WRITE,
            Self::Transfer => &TRANSFER,
        }
    }
}

impl Keys {
    /// The position of the key that a command on several keys writes, counted from 1: the first one
    /// if the command reads the other ones, otherwise the last one.
    fn written(&self) -> usize {
        if matches!(self, Self::Into(..)) { 1 } else { self.as_slice().len() }
    }
}

impl Packet {
    /// Whether the key comes first in the command, and the reply passes through Lua unchanged.
    pub(super) fn is_usual_write(&self) -> bool {
        !matches!(self.name, "XGROUP" | "HINCRBY")
    }

    fn which_kept(&self, lifetime: KeyLifetime) -> KeptScript {
        if self.keys.as_slice().len() != 1 {
            KeptScript::Transfer
        } else if lifetime.renews || !self.is_usual_write() {
            KeptScript::AnyWrite
        } else if self.name == "XADD" && self.head.is_none() && trimmed_entry(&self.args).is_some() {
            KeptScript::Entry
        } else {
            KeptScript::Write
        }
    }

    /// The script that runs this command.
    #[inline]
    pub(super) fn kept_script(&self, lifetime: KeyLifetime) -> &'static LuaScript {
        self.which_kept(lifetime).script()
    }

    /// Appends the script that runs this command: the whole script, or its digest.
    pub(super) fn encode_kept(
        &self,
        lifetime: KeyLifetime,
        form: ScriptForm,
        namespace: &str,
        out: &mut WireBuffer,
    ) {
        let keys = self.keys.as_slice();
        let kept = self.which_kept(lifetime);
        let (name, script) = kept.script().words(form);
        let (before, head) = self.head.as_ref().map_or((0, 0), |head| (head.len(), head.copied_length()));
        let entry = if kept == KeptScript::Entry { trimmed_entry(&self.args) } else { None };
        let bytes = &mut out.bytes;
        bytes.reserve(128 + script.len() + self.keys.length() + head + self.args.copied_length());
        let words = match kept {
            KeptScript::Write => 5 + before + self.args.len(),
            KeptScript::Entry => 7,
            KeptScript::AnyWrite => 6 + before + self.args.len(),
            KeptScript::Transfer => 9 + before + self.args.len(),
        };
        write_length(bytes, b'*', keys.len() + words);
        write_bulk(bytes, &[name]);
        write_bulk(bytes, &[script]);
        write_bulk(bytes, &[itoa::Buffer::new().format(keys.len())]);
        keys.iter().for_each(|key| write_bulk(bytes, &[namespace, key.as_str()]));
        write_bulk(bytes, &[itoa::Buffer::new().format(lifetime.millis)]);
        if let Some(words) = entry {
            return words.iter().for_each(|word| write_bulk(bytes, &[word]));
        }
        if kept != KeptScript::Write {
            write_bulk(bytes, &[lifetime.renews_word()]);
        }
        if kept == KeptScript::Transfer {
            write_bulk(bytes, &[itoa::Buffer::new().format(self.keys.written())]);
            write_bulk(bytes, &[self.counts_word()]);
            write_bulk(bytes, &[itoa::Buffer::new().format(before)]);
        }
        write_bulk(bytes, &[self.name]);
        if let Some(head) = &self.head {
            head.write_to(out);
        }
        self.args.write_to(out);
    }

    /// Returns the whole script as a command, for clients that encode commands themselves. `None`
    /// if the command is sent as it is.
    pub(super) fn as_kept_script(&self) -> Option<Self> {
        let lifetime = self.key_lifetime()?;
        let keys = self.keys.as_slice();
        let kept = self.which_kept(lifetime);
        let (name, text) = kept.script().words(ScriptForm::Whole);
        let mut head = Args::default();
        head.push(text.as_bytes());
        head.push_int(keys.len());
        let mut args = Args::default();
        args.push_int(lifetime.millis);
        if kept == KeptScript::Entry {
            trimmed_entry(&self.args)?.iter().for_each(|word| args.push(word));
        } else {
            if kept != KeptScript::Write {
                args.push(lifetime.renews_word().as_bytes());
            }
            if kept == KeptScript::Transfer {
                args.push_int(self.keys.written());
                args.push(self.counts_word().as_bytes());
                args.push_int(self.head.as_ref().map_or(0, |head| head.len()));
            }
            args.push(self.name.as_bytes());
            self.head.iter().flat_map(|head| head.iter()).for_each(|argument| args.push(argument));
            self.args.iter().for_each(|argument| args.push(argument));
        }
        Some(Self { args, ..Self::new(name, Keys::Many(keys.to_vec())).with_head(head) })
    }

    /// The flag as the script reads it.
    fn counts_word(&self) -> &'static str {
        if matches!(self.keys, Keys::Into(_, KeyCount::Sent)) { "1" } else { "0" }
    }
}

/// Returns what varies between usual calls of `XADD` with these arguments: the number of entries to
/// keep, the field and its value. `None` for any other call.
fn trimmed_entry(args: &Args) -> Option<[&[u8]; 3]> {
    // A long value would be copied.
    if args.len() != 6 || args.has_long() {
        return None;
    }
    let mut words = args.iter();
    let mut next = || words.next();
    match [next()?, next()?, next()?, next()?, next()?, next()?] {
        [b"MAXLEN", b"~", count, b"*", field, value] => Some([count, field, value]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::key::KeyText;
    use crate::time::Expiry;

    #[test]
    fn the_keys_and_the_arguments_around_them_reach_the_script() {
        let mut operation = Args::default();
        operation.push(b"AND");
        let keys = Keys::Into(["to", "one", "two"].map(KeyText::Static).to_vec(), KeyCount::Implied);
        let mut packet = Packet::new("BITOP", keys).with_head(operation);
        packet.set_key_lifetime(KeyLifetime::new(Expiry::After(Duration::from_secs(1)), true).unwrap());
        let script = packet.as_kept_script().unwrap();
        let words: Vec<&[u8]> = script.args.iter().collect();
        assert_eq!(words, [&b"1000"[..], b"1", b"1", b"0", b"1", b"BITOP", b"AND"]);
        let wire = |packet: &Packet, form: Option<ScriptForm>| {
            let mut out = WireBuffer::default();
            match (form, packet.key_lifetime()) {
                (Some(form), Some(lifetime)) => packet.encode_kept(lifetime, form, "", &mut out),
                _ => packet.encode("", &mut out),
            }
            String::from_utf8(out.drain(usize::MAX)).unwrap()
        };
        assert_eq!(wire(&packet, Some(ScriptForm::Whole)), wire(&script, None));
        for (options, words) in [
            (&["MAXLEN", "~", "9", "*"][..], &["1000", "9", "value", "x"][..]),
            (&["MAXLEN", "=", "9", "*"], &["1000", "XADD", "MAXLEN", "=", "9", "*", "value", "x"]),
            (&["MAXLEN", "~", "9", "1-1"], &["1000", "XADD", "MAXLEN", "~", "9", "1-1", "value", "x"]),
            (&["*"], &["1000", "XADD", "*", "value", "x"]),
        ] {
            let mut packet = Packet::new("XADD", Keys::One(KeyText::Static("log")));
            options.iter().chain(&["value", "x"]).for_each(|word| packet.args.push(word.as_bytes()));
            packet.set_key_lifetime(KeyLifetime::new(Expiry::After(Duration::from_secs(1)), false).unwrap());
            let script = packet.as_kept_script().unwrap();
            let sent: Vec<&[u8]> = script.args.iter().collect();
            assert_eq!(sent, words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
            assert_eq!(wire(&packet, Some(ScriptForm::Whole)), wire(&script, None));
        }
    }
}
