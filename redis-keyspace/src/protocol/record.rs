//! Writes of records: several fields in one atomic step, possibly only if the record is unchanged.

use super::args::Args;
use super::key_lifetime::KeyLifetime;
use super::keys::Keys;
use super::packet::{Packet, PacketLifetime};
use super::script::LuaScript;
use super::script_call::ScriptCall;

/// Changes fields of a hash, and sets the lifetime of the key if this created it. With an expected
/// state, changes nothing and returns all fields if the state is another one.
///
/// A hash whose fields have all expired counts as absent, also if the server has not deleted it
/// yet.
///
/// All commands are checked before the first one runs. A server that lacks one, or does not permit
/// it, changes nothing.
///
/// `KEYS`: the key and, if its fills end, its companion. `ARGV`: the lifetime in milliseconds, or
/// nothing; `1` if every write renews it; whether the key is expected to exist, or nothing; the
/// number of fields with an expected value, their names, and for each `1` and the value, or `0` and
/// any string if it is absent. Then the commands: the name, the number of arguments after the key,
/// and these.
pub(crate) const RECORD_WRITE: &str = "\
local exists, count = redis.call('EXISTS', KEYS[1]), tonumber(ARGV[4])
local emptied = ARGV[3] == '0' and exists == 1 and #redis.call('HGETALL', KEYS[1]) == 0
if emptied then exists = 0 end
local same = ARGV[3] == '' or ARGV[3] == tostring(exists)
if same and count > 0 then
  local there = redis.call('HMGET', KEYS[1], unpack(ARGV, 5, 4 + count))
  for i = 1, count do
    local at = 3 + count + 2 * i
    if there[i] ~= (ARGV[at] == '1' and ARGV[at + 1]) then same = false end
  end
end
if not same then return {0, redis.call('HGETALL', KEYS[1])} end
local commands, at = {}, 5 + 3 * count
while ARGV[at] do
  local last = at + 1 + tonumber(ARGV[at + 1])
  commands[#commands + 1] = {ARGV[at], KEYS[1], unpack(ARGV, at + 2, last)}
  at = last + 1
end
local starts = ARGV[1] ~= '' and (ARGV[2] == '1' or exists == 0)
local needed = {unpack(commands)}
if starts then needed[#needed + 1] = {'PEXPIRE', KEYS[1], ARGV[1]} end
for _, command in ipairs(needed) do
  if redis.acl_check_cmd then
    local known, permitted = pcall(redis.acl_check_cmd, unpack(command))
    if not known then return redis.error_reply('ERR unknown command ' .. command[1]) end
    if not permitted then
      return redis.error_reply('NOPERM no permission to run ' .. command[1] .. '; nothing was executed')
    end
  elseif command[1] == 'HPEXPIRE' then
    redis.call('HPTTL', KEYS[1], 'FIELDS', 1, command[6])
  end
end
if emptied then redis.call('UNLINK', KEYS[1]) end
for _, command in ipairs(commands) do redis.call(unpack(command)) end
if starts then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
if KEYS[2] then redis.call('UNLINK', KEYS[2]) end
return {1}";

/// Adds to a field of a hash, and sets the lifetime of the key if this created it. If the field has
/// a value only under an earlier name, moves it first, with its lifetime. A field that this
/// created, or that had no lifetime when it was moved, gets the declared one.
///
/// `KEYS`: the key. `ARGV`: the lifetime in milliseconds, or nothing; `1` if every write renews it;
/// `1` to change only a key that exists; the command and the amount; the least and the greatest
/// permitted sum, or nothing; HPEXPIRE and the lifetime of the field in milliseconds, or twice
/// nothing; the field, and its earlier names.
pub(crate) const RECORD_INCREMENT: &str = "\
local exists = redis.call('EXISTS', KEYS[1])
if exists == 0 and ARGV[3] == '1' then return false end
local starts = ARGV[1] ~= '' and (ARGV[2] == '1' or exists == 0)
if starts and redis.acl_check_cmd and not redis.acl_check_cmd('PEXPIRE', KEYS[1], ARGV[1]) then
  return redis.error_reply('NOPERM no permission to run PEXPIRE, which sets the declared TTL; nothing was executed')
end
local field, left = ARGV[10], ARGV[9]
local created = redis.call('HEXISTS', KEYS[1], field) == 0
if created and left ~= '' then
  if redis.acl_check_cmd then
    local known, permitted = pcall(redis.acl_check_cmd, ARGV[8], KEYS[1], left, 'FIELDS', 1, field)
    if not known then return redis.error_reply('ERR unknown command HPEXPIRE') end
    if not permitted then
      return redis.error_reply('NOPERM no permission to run HPEXPIRE; nothing was executed')
    end
  else
    redis.call('HPTTL', KEYS[1], 'FIELDS', 1, field)
  end
end
if created then
  for i = 11, #ARGV do
    local earlier = redis.call('HGET', KEYS[1], ARGV[i])
    if earlier then
      local ttl = redis.pcall('HPTTL', KEYS[1], 'FIELDS', 1, ARGV[i])
      if type(ttl) == 'table' and not ttl.err and ttl[1] > 0 then left = ttl[1] end
      redis.call('HSET', KEYS[1], field, earlier)
      break
    end
  end
end
local sum = redis.pcall(ARGV[4], KEYS[1], field, ARGV[5])
if type(sum) == 'table' and sum.err then
  if created then redis.call('HDEL', KEYS[1], field) end
  return sum
end
if ARGV[6] ~= '' and (sum < tonumber(ARGV[6]) or sum > tonumber(ARGV[7])) then
  if created then
    redis.call('HDEL', KEYS[1], field)
  else
    local back = string.sub(ARGV[5], 1, 1) == '-' and string.sub(ARGV[5], 2) or '-' .. ARGV[5]
    redis.call(ARGV[4], KEYS[1], field, back)
  end
  return redis.error_reply('ERR the sum does not fit the type of the field; the value was not changed')
end
if created and left ~= '' then redis.call('HPEXPIRE', KEYS[1], left, 'FIELDS', 1, field) end
if #ARGV > 10 then redis.call('HDEL', KEYS[1], unpack(ARGV, 11)) end
if starts then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return redis.call('HGET', KEYS[1], field)";

static WRITE: LuaScript = LuaScript::new(RECORD_WRITE);
static INCREMENT: LuaScript = LuaScript::new(RECORD_INCREMENT);

/// The changes of the fields of one hash.
#[derive(Debug, Default)]
pub(crate) struct FieldChanges {
    /// Names and values.
    set: Args,
    removed: Args,
    /// Lifetimes in milliseconds, each with the fields that get it.
    lasting: Vec<(u64, Args)>,
    /// Whether the whole hash is deleted.
    deletes: bool,
}

impl FieldChanges {
    /// The deletion of the whole hash.
    pub(crate) fn deletion() -> Self {
        Self { deletes: true, ..Self::default() }
    }

    /// Sets a field, which ends its lifetime or sets a new one.
    pub(crate) fn set(&mut self, name: &str, value: &[u8], ttl: Option<u64>) {
        self.set.push(name.as_bytes());
        self.set.push(value);
        let Some(millis) = ttl else { return };
        match self.lasting.iter_mut().find(|(other, _)| *other == millis) {
            Some((_, fields)) => fields.push(name.as_bytes()),
            None => {
                let mut fields = Args::default();
                fields.push(name.as_bytes());
                self.lasting.push((millis, fields));
            }
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.removed.push(name.as_bytes());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.set.len() == 0 && self.removed.len() == 0 && !self.deletes
    }

    /// Returns the arguments of the `HSET` or `HDEL` that is the whole change, if it is one.
    pub(crate) fn into_command(self) -> Result<(&'static str, Args), Self> {
        match self {
            Self { set, removed, lasting, deletes: false } if removed.len() == 0 && lasting.is_empty() => {
                Ok(("HSET", set))
            }
            Self { set, removed, deletes: false, .. } if set.len() == 0 => Ok(("HDEL", removed)),
            changes => Err(changes),
        }
    }

    /// Appends the commands for the script. `HDEL` follows `HSET`, so that the key never vanishes
    /// between them and keeps its lifetime.
    fn push(&self, args: &mut Args) {
        let mut command = |name: &str, head: &[&[u8]], rest: &Args| {
            args.push(name.as_bytes());
            args.push_int(head.len() + rest.len());
            head.iter().for_each(|argument| args.push(argument));
            rest.iter().for_each(|argument| args.push(argument));
        };
        if self.deletes {
            command("UNLINK", &[], &Args::default());
        }
        if self.set.len() > 0 {
            command("HSET", &[], &self.set);
        }
        if self.removed.len() > 0 {
            command("HDEL", &[], &self.removed);
        }
        for (millis, fields) in &self.lasting {
            let (millis, count) = (millis.to_string(), fields.len().to_string());
            command("HPEXPIRE", &[millis.as_bytes(), b"FIELDS", count.as_bytes()], fields);
        }
    }
}

/// The state of a hash that a write expects.
#[derive(Debug)]
pub(crate) struct ExpectedFields<'v> {
    pub(crate) exists: bool,
    pub(crate) values: Vec<(&'static str, Option<&'v [u8]>)>,
}

/// The lifetime of a key as the scripts read it.
fn push_lifetime(lifetime: Option<KeyLifetime>, renews: bool, args: &mut Args) {
    match lifetime {
        Some(lifetime) => args.push_int(lifetime.millis),
        None => args.push(b""),
    }
    args.push(if renews { b"1" } else { b"0" });
}

/// Returns the script that makes these changes.
pub(crate) fn record_script() -> &'static LuaScript {
    &WRITE
}

/// Returns the arguments of the script that makes these changes.
pub(crate) fn record_call(
    lifetime: Option<KeyLifetime>,
    renews: bool,
    expected: Option<&ExpectedFields<'_>>,
    changes: &FieldChanges,
) -> Args {
    let mut args = Args::default();
    push_lifetime(lifetime, renews, &mut args);
    match expected {
        None => {
            args.push(b"");
            args.push(b"0");
        }
        Some(ExpectedFields { exists, values }) => {
            args.push(if *exists { b"1" } else { b"0" });
            args.push_int(values.len());
            values.iter().for_each(|(name, _)| args.push(name.as_bytes()));
            for (_, value) in values {
                args.push(if value.is_some() { b"1" } else { b"0" });
                args.push(value.unwrap_or_default());
            }
        }
    }
    changes.push(&mut args);
    args
}

impl Packet {
    /// Returns the command that makes these changes to a record.
    pub(crate) fn changing_record(
        keys: Keys,
        lifetime: Option<KeyLifetime>,
        renews: bool,
        inherits_lifetime: bool,
        changes: &FieldChanges,
    ) -> Self {
        let args = record_call(lifetime, renews, None, changes);
        let mut packet = WRITE.command(ScriptCall { keys, args });
        packet.with_declared_lifetime(PacketLifetime::OfScript(0), inherits_lifetime);
        packet
    }

    /// Returns the command that adds to a field of a record.
    pub(crate) fn incrementing(
        keys: Keys,
        lifetime: Option<KeyLifetime>,
        renews: bool,
        inherits_lifetime: bool,
        increment: &FieldIncrement<'_>,
    ) -> Self {
        let mut args = Args::default();
        push_lifetime(lifetime, renews, &mut args);
        args.push(if increment.only_if_present { b"1" } else { b"0" });
        args.push(increment.command.as_bytes());
        args.push(increment.amount.as_bytes());
        match increment.limits {
            Some((least, most)) => {
                args.push_int(least);
                args.push_int(most);
            }
            None => {
                args.push(b"");
                args.push(b"");
            }
        }
        match increment.ttl {
            // An error about a command that the server lacks names those of the arguments.
            Some(millis) => {
                args.push(b"HPEXPIRE");
                args.push_int(millis);
            }
            None => {
                args.push(b"");
                args.push(b"");
            }
        }
        increment.names.iter().for_each(|name| args.push(name));
        let mut packet = INCREMENT.command(ScriptCall { keys, args });
        packet.with_declared_lifetime(PacketLifetime::OfScript(0), inherits_lifetime);
        packet
    }
}

/// What is added to which field.
#[derive(Debug)]
pub(crate) struct FieldIncrement<'n> {
    pub(crate) command: &'static str,
    pub(crate) amount: &'n str,
    /// The least and the greatest sum.
    pub(crate) limits: Option<(i64, i64)>,
    pub(crate) only_if_present: bool,
    /// The lifetime in milliseconds of a field that this creates.
    pub(crate) ttl: Option<u64>,
    /// The field and its earlier names.
    pub(crate) names: &'n [&'n [u8]],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(args: &Args) -> Vec<String> {
        args.iter().map(|argument| String::from_utf8_lossy(argument).into_owned()).collect()
    }

    #[test]
    fn changes_of_one_command_need_no_script() {
        let mut changes = FieldChanges::default();
        assert!(changes.is_empty());
        changes.set("a", b"1", None);
        let (name, args) = changes.into_command().unwrap();
        assert_eq!((name, words(&args)), ("HSET", vec!["a".to_owned(), "1".to_owned()]));
        let mut changes = FieldChanges::default();
        changes.remove("a");
        assert_eq!(changes.into_command().unwrap().0, "HDEL");
        let mut changes = FieldChanges::default();
        changes.set("a", b"1", Some(5));
        assert!(changes.into_command().is_err());
        assert!(FieldChanges::deletion().into_command().is_err());
    }

    #[test]
    fn the_script_gets_the_expected_fields_and_the_commands() {
        let mut changes = FieldChanges::default();
        changes.set("a", b"1", Some(5));
        changes.set("b", b"2", None);
        changes.set("c", b"3", Some(5));
        changes.remove("d");
        let values = vec![("a", Some(&b"0"[..])), ("d", None)];
        let expected = ExpectedFields { exists: true, values };
        let lifetime = KeyLifetime { millis: 9, renews: false, sends_script: false };
        let args = record_call(Some(lifetime), true, Some(&expected), &changes);
        let head = "9 1 1 2 a d 1 0 0  ";
        let commands = "HSET 6 a 1 b 2 c 3 HDEL 1 d HPEXPIRE 5 5 FIELDS 2 a c";
        assert_eq!(words(&args).join(" "), format!("{head}{commands}"));
        assert_eq!(
            words(&record_call(None, false, None, &FieldChanges::deletion())).join(" "),
            " 0  0 UNLINK 0"
        );
    }
}
