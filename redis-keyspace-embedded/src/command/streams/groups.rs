//! XGROUP.

use bytes::Bytes;

use super::change_stream;
use super::parse::{entry_id, id_or_end};
use crate::command::arguments::{exactly, first, integer, option};
use crate::command::context::{Context, Spec, command};
use crate::command::flags::{CONTAINER, KeyPositions, NO_KEYS};
use crate::notices::EventClasses;
use crate::reply::{Answer, Failure, Reply};
use crate::stream::{Group, Stream};
use crate::value::Value;

const SECOND_WORD: KeyPositions = (2, 2, 1);

pub(in crate::command) const TABLE: &[Spec] = &[
    command("xgroup", -2, CONTAINER, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("xgroup|create", -5, 0, SECOND_WORD, create),
    command("xgroup|setid", -5, 0, SECOND_WORD, |context, arguments| {
        let ([key, name, text], options) = first(arguments)?;
        let options = GroupOptions::parse(context, options, false)?;
        let stream = existing(context, key)?;
        let last = stream.last_id();
        let group = stream.group_mut(name).ok_or_else(|| missing(key, name))?;
        let id = if text.as_ref() == b"$" { last } else { id_or_end(text, 0)? };
        (group.last_id, group.entries_read) = (id, options.entries_read);
        context.db()?.notify(EventClasses::STREAM, "xgroup-setid", key);
        Ok(Reply::OK)
    }),
    command("xgroup|destroy", 4, 0, SECOND_WORD, |context, arguments| {
        let [key, name] = exactly(arguments)?;
        let is_removed = existing(context, key)?.remove_group(name);
        if is_removed {
            let db = context.db()?;
            db.notify(EventClasses::STREAM, "xgroup-destroy", key);
            db.wake(key);
        }
        Ok(Reply::flag(is_removed))
    }),
    command("xgroup|createconsumer", 5, 0, SECOND_WORD, |context, arguments| {
        let [key, name, consumer] = exactly(arguments)?;
        let now = context.now;
        let group = existing(context, key)?.group_mut(name).ok_or_else(|| missing(key, name))?;
        let is_new = group.add_consumer(consumer, now);
        if is_new {
            context.db()?.notify(EventClasses::STREAM, CONSUMER_CREATED, key);
        }
        Ok(Reply::flag(is_new))
    }),
    command("xgroup|delconsumer", 5, 0, SECOND_WORD, |context, arguments| {
        let [key, name, consumer] = exactly(arguments)?;
        let group = existing(context, key)?.group_mut(name).ok_or_else(|| missing(key, name))?;
        let pending = group.remove_consumer(consumer);
        if pending.is_some() {
            context.db()?.notify(EventClasses::STREAM, "xgroup-delconsumer", key);
        }
        Ok(Reply::count(pending.unwrap_or(0)))
    }),
];

/// The event of a new consumer, also if a command that reads or claims entries creates it.
pub(super) const CONSUMER_CREATED: &str = "xgroup-createconsumer";

const NO_STREAM: Failure = Failure::new(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
);

fn existing<'a>(context: &'a mut Context<'_>, key: &[u8]) -> Result<&'a mut Stream, Failure> {
    change_stream(context, key)?.ok_or(NO_STREAM)
}

/// The error of commands that need an existing stream.
pub(super) fn missing(key: &[u8], group: &[u8]) -> Failure {
    let group = Failure::quoting("NOGROUP No such consumer group '", group, "' for key name '").0;
    Failure::text([group, Failure::quoting("", key, "'").0].concat())
}

/// The error for arguments that a subcommand does not accept.
pub(super) fn bad_subcommand(context: &Context<'_>) -> Failure {
    let [container, sub] = [0, 1].map(|place| context.called.get(place).cloned().unwrap_or_default());
    let sub =
        Failure::quoting("ERR unknown subcommand or wrong number of arguments for '", &sub, "'. Try ").0;
    let container = Failure::quoting("", &container.to_ascii_uppercase(), " HELP.").0;
    Failure::text([sub, container].concat())
}

struct GroupOptions {
    makes_stream: bool,
    entries_read: Option<i64>,
}

impl GroupOptions {
    fn parse(context: &Context<'_>, mut rest: &[Bytes], is_create: bool) -> Result<Self, Failure> {
        let (mut makes_stream, mut entries_read) = (false, None);
        while let Some((word, after)) = rest.split_first() {
            rest = match (option(word).as_slice(), after) {
                (b"MKSTREAM", _) if is_create => {
                    makes_stream = true;
                    after
                }
                (b"ENTRIESREAD", [number, after @ ..]) => {
                    let number = integer(number)?;
                    if number < -1 {
                        return Err(Failure::new("ERR value for ENTRIESREAD must be positive or -1"));
                    }
                    entries_read = Some(number).filter(|number| *number >= 0);
                    after
                }
                _ => return Err(bad_subcommand(context)),
            };
        }
        Ok(Self { makes_stream, entries_read })
    }
}

fn create(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([key, name, text], options) = first(arguments)?;
    let too_many = options.len() > 3;
    let options = GroupOptions::parse(context, options, true)?;
    let last = match change_stream(context, key)? {
        Some(stream) => stream.last_id(),
        None if options.makes_stream => Stream::default().last_id(),
        None => return Err(NO_STREAM),
    };
    if too_many {
        return Err(bad_subcommand(context));
    }
    let last_id = if text.as_ref() == b"$" { last } else { entry_id(text, 0)? };
    let now = context.now;
    let db = context.db()?;
    let is_new = !db.contains(key);
    let Some(value) = db.value_or(key, Value::Stream(Box::default()), now) else { return Err(NO_STREAM) };
    if !value.stream_mut()?.add_group(name, Group::new(last_id, options.entries_read)) {
        return Err(Failure::new("BUSYGROUP Consumer Group name already exists"));
    }
    db.notify(EventClasses::STREAM, "xgroup-create", key);
    if is_new {
        db.settle(key);
    }
    Ok(Reply::OK)
}
