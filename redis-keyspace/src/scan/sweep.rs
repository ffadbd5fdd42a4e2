//! Deletes many keys or sets their TTL, page by page.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::FutureExt;

use super::fills::{clearing_copies, end_fills};
use super::target::{PatternOptions, ScanOptions, SweepTarget};
use super::walk::Walk;
use crate::client::{Binding, Redis, Target};
use crate::error::{Error, Result, short_name};
use crate::key::KeyText;
use crate::protocol::{Keys, Packet, read};
use crate::schema::TemplateMeta;
use crate::time::millis;

/// An operation on many keys, created by [`Pattern::delete`](super::Pattern::delete) and
/// [`Pattern::expire`](super::Pattern::expire). Await it.
///
/// ```
/// # use redis_keyspace::{Keyspace, Redis, Text};
/// # #[derive(Keyspace)]
/// # #[keyspace(prefix = "session", ttl = "1d")]
/// # struct SessionKeys { #[key("{user}:{device}")] session: fn(user: u64, device: &str) -> Text }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
/// # Redis::embedded().scope(async {
/// SessionKeys::session(7, "phone").set("a").await?;
/// let mut pages = 0;
/// let progress = SessionKeys::session_keys()
///     .all()
///     .delete()
///     .page_size(100)
///     .on_progress(|progress| {
///         println!("{:.0} %", progress.fraction() * 100.0);
///         pages += 1;
///     })
///     .await?;
/// assert_eq!((progress.affected, progress.finished), (1, true));
/// assert!(pages > 0);
/// # Ok(()) }).await }
/// ```
///
/// # Errors
///
/// A [`SweepError`], which contains the progress before the error. `?` converts it into an
/// [`Error`](crate::Error).
///
/// # Cancellation
///
/// Dropping the future stops the sweep after the current round trip, whose outcome is then unknown.
/// To stop a sweep and know what it did, use [`stop_if`](Self::stop_if).
///
/// # Round trips
///
/// One for each page of the database, and one more for the keys of the last page: the commands on
/// the keys of a page and the `SCAN` of the next page share a round trip. Before the first page, a
/// sweep of a template with fills takes one more to end loads in flight. If stale copies or
/// negative entries exist, or the server is a node of a cluster, it also scans the database once to
/// delete those.
#[must_use = "nothing is done unless it is awaited"]
pub struct Sweep<'c> {
    work: Work,
    target: SweepTarget,
    options: PatternOptions,
    /// Replaces the handle of the options.
    binding: Option<Arc<Binding>>,
    dry_run: bool,
    on_progress: Option<Watcher<'c, ()>>,
    stop_if: Option<Watcher<'c, bool>>,
}

type Watcher<'c, R> = Box<dyn FnMut(&SweepProgress) -> R + Send + 'c>;

#[derive(Debug, Clone, Copy)]
enum Work {
    Delete,
    Expire(Duration),
}

impl Work {
    /// Whether it deletes keys. It must not be repeated then: after a lost reply, a second attempt
    /// would count the deleted keys as missing.
    fn deletes(self) -> bool {
        match self {
            Self::Delete => true,
            Self::Expire(lifetime) => lifetime.is_zero(),
        }
    }
}

/// The progress of a [`Sweep`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepProgress {
    /// About how many keys of the database the server examined.
    pub looked_at: u64,
    /// The number of keys in the database at the start, which `looked_at` approaches. 0 if the user
    /// may not call `DBSIZE`.
    pub total: u64,
    /// The number of keys of the pattern that were found. A key that the server returns twice
    /// counts twice, also in `affected` of [`Pattern::expire`](super::Pattern::expire). This
    /// happens while the hash table of the server shrinks, when another server replaces it, and
    /// while slots of a cluster move. A dry run counts the keys of slots that move once.
    pub matched: u64,
    /// The number of keys that were deleted, or whose TTL was set.
    pub affected: u64,
    /// The number of keys that the glob matched but that do not belong to the pattern. They are
    /// unchanged.
    pub skipped: u64,
    /// Whether the whole database was scanned.
    pub finished: bool,
}

impl SweepProgress {
    /// Returns the estimated completed fraction, from 0 to 1, for a progress bar. It is 1 if the
    /// total is not known.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "it is an estimate")]
    pub fn fraction(&self) -> f64 {
        if self.finished || self.total == 0 { 1.0 } else { self.looked_at as f64 / self.total as f64 }
    }
}

/// The error of a [`Sweep`], with its progress. `?` converts it into an [`Error`].
#[derive(Debug, Clone)]
pub struct SweepError {
    error: Error,
    progress: SweepProgress,
}

impl SweepError {
    /// Returns the progress before the error. Keys of the round trip that failed may have been
    /// changed too.
    #[must_use]
    pub fn progress(&self) -> SweepProgress {
        self.progress
    }

    pub(crate) fn into_error(self) -> Error {
        self.error
    }

    /// Returns the error.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }
}

impl fmt::Display for SweepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (after {} keys)", self.error, self.progress.affected)
    }
}

impl std::error::Error for SweepError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl From<SweepError> for Error {
    fn from(error: SweepError) -> Self {
        error.error
    }
}

impl<'c> Sweep<'c> {
    pub(super) fn delete(target: SweepTarget, options: PatternOptions) -> Self {
        Self {
            work: Work::Delete,
            target,
            options,
            binding: None,
            dry_run: false,
            on_progress: None,
            stop_if: None,
        }
    }

    pub(super) fn expire(lifetime: Duration, target: SweepTarget, options: PatternOptions) -> Self {
        Self { work: Work::Expire(lifetime), ..Self::delete(target, options) }
    }

    /// Changes nothing, and only counts the keys as [`matched`](SweepProgress::matched).
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Sets the handle to run on, overriding the installed or scoped one.
    pub fn on(mut self, redis: &Redis) -> Self {
        self.options.on = Some(redis.as_pinned());
        self
    }

    /// Sets the binding to run on.
    pub(super) fn within(mut self, binding: Arc<Binding>) -> Self {
        self.binding = Some(binding);
        self
    }

    /// Sets the timeout of each round trip. It does not limit the sweep as a whole.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Sets how many keys of the database the server examines for one page (`COUNT`). The default
    /// is 1000, the minimum 1.
    pub fn page_size(mut self, keys: u32) -> Self {
        self.options.page_size = keys.max(1);
        self
    }

    /// Calls a function with the progress after every page.
    pub fn on_progress<'n>(self, on_progress: impl FnMut(&SweepProgress) + Send + 'n) -> Sweep<'n>
    where
        'c: 'n,
    {
        let mut sweep: Sweep<'n> = self.shortened();
        sweep.on_progress = Some(Box::new(on_progress));
        sweep
    }

    /// Stops after a page for which `stop` returns `true`. The sweep then returns its progress,
    /// with [`finished`](SweepProgress::finished) set to `false`. The keys of that page are counted
    /// as [`matched`](SweepProgress::matched), but are not changed.
    pub fn stop_if<'n>(self, stop: impl FnMut(&SweepProgress) -> bool + Send + 'n) -> Sweep<'n>
    where
        'c: 'n,
    {
        let mut sweep: Sweep<'n> = self.shortened();
        sweep.stop_if = Some(Box::new(stop));
        sweep
    }

    fn shortened<'n>(self) -> Sweep<'n>
    where
        'c: 'n,
    {
        self
    }

    async fn run(mut self) -> Result<SweepProgress, SweepError> {
        let mut progress = SweepProgress::default();
        match self.sweep(&mut progress).await {
            Ok(()) => Ok(progress),
            Err(error) => Err(SweepError {
                error: error.about(self.command(), self.target.template.map(TemplateMeta::name), None),
                progress,
            }),
        }
    }

    async fn sweep(&mut self, progress: &mut SweepProgress) -> Result<()> {
        self.target.wanted.check()?;
        // Resolved once: all steps must be on the same server, also if another handle is installed
        // meanwhile.
        let mut options = self.options.of_scan();
        let binding = match self.binding.take() {
            Some(binding) => binding,
            None => options.call.target.resolve(Some(self.target.keyspace))?,
        };
        options.call.target = Target::Bound(binding);
        // Also if the sweep fails or is dropped: copies that were read while keys were deleted must
        // not be served.
        let _clearing = if self.ends_fills() { Some(clearing_copies(&self.target, &options)?) } else { None };
        self.sweep_pages(options, progress).await
    }

    /// Whether the sweep ends fills, as `del` and `expire` of a key do.
    fn ends_fills(&self) -> bool {
        !self.dry_run
    }

    async fn sweep_pages(&mut self, options: ScanOptions, progress: &mut SweepProgress) -> Result<()> {
        if self.ends_fills() {
            end_fills(&self.target, &options).await?;
        }
        let mut walk = Walk::new(&self.target.wanted, options, self.target.keyspace)?;
        let repeatable = self.dry_run || !self.work.deletes();
        let mut keys: Vec<KeyText> = Vec::new();
        let (mut asks_size, mut total) = (true, None);
        let mut preview = SlotCounts::default();
        loop {
            let mut packets = self.packets(std::mem::take(&mut keys), &walk)?;
            let sent = packets.len();
            if asks_size {
                packets.push(Packet::new("DBSIZE", Keys::None));
            }
            let has_page = walk.has_next_page();
            let step = walk.step(packets, repeatable || sent == 0).await?;
            let mut replies = step.replies.into_iter();
            let mut failure = None;
            for reply in replies.by_ref().take(sent) {
                match read::to_count(reply) {
                    Ok(count) => progress.affected += count,
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
            // Count what was done before returning an error.
            if let Some(error) = failure.or(step.failure) {
                return Err(error);
            }
            if std::mem::take(&mut asks_size) {
                // Only for the progress: a user without permission for DBSIZE sees no total.
                total = replies.next().and_then(|reply| read::to_count(reply).ok());
                progress.total = total.unwrap_or(0);
            }
            if step.restarted {
                progress.looked_at = 0;
                if self.dry_run {
                    (progress.matched, progress.skipped) = (0, 0);
                    preview = SlotCounts::default();
                }
            }
            if self.dry_run {
                preview.forget(&step.reread, progress);
            }
            if has_page {
                let looked_at = progress.looked_at.saturating_add(walk.page_size().into());
                progress.looked_at = total.map_or(looked_at, |total| looked_at.min(total));
            }
            progress.skipped += step.unreadable;
            for key in step.keys {
                let is_target = (self.target.filter)(&key);
                if self.dry_run {
                    preview.add(walk.slot(&key), is_target);
                }
                if is_target {
                    progress.matched += 1;
                    keys.push(KeyText::Shared(key.into()));
                } else {
                    progress.skipped += 1;
                }
            }
            if self.dry_run {
                keys.clear();
            }
            progress.finished = keys.is_empty() && !walk.has_next_page();
            if let Some(on_progress) = &mut self.on_progress {
                on_progress(progress);
            }
            if progress.finished || self.stop_if.as_mut().is_some_and(|stop| stop(progress)) {
                return Ok(());
            }
        }
    }

    fn command(&self) -> &'static str {
        match self.work {
            _ if self.dry_run => "SCAN",
            Work::Delete => "UNLINK",
            Work::Expire(_) => "PEXPIRE",
        }
    }

    /// Returns the commands for the keys of a page.
    fn packets(&self, mut keys: Vec<KeyText>, walk: &Walk) -> Result<Vec<Packet>> {
        match self.work {
            Work::Delete => {
                let groups = walk.divide(&mut keys, KeyText::as_str);
                Ok(groups.map(|keys| Packet::new("UNLINK", Keys::Many(keys.to_vec()))).collect())
            }
            Work::Expire(lifetime) => {
                let lifetime = millis(lifetime)?;
                let expire = |key| {
                    let mut packet = Packet::new("PEXPIRE", Keys::One(key));
                    packet.args.push_int(lifetime);
                    packet
                };
                Ok(keys.into_iter().map(expire).collect())
            }
        }
    }
}

/// The keys that a dry run has found, by slot. A slot of a cluster that moves is read again. Other
/// sweeps have changed the keys, and count them again if they find them again.
#[derive(Default)]
struct SlotCounts {
    /// How many keys matched, and how many were skipped.
    counts: HashMap<u16, (u64, u64)>,
}

impl SlotCounts {
    fn add(&mut self, slot: u16, is_target: bool) {
        let (matched, skipped) = self.counts.entry(slot).or_default();
        *if is_target { matched } else { skipped } += 1;
    }

    /// Takes slots that are read again out of the progress.
    fn forget(&mut self, slots: &[u16], progress: &mut SweepProgress) {
        for slot in slots {
            let (matched, skipped) = self.counts.remove(slot).unwrap_or_default();
            progress.matched = progress.matched.saturating_sub(matched);
            progress.skipped = progress.skipped.saturating_sub(skipped);
        }
    }
}

impl<'c> IntoFuture for Sweep<'c> {
    type Output = Result<SweepProgress, SweepError>;
    type IntoFuture = BoxFuture<'c, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.run().boxed()
    }
}

impl fmt::Debug for Sweep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweep")
            .field("work", &self.work)
            .field("glob", &short_name(&self.target.wanted.glob))
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}
