//! Registered scripts: Rust functions that run in place of Lua.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use sha1_smol::Sha1;

use crate::number::parse_lua;
use crate::reply::{Failure, Reply};

/// What a script needs from the server. Commands implement it, so the storage of scripts does not
/// depend on commands.
pub(crate) trait ScriptHost {
    /// Executes a command. Errors are returned as replies.
    fn call(&mut self, arguments: &[Bytes]) -> Reply;

    /// Returns the time of the running command, in milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;
}

/// A registered script. Its arguments are the context, the keys and the other arguments.
pub(crate) type Script = dyn Fn(&mut ScriptContext<'_, '_>, &[Bytes], &[Bytes]) -> Reply + Send + Sync;

/// The registered scripts, and which of them EVALSHA knows.
#[derive(Default)]
pub(crate) struct Scripts {
    registered: HashMap<String, Arc<Script>>,
    loaded: HashSet<String>,
    /// Functions by their names.
    functions: HashMap<String, Arc<Script>>,
    /// The texts of the libraries that FUNCTION LOAD accepted, by their names.
    libraries: HashMap<String, Bytes>,
}

impl Scripts {
    pub(crate) fn register(&mut self, text: &[u8], script: Arc<Script>) {
        self.registered.insert(digest_of(text), script);
    }

    pub(crate) fn register_function(&mut self, name: &str, function: Arc<Script>) {
        self.functions.insert(name.to_owned(), function);
    }

    /// Returns a registered function if a library with its name was loaded.
    pub(crate) fn function(&self, name: &[u8]) -> Result<Arc<Script>, Failure> {
        let function = str::from_utf8(name).ok().and_then(|name| self.functions.get(name));
        let is_loaded = self.libraries.values().any(|text| contains(text, name));
        function.filter(|_| is_loaded).cloned().ok_or(Failure::new("ERR Function not found"))
    }

    /// Accepts a library, whose functions are registered separately. Returns its name.
    pub(crate) fn load_library(&mut self, text: &[u8], replaces: bool) -> Result<String, Failure> {
        let first = String::from_utf8_lossy(text.split(|byte| *byte == b'\n').next().unwrap_or_default())
            .into_owned();
        let mut words = first.split_whitespace();
        match words.next() {
            Some("#!lua") => {}
            Some(engine) if engine.starts_with("#!") => {
                let engine = engine.trim_start_matches("#!");
                return Err(Failure::text(format!("ERR Engine '{engine}' not found")));
            }
            _ => return Err(Failure::new("ERR Missing library metadata")),
        }
        let name = words.find_map(|word| word.strip_prefix("name=")).unwrap_or_default();
        if name.is_empty() {
            return Err(Failure::new("ERR Library name was not given"));
        }
        if self.libraries.contains_key(name) && !replaces {
            return Err(Failure::text(format!("ERR Library '{name}' already exists")));
        }
        self.libraries.insert(name.to_owned(), Bytes::copy_from_slice(text));
        Ok(name.to_owned())
    }

    /// Returns the script with this digest if EVALSHA may run it.
    pub(crate) fn known(&self, digest: &str) -> Option<Arc<Script>> {
        self.loaded.get(digest).and_then(|digest| self.registered.get(digest)).cloned()
    }

    /// Makes a registered script available to EVALSHA.
    pub(crate) fn load(&mut self, digest: &str) -> Result<Arc<Script>, Failure> {
        let script = self.registered.get(digest).cloned().ok_or(Failure::new(
            "ERR the embedded server does not run Lua; register this script with Server::register_script",
        ))?;
        self.loaded.insert(digest.to_owned());
        Ok(script)
    }

    /// Returns the number of scripts available to EVALSHA.
    pub(crate) fn loaded(&self) -> usize {
        self.loaded.len()
    }

    /// Returns the digests of the registered scripts.
    pub(crate) fn registered(&self) -> impl Iterator<Item = &String> {
        self.registered.keys()
    }

    /// Makes all scripts unavailable to EVALSHA. They stay registered.
    pub(crate) fn forget_loaded(&mut self) {
        self.loaded.clear();
    }
}

impl std::fmt::Debug for Scripts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scripts").field("registered", &self.registered.keys()).finish_non_exhaustive()
    }
}

/// Runs commands for a [registered script](crate::Server::register_script).
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
    host: &'c mut (dyn ScriptHost + Send + Sync + 'a),
}

impl<'c, 'a> ScriptContext<'c, 'a> {
    pub(crate) fn new(host: &'c mut (dyn ScriptHost + Send + Sync + 'a)) -> Self {
        Self { host }
    }
}

impl ScriptContext<'_, '_> {
    /// Executes a command in the database that the connection of the script has selected.
    ///
    /// If the command fails, the reply is [`Reply::Error`]. As in Lua, other replies have the form
    /// of RESP2, whatever the protocol of the connection: a map is an [`Array`](Reply::Array) of
    /// keys and values, a set an array, a floating-point number a [`Bulk`](Reply::Bulk), and a
    /// missing value or array [`Nil`](Reply::Nil).
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
        self.host.call(&arguments)
    }

    /// Parses a number like `tonumber` in Lua: decimal or hexadecimal, with optional spaces around
    /// it. The result may be infinite or NaN.
    ///
    /// ```
    /// use redis_keyspace_embedded::ScriptContext;
    ///
    /// assert_eq!(ScriptContext::number(b" 0x10 "), Some(16.0));
    /// assert_eq!(ScriptContext::number(b"ten"), None);
    /// ```
    #[must_use]
    pub fn number(text: &[u8]) -> Option<f64> {
        parse_lua(text)
    }

    /// Returns the time in milliseconds since the Unix epoch. It does not change while the script
    /// runs.
    ///
    /// ```
    /// # use redis_keyspace_embedded::{Reply, Server};
    /// # let server = Server::new();
    /// server.register_script("return redis.call('TIME')[1] * 1000", |script, _, _| Reply::Integer(script.now_ms()));
    /// ```
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.host.now_ms()
    }
}

impl std::fmt::Debug for ScriptContext<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptContext").finish_non_exhaustive()
    }
}

/// Whether a part of `text` is `name`.
fn contains(text: &[u8], name: &[u8]) -> bool {
    !name.is_empty() && text.windows(name.len()).any(|part| part == name)
}

/// Returns the name of a script: the SHA-1 of its text in lower-case hexadecimal.
pub(crate) fn digest_of(text: &[u8]) -> String {
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
