//! Deleting many keys, or giving them a lifetime, a page at a time.

use std::fmt;
use std::time::Duration;

use futures_core::future::BoxFuture;

use super::fills::{end_fills, forgetting};
use super::target::{ScanOptions, SweepTarget};
use super::walk::Walk;
use crate::client::call_options;
use crate::error::{Error, Result, short_name};
use crate::key::KeyText;
use crate::protocol::{Keys, Packet, read};
use crate::schema::TemplateMeta;
use crate::time::millis;

/// Work on many keys under way: [`Pattern::delete`](super::Pattern::delete) and
/// [`Pattern::expire`](super::Pattern::expire) with their options. Await it.
///
/// # Cancellation
///
/// Dropping the future ends the work after the round trip that is under way, whose outcome is then unknown. To stop and
/// know what was done, use [`stop_if`](Self::stop_if).
#[must_use = "nothing is done unless it is awaited"]
pub struct Sweep<'c> {
    work: Work,
    target: SweepTarget,
    options: ScanOptions,
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

/// How far a [`Sweep`] has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepProgress {
    /// About how many keys of the database the server has looked at.
    pub looked_at: u64,
    /// How many keys the database had at the start, which `looked_at` approaches.
    pub total: u64,
    /// How many keys of the pattern were found. One that the server comes upon twice counts twice, here and, for a
    /// lifetime, in `affected`: while its table shrinks, and when another server takes its place.
    pub matched: u64,
    /// How many of them were deleted, or given their lifetime.
    pub affected: u64,
    /// How many keys the glob let through that are no keys of the pattern. They were left alone.
    pub skipped: u64,
    /// Whether the whole database was gone through.
    pub finished: bool,
}

impl SweepProgress {
    /// The part that is done, from 0 to 1, as far as it can be known: for a progress bar.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "it is an estimate")]
    pub fn fraction(&self) -> f64 {
        if self.finished || self.total == 0 { 1.0 } else { self.looked_at as f64 / self.total as f64 }
    }
}

/// A [`Sweep`] that ended with an error, and how far it had come. Turns into the [`Error`] with `?`.
#[derive(Debug, Clone)]
pub struct SweepError {
    error: Error,
    progress: SweepProgress,
}

impl SweepError {
    /// What was done before the error. The keys of the round trip that failed may have been reached as well.
    #[must_use]
    pub fn progress(&self) -> SweepProgress {
        self.progress
    }

    pub(crate) fn into_error(self) -> Error {
        self.error
    }

    /// What went wrong.
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
    pub(super) fn delete(target: SweepTarget, options: ScanOptions) -> Self {
        Self { work: Work::Delete, target, options, dry_run: false, on_progress: None, stop_if: None }
    }

    pub(super) fn expire(lifetime: Duration, target: SweepTarget, options: ScanOptions) -> Self {
        Self { work: Work::Expire(lifetime), ..Self::delete(target, options) }
    }

    /// Changes nothing, and counts what would have been reached as [`matched`](SweepProgress::matched).
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    call_options! { self => self.options.call;
        /// Sets the timeout of each round trip. It does not limit the sweep as a whole.
    }

    /// How many keys of the database the server looks at for one page (`COUNT`); 1000 unless stated, at least 1.
    pub fn page_size(mut self, keys: u32) -> Self {
        self.options.page_size = keys.max(1);
        self
    }

    /// Is told of the progress after every page.
    pub fn on_progress<'n>(self, on_progress: impl FnMut(&SweepProgress) + Send + 'n) -> Sweep<'n>
    where
        'c: 'n,
    {
        let mut sweep: Sweep<'n> = self.shortened();
        sweep.on_progress = Some(Box::new(on_progress));
        sweep
    }

    /// Stops after a page for which this says so; what was done is the result, with [`finished`](SweepProgress::finished)
    /// unset. Keys of that page are counted as [`matched`](SweepProgress::matched) and not reached any more.
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
        match self.go_through(&mut progress).await {
            Ok(()) => Ok(progress),
            Err(error) => Err(SweepError {
                error: error.about(self.command(), self.target.template.map(TemplateMeta::name), None),
                progress,
            }),
        }
    }

    async fn go_through(&mut self, progress: &mut SweepProgress) -> Result<()> {
        self.target.wanted.check()?;
        // Also when it fails or is dropped: copies that were read while keys were deleted must not be served.
        let _forgetting =
            if self.ends_fills() { Some(forgetting(&self.target, &self.options)?) } else { None };
        self.go_through_pages(progress).await
    }

    /// As `del` and `expire` of a key do.
    fn ends_fills(&self) -> bool {
        !self.dry_run
    }

    async fn go_through_pages(&mut self, progress: &mut SweepProgress) -> Result<()> {
        if self.ends_fills() {
            end_fills(&self.target, &self.options).await?;
        }
        let mut walk = Walk::new(&self.target.wanted, self.options.clone(), self.target.keyspace)?;
        // A second UNLINK would count what the first, whose reply was lost, has deleted as not there.
        let repeatable = self.dry_run || !matches!(self.work, Work::Delete);
        let mut keys: Vec<KeyText> = Vec::new();
        let mut asks_size = true;
        loop {
            let mut packets = self.packets(std::mem::take(&mut keys), &walk)?;
            let sent = packets.len();
            if asks_size {
                packets.push(Packet::new("DBSIZE", Keys::None));
            }
            let has_page = walk.goes_on();
            let turn = walk.turn(packets, repeatable || sent == 0).await?;
            let mut replies = turn.replies.into_iter();
            let mut failure = None;
            for reply in replies.by_ref().take(sent) {
                match read::to_count(reply) {
                    Ok(count) => progress.affected += count,
                    Err(error) => failure = failure.or(Some(error)),
                }
            }
            // What was done is counted before anything that failed ends the whole.
            if let Some(error) = failure.or(turn.failure) {
                return Err(error);
            }
            if std::mem::take(&mut asks_size) {
                // For the bar only: a user who may not ask sees none.
                progress.total = replies.next().and_then(|reply| read::to_count(reply).ok()).unwrap_or(0);
            }
            if turn.restarted {
                progress.looked_at = 0;
                if self.dry_run {
                    progress.matched = 0;
                }
            }
            if has_page {
                progress.looked_at =
                    progress.looked_at.saturating_add(walk.page_size().into()).min(progress.total);
            }
            progress.skipped += turn.unreadable;
            for key in turn.keys {
                if (self.target.filter)(&key) {
                    progress.matched += 1;
                    keys.push(KeyText::Shared(key.into()));
                } else {
                    progress.skipped += 1;
                }
            }
            if self.dry_run {
                keys.clear();
            }
            progress.finished = keys.is_empty() && !walk.goes_on();
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

    /// The commands for the keys of a page.
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

impl<'c> IntoFuture for Sweep<'c> {
    type Output = Result<SweepProgress, SweepError>;
    type IntoFuture = BoxFuture<'c, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
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
