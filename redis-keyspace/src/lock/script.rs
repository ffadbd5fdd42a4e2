//! The scripts of locks. They acquire, renew and release a lock that is identified by a token.
//!
//! On servers that have them, commands replace the scripts that renew and release.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::client::{Binding, delete_if_equal, run_newer};
use crate::error::{Error, Result};
use crate::key::{Companion, KeyText};
use crate::protocol::{Args, Keys, LuaScript, Packet, ReplacedCommand, Reply, ScriptCall, read};
use crate::random;
use crate::time::{Deadline, LONGEST_LIFETIME};

/// How long the last fencing number is kept after the lock expires, at least. After that, numbers
/// continue from the server's clock.
const FENCE_KEPT: i64 = 24 * 3600 * 1000;

/// Acquires the lock if it is free, and returns `1` and a number that is higher than any before.
/// Otherwise returns `0` and the remaining TTL of the lock. If the token is the holder's, because
/// the command was sent twice, the number stays the same. `KEYS`: the lock, and the last number.
/// `ARGV`: the token, and the TTLs of both keys.
///
/// If one of the keys has a later format version than 1, changes nothing and returns `-1` and that
/// version.
///
/// Lua's numbers are exact up to 2^53. Microseconds reach that in the year 2255.
pub(crate) const ACQUIRE: &str = "\
local holder = redis.call('GET', KEYS[1])
local later = holder and string.match(holder, '^v(%d+):')
if later then return {-1, later} end
if holder and holder ~= ARGV[1] then
  return {0, redis.call('PTTL', KEYS[1])}
end
local last = redis.call('GET', KEYS[2])
later = last and string.match(last, '^v(%d+):')
if later then return {-1, later} end
if holder and last then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {1, last}
end
local time = redis.call('TIME')
local number = math.max((tonumber(last or '') or 0) + 1, time[1] * 1000000 + time[2])
number = string.format('%.0f', number)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], number, 'PX', ARGV[3])
return {1, number}";

/// Extends the TTL of the lock if it is held with this token. `KEYS` and `ARGV` are those of
/// [`ACQUIRE`].
pub(crate) const RENEW: &str = "\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1";

/// Releases the lock if it is held with this token. `KEYS`: the lock. `ARGV`: the token.
pub(crate) const RELEASE: &str = "\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[1])
return 1";

static ACQUIRING: LuaScript = LuaScript::new(ACQUIRE);
static RENEWING: LuaScript = LuaScript::new(RENEW);
static RELEASING: LuaScript = LuaScript::new(RELEASE);

/// The identity of a holder. It has no `Debug`, because anyone who knows it can release the lock.
struct Token(String);

/// A request for a lock, and the lock while it is held.
pub(super) struct Claim {
    pub(super) binding: Arc<Binding>,
    /// The runtime of background tasks.
    pub(super) runtime: Handle,
    pub(super) key: KeyText,
    token: Token,
    ttl: i64,
}

/// The reply to an attempt to acquire a lock.
#[derive(Debug)]
pub(super) enum LockAnswer {
    /// The lock was acquired, with this fencing number.
    Taken(u64),
    /// Another claim holds the lock, for this time unless it renews the lock.
    Held(Option<Duration>),
}

impl Claim {
    pub(super) fn new(binding: Arc<Binding>, runtime: Handle, key: KeyText, ttl: i64) -> Self {
        let token = Token(random::token());
        Self { binding, runtime, key, token, ttl }
    }

    /// Returns the name under which tasks of this process queue for the lock.
    pub(super) fn name(&self) -> String {
        self.binding.wire_name(self.key.as_str())
    }

    /// Returns how long the fencing number is kept, in milliseconds.
    fn kept(&self) -> i64 {
        let longest = i64::try_from(LONGEST_LIFETIME.as_millis()).unwrap_or(i64::MAX);
        self.ttl.saturating_add(FENCE_KEPT).min(longest)
    }

    fn call_on_both(&self) -> ScriptCall {
        let mut args = Args::default();
        args.push(self.token.0.as_bytes());
        args.push_int(self.ttl);
        args.push_int(self.kept());
        ScriptCall { keys: Keys::With(self.key.clone(), Companion::Fence, None), args }
    }

    /// Makes one attempt to acquire the lock.
    pub(super) async fn acquire(&self, deadline: Deadline) -> Result<LockAnswer> {
        // Repeatable: a second run finds its own token.
        let answer = ACQUIRING.run(&self.binding, self.call_on_both(), deadline, true).await?;
        let Reply::Array(parts) = answer else { return Err(unexpected()) };
        let mut parts = parts.into_iter();
        match (parts.next(), parts.next()) {
            (Some(Reply::Int(1)), Some(number)) => {
                let number = read::to_bytes(number)?.ok_or_else(unexpected)?;
                let number = std::str::from_utf8(&number).ok().and_then(|number| number.parse().ok());
                number.map(LockAnswer::Taken).ok_or_else(|| {
                    Error::decode(
                        "the fencing number next to the lock is not a number; another program wrote it",
                    )
                })
            }
            (Some(Reply::Int(-1)), Some(version)) => {
                let version = read::to_bytes(version)?.unwrap_or_default();
                Err(Error::of_later_version("the lock", &String::from_utf8_lossy(&version)))
            }
            (Some(Reply::Int(0)), Some(Reply::Int(left))) => {
                Ok(LockAnswer::Held(u64::try_from(left).ok().map(Duration::from_millis)))
            }
            _ => Err(unexpected()),
        }
    }

    /// Renews the lock. Returns false if it is lost.
    pub(super) async fn renew(&self, deadline: Deadline) -> Result<bool> {
        // The fencing number must never expire before the lock, so its TTL is extended first. That
        // does no harm if the lock is lost.
        let mut keep = Packet::new("PEXPIRE", Keys::CompanionOf(self.key.clone(), Companion::Fence));
        keep.args.push_int(self.kept());
        // Never earlier: if the lock is lost, its new holder may need the number for longer.
        keep.args.push(b"GT");
        let mut extend = Packet::new("SET", Keys::One(self.key.clone()));
        extend.args.push(self.token.0.as_bytes());
        let mut extend = extend.if_equal(self.token.0.as_bytes());
        extend.args.push(b"PX");
        extend.args.push_int(self.ttl);
        let packets = vec![keep, extend];
        if let Some(replies) =
            run_newer(&self.binding, ReplacedCommand::SetIfEq, &self.key, packets, deadline, true).await?
        {
            let mut replies = replies.into_iter();
            replies.next().map(read::checked).transpose()?;
            return replies.next().ok_or_else(unexpected).and_then(read::to_done);
        }
        RENEWING.run(&self.binding, self.call_on_both(), deadline, true).await.and_then(read::to_bool)
    }

    /// Releases the lock. Returns false if it was lost.
    pub(super) async fn release(&self, deadline: Deadline) -> Result<bool> {
        let token = self.token.0.as_bytes();
        if let Some(replies) = delete_if_equal(&self.binding, &self.key, token, None, deadline).await? {
            return replies.into_iter().next().ok_or_else(unexpected).and_then(read::to_bool);
        }
        let mut args = Args::default();
        args.push(token);
        let call = ScriptCall { keys: Keys::One(self.key.clone()), args };
        // Not repeatable: a second run would report a lock that the first run released as lost.
        RELEASING.run(&self.binding, call, deadline, false).await.and_then(read::to_bool)
    }
}

fn unexpected() -> Error {
    Error::protocol("the server returned an unexpected reply to a command of a lock")
}
