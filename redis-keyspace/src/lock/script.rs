//! What is asked of the server about a lock: three scripts, which compare the holder's token.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::command::{Args, Keys, reply};
use crate::connect::lane::resp::Reply;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::handle::Binding;
use crate::key::{Companion, KeyText};
use crate::random;
use crate::script::{Call, Script};

/// How long the last fencing number is kept when nobody takes the lock, at least. Without it, numbers go on by the clock.
const FENCE_KEPT: i64 = 24 * 3600 * 1000;

/// Takes the lock if it is free, and gives `1` and a number that is higher than any before; else `0` and what remains of the
/// holder's time. Who holds it already, because the command was sent twice, keeps its number. `KEYS`: the lock, and the last
/// number. `ARGV`: the token, and the lifetimes of both keys.
///
/// Of a Lua number, whole numbers up to 2^53 are exact, which microseconds reach in the year 2255.
const ACQUIRE: &str = "\
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
const RENEW: &str = "\
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1";

/// Gives the lock back if it is held with this token. `KEYS`: the lock. `ARGV`: the token.
const RELEASE: &str = "\
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
pub(super) enum Answer {
    /// It is ours, with this fencing number.
    Taken(u64),
    /// Somebody else has it, for so long unless it is renewed.
    Held(Option<Duration>),
}

impl Claim {
    pub(super) fn new(binding: Arc<Binding>, runtime: Handle, key: KeyText, ttl: i64) -> Self {
        let token = Token(format!("{:016x}{:016x}", random::bits(), random::bits()));
        Self { binding, runtime, key, token, ttl }
    }

    /// The name by which tasks of this process wait for each other.
    pub(super) fn name(&self) -> String {
        format!("{}{}", self.binding.namespace, self.key.as_str())
    }

    fn call_on_both(&self) -> Call {
        let mut args = Args::default();
        args.push(self.token.0.as_bytes());
        args.push_int(self.ttl);
        args.push_int(self.ttl.max(FENCE_KEPT));
        Call { keys: Keys::With(self.key.clone(), Companion::Fence, None), args }
    }

    /// Tries to take the lock, once.
    pub(super) async fn acquire(&self, deadline: Deadline) -> Result<Answer> {
        // Repeatable: a second run finds its own token.
        let answer = ACQUIRING.run(&self.binding, self.call_on_both(), deadline, true).await?;
        let unexpected = || Error::protocol("the script of a lock did not answer as it does");
        let Reply::Array(parts) = answer else { return Err(unexpected()) };
        let mut parts = parts.into_iter();
        match (parts.next(), parts.next()) {
            (Some(Reply::Int(1)), Some(number)) => {
                let number = reply::to_bytes(number)?.ok_or_else(unexpected)?;
                let number = std::str::from_utf8(&number).ok().and_then(|number| number.parse().ok());
                number.map(Answer::Taken).ok_or_else(|| {
                    Error::decode(
                        "the fencing number beside the lock is none: another program has written it",
                    )
                })
            }
            (Some(Reply::Int(0)), Some(Reply::Int(left))) => {
                Ok(Answer::Held(u64::try_from(left).ok().map(Duration::from_millis)))
            }
            _ => Err(unexpected()),
        }
    }

    /// Renews the lock; false when it is not ours any more.
    pub(super) async fn renew(&self, deadline: Deadline) -> Result<bool> {
        RENEWING.run(&self.binding, self.call_on_both(), deadline, true).await.and_then(reply::to_bool)
    }

    /// Gives the lock back; false when it was not ours any more.
    pub(super) async fn release(&self, deadline: Deadline) -> Result<bool> {
        let mut args = Args::default();
        args.push(self.token.0.as_bytes());
        let call = Call { keys: Keys::One(self.key.clone()), args };
        // Not repeatable: a second run would find that somebody, it itself, has given it back.
        RELEASING.run(&self.binding, call, deadline, false).await.and_then(reply::to_bool)
    }
}

/// Teaches an embedded server the scripts, which it can't read.
#[cfg(feature = "embedded")]
pub(crate) fn register(server: &redis_keyspace_embedded::Server) {
    use redis_keyspace_embedded::Reply;

    server.register_script(ACQUIRE, |script, keys, values| {
        let ([lock, fence], [token, ttl, kept]) = (keys, values) else {
            return Reply::error("ERR the script takes two keys and three values");
        };
        let holder = script.call(&[&b"GET"[..], lock]);
        let is_ours = match &holder {
            Reply::Bulk(holder) if holder == token => true,
            Reply::Bulk(_) => {
                return Reply::Array(vec![Reply::Integer(0), script.call(&[&b"PTTL"[..], lock])]);
            }
            Reply::Nil => false,
            error => return error.clone(),
        };
        let last = script.call(&[&b"GET"[..], fence]);
        let last_number = match &last {
            Reply::Bulk(_) if is_ours => {
                script.call(&[&b"PEXPIRE"[..], lock, ttl]);
                return Reply::Array(vec![Reply::Integer(1), last]);
            }
            Reply::Bulk(last) => std::str::from_utf8(last).ok().and_then(|last| last.parse::<u64>().ok()),
            Reply::Nil => None,
            error => return error.clone(),
        };
        let number = last_number.unwrap_or_default().saturating_add(1).max(crate::script::micros(script));
        let number = number.to_string();
        script.call(&[&b"SET"[..], lock, token, b"PX", ttl]);
        script.call(&[&b"SET"[..], fence, number.as_bytes(), b"PX", kept]);
        Reply::Array(vec![Reply::Integer(1), Reply::bulk(number)])
    });
    server.register_script(RENEW, |script, keys, values| {
        let ([lock, fence], [token, ttl, kept]) = (keys, values) else {
            return Reply::error("ERR the script takes two keys and three values");
        };
        match script.call(&[&b"GET"[..], lock]) {
            Reply::Bulk(holder) if holder == token => {
                script.call(&[&b"PEXPIRE"[..], lock, ttl]);
                script.call(&[&b"PEXPIRE"[..], fence, kept]);
                Reply::Integer(1)
            }
            error @ Reply::Error(_) => error,
            _ => Reply::Integer(0),
        }
    });
    server.register_script(RELEASE, |script, keys, values| {
        let ([lock], [token]) = (keys, values) else {
            return Reply::error("ERR the script takes a key and a value");
        };
        match script.call(&[&b"GET"[..], lock]) {
            Reply::Bulk(holder) if holder == token => script.call(&[&b"UNLINK"[..], lock]),
            error @ Reply::Error(_) => error,
            _ => Reply::Integer(0),
        }
    });
}
