//! Cycles of a directed graph.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A directed graph.
#[derive(Debug)]
pub(crate) struct Graph<N> {
    successors: BTreeMap<N, BTreeSet<N>>,
}

impl<N: Copy + Ord> Graph<N> {
    /// Creates a graph. Edges from a node to itself are ignored.
    pub(crate) fn new(edges: impl IntoIterator<Item = (N, N)>) -> Self {
        let mut successors = BTreeMap::<N, BTreeSet<N>>::new();
        for (from, to) in edges {
            if from != to {
                successors.entry(from).or_default().insert(to);
            }
        }
        Self { successors }
    }

    pub(crate) fn edges(&self) -> usize {
        self.successors.values().map(BTreeSet::len).sum()
    }

    /// Returns the number of nodes in cycles.
    pub(crate) fn nodes_in_cycles(&self) -> usize {
        self.successors.keys().filter(|node| self.paths_from(**node).contains_key(node)).count()
    }

    /// Returns cycles without common edges, shortest first. Without the edges of these cycles, the
    /// graph has no cycle. In each, the last node leads to the first.
    pub(crate) fn into_cycles(mut self) -> Vec<Vec<N>> {
        let mut cycles = Vec::new();
        while let Some(cycle) = self.shortest_cycle() {
            for (from, to) in edges_of(&cycle) {
                if let Some(successors) = self.successors.get_mut(&from) {
                    successors.remove(&to);
                }
            }
            cycles.push(cycle);
        }
        cycles
    }

    fn shortest_cycle(&self) -> Option<Vec<N>> {
        self.successors.keys().filter_map(|node| self.shortest_cycle_through(*node)).min_by_key(Vec::len)
    }

    /// Returns the shortest cycle through a node, which comes first.
    fn shortest_cycle_through(&self, node: N) -> Option<Vec<N>> {
        let came_from = self.paths_from(node);
        let mut cycle = Vec::new();
        let mut last = *came_from.get(&node)?;
        while last != node {
            cycle.push(last);
            last = *came_from.get(&last)?;
        }
        cycle.push(node);
        cycle.reverse();
        Some(cycle)
    }

    /// Returns all nodes that are reachable by one edge or more, each with its predecessor on a
    /// shortest path.
    fn paths_from(&self, start: N) -> BTreeMap<N, N> {
        let mut came_from = BTreeMap::new();
        let mut pending = VecDeque::from([start]);
        while let Some(node) = pending.pop_front() {
            for successor in self.successors.get(&node).into_iter().flatten() {
                if !came_from.contains_key(successor) {
                    came_from.insert(*successor, node);
                    pending.push_back(*successor);
                }
            }
        }
        came_from
    }
}

/// Returns the edges of a cycle.
pub(crate) fn edges_of<N: Copy>(cycle: &[N]) -> impl Iterator<Item = (N, N)> {
    let ends = cycle.iter().cycle().skip(1);
    cycle.iter().zip(ends).map(|(from, to)| (*from, *to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_have_no_common_edge_and_the_shortest_comes_first() {
        let graph = Graph::new([(1, 2), (2, 3), (3, 1), (3, 4), (4, 3), (4, 5), (5, 3), (6, 1), (7, 7)]);
        assert_eq!((graph.edges(), graph.nodes_in_cycles()), (8, 5));
        assert_eq!(graph.into_cycles(), [vec![3, 4], vec![1, 2, 3]]);
    }

    #[test]
    fn separate_cycles_are_all_found() {
        let graph = Graph::new([(1, 2), (2, 1), (2, 3), (3, 4), (4, 3)]);
        assert_eq!(graph.nodes_in_cycles(), 4);
        assert_eq!(graph.into_cycles(), [[1, 2], [3, 4]]);
    }

    #[test]
    fn diamonds_and_shared_ends_are_not_cycles() {
        let graph = Graph::new([(1, 2), (1, 3), (2, 4), (3, 4)]);
        assert_eq!(graph.nodes_in_cycles(), 0);
        assert!(graph.into_cycles().is_empty());
    }

    #[test]
    fn the_edges_of_a_cycle_lead_back_to_its_start() {
        assert!(edges_of(&['a', 'b', 'c']).eq([('a', 'b'), ('b', 'c'), ('c', 'a')]));
    }
}
