//! The table of commands, and the way of one command through it.

mod arguments;
mod cluster;
mod connection;
mod counters;
mod expiry;
mod hashes;
mod keys;
mod lists;
mod pubsub;
pub(crate) mod scripts;
mod server;
mod sets;
mod sorted_sets;
mod strings;
mod transaction;

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::client::Client;
use crate::db::Db;
use crate::reply::{Answer, Failure, Reply};
use crate::resp::Protocol;
use crate::server::Shared;
use crate::state::State;

/// A command: its full name (`client|id` for a subcommand), how many arguments it takes (the name
/// included; negative: at least so many), and what it does with those after its name.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) arity: i64,
    pub(crate) flags: u8,
    /// Places of the first and the last key and the distance between two, as COMMAND INFO tells.
    pub(crate) keys: (i64, i64, i64),
    pub(crate) run: Handler,
}

type Handler = fn(&mut Context<'_>, &[Bytes]) -> Answer;

/// Allowed before authentication.
const OPEN: u8 = 1;
/// May change data.
const WRITE: u8 = 2;
/// Allowed while a RESP2 connection is subscribed.
const SUBSCRIBED: u8 = 4;
/// Executed at once within MULTI.
const IMMEDIATE: u8 = 8;
/// Has subcommands.
const CONTAINER: u8 = 16;
/// Not allowed in scripts.
const NO_SCRIPT: u8 = 32;

const fn command(name: &'static str, arity: i64, flags: u8, keys: (i64, i64, i64), run: Handler) -> Spec {
    Spec { name, arity, flags, keys, run }
}

const NO_KEYS: (i64, i64, i64) = (0, 0, 0);
const ONE_KEY: (i64, i64, i64) = (1, 1, 1);
const ALL_KEYS: (i64, i64, i64) = (1, -1, 1);

static TABLES: &[&[Spec]] = &[
    cluster::TABLE,
    connection::TABLE,
    counters::TABLE,
    expiry::TABLE,
    hashes::TABLE,
    keys::TABLE,
    lists::TABLE,
    pubsub::TABLE,
    scripts::TABLE,
    server::TABLE,
    sets::TABLE,
    sorted_sets::TABLE,
    strings::TABLE,
    transaction::TABLE,
];

static BY_NAME: LazyLock<HashMap<&'static [u8], &'static Spec>> =
    LazyLock::new(|| TABLES.iter().copied().flatten().map(|spec| (spec.name.as_bytes(), spec)).collect());

/// What a command does to its connection besides answering.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Close it after the reply.
    Close,
    /// Hold the reply back for so long.
    Sleep(Duration),
    /// Let the receiver answer, or nil when the time is up.
    Wait { receiver: oneshot::Receiver<Reply>, timeout: Option<Duration> },
}

/// What a handler works on. The time stands still for the whole of a command or transaction.
pub(crate) struct Context<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) client: &'a mut Client,
    pub(crate) shared: &'a Shared,
    pub(crate) now: i64,
    /// The command runs inside of a transaction or a script, where nothing may block.
    pub(crate) nested: bool,
    effect: Option<Effect>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(state: &'a mut State, client: &'a mut Client, shared: &'a Shared) -> Self {
        Self { state, client, shared, now: shared.clock.now_ms(), nested: false, effect: None }
    }

    pub(crate) fn take_effect(self) -> Option<Effect> {
        self.effect
    }

    fn set_effect(&mut self, effect: Effect) {
        self.effect = Some(effect);
    }

    /// The selected database without what has expired.
    fn db(&mut self) -> Result<&mut Db, Failure> {
        self.db_at(self.client.db)
    }

    fn db_at(&mut self, index: usize) -> Result<&mut Db, Failure> {
        let now = self.now;
        let db = self.state.dbs.get_mut(index).ok_or(Failure::DB_RANGE)?;
        db.purge(now);
        Ok(db)
    }
}

/// Executes, queues or refuses a command as it came from the connection.
pub(crate) fn dispatch(context: &mut Context<'_>, arguments: Vec<Bytes>) -> Reply {
    context.state.commands_processed = context.state.commands_processed.saturating_add(1);
    let spec = match admit(context, &arguments) {
        Ok(spec) => spec,
        Err(failure) => {
            let exec = arguments.first().is_some_and(|name| name.eq_ignore_ascii_case(b"exec"));
            if exec {
                return transaction::abort(context, &failure).into();
            }
            context.client.break_transaction();
            return failure.into();
        }
    };
    let reply = match &mut context.client.transaction {
        Some(transaction) if spec.flags & IMMEDIATE == 0 => {
            transaction.queue.push((spec, arguments));
            Reply::QUEUED
        }
        _ => execute(context, spec, &arguments),
    };
    context.state.serve_waiters();
    publish_state(context, spec);
    reply
}

/// The reply to an EXEC that is refused for this reason.
pub(crate) fn abort(context: &mut Context<'_>, reason: Bytes) -> Reply {
    transaction::abort(context, &Failure::text(reason.to_vec())).into()
}

/// Finds the command, and checks that it may be called now and with so many arguments.
fn admit(context: &Context<'_>, arguments: &[Bytes]) -> Result<&'static Spec, Failure> {
    let spec = find(arguments)?;
    if context.client.user.is_none() && spec.flags & OPEN == 0 {
        return Err(Failure::new("NOAUTH Authentication required."));
    }
    let subscribed = context.client.subscribed && context.client.protocol == Protocol::Resp2;
    if subscribed && spec.flags & SUBSCRIBED == 0 {
        return Err(Failure::text(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
            spec.name
        )));
    }
    cluster::check_slots(context, [(spec, arguments)])?;
    Ok(spec)
}

fn find(arguments: &[Bytes]) -> Result<&'static Spec, Failure> {
    let Some((name, rest)) = arguments.split_first() else { return Err(Failure::SYNTAX) };
    let mut spec = lookup(name).ok_or_else(|| unknown(name, rest))?;
    if spec.flags & CONTAINER != 0
        && let Some(sub) = rest.first()
    {
        spec = lookup(&[name, &b"|"[..], sub].concat()).ok_or_else(|| unknown_subcommand(spec, sub))?;
    }
    let count = i64::try_from(arguments.len()).unwrap_or(i64::MAX);
    let fits = if spec.arity >= 0 { count == spec.arity } else { count >= spec.arity.saturating_neg() };
    if fits { Ok(spec) } else { Err(Failure::arity(spec.name)) }
}

fn lookup(name: &[u8]) -> Option<&'static Spec> {
    BY_NAME.get(name.to_ascii_lowercase().as_slice()).copied()
}

/// Runs the handler on the arguments after the command's name.
fn execute(context: &mut Context<'_>, spec: &'static Spec, arguments: &[Bytes]) -> Reply {
    let words = if spec.name.contains('|') { 2 } else { 1 };
    (spec.run)(context, arguments.get(words..).unwrap_or_default()).unwrap_or_else(Reply::from)
}

/// Lets CLIENT LIST on other connections see what this one has come to.
fn publish_state(context: &mut Context<'_>, spec: &'static Spec) {
    let client = &context.client;
    if let Some(peer) = context.state.clients.get_mut(&client.id) {
        peer.active = context.now;
        peer.command = spec.name;
        peer.db = client.db;
        peer.protocol = client.protocol;
        peer.queued = client
            .transaction
            .as_ref()
            .map_or(-1, |transaction| i64::try_from(transaction.queue.len()).unwrap_or(i64::MAX));
    }
}

/// How much of a request an error quotes.
const QUOTED: usize = 128;

fn unknown(name: &[u8], arguments: &[Bytes]) -> Failure {
    let mut quoted = Vec::new();
    for argument in arguments {
        if quoted.len() >= QUOTED {
            break;
        }
        quoted.push(b'\'');
        quoted.extend_from_slice(quote(argument, QUOTED.saturating_sub(quoted.len().saturating_sub(1))));
        quoted.extend_from_slice(b"' ");
    }
    let text = [b"ERR unknown command '", quote(name, QUOTED), b"', with args beginning with: ", &quoted];
    Failure::text(text.concat())
}

fn unknown_subcommand(container: &Spec, sub: &[u8]) -> Failure {
    let help = container.name.to_ascii_uppercase();
    let text = [b"ERR unknown subcommand '", quote(sub, QUOTED), b"'. Try ", help.as_bytes(), b" HELP."];
    Failure::text(text.concat())
}

/// As much of an argument as C would print: up to a zero byte or the limit.
fn quote(argument: &[u8], limit: usize) -> &[u8] {
    let end = argument.iter().position(|&byte| byte == 0).unwrap_or(argument.len()).min(limit);
    argument.get(..end).unwrap_or_default()
}
