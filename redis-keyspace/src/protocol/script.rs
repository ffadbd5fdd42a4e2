//! Scripts that run on the server: those of the library, and those of applications.

use std::fmt;
use std::sync::OnceLock;

use super::script_form::ScriptForm;

/// A script, and the digest by which a server knows it after its first run.
pub(crate) struct LuaScript {
    text: &'static str,
    digest: OnceLock<String>,
}

/// The script that a command runs, on the keys and arguments of the command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PacketScript {
    pub(crate) script: &'static LuaScript,
    /// Whether the server may not know the script.
    pub(crate) sends_whole: bool,
    /// Whether the server rejects writes in the script. Not if it is sent with other commands: a
    /// server that lacks the commands for it would run the others, or abort their transaction.
    pub(crate) is_read_only: bool,
}

impl LuaScript {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, digest: OnceLock::new() }
    }

    fn digest(&self) -> &str {
        self.digest.get_or_init(|| sha1_smol::Sha1::from(self.text).digest().to_string())
    }

    /// Returns the command and its first argument.
    pub(super) fn words(&self, form: ScriptForm) -> (&'static str, &str) {
        match form {
            ScriptForm::ByDigest => ("EVALSHA", self.digest()),
            ScriptForm::Whole => ("EVAL", self.text),
        }
    }

    /// Returns the same, for a script that must not write. Servers before 7.0 lack the commands.
    pub(super) fn read_only_words(&self, form: ScriptForm) -> (&'static str, &str) {
        match form {
            ScriptForm::ByDigest => ("EVALSHA_RO", self.digest()),
            ScriptForm::Whole => ("EVAL_RO", self.text),
        }
    }
}

impl fmt::Debug for LuaScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LuaScript").field(&self.text).finish()
    }
}
