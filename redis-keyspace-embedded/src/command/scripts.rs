//! EVAL, EVALSHA, SCRIPT, FCALL and FUNCTION.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use super::arguments::{exactly, first, integer};
use super::context::{Context, Nesting, Spec, command};
use super::find::{fits, lookup};
use super::flags::{CONTAINER, NO_KEYS};
use super::metadata::has_flag;
use crate::reply::{Answer, Failure, Reply};
use crate::script::{Script, ScriptContext, ScriptHost, digest_of};
use crate::statistics::Statistics;

pub(super) const TABLE: &[Spec] = &[
    command("eval", -3, 0, NO_KEYS, |context, arguments| eval(context, arguments, Writes::Allowed)),
    command("eval_ro", -3, 0, NO_KEYS, |context, arguments| eval(context, arguments, Writes::Refused)),
    command("evalsha", -3, 0, NO_KEYS, |context, arguments| evalsha(context, arguments, Writes::Allowed)),
    command("evalsha_ro", -3, 0, NO_KEYS, |context, arguments| evalsha(context, arguments, Writes::Refused)),
    command("fcall", -3, 0, NO_KEYS, |context, arguments| fcall(context, arguments, Writes::Allowed)),
    command("fcall_ro", -3, 0, NO_KEYS, |context, arguments| fcall(context, arguments, Writes::Refused)),
    command("function", -2, CONTAINER, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("function|load", -3, 0, NO_KEYS, |context, arguments| {
        let (replaces, text) = match arguments {
            [text] => (false, text),
            [option, text] if option.eq_ignore_ascii_case(b"replace") => (true, text),
            [option, ..] => {
                let option = String::from_utf8_lossy(option);
                return Err(Failure::text(format!("ERR Unknown option given: {option}")));
            }
            [] => return Err(Failure::SYNTAX),
        };
        Ok(Reply::bulk(context.state.scripts.load_library(text, replaces)?))
    }),
    command("script", -2, CONTAINER, NO_KEYS, |_, _| Err(Failure::SYNTAX)),
    command("script|load", 3, 0, NO_KEYS, |context, arguments| {
        let [text] = exactly(arguments)?;
        let digest = digest_of(text);
        context.state.scripts.load(&digest)?;
        Ok(Reply::bulk(digest))
    }),
    command("script|exists", -3, 0, NO_KEYS, |context, digests| {
        let scripts = &context.state.scripts;
        let known = |digest: &Bytes| scripts.known(&String::from_utf8_lossy(digest).to_ascii_lowercase());
        Ok(Reply::Array(digests.iter().map(|digest| Reply::flag(known(digest).is_some())).collect()))
    }),
    command("script|flush", -2, 0, NO_KEYS, |context, arguments| {
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
        // These are the errors of a real server.
        let refused = match lookup(self.commands, arguments) {
            _ if arguments.is_empty() => "ERR Please specify at least one argument for this redis lib call",
            Err(_) => "ERR Unknown Redis command called from script",
            Ok(spec) if !fits(spec, arguments) => {
                "ERR Wrong number of args calling Redis command from script"
            }
            Ok(spec) if has_flag(spec.name, "noscript") => {
                "ERR This Redis command is not allowed from script"
            }
            Ok(spec) if self.refuses_writes && (has_flag(spec.name, "write") || spec.name == "publish") => {
                "ERR Write commands are not allowed from read-only scripts."
            }
            Ok(spec) => {
                let fault = arguments.first().and_then(|name| self.shared.faults.meet_in_script(name));
                if let Some(text) = fault {
                    return self.refused(text);
                }
                let reply = self.execute(spec, arguments).for_script();
                if let Reply::Error(text) = &reply {
                    self.script_errors.insert(text.clone());
                }
                return reply;
            }
        };
        self.refused(Bytes::from_static(refused.as_bytes()))
    }

    fn now_ms(&self) -> i64 {
        self.now
    }
}

impl Context<'_> {
    /// Counts the error of a command that the running script must not execute. Returns the reply.
    fn refused(&mut self, text: Bytes) -> Reply {
        self.state.statistics.count_error(&text);
        self.script_errors.insert(text.clone());
        Reply::Error(text)
    }
}

/// Whether the commands of a script may write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writes {
    Allowed,
    Refused,
}

fn eval(context: &mut Context<'_>, arguments: &[Bytes], writes: Writes) -> Answer {
    let ([text], rest) = first(arguments)?;
    let (keys, values) = keys_and_values(rest)?;
    let script = context.state.scripts.load(&digest_of(text))?;
    run(context, &script, keys, values, writes)
}

fn evalsha(context: &mut Context<'_>, arguments: &[Bytes], writes: Writes) -> Answer {
    let ([digest], rest) = first(arguments)?;
    let digest = String::from_utf8_lossy(digest).to_ascii_lowercase();
    let unknown = Failure::new("NOSCRIPT No matching script. Please use EVAL.");
    if digest.len() != 40 {
        return Err(unknown);
    }
    let (keys, values) = keys_and_values(rest)?;
    let script = context.state.scripts.known(&digest);
    run(context, &script.ok_or(unknown)?, keys, values, writes)
}

fn fcall(context: &mut Context<'_>, arguments: &[Bytes], writes: Writes) -> Answer {
    let ([name], rest) = first(arguments)?;
    let function = context.state.scripts.function(name)?;
    let (keys, values) = keys_and_values(rest)?;
    run(context, &function, keys, values, writes)
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

fn run(
    context: &mut Context<'_>,
    script: &Arc<Script>,
    keys: &[Bytes],
    values: &[Bytes],
    writes: Writes,
) -> Answer {
    context.refuses_writes = writes == Writes::Refused;
    let (nesting, db) = (std::mem::replace(&mut context.nesting, Nesting::Script), context.client.db);
    let reply = script(&mut ScriptContext::new(context), keys, values);
    context.refuses_writes = false;
    // A SELECT in the script has no effect after it.
    (context.nesting, context.client.db) = (nesting, db);
    let counted = std::mem::take(&mut context.script_errors);
    count_errors(&reply, &counted, &mut context.state.statistics);
    Ok(reply)
}

/// Counts the errors in the reply of a script. Errors that a command returned to the script are
/// already counted.
fn count_errors(reply: &Reply, counted: &HashSet<Bytes>, statistics: &mut Statistics) {
    match reply {
        Reply::Error(text) if !counted.contains(text) => statistics.count_error(text),
        Reply::Array(items) | Reply::Set(items) | Reply::Push(items) | Reply::Several(items) => {
            items.iter().for_each(|item| count_errors(item, counted, statistics));
        }
        Reply::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            count_errors(key, counted, statistics);
            count_errors(value, counted, statistics);
        }),
        _ => {}
    }
}
