//! A lease that is held. It is renewed in the background, and ends when a value is stored or the
//! lease is released.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use sha1_smol::Sha1;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::LONGEST_KEPT;
use super::asking::ask;
use super::place::{Grant, LeaseAnswer, LeaseMode, LeasePlace, unexpected};
use crate::client::may_have_run;
use crate::error::{ErrorKind, Result, short_name};
use crate::key::{Companion, KeyText};
use crate::protocol::{Keys, Reply, ScriptCall};
use crate::task::spawn;
use crate::time::{Backoff, Deadline, Expiry, jittered, millis};

/// The pauses before another attempt to renew a lease or to store a result.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The outcome that a fill stores.
#[derive(Clone)]
pub(crate) enum FillOutcome<'v> {
    Value {
        encoded: &'v [u8],
        expiry: Expiry,
        /// How long from now a stale copy is kept. Zero for none.
        stale: Duration,
    },
    /// No value exists. The loader does not run again during this time.
    Absent(Duration),
    /// The result of work that must not run twice.
    Result { encoded: &'v [u8], expiry: Expiry, note: Option<ResultNote> },
}

/// A note that is stored together with the result of work.
#[derive(Clone)]
pub(crate) struct ResultNote {
    pub(crate) key: KeyText,
    pub(crate) text: String,
    pub(crate) kept: Duration,
}

/// The right to fill a key, or a field of a hash. The fields of one request share a lease.
#[derive(Clone)]
pub(crate) struct Lease {
    held: Arc<HeldLease>,
    field: Option<Bytes>,
    /// The digest of the value of the field that is replaced, because it can't be decoded.
    replaces: Option<String>,
}

/// A lease that is renewed in the background until it is dropped.
struct HeldLease {
    place: LeasePlace,
    token: Arc<str>,
    /// The runtime of background tasks.
    runtime: Option<Handle>,
    renewal: Option<AbortHandle>,
    ended: AtomicBool,
}

/// A call that ends a lease.
struct Ending {
    held: Arc<HeldLease>,
    call: ScriptCall,
    /// The positions of the outcomes that it stores.
    of: Vec<usize>,
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
        let mut of_fields: Option<Arc<HeldLease>> = None;
        let with_lease = |(place, answer): (&Self, Result<LeaseAnswer<Grant>>)| {
            Ok(match answer.map_err(|error| place.explain(error))? {
                LeaseAnswer::Leads(mut grant, stale) => {
                    let replaces = grant.replaces.take().map(|value| Sha1::from(&value).digest().to_string());
                    let new = || Arc::new(HeldLease::new(place.clone(), grant));
                    let held = match place.field {
                        Some(_) => Arc::clone(of_fields.get_or_insert_with(new)),
                        None => new(),
                    };
                    LeaseAnswer::Leads(Lease { held, field: place.field.clone(), replaces }, stale)
                }
                LeaseAnswer::Value(bytes) => LeaseAnswer::Value(bytes),
                LeaseAnswer::Absent => LeaseAnswer::Absent,
                LeaseAnswer::Held { token, stale, after_nothing } => {
                    LeaseAnswer::Held { token, stale, after_nothing }
                }
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

impl HeldLease {
    fn new(place: LeasePlace, Grant { token, lasts, .. }: Grant) -> Self {
        let token: Arc<str> = token.into();
        let runtime = Handle::try_current().ok();
        let renewal =
            runtime.as_ref().map(|runtime| spawn(runtime, renew(place.clone(), Arc::clone(&token), lasts)));
        Self { place, token, runtime, renewal, ended: AtomicBool::new(false) }
    }
}

impl Lease {
    pub(crate) fn token(&self) -> &Arc<str> {
        &self.held.token
    }

    /// Stores the loaded values of all keys whose lease is still held. Returns whether each was
    /// stored.
    pub(crate) async fn finish(ends: Vec<(Self, FillOutcome<'_>)>) -> Vec<Result<bool>> {
        let mut outcomes: Vec<Result<bool>> = ends.iter().map(|_| Err(unexpected())).collect();
        let mut endings: Vec<Ending> = Vec::new();
        for ((nth, (lease, outcome)), result) in ends.into_iter().enumerate().zip(&mut outcomes) {
            let added = match &lease.field {
                Some(field) => lease.add_field(field, &outcome, nth, &mut endings),
                None => lease.finish_call(&outcome).map(|call| {
                    endings.push(Ending { held: Arc::clone(&lease.held), call, of: vec![nth] });
                    true
                }),
            };
            match added {
                Ok(true) => {}
                Ok(false) => *result = Ok(true),
                // Nothing is sent for this key. Dropping the lease releases it.
                Err(error) => *result = Err(lease.held.place.explain(error)),
            }
        }
        let Some(first) = endings.first() else { return outcomes };
        let place = first.held.place.clone();
        let calls = endings.iter().map(|ending| ending.call.clone()).collect();
        for (Ending { held, of, .. }, reply) in endings.into_iter().zip(place.run(calls, false).await) {
            // After an error, dropping the lease releases it, so that no other caller waits for it.
            held.ended.store(reply.is_ok(), Ordering::Relaxed);
            let stored = reply.map_err(|error| held.place.explain_store(error)).and_then(is_stored);
            for nth in of {
                if let Some(outcome) = outcomes.get_mut(nth) {
                    *outcome = stored.clone();
                }
            }
        }
        outcomes
    }

    /// Adds the value of a field to the call that ends the lease of its hash. Returns whether there
    /// is a value.
    fn add_field(
        &self,
        field: &[u8],
        outcome: &FillOutcome<'_>,
        nth: usize,
        endings: &mut Vec<Ending>,
    ) -> Result<bool> {
        let FillOutcome::Value { encoded, expiry, .. } = outcome else { return Ok(false) };
        let index = match endings.iter().position(|ending| Arc::ptr_eq(&ending.held, &self.held)) {
            Some(index) => index,
            None => {
                let mut call = self.held.place.call(b"fields", &self.held.token);
                match expiry {
                    Expiry::After(lifetime) => call.args.push_int(millis(*lifetime)?),
                    _ => call.args.push(b""),
                }
                call.args.push(if self.held.place.renews_lifetime() { b"1" } else { b"0" });
                endings.push(Ending { held: Arc::clone(&self.held), call, of: Vec::new() });
                endings.len() - 1
            }
        };
        if let Some(ending) = endings.get_mut(index) {
            ending.call.args.push(self.replaces.as_deref().unwrap_or_default().as_bytes());
            ending.call.args.push(field);
            ending.call.args.push(encoded);
            ending.of.push(nth);
        }
        Ok(true)
    }

    fn finish_call(&self, outcome: &FillOutcome<'_>) -> Result<ScriptCall> {
        let place = &self.held.place;
        let kept = |time: Duration| millis(time.min(LONGEST_KEPT));
        match (outcome, place.form.collection()) {
            (FillOutcome::Value { encoded, expiry, stale }, Some(form)) => {
                let mut call = place.call(b"fill", &self.held.token);
                // A copy is one value, so it must not be larger than values may be.
                let most = place.binding.pool().settings.sizes().value;
                let stale = if encoded.len() > most { Duration::ZERO } else { *stale };
                call.args.push_int(kept(stale)?);
                call.args.push(if stale.is_zero() { b"" } else { encoded });
                place.push_read(&mut call.args);
                form.push_commands(encoded, *expiry, &mut call.args)?;
                Ok(call)
            }
            (FillOutcome::Result { encoded, expiry, note }, _) => {
                let mut call = place.call(b"done", &self.held.token);
                call.args.push_int(0);
                call.args.push(encoded);
                expiry.push_for_set(&mut call.args)?;
                if let Some(ResultNote { key, text, kept }) = note {
                    call.keys = Keys::With(place.key.clone(), Companion::Fill, Some(Box::new(key.clone())));
                    call.args.push(text.as_bytes());
                    call.args.push_int(millis(*kept)?);
                }
                Ok(call)
            }
            (FillOutcome::Value { encoded, expiry, stale }, None) => {
                let mut call = place.call(b"store", &self.held.token);
                call.args.push_int(kept(*stale)?);
                call.args.push(encoded);
                expiry.push_for_set(&mut call.args)?;
                Ok(call)
            }
            (FillOutcome::Absent(time), _) => {
                let mut call = place.call(b"absent", &self.held.token);
                call.args.push_int(kept(*time)?);
                place.push_read(&mut call.args);
                Ok(call)
            }
        }
    }

    /// Stores the result of work. Sends it again if the reply is lost: a second run finds that the
    /// lease has ended. Returns whether it was stored, unless only `is_stored` can tell.
    ///
    /// After another error, the lease is released. If the result may still be stored, it is not:
    /// the release could arrive first. Then the lease expires.
    pub(crate) async fn finish_work(
        self,
        outcome: FillOutcome<'_>,
        is_stored: &(dyn Fn() -> BoxFuture<'static, bool> + Sync),
    ) -> Result<bool> {
        let limit = Deadline::after(self.held.place.timeout.saturating_mul(3));
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut is_unknown = false;
        loop {
            let mut stored = Self::finish(vec![(self.clone(), outcome.clone())]).await;
            let error = match stored.pop().unwrap_or(Ok(false)) {
                Ok(stored) => return Ok(stored || is_unknown && is_stored().await),
                Err(error) => error,
            };
            is_unknown |= may_have_run(&error);
            if !is_unknown {
                return Err(error);
            }
            if is_stored().await {
                self.held.ended.store(true, Ordering::Relaxed);
                return Ok(true);
            }
            let pause = backoff.pause();
            if error.kind() == ErrorKind::Closed || Instant::now() + pause >= limit.at() {
                self.held.ended.store(true, Ordering::Relaxed);
                return Err(error);
            }
            sleep(pause).await;
        }
    }

    /// Releases leases, so that no caller waits for them. A lease that other processes joined
    /// remains theirs, and one that other fields share remains.
    pub(crate) async fn release(leases: Vec<Self>) {
        let last: Vec<_> = leases.into_iter().filter_map(|lease| Arc::into_inner(lease.held)).collect();
        let Some(first) = last.first() else { return };
        let place = first.place.clone();
        let calls = last.iter().map(|held| held.place.call(b"release", &held.token)).collect();
        // If the release fails, the leases expire.
        let _ = place.run(calls, true).await;
        last.iter().for_each(|held| held.ended.store(true, Ordering::Relaxed));
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        if let Some(renewal) = self.renewal.take() {
            renewal.abort();
        }
        if *self.ended.get_mut() {
            return;
        }
        if let Some(runtime) = self.runtime.take() {
            let (place, call) = (self.place.clone(), self.place.call(b"release", &self.token));
            spawn(&runtime, async move {
                place.run(vec![call], true).await;
            });
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("key", &short_name(self.held.place.key.as_str()))
            .finish_non_exhaustive()
    }
}

/// Renews a lease until it ends.
async fn renew(mut place: LeasePlace, token: Arc<str>, lasts: Duration) {
    let timeout = place.timeout;
    let mut pause = lasts / 3;
    let mut renewed = Instant::now();
    loop {
        sleep(pause).await;
        let mut call = place.call(b"renew", &token);
        call.args.push_int(lasts.as_millis());
        let asked = Instant::now();
        // An unresponsive connection must not use up all of the time.
        let rest = lasts.saturating_sub(asked.saturating_duration_since(renewed));
        let soon = lasts / 24;
        place.timeout = timeout.min((rest / 2).max(soon));
        pause = match place.run(vec![call], true).await.pop() {
            Some(Ok(Reply::Int(1))) => {
                renewed = asked;
                lasts / 3
            }
            // Another attempt may still be in time. Even later, the lease may still be there.
            Some(Err(error)) if error.kind() != ErrorKind::Closed => {
                event!(debug, "lease not renewed", error = %error);
                jittered(soon.min(LONGEST_PAUSE))
            }
            _ => return,
        };
    }
}

fn is_stored(reply: Reply) -> Result<bool> {
    match reply {
        Reply::Int(stored) => Ok(stored == 1),
        _ => Err(unexpected()),
    }
}
