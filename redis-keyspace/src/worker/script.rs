//! The scripts of workers. Each checks that an entry still belongs to the consumer, because another
//! one may have claimed it meanwhile.

use std::time::Duration;

use super::options::shortened;
use super::shared::Shared;
use crate::error::Result;
use crate::kind::{SingleValue, Stream, StreamId, TrimPolicy};
use crate::protocol::{Args, KeyLifetime, Keys, LuaScript, Reply, ScriptCall, push_trim, read};
use crate::schema::{Key, Keyspace};
use crate::time::{Deadline, Expiry, millis};

/// Sets the idle time of an entry if it is pending for this consumer. 0 keeps it from being
/// claimed, a longer time lets it be claimed sooner. Returns 1, or 0 if the entry belongs to
/// another consumer now, was acknowledged, or was deleted.
///
/// `XCLAIM` alone would take the entry back from its new owner.
///
/// `KEYS`: the stream. `ARGV`: the group, the consumer, the ID, the idle time in milliseconds, and
/// the number of deliveries to set, or nothing.
pub(crate) const HOLD: &str = "\
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if #pending == 0 then return 0 end
local count = ARGV[5] ~= '' and ARGV[5] or pending[1][4]
return #redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'IDLE', ARGV[4], 'RETRYCOUNT', count, 'JUSTID')";

/// Moves an entry to the stream of dead letters if it is pending for this consumer, and
/// acknowledges it. Returns 1, 0 if the entry belongs to another consumer now or was acknowledged,
/// or 2 if it was deleted, so that only its acknowledgement was left to do.
///
/// A script that fails is not rolled back. So it asks first for the permissions of what it does
/// after it has added the dead letter. If adding fails, the entry stays pending. The entry is
/// deleted only if no other group could still read it.
///
/// `KEYS`: the stream, and that of the dead letters. `ARGV`: the group, the consumer, the ID; the
/// lifetime of the dead letters in milliseconds or 0, and `1` if every write renews it; the number
/// of options of `XADD`, these options, and fields to add.
pub(crate) const BURY: &str = "\
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2]) == 0 then return 0 end
local found = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])
local outcome = 2
if #found > 0 then
  local call, last = {'XADD', KEYS[2]}, 6 + ARGV[6]
  for at = 7, last do call[#call + 1] = ARGV[at] end
  call[#call + 1] = '*'
  for _, part in ipairs(found[1][2]) do call[#call + 1] = part end
  for at = last + 1, #ARGV do call[#call + 1] = ARGV[at] end
  if #call > 7000 then return redis.error_reply('ERR the entry has too many fields for a script; nothing was changed') end
  local starts = ARGV[4] ~= '0' and (ARGV[5] == '1' or redis.call('EXISTS', KEYS[2]) == 0)
  local needed = {{'XACK', KEYS[1], ARGV[1], ARGV[3]}, {'XINFO', 'GROUPS', KEYS[1]}, {'XDEL', KEYS[1], ARGV[3]}}
  if starts then needed[4] = {'PEXPIRE', KEYS[2], ARGV[4]} end
  for _, command in ipairs(needed) do
    if redis.acl_check_cmd and not redis.acl_check_cmd(unpack(command)) then
      return redis.error_reply('NOPERM no permission to run ' .. command[1] .. '; nothing was executed')
    end
  end
  redis.call(unpack(call))
  if starts then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
  outcome = 1
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
if #redis.call('XINFO', 'GROUPS', KEYS[1]) == 1 then redis.call('XDEL', KEYS[1], ARGV[3]) end
return outcome";

/// Removes the entries that every group has read and acknowledged, except the last one. Returns how
/// many.
///
/// IDs are compared as strings of the same length, because Lua's numbers are not exact.
///
/// `KEYS`: the stream.
pub(crate) const TRIM_DONE: &str = "\
local function padded(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return string.rep('0', 20 - #ms) .. ms .. string.rep('0', 20 - #seq) .. seq
end
local least
for _, facts in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = {}
  for at = 1, #facts, 2 do group[facts[at]] = facts[at + 1] end
  local id = group['last-delivered-id']
  if group['pending'] > 0 then
    local first = redis.call('XPENDING', KEYS[1], group['name'])[2]
    if padded(first) < padded(id) then id = first end
  end
  if not least or padded(id) < padded(least) then least = id end
end
if not least then return 0 end
return redis.call('XTRIM', KEYS[1], 'MINID', '=', least)";

static HOLDING: LuaScript = LuaScript::new(HOLD);
static BURYING: LuaScript = LuaScript::new(BURY);
static TRIMMING: LuaScript = LuaScript::new(TRIM_DONE);

/// The names of the fields that are added to a dead letter.
pub(super) const DEAD_ID: &str = "dead-id";
pub(super) const DEAD_GROUP: &str = "dead-group";
pub(super) const DEAD_DELIVERIES: &str = "dead-deliveries";
pub(super) const DEAD_ERROR: &str = "dead-error";

/// What happens to the number of deliveries of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deliveries {
    Keep,
    /// The number of those that count: the entry may have been delivered once more without a run.
    Set(u64),
}

/// The outcome of moving an entry to the dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Buried {
    Moved,
    /// Another consumer has it, or it was acknowledged.
    NotOurs,
    /// It was deleted from the stream.
    Gone,
}

impl<S: Keyspace, T: SingleValue> Shared<S, T> {
    fn script_call(&self, keys: Keys, id: StreamId) -> ScriptCall {
        let mut args = Args::default();
        args.push(self.group.name().as_bytes());
        args.push(self.consumer.as_bytes());
        args.push(id.to_string().as_bytes());
        ScriptCall { keys, args }
    }

    pub(super) fn deadline(&self) -> Deadline {
        self.binding.deadline(self.options.timeout)
    }

    fn holding(&self, id: StreamId, idle: Duration, deliveries: Deliveries) -> Result<ScriptCall> {
        let mut call = self.script_call(Keys::One(self.key().text()), id);
        call.args.push_int(millis(idle)?);
        match deliveries {
            Deliveries::Keep => call.args.push(b""),
            Deliveries::Set(count) => call.args.push_int(count),
        }
        Ok(call)
    }

    /// Sets the idle time of an entry. Returns `false` if it belongs to another consumer now.
    pub(super) async fn hold(&self, id: StreamId, idle: Duration, deliveries: Deliveries) -> Result<bool> {
        let call = self.holding(id, idle, deliveries)?;
        let reply = HOLDING.run(&self.binding, call, self.deadline(), true).await;
        reply.and_then(read::to_bool).map_err(|error| self.key().explain("XCLAIM", error))
    }

    /// Sets the idle times and deliveries of several entries in one round trip. Returns for each
    /// whether it still belongs to this consumer.
    pub(super) async fn hold_many(
        &self,
        entries: impl Iterator<Item = (StreamId, Duration, u64)>,
    ) -> Result<Vec<Result<bool>>> {
        let holding = |(id, idle, count)| self.holding(id, idle, Deliveries::Set(count));
        let calls = entries.map(holding).collect::<Result<_>>()?;
        let explain = |error| self.key().explain("XCLAIM", error);
        let replies = HOLDING.run_many(&self.binding, calls, self.deadline(), true).await.map_err(explain)?;
        let held = |reply: Result<Reply>| reply.and_then(read::to_bool).map_err(explain);
        Ok(replies.into_iter().map(held).collect())
    }

    /// Moves an entry to the dead letters.
    pub(super) async fn bury(
        &self,
        dead: &Key<S, Stream<T>>,
        id: StreamId,
        deliveries: u64,
        error: &str,
    ) -> Result<Buried> {
        let mut call = self.script_call(Keys::Many(vec![self.key().text(), dead.text()]), id);
        let template = dead.template();
        let expiry = Expiry::from(self.binding.lifetime(template));
        let lifetime = KeyLifetime::new(expiry, template.renews_lifetime())?;
        call.args.push_int(lifetime.map_or(0, |lifetime| lifetime.millis));
        call.args.push(if template.renews_lifetime() { b"1" } else { b"0" });
        let mut options = Args::default();
        if let TrimPolicy::To(trim) = template.kind.trim {
            push_trim(trim, &mut options)?;
        }
        call.args.push_int(options.len());
        options.iter().for_each(|option| call.args.push(option));
        for (name, value) in [
            (DEAD_ID, id.to_string().as_str()),
            (DEAD_GROUP, self.group.name()),
            (DEAD_DELIVERIES, deliveries.to_string().as_str()),
            (DEAD_ERROR, shortened(error)),
        ] {
            call.args.push(name.as_bytes());
            call.args.push(value.as_bytes());
        }
        // Not repeatable: a second run would report that the entry is not ours.
        let reply = BURYING.run(&self.binding, call, self.deadline(), false).await;
        match reply.and_then(read::to_int).map_err(|error| self.key().explain("XADD", error))? {
            0 => Ok(Buried::NotOurs),
            1 => Ok(Buried::Moved),
            _ => Ok(Buried::Gone),
        }
    }

    /// Removes the entries that all groups have acknowledged.
    pub(super) async fn trim_done(&self) -> Result<u64> {
        let call = ScriptCall { keys: Keys::One(self.key().text()), args: Args::default() };
        let reply = TRIMMING.run(&self.binding, call, self.deadline(), true).await;
        reply.and_then(read::to_count).map_err(|error| self.key().explain("XTRIM", error))
    }
}
