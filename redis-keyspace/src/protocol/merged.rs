//! Writes of a batch that give their keys lifetimes, in one script instead of one for each.

use std::collections::HashSet;

use super::args::Args;
use super::key_lifetime::KeyLifetime;
use super::keys::Keys;
use super::packet::Packet;
use super::read;
use super::reply::{Replies, Reply};
use super::request::Request;
use super::script::LuaScript;
use super::script_call::ScriptCall;
use crate::error::Error;
use crate::key::KeyText;

/// Runs commands on one key each, and sets the lifetimes of the keys that they create. Returns
/// their replies. A command that fails does not stop the others.
///
/// `KEYS`: the keys, each of them once. `ARGV`: the plan; the lifetimes in milliseconds; and of
/// each command its name and its arguments, without the key.
///
/// The plan consists of characters, because an argument of a script costs the server more than the
/// loop that reads a character. The first one is the number of lifetimes. Four follow for each
/// command: its key, its lifetime, `1` if every write renews it, otherwise `0`, and the number of
/// its arguments. `!` is zero, `"` is one, and so on.
pub(crate) const KEPT_WRITES: &str = "\
local plan, replies = ARGV[1], {}
local at = string.byte(plan) - 31
for nth = 1, (#plan - 1) / 4 do
  local key, ttl, renews, count = string.byte(plan, 4 * nth - 2, 4 * nth + 1)
  key, ttl, count = KEYS[key - 32], ARGV[ttl - 31], count - 33
  local reply, starts = nil, renews == 49
  if not starts then
    reply = redis.pcall('EXISTS', key)
    starts = reply == 0
  end
  if type(reply) ~= 'table' and starts and redis.acl_check_cmd and not redis.acl_check_cmd('PEXPIRE', key, ttl) then
    reply = redis.error_reply('NOPERM no permission to run PEXPIRE, which sets the declared TTL; nothing was executed')
  end
  if type(reply) ~= 'table' then
    reply = redis.pcall(ARGV[at], key, unpack(ARGV, at + 1, at + count))
    if starts and not (type(reply) == 'table' and reply.err) then
      local set = redis.pcall('PEXPIRE', key, ttl)
      if type(set) == 'table' then reply = set end
    end
  end
  replies[nth] = reply
  at = at + 1 + count
end
return replies";

static SCRIPT: LuaScript = LuaScript::new(KEPT_WRITES);

/// The maximum number of commands, of keys and of lifetimes in one script. It also limits the
/// arguments of a command. Other clients wait while the script runs.
const MOST: usize = 32;

/// Zero in the plan.
const ZERO: u8 = b'!';

/// A batch in which one script replaces several commands.
pub(crate) struct Merged {
    pub(crate) request: Request,
    parts: Vec<MergedPart>,
}

/// Commands of a merged batch that did not run, because the server refused their script.
pub(crate) struct RefusedCommands {
    /// The commands, each by itself.
    pub(crate) request: Request,
    /// The positions of their replies.
    pub(crate) places: Vec<usize>,
}

/// What a part of a merged batch is.
enum MergedPart {
    /// A request with this many replies.
    Unchanged(usize),
    /// A script instead of this many commands.
    Script(usize),
}

impl Request {
    /// Returns the same batch with successive writes that set lifetimes as one script. `None` if
    /// that changes nothing.
    ///
    /// With `of_one_key`, a script writes only one key. While a slot of a cluster is being moved, a
    /// command on several keys can fail.
    pub(crate) fn merged(&self, of_one_key: bool) -> Option<Merged> {
        let Self::Batch(requests) = self else { return None };
        // Most batches have no such writes.
        if !requests.windows(2).any(|pair| pair.iter().all(|request| merges(request).is_some())) {
            return None;
        }
        let mut sent = Vec::with_capacity(requests.len());
        let mut parts = Vec::with_capacity(requests.len());
        let mut rest = requests.as_slice();
        while let Some((first, after)) = rest.split_first() {
            let mut writes = Writes::default();
            let count = rest.iter().take_while(|request| writes.add(request, of_one_key)).count();
            if count > 1 {
                sent.push(writes.into_request());
                parts.push(MergedPart::Script(count));
                rest = rest.get(count..).unwrap_or_default();
            } else {
                sent.push(first.clone());
                parts.push(MergedPart::Unchanged(first.replies()));
                rest = after;
            }
        }
        let changes = parts.iter().any(|part| matches!(part, MergedPart::Script(_)));
        changes.then_some(Merged { request: Self::Batch(sent), parts })
    }
}

impl Merged {
    /// Returns the replies as if each command had been sent by itself.
    pub(crate) fn separate(&self, replies: Replies) -> Replies {
        let mut replies = read::many(replies).into_iter();
        let mut all = Vec::new();
        for part in &self.parts {
            match *part {
                MergedPart::Unchanged(count) => all.extend(replies.by_ref().take(count)),
                MergedPart::Script(count) => match replies.next() {
                    Some(Reply::Array(own)) if own.len() == count => all.extend(own),
                    Some(error) if error.is_error() => all.extend(std::iter::repeat_n(error, count)),
                    _ => {
                        let error =
                            || Reply::failed(Error::protocol("a script has one reply for each command"));
                        all.extend(std::iter::repeat_with(error).take(count));
                    }
                },
            }
        }
        Replies::Many(all)
    }

    /// Whether the server refused a script because of its keys together: it checks the permissions
    /// of all of them, and proxies of clusters their slots. None of its commands ran.
    pub(crate) fn is_refused(&self, replies: &Replies) -> bool {
        let mut place = 0;
        self.parts.iter().any(|part| {
            let reply = replies.as_slice().get(place);
            place += part.replies();
            matches!(part, MergedPart::Script(_)) && reply.is_some_and(is_refusal)
        })
    }

    /// Returns the commands of refused scripts, so that each can be sent by itself. `batch` is the
    /// whole batch. A command whose key a later command of the batch uses is not returned: it
    /// would run after that one.
    pub(crate) fn refused(&self, batch: &Request, replies: &Replies) -> Option<RefusedCommands> {
        let Request::Batch(requests) = batch else { return None };
        let mut refused: Vec<(usize, &Request)> = Vec::new();
        let (mut later_keys, mut later_without_keys) = (HashSet::new(), false);
        let (mut rest, mut answers) = (requests.as_slice(), replies.as_slice());
        let mut place = requests.iter().map(Request::replies).sum::<usize>();
        for part in self.parts.iter().rev() {
            let (before, own) = rest.split_at_checked(rest.len().checked_sub(part.requests())?)?;
            let (earlier, answer) = answers.split_at_checked(answers.len().checked_sub(part.replies())?)?;
            (rest, answers) = (before, earlier);
            place = place.checked_sub(own.iter().map(Request::replies).sum())?;
            let packets = || own.iter().flat_map(Request::packets);
            let keys = || packets().flat_map(|packet| packet.keys.as_slice());
            let is_free = || !later_without_keys && keys().all(|key| !later_keys.contains(key.as_str()));
            let is_script = matches!(part, MergedPart::Script(_));
            match answer {
                [reply] if is_script && is_refusal(reply) => {
                    if is_free() {
                        refused.extend(own.iter().enumerate().rev().map(|(nth, own)| (place + nth, own)));
                    }
                }
                _ => {
                    later_without_keys |= packets().any(|packet| packet.keys.as_slice().is_empty());
                    later_keys.extend(keys().map(KeyText::as_str));
                }
            }
        }
        refused.reverse();
        let places = refused.iter().map(|(place, _)| *place).collect();
        let requests: Vec<_> = refused.into_iter().map(|(_, request)| request.clone()).collect();
        (!requests.is_empty()).then_some(RefusedCommands { request: Request::Batch(requests), places })
    }
}

impl MergedPart {
    /// The number of requests of the batch that it consists of.
    fn requests(&self) -> usize {
        match *self {
            Self::Unchanged(_) => 1,
            Self::Script(count) => count,
        }
    }

    /// The number of replies that the server sends for it.
    fn replies(&self) -> usize {
        match *self {
            Self::Unchanged(count) => count,
            Self::Script(_) => 1,
        }
    }
}

fn is_refusal(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(said) if said.starts_with("NOPERM") || said.starts_with("CROSSSLOT"))
}

/// Returns a command that can become a part of a script, its key and its lifetime.
fn merges(request: &Request) -> Option<(&Packet, &KeyText, KeyLifetime)> {
    let Request::One(packet) = request else { return None };
    let (Keys::One(key), Some(lifetime)) = (&packet.keys, packet.key_lifetime()) else { return None };
    let is_plain = packet.head.is_none() && packet.places.is_none();
    let fits = packet.args.len() <= MOST && !packet.args.has_long();
    (is_plain && fits && packet.is_usual_write() && !lifetime.sends_script).then_some((packet, key, lifetime))
}

/// The commands of one script.
#[derive(Default)]
struct Writes<'r> {
    keys: Vec<&'r KeyText>,
    lifetimes: Vec<i64>,
    /// The plan, without its first character.
    plan: Vec<u8>,
    packets: Vec<&'r Packet>,
}

impl<'r> Writes<'r> {
    /// Adds a command, if it can be a part of the script.
    fn add(&mut self, request: &'r Request, of_one_key: bool) -> bool {
        let Some((packet, key, lifetime)) = merges(request) else { return false };
        let place = self.keys.iter().rposition(|known| known.as_str() == key.as_str());
        let is_full = self.packets.len() == MOST || of_one_key && place.is_none() && !self.keys.is_empty();
        if is_full {
            return false;
        }
        let place = place.unwrap_or_else(|| {
            self.keys.push(key);
            self.keys.len() - 1
        });
        let of_lifetime = self.lifetimes.iter().position(|known| *known == lifetime.millis);
        let of_lifetime = of_lifetime.unwrap_or_else(|| {
            self.lifetimes.push(lifetime.millis);
            self.lifetimes.len() - 1
        });
        let renews = if lifetime.renews { b'1' } else { b'0' };
        self.plan.extend([digit(place), digit(of_lifetime), renews, digit(packet.args.len())]);
        self.packets.push(packet);
        true
    }

    fn into_request(self) -> Request {
        let Self { keys, lifetimes, mut plan, packets } = self;
        plan.insert(0, digit(lifetimes.len()));
        let mut args = Args::default();
        args.push(&plan);
        lifetimes.iter().for_each(|millis| args.push_int(*millis));
        for packet in packets {
            args.push(packet.name.as_bytes());
            args.extend(&packet.args);
        }
        let keys = Keys::Many(keys.into_iter().cloned().collect());
        Request::One(SCRIPT.command(ScriptCall { keys, args }))
    }
}

/// Returns a number as a character of the plan. All numbers are [`MOST`] at most.
fn digit(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX - ZERO).saturating_add(ZERO)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::WireBuffer;
    use crate::time::Expiry;

    fn write(name: &'static str, key: &'static str, words: &[&str], seconds: u64, renews: bool) -> Request {
        let mut packet = Packet::new(name, Keys::One(KeyText::Static(key)));
        words.iter().for_each(|word| packet.args.push(word.as_bytes()));
        packet
            .set_key_lifetime(KeyLifetime::new(Expiry::After(Duration::from_secs(seconds)), renews).unwrap());
        Request::One(packet)
    }

    fn read() -> Request {
        Request::One(Packet::new("GET", Keys::One(KeyText::Static("g"))))
    }

    /// The words that are sent, without those scripts.
    fn words(request: &Request) -> Vec<String> {
        let mut out = WireBuffer::default();
        request.encode("", &mut out);
        let text = String::from_utf8(out.drain(usize::MAX)).unwrap().replace(KEPT_WRITES, "script");
        let lines = text.split("\r\n").filter(|line| !line.starts_with(['*', '$']) && !line.is_empty());
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn successive_writes_are_one_script_and_each_key_is_sent_once() {
        let batch = Request::Batch(vec![
            write("HSET", "h", &["f", "1"], 1, false),
            write("SADD", "s", &["m"], 2, true),
            write("HSET", "h", &["g", "2"], 1, false),
            read(),
            write("SADD", "s", &["n"], 2, true),
        ]);
        let merged = batch.merged(false).unwrap();
        let sent = words(&merged.request);
        let expected = "EVAL script 2 h s #!!0#\"\"1\"!!0# 1000 2000 HSET f 1 SADD m HSET g 2 GET g";
        assert_eq!(sent[..18].join(" "), expected);
        assert_eq!(merged.request.replies(), 3);
        let replies = vec![
            Reply::Array(vec![Reply::Int(1), Reply::Error("WRONGTYPE x".to_owned()), Reply::Int(0)]),
            Reply::Nil,
            Reply::Int(2),
        ];
        let separate = merged.separate(Replies::Many(replies));
        let expected =
            [Reply::Int(1), Reply::Error("WRONGTYPE x".to_owned()), Reply::Int(0), Reply::Nil, Reply::Int(2)];
        assert_eq!(separate.as_slice(), expected);
    }

    #[test]
    fn an_error_of_the_script_is_that_of_each_command() {
        let pair = || write("SADD", "s", &["m"], 1, false);
        let merged = Request::Batch(vec![pair(), pair(), read()]).merged(false).unwrap();
        let error = || Reply::Error("LOADING x".to_owned());
        let separate = merged.separate(Replies::Many(vec![error(), Reply::Nil]));
        assert_eq!(separate.as_slice(), [error(), error(), Reply::Nil]);
        let separate = merged.separate(Replies::Many(vec![Reply::Array(vec![Reply::Int(1)]), Reply::Nil]));
        assert!(separate.as_slice()[..2].iter().all(Reply::is_error));
        assert_eq!(separate.as_slice().len(), 3);
    }

    #[test]
    fn commands_of_a_refused_script_are_sent_again_if_no_later_command_uses_their_keys() {
        let one = |key| write("SADD", key, &["m"], 1, false);
        let get = || Request::One(Packet::new("GET", Keys::One(KeyText::Static("b"))));
        let ping = || Request::One(Packet::new("PING", Keys::None));
        let refusal = || Reply::Error("NOPERM x".to_owned());
        let again = |batch: Vec<Request>, replies: Vec<Reply>| {
            let batch = Request::Batch(batch);
            let merged = batch.merged(false).unwrap();
            merged.refused(&batch, &Replies::Many(replies)).map(|again| (again.places, words(&again.request)))
        };
        let (places, sent) =
            again(vec![read(), one("a"), one("b"), read()], vec![Reply::Nil, refusal(), Reply::Nil]).unwrap();
        assert_eq!(places, [1, 2]);
        assert_eq!(sent.iter().filter(|word| *word == "SADD").count(), 2);
        assert!(again(vec![one("a"), one("b"), get()], vec![refusal(), Reply::Nil]).is_none());
        assert!(again(vec![one("a"), one("b"), ping()], vec![refusal(), Reply::Nil]).is_none());
        assert!(
            again(vec![one("a"), one("b"), read()], vec![Reply::Error("OOM x".to_owned()), Reply::Nil])
                .is_none()
        );
        let done = Reply::Array(vec![Reply::Int(1), Reply::Int(1)]);
        assert!(again(vec![one("a"), one("b"), read()], vec![done, Reply::Nil]).is_none());
        // The second script is refused, too, so it is no later command.
        let batch = vec![one("a"), one("b"), read(), one("b"), one("a")];
        let (places, _) = again(batch, vec![refusal(), Reply::Nil, refusal()]).unwrap();
        assert_eq!(places, [0, 1, 3, 4]);
    }

    #[test]
    fn what_a_script_can_not_do_is_sent_as_it_is() {
        let one = || write("SADD", "s", &["m"], 1, false);
        assert!(Request::Batch(vec![one(), read(), one()]).merged(false).is_none());
        assert!(Request::Batch(vec![one(), write("SADD", "t", &["m"], 1, false)]).merged(true).is_none());
        let sum = || write("HINCRBY", "h", &["f", "1"], 1, false);
        assert!(Request::Batch(vec![sum(), sum()]).merged(false).is_none());
        let long = || write("SADD", "s", &["m"; MOST + 1], 1, false);
        assert!(Request::Batch(vec![long(), long()]).merged(false).is_none());
        let many = Request::Batch((0..MOST + 1).map(|_| one()).collect()).merged(true).unwrap();
        assert_eq!(many.request.replies(), 2, "a full script, and one command");
    }
}
