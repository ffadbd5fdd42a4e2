//! Writes to collections with the driver, as its documentation shows.

use std::sync::LazyLock;

use redis::aio::ConnectionLike;
use redis::streams::StreamMaxlen;
use redis::{Cmd, Pipeline, Script, Value};
use redis_keyspace_benches::{Error, TTL};

use super::{MOST_ENTRIES, OF_EACH, Target, Write};

const MOST: usize = MOST_ENTRIES as usize;

/// Runs a command, and sets the lifetime of the key if the command created it. A transaction would
/// also give a lifetime to a key of another type, which the command rejects.
fn script(command: &str, arguments: &str) -> Script {
    Script::new(&format!(
        "local is_new = redis.call('EXISTS', KEYS[1]) == 0\n\
         local reply = redis.call('{command}', KEYS[1], {arguments})\n\
         if is_new then redis.call('EXPIRE', KEYS[1], ARGV[1]) end\n\
         return reply"
    ))
}

static ZADD: LazyLock<Script> = LazyLock::new(|| script("ZADD", "ARGV[2], ARGV[3]"));
static HSET: LazyLock<Script> = LazyLock::new(|| script("HSET", "ARGV[2], ARGV[3]"));
/// A stream has its trimming before the ID.
static XADD: LazyLock<Script> =
    LazyLock::new(|| script("XADD", "'MAXLEN', '~', ARGV[2], '*', 'value', ARGV[3]"));
static LPUSH: LazyLock<Script> = LazyLock::new(|| script("LPUSH", "ARGV[2]"));

fn key(target: Target, expires: bool, user: u64) -> String {
    let name = match target {
        Target::SortedSet => "scores",
        Target::Hash => "fields",
        Target::Stream => "log",
        Target::List | Target::Several => "events",
    };
    if expires { format!("expiring:{name}:{user}") } else { format!("lasting:{name}:{user}") }
}

fn command(target: Target, user: u64, element: u64) -> Cmd {
    let key = key(target, false, user);
    match target {
        Target::SortedSet => Cmd::zadd(key, element, element as f64),
        Target::Hash => Cmd::hset(key, element, element),
        Target::Stream => Cmd::xadd_maxlen(key, StreamMaxlen::Approx(MOST), "*", &[("value", element)]),
        Target::List | Target::Several => Cmd::lpush(key, element),
    }
}

/// Adds the call of the script of a collection.
macro_rules! invocation {
    ($target:expr, $user:expr, $element:expr) => {{
        let (target, element) = ($target, $element);
        let mut invocation = match target {
            Target::SortedSet => ZADD.key(key(target, true, $user)),
            Target::Hash => HSET.key(key(target, true, $user)),
            Target::Stream => XADD.key(key(target, true, $user)),
            Target::List | Target::Several => LPUSH.key(key(target, true, $user)),
        };
        invocation.arg(TTL);
        if matches!(target, Target::Stream) {
            invocation.arg(MOST);
        }
        invocation.arg(element);
        if !matches!(target, Target::List | Target::Stream | Target::Several) {
            invocation.arg(element);
        }
        invocation
    }};
}

pub async fn write(
    connection: &mut (impl ConnectionLike + Send),
    write: Write,
    user: u64,
    element: u64,
) -> Result<(), Error> {
    match (write.target, write.expires) {
        (Target::Several, expires) => several(connection, expires, user).await,
        (target, false) => {
            command(target, user, element).query_async::<Value>(connection).await?;
            Ok(())
        }
        (target, true) => {
            invocation!(target, user, element).invoke_async::<Value>(connection).await?;
            Ok(())
        }
    }
}

async fn several(
    connection: &mut (impl ConnectionLike + Send),
    expires: bool,
    user: u64,
) -> Result<(), Error> {
    let mut pipeline = Pipeline::with_capacity(3 * OF_EACH as usize);
    for target in [Target::SortedSet, Target::Hash, Target::List] {
        for element in 0..OF_EACH {
            if expires {
                pipeline.invoke_script(&invocation!(target, user, element));
            } else {
                pipeline.add_command(command(target, user, element));
            }
        }
    }
    let replies: Vec<i64> = pipeline.query_async(connection).await?;
    assert_eq!(replies.len(), 3 * OF_EACH as usize);
    Ok(())
}

/// Loads the scripts, which a pipeline does not do.
pub async fn load(connection: &mut impl ConnectionLike) -> Result<(), Error> {
    for script in [&ZADD, &HSET, &LPUSH, &XADD] {
        script.load_async(connection).await?;
    }
    Ok(())
}
