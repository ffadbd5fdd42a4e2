//! Many keys read at once, and those that are not there loaded at once.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::fmt;
use std::future::IntoFuture;
use std::hash::Hash;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::time::Instant;

use super::error::FillError;
use super::fill::FAILURES;
use super::flight::{Flights, Follower, Leader, Part, Stage};
use super::job::{LEADING, Led as LedKey, encode, note, outcome, settle};
use super::lease::{Begun, Lease, Mode, Outcome, Place, takes_no_writes};
use super::loader::{Always, Fallible};
use super::policy::{FillPolicy, Options, part};
use crate::Redis;
use crate::command::{OnUnavailable, is_away};
use crate::error::{Error, Result};
use crate::handle::{Binding, chosen, target};
use crate::key::Key;
use crate::keyspace::Keyspace;
use crate::kind::SingleValue;
use crate::ops::get_many_bytes;
use crate::stats::Fills;

/// Many keys at once.
impl<S: Keyspace, V: SingleValue> Key<S, V> {
    /// Reads the values of many keys, and loads those that are not there together: the loader is given the ids that miss, each
    /// once, and gives what it finds. The values come in the order of the ids, `None` for those that the loader has not found.
    ///
    /// What [`get_or_set`](Self::get_or_set) promises holds for each key: an id that another caller of this process is loading is
    /// not loaded again, but waited for, after the own ones are loaded; should that one fail, the loader is called once more with
    /// what is left. What was written meanwhile is not stored. Options that a declaration states hold, but for
    /// `early_refresh`, `stale_for` and `across_processes`: many keys are loaded in each process, and without anything stale.
    ///
    /// One round trip when all are there, else three, and one more when others load some of them. On a cluster, all keys must be in one slot.
    ///
    /// ```
    /// # use std::collections::HashMap;
    /// # use redis_keyspace::{Key, Keyspace, Redis, Text};
    /// # #[derive(Keyspace)]
    /// # #[keyspace(prefix = "user", ttl = "1h")]
    /// # struct UserKeys { name: fn(id: u64) -> Text }
    /// # async fn find_users(ids: Vec<u64>) -> HashMap<u64, String> {
    /// #     ids.into_iter().filter(|&id| id != 9).map(|id| (id, format!("user {id}"))).collect()
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redis_keyspace::Error> {
    /// # Redis::embedded().scope(async {
    /// UserKeys::name(7).set("Ada").await?;
    /// let names = Key::get_or_set_many([7, 8, 9], UserKeys::name, find_users).await?;
    /// assert_eq!(names, [Some("Ada".to_owned()), Some("user 8".to_owned()), None]);
    /// # Ok(()) }).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of any command, before the loader has run; mistakes after it, as of [`get_or_set`](Self::get_or_set).
    pub fn get_or_set_many<'l, I, F, Fut, R>(
        ids: impl IntoIterator<Item = I>,
        key: impl Fn(I) -> Self,
        loader: F,
    ) -> GetOrSetMany<'l, S, V, I, Always<F>>
    where
        I: Clone + Eq + Hash + Send + Sync + 'l,
        F: FnMut(Vec<I>) -> Fut + Send + 'l,
        Fut: Future<Output = R> + Send + 'l,
        R: IntoIterator<Item = (I, V::Owned)>,
    {
        let wanted = ids.into_iter().map(|id| (key(id.clone()), id)).collect();
        GetOrSetMany::new(wanted, Always(loader))
    }

    /// Like [`get_or_set_many`](Self::get_or_set_many) with a loader that can fail; nothing is stored then.
    pub fn try_get_or_set_many<'l, I, F, Fut, R, E>(
        ids: impl IntoIterator<Item = I>,
        key: impl Fn(I) -> Self,
        loader: F,
    ) -> GetOrSetMany<'l, S, V, I, Fallible<F>>
    where
        I: Clone + Eq + Hash + Send + Sync + 'l,
        F: FnMut(Vec<I>) -> Fut + Send + 'l,
        Fut: Future<Output = Result<R, E>> + Send + 'l,
        R: IntoIterator<Item = (I, V::Owned)>,
        E: Send,
    {
        let wanted = ids.into_iter().map(|id| (key(id.clone()), id)).collect();
        GetOrSetMany::new(wanted, Fallible(loader))
    }
}

/// A [`get_or_set_many`](Key::get_or_set_many) with its options: await it.
///
/// # Cancellation
///
/// As of [`GetOrSet`](crate::GetOrSet).
#[must_use = "nothing is read or loaded unless it is awaited"]
pub struct GetOrSetMany<'l, S, V, I, L> {
    wanted: Vec<(Key<S, V>, I)>,
    loader: L,
    redis: Option<Redis>,
    options: Stated,
    borrows: PhantomData<&'l ()>,
}

/// What a call states.
#[derive(Default)]
struct Stated {
    ttl: Option<Duration>,
    jitter: Option<f64>,
    negative_ttl: Option<Duration>,
    hard_timeout: Option<Duration>,
    timeout: Option<Duration>,
    on_unavailable: Option<OnUnavailable>,
}

impl<S, V, I, L> GetOrSetMany<'_, S, V, I, L> {
    fn new(wanted: Vec<(Key<S, V>, I)>, loader: L) -> Self {
        Self { wanted, loader, redis: None, options: Stated::default(), borrows: PhantomData }
    }

    /// A lifetime other than the template's for the values that are loaded.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// Shortens each lifetime at random, by this part of it at most: 0.1 for a tenth.
    pub fn ttl_jitter(mut self, jitter: f64) -> Self {
        self.options.jitter = Some(part(jitter));
        self
    }

    /// Remembers for this long which ids the loader has not found.
    pub fn negative_ttl(mut self, time: Duration) -> Self {
        self.options.negative_ttl = Some(time);
        self
    }

    /// Limits how long the loader may take, and waiting for other callers', as for [`GetOrSet`](crate::GetOrSet::hard_timeout).
    pub fn hard_timeout(mut self, limit: Duration) -> Self {
        self.options.hard_timeout = Some(limit);
        self
    }

    /// Runs it on this server, whatever is installed or in scope.
    pub fn on(mut self, redis: &Redis) -> Self {
        self.redis = Some(redis.clone());
        self
    }

    /// What it comes to when Redis is away, whatever the keyspace declares: an error before the loader has run, or, for a miss,
    /// what the loader gives for all of them, which is stored nowhere.
    pub fn on_unavailable(mut self, answer: OnUnavailable) -> Self {
        self.options.on_unavailable = Some(answer);
        self
    }

    /// Gives each of its commands a deadline of its own. The loader is not limited by it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }
}

type BoxFuture<'l, T> = Pin<Box<dyn Future<Output = T> + Send + 'l>>;

/// What a loader has found, or how it has failed.
type Loaded<I, T, E> = Result<HashMap<I, T>, E>;

impl<'l, S, V, I, F, Fut, R> IntoFuture for GetOrSetMany<'l, S, V, I, Always<F>>
where
    S: Keyspace,
    V: SingleValue,
    I: Clone + Eq + Hash + Send + Sync + 'l,
    F: FnMut(Vec<I>) -> Fut + Send + 'l,
    Fut: Future<Output = R> + Send + 'l,
    R: IntoIterator<Item = (I, V::Owned)>,
{
    type Output = Result<Vec<Option<V::Owned>>>;
    type IntoFuture = BoxFuture<'l, Self::Output>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let loader = &mut self.loader.0;
            let load = |ids| {
                let loading = loader(ids);
                let loaded: BoxFuture<'_, Loaded<I, V::Owned, Infallible>> =
                    Box::pin(async { Ok(loading.await.into_iter().collect()) });
                loaded
            };
            let many = Many::new(self.wanted, self.redis, &self.options)?;
            many.run(load).await.map_err(|error| error.into_error(|never| match never {}))
        })
    }
}

impl<'l, S, V, I, F, Fut, R, E> IntoFuture for GetOrSetMany<'l, S, V, I, Fallible<F>>
where
    S: Keyspace,
    V: SingleValue,
    I: Clone + Eq + Hash + Send + Sync + 'l,
    F: FnMut(Vec<I>) -> Fut + Send + 'l,
    Fut: Future<Output = Result<R, E>> + Send + 'l,
    R: IntoIterator<Item = (I, V::Owned)>,
    E: Send + 'l,
{
    type Output = Result<Vec<Option<V::Owned>>, FillError<E>>;
    type IntoFuture = BoxFuture<'l, Self::Output>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let loader = &mut self.loader.0;
            let load = |ids| {
                let loading = loader(ids);
                let loaded: BoxFuture<'_, Loaded<I, V::Owned, E>> =
                    Box::pin(async { Ok(loading.await?.into_iter().collect()) });
                loaded
            };
            let many = Many::new(self.wanted, self.redis, &self.options)?;
            many.run(load).await
        })
    }
}

/// What is known of an id: its value, encoded, or that there is none.
type Known<I> = HashMap<I, Option<Arc<[u8]>>>;

/// A fill of many keys under way.
struct Many<S, V: SingleValue, I> {
    /// As asked for, an id as often as it was.
    ids: Vec<I>,
    /// Each id once.
    keys: HashMap<I, Key<S, V>>,
    redis: Redis,
    binding: Arc<Binding>,
    options: Options<V::Owned>,
}

/// A key that is loaded here.
struct Led<I> {
    id: I,
    leader: Option<Leader>,
    lease: Option<Lease>,
}

impl<S: Keyspace, V: SingleValue, I: Clone + Eq + Hash> Many<S, V, I> {
    fn new(wanted: Vec<(Key<S, V>, I)>, redis: Option<Redis>, stated: &Stated) -> Result<Self> {
        let ids: Vec<I> = wanted.iter().map(|(_, id)| id.clone()).collect();
        let on = redis.or_else(|| wanted.first().and_then(|(key, _)| key.redis()));
        let policy = wanted.first().map_or(FillPolicy::NONE, |(key, _)| key.template().fills());
        let redis = chosen(on.as_ref(), Some(S::META))?;
        let binding = target(Some(&redis), Some(S::META))?;
        let mut options = Options::of_policy(policy, Some(redis.clone()));
        (options.ttl, options.stale_for) = (stated.ttl, None);
        options.jitter = stated.jitter.unwrap_or(options.jitter);
        options.negative_ttl = stated.negative_ttl.or(options.negative_ttl);
        options.hard_timeout = stated.hard_timeout.or(options.hard_timeout);
        (options.timeout, options.on_unavailable) = (stated.timeout, stated.on_unavailable);
        let keys = wanted.into_iter().map(|(key, id)| (id, key)).collect();
        Ok(Self { ids, keys, redis, binding, options })
    }

    fn flights(&self) -> &Flights {
        &self.binding.pool().flights
    }

    fn goes_on(&self, error: &Error) -> bool {
        let declared = S::META.overrides.on_unavailable;
        self.options.on_unavailable.unwrap_or(declared) == OnUnavailable::Miss && is_away(error)
    }

    fn note(&self, id: &I, counter: impl FnOnce(&Fills) -> &AtomicU64, result: &'static str) {
        if let Some(key) = self.keys.get(id) {
            note(&self.redis, key.template(), counter, result);
        }
    }

    fn name(&self, key: &Key<S, V>) -> String {
        format!("{}{}", self.binding.namespace, key.as_str())
    }

    /// The key among those of all servers.
    fn leading(&self, key: &Key<S, V>) -> LedKey {
        (Arc::as_ptr(self.binding.pool()).addr(), self.name(key))
    }

    /// Awaits a load, for so long as it may take.
    async fn limited<T>(&self, loading: impl Future<Output = T>) -> Result<T, Duration> {
        match self.options.hard_timeout {
            None => Ok(loading.await),
            Some(limit) => tokio::time::timeout(limit, loading).await.map_err(|_| limit),
        }
    }

    async fn run<'l, E>(
        self,
        mut load: impl FnMut(Vec<I>) -> BoxFuture<'l, Loaded<I, V::Owned, E>>,
    ) -> Result<Vec<Option<V::Owned>>, FillError<E>> {
        let (mut known, mut undecodable) = (Known::new(), HashSet::new());
        let mut came = self.flights().now();
        let waits = self.options.hard_timeout.map(|limit| (Instant::now() + limit, limit));
        let mut missing = match self.look(&mut known, &mut undecodable).await {
            Ok(missing) => missing,
            Err(error) if self.goes_on(&error) => {
                self.redis.note_degraded(&error, self.keys.values().next().map(Key::template));
                let loaded = self.limited(load(self.unique())).await.map_err(FillError::TimedOut)?;
                let mut loaded = loaded.map_err(FillError::Loader)?;
                let encode = |(_, value): (I, V::Owned)| encode::<V>(&value);
                for id in self.unique() {
                    let value = loaded.remove_entry(&id).map(encode).transpose()?;
                    known.insert(id, value.map(Arc::from));
                }
                Vec::new()
            }
            Err(error) => return Err(error.into()),
        };
        let mut failures = 0;
        while !missing.is_empty() {
            let (led, followed) = self.divide(std::mem::take(&mut missing), came).await?;
            let led = self.seek(led, &mut known).await?;
            if !led.is_empty() {
                for Led { id, .. } in led.iter().filter(|led| !undecodable.contains(&led.id)) {
                    self.note(id, |fills| &fills.misses, "miss");
                }
                self.load(led, &mut load, &mut known).await?;
            }
            // Only now: whoever is waited for here may be waiting for what was just loaded.
            let mut failed = false;
            for (id, follower) in followed {
                let told = match waits {
                    None => follower.wait(false).await,
                    Some((until, limit)) => {
                        let waiting = tokio::time::timeout_at(until, follower.wait(false)).await;
                        waiting.map_err(|_| FillError::TimedOut(limit))?
                    }
                };
                match told {
                    Some(Stage::Done { value, .. } | Stage::Found(value)) => {
                        self.note(&id, |fills| &fills.coalesced, "coalesced");
                        known.insert(id, value);
                    }
                    told => {
                        failed |= matches!(told, Some(Stage::Failed));
                        missing.push(id);
                    }
                }
            }
            failures += u32::from(failed);
            if failures == FAILURES {
                return Err(FillError::Coalesced);
            }
            came = self.flights().now();
        }
        let decode = |id: &I| {
            let bytes = known.get(id).and_then(Option::as_ref)?;
            let about = |error: Error| match self.keys.get(id) {
                Some(key) => error.about("MGET", Some(key.template()), Some(key.as_str())),
                None => error,
            };
            Some(V::decode(bytes).map_err(|problem| about(Error::decode(problem))))
        };
        Ok(self.ids.iter().map(|id| decode(id).transpose()).collect::<Result<_>>()?)
    }

    /// Each id once, in the order of asking.
    fn unique(&self) -> Vec<I> {
        let mut seen = HashSet::new();
        self.ids.iter().filter(|id| seen.insert(*id)).cloned().collect()
    }

    /// Reads all keys; gives those that are to be loaded.
    async fn look(&self, known: &mut Known<I>, undecodable: &mut HashSet<I>) -> Result<Vec<I>> {
        let ids = self.unique();
        let keys = ids.iter().filter_map(|id| self.keys.get(id)).cloned();
        let read = get_many_bytes(keys).on(&self.redis).with_timeout(self.options.timeout);
        let values = read.on_unavailable(OnUnavailable::Error).await?;
        let mut missing = Vec::new();
        for (id, value) in ids.into_iter().zip(values) {
            match value {
                Some(bytes) if V::decode(&bytes).is_ok() => {
                    self.note(&id, |fills| &fills.hits, "hit");
                    known.insert(id, Some(bytes.into()));
                }
                Some(_) => {
                    self.note(&id, |fills| &fills.undecodable, "undecodable");
                    undecodable.insert(id.clone());
                    missing.push(id);
                }
                None => missing.push(id),
            }
        }
        Ok(missing)
    }

    /// Divides the ids into those that are loaded here, and those that another caller loads.
    async fn divide(&self, ids: Vec<I>, came: u64) -> Result<(Vec<Led<I>>, Vec<(I, Follower)>)> {
        let (mut led, mut followed) = (Vec::new(), Vec::new());
        // Of loads that were begun before: what was written since may be missing in them, and then their leases have ended.
        let (mut late, mut asked) = (Vec::new(), Vec::new());
        let lead = |id, leader| Led { id, leader: Some(leader), lease: None };
        for id in ids {
            let Some(key) = self.keys.get(&id) else { continue };
            // To wait for oneself would take for ever.
            if LEADING.try_with(|keys| keys.contains(&self.leading(key))).unwrap_or(false) {
                led.push(Led { id, leader: None, lease: None });
                continue;
            }
            let name = self.name(key);
            match self.flights().join(&name, came) {
                Part::Leader(leader) => led.push(lead(id, leader)),
                Part::Follower(follower) => followed.push((id, follower)),
                Part::Latecomer(mut follower) => match follower.stage() {
                    Stage::Beginning => {
                        follower.is_late = true;
                        followed.push((id, follower));
                    }
                    Stage::Loading { token: Some(token), .. } => {
                        asked.push((self.place(key), token));
                        late.push((id, name, follower));
                    }
                    Stage::Loading { token: None, .. }
                    | Stage::Found(_)
                    | Stage::Done { .. }
                    | Stage::Failed => match self.flights().supersede(&name, &follower) {
                        Part::Leader(leader) => led.push(lead(id, leader)),
                        Part::Follower(follower) | Part::Latecomer(follower) => followed.push((id, follower)),
                    },
                },
            }
        }
        let held = match Place::are_held(&asked).await {
            Err(error) if self.goes_on(&error) => vec![true; asked.len()],
            held => held?,
        };
        for ((id, name, follower), held) in late.into_iter().zip(held) {
            if held {
                followed.push((id, follower));
                continue;
            }
            match self.flights().supersede(&name, &follower) {
                Part::Leader(leader) => led.push(lead(id, leader)),
                Part::Follower(follower) | Part::Latecomer(follower) => followed.push((id, follower)),
            }
        }
        Ok((led, followed))
    }

    fn place(&self, key: &Key<S, V>) -> Place {
        let binding = Arc::clone(&self.binding);
        Place::new(binding, key.text(), S::META, key.template(), self.options.timeout)
    }

    /// Takes the leases of what is loaded here; leaves out what is there by now.
    async fn seek(&self, led: Vec<Led<I>>, known: &mut Known<I>) -> Result<Vec<Led<I>>> {
        let (mut loads, mut again) = (Vec::new(), Vec::new());
        let begun = self.begin(&led, true).await?;
        for (mut led, begun) in led.into_iter().zip(begun) {
            let there = match begun {
                Some(Begun::There(bytes)) if V::decode(&bytes).is_ok() => Some(bytes.into()),
                Some(Begun::Absent) => None,
                Some(Begun::Leads(lease, _)) => {
                    led.lease = Some(lease);
                    loads.push(led);
                    continue;
                }
                Some(Begun::There(_) | Begun::Held(_)) => {
                    again.push(led);
                    continue;
                }
                None => {
                    loads.push(led);
                    continue;
                }
            };
            if let Some(leader) = led.leader {
                leader.tell(Stage::Found(there.clone()));
            }
            known.insert(led.id, there);
        }
        // What is there and can't be decoded is not looked at again.
        let begun = self.begin(&again, false).await?;
        for (mut led, begun) in again.into_iter().zip(begun) {
            if let Some(Begun::Leads(lease, _)) = begun {
                led.lease = Some(lease);
            }
            loads.push(led);
        }
        Ok(loads)
    }

    /// Asks for the leases; `None` for those that can't be had, so that what is loaded is not stored.
    async fn begin(&self, led: &[Led<I>], looks: bool) -> Result<Vec<Option<Begun>>> {
        let keys = led.iter().filter_map(|led| self.keys.get(&led.id));
        let places: Vec<_> = keys.map(|key| self.place(key)).collect();
        let can_do_without = |error: &Error| self.goes_on(error) || takes_no_writes(error);
        match Place::begin_many(&places, Mode::Share, looks).await {
            Ok(begun) => begun
                .into_iter()
                .map(|begun| match begun {
                    Err(error) if can_do_without(&error) => Ok(None),
                    begun => begun.map(Some),
                })
                .collect(),
            Err(error) if can_do_without(&error) => {
                self.redis.note_degraded(&error, self.keys.values().next().map(Key::template));
                Ok(led.iter().map(|_| None).collect())
            }
            Err(error) => Err(error),
        }
    }

    /// Loads what is led here, and stores it.
    async fn load<'l, E>(
        &self,
        mut led: Vec<Led<I>>,
        load: &mut impl FnMut(Vec<I>) -> BoxFuture<'l, Loaded<I, V::Owned, E>>,
        known: &mut Known<I>,
    ) -> Result<(), FillError<E>> {
        let mut keys = LEADING.try_with(Clone::clone).unwrap_or_default();
        for Led { id, leader, lease } in &led {
            keys.extend(self.keys.get(id).map(|key| self.leading(key)));
            if let Some(leader) = leader {
                leader.loads(lease.as_ref().map(|lease| Arc::clone(lease.token())), None);
            }
        }
        let loading = LEADING.scope(keys, load(led.iter().map(|led| led.id.clone()).collect()));
        let loaded = match self.limited(loading).await {
            Ok(loaded) => loaded.map_err(FillError::Loader),
            Err(limit) => Err(FillError::TimedOut(limit)),
        };
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                // Before the places are free: whoever comes next is not to wait for what nobody holds.
                let leases = led.iter_mut().filter_map(|led| led.lease.take());
                Lease::release_many(leases.collect()).await;
                for Led { id, leader, .. } in led {
                    self.note(&id, |fills| &fills.failed, "failed");
                    if let Some(leader) = leader {
                        leader.tell(Stage::Failed);
                    }
                }
                return Err(error);
            }
        };
        let degraded = led.iter().all(|led| led.lease.is_none());
        let mut encoded = Vec::new();
        for Led { id, .. } in &led {
            encoded.push(loaded.get(id).map(encode::<V>).transpose()?);
        }
        let mut ends: Vec<(Lease, Outcome<'_>)> = Vec::new();
        let mut stored: Vec<&Key<S, V>> = Vec::new();
        for (led, encoded) in led.iter_mut().zip(&encoded) {
            let (Some(key), value) = (self.keys.get(&led.id), loaded.get(&led.id)) else { continue };
            let outcome = outcome::<V>(&self.options, key.template(), value, encoded.as_deref());
            if let (Some(lease), Some(outcome)) = (led.lease.take(), outcome) {
                ends.push((lease, outcome));
                stored.push(key);
            }
        }
        drop(loaded);
        let outcomes = Lease::finish_many(ends).await;
        let mut mistake = None;
        let outcomes = match outcomes {
            Ok(outcomes) => outcomes,
            Err(error) => stored.iter().map(|_| Err(error.clone())).collect(),
        };
        for (key, outcome) in stored.into_iter().zip(outcomes) {
            let settled = settle(&self.redis, key.template(), key.as_str(), outcome);
            mistake = mistake.or(settled.err());
        }
        for (led, encoded) in led.into_iter().zip(encoded) {
            let value: Option<Arc<[u8]>> = encoded.map(Arc::from);
            if let Some(leader) = led.leader {
                let value = value.clone();
                leader.finish(|| Some(Stage::Done { value, degraded }));
            }
            known.insert(led.id, value);
        }
        mistake.map_or(Ok(()), |mistake| Err(mistake.into()))
    }
}

impl<S, V, I, L> fmt::Debug for GetOrSetMany<'_, S, V, I, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetOrSetMany").field("keys", &self.wanted.len()).finish_non_exhaustive()
    }
}
