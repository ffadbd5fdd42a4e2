//! Writes that give the key that they write its lifetime in the same atomic step.

use std::sync::LazyLock;

use super::args::{Args, write_bulk, write_length};
use super::key_lifetime::KeyLifetime;
use super::keys::{KeyCount, Keys};
use super::packet::Packet;
use super::reply::{Replies, Reply};
use super::request::Request;
use super::script::Script;
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

/// Runs a command on several keys, and sets the lifetime of the key that it writes: if the command
/// created it, or if every write renews it. A command that replaces the key always sets it, because
/// the lifetime of the previous value is lost.
///
/// A command that wrote nothing replies nil or 0, and then sets no lifetime.
///
/// `KEYS`: the keys of the command. `ARGV`: the lifetime in milliseconds; `1` if every write sets
/// it, otherwise `0`; the position of the written key; `1` if the number of the keys after the
/// first one precedes them, otherwise `0`; the command; and its arguments after the keys.
pub(crate) const KEPT_TRANSFER: &str = "\
local written = KEYS[tonumber(ARGV[3])]
local starts = ARGV[2] == '1' or redis.call('EXISTS', written) == 0
if starts and redis.acl_check_cmd and not redis.acl_check_cmd('PEXPIRE', written, ARGV[1]) then
  return redis.error_reply('NOPERM no permission to run PEXPIRE, which sets the declared TTL; nothing was executed')
end
local call = {ARGV[5]}
for place, key in ipairs(KEYS) do
  call[#call + 1] = key
  if place == 1 and ARGV[4] == '1' then call[#call + 1] = #KEYS - 1 end
end
for place = 6, #ARGV do call[#call + 1] = ARGV[place] end
local reply = redis.pcall(unpack(call))
local failed = type(reply) == 'table' and reply.err
if starts and reply and reply ~= 0 and not failed then redis.call('PEXPIRE', written, ARGV[1]) end
return reply";

static WRITE: LazyLock<Script> = LazyLock::new(|| Script::new(KEPT_WRITE));
static TRANSFER: LazyLock<Script> = LazyLock::new(|| Script::new(KEPT_TRANSFER));

impl Keys {
    /// The position of the key that a command on several keys writes, counted from 1: the first one
    /// if the command replaces it, otherwise the last one.
    fn written(&self) -> usize {
        if matches!(self, Self::Into(..)) { 1 } else { self.as_slice().len() }
    }
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
        let keys = self.keys.as_slice();
        let is_transfer = keys.len() != 1;
        let (name, script) = if is_transfer { &TRANSFER } else { &WRITE }.words(form);
        let bytes = &mut out.bytes;
        bytes.reserve(128 + script.len() + self.keys.length() + self.args.copied_length());
        let places = if is_transfer { 2 } else { 0 };
        write_length(bytes, b'*', 6 + keys.len() + places + self.args.len());
        write_bulk(bytes, &[name]);
        write_bulk(bytes, &[script]);
        write_bulk(bytes, &[itoa::Buffer::new().format(keys.len())]);
        keys.iter().for_each(|key| write_bulk(bytes, &[namespace, key.as_str()]));
        write_bulk(bytes, &[itoa::Buffer::new().format(lifetime.millis)]);
        write_bulk(bytes, &[lifetime.renews_word()]);
        if is_transfer {
            write_bulk(bytes, &[itoa::Buffer::new().format(self.keys.written())]);
            write_bulk(bytes, &[self.counts_word()]);
        }
        write_bulk(bytes, &[self.name]);
        self.args.write_to(out);
    }

    /// Returns the whole script as a command, for clients that encode commands themselves. `None`
    /// if the command is sent as it is.
    pub(crate) fn as_kept_script(&self) -> Option<Self> {
        let lifetime = self.key_lifetime?;
        let keys = self.keys.as_slice();
        let is_transfer = keys.len() != 1;
        let mut head = Args::default();
        head.push(if is_transfer { KEPT_TRANSFER } else { KEPT_WRITE }.as_bytes());
        head.push_int(keys.len());
        let mut args = Args::default();
        args.push_int(lifetime.millis);
        args.push(lifetime.renews_word().as_bytes());
        if is_transfer {
            args.push_int(self.keys.written());
            args.push(self.counts_word().as_bytes());
        }
        args.push(self.name.as_bytes());
        self.args.iter().for_each(|argument| args.push(argument));
        Some(Self { args, ..Self::new("EVAL", Keys::Many(keys.to_vec())).with_head(head) })
    }

    /// The flag as the script reads it.
    fn counts_word(&self) -> &'static str {
        if matches!(self.keys, Keys::Into(_, KeyCount::Sent)) { "1" } else { "0" }
    }
}

impl Request {
    /// Returns the commands that the server did not run because it did not know the script, with
    /// the whole script, and the positions of their replies.
    pub(crate) fn with_unknown_scripts(&self, replies: &Replies) -> Option<(Self, Vec<usize>)> {
        let replies = replies.as_slice();
        if !replies.iter().any(is_unknown_script) {
            return None;
        }
        let requests = match self {
            Self::Batch(requests) => requests.as_slice(),
            request => std::slice::from_ref(request),
        };
        let (mut again, mut places, mut at) = (Vec::new(), Vec::new(), 0);
        for request in requests {
            if let Self::One(packet) = request
                && let Some(lifetime) = packet.key_lifetime
                && replies.get(at).is_some_and(is_unknown_script)
            {
                let key_lifetime = Some(KeyLifetime { sends_script: true, ..lifetime });
                again.push(Self::One(Packet { key_lifetime, ..packet.clone() }));
                places.push(at);
            }
            at += request.replies();
        }
        let request = match again.len() {
            0 => return None,
            1 => again.pop()?,
            _ => Self::Batch(again),
        };
        Some((request, places))
    }
}

fn is_unknown_script(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(said) if said.starts_with("NOSCRIPT"))
}
