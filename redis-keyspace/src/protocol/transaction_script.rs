//! Runs transactions as scripts, on a server that rejects MULTI and accepts scripts.

use std::borrow::Cow;

use super::args::Args;
use super::guarded::unguarded;
use super::keys::{KeyCount, Keys};
use super::packet::{Packet, SentAs};
use super::read;
use super::reply::{Replies, Reply};
use super::request::Request;
use crate::error::{Error, Result};

/// Runs several commands and returns their replies, including errors, like EXEC.
///
/// `ARGV` describes each command by four values, followed by its arguments: the number of arguments
/// before its keys, the number of its keys, the number of arguments after them, and a word. For a
/// [guarded write](super::guarded), the word says what it returns; in `KEYS`, its keys are followed
/// by their companions. For a command that gives its key a lifetime, the word is `create` or
/// `renew` and the milliseconds. For one on several keys, it is the same with `to-` in front if the
/// last key is written, `store` if the first one is replaced, or `store-create` if elements are
/// added to it; `count` is `store` with the number of the other keys after the first one, and 0
/// milliseconds mean no lifetime.
///
/// MULTI runs nothing if a command is unknown or not permitted. The script checks this first, on
/// servers since version 7. If a command that the script adds fails later, such as PEXPIRE, the
/// error is the reply to the command of the caller that it follows: the others have run.
///
/// Lua stores integers as floating-point numbers. A result that may have been rounded is an error.
pub(crate) const TRANSACTION_SCRIPT: &str = "\
local commands, key, at = {}, 0, 1
while at <= #ARGV do
  local call, beside = {}, {}
  local before, keys, after = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local returned = ARGV[at + 3]
  at = at + 4
  for _ = 1, before do call[#call + 1] = ARGV[at] at = at + 1 end
  local policy, ttl = string.match(returned, '^([%a-]+) (%d+)$')
  local first = KEYS[key + 1]
  for nth = 1, keys do
    key = key + 1
    call[#call + 1] = KEYS[key]
    if nth == 1 and policy == 'count' then call[#call + 1] = keys - 1 end
  end
  for _ = 1, after do call[#call + 1] = ARGV[at] at = at + 1 end
  if policy then
    local leads = policy == 'store' or policy == 'store-create' or policy == 'count'
    local written = leads and first or KEYS[key]
    if ttl == '0' then policy = nil end
    commands[#commands + 1] = {call, beside, false, written, policy, ttl}
  else
    if returned ~= '' then
      beside[1] = 'UNLINK'
      for _ = 1, keys do key = key + 1 beside[#beside + 1] = KEYS[key] end
    end
    commands[#commands + 1] = {call, beside, returned == 'previous' and {'GET', call[before + 1]}}
  end
end
local function check(call)
  local known, permitted = pcall(redis.acl_check_cmd, unpack(call))
  if not known then return 'ERR unknown command' end
  if not permitted then return 'NOPERM no permission to run ' .. call[1] .. ' on these keys; no command was executed' end
end
for _, command in ipairs(commands) do
  local problem = redis.acl_check_cmd and (check(command[1]) or #command[2] > 0 and check(command[2])
    or command[3] and check(command[3])
    or command[5] and (check({'EXISTS', command[4]}) or check({'PEXPIRE', command[4], command[6]})))
  if problem then return redis.error_reply(problem) end
end
local replies = {}
for _, command in ipairs(commands) do
  local reply = command[3] and redis.pcall(unpack(command[3]))
  if not reply then
    local creates = command[5] == 'create' or command[5] == 'to-create' or command[5] == 'store-create'
    local exists = creates and redis.pcall('EXISTS', command[4]) or 0
    local starts = command[5] and exists == 0
    reply = type(exists) == 'table' and exists or redis.pcall(unpack(command[1]))
    local failed = type(reply) == 'table' and reply.err
    local wrote = reply and reply ~= 0
    if command[3] and not failed then reply = false end
    if #command[2] > 0 and wrote and not failed then
      local ended = redis.pcall(unpack(command[2]))
      if type(ended) == 'table' then reply = ended end
    end
    local sets = command[5] == 'create' or command[5] == 'renew' or wrote
    if starts and sets and not failed then
      local set = redis.pcall('PEXPIRE', command[4], command[6])
      if type(set) == 'table' then reply = set end
    end
  end
  for _, part in ipairs(type(reply) == 'table' and reply or {reply}) do
    if type(part) == 'number' and math.abs(part) >= 9007199254740992 then
      reply = {err = 'ERR the command was executed, but a script cannot return its result, which exceeds 2^53'}
    end
  end
  replies[#replies + 1] = reply
end
return replies";

/// The maximum number of arguments of a command in a script. Lua's stack holds about 8000.
pub(crate) const MOST_IN_SCRIPT: usize = 4000;

impl Request {
    /// Returns the same request with each transaction replaced by a script.
    pub(crate) fn as_script(&self, namespace: &str) -> Result<Self> {
        match self {
            Self::Atomic(packets) => script(packets, namespace).map(Self::One),
            Self::Batch(requests) => {
                let requests: Result<_> =
                    requests.iter().map(|request| request.as_script(namespace)).collect();
                requests.map(Self::Batch)
            }
            other => Ok(other.clone()),
        }
    }

    /// Converts the replies to [`as_script`](Self::as_script) into the form of the replies to this
    /// request.
    pub(crate) fn replies_of_script(&self, replies: Replies) -> Replies {
        let mut all = Vec::with_capacity(self.replies());
        self.collect(&mut read::many(replies).into_iter(), &mut all);
        Replies::Many(all)
    }

    fn collect(&self, replies: &mut dyn Iterator<Item = Reply>, all: &mut Vec<Reply>) {
        match self {
            Self::Atomic(packets) => {
                let Some(results) = replies.next() else { return };
                let Some(refusal) = refusal(&results).map(|said| Reply::Error(said.to_owned())) else {
                    all.push(Reply::Ok);
                    all.extend(std::iter::repeat_n(Reply::Status("QUEUED".to_owned()), packets.len()));
                    all.push(results);
                    return;
                };
                all.push(Reply::Ok);
                all.extend(std::iter::repeat_n(refusal, packets.len()));
                all.push(Reply::Error(ABORTED.to_owned()));
            }
            Self::Batch(requests) => requests.iter().for_each(|request| request.collect(replies, all)),
            other => all.extend(replies.take(other.replies())),
        }
    }
}

/// The reply to EXEC if a command could not be queued.
const ABORTED: &str = "EXECABORT Transaction discarded because of previous errors.";

/// Returns the error because of which no command of a transaction was executed, if there is one. On
/// a replica, MULTI rejects writes that a script runs and fails.
fn refusal(results: &Reply) -> Option<&str> {
    match results {
        Reply::Error(said) => Some(said),
        Reply::Array(results) => results.iter().find_map(|result| match result {
            Reply::Error(said) if said.starts_with("READONLY") => Some(said.as_str()),
            _ => None,
        }),
        _ => None,
    }
}

/// Returns a packet that runs the script without commands, to find out whether scripts are
/// permitted.
pub(crate) fn script_probe() -> Packet {
    let mut probe = Packet::new("EVAL", Keys::None);
    probe.args.push(TRANSACTION_SCRIPT.as_bytes());
    probe.args.push_int(0);
    probe
}

fn script(packets: &[Packet], namespace: &str) -> Result<Packet> {
    let mut script = Packet::new("EVAL", Keys::None);
    script.args.push(TRANSACTION_SCRIPT.as_bytes());
    let keys: Vec<Cow<'_, Keys>> = packets.iter().map(|packet| packet.keys.without_count()).collect();
    script.args.push_int(keys.iter().map(|keys| keys.count()).sum::<usize>());
    for keys in &keys {
        keys.visit(namespace, &mut |parts| script.args.push(parts.concat().as_bytes()));
    }
    let nothing = Args::default();
    for packet in packets {
        if packet.places.is_some() || matches!(packet.sent_as, SentAs::Script(_)) {
            return Err(Error::invalid_input(
                "the server rejects MULTI, so a script replaces it, which runs no scripts of the application and no raw \
                 commands with several keys; nothing was sent; run the command on its own, or permit MULTI",
            ));
        }
        let guarded = unguarded(packet);
        if guarded.is_none() && matches!(packet.name, "EVAL" | "EVALSHA") {
            return Err(Error::invalid_input(
                "the server rejects MULTI, so a script replaces the transaction, and a script can't run another script; \
                 nothing was sent; run the operation that is a script on its own",
            ));
        }
        let lasting = lifetime_text(packet);
        let mut before = Vec::new();
        let (keys, after, returned) = match &guarded {
            Some(write) => {
                before.push(write.name);
                (write.keys.len(), write.args.clone(), write.returned)
            }
            None => {
                before.push(packet.name.as_bytes());
                before.extend(packet.head.as_deref().unwrap_or(&nothing).iter());
                (packet.keys.without_count().count(), packet.args.iter().collect(), lasting.as_bytes())
            }
        };
        if before.len() + keys + after.len() > MOST_IN_SCRIPT {
            return Err(Error::invalid_input(format!(
                "the server rejects MULTI, so a script replaces it, whose commands have at most {MOST_IN_SCRIPT} arguments each; \
                 nothing was sent; use fewer keys at a time"
            )));
        }
        [before.len(), keys, after.len()].into_iter().for_each(|count| script.args.push_int(count));
        script.args.push(returned);
        before.into_iter().chain(after).for_each(|argument| script.args.push(argument));
    }
    Ok(script)
}

/// Returns the text from which the script reads the lifetime that a command gives to the key that
/// it writes.
fn lifetime_text(packet: &Packet) -> String {
    let millis = packet.key_lifetime().map_or(0, |lifetime| lifetime.millis);
    let policy = match (&packet.keys, packet.key_lifetime()) {
        (Keys::Into(_, KeyCount::Sent), _) => "count",
        (_, None) => return String::new(),
        (Keys::Into(_, KeyCount::Implied), Some(lifetime)) => {
            if lifetime.renews {
                "store"
            } else {
                "store-create"
            }
        }
        (Keys::One(_), Some(lifetime)) => {
            if lifetime.renews {
                "renew"
            } else {
                "create"
            }
        }
        (_, Some(lifetime)) => {
            if lifetime.renews {
                "to-renew"
            } else {
                "to-create"
            }
        }
    };
    format!("{policy} {millis}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyText;
    use crate::protocol::{GuardedReply, guarded};

    fn incr() -> Request {
        let mut set = Packet::new("SET", Keys::One(KeyText::Static("n")));
        set.args.push(b"0");
        Request::Atomic(vec![set, Packet::new("INCR", Keys::One(KeyText::Static("m")))])
    }

    #[test]
    fn a_transaction_becomes_one_command() {
        let Request::One(script) = incr().as_script("a:").unwrap() else { panic!("one command") };
        let args: Vec<_> = script.args.iter().skip(1).map(|arg| str::from_utf8(arg).unwrap()).collect();
        assert_eq!(args, ["2", "a:n", "a:m", "1", "1", "1", "", "SET", "0", "1", "1", "0", "", "INCR"]);
    }

    #[test]
    fn a_guarded_write_is_unwrapped() {
        let mut set = Packet::new("SET", Keys::One(KeyText::Static("n")));
        set.args.push(b"0");
        set.args.push(b"NX");
        let request = Request::Atomic(vec![guarded(set, GuardedReply::Own)]);
        let Request::One(script) = request.as_script("a:").unwrap() else { panic!("one command") };
        let args: Vec<_> = script.args.iter().skip(1).map(|arg| str::from_utf8(arg).unwrap()).collect();
        assert_eq!(args, ["2", "a:n", "a:n%fill{a:n}", "1", "1", "2", "reply", "SET", "0", "NX"]);
    }

    #[test]
    fn replies_have_the_form_of_a_transaction() {
        let one = Request::One(Packet::new("PING", Keys::None));
        let batch = Request::Batch(vec![one.clone(), incr(), one]);
        let pong = || Reply::Status("PONG".to_owned());
        let queued = || Reply::Status("QUEUED".to_owned());
        let results = Reply::Array(vec![Reply::Ok, Reply::Int(1)]);
        let Replies::Many(replies) =
            batch.replies_of_script(Replies::Many(vec![pong(), results.clone(), pong()]))
        else {
            panic!("many")
        };
        assert_eq!(replies, [pong(), Reply::Ok, queued(), queued(), results, pong()]);
        assert_eq!(replies.len(), batch.replies());
    }

    #[test]
    fn a_script_that_ran_nothing_looks_like_an_aborted_transaction() {
        let error = |said: &str| Reply::Error(said.to_owned());
        let read_only = "READONLY You can't write against a read only replica.";
        for (results, said) in [
            (error("NOPERM no"), "NOPERM no"),
            (error(read_only), read_only),
            (Reply::Array(vec![error(read_only), error(read_only)]), read_only),
        ] {
            let replies = incr().replies_of_script(Replies::One(results));
            let Replies::Many(all) = &replies else { panic!("many") };
            assert_eq!(all[..3], [Reply::Ok, error(said), error(said)]);
            assert!(matches!(&all[3], Reply::Error(said) if said.starts_with("EXECABORT")));
            assert_eq!(all.len(), incr().replies());
            assert_eq!(read::executed(false, replies).unwrap_err().code(), said.split(' ').next());
        }
        // The other commands ran.
        let one_failed = Reply::Array(vec![Reply::Ok, error("WRONGTYPE no")]);
        let replies = incr().replies_of_script(Replies::One(one_failed));
        assert_eq!(read::executed(false, replies).unwrap().len(), 2);
    }

    #[test]
    fn too_many_arguments_are_rejected_before_anything_is_sent() {
        let keys = vec![KeyText::Static("n"); MOST_IN_SCRIPT];
        let request = Request::Atomic(vec![Packet::new("UNLINK", Keys::Many(keys))]);
        assert!(request.as_script("").is_err());
    }
}
