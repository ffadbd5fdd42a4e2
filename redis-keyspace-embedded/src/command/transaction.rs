//! MULTI, EXEC and WATCH.

use bytes::Bytes;

use super::{ALL_KEYS, Context, Effect, IMMEDIATE, NO_KEYS, NO_SCRIPT, Spec, cluster, command, execute};
use crate::client::Transaction;
use crate::reply::{Answer, Failure, Reply};

pub(super) const TABLE: &[Spec] = &[
    command("multi", 1, IMMEDIATE | NO_SCRIPT, NO_KEYS, |context, _| {
        if context.client.transaction.is_some() {
            return Err(Failure::new("ERR MULTI calls can not be nested"));
        }
        context.client.transaction = Some(Transaction::default());
        Ok(Reply::OK)
    }),
    command("exec", 1, IMMEDIATE | NO_SCRIPT, NO_KEYS, exec),
    command("discard", 1, IMMEDIATE | NO_SCRIPT, NO_KEYS, |context, _| {
        context.client.transaction.take().ok_or(Failure::new("ERR DISCARD without MULTI"))?;
        context.client.unwatch(context.state, context.now);
        Ok(Reply::OK)
    }),
    command("watch", -2, IMMEDIATE | NO_SCRIPT, ALL_KEYS, |context, keys| {
        if context.client.transaction.is_some() {
            return Err(Failure::new("ERR WATCH inside MULTI is not allowed"));
        }
        context.db()?; // a key that has expired before it is watched does not change any more
        keys.iter().for_each(|key| context.client.watch(context.state, key));
        Ok(Reply::OK)
    }),
    command("unwatch", 1, NO_SCRIPT, NO_KEYS, |context, _| {
        context.client.unwatch(context.state, context.now);
        Ok(Reply::OK)
    }),
];

/// An EXEC that may not be executed ends the transaction all the same.
pub(super) fn abort(context: &mut Context<'_>, failure: &Failure) -> Failure {
    context.client.transaction = None;
    context.client.unwatch(context.state, context.now);
    let reason = failure.0.strip_prefix(b"ERR ").unwrap_or(&failure.0);
    Failure::text([b"EXECABORT Transaction discarded because of: ", reason].concat())
}

fn exec(context: &mut Context<'_>, _: &[Bytes]) -> Answer {
    let transaction = context.client.transaction.take().ok_or(Failure::new("ERR EXEC without MULTI"))?;
    let changed = context.client.unwatch(context.state, context.now);
    let queue = || transaction.queue.iter().map(|(spec, arguments)| (*spec, arguments.as_slice()));
    cluster::check_slots(context, queue())?;
    if transaction.broken {
        return Err(Failure::new("EXECABORT Transaction discarded because of previous errors."));
    }
    if changed {
        return Ok(Reply::NilArray);
    }
    context.nested = true;
    let replies = queue().map(|(spec, arguments)| execute(context, spec, arguments)).collect();
    context.nested = false;
    if matches!(context.effect, Some(Effect::Wait { .. })) {
        context.effect = None; // nothing waits inside of a transaction
    }
    Ok(Reply::Array(replies))
}
