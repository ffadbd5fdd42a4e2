//! Random samples of a collection.

/// How many items a sample has, and whether they may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    /// Different items, at most this many.
    Distinct(usize),
    /// Items that may repeat, exactly this many.
    Repeating(usize),
}

impl Sample {
    /// Returns the sample for a count, which is negative if items may repeat. `limit` is the size
    /// of a reply that is too large: a reply with more items closes the connection in any case.
    pub(super) fn of(count: i64, limit: usize) -> Self {
        /// The fewest bytes of an item in a reply.
        const ITEM: usize = 6;
        let items = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        if count < 0 { Self::Repeating(items.min(limit / ITEM + 1)) } else { Self::Distinct(items) }
    }
}

/// Returns the places of a sample of `len` items. The same seed always selects the same places.
pub(super) fn places(sample: Sample, len: usize, seed: u64) -> Box<dyn Iterator<Item = usize>> {
    let mut state = seed;
    let mut below = move |limit: usize| {
        // xorshift64*, whose state must not be 0.
        state = state.max(1);
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let number = usize::try_from(state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32).unwrap_or_default();
        number % limit.max(1)
    };
    match sample {
        _ if len == 0 => Box::new(std::iter::empty()),
        Sample::Repeating(count) => Box::new((0..count).map(move |_| below(len))),
        Sample::Distinct(count) => {
            // The first part of a shuffle.
            let mut all: Vec<usize> = (0..len).collect();
            for place in 0..count.min(len) {
                all.swap(place, place + below(len - place));
            }
            Box::new(all.into_iter().take(count))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Sample, places};

    #[test]
    fn samples_have_the_size_that_was_asked_for() {
        for seed in 0..50 {
            let mut distinct: Vec<usize> = places(Sample::Distinct(4), 5, seed).collect();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), 4);
            assert_eq!(places(Sample::Distinct(9), 5, seed).count(), 5);
            let repeating: Vec<usize> = places(Sample::Repeating(9), 5, seed).collect();
            assert!(repeating.len() == 9 && repeating.iter().all(|place| *place < 5));
            assert_eq!(places(Sample::Repeating(9), 0, seed).count(), 0);
        }
    }

    #[test]
    fn every_item_is_selected_now_and_then() {
        let mut seen: Vec<usize> = (0..200).flat_map(|seed| places(Sample::Distinct(1), 5, seed)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn huge_counts_are_limited() {
        assert_eq!(Sample::of(-i64::MAX, 600), Sample::Repeating(101));
        assert_eq!(Sample::of(3, 0), Sample::Distinct(3));
    }
}
