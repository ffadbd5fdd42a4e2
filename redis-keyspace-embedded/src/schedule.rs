//! Keys that are due at a time.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

/// Each key is due at most once.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    times: HashMap<Bytes, i64>,
    order: BTreeSet<(i64, Bytes)>,
}

impl Schedule {
    /// Sets or removes the time of a key.
    pub(crate) fn set(&mut self, key: &[u8], time: Option<i64>) {
        if self.times.get(key).copied() == time {
            return;
        }
        if let Some((key, before)) = self.times.remove_entry(key) {
            self.order.remove(&(before, key));
        }
        if let Some(time) = time {
            let key = Bytes::copy_from_slice(key);
            self.order.insert((time, key.clone()));
            self.times.insert(key, time);
        }
    }

    /// Removes and returns a key whose time has come.
    pub(crate) fn pop(&mut self, now: i64) -> Option<Bytes> {
        self.order.first().filter(|(time, _)| *time <= now)?;
        let (_, key) = self.order.pop_first()?;
        self.times.remove(&key);
        Some(key)
    }

    pub(crate) fn clear(&mut self) {
        self.times.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn a_key_is_due_once() {
        let mut schedule = Schedule::default();
        schedule.set(b"a", Some(3));
        schedule.set(b"b", Some(2));
        schedule.set(b"a", Some(1));
        schedule.set(b"c", Some(1));
        schedule.set(b"c", None);
        assert_eq!(schedule.pop(0), None);
        assert_eq!(schedule.pop(2).as_deref(), Some(&b"a"[..]));
        assert_eq!(schedule.pop(2).as_deref(), Some(&b"b"[..]));
        assert_eq!(schedule.pop(9), None);
    }
}
