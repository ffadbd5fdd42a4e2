//! COMMAND: describes the commands of the server.

use bytes::Bytes;

use super::context::{Commands, Spec, command};
use super::flags::{CONTAINER, IMMEDIATE, NO_KEYS, NO_SCRIPT, WRITE};
use crate::reply::Reply;

pub(super) const TABLE: &[Spec] = &[
    command("command", -1, CONTAINER, NO_KEYS, |context, _| Ok(describe_all(context.commands))),
    command("command|count", 2, 0, NO_KEYS, |context, _| {
        Ok(Reply::count(top_level(context.commands).count()))
    }),
    command("command|list", -2, 0, NO_KEYS, |context, _| {
        Ok(Reply::Array(top_level(context.commands).map(|spec| Reply::text(spec.name)).collect()))
    }),
    command("command|info", -2, 0, NO_KEYS, |context, names| {
        let commands = context.commands;
        if names.is_empty() {
            return Ok(describe_all(commands));
        }
        let info =
            |name: &Bytes| commands.by_name(name).map_or(Reply::NilArray, |spec| describe(commands, spec));
        Ok(Reply::Array(names.iter().map(info).collect()))
    }),
    command("command|docs", -2, 0, NO_KEYS, |context, names| {
        let commands = context.commands;
        let document = |spec: &'static Spec| (Reply::text(spec.name), Reply::Map(Vec::new()));
        if names.is_empty() {
            return Ok(Reply::Map(top_level(commands).map(document).collect()));
        }
        Ok(Reply::Map(names.iter().filter_map(|name| commands.by_name(name)).map(document).collect()))
    }),
];

/// Returns the commands that are not subcommands.
fn top_level(commands: &Commands) -> impl Iterator<Item = &'static Spec> + use<> {
    commands.iter().filter(|spec| !spec.name.contains('|'))
}

fn describe_all(commands: &Commands) -> Reply {
    Reply::Array(top_level(commands).map(|spec| describe(commands, spec)).collect())
}

/// Returns an entry of COMMAND INFO.
fn describe(commands: &Commands, spec: &'static Spec) -> Reply {
    let mut flags = vec![Reply::status(if spec.flags & WRITE != 0 { "write" } else { "readonly" })];
    if spec.flags & NO_SCRIPT != 0 {
        flags.push(Reply::status("noscript"));
    }
    if spec.flags & IMMEDIATE != 0 {
        flags.push(Reply::status("fast"));
    }
    let (first, last, step) = spec.keys;
    let nothing = || Reply::Array(Vec::new());
    let subcommands = if spec.flags & CONTAINER != 0 {
        let own = |sub: &&'static Spec| {
            sub.name.split_once('|').is_some_and(|(container, _)| container == spec.name)
        };
        commands.iter().filter(own).map(|sub| describe(commands, sub)).collect()
    } else {
        Vec::new()
    };
    Reply::Array(vec![
        Reply::text(spec.name),
        Reply::Integer(spec.arity),
        Reply::Set(flags),
        Reply::Integer(first),
        Reply::Integer(last),
        Reply::Integer(step),
        Reply::Set(Vec::new()),
        nothing(),
        nothing(),
        Reply::Array(subcommands),
    ])
}
