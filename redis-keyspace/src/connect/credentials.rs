//! The credentials that a provider returned, and the calls of the provider.
//!
//! All connections of a runtime that use the same provider share them: connections to the nodes of
//! a cluster, and to several databases.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::config::{Credentials, CredentialsProvider, Settings};
use crate::error::Error;
use crate::sync::lock;
use crate::task::spawn_here;
use crate::time::{Backoff, part_of};

/// The part of its lifetime after which a credential is replaced is a random one in this range, so
/// that many processes do not call at the same moment.
const REPLACED_AFTER: (f64, f64) = (0.8, 0.9);
/// Credentials are replaced at least this long before they expire, unless they live shorter than
/// twice this time.
const MARGIN: Duration = Duration::from_secs(5);
/// The shortest time between two calls for open connections, which can wait.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest time between two such calls after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The time between a failure and the next call for a new connection.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// What a provider returned.
#[derive(Debug)]
pub(super) struct IssuedCredentials {
    /// Differs if the user or the password differs.
    number: u64,
    credentials: Credentials,
    /// When to replace them, if they expire.
    due: Option<Instant>,
}

impl IssuedCredentials {
    fn new(number: u64, credentials: Credentials) -> Self {
        let now = Instant::now();
        let due = credentials.expires().map(|expires| {
            let life = expires.saturating_duration_since(now);
            let (least, most) = REPLACED_AFTER;
            let part = part_of(life, least + (most - least) * fastrand::f64());
            now + part.min(life - MARGIN.min(life / 2)).max(SHORTEST_PAUSE)
        });
        Self { number, credentials, due }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Returns the settings with these credentials.
    pub(super) fn in_settings(&self, settings: &Settings) -> Settings {
        Settings {
            username: self.credentials.username().map(str::to_owned),
            password: Some(self.credentials.password().clone()),
            ..settings.clone()
        }
    }

    /// Whether they will be valid for a while.
    fn is_fresh(&self) -> bool {
        self.due.is_some_and(|due| Instant::now() < due) && !self.has_expired()
    }

    fn has_expired(&self) -> bool {
        self.credentials.expires().is_some_and(|expires| expires <= Instant::now())
    }
}

type ProviderAnswer = Result<Arc<IssuedCredentials>, Error>;

/// What a provider returned last, shared by the connections of one runtime.
pub(super) struct CredentialCache {
    provider: Arc<dyn CredentialsProvider>,
    state: Mutex<CacheState>,
    /// Notified when the provider has returned.
    news: watch::Sender<()>,
}

struct CacheState {
    current: Option<Arc<IssuedCredentials>>,
    /// Whether a server has rejected them.
    is_rejected: bool,
    /// The last number.
    number: u64,
    /// The call in progress.
    asking: Option<watch::Receiver<Option<ProviderAnswer>>>,
    /// When the last call failed, unless a later one succeeded.
    failed_at: Option<Instant>,
    /// The next pause after a failure or a rejection.
    pauses: Backoff,
    /// Open connections call no earlier than this.
    again: Option<Instant>,
}

type Caches = HashMap<(u64, Option<Id>), Weak<CredentialCache>>;

/// The caches by provider and runtime.
static CACHES: LazyLock<Mutex<Caches>> = LazyLock::new(Mutex::default);

impl CredentialCache {
    /// Returns the cache of the provider that the settings name, if they do, for this runtime.
    pub(super) fn of(settings: &Settings) -> Option<Arc<Self>> {
        let source = settings.credentials.as_ref()?;
        let key = (source.id(), Handle::try_current().ok().map(|runtime| runtime.id()));
        let mut caches = lock(&CACHES);
        let known = caches.get(&key).and_then(Weak::upgrade);
        Some(known.unwrap_or_else(|| {
            caches.retain(|_, cache| cache.strong_count() > 0);
            let cache = Arc::new(Self::new(Arc::clone(source.provider())));
            caches.insert(key, Arc::downgrade(&cache));
            cache
        }))
    }

    fn new(provider: Arc<dyn CredentialsProvider>) -> Self {
        let state = CacheState {
            current: None,
            is_rejected: false,
            number: 0,
            asking: None,
            failed_at: None,
            pauses: pauses(),
            again: None,
        };
        Self { provider, state: Mutex::new(state), news: watch::Sender::new(()) }
    }

    /// Returns the credentials for a new connection. Calls the provider unless credentials are
    /// known that will be valid for a while. If the call fails, or takes too long, those that have
    /// not expired are good enough.
    pub(super) async fn for_new_connection(self: &Arc<Self>, limit: Duration) -> ProviderAnswer {
        let (seen, current, may_call) = {
            let state = lock(&self.state);
            let now = Instant::now();
            match state.accepted() {
                Some(current) if current.is_fresh() => return Ok(Arc::clone(current)),
                current => (
                    state.number(),
                    current.filter(|current| !current.has_expired()).cloned(),
                    state.again.is_none_or(|again| again <= now),
                ),
            }
        };
        match current {
            None => self.ask(seen, limit).await,
            Some(current) if !may_call => Ok(current),
            Some(current) => {
                let answer = timeout(limit / 4, self.ask(seen, limit)).await;
                Ok(answer.ok().and_then(Result::ok).unwrap_or(current))
            }
        }
    }

    /// Returns other credentials than those, which the server rejected for a new connection, or
    /// `None` if the provider returned the same again.
    pub(super) async fn instead_of(
        self: &Arc<Self>,
        rejected: &IssuedCredentials,
        limit: Duration,
    ) -> Result<Option<Arc<IssuedCredentials>>, Error> {
        self.reject(rejected);
        let other = self.for_new_connection(limit).await?;
        Ok((other.number != rejected.number).then_some(other))
    }

    /// Waits for other credentials than those with this number, and calls the provider when they
    /// are due to be replaced. This is for an open connection.
    pub(super) async fn newer_than(self: &Arc<Self>, number: u64, limit: Duration) -> Arc<IssuedCredentials> {
        let mut news = self.news.subscribe();
        loop {
            let due = {
                let state = lock(&self.state);
                if let Some(current) = state.accepted().filter(|current| current.number != number) {
                    return Arc::clone(current);
                }
                state.next_call()
            };
            let is_due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The sender is part of `self`, so it exists.
                _ = news.changed() => {}
                () = is_due => {
                    // Another connection may have called at the same moment.
                    let (is_due, seen) = lock(&self.state).due();
                    if is_due {
                        // A failure sets the time of the next call.
                        let _ = self.ask(seen, limit).await;
                    }
                }
            }
        }
    }

    /// Returns other credentials than those with this number, for an idle connection that is about
    /// to be used. Calls the provider if they are due to be replaced.
    pub(super) async fn newer_for_idle(
        self: &Arc<Self>,
        number: u64,
        limit: Duration,
    ) -> Option<Arc<IssuedCredentials>> {
        let (is_due, seen) = lock(&self.state).due();
        if is_due {
            // Without an answer, the server decides whether the connection may go on.
            let _ = timeout(limit / 4, self.ask(seen, limit)).await;
        }
        lock(&self.state).accepted().filter(|current| current.number != number).cloned()
    }

    /// Records that a server accepted these credentials.
    pub(super) fn accept(&self, issued: &IssuedCredentials) {
        let mut state = lock(&self.state);
        if state.is_current(issued) && !state.is_rejected {
            state.pauses = pauses();
        }
    }

    /// Records that a server rejected these credentials.
    pub(super) fn reject(&self, issued: &IssuedCredentials) {
        let mut state = lock(&self.state);
        if state.is_current(issued) && !state.is_rejected {
            state.is_rejected = true;
            state.wait();
        }
        drop(state);
        self.news.send_replace(());
    }

    /// Whether new connections wait for the provider.
    pub(super) fn is_awaited(&self) -> bool {
        let state = lock(&self.state);
        // The call may have passed its limit at the same moment as an attempt to connect.
        let has_called = state.asking.is_some() || state.failed_at.is_some();
        has_called && state.accepted().is_none_or(|current| current.has_expired())
    }

    /// Calls the provider, or joins the call in progress. `seen` is the number of the credentials
    /// that the caller found not to be good enough: if others have arrived since, they are the
    /// answer.
    async fn ask(self: &Arc<Self>, seen: Option<u64>, limit: Duration) -> ProviderAnswer {
        let mut answer = self.call(seen, limit);
        let ended = || Err(Error::credentials_provider_ended());
        answer
            .wait_for(Option::is_some)
            .await
            .map_or_else(|_| ended(), |answer| answer.clone().unwrap_or_else(ended))
    }

    /// Starts a call in a separate task. An attempt to connect may end before the call does, and
    /// the next attempt needs the result.
    fn call(self: &Arc<Self>, seen: Option<u64>, limit: Duration) -> watch::Receiver<Option<ProviderAnswer>> {
        let (sender, receiver) = watch::channel(None);
        {
            let mut state = lock(&self.state);
            if let Some(asking) = &state.asking {
                return asking.clone();
            }
            if let Some(current) = state.accepted().filter(|current| Some(current.number) != seen) {
                return watch::channel(Some(Ok(Arc::clone(current)))).1;
            }
            state.asking = Some(receiver.clone());
        }
        let call = ProviderCall { cache: Arc::clone(self), answer: sender, is_done: false };
        spawn_here(call.run(limit));
        receiver
    }

    /// Ends the call in progress and records its result.
    fn answered(&self, result: Result<Credentials, Error>) -> ProviderAnswer {
        let mut state = lock(&self.state);
        state.asking = None;
        let answer = match result {
            Ok(credentials) => Ok(state.issue(credentials)),
            Err(error) => {
                state.failed_at = Some(Instant::now());
                state.wait();
                Err(error)
            }
        };
        drop(state);
        match &answer {
            Ok(_) => {
                count!("redis_keyspace_credentials_total", "outcome" => "ok");
                event!(debug, "the credentials provider returned credentials");
            }
            Err(error) => {
                count!("redis_keyspace_credentials_total", "outcome" => "error");
                event!(warn, "the credentials provider failed", error = %error);
            }
        }
        self.news.send_replace(());
        answer
    }
}

impl CacheState {
    /// Returns the credentials, unless a server rejected them.
    fn accepted(&self) -> Option<&Arc<IssuedCredentials>> {
        self.current.as_ref().filter(|_| !self.is_rejected)
    }

    fn is_current(&self, issued: &IssuedCredentials) -> bool {
        self.current.as_ref().is_some_and(|current| current.number == issued.number)
    }

    /// Returns when open connections call the provider next.
    fn next_call(&self) -> Option<Instant> {
        let current = self.current.as_ref()?;
        let due = if self.is_rejected { self.again } else { current.due }?;
        Some(self.again.map_or(due, |again| again.max(due)))
    }

    /// The number of the last credentials, rejected or not.
    fn number(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.number)
    }

    /// Whether the provider must be called, because of the credentials with this number.
    fn due(&self) -> (bool, Option<u64>) {
        (self.next_call().is_some_and(|due| due <= Instant::now()), self.number())
    }

    /// Makes open connections wait before they call again.
    fn wait(&mut self) {
        self.again = Some(Instant::now() + self.pauses.pause());
    }

    fn issue(&mut self, credentials: Credentials) -> Arc<IssuedCredentials> {
        let is_same =
            self.current.as_ref().is_some_and(|current| current.credentials.are_same_as(&credentials));
        self.failed_at = None;
        if !is_same {
            self.number += 1;
            self.is_rejected = false;
        }
        self.again = None;
        if self.is_rejected {
            self.wait();
        }
        let issued = Arc::new(IssuedCredentials::new(self.number, credentials));
        self.current = Some(Arc::clone(&issued));
        issued
    }
}

/// The pauses of open connections after failures and rejections.
fn pauses() -> Backoff {
    Backoff::new(SHORTEST_PAUSE * 2, LONGEST_PAUSE)
}

/// A call of the provider.
struct ProviderCall {
    cache: Arc<CredentialCache>,
    answer: watch::Sender<Option<ProviderAnswer>>,
    is_done: bool,
}

impl ProviderCall {
    async fn run(mut self, limit: Duration) {
        let failed_at = lock(&self.cache.state).failed_at;
        if let Some(failed_at) = failed_at {
            sleep_until(failed_at + AFTER_FAILURE).await;
        }
        let result = match timeout(limit, self.cache.provider.credentials()).await {
            Ok(result) => result.map_err(Error::of_credentials_provider),
            Err(_) => Err(Error::credentials_too_late(limit)),
        };
        self.is_done = true;
        self.answer.send_replace(Some(self.cache.answered(result)));
    }
}

impl Drop for ProviderCall {
    fn drop(&mut self) {
        if !self.is_done {
            let _ = self.cache.answered(Err(Error::credentials_provider_ended()));
        }
    }
}

impl fmt::Debug for CredentialCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialCache").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(lifetime: Option<Duration>) -> IssuedCredentials {
        let credentials = Credentials::new("app", "x");
        IssuedCredentials::new(
            1,
            match lifetime {
                Some(lifetime) => credentials.expires_in(lifetime),
                None => credentials,
            },
        )
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_are_replaced_before_they_expire() {
        let now = Instant::now();
        for seconds in [20_u32, 60, 900, 3600, 7 * 24 * 3600] {
            let life = Duration::from_secs(seconds.into());
            let moments: Vec<_> = (0..100).map(|_| issued(Some(life)).due.unwrap() - now).collect();
            for &due in &moments {
                let most = (life * 9 / 10).min(life - MARGIN);
                assert!(due >= (life * 8 / 10).min(most) && due <= most, "{life:?}: {due:?}");
            }
            let different = moments.iter().collect::<std::collections::HashSet<_>>().len();
            assert!(seconds == 20 || different > 50, "{life:?}: {different} moments");
        }
        // Short lifetimes cause at most one call per second.
        for (millis, due) in [(10_000, 5000), (4000, 2000), (1000, 1000), (0, 1000)] {
            let issued = issued(Some(Duration::from_millis(millis)));
            assert_eq!(issued.due, Some(now + Duration::from_millis(due)));
            assert_eq!((issued.is_fresh(), issued.has_expired()), (millis > 0, millis == 0));
        }
        let lasting = issued(None);
        assert_eq!((lasting.due, lasting.is_fresh(), lasting.has_expired()), (None, false, false));
    }

    #[tokio::test]
    async fn callers_that_decided_at_the_same_moment_cause_one_call() {
        let calls = std::sync::atomic::AtomicU64::new(0);
        let source = move || {
            let nth = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            std::future::ready(Ok::<_, String>(Credentials::new("app", nth.to_string())))
        };
        let settings = crate::config::RedisBuilder::default().credentials(source).base;
        let cache = CredentialCache::of(&settings).unwrap();
        let limit = Duration::from_secs(30);
        let first = cache.ask(None, limit).await.unwrap();
        // This caller looked before the answer arrived, and asks after it.
        let second = cache.ask(None, limit).await.unwrap();
        assert_eq!((first.number, second.number), (1, 1));
        assert_eq!(cache.ask(Some(1), limit).await.unwrap().number, 2);
        cache.reject(&first);
        assert_eq!(cache.ask(Some(1), limit).await.unwrap().number, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_cache_ends_with_its_users() {
        let source = || async { Ok::<_, String>(Credentials::new("app", "x")) };
        let settings = crate::config::RedisBuilder::default().credentials(source).base;
        let (one, same) = (CredentialCache::of(&settings).unwrap(), CredentialCache::of(&settings).unwrap());
        assert!(Arc::ptr_eq(&one, &same));
        one.for_new_connection(MARGIN).await.unwrap();
        let weak = Arc::downgrade(&one);
        drop((one, same));
        assert!(weak.upgrade().is_none());
        assert!(CredentialCache::of(&Settings::default()).is_none());
    }
}
