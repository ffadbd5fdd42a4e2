//! Runs of scripts of the library, as commands.

use super::args::Args;
use super::keys::Keys;
use super::packet::{Packet, SentAs};
use super::script::{LuaScript, PacketScript};
use super::script_form::ScriptForm;

/// One run of a script: its keys and arguments.
#[derive(Clone)]
pub(crate) struct ScriptCall {
    pub(crate) keys: Keys,
    pub(crate) args: Args,
}

impl LuaScript {
    /// Returns the command that runs the script. It is sent by its digest, and once more as a whole
    /// if the server does not know it.
    pub(crate) fn command(&'static self, call: ScriptCall) -> Packet {
        let script = PacketScript { script: self, sends_whole: false, is_read_only: false };
        Packet { args: call.args, sent_as: SentAs::Script(script), ..Packet::new("EVALSHA", call.keys) }
    }

    pub(crate) fn packet(&self, call: ScriptCall, form: ScriptForm) -> Packet {
        let (name, script) = self.words(form);
        let mut head = Args::default();
        head.push(script.as_bytes());
        head.push_int(call.keys.count());
        Packet { args: call.args, ..Packet::new(name, call.keys).with_head(head) }
    }
}
