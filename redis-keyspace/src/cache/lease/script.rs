//! The script of fills: everything that must be atomic.

use crate::protocol::LuaScript;

/// `KEYS`: the key, its companion key, and, except on a cluster, the sweep mark of its template;
/// for `done`, instead of the mark, the note next to the result. `ARGV`: the operation, the token
/// of the caller, and the arguments of the operation:
///
/// - `begin`, a time in milliseconds, a mode, `1` to read the key first, and optionally the token
///   of a lease to take over even though it is held, and the command that reads the key, if it is
///   not `GET`. Acquires the lease. If another caller holds it, mode `share` joins that lease,
///   `force` takes it over, and `wait`, `try` and `work` leave it alone. Returns `{0, value}` for a
///   key that has a value, `{1, token, stale}` for a lease of the caller, and `{2, token, stale, _,
///   after}` for a lease of another holder. Returns `{3}` for a key known to have no value. In mode
///   `work`, returns `{4, version}` for a companion key of another format version.
/// - `store`, the time in milliseconds to keep a stale copy, the value, and the options of `SET`.
/// - `done`, with the same arguments: the result of work that must not run twice. If there is a
///   note, its text and its time to live in milliseconds follow.
/// - `fill`, that time, the stale copy, the command that reads the collection, and the commands
///   that store it, each with its name, the number of its arguments after the key, and these. If
///   the server lacks `HPEXPIRE`, changes nothing. If a command fails, deletes the collection: a
///   part of it would look like the whole.
/// - `absent`, the time in milliseconds to remember that no value exists, and optionally the
///   command that reads the key. Like `store`, `done` and `fill`, it returns 1. They return 0 and
///   do nothing if the lease ended or the key changed.
/// - `fields`, the lifetime of the hash in milliseconds or nothing, `1` if every write renews it,
///   and for each field three values: the digest of the value to replace, or nothing if the field
///   had none; its name; and the new value. A field with any other value keeps it. Returns 1 and
///   keeps a lease that other callers joined, or returns 0 if the lease ended. For fields, the
///   command of `begin` is `HMGET`, followed by their names. The lists that it returns end with the
///   values of the fields.
/// - `renew`, a time in milliseconds; or `release`, which keeps a lease for the other callers that
///   joined it. Both return whether the lease was held.
/// - `peek` returns the token of the holder.
///
/// The companion key is a hash: `v`, the version of this format; `lease`, the token; `until`, when
/// the lease ends; `seen`, the digest of the value when the lease was acquired, or `fields`;
/// `ends`, when that value expires; `shared`, how many other callers joined; `after`, `1` if the
/// lease before this one ended, not by a write, and left no value; `absent`, until when
/// the key is known to have no value; `stale` and `kept`, a copy of the value and until when it may
/// be served; `mark`, the sweep mark at that time. The hash of the sweep mark has `at`, which
/// identifies the mark, and `copies` if companion keys hold more than leases.
///
/// Every write to the key deletes the companion key, and every deletion by pattern changes the
/// mark. A companion key is void if it has another mark, or if the mark is missing because the
/// server evicted it: the keys may have been deleted in the meantime. It is also void if its format
/// has another version. So a later version of this library can change the meaning of the fields:
/// loading a value twice is harmless. The work of a `Once` must not run twice, so mode `work`
/// returns an error instead.
///
/// A full server rejects a command that needs memory only if the script has written nothing before
/// it. So the first write of each operation is such a command, and a fill does not store what the
/// application itself could not. Only `done` stores its value nevertheless.
pub(crate) const FILL_SCRIPT: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local what, token = ARGV[1], ARGV[2]
local mark = ''
if KEYS[3] and what ~= 'done' then mark = redis.call('HGET', KEYS[3], 'at') end
local names = {'mark', 'lease', 'until', 'seen', 'absent', 'kept', 'ends', 'shared', 'v', 'after'}
local beside = redis.call('HMGET', KEYS[2], unpack(names))
local void = not mark or beside[1] ~= mark or beside[9] ~= '1'
local version = beside[9]
if void then beside = {} end
local lease, seen = beside[2], beside[4]
local function left(moment) return moment and tonumber(moment) - now or 0 end
local function write(...) redis.call('HSET', KEYS[2], 'v', '1', 'mark', mark, ...) end
local function at(ms) return string.format('%.0f', now + ms) end
local function keep(ms)
  if redis.call('PTTL', KEYS[2]) < ms then redis.call('PEXPIRE', KEYS[2], string.format('%.0f', ms)) end
end
local function free(...) redis.call('HDEL', KEYS[2], 'lease', 'until', 'seen', 'ends', 'shared', ...) end
local function leave()
  local others = tonumber(beside[8] or 0)
  if others > 0 then write('shared', others - 1) else free() end
end
local ranges = {LRANGE = {'0', '-1'}, ZRANGE = {'0', '-1', 'WITHSCORES'}}
local function look(command)
  if command == 'HMGET' then return redis.call('HMGET', KEYS[1], unpack(ARGV, 8)) end
  if command == 'GET' then return redis.call('GET', KEYS[1]) end
  local elements = redis.call(command, KEYS[1], unpack(ranges[command] or {}))
  return #elements > 0 and elements
end
local function digest(there, command)
  if command == 'HMGET' then return 'fields' end
  if not there then return '' end
  if command == 'GET' then return redis.sha1hex(there) end
  local entries, width = {}, command == 'HGETALL' and 2 or 1
  for i = 1, #there, width do
    local entry = #there[i] .. ':' .. there[i]
    if width == 2 then entry = entry .. #there[i + 1] .. ':' .. there[i + 1] end
    entries[#entries + 1] = entry
  end
  if command == 'HGETALL' or command == 'SMEMBERS' then table.sort(entries) end
  return redis.sha1hex(table.concat(entries))
end
local function lacking(...)
  if not redis.acl_check_cmd then
    redis.call('HPTTL', KEYS[1], 'FIELDS', 1, '')
    return
  end
  local known, permitted = pcall(redis.acl_check_cmd, ...)
  if not known then return 'ERR unknown command ' .. (...) end
  if not permitted then return 'NOPERM no permission to run ' .. (...) .. '; nothing was stored' end
end
if what == 'peek' then return lease or false end
if what == 'begin' then
  local ms, mode = tonumber(ARGV[3]), ARGV[4]
  local command = ARGV[7] or 'GET'
  local there = look(command)
  local values = command == 'HMGET' and there or nil
  if ARGV[5] == '1' then
    local complete = there
    if command == 'HMGET' then
      for i = 1, #there do complete = complete and there[i] end
    end
    if complete then return {0, there} end
    if left(beside[5]) > 0 then return {3} end
  end
  if mode == 'work' and version and version ~= '1' then return {4, version} end
  local sight = digest(there, command)
  local stale = left(beside[6]) > 0 and redis.call('HGET', KEYS[2], 'stale')
  if lease == token then return {1, token, stale, values} end
  if lease and mode ~= 'force' and lease ~= ARGV[6] and left(beside[3]) > 0 and (mode ~= 'share' or seen == sight) then
    if mode == 'share' then
      write('shared', (beside[8] or 0) + 1)
      if left(beside[3]) < ms then
        write('until', at(ms))
        keep(ms)
      end
    end
    return {2, lease, stale, values or false, beside[10]}
  end
  if not mark then
    mark = token
    redis.call('HSET', KEYS[3], 'at', mark)
    redis.call('PEXPIRE', KEYS[3], '2592000000')
  end
  local lives = there and redis.call('PTTL', KEYS[1]) or 0
  local after = not void and left(lease and beside[3]) <= 0 and '1' or '0'
  write('lease', token, 'until', at(ms), 'seen', sight, 'ends', lives > 0 and at(lives) or '0', 'after', after)
  redis.call('HDEL', KEYS[2], 'absent', 'shared', unpack(void and {'stale', 'kept'} or {}))
  keep(ms)
  return {1, token, stale, values}
end
if lease ~= token then return 0 end
if what == 'renew' then
  local ms = tonumber(ARGV[3])
  if left(beside[3]) < ms then write('until', at(ms)) end
  keep(ms)
  return 1
end
if what == 'release' then
  leave()
  return 1
end
if what == 'fields' then
  local starts = ARGV[3] ~= '' and (ARGV[4] == '1' or redis.call('EXISTS', KEYS[1]) == 0)
  for i = 5, #ARGV, 3 do
    local name, value = ARGV[i + 1], ARGV[i + 2]
    if ARGV[i] == '' then
      redis.call('HSETNX', KEYS[1], name, value)
    else
      local there = redis.call('HMGET', KEYS[1], name)[1]
      if there and redis.sha1hex(there) == ARGV[i] then redis.call('HSET', KEYS[1], name, value) end
    end
  end
  if starts then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
  leave()
  return 1
end
if what == 'fill' then
  local place = 6
  while ARGV[place] do
    local last = place + 1 + tonumber(ARGV[place + 1])
    local problem = ARGV[place] == 'HPEXPIRE' and lacking(ARGV[place], KEYS[1], unpack(ARGV, place + 2, last))
    if problem then return redis.error_reply(problem) end
    place = last + 1
  end
end
local final, note = #ARGV, nil
if what == 'done' then
  free()
  what = 'store'
  if KEYS[3] then
    note = {'SET', KEYS[3], ARGV[final - 1], 'PX', ARGV[final]}
    final = final - 2
  end
end
local command, ms = what == 'fill' and ARGV[5] or what == 'absent' and ARGV[4] or 'GET', tonumber(ARGV[3])
local sight
if command ~= 'GET' and seen == '' then
  sight = redis.call('EXISTS', KEYS[1]) == 1 and 'any' or ''
  if sight == 'any' and command == 'HGETALL' then
    local fields = redis.pcall('HGETALL', KEYS[1])
    if not fields.err and #fields == 0 then sight = '' end
  end
else
  sight = digest(look(command), command)
end
local expired = sight == '' and beside[7] and beside[7] ~= '0' and left(beside[7]) <= 0
if seen ~= sight and not expired then
  free()
  return 0
end
if what == 'store' then
  redis.call('SET', KEYS[1], ARGV[4], unpack(ARGV, 5, final))
  if note then redis.pcall(unpack(note)) end
elseif what == 'fill' or ms > 0 then
  write()
end
if what == 'absent' and ms == 0 then
  free('stale', 'kept', 'absent')
else
  redis.call('UNLINK', KEYS[2])
end
if what == 'store' then
  if ms > 0 then write('stale', ARGV[4], 'kept', at(ms)) end
elseif what == 'fill' then
  redis.call('UNLINK', KEYS[1])
  local place = 6
  while ARGV[place] do
    local last = place + 1 + tonumber(ARGV[place + 1])
    local reply = redis.pcall(ARGV[place], KEYS[1], unpack(ARGV, place + 2, last))
    if type(reply) == 'table' and reply.err then
      redis.call('UNLINK', KEYS[1])
      return reply
    end
    place = last + 1
  end
  if ms > 0 then write('stale', ARGV[4], 'kept', at(ms)) end
else
  redis.call('UNLINK', KEYS[1])
  if ms > 0 then write('absent', at(ms)) end
end
if ms > 0 then
  keep(ms)
  if KEYS[3] then
    redis.call('HSET', KEYS[3], 'copies', '1')
    redis.call('PEXPIRE', KEYS[3], '2592000000')
  end
end
return 1";

pub(super) static SCRIPT: LuaScript = LuaScript::new(FILL_SCRIPT);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::lease::LONGEST_KEPT;

    #[test]
    fn a_mark_is_kept_as_long_as_the_entries_that_it_invalidates() {
        assert!(FILL_SCRIPT.contains(&format!("'{}'", LONGEST_KEPT.as_millis())));
    }
}
