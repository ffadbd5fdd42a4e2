//! COMMAND: describes the commands of the server.

use std::collections::HashMap;

use bytes::Bytes;

use super::arguments::option;
use super::context::{Commands, Context, Nesting, Spec, command};
use super::find::{fits, lookup};
use super::flags::{CONTAINER, NO_KEYS};
use super::metadata::{KeyPlace, Metadata, metadata};
use super::positions::{has_movable_keys, keys};
use crate::glob;
use crate::reply::{Answer, Failure, Reply};
use crate::resp::{Protocol, encode};

pub(super) const TABLE: &[Spec] = &[
    command("command", -1, CONTAINER, NO_KEYS, |context, _| Ok(describe_all(context.commands))),
    command("command|count", 2, 0, NO_KEYS, |context, _| {
        Ok(Reply::count(top_level(context.commands).count()))
    }),
    command("command|list", -2, 0, NO_KEYS, list),
    command("command|info", -2, 0, NO_KEYS, |context, names| {
        let commands = context.commands;
        if names.is_empty() {
            return Ok(describe_all(commands));
        }
        let mut entries = Entries::new(context, describe);
        let info = |name: &Bytes| commands.by_name(name).map_or(Reply::Nil, |spec| entries.of(spec));
        Ok(Reply::Array(names.iter().map(info).collect()))
    }),
    command("command|docs", -2, 0, NO_KEYS, |context, names| {
        let commands = context.commands;
        let mut entries = Entries::new(context, document);
        let mut entry = |spec: &'static Spec| (Reply::text(spec.name), entries.of(spec));
        Ok(Reply::Map(if names.is_empty() {
            top_level(commands).map(entry).collect()
        } else {
            names.iter().filter_map(|name| commands.by_name(name).map(&mut entry)).collect()
        }))
    }),
    command("command|getkeys", -4, 0, NO_KEYS, |context, words| {
        let (_, keys) = keys_of(context, words)?;
        Ok(Reply::Array(keys.into_iter().cloned().map(Reply::Bulk).collect()))
    }),
    command("command|getkeysandflags", -4, 0, NO_KEYS, |context, words| {
        let (spec, keys) = keys_of(context, words)?;
        let uses = |place: usize| Reply::Set(statuses(&uses_of(spec, place, words), ""));
        let pairs = keys.into_iter().enumerate();
        let pair = |(place, key): (usize, &Bytes)| Reply::Array(vec![Reply::Bulk(key.clone()), uses(place)]);
        Ok(Reply::Array(pairs.map(pair).collect()))
    }),
];

/// Builds the entries of a reply. A request can name the same command many times, so each command
/// is described and encoded once. The encoded bytes take much less memory than a tree.
struct Entries {
    commands: &'static Commands,
    describe: fn(&Commands, &'static Spec) -> Reply,
    /// `None` for a script, which needs the reply as a tree.
    protocol: Option<Protocol>,
    known: HashMap<&'static str, Reply>,
}

impl Entries {
    fn new(context: &Context<'_>, describe: fn(&Commands, &'static Spec) -> Reply) -> Self {
        let protocol = (context.nesting != Nesting::Script).then_some(context.client.protocol);
        Self { commands: context.commands, describe, protocol, known: HashMap::new() }
    }

    fn of(&mut self, spec: &'static Spec) -> Reply {
        let entry = || {
            let reply = (self.describe)(self.commands, spec);
            self.protocol.map_or(reply.clone(), |protocol| encode(&reply, protocol))
        };
        self.known.entry(spec.name).or_insert_with(entry).clone()
    }
}

/// Returns the commands that are not subcommands.
fn top_level(commands: &Commands) -> impl Iterator<Item = &'static Spec> + use<> {
    commands.iter().filter(|spec| !spec.is_subcommand())
}

fn subcommands(commands: &Commands, container: &'static Spec) -> impl Iterator<Item = &'static Spec> + use<> {
    let own = |spec: &&Spec| spec.name.split_once('|').is_some_and(|(name, _)| name == container.name);
    commands.iter().filter(move |spec| own(spec))
}

fn facts(spec: &Spec) -> Option<&'static Metadata> {
    metadata(spec.name)
}

fn statuses(words: &[&'static str], prefix: &str) -> Vec<Reply> {
    let status = |word: &&'static str| match prefix {
        "" => Reply::status(word),
        prefix => Reply::Status(format!("{prefix}{word}").into()),
    };
    words.iter().map(status).collect()
}

fn list(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let is_listed: Box<dyn Fn(&Spec) -> bool> = match arguments {
        [] => Box::new(|_| true),
        [filter, kind, value] if option(filter) == b"FILTERBY" => match option(kind).as_slice() {
            b"MODULE" => Box::new(|_| false), // there are no modules
            b"ACLCAT" => {
                let is_wanted = |category: &&str| category.as_bytes().eq_ignore_ascii_case(value);
                Box::new(move |spec| facts(spec).is_some_and(|facts| facts.categories.iter().any(is_wanted)))
            }
            b"PATTERN" => {
                let pattern = value.to_ascii_lowercase();
                Box::new(move |spec| glob::matches(&pattern, spec.name.as_bytes()))
            }
            _ => return Err(Failure::SYNTAX),
        },
        _ => return Err(Failure::SYNTAX),
    };
    let names = context.commands.iter().filter(|spec| is_listed(spec)).map(|spec| Reply::text(spec.name));
    Ok(Reply::Array(names.collect()))
}

fn describe_all(commands: &Commands) -> Reply {
    Reply::Array(top_level(commands).map(|spec| describe(commands, spec)).collect())
}

/// Returns an entry of COMMAND INFO.
fn describe(commands: &Commands, spec: &'static Spec) -> Reply {
    let none = Metadata::default();
    let facts = facts(spec).unwrap_or(&none);
    let (first, last, step) = spec.keys;
    let subcommands = subcommands(commands, spec).map(|sub| describe(commands, sub));
    Reply::Array(vec![
        Reply::text(spec.name),
        Reply::Integer(spec.arity),
        Reply::Set(statuses(&facts.flags, "")),
        Reply::Integer(first),
        Reply::Integer(last),
        Reply::Integer(step),
        Reply::Set(statuses(&facts.categories, "@")),
        Reply::Set(facts.tips.iter().map(|tip| Reply::text(tip)).collect()),
        Reply::Set(key_specs(spec, facts)),
        Reply::Set(subcommands.collect()),
    ])
}

/// Returns the key specifications: the positions of keys and how they are used.
fn key_specs(spec: &Spec, facts: &Metadata) -> Vec<Reply> {
    let map = |pairs: Vec<(&'static str, Reply)>| {
        Reply::Map(pairs.into_iter().map(|(name, value)| (Reply::text(name), value)).collect())
    };
    let typed = |kind, fields| map(vec![("type", Reply::text(kind)), ("spec", map(fields))]);
    let numbers = |kind, numbers: [(&'static str, i64); 3]| {
        typed(kind, numbers.map(|(name, number)| (name, Reply::Integer(number))).into())
    };
    let position = |position: usize| Reply::count(position);
    let (first, last, step) = spec.keys;
    let is_single = facts.key_uses.len() == 1;
    let specs = facts.key_uses.iter().zip(first..).map(|(uses, index)| {
        let (begin, find) = match uses.place {
            KeyPlace::Counted(number) => (
                typed("index", vec![("index", position(number))]),
                numbers("keynum", [("keynumidx", 0), ("firstkey", 1), ("keystep", 1)]),
            ),
            KeyPlace::After { word, from } => (
                typed("keyword", vec![("keyword", Reply::text(word)), ("startfrom", position(from))]),
                numbers("range", [("lastkey", -1), ("keystep", 1), ("limit", 2)]),
            ),
            KeyPlace::Next { word, from } => (
                typed("keyword", vec![("keyword", Reply::text(word)), ("startfrom", position(from))]),
                numbers("range", [("lastkey", 0), ("keystep", 1), ("limit", 0)]),
            ),
            KeyPlace::Fixed => {
                // Relative to the first key, unless it counts from the end. The last one of several
                // specifications has the rest of the keys.
                let is_last = index == first.saturating_add(facts.key_uses.len().try_into().unwrap_or(0)) - 1;
                let last = match last {
                    last if last < 0 && (is_single || is_last) => last,
                    last if is_single => last.saturating_sub(first),
                    _ => 0,
                };
                (
                    typed("index", vec![("index", Reply::Integer(index))]),
                    numbers("range", [("lastkey", last), ("keystep", step), ("limit", 0)]),
                )
            }
        };
        let flags = Reply::Set(statuses(&uses.flags, ""));
        map(vec![("flags", flags), ("begin_search", begin), ("find_keys", find)])
    });
    specs.collect()
}

/// Returns an entry of COMMAND DOCS. It omits the texts of a real server.
fn document(commands: &Commands, spec: &'static Spec) -> Reply {
    let mut fields = Vec::new();
    if let Some(facts) = facts(spec) {
        fields.push((Reply::text("since"), Reply::text(facts.since)));
        fields.push((Reply::text("group"), Reply::text(facts.group)));
    }
    let subcommands: Vec<_> =
        subcommands(commands, spec).map(|sub| (Reply::text(sub.name), document(commands, sub))).collect();
    if !subcommands.is_empty() {
        fields.push((Reply::text("subcommands"), Reply::Map(subcommands)));
    }
    Reply::Map(fields)
}

/// Finds the command in a request and its keys.
fn keys_of<'a>(
    context: &Context<'_>,
    words: &'a [Bytes],
) -> Result<(&'static Spec, Vec<&'a Bytes>), Failure> {
    let spec = lookup(context.commands, words).map_err(|_| Failure::new("ERR Invalid command specified"))?;
    if spec.keys == NO_KEYS && !has_movable_keys(spec) {
        return Err(Failure::new("ERR The command has no key arguments"));
    }
    if !fits(spec, words) {
        return Err(Failure::new("ERR Invalid number of arguments specified for command"));
    }
    Ok((spec, keys(spec, words)))
}

/// Returns how a command uses the key at this index of its keys.
fn uses_of(spec: &Spec, place: usize, words: &[Bytes]) -> Vec<&'static str> {
    let all = facts(spec).map(|facts| facts.key_uses.as_slice()).unwrap_or_default();
    let uses = all.get(place).or(all.last()).map(|uses| uses.flags.clone()).unwrap_or_default();
    if uses.contains(&"variable_flags") {
        if spec.name == "bitfield" {
            let writes = ["set", "incrby"];
            let is_write =
                |word: &Bytes| writes.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
            let has_write = words.iter().skip(2).any(is_write);
            return if has_write { vec!["RW", "access", "update"] } else { vec!["RO", "access"] };
        }
        // SET: with the option GET, it also reads the key.
        let reads = words.iter().skip(3).any(|word| word.eq_ignore_ascii_case(b"get"));
        return if reads { vec!["RW", "access", "update"] } else { vec!["OW", "update"] };
    }
    uses
}
