//! EVAL, EVALSHA and SCRIPT.

use std::sync::Arc;

use bytes::Bytes;

use super::arguments::{exactly, first, integer};
use super::context::{Context, Spec, command};
use super::find::find;
use super::flags::{CONTAINER, NO_KEYS, NO_SCRIPT};
use crate::reply::{Answer, Failure, Reply};
use crate::script::{Script, ScriptContext, ScriptHost, digest_of};

pub(super) const TABLE: &[Spec] = &[
    command("eval", -3, NO_SCRIPT, NO_KEYS, eval),
    command("evalsha", -3, NO_SCRIPT, NO_KEYS, |context, arguments| {
        let ([digest], rest) = first(arguments)?;
        let digest = String::from_utf8_lossy(digest).to_ascii_lowercase();
        let unknown = Failure::new("NOSCRIPT No matching script. Please use EVAL.");
        if digest.len() != 40 {
            return Err(unknown);
        }
        let (keys, values) = keys_and_values(rest)?;
        let script = context.state.scripts.known(&digest);
        run(context, &script.ok_or(unknown)?, keys, values)
    }),
    command("script", -2, CONTAINER | NO_SCRIPT, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("script|load", 3, NO_SCRIPT, NO_KEYS, |context, arguments| {
        let [text] = exactly(arguments)?;
        let digest = digest_of(text);
        context.state.scripts.learn(&digest)?;
        Ok(Reply::bulk(digest))
    }),
    command("script|exists", -3, NO_SCRIPT, NO_KEYS, |context, digests| {
        let scripts = &context.state.scripts;
        let known = |digest: &Bytes| scripts.known(&String::from_utf8_lossy(digest).to_ascii_lowercase());
        Ok(Reply::Array(digests.iter().map(|digest| Reply::flag(known(digest).is_some())).collect()))
    }),
    command("script|flush", -2, NO_SCRIPT, NO_KEYS, |context, arguments| {
        match arguments {
            [] => {}
            [mode] if mode.eq_ignore_ascii_case(b"sync") || mode.eq_ignore_ascii_case(b"async") => {}
            _ => return Err(Failure::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option")),
        }
        context.state.scripts.forget_loaded();
        Ok(Reply::OK)
    }),
];

impl ScriptHost for Context<'_> {
    fn call(&mut self, arguments: &[Bytes]) -> Reply {
        match find(self.commands, arguments) {
            Ok(spec) if spec.flags & NO_SCRIPT == 0 => self.execute(spec, arguments),
            Ok(_) => Reply::error("ERR This Redis command is not allowed from script"),
            Err(failure) => failure.into(),
        }
    }

    fn now_ms(&self) -> i64 {
        self.now
    }
}

fn eval(context: &mut Context<'_>, arguments: &[Bytes]) -> Answer {
    let ([text], rest) = first(arguments)?;
    let (keys, values) = keys_and_values(rest)?;
    let script = context.state.scripts.learn(&digest_of(text))?;
    run(context, &script, keys, values)
}

fn keys_and_values(arguments: &[Bytes]) -> Result<(&[Bytes], &[Bytes]), Failure> {
    let ([count], rest) = first(arguments)?;
    let count = integer(count)?;
    let Ok(count) = usize::try_from(count) else {
        return Err(Failure::new("ERR Number of keys can't be negative"));
    };
    rest.split_at_checked(count)
        .ok_or(Failure::new("ERR Number of keys can't be greater than number of args"))
}

fn run(context: &mut Context<'_>, script: &Arc<Script>, keys: &[Bytes], values: &[Bytes]) -> Answer {
    let (nested, db) = (std::mem::replace(&mut context.nested, true), context.client.db);
    let reply = script(&mut ScriptContext::new(context), keys, values);
    // A SELECT inside the script ends with the script.
    (context.nested, context.client.db) = (nested, db);
    Ok(reply)
}
