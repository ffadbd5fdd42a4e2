//! What is asked of the server about a lock: three scripts, which compare the holder's token.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::client::Binding;
use crate::error::{Error, Result};
use crate::key::{Companion, KeyText};
use crate::protocol::{Args, Keys, Reply, Script, ScriptCall, read};
use crate::random;
use crate::time::Deadline;

/// How long the last fencing number is kept when nobody takes the lock, at least. Without it, numbers go on by the clock.
const FENCE_KEPT: i64 = 24 * 3600 * 1000;

/// Takes the lock if it is free, and gives `1` and a number that is higher than any before; else `0` and what remains of the
/// holder's time. Who holds it already, because the command was sent twice, keeps its number. `KEYS`: the lock, and the last
/// number. `ARGV`: the token, and the lifetimes of both keys.
///
/// Of a Lua number, whole numbers up to 2^53 are exact, which microseconds reach in the year 2255.
pub(crate) const ACQUIRE: &str = "\
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return {0, redis.call('PTTL', KEYS[1])}
end
local last = redis.call('GET', KEYS[2])
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

/// Gives the lock its lifetime anew if it is held with this token. As [`ACQUIRE`] otherwise.
pub(crate) const RENEW: &str = "\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1";

/// Gives the lock back if it is held with this token. `KEYS`: the lock. `ARGV`: the token.
pub(crate) const RELEASE: &str = "\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[1])
return 1";

static ACQUIRING: LazyLock<Script> = LazyLock::new(|| Script::new(ACQUIRE));
static RENEWING: LazyLock<Script> = LazyLock::new(|| Script::new(RENEW));
static RELEASING: LazyLock<Script> = LazyLock::new(|| Script::new(RELEASE));

/// What a holder is known by. It does not print: who knows it can give the lock away.
struct Token(String);

/// One who wants, has or had a lock.
pub(super) struct Claim {
    pub(super) binding: Arc<Binding>,
    /// Where what goes on in the background does.
    pub(super) runtime: Handle,
    pub(super) key: KeyText,
    token: Token,
    ttl: i64,
}

/// What comes of trying to take a lock.
#[derive(Debug)]
pub(super) enum LockAnswer {
    /// It is ours, with this fencing number.
    Taken(u64),
    /// Somebody else has it, for so long unless it is renewed.
    Held(Option<Duration>),
}

impl Claim {
    pub(super) fn new(binding: Arc<Binding>, runtime: Handle, key: KeyText, ttl: i64) -> Self {
        let token = Token(random::token());
        Self { binding, runtime, key, token, ttl }
    }

    /// The name by which tasks of this process wait for each other.
    pub(super) fn name(&self) -> String {
        self.binding.wire_name(self.key.as_str())
    }

    fn call_on_both(&self) -> ScriptCall {
        let mut args = Args::default();
        args.push(self.token.0.as_bytes());
        args.push_int(self.ttl);
        args.push_int(self.ttl.max(FENCE_KEPT));
        ScriptCall { keys: Keys::With(self.key.clone(), Companion::Fence, None), args }
    }

    /// Tries to take the lock, once.
    pub(super) async fn acquire(&self, deadline: Deadline) -> Result<LockAnswer> {
        // Repeatable: a second run finds its own token.
        let answer = ACQUIRING.run(&self.binding, self.call_on_both(), deadline, true).await?;
        let unexpected = || Error::protocol("the script of a lock did not answer as it does");
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
            (Some(Reply::Int(0)), Some(Reply::Int(left))) => {
                Ok(LockAnswer::Held(u64::try_from(left).ok().map(Duration::from_millis)))
            }
            _ => Err(unexpected()),
        }
    }

    /// Renews the lock; false when it is not ours any more.
    pub(super) async fn renew(&self, deadline: Deadline) -> Result<bool> {
        RENEWING.run(&self.binding, self.call_on_both(), deadline, true).await.and_then(read::to_bool)
    }

    /// Gives the lock back; false when it was not ours any more.
    pub(super) async fn release(&self, deadline: Deadline) -> Result<bool> {
        let mut args = Args::default();
        args.push(self.token.0.as_bytes());
        let call = ScriptCall { keys: Keys::One(self.key.clone()), args };
        // Not repeatable: a second run would find that somebody, it itself, has given it back.
        RELEASING.run(&self.binding, call, deadline, false).await.and_then(read::to_bool)
    }
}
