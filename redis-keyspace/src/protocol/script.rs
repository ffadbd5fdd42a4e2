//! Scripts that the library runs on the server.

use std::fmt;
use std::sync::LazyLock;

use super::args::Args;
use super::keys::Keys;
use super::packet::Packet;
use super::script_form::ScriptForm;

/// A script, and the digest by which a server knows it after its first run.
pub(crate) struct Script {
    text: &'static str,
    digest: LazyLock<String, Box<dyn FnOnce() -> String + Send>>,
}

/// One run of a script: its keys and arguments.
#[derive(Clone)]
pub(crate) struct ScriptCall {
    pub(crate) keys: Keys,
    pub(crate) args: Args,
}

impl Script {
    pub(crate) fn new(text: &'static str) -> Self {
        let digest = move || sha1_smol::Sha1::from(text).digest().to_string();
        Self { text, digest: LazyLock::new(Box::new(digest)) }
    }

    /// Returns the command and its first argument.
    pub(super) fn words(&self, form: ScriptForm) -> (&'static str, &str) {
        match form {
            ScriptForm::ByDigest => ("EVALSHA", self.digest.as_str()),
            ScriptForm::Whole => ("EVAL", self.text),
        }
    }

    pub(crate) fn packet(&self, call: ScriptCall, form: ScriptForm) -> Packet {
        let (name, script) = self.words(form);
        let mut head = Args::default();
        head.push(script.as_bytes());
        head.push_int(call.keys.count());
        Packet { args: call.args, ..Packet::new(name, call.keys).with_head(head) }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Script").field(&self.text).finish()
    }
}
