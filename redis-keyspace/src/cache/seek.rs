//! Acquires the leases of the keys that a caller loads.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::error::{FillError, LoadFailure};
use super::fill::Known;
use super::kind::FilledKind;
use super::lease::{Lease, LeaseAnswer, LeaseMode, LeasePlace};
use super::load::{Awaited, Led};
use super::progress::Engine;
use crate::error::Result;
use crate::local::LoadStage;
use crate::schema::Keyspace;
use crate::time::{Backoff, from_now};

/// The first and the longest pause between two requests for a lease that another process holds.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// After this many loads of other processes that ended without a value, a caller no longer waits.
/// If the processes tried one after the other, the last one would wait for all of them.
const ENDED: u32 = 2;

/// The outcome of a request for a lease.
enum Sought {
    /// The key is known now.
    Known,
    /// This caller loads it.
    Leads(Led),
    /// Request the lease again without reading the value, which can't be used.
    Blind(Led),
    /// Request the lease again after a pause: another process is loading the key.
    Held(Led),
}

impl<S: Keyspace, V: FilledKind> Engine<'_, '_, S, V> {
    /// Acquires the leases of the keys that this caller loads. Returns those that still have to be
    /// loaded.
    pub(super) async fn seek(&mut self, led: Vec<Led>) -> Result<Vec<Led>, FillError<LoadFailure>> {
        if self.is_unavailable {
            if self.fill.binding.is_disabled {
                self.count_misses(&led);
            }
            return Ok(self.without_leases(led));
        }
        let first_mode = self.lease_mode(&led);
        let (mut asked, mut loads) = (led, Vec::new());
        let (mut looks, mut backoff) =
            (first_mode != LeaseMode::Force, Backoff::new(FIRST_PAUSE, LONGEST_PAUSE));
        while !asked.is_empty() {
            let fill = Arc::clone(&self.fill);
            let has_waited = |led: &Led| led.awaited.as_ref().is_some_and(|awaited| awaited.ended >= ENDED);
            let mode = if asked.iter().any(has_waited) { LeaseMode::Join } else { first_mode };
            let places: Vec<_> = asked
                .iter()
                .filter_map(|led| {
                    // A shared lease need not be taken over.
                    let instead_of = led.instead_of.clone().filter(|_| mode == LeaseMode::Wait);
                    Some(fill.place(fill.entries.get(led.index)?).instead_of(instead_of))
                })
                .collect();
            let answers = LeasePlace::begin(&places, mode, looks).await;
            let (mut blind, mut held) = (Vec::new(), Vec::new());
            for (led, answer) in asked.into_iter().zip(answers) {
                match self.sought(led, answer)? {
                    Sought::Known => {}
                    Sought::Leads(led) => loads.push(led),
                    Sought::Blind(led) => blind.push(led),
                    Sought::Held(led) => held.push(led),
                }
            }
            if !held.is_empty() {
                if let Some((until, limit)) = self.waits
                    && Instant::now() + backoff.at_most() >= until
                {
                    return Err(FillError::TimedOut(limit));
                }
                tokio::time::sleep(backoff.pause()).await;
            }
            // After a pause, another process may have stored a value.
            looks = blind.is_empty();
            blind.append(&mut held);
            asked = blind;
        }
        self.count_misses(&loads);
        Ok(loads)
    }

    fn count_misses(&mut self, led: &[Led]) {
        for led in led {
            let Some(entry) = self.fill.entries.get(led.index) else { continue };
            if self.counted.contains(&led.index) {
                continue;
            }
            self.counted.push(led.index);
            if self.undecodable.contains(&led.index) {
                self.fill.note(entry, |fills| &fills.undecodable, "undecodable");
            } else {
                self.fill.note(entry, |fills| &fills.misses, "miss");
            }
        }
    }

    fn lease_mode(&self, led: &[Led]) -> LeaseMode {
        let options = &self.fill.options;
        if options.refreshes {
            return LeaseMode::Force;
        }
        // A loader that requests its own key already holds the lease.
        if options.across_processes && !led.iter().any(|led| led.is_self_wait) {
            LeaseMode::Wait
        } else {
            LeaseMode::Share
        }
    }

    /// Records that another process holds the lease of a key. Once this caller has waited for that
    /// lease long enough, it takes it over.
    fn awaiting(&self, mut led: Led, token: String, after_nothing: bool) -> Led {
        let awaited = match led.awaited.take() {
            Some(awaited) if *awaited.token == *token => awaited,
            earlier => Awaited {
                until: from_now(self.fill.options.waits_for_a_load()),
                ended: earlier.map_or(0, |earlier| earlier.ended + u32::from(after_nothing)),
                token: token.into(),
            },
        };
        led.instead_of = (Instant::now() >= awaited.until).then(|| Arc::clone(&awaited.token));
        Led { awaited: Some(awaited), ..led }
    }

    /// Returns the keys to load without leases, with the copies that the process has.
    fn without_leases(&self, led: Vec<Led>) -> Vec<Led> {
        let with_copy = |led: Led| {
            let copy = self.fill.entries.get(led.index).and_then(|entry| self.fill.copy(entry));
            Led { stale: copy, ..led }
        };
        led.into_iter().map(with_copy).collect()
    }

    fn sought(
        &mut self,
        led: Led,
        answer: Result<LeaseAnswer<Lease>>,
    ) -> Result<Sought, FillError<LoadFailure>> {
        let (fill, index) = (Arc::clone(&self.fill), led.index);
        let Some(entry) = fill.entries.get(index) else { return Ok(Sought::Known) };
        // A value that can't be decoded is no stale copy.
        let usable = |stale: Option<Bytes>| {
            stale
                .filter(|stale| fill.serves_stale() && V::decode_whole(stale).is_ok())
                .map(|stale| Arc::<[u8]>::from(&*stale))
        };
        match answer {
            Ok(LeaseAnswer::Value(bytes)) => {
                let bytes: Arc<[u8]> = Arc::from(&*bytes);
                let Ok(value) = V::decode_whole(&bytes) else { return Ok(Sought::Blind(led)) };
                led.tell(LoadStage::Found(Some(Arc::clone(&bytes))));
                let known = fill.hit(entry, value);
                self.set(index, Known { bytes: entry.needs_bytes.then_some(bytes), ..known });
                Ok(Sought::Known)
            }
            Ok(LeaseAnswer::Absent) if self.loader.finds_none() => {
                led.tell(LoadStage::Found(None));
                self.set_absent(index);
                Ok(Sought::Known)
            }
            Ok(LeaseAnswer::Absent) => Ok(Sought::Blind(led)),
            Ok(LeaseAnswer::Leads(lease, stale)) => {
                Ok(Sought::Leads(Led { lease: Some(lease), stale: usable(stale), ..led }))
            }
            Ok(LeaseAnswer::Held { token, stale, after_nothing }) => match usable(stale) {
                Some(stale) => {
                    led.tell(LoadStage::Loading { token: None, stale: Some(Arc::clone(&stale)) });
                    self.serve_stale(index, stale)?;
                    Ok(Sought::Known)
                }
                None => Ok(Sought::Held(self.awaiting(led, token, after_nothing))),
            },
            Err(error) if fill.goes_on(&error) => {
                // Counted once for all keys.
                if !std::mem::replace(&mut self.is_unavailable, true) {
                    fill.note_degraded(&error);
                }
                Ok(Sought::Leads(Led { stale: fill.copy(entry), ..led }))
            }
            Err(error) if error.is_outage() => match fill.copy(entry) {
                Some(copy) => {
                    fill.note_degraded(&error);
                    led.tell(LoadStage::Loading { token: None, stale: Some(Arc::clone(&copy)) });
                    self.serve_stale(index, copy)?;
                    Ok(Sought::Known)
                }
                None => Err(error.into()),
            },
            Err(error) if error.rejects_writes() => {
                fill.note(entry, |fills| &fills.not_stored, "not_stored");
                event!(warn, "server rejects writes: the loaded value will not be stored", error = %error);
                Ok(Sought::Leads(led))
            }
            Err(error) => Err(error.into()),
        }
    }
}
