//! A lease that is held. It is renewed in the background, and ends when a value is stored or the
//! lease is released.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::LONGEST_KEPT;
use super::asking::ask;
use super::place::{Grant, LeaseAnswer, LeaseMode, LeasePlace, unexpected};
use crate::error::{Result, short_name};
use crate::protocol::{Reply, ScriptCall};
use crate::time::{Expiry, millis};

/// The outcome that a fill stores.
pub(crate) enum FillOutcome<'v> {
    Value {
        encoded: &'v [u8],
        expiry: Expiry,
        /// How long from now a stale copy is kept. Zero for none.
        stale: Duration,
    },
    /// No value exists. The loader does not run again during this time.
    Absent(Duration),
}

/// The right to fill a key. It is renewed in the background until it is dropped.
pub(crate) struct Lease {
    place: LeasePlace,
    token: Arc<str>,
    renewal: Option<AbortHandle>,
    ended: bool,
}

impl LeasePlace {
    /// Requests the leases of several keys. With `looks`, returns the value of a key that has one
    /// instead. If the caller is dropped, granted leases are released.
    pub(crate) async fn begin(
        places: &[Self],
        mode: LeaseMode,
        looks: bool,
    ) -> Vec<Result<LeaseAnswer<Lease>>> {
        let answers = ask(places, mode, looks).await;
        let with_lease = |(place, answer): (&Self, Result<LeaseAnswer<Grant>>)| {
            Ok(match answer.map_err(|error| place.explain(error))? {
                LeaseAnswer::Leads(grant, stale) => {
                    LeaseAnswer::Leads(Lease::new(place.clone(), grant), stale)
                }
                LeaseAnswer::Value(bytes) => LeaseAnswer::Value(bytes),
                LeaseAnswer::Absent => LeaseAnswer::Absent,
                LeaseAnswer::Held { token, stale } => LeaseAnswer::Held { token, stale },
            })
        };
        places.iter().zip(answers).map(with_lease).collect()
    }

    /// Requests the lease of one key.
    pub(crate) async fn begin_one(&self, mode: LeaseMode, looks: bool) -> Result<LeaseAnswer<Lease>> {
        let mut answers = Self::begin(std::slice::from_ref(self), mode, looks).await;
        answers.pop().unwrap_or_else(|| Err(unexpected()))
    }
}

impl Lease {
    fn new(place: LeasePlace, Grant { token, lasts }: Grant) -> Self {
        let token: Arc<str> = token.into();
        let renewal = Handle::try_current()
            .ok()
            .map(|runtime| runtime.spawn(renew(place.clone(), Arc::clone(&token), lasts)).abort_handle());
        Self { place, token, renewal, ended: false }
    }

    pub(crate) fn token(&self) -> &Arc<str> {
        &self.token
    }

    /// Stores the loaded values of all keys whose lease is still held. Returns whether each was
    /// stored.
    pub(crate) async fn finish(ends: Vec<(Self, FillOutcome<'_>)>) -> Vec<Result<bool>> {
        let (mut leases, mut calls, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
        for (lease, outcome) in ends {
            match lease.finish_call(&outcome) {
                Ok(call) => {
                    leases.push(lease);
                    calls.push(call);
                    outcomes.push(None);
                }
                // Nothing is sent for this key. Dropping the lease releases it.
                Err(error) => outcomes.push(Some(Err(lease.place.explain(error)))),
            }
        }
        let replies = match leases.first() {
            Some(first) => first.place.clone().run(calls, false).await,
            None => Vec::new(),
        };
        let mut stored = leases.into_iter().zip(replies).map(|(mut lease, reply)| {
            // After an error, dropping the lease releases it, so that no other caller waits for it.
            lease.ended = reply.is_ok();
            reply.map_err(|error| lease.place.explain(error)).and_then(is_stored)
        });
        outcomes
            .into_iter()
            .map(|outcome| outcome.or_else(|| stored.next()).unwrap_or_else(|| Err(unexpected())))
            .collect()
    }

    fn finish_call(&self, outcome: &FillOutcome<'_>) -> Result<ScriptCall> {
        let kept = |time: Duration| millis(time.min(LONGEST_KEPT));
        match outcome {
            FillOutcome::Value { encoded, expiry, stale } if self.place.form.is_collection() => {
                let mut call = self.place.call(b"fill", &self.token);
                // A copy is one value, so it must not be larger than values may be.
                let most = self.place.binding.pool().settings.sizes().value;
                let stale = if encoded.len() > most { Duration::ZERO } else { *stale };
                call.args.push_int(kept(stale)?);
                call.args.push(if stale.is_zero() { b"" } else { encoded });
                self.place.push_read(&mut call.args);
                self.place.form.push_commands(encoded, *expiry, &mut call.args)?;
                Ok(call)
            }
            FillOutcome::Value { encoded, expiry, stale } => {
                let mut call = self.place.call(b"store", &self.token);
                call.args.push_int(kept(*stale)?);
                call.args.push(encoded);
                expiry.push_for_set(&mut call.args)?;
                Ok(call)
            }
            FillOutcome::Absent(time) => {
                let mut call = self.place.call(b"absent", &self.token);
                call.args.push_int(kept(*time)?);
                self.place.push_read(&mut call.args);
                Ok(call)
            }
        }
    }

    /// Releases leases, so that no caller waits for them. A lease that other processes joined
    /// remains theirs.
    pub(crate) async fn release(mut leases: Vec<Self>) {
        let Some(first) = leases.first() else { return };
        let place = first.place.clone();
        let calls = leases.iter().map(|lease| lease.place.call(b"release", &lease.token)).collect();
        // If the release fails, the leases expire.
        let _ = place.run(calls, true).await;
        leases.iter_mut().for_each(|lease| lease.ended = true);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(renewal) = self.renewal.take() {
            renewal.abort();
        }
        if self.ended {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let (place, call) = (self.place.clone(), self.place.call(b"release", &self.token));
            runtime.spawn(async move { place.run(vec![call], true).await });
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("key", &short_name(self.place.key.as_str())).finish_non_exhaustive()
    }
}

/// Renews a lease until it ends.
async fn renew(place: LeasePlace, token: Arc<str>, lasts: Duration) {
    loop {
        tokio::time::sleep(lasts / 3).await;
        let mut call = place.call(b"renew", &token);
        call.args.push_int(lasts.as_millis());
        match place.run(vec![call], true).await.pop() {
            Some(Ok(Reply::Int(1))) => {}
            // The next attempt may still be in time.
            Some(Err(error)) => event!(debug, "lease not renewed", error = %error),
            _ => return,
        }
    }
}

fn is_stored(reply: Reply) -> Result<bool> {
    match reply {
        Reply::Int(stored) => Ok(stored == 1),
        _ => Err(unexpected()),
    }
}
