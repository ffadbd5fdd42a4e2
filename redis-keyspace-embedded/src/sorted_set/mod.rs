//! Sorted sets.

mod bounds;
mod tree;

use std::ops::Range;

use bytes::Bytes;

pub(crate) use bounds::{LexBound, LexRange, ScoreRange};
pub(crate) use tree::Step;
use tree::{RankTree, Ranked};

use crate::compact::CompactSize;
use crate::ordered::Ordered;

/// Members ordered by score, then by their bytes.
#[derive(Clone, Debug)]
pub(crate) struct SortedSet {
    scores: Ordered<f64>,
    order: RankTree,
    compact: CompactSize,
    /// Whether a real server stores it as a skip list, which it then keeps. A small one is a list
    /// without the score -0.
    is_large: bool,
}

impl Default for SortedSet {
    fn default() -> Self {
        let (scores, order) = (Ordered::default(), RankTree::default());
        Self { scores, order, compact: CompactSize::SORTED_SET, is_large: false }
    }
}

impl SortedSet {
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn is_large(&self) -> bool {
        self.is_large
    }

    /// Sets the sizes for the following changes.
    pub(crate) fn set_compact(&mut self, compact: CompactSize) {
        self.compact = compact;
    }

    /// Selects the form again, as a real server does for the result of a command.
    pub(crate) fn repack(&mut self, compact: CompactSize) {
        self.compact = compact;
        self.is_large =
            self.len() > compact.items || self.scores.iter().any(|(member, _)| member.len() > compact.length);
    }

    pub(crate) fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).copied()
    }

    /// Sets the score of `member` and returns the previous one.
    pub(crate) fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let before = self.score(member);
        if before.is_some_and(|before| before == score) {
            return before;
        }
        let CompactSize { items, length } = self.compact;
        self.is_large |= before.is_none() && (self.len() >= items || member.len() > length);
        let score = if self.is_large { score } else { score + 0.0 }; // turns -0 into 0
        let member = Bytes::copy_from_slice(member);
        if let Some(score) = before {
            self.order.remove(&Ranked { score, member: member.clone() });
        }
        self.scores.insert(&member, score);
        self.order.insert(Ranked { score, member });
        before
    }

    /// Removes `member` and returns its score.
    pub(crate) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let score = self.scores.remove(member)?;
        self.order.remove(&Ranked { score, member: Bytes::copy_from_slice(member) });
        Some(score)
    }

    /// Removes the members with these ranks. Returns their number.
    pub(crate) fn remove_ranks(&mut self, ranks: &Range<usize>) -> usize {
        let removed = self.order.remove_ranks(ranks);
        for member in &removed {
            self.scores.remove(member);
        }
        removed.len()
    }

    /// Returns the number of members before `member`.
    pub(crate) fn rank(&self, member: &[u8]) -> Option<usize> {
        let score = self.score(member)?;
        Some(self.order.rank(&Ranked { score, member: Bytes::copy_from_slice(member) }))
    }

    /// Returns members and scores, lowest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, f64)> {
        self.ranks(0..self.len(), Step::Up)
    }

    /// Returns the members with these ranks, and their scores. `step` is the order of the result.
    pub(crate) fn ranks(&self, ranks: Range<usize>, step: Step) -> impl Iterator<Item = (&Bytes, f64)> {
        let skipped = match step {
            Step::Up => ranks.start,
            Step::Down => self.len().saturating_sub(ranks.end),
        };
        let entries = self.order.walk(step, skipped).take(ranks.len());
        entries.map(|entry| (&entry.member, entry.score))
    }

    /// Returns the ranks of the members with scores in the range.
    pub(crate) fn ranks_by_score(&self, range: &ScoreRange) -> Range<usize> {
        let start = self.order.partition(|entry| range.is_below(entry.score));
        let end = self.order.partition(|entry| !range.is_above(entry.score));
        start.min(end)..end
    }

    /// Returns the ranks of the members in the range, without the first `offset` ones in the order
    /// of `step`. All scores should be equal. If they are not, a small set gets the same range as
    /// on a real server, which tests one end of the range only to find the first member, and the
    /// other end only after the offset.
    pub(crate) fn ranks_by_member(&self, range: &LexRange<'_>, step: Step, offset: usize) -> Range<usize> {
        let members = |skipped| self.order.walk(step, skipped).map(|entry| &entry.member);
        let end = |step| self.order.walk(step, 0).next().map(|entry| &entry.member);
        let reaches_into = |first: &Bytes, last: &Bytes| !range.is_above(first) && !range.is_below(last);
        match (end(Step::Up), end(Step::Down)) {
            (Some(first), Some(last)) if !range.is_empty() && reaches_into(first, last) => {}
            _ => return 0..0,
        }
        let is_before = |member: &[u8]| match step {
            Step::Up => range.is_below(member),
            Step::Down => range.is_above(member),
        };
        let is_after = |member: &[u8]| match step {
            Step::Up => range.is_above(member),
            Step::Down => range.is_below(member),
        };
        let (skipped, found) = if self.is_large {
            let below = self.order.partition(|entry| range.is_below(&entry.member));
            let above = self.len() - self.order.partition(|entry| !range.is_above(&entry.member));
            let skipped = if step == Step::Up { below } else { above };
            (skipped.saturating_add(offset), self.len().saturating_sub(below.saturating_add(above)))
        } else {
            let skipped = members(0).take_while(|member| is_before(member)).count();
            match members(skipped).next() {
                Some(first) if !is_after(first) => {}
                _ => return 0..0,
            }
            let skipped = skipped.saturating_add(offset);
            let found = members(skipped).take_while(|member| !is_after(member)).count();
            (skipped, found.saturating_add(offset))
        };
        let found = found.saturating_sub(offset);
        match step {
            Step::Up => skipped..skipped.saturating_add(found),
            Step::Down => {
                let end = self.len().saturating_sub(skipped);
                end.saturating_sub(found)..end
            }
        }
    }

    /// Returns a page of members with scores, and the next cursor, which is 0 after the last page.
    /// The page of a small set has all members, lowest first.
    pub(crate) fn scan(&self, cursor: u64, steps: usize) -> (Vec<(&Bytes, f64)>, u64) {
        if !self.is_large {
            return (self.iter().collect(), 0);
        }
        let (page, next) = self.scores.walk(cursor, steps);
        (page.into_iter().map(|(member, score)| (member, *score)).collect(), next)
    }
}

impl FromIterator<(Bytes, f64)> for SortedSet {
    fn from_iter<I: IntoIterator<Item = (Bytes, f64)>>(members: I) -> Self {
        let members: Vec<_> = members.into_iter().collect();
        let CompactSize { items, length } = CompactSize::SORTED_SET;
        let is_large = members.len() > items || members.iter().any(|(member, _)| member.len() > length);
        let mut sorted = Self { is_large, ..Self::default() };
        for (member, score) in &members {
            sorted.insert(member, *score);
        }
        sorted
    }
}
