//! Leases: the right to fill a key, kept beside it on the server. Whoever writes the key ends its lease, whatever process holds
//! it, and a fill without a lease stores nothing.

mod script;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::command::{Args, Keys, Subject};
use crate::connect::lane::resp::Reply;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::expiry::{Expiry, millis};
use crate::handle::Binding;
use crate::key::{Companion, KeyText};
use crate::keyspace::{KeyspaceMeta, TemplateMeta};
use crate::observe::Observed;
use crate::random::bits;
use crate::script::Call;
use script::SCRIPT;
#[cfg(feature = "embedded")]
pub(crate) use script::register;

/// How long a lease lasts that nobody renews: for so long do others wait for a process that is gone.
const LEASE: Duration = Duration::from_secs(5);
/// The same of one that others may join, and need not wait for: a loader that keeps its thread busy may take so long.
const SHARED: Duration = Duration::from_secs(30);

const RIGHTS: &str = "`Catalog::acl_rules` has the rights that it takes to fill a key";

/// How a lease is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One of another process's is as good as an own one: both may load, and the first to store does.
    Share,
    /// Only one is to load.
    Wait,
    /// Only if nobody else has it.
    Try,
    /// In any case; others lose theirs.
    Force,
}

impl Mode {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Share => b"share",
            Self::Wait => b"wait",
            Self::Try => b"try",
            Self::Force => b"force",
        }
    }
}

/// What asking for a lease has come to. Stale copies and values are in bytes.
pub(crate) enum Begun {
    /// The key has a value by now.
    There(Vec<u8>),
    /// The key is known to have none.
    Absent,
    /// It is ours, or as good as.
    Leads(Lease, Option<Vec<u8>>),
    /// Another one has it.
    Held(Option<Vec<u8>>),
}

/// Where the leases of a key are.
#[derive(Clone)]
pub(crate) struct Place {
    binding: Arc<Binding>,
    key: KeyText,
    /// None for what a sweep does not end.
    mark: Option<KeyText>,
    subject: Subject,
    timeout: Duration,
    /// How long leases last, if that is not as usual.
    lasts: Option<Duration>,
}

impl Place {
    pub(crate) fn new(
        binding: Arc<Binding>,
        key: KeyText,
        keyspace: &'static KeyspaceMeta,
        template: &'static TemplateMeta,
        timeout: Option<Duration>,
    ) -> Self {
        let timeout = timeout.unwrap_or(binding.timeout);
        let subject = Subject::new(Some(keyspace), Some(template), "EVALSHA");
        Self { binding, key, mark: Some(sweep_mark(template)), subject, timeout, lasts: None }
    }

    /// For work that is done once: a lease that lasts longer than usual when nobody renews it, and that a sweep leaves alone.
    pub(crate) fn of_work(mut self, lasts: Duration) -> Self {
        (self.lasts, self.mark) = (Some(lasts), None);
        self
    }

    fn lasts(&self, mode: Mode) -> Duration {
        self.lasts.unwrap_or(if mode == Mode::Share { SHARED } else { LEASE })
    }

    fn call(&self, what: &[u8], token: &str) -> Call {
        // In a cluster the mark is in another slot: there, a sweep goes to each key instead.
        let mark = self.mark.clone().filter(|_| !self.binding.pool().is_cluster());
        let mut args = Args::default();
        args.push(what);
        args.push(token.as_bytes());
        Call { keys: Keys::With(self.key.clone(), Companion::Fill, mark), args }
    }

    async fn run(&self, call: Call, repeatable: bool) -> Result<Reply> {
        let deadline = Deadline::after(self.timeout);
        let run = async {
            let outcome = SCRIPT.run(&self.binding, call.clone(), deadline, repeatable).await;
            match self.without_mark(outcome.as_ref().err(), &call) {
                Some(call) => SCRIPT.run(&self.binding, call, deadline, repeatable).await,
                None => outcome,
            }
        };
        self.observe(run).await
    }

    async fn run_many(&self, calls: Vec<Call>, repeatable: bool) -> Result<Vec<Result<Reply>>> {
        let deadline = Deadline::after(self.timeout);
        let run = async {
            let outcomes = SCRIPT.run_many(&self.binding, calls.clone(), deadline, repeatable).await?;
            let refused =
                |(call, outcome): (&Call, &Result<Reply>)| self.without_mark(outcome.as_ref().err(), call);
            let again: Option<Vec<_>> = calls.iter().zip(&outcomes).map(refused).collect();
            match again.filter(|again| !again.is_empty()) {
                Some(again) => SCRIPT.run_many(&self.binding, again, deadline, repeatable).await,
                None => Ok(outcomes),
            }
        };
        self.observe(run).await
    }

    /// The call as a cluster takes it, if it was refused because this is one: before the first answer, that is not known.
    fn without_mark(&self, error: Option<&Error>, call: &Call) -> Option<Call> {
        let Keys::With(key, companion, Some(_)) = &call.keys else { return None };
        error.filter(|error| error.code() == Some("CROSSSLOT"))?;
        self.binding.pool().learn_cluster();
        Some(Call { keys: Keys::With(key.clone(), *companion, None), args: call.args.clone() })
    }

    async fn observe<T>(&self, run: impl Future<Output = Result<T>>) -> Result<T> {
        let observed = Observed::command(&self.subject);
        observed.to(&self.binding);
        let outcome = run.await;
        observed.outcome(&self.subject, outcome.as_ref().err());
        outcome.map_err(|error| {
            let error = error.about("EVALSHA", self.subject.template, Some(self.key.as_str()));
            if error.code() == Some("NOPERM") { error.explained(RIGHTS) } else { error }
        })
    }

    fn begin_call(&self, token: &str, mode: Mode, looks: bool) -> Call {
        let mut call = self.call(b"begin", token);
        call.args.push_int(self.lasts(mode).as_millis());
        call.args.push(mode.name());
        call.args.push(if looks { b"1" } else { b"0" });
        call
    }

    /// Asks for the lease; `looks` first whether there is a value.
    pub(crate) async fn begin(&self, mode: Mode, looks: bool) -> Result<Begun> {
        let token = new_token();
        let (place, call) = (self.clone(), self.begin_call(&token, mode, looks));
        let asking = async move { place.run(call, true).await };
        // Who goes while it is under way may have been given the lease.
        let reply = Asking { place: self, token: token.into(), asking: Some(Box::pin(asking)) }.await;
        self.begun(mode, reply?)
    }

    /// The same for several keys, in one round trip.
    pub(crate) async fn begin_many(places: &[Self], mode: Mode, looks: bool) -> Result<Vec<Result<Begun>>> {
        let Some(first) = places.first() else { return Ok(Vec::new()) };
        let calls = places.iter().map(|place| place.begin_call(&new_token(), mode, looks)).collect();
        let replies = first.run_many(calls, true).await?;
        Ok(places.iter().zip(replies).map(|(place, reply)| place.begun(mode, reply?)).collect())
    }

    fn begun(&self, mode: Mode, reply: Reply) -> Result<Begun> {
        let Reply::Array(parts) = reply else { return Err(unexpected()) };
        let mut parts = parts.into_iter();
        let what = parts.next();
        let mut bytes = || match parts.next() {
            Some(Reply::Bulk(bytes)) => Some(bytes),
            _ => None,
        };
        match what {
            Some(Reply::Int(0)) => bytes().map(Begun::There).ok_or_else(unexpected),
            Some(Reply::Int(3)) => Ok(Begun::Absent),
            Some(Reply::Int(whose @ (1 | 2))) => {
                let token = bytes().and_then(|token| String::from_utf8(token).ok()).ok_or_else(unexpected)?;
                let stale = bytes();
                if whose == 1 || mode == Mode::Share {
                    Ok(Begun::Leads(Lease::new(self.clone(), token, self.lasts(mode)), stale))
                } else {
                    Ok(Begun::Held(stale))
                }
            }
            _ => Err(unexpected()),
        }
    }

    /// Whether the leases of these tokens stand, in one round trip.
    pub(crate) async fn are_held(asked: &[(Self, Arc<str>)]) -> Result<Vec<bool>> {
        let Some((first, _)) = asked.first() else { return Ok(Vec::new()) };
        let calls = asked.iter().map(|(place, token)| place.call(b"peek", token)).collect();
        let holders = first.run_many(calls, true).await?;
        let is_held = |((_, token), holder): (&(Self, Arc<str>), Result<Reply>)| {
            Ok(matches!(holder?, Reply::Bulk(holder) if holder == token.as_bytes()))
        };
        asked.iter().zip(holders).map(is_held).collect()
    }

    /// Whether the lease of this token stands.
    pub(crate) async fn is_held(&self, token: &str) -> Result<bool> {
        let holder = self.run(self.call(b"peek", token), true).await?;
        Ok(matches!(holder, Reply::Bulk(holder) if holder == token.as_bytes()))
    }
}

/// Asking for a lease that others wait for. Dropped before the answer, it is seen through in the background, and what was given is
/// given back.
struct Asking<'p> {
    place: &'p Place,
    token: Arc<str>,
    asking: Option<Pin<Box<dyn Future<Output = Result<Reply>> + Send>>>,
}

impl Future for Asking<'_> {
    type Output = Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(asking) = &mut self.asking else { return Poll::Pending };
        let reply = ready!(asking.as_mut().poll(context));
        self.asking = None;
        Poll::Ready(reply)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let (Some(asking), Ok(runtime)) = (self.asking.take(), Handle::try_current()) {
            let (place, token) = (self.place.clone(), Arc::clone(&self.token));
            runtime.spawn(async move {
                asking.await?;
                place.run(place.call(b"release", &token), true).await.map(drop)
            });
        }
    }
}

/// What a fill ends with.
pub(crate) enum Outcome<'v> {
    Value {
        encoded: &'v [u8],
        expiry: Expiry,
        /// For how long a copy is kept, from now on; zero for none.
        stale: Duration,
    },
    /// There is no value, and none is to be looked for during this time.
    Absent(Duration),
}

/// The right to fill a key. It is renewed in the background for as long as this is there.
pub(crate) struct Lease {
    place: Place,
    token: Arc<str>,
    renewal: Option<AbortHandle>,
    ended: bool,
}

impl Lease {
    fn new(place: Place, token: String, lasts: Duration) -> Self {
        let token: Arc<str> = token.into();
        let renewal = Handle::try_current()
            .ok()
            .map(|runtime| runtime.spawn(renew(place.clone(), Arc::clone(&token), lasts)).abort_handle());
        Self { place, token, renewal, ended: false }
    }

    pub(crate) fn token(&self) -> &Arc<str> {
        &self.token
    }

    /// Stores what was loaded, if the lease stands; gives whether it did.
    pub(crate) async fn finish(mut self, outcome: &Outcome<'_>) -> Result<bool> {
        let call = self.finish_call(outcome)?;
        let reply = self.place.run(call, false).await?;
        // Not before: should this fail or be dropped on the way, nobody is to wait for it either.
        self.ended = true;
        stored(reply)
    }

    /// The same for several keys, in one round trip.
    pub(crate) async fn finish_many(mut ends: Vec<(Self, Outcome<'_>)>) -> Result<Vec<Result<bool>>> {
        let Some((first, _)) = ends.first() else { return Ok(Vec::new()) };
        let place = first.place.clone();
        let calls: Result<Vec<_>> = ends
            .iter_mut()
            .map(|(lease, outcome)| {
                lease.ended = true;
                lease.finish_call(outcome)
            })
            .collect();
        let replies = place.run_many(calls?, false).await?;
        Ok(replies.into_iter().map(|reply| reply.and_then(stored)).collect())
    }

    fn finish_call(&self, outcome: &Outcome<'_>) -> Result<Call> {
        let kept = |time: Duration| millis(time.min(LONGEST_KEPT));
        match outcome {
            Outcome::Value { encoded, expiry, stale } => {
                let mut call = self.place.call(b"store", &self.token);
                call.args.push_int(kept(*stale)?);
                call.args.push(encoded);
                expiry.push_for_set(&mut call.args)?;
                Ok(call)
            }
            Outcome::Absent(time) => {
                let mut call = self.place.call(b"absent", &self.token);
                call.args.push_int(kept(*time)?);
                Ok(call)
            }
        }
    }

    /// Gives it back, so that nobody waits for it. One that others have joined stays theirs.
    pub(crate) async fn release(mut self) {
        // Who can't be told waits until it ends by itself.
        let _ = self.place.run(self.place.call(b"release", &self.token), true).await;
        self.ended = true;
    }
}

impl Lease {
    /// Gives several back, in one round trip.
    pub(crate) async fn release_many(mut leases: Vec<Self>) {
        let Some(first) = leases.first() else { return };
        let place = first.place.clone();
        let calls = leases.iter().map(|lease| lease.place.call(b"release", &lease.token)).collect();
        let _ = place.run_many(calls, true).await;
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
            let (place, token) = (self.place.clone(), Arc::clone(&self.token));
            runtime.spawn(async move { place.run(place.call(b"release", &token), true).await.map(drop) });
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("key", &self.place.key.as_str()).finish_non_exhaustive()
    }
}

/// Renews a lease until it has ended.
async fn renew(place: Place, token: Arc<str>, lasts: Duration) {
    loop {
        tokio::time::sleep(lasts / 3).await;
        let mut call = place.call(b"renew", &token);
        call.args.push_int(lasts.as_millis());
        match place.run(call, true).await {
            Ok(Reply::Int(1)) => {}
            Ok(_) => return,
            // The next time may be in time still.
            Err(error) => {
                observe!(debug, error = %error, "a lease could not be renewed");
                let _ = error;
            }
        }
    }
}

fn stored(reply: Reply) -> Result<bool> {
    match reply {
        Reply::Int(stored) => Ok(stored == 1),
        _ => Err(unexpected()),
    }
}

fn unexpected() -> Error {
    Error::protocol("the script of a fill did not answer as it does")
}

/// Long enough that nobody else has it.
pub(crate) fn new_token() -> String {
    format!("{:016x}{:016x}", bits(), bits())
}

/// For how long the mark of a sweep stays, and so everything that it ends.
pub(crate) const LONGEST_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Where a sweep of a template leaves that it was: whatever is beside the keys of the template since before has ended.
pub(crate) fn sweep_mark(template: &TemplateMeta) -> KeyText {
    use crate::keyspace::Piece;

    let start = match template.pieces.first() {
        Some(Piece::Literal(text)) => text,
        _ => "",
    };
    KeyText::Shared(format!("{start}{SWEPT}{}", template.field()).into())
}

/// The `%` is no escape, so no argument can make it. A hash, so that scans of values do not come upon it.
const SWEPT: &str = "%swept:";

pub(crate) fn is_sweep_mark(key: &str) -> bool {
    key.contains(SWEPT)
}

/// Whether a server that can be read from takes no writes, so that what is loaded can't be stored.
pub(crate) fn takes_no_writes(error: &Error) -> bool {
    matches!(error.code(), Some("OOM" | "MISCONF" | "NOREPLICAS" | "READONLY"))
}
