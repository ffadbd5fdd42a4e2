//! Ends fills of the keys of a sweep, before the first key is scanned. This includes fills of keys
//! that do not exist yet.

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
use crate::schema::{TemplateMeta, sweep_mark};
use crate::time::millis;

/// Ends all fills of the target keys that are in flight, and deletes their stale copies and
/// negative entries.
///
/// On a standalone server, this writes a sweep mark for each template. A lease from before the mark
/// is no longer valid. Companion keys must also be scanned for and deleted if the mark says that
/// they hold copies or negative entries, and on a cluster, where a script sees only one slot. That
/// takes another scan of the database.
pub(super) async fn end_fills(target: &SweepTarget, options: &ScanOptions) -> Result<()> {
    let binding = options.call.target.resolve(Some(target.keyspace))?;
    if binding.is_disabled {
        binding.pool().local.flights.end_all();
        binding.counters.note_dropped(target.template);
        return Ok(());
    }
    let templates = match target.template {
        Some(template) => std::slice::from_ref(template),
        None => target.keyspace.templates(),
    };
    // A sweep does not end work that must not run twice.
    let filled = || templates.iter().filter(|template| template.ends_fills() && !template.is_work());
    if filled().next().is_none() {
        return Ok(());
    }
    binding.pool().settings.sizes().check_key(&target.wanted.glob)?;
    binding.pool().local.reads.copies.clear();
    let send = async |request: Request| -> Result<Replies> {
        let deadline = binding.deadline(options.call.timeout);
        run(Arc::clone(&binding), request, deadline, true, None).await
    };
    if let Some(only) = &target.wanted.only {
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
        // The order matters. Copies that were stored before the mark was set show up in the last
        // reply. Later fills with an older lease store nothing.
        [set, expire, copies]
    });
    let replies = send(Request::Page(packets.collect())).await?;
    if binding.pool().is_cluster() {
        return delete_companions(target, options, &binding).await;
    }
    let mut has_copies = false;
    for reply in read::many(replies) {
        has_copies |= match read::checked(reply) {
            // A server that is out of memory rejects the mark, but still accepts deletions.
            Err(error) if error.code() == Some("OOM") => true,
            reply => matches!(reply?, Reply::Bulk(_)),
        };
    }
    // Copies expire by themselves, but deleted data should not stay in Redis until then.
    if has_copies { delete_companions(target, options, &binding).await } else { Ok(()) }
}

/// Returns a guard that clears the local copies when it is dropped: they may have been read while
/// keys were being deleted.
pub(super) fn clearing_copies(target: &SweepTarget, options: &ScanOptions) -> Result<ClearCopiesOnDrop> {
    let binding = options.call.target.resolve(Some(target.keyspace))?;
    Ok(ClearCopiesOnDrop(Arc::clone(&binding.pool().local.reads)))
}

pub(super) struct ClearCopiesOnDrop(Arc<DatabaseReads>);

impl Drop for ClearCopiesOnDrop {
    fn drop(&mut self) {
        self.0.copies.clear();
    }
}

/// Scans the database for the companion keys of the target keys, and deletes them.
async fn delete_companions(
    target: &SweepTarget,
    options: &ScanOptions,
    binding: &Arc<Binding>,
) -> Result<()> {
    let glob = format!("{}{}*", target.wanted.glob, Companion::Fill.marker());
    let mut walk = Walk::new(
        &Wanted { glob, only: None, redis_type: None, refusal: None },
        options.clone(),
        target.keyspace,
    )?;
    let mut owners: Vec<KeyText> = Vec::new();
    loop {
        let packets = walk
            .divide(&mut owners, KeyText::as_str)
            .map(|keys| Packet::ending_fills(&Keys::Many(keys.to_vec())))
            .collect();
        let step = walk.step(packets, true).await?;
        step.replies.into_iter().try_for_each(|reply| read::checked(reply).map(drop))?;
        step.failure.map_or(Ok(()), Err)?;
        let found = step.keys.iter().filter_map(|name| Companion::Fill.owner(name, &binding.namespace));
        let is_target = |key: &&str| {
            let is_work = || target.keyspace.template_of(key).is_some_and(TemplateMeta::is_work);
            (target.filter)(key) && !is_work()
        };
        owners = found.filter(is_target).map(|key| KeyText::Shared(key.into())).collect();
        if owners.is_empty() && !walk.has_next_page() {
            return Ok(());
        }
    }
}
