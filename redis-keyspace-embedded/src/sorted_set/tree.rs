//! A balanced tree that knows the rank of each entry.

use std::cmp::Ordering;

use bytes::Bytes;

/// A member and its score. The order is by score, then by the bytes of the member.
#[derive(Clone, Debug)]
pub(super) struct Ranked {
    pub(super) score: f64,
    pub(super) member: Bytes,
}

impl Ranked {
    fn compare(&self, other: &Self) -> Ordering {
        // A score is never NaN: the parser rejects it, and so does arithmetic on scores.
        let by_score = self.score.partial_cmp(&other.score).unwrap_or(Ordering::Equal);
        by_score.then_with(|| self.member.cmp(&other.member))
    }
}

/// A treap: a search tree by entry and a heap by priority. The priorities are pseudo-random, so the
/// expected depth is logarithmic.
#[derive(Clone, Debug, Default)]
pub(super) struct RankTree {
    root: Link,
    last_priority: u64,
}

type Link = Option<Box<Node>>;

#[derive(Clone, Debug)]
struct Node {
    entry: Ranked,
    priority: u64,
    /// The number of entries in this subtree.
    size: usize,
    left: Link,
    right: Link,
}

impl Node {
    fn update(&mut self) {
        self.size = size(&self.left).saturating_add(size(&self.right)).saturating_add(1);
    }
}

fn size(link: &Link) -> usize {
    link.as_ref().map_or(0, |node| node.size)
}

/// Splits off the entries at the start for which `is_before` is true.
fn split(link: Link, is_before: &impl Fn(&Ranked) -> bool) -> (Link, Link) {
    let Some(mut node) = link else { return (None, None) };
    if is_before(&node.entry) {
        let (left, right) = split(node.right.take(), is_before);
        node.right = left;
        node.update();
        (Some(node), right)
    } else {
        let (left, right) = split(node.left.take(), is_before);
        node.left = right;
        node.update();
        (left, Some(node))
    }
}

/// Splits off the first `count` entries.
fn split_at(link: Link, count: usize) -> (Link, Link) {
    let Some(mut node) = link else { return (None, None) };
    let before = size(&node.left);
    if before < count {
        let (left, right) = split_at(node.right.take(), count - before - 1);
        node.right = left;
        node.update();
        (Some(node), right)
    } else {
        let (left, right) = split_at(node.left.take(), count);
        node.left = right;
        node.update();
        (left, Some(node))
    }
}

/// Joins two trees. All entries of `left` are before those of `right`.
fn join(left: Link, right: Link) -> Link {
    match (left, right) {
        (None, link) | (link, None) => link,
        (Some(mut first), Some(mut second)) => {
            if first.priority >= second.priority {
                first.right = join(first.right.take(), Some(second));
                first.update();
                Some(first)
            } else {
                second.left = join(Some(first), second.left.take());
                second.update();
                Some(second)
            }
        }
    }
}

impl RankTree {
    pub(super) fn len(&self) -> usize {
        size(&self.root)
    }

    /// Inserts an entry that is not in the tree.
    pub(super) fn insert(&mut self, entry: Ranked) {
        // A step of a splitmix generator.
        self.last_priority = self.last_priority.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.last_priority ^ (self.last_priority >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let priority = mixed ^ (mixed >> 27);
        let (before, after) = split(self.root.take(), &|other| other.compare(&entry).is_lt());
        let node = Some(Box::new(Node { entry, priority, size: 1, left: None, right: None }));
        self.root = join(join(before, node), after);
    }

    pub(super) fn remove(&mut self, entry: &Ranked) {
        let (before, rest) = split(self.root.take(), &|other| other.compare(entry).is_lt());
        let (_, after) = split(rest, &|other| other.compare(entry).is_le());
        self.root = join(before, after);
    }

    /// Removes the entries with these ranks and returns their members.
    pub(super) fn remove_ranks(&mut self, ranks: &std::ops::Range<usize>) -> Vec<Bytes> {
        let (rest, after) = split_at(self.root.take(), ranks.end);
        let (before, removed) = split_at(rest, ranks.start);
        self.root = join(before, after);
        let removed = Self { root: removed, last_priority: 0 };
        removed.walk(Step::Up, 0).map(|entry| entry.member.clone()).collect()
    }

    /// Returns the number of entries before this one.
    pub(super) fn rank(&self, entry: &Ranked) -> usize {
        self.partition(|other| other.compare(entry).is_lt())
    }

    /// Returns the number of entries at the start for which `is_before` is true.
    pub(super) fn partition(&self, is_before: impl Fn(&Ranked) -> bool) -> usize {
        let (mut link, mut count) = (&self.root, 0_usize);
        while let Some(node) = link {
            if is_before(&node.entry) {
                count = count.saturating_add(size(&node.left)).saturating_add(1);
                link = &node.right;
            } else {
                link = &node.left;
            }
        }
        count
    }

    /// Returns the entries in one direction. Skips the first `skipped` entries in that direction.
    pub(super) fn walk(&self, step: Step, skipped: usize) -> Walk<'_> {
        let mut walk = Walk { step, path: Vec::new() };
        let (mut link, mut skipped) = (&self.root, skipped);
        while let Some(node) = link {
            let (near, far) = step.children(node);
            match skipped.checked_sub(size(near)) {
                None | Some(0) => {
                    walk.path.push(node);
                    link = near;
                }
                Some(more) => {
                    skipped = more - 1;
                    link = far;
                }
            }
        }
        walk
    }
}

/// A direction: from low to high ranks, or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Up,
    Down,
}

impl Step {
    /// Returns the subtrees that are visited before and after the node.
    fn children(self, node: &Node) -> (&Link, &Link) {
        match self {
            Self::Up => (&node.left, &node.right),
            Self::Down => (&node.right, &node.left),
        }
    }
}

/// An iterator over entries.
pub(super) struct Walk<'a> {
    step: Step,
    /// The nodes that are visited later and are not below another one of them.
    path: Vec<&'a Node>,
}

impl<'a> Iterator for Walk<'a> {
    type Item = &'a Ranked;

    fn next(&mut self) -> Option<&'a Ranked> {
        let node = self.path.pop()?;
        let (_, mut link) = self.step.children(node);
        while let Some(node) = link {
            self.path.push(node);
            link = self.step.children(node).0;
        }
        Some(&node.entry)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{RankTree, Ranked, Step};

    fn entry(number: u8) -> Ranked {
        Ranked { score: f64::from(number / 2), member: Bytes::copy_from_slice(&[number]) }
    }

    fn members(tree: &RankTree, step: Step, skipped: usize) -> Vec<u8> {
        tree.walk(step, skipped).map(|entry| entry.member[0]).collect()
    }

    fn depth(link: &super::Link) -> usize {
        link.as_ref().map_or(0, |node| 1 + depth(&node.left).max(depth(&node.right)))
    }

    #[test]
    fn a_tree_of_sorted_input_is_shallow() {
        let mut tree = RankTree::default();
        for number in 0..10_000_u32 {
            tree.insert(Ranked { score: f64::from(number), member: Bytes::new() });
        }
        assert!(depth(&tree.root) < 60, "{}", depth(&tree.root));
    }

    proptest! {
        #[test]
        fn a_tree_is_a_sorted_list(
            steps in prop::collection::vec((any::<u8>(), any::<bool>()), 0..200),
            skipped in 0..100_usize,
            (start, end) in (0..100_usize, 0..100_usize),
        ) {
            let (mut tree, mut list) = (RankTree::default(), std::collections::BTreeSet::new());
            for (number, adds) in steps {
                if adds && list.insert(number) {
                    tree.insert(entry(number));
                } else if !adds && list.remove(&number) {
                    tree.remove(&entry(number));
                }
            }
            let list: Vec<u8> = list.into_iter().collect();
            prop_assert_eq!(tree.len(), list.len());
            for (rank, &number) in list.iter().enumerate() {
                prop_assert_eq!(tree.rank(&entry(number)), rank);
            }
            let expected: Vec<u8> = list.iter().copied().skip(skipped).collect();
            prop_assert_eq!(members(&tree, Step::Up, skipped), expected);
            let expected: Vec<u8> = list.iter().rev().copied().skip(skipped).collect();
            prop_assert_eq!(members(&tree, Step::Down, skipped), expected);
            let half = list.iter().filter(|&&number| number / 2 < 40).count();
            prop_assert_eq!(tree.partition(|entry| entry.score < 40.0), half);

            let end = end.min(list.len());
            let ranks = start.min(end)..end;
            let removed: Vec<u8> = tree.remove_ranks(&ranks).iter().map(|member| member[0]).collect();
            prop_assert_eq!(&removed, &list[ranks.clone()]);
            let kept = [&list[..ranks.start], &list[ranks.end..]].concat();
            prop_assert_eq!(members(&tree, Step::Up, 0), kept);
        }
    }
}
