//! What a script runs: its text, or the name of a function.

use crate::protocol::LuaScript;

/// What a script runs.
#[doc(hidden)]
#[derive(Debug)]
pub struct ScriptDefinition {
    pub(super) callee: Callee,
    pub(super) is_read_only: bool,
}

#[derive(Debug)]
pub(super) enum Callee {
    Script(LuaScript),
    Function(&'static str),
}

impl ScriptDefinition {
    #[must_use]
    pub const fn lua(text: &'static str, is_read_only: bool) -> Self {
        Self { callee: Callee::Script(LuaScript::new(text)), is_read_only }
    }

    #[must_use]
    pub const fn function(name: &'static str, is_read_only: bool) -> Self {
        Self { callee: Callee::Function(name), is_read_only }
    }
}
