//! Commands about the whole server: its data, its clock and DEBUG.

use std::time::Duration;

use bytes::Bytes;

use super::arguments::{float, integer, option};
use super::context::{Effect, Spec, command};
use super::flags::NO_KEYS;
use crate::reply::{Failure, Reply};

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
    command("wait", 3, 0, NO_KEYS, |_, arguments| {
        let [replicas, timeout] = arguments else { return Err(Failure::arity("wait")) };
        integer(replicas)?;
        match integer(timeout) {
            // Without replicas, there is nothing to wait for.
            Ok(0..) => Ok(Reply::Integer(0)),
            Ok(_) => Err(Failure::new("ERR timeout is negative")),
            Err(_) => Err(Failure::new("ERR timeout is not an integer or out of range")),
        }
    }),
];

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
