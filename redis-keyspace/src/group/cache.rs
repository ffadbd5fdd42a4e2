//! The generations that this process remembers, for those who ask less often.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustc_hash::FxBuildHasher;
use tokio::time::Instant;

/// How many groups are remembered at most, in two halves.
const MOST: usize = 10_000;
/// Groups that share a mark: the invalidation of one keeps what was being read of the others from being remembered.
const MARKS: usize = 64;

/// The generations of groups as they were read last.
#[derive(Default)]
pub(crate) struct Generations {
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    young: HashMap<String, Read>,
    /// What was young until there were too many, and goes with the next that are.
    old: HashMap<String, Read>,
    /// How often groups were invalidated here.
    invalidated: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Read {
    generation: u64,
    /// When it was asked for.
    at: Instant,
}

/// A generation that is being read. What was invalidated meanwhile is not remembered.
pub(super) struct Reading<'g> {
    generations: &'g Generations,
    group: String,
    at: Instant,
    mark: u64,
}

/// An invalidation under way: nobody here gets the generation from before it, however it ends.
pub(super) struct Invalidating<'g> {
    generations: &'g Generations,
    group: String,
}

impl Generations {
    /// The generation of a group, if it was read no longer ago than this.
    pub(super) fn get(&self, group: &str, no_longer_ago: Duration) -> Option<u64> {
        let remembered = self.lock();
        let read = remembered.young.get(group).or_else(|| remembered.old.get(group))?;
        (read.at.elapsed() < no_longer_ago).then_some(read.generation)
    }

    /// To be called before a generation is read.
    pub(super) fn reading(&self, group: String) -> Reading<'_> {
        let mark = self.lock().mark(&group);
        Reading { generations: self, group, at: Instant::now(), mark }
    }

    /// To be called before a group is invalidated.
    pub(super) fn invalidating(&self, group: String) -> Invalidating<'_> {
        self.lock().forget(&group);
        Invalidating { generations: self, group }
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn place(group: &str) -> usize {
        usize::try_from(FxBuildHasher.hash_one(group)).unwrap_or_default() % MARKS
    }

    fn mark(&self, group: &str) -> u64 {
        self.invalidated.get(Self::place(group)).copied().unwrap_or_default()
    }

    fn forget(&mut self, group: &str) {
        self.young.remove(group);
        self.old.remove(group);
        self.invalidated.resize(MARKS, 0);
        if let Some(mark) = self.invalidated.get_mut(Self::place(group)) {
            *mark += 1;
        }
    }
}

impl Reading<'_> {
    /// Remembers what was read.
    pub(super) fn done(self, generation: u64) {
        let mut remembered = self.generations.lock();
        if remembered.mark(&self.group) != self.mark {
            return;
        }
        if remembered.young.len() >= MOST / 2 {
            remembered.old = std::mem::take(&mut remembered.young);
        }
        remembered.old.remove(&self.group);
        remembered.young.insert(self.group, Read { generation, at: self.at });
    }
}

impl Drop for Invalidating<'_> {
    fn drop(&mut self) {
        // Once more: what was read while it was under way may be from before or after it.
        self.generations.lock().forget(&self.group);
    }
}

impl fmt::Debug for Generations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generations").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn read(generations: &Generations, group: &str, generation: u64) {
        generations.reading(group.to_owned()).done(generation);
    }

    #[test]
    fn what_was_invalidated_meanwhile_is_not_remembered() {
        let generations = Generations::default();
        read(&generations, "a", 1);
        assert_eq!(generations.get("a", HOUR), Some(1));
        assert_eq!(generations.get("a", Duration::ZERO), None);
        let before = generations.reading("a".to_owned());
        let under_way = generations.invalidating("a".to_owned());
        assert_eq!(generations.get("a", HOUR), None);
        let during = generations.reading("a".to_owned());
        before.done(1);
        assert_eq!(generations.get("a", HOUR), None);
        let also_during = generations.reading("a".to_owned());
        also_during.done(1);
        drop(under_way);
        assert_eq!(generations.get("a", HOUR), None);
        during.done(1);
        assert_eq!(generations.get("a", HOUR), None);
        read(&generations, "a", 2);
        assert_eq!(generations.get("a", HOUR), Some(2));
    }

    #[test]
    fn they_stay_few() {
        let generations = Generations::default();
        for group in 0..3 * MOST as u64 {
            read(&generations, &group.to_string(), group);
            assert_eq!(generations.get(&group.to_string(), HOUR), Some(group));
        }
        let remembered = generations.lock();
        assert!(remembered.young.len() + remembered.old.len() <= MOST);
    }
}
