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

use super::error::FillError;
use super::fill::FAILURES;
use super::flight::{Flights, Follower, Leader, Part, Stage};
use super::job::{LEADING, encode, note, outcome, settle};
use super::lease::{Begun, Lease, Mode, Outcome, Place};
use super::loader::{Always, Fallible};
use super::policy::{FillPolicy, Options};
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
    /// One round trip when all are there, else three. On a cluster, all keys must be in one slot.
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
    /// Those of any command, before the loader has run.
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
    ttl: Option<Duration>,
    redis: Option<Redis>,
    timeout: Option<Duration>,
    on_unavailable: Option<OnUnavailable>,
    borrows: PhantomData<&'l ()>,
}

impl<S, V, I, L> GetOrSetMany<'_, S, V, I, L> {
    fn new(wanted: Vec<(Key<S, V>, I)>, loader: L) -> Self {
        Self {
            wanted,
            loader,
            ttl: None,
            redis: None,
            timeout: None,
            on_unavailable: None,
            borrows: PhantomData,
        }
    }

    /// A lifetime other than the template's for the values that are loaded.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
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
        self.on_unavailable = Some(answer);
        self
    }

    /// Gives each of its commands a deadline of its own. The loader is not limited by it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
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
            let many = Many::new(self.wanted, self.ttl, self.redis, self.timeout, self.on_unavailable)?;
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
            let many = Many::new(self.wanted, self.ttl, self.redis, self.timeout, self.on_unavailable)?;
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
    fn new(
        wanted: Vec<(Key<S, V>, I)>,
        ttl: Option<Duration>,
        redis: Option<Redis>,
        timeout: Option<Duration>,
        on_unavailable: Option<OnUnavailable>,
    ) -> Result<Self> {
        let ids: Vec<I> = wanted.iter().map(|(_, id)| id.clone()).collect();
        let stated = redis.or_else(|| wanted.first().and_then(|(key, _)| key.redis()));
        let policy = wanted.first().map_or(FillPolicy::NONE, |(key, _)| key.template().fills());
        let redis = chosen(stated.as_ref(), Some(S::META))?;
        let binding = target(Some(&redis), Some(S::META))?;
        let mut options = Options::of_policy(policy, Some(redis.clone()));
        options.ttl = ttl;
        options.stale_for = None;
        (options.timeout, options.on_unavailable) = (timeout, on_unavailable);
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

    async fn run<'l, E>(
        self,
        mut load: impl FnMut(Vec<I>) -> BoxFuture<'l, Loaded<I, V::Owned, E>>,
    ) -> Result<Vec<Option<V::Owned>>, FillError<E>> {
        let mut known = Known::new();
        let mut came = self.flights().now();
        let mut missing = match self.look(&mut known).await {
            Ok(missing) => missing,
            Err(error) if self.goes_on(&error) => {
                self.redis.note_degraded(&error, self.keys.values().next().map(Key::template));
                let mut loaded = load(self.unique()).await.map_err(FillError::Loader)?;
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
                self.load(led, &mut load, &mut known).await?;
            }
            // Only now: whoever is waited for here may be waiting for what was just loaded.
            let mut failed = false;
            for (id, follower) in followed {
                match follower.wait(false).await {
                    Some(Stage::Done(value) | Stage::Found(value)) => {
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
    async fn look(&self, known: &mut Known<I>) -> Result<Vec<I>> {
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
                    missing.push(id);
                }
                None => {
                    self.note(&id, |fills| &fills.misses, "miss");
                    missing.push(id);
                }
            }
        }
        Ok(missing)
    }

    /// Divides the ids into those that are loaded here, and those that another caller loads.
    async fn divide(&self, ids: Vec<I>, came: u64) -> Result<(Vec<Led<I>>, Vec<(I, Follower)>)> {
        let (mut led, mut followed) = (Vec::new(), Vec::new());
        for id in ids {
            let Some(key) = self.keys.get(&id) else { continue };
            let name = self.name(key);
            // To wait for oneself would take for ever.
            if LEADING.try_with(|keys| keys.contains(&name)).unwrap_or(false) {
                led.push(Led { id, leader: None, lease: None });
                continue;
            }
            let mut part = self.flights().join(&name, came);
            if let Part::Latecomer(follower) = &mut part
                && !self.joins(key, follower).await?
            {
                part = self.flights().supersede(&name, follower);
            }
            match part {
                Part::Leader(leader) => led.push(Led { id, leader: Some(leader), lease: None }),
                Part::Follower(follower) | Part::Latecomer(follower) => followed.push((id, follower)),
            }
        }
        Ok((led, followed))
    }

    /// Whether a load that was begun before can't have missed what was written since.
    async fn joins(&self, key: &Key<S, V>, follower: &mut Follower) -> Result<bool> {
        match follower.stage() {
            Stage::Beginning => {
                follower.is_late = true;
                Ok(true)
            }
            Stage::Loading { token: Some(token), .. } => self.place(key).is_held(&token).await,
            Stage::Loading { token: None, .. } | Stage::Found(_) | Stage::Done(_) | Stage::Failed => {
                Ok(false)
            }
        }
    }

    fn place(&self, key: &Key<S, V>) -> Place {
        let binding = Arc::clone(&self.binding);
        Place::new(binding, key.text(), S::META, key.template(), self.options.timeout)
    }

    /// Takes the leases of what is loaded here; leaves out what is there by now.
    async fn seek(&self, led: Vec<Led<I>>, known: &mut Known<I>) -> Result<Vec<Led<I>>> {
        let places: Vec<_> =
            led.iter().filter_map(|led| self.keys.get(&led.id)).map(|key| self.place(key)).collect();
        let begun = match Place::begin_many(&places, Mode::Share).await {
            Ok(begun) => begun,
            Err(error) if self.goes_on(&error) => {
                self.redis.note_degraded(&error, self.keys.values().next().map(Key::template));
                return Ok(led);
            }
            Err(error) => return Err(error),
        };
        let mut loads = Vec::new();
        for ((mut led, place), begun) in led.into_iter().zip(&places).zip(begun) {
            let there = match begun? {
                Begun::There(bytes) if V::decode(&bytes).is_ok() => Some(bytes.into()),
                Begun::Absent => None,
                Begun::There(_) | Begun::Held(_) => {
                    if let Begun::Leads(lease, _) = place.begin(Mode::Share, false).await? {
                        led.lease = Some(lease);
                    }
                    loads.push(led);
                    continue;
                }
                Begun::Leads(lease, _) => {
                    led.lease = Some(lease);
                    loads.push(led);
                    continue;
                }
            };
            if let Some(leader) = led.leader {
                leader.tell(Stage::Found(there.clone()));
            }
            known.insert(led.id, there);
        }
        Ok(loads)
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
            keys.extend(self.keys.get(id).map(|key| self.name(key)));
            if let Some(leader) = leader {
                leader.loads(lease.as_ref().map(|lease| Arc::clone(lease.token())), None);
            }
        }
        let loading = LEADING.scope(keys, load(led.iter().map(|led| led.id.clone()).collect()));
        let loaded = match self.options.hard_timeout {
            None => loading.await.map_err(FillError::Loader),
            Some(limit) => match tokio::time::timeout(limit, loading).await {
                Ok(loaded) => loaded.map_err(FillError::Loader),
                Err(_) => Err(FillError::TimedOut(limit)),
            },
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
        match outcomes {
            Ok(outcomes) => {
                for (key, outcome) in stored.into_iter().zip(outcomes) {
                    settle(&self.redis, key.template(), key.as_str(), outcome)?;
                }
            }
            Err(error) => {
                for key in stored {
                    settle(&self.redis, key.template(), key.as_str(), Err(error.clone()))?;
                }
            }
        }
        for (led, encoded) in led.into_iter().zip(encoded) {
            let value: Option<Arc<[u8]>> = encoded.map(Arc::from);
            if let Some(leader) = led.leader {
                let value = value.clone();
                leader.finish(|| Some(Stage::Done(value)));
            }
            known.insert(led.id, value);
        }
        Ok(())
    }
}

impl<S, V, I, L> fmt::Debug for GetOrSetMany<'_, S, V, I, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetOrSetMany").field("keys", &self.wanted.len()).finish_non_exhaustive()
    }
}
