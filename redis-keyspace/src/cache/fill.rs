//! Read, or load and store.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::time::Instant;

use super::copies::{Before, Copies};
use super::error::FillError;
use super::flight::{Flights, Follower, Leader, Part, Stage};
use super::job::{Job, LEADING, Led, Spawn, note};
use super::lease::{Begun, Lease, Mode, Place, takes_no_writes};
use super::loader::Loader;
use super::lookup::Source;
use super::policy::Options;
use crate::Redis;
use crate::command::{Command, Keys, OnUnavailable, Packet, Request, is_away, reply};
use crate::connect::lane::Replies;
use crate::error::{Error, Result};
use crate::handle::{Binding, chosen, target, with_redis, with_target};
use crate::key::Key;
use crate::keyspace::Keyspace;
use crate::kind::SingleValue;
use crate::run::jittered;
use crate::stats::Fills;

/// How many failures of other callers' loaders one waits for.
pub(super) const FAILURES: u32 = 2;
/// The pauses between two looks at what another process loads: they grow from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// One fill, on the server that was chosen for it: reading, storing and counting are about the same one.
pub(super) struct Fill<S, V: SingleValue> {
    pub(super) key: Key<S, V>,
    pub(super) redis: Redis,
    pub(super) binding: Arc<Binding>,
    pub(super) options: Box<Options<V::Owned>>,
    /// Of a fill that takes something stale: the moment before it looked.
    before: Option<Before>,
}

/// What a fill gives.
pub(super) struct Fetched<T> {
    pub(super) value: Option<T>,
    pub(super) source: Source,
}

/// What was found at the key.
enum Found<T> {
    /// `due`: it is to be loaded anew before its lifetime is over.
    Value {
        value: T,
        due: bool,
    },
    Nothing,
    /// What an older version of the program has left there is as good as nothing.
    Undecodable,
    /// Redis is away, and the fill goes on without it.
    Away,
    /// Redis is away, and this is what was seen last.
    Copy(Arc<[u8]>),
}

/// What waiting for another caller's load has come to.
enum Followed<T> {
    Told(Fetched<T>),
    Failed,
    /// It has gone, or has nothing for us.
    Nothing,
}

/// What looking for a lease has come to.
enum Sought<T> {
    Found(Fetched<T>),
    Leads(Option<Lease>, Option<Vec<u8>>),
}

/// Reads the key, and loads what is not there.
pub(super) async fn fetch<'l, S, V, L>(
    key: Key<S, V>,
    loader: L,
    options: Option<Box<Options<V::Owned>>>,
    spawn: Option<Spawn<S, V, L>>,
) -> Result<Fetched<V::Owned>, FillError<L::Error>>
where
    S: Keyspace,
    V: SingleValue,
    L: Loader<V> + 'l,
{
    let mut looked = None;
    // What most calls are: nothing is stated, and the value is there. That takes a `GET`, and room for nothing else.
    if options.is_none() && key.redis().is_none() && key.template().fills().looks_plainly() {
        let (pool, came) = with_target(None, Some(S::META), |binding| {
            (Arc::as_ptr(binding.pool()).addr(), binding.pool().flights.now())
        })?;
        match key.get().on_unavailable(OnUnavailable::Error).await {
            Ok(Some(value)) => {
                let hit = |redis: &Redis| note(redis, key.template(), |fills| &fills.hits, "hit");
                // Nobody to count it for is no reason to keep it back.
                let _ = with_redis(None, Some(S::META), hit);
                return Ok(Fetched { value: Some(value), source: Source::Hit });
            }
            read => looked = Some(Looked { pool, came, failure: read.err() }),
        }
    }
    let options = options.unwrap_or_else(|| Box::new(Options::of(key.template(), key.redis())));
    let more: Searching<'l, V, L> = Box::pin(fetch_more(key, loader, options, spawn, looked));
    more.await
}

/// A look at the key that has found nothing.
struct Looked {
    /// By its address.
    pool: usize,
    came: u64,
    failure: Option<Error>,
}

async fn fetch_more<S, V, L>(
    key: Key<S, V>,
    loader: L,
    options: Box<Options<V::Owned>>,
    spawn: Option<Spawn<S, V, L>>,
    looked: Option<Looked>,
) -> Result<Fetched<V::Owned>, FillError<L::Error>>
where
    S: Keyspace,
    V: SingleValue,
    L: Loader<V>,
{
    let redis = chosen(options.redis.as_ref(), Some(S::META))?;
    let binding = target(Some(&redis), Some(S::META))?;
    let mut fill = Fill { key, redis, binding, options, before: None };
    if fill.options.stale_for.is_some() {
        fill.before = Some(fill.copies().before(&fill.name()));
    }
    // Unless another server was installed in between.
    let looked = looked.filter(|looked| looked.pool == Arc::as_ptr(fill.binding.pool()).addr());
    let (came, found) = match looked {
        Some(Looked { came, failure, .. }) => (came, fill.found(failure.map_or(Ok(None), Err))?),
        None => (fill.flights().now(), fill.look().await?),
    };
    match found {
        Found::Value { value, due: false } => Ok(fill.hit(value)),
        Found::Copy(copy) => Ok(fill.stale(&copy)?),
        found => {
            let (name, place) = (fill.name(), fill.leading());
            let leads = LEADING.try_with(|keys| keys.contains(&place)).unwrap_or(false);
            let waits = fill.options.hard_timeout.map(|limit| (Instant::now() + limit, limit));
            Search { fill: Arc::new(fill), name, leads, spawn, waits }.run(loader, came, found).await
        }
    }
}

type Searching<'l, V, L> = Pin<Box<dyn Future<Output = Outcome<V, L>> + Send + 'l>>;

type Outcome<V, L> = Result<Fetched<<V as SingleValue>::Owned>, FillError<<L as Loader<V>>::Error>>;

impl<S: Keyspace, V: SingleValue> Fill<S, V> {
    fn flights(&self) -> &Flights {
        &self.binding.pool().flights
    }

    fn copies(&self) -> &Copies {
        &self.binding.pool().copies
    }

    /// The key as it stands on the server.
    pub(super) fn name(&self) -> String {
        format!("{}{}", self.binding.namespace, self.key.as_str())
    }

    /// The key among those of all servers.
    fn leading(&self) -> Led {
        (Arc::as_ptr(self.binding.pool()).addr(), self.name())
    }

    /// Keeps a value in the process, for when Redis is away.
    pub(super) fn keep(&self, encoded: &[u8]) {
        if let Some(before) = &self.before {
            self.copies().keep(&self.name(), encoded, before);
        }
    }

    /// What was seen last, if it may still be given.
    fn copy(&self) -> Option<Arc<[u8]>> {
        let time = self.options.stale_for.filter(|_| self.takes_stale())?;
        self.copies().get(&self.name(), time).filter(|copy| V::decode(copy).is_ok())
    }

    pub(super) fn place(&self) -> Place {
        let (binding, template) = (Arc::clone(&self.binding), self.key.template());
        Place::new(binding, self.key.text(), S::META, template, self.options.timeout)
    }

    pub(super) fn note(&self, counter: impl FnOnce(&Fills) -> &AtomicU64, result: &'static str) {
        note(&self.redis, self.key.template(), counter, result);
    }

    pub(super) fn about(&self, error: Error) -> Error {
        error.about("GET", Some(self.key.template()), Some(self.key.as_str()))
    }

    fn hit(&self, value: V::Owned) -> Fetched<V::Owned> {
        self.note(|fills| &fills.hits, "hit");
        Fetched { value: Some(value), source: Source::Hit }
    }

    fn stale(&self, bytes: &[u8]) -> Result<Fetched<V::Owned>> {
        let value = self.decode(bytes)?;
        self.note(|fills| &fills.stale, "stale");
        Ok(Fetched { value: Some(value), source: Source::Stale })
    }

    fn absent(&self) -> Fetched<V::Owned> {
        self.note(|fills| &fills.absent, "absent");
        Fetched { value: None, source: Source::Absent }
    }

    fn decode(&self, bytes: &[u8]) -> Result<V::Owned> {
        V::decode(bytes).map_err(|problem| self.about(Error::decode(problem)))
    }

    /// Whether it goes on without Redis after this failure.
    fn goes_on(&self, error: &Error) -> bool {
        let declared = S::META.overrides.on_unavailable;
        self.options.on_unavailable.unwrap_or(declared) == OnUnavailable::Miss && is_away(error)
    }

    /// Whether a caller of it takes something stale rather than wait.
    fn takes_stale(&self) -> bool {
        self.options.stale_for.is_some() && !self.options.refreshes
    }

    async fn look(&self) -> Result<Found<V::Owned>> {
        let Options { timeout, refreshes, early_refresh, .. } = *self.options;
        if refreshes {
            return Ok(Found::Nothing);
        }
        if early_refresh.is_none() && self.before.is_none() {
            let read = self.key.get().on(&self.redis).with_timeout(timeout);
            let read = read.on_unavailable(OnUnavailable::Error).await;
            return self.found(read.map(|value| value.map(|value| (value, false))));
        }
        let read = with_remaining(&self.key, early_refresh.is_some()).on(&self.redis).with_timeout(timeout);
        let read = read.on_unavailable(OnUnavailable::Error).await.and_then(|(bytes, left)| {
            let Some(bytes) = bytes else { return Ok(None) };
            let value = self.decode(&bytes)?;
            self.keep(&bytes);
            let left = left.and_then(|left| u64::try_from(left).ok()).map(Duration::from_millis);
            let lifetime = self.options.ttl_by.as_ref().map(|ttl_by| ttl_by(&value)).or(self.options.ttl);
            let lifetime = lifetime.or(self.key.template().lifetime().duration());
            let due = early_refresh.zip(lifetime).zip(left);
            let due = due.is_some_and(|((part, lifetime), left)| left < lifetime.mul_f64(1.0 - part));
            Ok(Some((value, due)))
        });
        self.found(read)
    }

    /// What reading the key has come to.
    fn found(&self, read: Result<Option<(V::Owned, bool)>>) -> Result<Found<V::Owned>> {
        match read {
            Ok(Some((value, due))) => Ok(Found::Value { value, due }),
            Ok(None) => Ok(Found::Nothing),
            Err(error) if error.is_decode() => {
                observe!(warn, error = %error, "a value that can't be decoded is loaded anew");
                Ok(Found::Undecodable)
            }
            Err(error) if self.goes_on(&error) => {
                self.redis.note_degraded(&error, Some(self.key.template()));
                Ok(Found::Away)
            }
            Err(error) => match self.copy() {
                Some(copy) if is_away(&error) => {
                    self.redis.note_degraded(&error, Some(self.key.template()));
                    Ok(Found::Copy(copy))
                }
                _ => Err(error),
            },
        }
    }
}

fn loaded<T>(value: Option<T>, source: Source) -> Fetched<T> {
    let source = if value.is_some() { source } else { Source::Absent };
    Fetched { value, source }
}

/// The bytes of a value, and the milliseconds that are left of its lifetime.
type WithRemaining = (Option<Vec<u8>>, Option<i64>);

/// Reads a value as it is, and what is left of its lifetime if that is wanted.
fn with_remaining<S: Keyspace, V: SingleValue>(key: &Key<S, V>, remaining: bool) -> Command<WithRemaining> {
    let names: &[&'static str] = if remaining { &["GET", "PTTL"] } else { &["GET"] };
    let packets = names.iter().map(|name| Packet::new(name, Keys::One(key.text()))).collect();
    let decode = |_: &Request, replies: Replies| {
        let mut replies = reply::many(replies).into_iter();
        let value = replies.next().ok_or_else(|| Error::protocol("no reply to a command"))?;
        Ok((reply::to_bytes(value)?, replies.next().map(reply::to_int).transpose()?))
    };
    let request = Ok(Request::Pipeline(packets));
    Command::new::<S>("GET", Some(key.template()), request, decode).repeatable().reading()
}

/// A fill that has not found what it looks for.
struct Search<S, V: SingleValue, L> {
    fill: Arc<Fill<S, V>>,
    /// The key as it stands on the server.
    name: String,
    /// Whether it is part of the loading of this very key: to wait for oneself would take for ever.
    leads: bool,
    spawn: Option<Spawn<S, V, L>>,
    /// Until when it waits for others, and for how long that is.
    waits: Option<(Instant, Duration)>,
}

impl<S: Keyspace, V: SingleValue, L: Loader<V>> Search<S, V, L> {
    async fn run(
        self,
        loader: L,
        mut came: u64,
        mut found: Found<V::Owned>,
    ) -> Result<Fetched<V::Owned>, FillError<L::Error>> {
        let fill = &self.fill;
        let mut failures = 0;
        let leader = loop {
            match found {
                Found::Value { value, due: false } => return Ok(fill.hit(value)),
                Found::Copy(copy) => return Ok(fill.stale(&copy)?),
                Found::Value { value, due: true } => return Ok(self.refresh(loader, came, value).await),
                _ if !fill.options.coalesces || self.leads => break None,
                _ => {}
            }
            match self.join(came, matches!(found, Found::Away)).await? {
                Part::Leader(leader) => break Some(leader),
                Part::Follower(follower) | Part::Latecomer(follower) => {
                    match self.follow(follower).await? {
                        Followed::Told(fetched) => return Ok(fetched),
                        Followed::Failed => failures += 1,
                        Followed::Nothing => {}
                    }
                    // What fails takes its time: one after the other, the last would wait for all of them.
                    if failures == FAILURES {
                        return Err(FillError::Coalesced);
                    }
                }
            }
            // The leader has failed, panicked or gone, or has nothing for us: another one is to load.
            came = fill.flights().now();
            found = fill.look().await?;
        };
        let (lease, stale) = match self.seek(matches!(found, Found::Away), leader.as_ref()).await? {
            Sought::Found(fetched) => return Ok(fetched),
            Sought::Leads(lease, stale) => (lease, stale),
        };
        match found {
            Found::Undecodable => fill.note(|fills| &fills.undecodable, "undecodable"),
            Found::Nothing => fill.note(|fills| &fills.misses, "miss"),
            Found::Away | Found::Copy(_) | Found::Value { .. } => {}
        }
        let source = if lease.is_some() { Source::Filled } else { Source::Degraded };
        if let Some(leader) = &leader {
            let token = lease.as_ref().map(|lease| Arc::clone(lease.token()));
            leader.loads(token, stale.as_deref().map(Arc::from));
        }
        // Who loads alone, but not here, waits for it as others do.
        let leader = leader.or_else(|| self.spawn.is_some().then(|| Flights::alone(&self.name)));
        let follower = leader.as_ref().map(Leader::follower);
        let job = self.job(loader, lease, leader);
        let Some(stale) = stale else {
            return Ok(loaded(job.run().await?, source));
        };
        match (self.spawn, follower) {
            (Some(spawn), Some(follower)) => {
                spawn(job);
                match self.softly(follower).await {
                    Some(Stage::Done { value: Some(bytes), .. }) => {
                        Ok(Fetched { value: Some(fill.decode(&bytes)?), source })
                    }
                    Some(Stage::Done { value: None, .. }) => {
                        Ok(Fetched { value: None, source: Source::Absent })
                    }
                    // The loader is not done yet, or has failed, which its job has noted.
                    _ => Ok(fill.stale(&stale)?),
                }
            }
            _ => match job.run().await {
                Ok(value) => Ok(loaded(value, source)),
                Err(FillError::Redis(error)) if !is_away(&error) => Err(error.into()),
                Err(_) => Ok(fill.stale(&stale)?),
            },
        }
    }

    /// Waits for a load that has a task of its own, for so long as somebody with something else to give does.
    async fn softly(&self, follower: Follower) -> Option<Stage> {
        let soft = self.fill.options.soft_timeout.unwrap_or_default();
        tokio::time::timeout(soft, follower.wait(false)).await.ok().flatten()
    }

    fn job(&self, loader: L, lease: Option<Lease>, leader: Option<Leader>) -> Job<S, V, L> {
        let mut keys = LEADING.try_with(Clone::clone).unwrap_or_default();
        keys.push(self.fill.leading());
        Job { fill: Arc::clone(&self.fill), loader, lease, leader, keys }
    }

    /// Finds out who loads.
    async fn join(&self, came: u64, away: bool) -> Result<Part> {
        let (fill, flights) = (&self.fill, self.fill.flights());
        let mut part = flights.join(&self.name, came);
        if let Part::Latecomer(follower) = &mut part {
            // What it loads may have been written between its beginning and our coming; then its lease has ended.
            let joins = match follower.stage() {
                Stage::Beginning => {
                    follower.is_late = true;
                    true
                }
                // Its place is free already.
                Stage::Done { .. } | Stage::Found(_) | Stage::Failed => false,
                Stage::Loading { .. } if fill.options.refreshes => false,
                Stage::Loading { token: None, .. } => away,
                Stage::Loading { token: Some(token), .. } => match fill.place().is_held(&token).await {
                    Ok(held) => held,
                    Err(error) if fill.goes_on(&error) => true,
                    Err(error) => return Err(fill.about(error)),
                },
            };
            if !joins {
                part = flights.supersede(&self.name, follower);
            }
        }
        Ok(part)
    }

    /// Waits for another one's load.
    async fn follow(&self, follower: Follower) -> Result<Followed<V::Owned>, FillError<L::Error>> {
        let fill = &self.fill;
        let waiting = follower.wait(fill.takes_stale());
        let brought = match self.waits {
            Some((until, limit)) => match tokio::time::timeout_at(until, waiting).await {
                Ok(brought) => brought,
                Err(_) => return Err(FillError::TimedOut(limit)),
            },
            None => waiting.await,
        };
        Ok(Followed::Told(match brought {
            Some(Stage::Done { value: Some(bytes), degraded }) => {
                fill.note(|fills| &fills.coalesced, "coalesced");
                let source = if degraded { Source::Degraded } else { Source::Filled };
                Fetched { value: Some(fill.decode(&bytes)?), source }
            }
            Some(Stage::Done { value: None, .. }) if L::FINDS_NONE => fill.absent(),
            // Who refreshes wants it loaded.
            Some(Stage::Found(_)) if fill.options.refreshes => return Ok(Followed::Nothing),
            Some(Stage::Found(Some(bytes))) => fill.hit(fill.decode(&bytes)?),
            Some(Stage::Found(None)) if L::FINDS_NONE => fill.absent(),
            Some(Stage::Loading { stale: Some(stale), .. }) => fill.stale(&stale)?,
            Some(Stage::Failed) => return Ok(Followed::Failed),
            _ => return Ok(Followed::Nothing),
        }))
    }

    /// Looks for the right to load: a lease, or none when Redis is away.
    async fn seek(
        &self,
        away: bool,
        leader: Option<&Leader>,
    ) -> Result<Sought<V::Owned>, FillError<L::Error>> {
        let fill = &self.fill;
        let without_redis = || Ok(Sought::Leads(None, fill.copy().map(|copy| copy.to_vec())));
        if away {
            return without_redis();
        }
        let mode = match &fill.options {
            options if options.refreshes => Mode::Force,
            options if options.across_processes && !self.leads => Mode::Wait,
            _ => Mode::Share,
        };
        let (place, mut looks, mut pause) = (fill.place(), mode != Mode::Force, FIRST_PAUSE);
        // What an older version of the program has left is no copy.
        let usable = |stale: &Vec<u8>| fill.takes_stale() && V::decode(stale).is_ok();
        loop {
            match place.begin(mode, looks).await {
                Ok(Begun::There(bytes)) => match V::decode(&bytes) {
                    Ok(value) => {
                        self.tell(leader, Stage::Found(Some(bytes.into())));
                        return Ok(Sought::Found(fill.hit(value)));
                    }
                    Err(_) => looks = false,
                },
                Ok(Begun::Absent) if L::FINDS_NONE => {
                    self.tell(leader, Stage::Found(None));
                    return Ok(Sought::Found(fill.absent()));
                }
                Ok(Begun::Absent) => looks = false,
                Ok(Begun::Leads(lease, stale)) => {
                    return Ok(Sought::Leads(Some(lease), stale.filter(usable)));
                }
                Ok(Begun::Held(Some(stale))) if usable(&stale) => {
                    let fetched = fill.stale(&stale)?;
                    self.tell(leader, Stage::Loading { token: None, stale: Some(stale.into()) });
                    return Ok(Sought::Found(fetched));
                }
                Ok(Begun::Held(_)) => {
                    if let Some((until, limit)) = self.waits
                        && Instant::now() + pause >= until
                    {
                        return Err(FillError::TimedOut(limit));
                    }
                    tokio::time::sleep(jittered(pause)).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                    // Another process may have stored it, or found that there is none.
                    looks = true;
                }
                Err(error) if fill.goes_on(&error) => {
                    fill.redis.note_degraded(&error, Some(fill.key.template()));
                    return without_redis();
                }
                Err(error) if takes_no_writes(&error) => {
                    fill.note(|fills| &fills.not_stored, "not_stored");
                    observe!(warn, error = %error, "what is loaded can't be stored");
                    let _ = error;
                    return Ok(Sought::Leads(None, None));
                }
                Err(error) => return Err(fill.about(error).into()),
            }
        }
    }

    /// Tells those who wait what there is without a load.
    fn tell(&self, leader: Option<&Leader>, stage: Stage) {
        if let Some(leader) = leader {
            leader.tell(stage);
        }
    }

    /// Loads a value anew whose lifetime is not over yet, if nobody else does. Should that fail, there is the old one.
    async fn refresh(self, loader: L, came: u64, value: V::Owned) -> Fetched<V::Owned> {
        let fill = &self.fill;
        let leader = match fill.flights().join(&self.name, came) {
            Part::Leader(leader) if !self.leads => leader,
            _ => return fill.hit(value),
        };
        let lease = match fill.place().begin(Mode::Try, false).await {
            Ok(Begun::Leads(lease, _)) => lease,
            Ok(_) => return fill.hit(value),
            Err(error) => {
                observe!(warn, error = %error, "a value could not be refreshed early");
                let _ = error;
                return fill.hit(value);
            }
        };
        fill.note(|fills| &fills.refreshed, "refresh");
        leader.loads(Some(Arc::clone(lease.token())), None);
        let follower = leader.follower();
        let job = self.job(loader, Some(lease), Some(leader));
        if let Some(spawn) = self.spawn {
            spawn(job);
            return match self.softly(follower).await {
                Some(Stage::Done { value: Some(bytes), .. }) => match fill.decode(&bytes) {
                    Ok(value) => Fetched { value: Some(value), source: Source::Filled },
                    Err(_) => fill.hit(value),
                },
                _ => fill.hit(value),
            };
        }
        match job.run().await {
            Ok(value) => loaded(value, Source::Filled),
            Err(_) => fill.hit(value),
        }
    }
}
