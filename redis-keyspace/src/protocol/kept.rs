//! Writes that give their key its lifetime in the same atomic step.

use super::args::{Args, write_bulk, write_length};
use super::key_lifetime::KeyLifetime;
use super::packet::Packet;
use super::script::LuaScript;
use super::script_form::ScriptForm;
use super::wire_buffer::WireBuffer;

/// Runs a command on one key, and sets the lifetime of the key if the command created it.
///
/// A transaction of the command and `PEXPIRE` would not do: if the key has another type, the
/// command fails, and `PEXPIRE` would still run on it.
///
/// Lua stores integers as floating-point numbers, so a sum of `HINCRBY` that may have been rounded
/// is read again as text. No other command returns such large numbers.
///
/// `KEYS`: the key. `ARGV`: the lifetime in milliseconds; `1` if every write renews it, otherwise
/// `0`; the command; and its arguments after the key.
pub(crate) const KEPT_WRITE: &str = "\
local starts = ARGV[2] == '1' or redis.call('EXISTS', KEYS[1]) == 0
if starts and redis.acl_check_cmd and not redis.acl_check_cmd('PEXPIRE', KEYS[1], ARGV[1]) then
  return redis.error_reply('NOPERM no permission to run PEXPIRE, which sets the declared TTL; nothing was executed')
end
local reply = redis.pcall(ARGV[3], KEYS[1], unpack(ARGV, 4))
if starts and not (type(reply) == 'table' and reply.err) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
if type(reply) == 'number' and math.abs(reply) >= 9007199254740992 then
  return redis.call('HGET', KEYS[1], ARGV[4])
end
return reply";

static SCRIPT: LuaScript = LuaScript::new(KEPT_WRITE);

pub(super) fn script() -> &'static LuaScript {
    &SCRIPT
}

impl Packet {
    /// Appends the script that runs this command: the whole script, or its digest.
    pub(super) fn encode_kept(
        &self,
        lifetime: KeyLifetime,
        form: ScriptForm,
        namespace: &str,
        out: &mut WireBuffer,
    ) {
        let (name, script) = SCRIPT.words(form);
        let bytes = &mut out.bytes;
        bytes.reserve(128 + script.len() + self.keys.length() + self.args.copied_length());
        write_length(bytes, b'*', 6 + self.keys.count() + self.args.len());
        write_bulk(bytes, &[name]);
        write_bulk(bytes, &[script]);
        write_bulk(bytes, &["1"]);
        self.keys.visit(namespace, &mut |parts| write_bulk(bytes, parts));
        write_bulk(bytes, &[itoa::Buffer::new().format(lifetime.millis)]);
        write_bulk(bytes, &[lifetime.renews_word()]);
        write_bulk(bytes, &[self.name]);
        self.args.write_to(out);
    }

    /// Returns the whole script as a command, for clients that encode commands themselves. `None`
    /// if the command is sent as it is.
    pub(super) fn as_kept_script(&self) -> Option<Self> {
        let lifetime = self.key_lifetime?;
        let mut head = Args::default();
        head.push(KEPT_WRITE.as_bytes());
        head.push_int(1);
        let mut args = Args::default();
        args.push_int(lifetime.millis);
        args.push(lifetime.renews_word().as_bytes());
        args.push(self.name.as_bytes());
        self.args.iter().for_each(|argument| args.push(argument));
        Some(Self { args, ..Self::new("EVAL", self.keys.clone()).with_head(head) })
    }
}
