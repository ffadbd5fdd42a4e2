//! Writes that give their key its lifetime in the same atomic step.

use std::sync::LazyLock;

use super::args::{Args, write_bulk, write_length};
use super::key_lifetime::KeyLifetime;
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
/// `0`; the command; and its arguments. The key comes before them, but after the subcommand of
/// XGROUP.
pub(crate) const KEPT_WRITE: &str = "\
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

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(KEPT_WRITE));

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
        let (before, head) = self.head.as_ref().map_or((0, 0), |head| (head.len(), head.copied_length()));
        let bytes = &mut out.bytes;
        bytes.reserve(128 + script.len() + self.keys.length() + head + self.args.copied_length());
        write_length(bytes, b'*', 6 + self.keys.count() + before + self.args.len());
        write_bulk(bytes, &[name]);
        write_bulk(bytes, &[script]);
        write_bulk(bytes, &["1"]);
        self.keys.visit(namespace, &mut |parts| write_bulk(bytes, parts));
        write_bulk(bytes, &[itoa::Buffer::new().format(lifetime.millis)]);
        write_bulk(bytes, &[lifetime.renews_word()]);
        write_bulk(bytes, &[self.name]);
        if let Some(head) = &self.head {
            head.write_to(out);
        }
        self.args.write_to(out);
    }

    /// Returns the whole script as a command, for clients that encode commands themselves. `None`
    /// if the command is sent as it is.
    pub(crate) fn as_kept_script(&self) -> Option<Self> {
        let lifetime = self.key_lifetime?;
        let mut head = Args::default();
        head.push(KEPT_WRITE.as_bytes());
        head.push_int(1);
        let mut args = Args::default();
        args.push_int(lifetime.millis);
        args.push(lifetime.renews_word().as_bytes());
        args.push(self.name.as_bytes());
        self.head.iter().flat_map(|head| head.iter()).for_each(|argument| args.push(argument));
        self.args.iter().for_each(|argument| args.push(argument));
        Some(Self { args, ..Self::new("EVAL", self.keys.clone()).with_head(head) })
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
