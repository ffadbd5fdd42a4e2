//! MULTI, EXEC and WATCH.

use bytes::Bytes;

use super::cluster;
use super::context::{Closing, Context, Nesting, Spec, Transaction, command};
use super::flags::{ALL_KEYS, IMMEDIATE, NO_KEYS};
use crate::reply::{Answer, Failure, Reply};
use crate::resp::{array, encoded, write};

pub(super) const TABLE: &[Spec] = &[
    command("multi", 1, IMMEDIATE, NO_KEYS, |context, _| {
        if context.transaction.is_some() {
            return Err(Failure::new("ERR MULTI calls can not be nested"));
        }
        *context.transaction = Some(Transaction::default());
        Ok(Reply::OK)
    }),
    command("exec", 1, IMMEDIATE, NO_KEYS, exec),
    command("discard", 1, IMMEDIATE, NO_KEYS, |context, _| {
        context.transaction.take().ok_or(Failure::new("ERR DISCARD without MULTI"))?;
        context.client.unwatch(context.state, context.now);
        Ok(Reply::OK)
    }),
    command("watch", -2, IMMEDIATE, ALL_KEYS, |context, keys| {
        if context.transaction.is_some() {
            return Err(Failure::new("ERR WATCH inside MULTI is not allowed"));
        }
        context.db()?; // removes expired keys now: their removal must not count as a change after WATCH
        keys.iter().for_each(|key| context.client.watch(context.state, key));
        Ok(Reply::OK)
    }),
    command("unwatch", 1, 0, NO_KEYS, |context, _| {
        context.client.unwatch(context.state, context.now);
        Ok(Reply::OK)
    }),
];

/// Ends the transaction when EXEC is refused. Returns the error.
pub(super) fn abort(context: &mut Context<'_>, failure: &Failure) -> Failure {
    *context.transaction = None;
    context.client.unwatch(context.state, context.now);
    let reason = failure.0.strip_prefix(b"ERR ").unwrap_or(&failure.0);
    Failure::text([b"EXECABORT Transaction discarded because of: ", reason].concat())
}

fn exec(context: &mut Context<'_>, _: &[Bytes]) -> Answer {
    let transaction = context.transaction.take().ok_or(Failure::new("ERR EXEC without MULTI"))?;
    let changed = context.client.unwatch(context.state, context.now);
    let queue = || transaction.queue.iter().map(|(spec, arguments)| (*spec, arguments.as_slice()));
    cluster::check_slots(context, queue())?;
    if transaction.is_broken() {
        return Err(Failure::new("EXECABORT Transaction discarded because of previous errors."));
    }
    if changed {
        return Ok(Reply::NilArray);
    }
    context.nesting = Nesting::Transaction;
    // Each reply is encoded immediately, because it takes more memory before. The limit applies to
    // all replies together.
    let mut replies = array(transaction.queue.len());
    for (spec, arguments) in queue() {
        let closing = context.closing();
        let reply = context.execute(spec, arguments);
        // As on a real server, a closing connection gets no more replies, but all commands are
        // executed.
        if closing == Closing::No
            && write(&mut replies, &reply, context.client.protocol, context.output_limit()).is_err()
        {
            context.close(Closing::AtOnce);
            replies.clear();
        }
    }
    context.nesting = Nesting::Nothing;
    context.cancel_wait();
    Ok(encoded(replies))
}
