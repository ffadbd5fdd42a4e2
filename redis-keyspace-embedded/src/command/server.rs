//! Commands about the whole server: its data, its clock and DEBUG.

use std::time::Duration;

use bytes::Bytes;

use super::arguments::{exactly, float, integer, option};
use super::blocking::{milliseconds, wait};
use super::context::{Context, Effect, Spec, command};
use super::flags::NO_KEYS;
use crate::number::parse_i64;
use crate::reply::{Answer, Failure, Reply};

pub(super) const TABLE: &[Spec] = &[
    command("dbsize", 1, 0, NO_KEYS, |context, _| Ok(Reply::count(context.db()?.len()))),
    command("flushdb", -1, 0, NO_KEYS, |context, arguments| {
        flush_mode(arguments)?;
        context.db()?.clear();
        Ok(Reply::OK)
    }),
    command("flushall", -1, 0, NO_KEYS, |context, arguments| {
        flush_mode(arguments)?;
        for index in 0..context.state.dbs.len() {
            context.db_at(index)?.clear();
        }
        Ok(Reply::OK)
    }),
    command("role", 1, 0, NO_KEYS, |_, _| {
        // A master with an offset of 0 and no replicas.
        Ok(Reply::Array(vec![Reply::bulk("master"), Reply::Integer(0), Reply::Array(vec![])]))
    }),
    command("swapdb", 3, 0, NO_KEYS, swap),
    command("time", 1, 0, NO_KEYS, |context, _| {
        let now = context.shared.clock.now();
        Ok(Reply::Array(vec![
            Reply::bulk(now.as_secs().to_string()),
            Reply::bulk(now.subsec_micros().to_string()),
        ]))
    }),
    command("debug", -2, 0, NO_KEYS, |context, arguments| {
        let [sub, seconds] = arguments else { return Err(unknown_debug(arguments)) };
        if option(sub) != b"SLEEP" {
            return Err(unknown_debug(arguments));
        }
        let delay = float(seconds).ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        context.set_effect(Effect::Sleep(delay.unwrap_or_default()));
        Ok(Reply::OK)
    }),
    command("wait", 3, 0, NO_KEYS, |context, arguments| {
        let [replicas, timeout] = exactly(arguments)?;
        let (replicas, timeout) = (integer(replicas)?, milliseconds(timeout)?);
        if replicas > 0 {
            // No replica will ever acknowledge a write.
            wait(context, &[], timeout, |_, _, _| None)?;
        }
        Ok(Reply::Integer(0))
    }),
];

fn swap(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let [one, other] = exactly(arguments)?;
    if context.shared.is_cluster {
        return Err(Failure::new("ERR SWAPDB is not allowed in cluster mode"));
    }
    let index = |text: &Bytes, invalid| {
        let index = parse_i64(text).and_then(|index| i32::try_from(index).ok());
        index.ok_or(Failure::new(invalid))
    };
    let one = index(one, "ERR invalid first DB index")?;
    let other = index(other, "ERR invalid second DB index")?;
    let place = |index: i32| usize::try_from(index).map_err(|_| Failure::DB_RANGE);
    let places = [place(one)?, place(other)?];
    if places.iter().any(|&place| place >= context.state.dbs.len()) {
        return Err(Failure::DB_RANGE);
    }
    if let Ok([one, other]) = context.state.dbs.get_disjoint_mut(places) {
        one.swap(other);
    }
    Ok(Reply::OK)
}

fn unknown_debug(arguments: &[Bytes]) -> Failure {
    let sub = arguments.first().map_or(&b""[..], |sub| sub);
    let before = "ERR unknown subcommand or wrong number of arguments for '";
    Failure::quoting(before, sub, "'. Try DEBUG HELP.")
}

fn flush_mode(arguments: &[Bytes]) -> Result<(), Failure> {
    match arguments {
        [] => Ok(()),
        [mode] if matches!(option(mode).as_slice(), b"SYNC" | b"ASYNC") => Ok(()),
        _ => Err(Failure::SYNTAX),
    }
}
