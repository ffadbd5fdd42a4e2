//! Fills of keys that are swept: they end before the first key is looked at, those of keys that are not there too.

use std::sync::Arc;

use super::target::{ScanOptions, SweepTarget, Wanted};
use super::walk::Walk;
use crate::cache::lease::LONGEST_KEPT;
use crate::client::{Binding, run};
use crate::error::Result;
use crate::key::{Companion, KeyText};
use crate::local::DatabaseReads;
use crate::protocol::{Keys, Packet, Replies, Reply, Request, read};
use crate::random;
use crate::schema::sweep_mark;
use crate::time::millis;

/// Ends every fill under way of the keys that are meant, and drops what is kept beside them.
///
/// On a server by itself, a mark is left for each template: a lease of before the mark is none any more. Where more than leases has
/// been kept beside keys, and in a cluster, whose scripts see one slot, that is looked for and deleted, which takes going through
/// the database once more.
pub(super) async fn end_fills(meant: &SweepTarget, options: &ScanOptions) -> Result<()> {
    let binding = options.call.target.resolve(Some(meant.keyspace))?;
    if binding.is_disabled {
        binding.pool().local.flights.end_all();
        binding.counters.note_dropped(meant.template);
        return Ok(());
    }
    let templates = match meant.template {
        Some(template) => std::slice::from_ref(template),
        None => meant.keyspace.templates(),
    };
    let filled = || templates.iter().filter(|template| template.kind.is_filled);
    if filled().next().is_none() {
        return Ok(());
    }
    binding.pool().settings.sizes().check_key(&meant.wanted.glob)?;
    binding.pool().local.reads.copies.clear();
    let send = async |request: Request| -> Result<Replies> {
        let deadline = binding.deadline(options.call.timeout);
        run(Arc::clone(&binding), request, deadline, true, None).await
    };
    if let Some(only) = &meant.wanted.only {
        let key = Keys::One(KeyText::Shared(only.as_str().into()));
        return send(Request::One(Packet::ending_fills(&key))).await.and_then(read::one).map(drop);
    }
    let mut marks: Vec<_> = filled().map(sweep_mark).collect();
    marks.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    marks.dedup_by(|one, other| one.as_str() == other.as_str());
    let token = random::token();
    let longest = millis(LONGEST_KEPT)?;
    let packets = marks.into_iter().flat_map(|mark| {
        let mut copies = Packet::new("HGET", Keys::One(mark.clone()));
        copies.args.push(b"copies");
        let mut set = Packet::new("HSET", Keys::One(mark.clone()));
        set.args.push(b"at");
        set.args.push(token.as_bytes());
        let mut expire = Packet::new("PEXPIRE", Keys::One(mark));
        expire.args.push_int(longest);
        // In this order: what is kept before the mark is known of after it, and what comes after it is not kept.
        [set, expire, copies]
    });
    let replies = send(Request::Page(packets.collect())).await?;
    if binding.pool().is_cluster() {
        return end_each(meant, options, &binding).await;
    }
    let mut has_copies = false;
    for reply in read::many(replies) {
        has_copies |= match read::checked(reply) {
            // A full server takes no mark, and lets go of what is deleted.
            Err(error) if error.code() == Some("OOM") => true,
            reply => matches!(reply?, Reply::Bulk(_)),
        };
    }
    // They would go by themselves, but what was deleted is not to lie around.
    if has_copies { end_each(meant, options, &binding).await } else { Ok(()) }
}

/// Forgets, when it is dropped, what was seen while keys were being deleted.
pub(super) fn forgetting(meant: &SweepTarget, options: &ScanOptions) -> Result<ForgettingAll> {
    let binding = options.call.target.resolve(Some(meant.keyspace))?;
    Ok(ForgettingAll(Arc::clone(&binding.pool().local.reads)))
}

pub(super) struct ForgettingAll(Arc<DatabaseReads>);

impl Drop for ForgettingAll {
    fn drop(&mut self) {
        self.0.copies.clear();
    }
}

/// Goes through the database for what is beside the keys that are meant, and deletes it.
async fn end_each(meant: &SweepTarget, options: &ScanOptions, binding: &Arc<Binding>) -> Result<()> {
    let glob = format!("{}{}*", meant.wanted.glob, Companion::Fill.marker());
    let mut walk = Walk::new(
        &Wanted { glob, only: None, redis_type: None, refusal: None },
        options.clone(),
        meant.keyspace,
    )?;
    let mut owners: Vec<KeyText> = Vec::new();
    loop {
        let packets = walk
            .divide(&mut owners, KeyText::as_str)
            .map(|keys| Packet::ending_fills(&Keys::Many(keys.to_vec())))
            .collect();
        let turn = walk.turn(packets, true).await?;
        turn.replies.into_iter().try_for_each(|reply| read::checked(reply).map(drop))?;
        turn.failure.map_or(Ok(()), Err)?;
        let beside = turn.keys.iter().filter_map(|name| Companion::Fill.owner(name, &binding.namespace));
        owners = beside.filter(|key| (meant.filter)(key)).map(|key| KeyText::Shared(key.into())).collect();
        if owners.is_empty() && !walk.goes_on() {
            return Ok(());
        }
    }
}
