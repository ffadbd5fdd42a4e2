//! Runs of scripts of the library, as commands.

use super::args::Args;
use super::keys::Keys;
use super::packet::Packet;
use super::script::LuaScript;
use super::script_form::ScriptForm;

/// One run of a script: its keys and arguments.
#[derive(Clone)]
pub(crate) struct ScriptCall {
    pub(crate) keys: Keys,
    pub(crate) args: Args,
}

impl LuaScript {
    pub(crate) fn packet(&self, call: ScriptCall, form: ScriptForm) -> Packet {
        let (name, script) = self.words(form);
        let mut head = Args::default();
        head.push(script.as_bytes());
        head.push_int(call.keys.count());
        Packet { args: call.args, ..Packet::new(name, call.keys).with_head(head) }
    }
}
