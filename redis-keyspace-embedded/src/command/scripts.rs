//! Scripts: Rust functions in the place of Lua.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use sha1_smol::Sha1;

use super::arguments::{exactly, first, integer};
use super::{CONTAINER, Context, NO_KEYS, NO_SCRIPT, Spec, command, execute, find};
use crate::reply::{Answer, Failure, Reply};

pub(super) const TABLE: &[Spec] = &[
    command("eval", -3, NO_SCRIPT, NO_KEYS, eval),
    command("evalsha", -3, NO_SCRIPT, NO_KEYS, |context, arguments| {
        let ([digest], rest) = first(arguments)?;
        let digest = String::from_utf8_lossy(digest).to_ascii_lowercase();
        let unknown = Failure::new("NOSCRIPT No matching script. Please use EVAL.");
        if digest.len() != 40 {
            return Err(unknown);
        }
        let (keys, values) = keys_and_values(rest)?;
        let script = context.state.scripts.known(&digest);
        run(context, &script.ok_or(unknown)?, keys, values)
    }),
    command("script", -2, CONTAINER | NO_SCRIPT, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("script|load", 3, NO_SCRIPT, NO_KEYS, |context, arguments| {
        let [text] = exactly(arguments)?;
        let digest = digest_of(text);
        context.state.scripts.learn(&digest)?;
        Ok(Reply::bulk(digest))
    }),
    command("script|exists", -3, NO_SCRIPT, NO_KEYS, |context, digests| {
        let scripts = &context.state.scripts;
        let known = |digest: &Bytes| scripts.known(&String::from_utf8_lossy(digest).to_ascii_lowercase());
        Ok(Reply::Array(digests.iter().map(|digest| Reply::flag(known(digest).is_some())).collect()))
    }),
    command("script|flush", -2, NO_SCRIPT, NO_KEYS, |context, arguments| {
        match arguments {
            [] => {}
            [mode] if mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async") => {}
            _ => return Err(Failure::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option")),
        }
        context.state.scripts.loaded.clear();
        Ok(Reply::OK)
    }),
];

type Script = dyn Fn(&mut ScriptContext<'_, '_>, &[Bytes], &[Bytes]) -> Reply + Send + Sync;

/// The registered scripts, and which of them EVALSHA knows.
#[derive(Default)]
pub(crate) struct Scripts {
    registered: HashMap<String, Arc<Script>>,
    loaded: HashSet<String>,
}

impl Scripts {
    pub(crate) fn register(&mut self, text: &[u8], script: Arc<Script>) {
        self.registered.insert(digest_of(text), script);
    }

    fn known(&self, digest: &str) -> Option<Arc<Script>> {
        self.loaded.get(digest).and_then(|digest| self.registered.get(digest)).cloned()
    }

    /// Makes a registered script known to EVALSHA.
    fn learn(&mut self, digest: &str) -> Result<Arc<Script>, Failure> {
        let script = self.registered.get(digest).cloned().ok_or(Failure::new(
            "ERR this embedded server runs no Lua, only scripts registered with Server::register_script",
        ))?;
        self.loaded.insert(digest.to_owned());
        Ok(script)
    }
}

impl std::fmt::Debug for Scripts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scripts").field("registered", &self.registered.keys()).finish_non_exhaustive()
    }
}

/// What a [registered script](crate::Server::register_script) can do.
///
/// ```
/// use redis_keyspace_embedded::{Reply, ScriptContext, Server};
///
/// const DELETE_IF_EQUAL: &str =
///     "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
///
/// let server = Server::new();
/// server.register_script(DELETE_IF_EQUAL, |script: &mut ScriptContext, keys, values| {
///     match (keys, values) {
///         ([key], [value]) if script.call(&[&b"GET"[..], key]) == Reply::Bulk(value.clone()) => {
///             script.call(&[&b"DEL"[..], key])
///         }
///         _ => Reply::Integer(0),
///     }
/// });
/// ```
pub struct ScriptContext<'c, 'a> {
    context: &'c mut Context<'a>,
}

impl ScriptContext<'_, '_> {
    /// Executes a command, in the database of the connection that runs the script; errors are replies.
    ///
    /// ```
    /// # use redis_keyspace_embedded::{Reply, Server};
    /// # let server = Server::new();
    /// server.register_script("return redis.call('INCR', KEYS[1])", |script, keys, _| {
    ///     script.call(&[&b"INCR"[..], &keys[0]])
    /// });
    /// ```
    pub fn call(&mut self, command: &[impl AsRef<[u8]>]) -> Reply {
        let arguments: Vec<Bytes> =
            command.iter().map(|argument| Bytes::copy_from_slice(argument.as_ref())).collect();
        match find(&arguments) {
            Ok(spec) if spec.flags & NO_SCRIPT == 0 => execute(self.context, spec, &arguments),
            Ok(_) => Reply::error("ERR This Redis command is not allowed from script"),
            Err(failure) => failure.into(),
        }
    }

    /// The time in milliseconds since the Unix epoch; it stands still while the script runs.
    ///
    /// ```
    /// # use redis_keyspace_embedded::{Reply, Server};
    /// # let server = Server::new();
    /// server.register_script("return redis.call('TIME')[1] * 1000", |script, _, _| Reply::Integer(script.now_ms()));
    /// ```
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.context.now
    }
}

impl std::fmt::Debug for ScriptContext<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptContext").finish_non_exhaustive()
    }
}

fn eval(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([text], rest) = first(arguments)?;
    let (keys, values) = keys_and_values(rest)?;
    let script = context.state.scripts.learn(&digest_of(text))?;
    run(context, &script, keys, values)
}

fn keys_and_values(arguments: &[Bytes]) -> Result<(&[Bytes], &[Bytes]), Failure> {
    let ([count], rest) = first(arguments)?;
    let count = integer(count)?;
    let Ok(count) = usize::try_from(count) else {
        return Err(Failure::new("ERR Number of keys can't be negative"));
    };
    rest.split_at_checked(count)
        .ok_or(Failure::new("ERR Number of keys can't be greater than number of args"))
}

fn run(context: &mut Context<'_>, script: &Arc<Script>, keys: &[Bytes], values: &[Bytes]) -> Answer {
    let (nested, db) = (std::mem::replace(&mut context.nested, true), context.client.db);
    let reply = script(&mut ScriptContext { context: &mut *context }, keys, values);
    // A SELECT of the script's is over with it.
    (context.nested, context.client.db) = (nested, db);
    Ok(reply)
}

/// Returns the name of a script: the SHA-1 of its text in lower-case hexadecimal.
fn digest_of(text: &[u8]) -> String {
    Sha1::from(text).digest().to_string()
}

#[cfg(test)]
mod tests {
    use super::digest_of;

    #[test]
    fn a_script_is_named_by_its_sha1() {
        assert_eq!(digest_of(b"return 1"), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }
}
