//! The keys and arguments of one run of a script, and its command.

use std::borrow::Borrow;

use super::argument::ScriptArgument;
use super::callee::{Callee, ScriptDefinition};
use super::result::{ScriptReply, ScriptResult};
use crate::client::{Subject, most_value_bytes, same_server};
use crate::command::base::Command;
use crate::command::key_group::{KeyGroup, KeysOfGroup};
use crate::error::{Error, ErrorKind, Result};
use crate::kind::{EncodeError, SingleValue};
use crate::protocol::{Args, Packet, PacketScript, Replies, Request, SentAs, read};
use crate::schema::TemplateMeta;

/// Collects the keys and arguments of a script.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct ScriptInput {
    keys: KeysOfGroup,
    args: Args,
    problem: Option<Error>,
}

impl ScriptInput {
    /// Adds keys.
    pub fn keys<G: KeyGroup + ?Sized>(&mut self, keys: &G) {
        keys.add_to(&mut self.keys);
    }

    /// Adds an argument.
    pub fn argument<A: ScriptArgument + ?Sized>(&mut self, argument: &A) {
        self.push(|most, out| argument.encode(most, out));
    }

    /// Adds an argument that is encoded like a value of a kind.
    pub fn value<V: SingleValue, T: Borrow<V::Borrowed> + ?Sized>(&mut self, value: &T) {
        self.push(|most, out| V::encode_within(value.borrow(), most, out));
    }

    fn push(&mut self, encode: impl FnOnce(usize, &mut Vec<u8>) -> std::result::Result<(), EncodeError>) {
        let most = most_value_bytes();
        let nth = self.args.len() + 1;
        if let Err(error) = self.args.push_with(|out| encode(most, out)) {
            let explained =
                || error.into_error().explained(&format!("it is the argument `ARGV[{nth}]` of the script"));
            self.problem.get_or_insert_with(explained);
        }
    }

    pub(super) fn into_command<R: ScriptResult>(
        self,
        definition: &'static ScriptDefinition,
    ) -> Command<R::Value> {
        let Self { keys, args, problem } = self;
        let (keyspace, others) = keys.by_keyspace();
        let template = if let [template] = keys.templates.as_slice() { Some(*template) } else { None };
        let (name, packet) = packet(definition, &keys, args);
        let mut subject = Subject::new(keyspace, template, name);
        subject.needs_server = true;
        let request =
            if definition.is_read_only { Request::One(packet) } else { ending_fills(packet, &keys) };
        let target = same_server(keys.into_handles());
        let redis = target.as_ref().ok().cloned().flatten();
        let request = problem.map_or(Ok(()), Err).and(target).map(|_| request);
        let mut command = Command::with_subject(subject, request, decode::<R>).on_target(redis.into());
        command.call.set_others(others);
        if definition.is_read_only { command.repeatable().on_replica_without_cluster() } else { command }
    }
}

/// Returns the command as it is known to users, and its packet.
fn packet(definition: &'static ScriptDefinition, keys: &KeysOfGroup, args: Args) -> (&'static str, Packet) {
    let is_read_only = definition.is_read_only;
    match &definition.callee {
        Callee::Script(script) => {
            let sent_as = SentAs::Script(PacketScript { script, sends_whole: false, is_read_only });
            ("EVALSHA", Packet { args, sent_as, ..Packet::new("EVALSHA", keys.keys()) })
        }
        Callee::Function(function) => {
            let name = if is_read_only { "FCALL_RO" } else { "FCALL" };
            let mut head = Args::default();
            head.push(function.as_bytes());
            head.push_int(keys.texts.len());
            (name, Packet { args, ..Packet::new(name, keys.keys()).with_head(head) })
        }
    }
}

/// Returns a request that also ends fills of the keys, because the script may write any of them.
fn ending_fills(packet: Packet, keys: &KeysOfGroup) -> Request {
    let with_template = || keys.texts.iter().zip(&keys.templates);
    let filled: Vec<_> =
        with_template().filter(|(_, template)| template.ends_fills()).map(|(key, _)| key.clone()).collect();
    let keeps_copies = keys.templates.iter().copied().any(TemplateMeta::keeps_copies);
    Request::ending_fills(vec![packet], &filled, keeps_copies)
}

fn decode<R: ScriptResult>(request: &Request, replies: Replies) -> Result<R::Value> {
    let reply = read::one(replies).map_err(|error| {
        let is_function = request.requested().any(|packet| packet.name.starts_with("FCALL"));
        if is_function
            && error.kind() == ErrorKind::Server
            && error.to_string().contains("Function not found")
        {
            error.explained("load its library on every master first: `redis.load_functions(..)`")
        } else {
            error
        }
    })?;
    R::decode(ScriptReply(reply)).map_err(Error::decode)
}
