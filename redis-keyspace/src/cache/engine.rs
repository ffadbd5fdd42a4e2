//! The engine of `get_or_set` and its variants, for any number of keys. It finds out which keys
//! this caller loads and which another caller is loading, acquires the leases, loads, and waits for
//! the others.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::error::{FailureCause, FillError, LoadFailure};
use super::fill::{FillEntry, Known};
use super::kind::FilledKind;
use super::lease::{LeaseAnswer, LeaseMode, LeasePlace};
use super::load::{Ended, Led, Load, Loaded};
use super::look::{Finding, Looked};
use super::lookup::ValueSource;
use super::progress::{Engine, Filled};
use crate::error::{Error, Result};
use crate::local::{Follower, LoadRole, LoadStage};
use crate::schema::Keyspace;
use crate::time::from_now;

/// After this many failures of other callers' loaders, a caller that waits for them fails.
const FAILURES: u32 = 2;

/// The outcome of waiting for another caller's load.
enum Followed {
    Known,
    Failed(FailureCause),
    /// The leader ended without an outcome, or has none for this caller.
    Nothing,
    /// The load takes too long for this caller.
    Overdue(Follower),
}

impl<S: Keyspace, V: FilledKind> Engine<'_, '_, S, V> {
    /// Fills the keys after a first read. `came` is the moment before that read, as counted by
    /// [`Flights`](crate::local::Flights).
    pub(super) async fn run(mut self, came: u64, looked: Looked<V::Value>) -> Filled<V::Value> {
        self.take_look(looked, came).await?;
        let mut missing: Vec<usize> = self.unknown().collect();
        let (mut came, mut failures, mut overdue) = (came, 0, HashMap::new());
        while !missing.is_empty() {
            let (led, followed) = self.join(std::mem::take(&mut missing), overdue, came).await?;
            let led = self.seek(led).await?;
            if !led.is_empty() {
                self.load(led).await?;
            }
            // Only after this caller's own loads: another caller may be waiting for them.
            let (mut has_failed, mut cause) = (false, None);
            overdue = HashMap::new();
            let until = from_now(self.fill.options.waits_for_a_load());
            for (index, follower) in followed {
                match self.follow(index, follower, until).await? {
                    Followed::Known => continue,
                    Followed::Overdue(follower) => drop(overdue.insert(index, follower)),
                    Followed::Failed(told) => (has_failed, cause) = (true, Some(told)),
                    Followed::Nothing => {}
                }
                missing.push(index);
            }
            // Waiting has a limit, because failing loaders take time: if the callers tried one
            // after the other, the last one would wait for all of them.
            failures += u32::from(has_failed);
            if failures == FAILURES {
                return Err(cause.unwrap_or_default().into());
            }
            if missing.is_empty() {
                break;
            }
            // The leader ended or is slow. All of its followers read again at the same time, then
            // one of them loads, and the others follow that one. If they took turns, each would
            // wait for its own failure.
            came = self.fill.flights().now();
            let looked = self.fill.look().await?;
            self.take_look(looked, came).await?;
            missing.retain(|&index| self.known.get(index).is_some_and(Option::is_none));
        }
        let missing = || Error::protocol("a fill ended without a value for a key");
        self.known.into_iter().map(|known| known.ok_or_else(|| missing().into())).collect()
    }

    /// Records the findings of a read of all keys, for keys that are not known yet.
    async fn take_look(&mut self, looked: Looked<V::Value>, came: u64) -> Result<()> {
        self.is_unavailable = matches!(looked, Looked::Unavailable);
        let is_known = |engine: &Self, index: usize| engine.known.get(index).is_some_and(Option::is_some);
        match looked {
            Looked::Read(findings) => {
                for (index, finding) in findings.into_iter().enumerate() {
                    if !is_known(self, index) {
                        self.take_finding(index, finding, came).await;
                    }
                }
            }
            Looked::Unavailable => {}
            Looked::Copies(copies) => {
                for (index, copy) in copies.into_iter().enumerate() {
                    if !is_known(self, index) {
                        self.serve_stale(index, copy)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn unknown(&self) -> impl Iterator<Item = usize> {
        self.known.iter().enumerate().filter(|(_, known)| known.is_none()).map(|(index, _)| index)
    }

    async fn take_finding(&mut self, index: usize, finding: Finding<V::Value>, came: u64) {
        match finding {
            Finding::Value { value, bytes, due } => {
                let fill = Arc::clone(&self.fill);
                let Some(entry) = fill.entries.get(index) else { return };
                let bytes = entry.needs_bytes.then(|| Arc::from(&*bytes));
                let known = if due {
                    self.refresh_early(entry, index, value, came).await
                } else {
                    fill.hit(entry, value)
                };
                self.set(index, Known { bytes, ..known });
            }
            Finding::Nothing => {}
            Finding::Undecodable if self.undecodable.contains(&index) => {}
            Finding::Undecodable => self.undecodable.push(index),
        }
    }

    /// Splits the keys into those that this caller loads and those that another caller in this
    /// process is loading.
    ///
    /// This caller has waited for the loads in `overdue` long enough. It replaces them, or follows
    /// the caller that replaced them.
    async fn join(
        &mut self,
        missing: Vec<usize>,
        mut overdue: HashMap<usize, Follower>,
        came: u64,
    ) -> Result<(Vec<Led>, Vec<(usize, Follower)>)> {
        let (mut led, mut followed, mut superseded) = (Vec::new(), Vec::new(), Vec::new());
        // Loads that started before this caller arrived. If their keys were written since then,
        // their leases have ended. So this caller asks the server whether they are still held.
        let (mut late, mut asked) = (Vec::new(), Vec::new());
        let fill = Arc::clone(&self.fill);
        for index in missing {
            let Some(entry) = fill.entries.get(index) else { continue };
            let is_self_wait = fill.is_loading(entry);
            if !fill.options.coalesces || is_self_wait {
                led.push(Led { is_self_wait, ..Led::alone(index) });
                continue;
            }
            if let Some(old) = overdue.remove(&index) {
                superseded.push((index, old));
                continue;
            }
            match fill.flights().join(&entry.name, came) {
                LoadRole::Leader(leader) => led.push(Led::of(index, leader)),
                LoadRole::Follower(follower) => followed.push((index, follower)),
                LoadRole::Latecomer(mut follower) => match follower.stage() {
                    LoadStage::Beginning => {
                        follower.is_late = true;
                        followed.push((index, follower));
                    }
                    LoadStage::Loading { .. } if fill.options.refreshes => superseded.push((index, follower)),
                    LoadStage::Loading { token: None, .. } if self.is_unavailable => {
                        followed.push((index, follower));
                    }
                    LoadStage::Loading { token: Some(token), .. } => {
                        asked.push((fill.place(entry), token));
                        late.push((index, follower));
                    }
                    LoadStage::Loading { token: None, .. }
                    | LoadStage::Found(_)
                    | LoadStage::Done { .. }
                    | LoadStage::Failed(_) => superseded.push((index, follower)),
                },
            }
        }
        let held = match LeasePlace::are_held(&asked).await {
            Err(error) if fill.goes_on(&error) => vec![true; asked.len()],
            Err(error) if error.is_outage() => {
                for (index, _) in std::mem::take(&mut late) {
                    let copy = fill.entries.get(index).and_then(|entry| fill.copy(entry));
                    self.serve_stale(index, copy.ok_or_else(|| error.clone())?)?;
                }
                fill.note_degraded(&error);
                Vec::new()
            }
            held => held?,
        };
        for ((index, follower), held) in late.into_iter().zip(held) {
            if held {
                followed.push((index, follower));
            } else {
                superseded.push((index, follower));
            }
        }
        for (index, old) in superseded {
            let Some(entry) = fill.entries.get(index) else { continue };
            match fill.flights().supersede(&entry.name, &old) {
                LoadRole::Leader(leader) => {
                    let instead_of = match old.stage() {
                        LoadStage::Loading { token, .. } => token,
                        _ => None,
                    };
                    led.push(Led { instead_of, ..Led::of(index, leader) });
                }
                LoadRole::Follower(follower) | LoadRole::Latecomer(follower) => {
                    followed.push((index, follower))
                }
            }
        }
        let leading = fill.leading();
        let mut waits = |(index, follower): &mut (usize, Follower)| {
            let Some(entry) = fill.entries.get(*index) else { return false };
            let waits = fill.flights().wait_for(leading.clone(), &entry.name, follower);
            if !waits {
                led.push(Led { is_self_wait: true, ..Led::alone(*index) });
            }
            waits
        };
        followed.retain_mut(&mut waits);
        Ok((led, followed))
    }

    /// Loads the keys. Serves their stale copies if the load fails or takes too long.
    async fn load(&mut self, led: Vec<Led>) -> Result<(), FillError<LoadFailure>> {
        let sources: Vec<_> = led
            .iter()
            .map(|led| if led.lease.is_some() { ValueSource::Filled } else { ValueSource::Degraded })
            .collect();
        let stale: Option<Vec<_>> = led.iter().map(|led| led.stale.clone()).collect();
        for Led { leader, lease, stale, .. } in &led {
            if let Some(leader) = leader {
                leader.loads(lease.as_ref().map(|lease| Arc::clone(lease.token())), stale.clone());
            }
        }
        let load = Load::new(Arc::clone(&self.fill), led, stale.is_some());
        let indices = load.indices();
        match (self.loader.start(load).await, stale) {
            (Ended::Loaded(loaded), _) => {
                for ((index, source), loaded) in indices.into_iter().zip(sources).zip(loaded) {
                    self.set_loaded(index, loaded, source);
                }
                Ok(())
            }
            (Ended::Failed(FillError::Redis(error)), _) if !error.is_outage() => Err(error.into()),
            (Ended::Failed(error), None) => Err(error),
            (Ended::Failed(_) | Ended::Pending, Some(stale)) => {
                for (index, stale) in indices.into_iter().zip(stale) {
                    self.serve_stale(index, stale)?;
                }
                Ok(())
            }
            // Only a load with a fallback moves to the background.
            (Ended::Pending, None) => {
                Err(Error::protocol("a load went to the background without a fallback").into())
            }
        }
    }

    fn set_loaded(&mut self, index: usize, loaded: Loaded<V::Value>, source: ValueSource) {
        let Loaded { value, encoded } = loaded;
        if self.fill.binding.is_disabled && (value.is_some() || self.fill.options.negative_ttl.is_some()) {
            let template = self.fill.entries.get(index).map(|entry| entry.key.template());
            self.fill.binding.counters.note_dropped(template);
        }
        let source = if value.is_some() { source } else { ValueSource::Absent };
        let needs_bytes = self.fill.entries.get(index).is_some_and(|entry| entry.needs_bytes);
        self.set(index, Known { value, bytes: encoded.filter(|_| needs_bytes), source });
    }

    /// Waits for another caller's load until it is overdue.
    async fn follow(
        &mut self,
        index: usize,
        mut follower: Follower,
        overdue: Instant,
    ) -> Result<Followed, FillError<LoadFailure>> {
        let fill = Arc::clone(&self.fill);
        let Some(entry) = fill.entries.get(index) else { return Ok(Followed::Known) };
        let total = self.waits.filter(|(until, _)| *until <= overdue);
        let until = total.map_or(overdue, |(until, _)| until);
        let Ok(told) = tokio::time::timeout_at(until, follower.wait(fill.serves_stale())).await else {
            return total
                .map_or(Ok(Followed::Overdue(follower)), |(_, limit)| Err(FillError::TimedOut(limit)));
        };
        match told {
            Some(LoadStage::Done { value: Some(bytes), degraded }) => {
                let source = if degraded { ValueSource::Degraded } else { ValueSource::Filled };
                let known = fill.known(entry, bytes, source)?;
                fill.note(entry, |fills| &fills.coalesced, "coalesced");
                self.set(index, known);
            }
            // A refresh needs a loaded value, not a found one.
            Some(LoadStage::Found(_)) if fill.options.refreshes => return Ok(Followed::Nothing),
            Some(LoadStage::Found(Some(bytes))) => {
                let known = fill.known(entry, bytes, ValueSource::Hit)?;
                fill.note(entry, |fills| &fills.hits, "hit");
                self.set(index, known);
            }
            Some(LoadStage::Done { value: None, .. } | LoadStage::Found(None))
                if self.loader.finds_none() =>
            {
                self.set_absent(index);
            }
            Some(LoadStage::Loading { stale: Some(stale), .. }) => self.serve_stale(index, stale)?,
            Some(LoadStage::Failed(cause)) => {
                let cause = cause.as_deref().and_then(|cause| cause.downcast_ref::<FailureCause>());
                return Ok(Followed::Failed(cause.cloned().unwrap_or_default()));
            }
            _ => return Ok(Followed::Nothing),
        }
        Ok(Followed::Known)
    }

    /// Reloads a value that has not expired yet, unless another caller is reloading it. If the load
    /// fails, returns the existing value.
    async fn refresh_early(
        &mut self,
        entry: &FillEntry<S, V>,
        index: usize,
        value: V::Value,
        came: u64,
    ) -> Known<V::Value> {
        let fill = Arc::clone(&self.fill);
        if fill.is_loading(entry) {
            return fill.hit(entry, value);
        }
        let LoadRole::Leader(leader) = fill.flights().join(&entry.name, came) else {
            return fill.hit(entry, value);
        };
        let lease = match fill.place(entry).begin_one(LeaseMode::Try, false).await {
            Ok(LeaseAnswer::Leads(lease, _)) => lease,
            Ok(_) => return fill.hit(entry, value),
            Err(error) => {
                event!(warn, "value not refreshed early", error = %error);
                return fill.hit(entry, value);
            }
        };
        fill.note(entry, |fills| &fills.refreshed, "refresh");
        leader.loads(Some(Arc::clone(lease.token())), None);
        let led = vec![Led { lease: Some(lease), ..Led::of(index, leader) }];
        let load = Load::new(Arc::clone(&fill), led, true);
        match self.loader.start(load).await {
            Ended::Loaded(mut loaded) => match loaded.pop() {
                Some(Loaded { value, .. }) => {
                    let source = if value.is_some() { ValueSource::Filled } else { ValueSource::Absent };
                    Known { value, bytes: None, source }
                }
                None => fill.hit(entry, value),
            },
            Ended::Failed(_) | Ended::Pending => fill.hit(entry, value),
        }
    }
}
