//! What walks have found.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::regions::Work;

/// Two activation regions that share a facet at which the network's output does not change, by their packed patterns.
pub(super) type Edge = (Vec<u8>, Vec<u8>);

/// What one walk has found, or several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) regions: u64,
    /// No more than join all that belong together.
    pub(super) edges: Vec<Edge>,
    /// Sides of breakpoints looked at.
    pub(super) decisions: u64,
    pub(super) programs: u64,
    pub(super) pivots: u64,
    pub(super) close_calls: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.regions += other.regions;
        self.edges.extend(other.edges);
        self.decisions += other.decisions;
        self.programs += other.programs;
        self.pivots += other.pivots;
        self.close_calls += other.close_calls;
    }

    pub(super) fn work(&self) -> Work {
        Work { programs: self.programs, pivots: self.pivots, close_calls: self.close_calls }
    }

    /// Activation regions less those that an edge joins to others: the linear regions.
    pub(super) fn linear_regions(&self) -> u64 {
        let mut joined = Joined::default();
        self.regions - self.edges.iter().filter(|(a, b)| joined.join(a, b)).count() as u64
    }
}

/// Activation regions that are known to be of one linear region.
#[derive(Debug, Default)]
pub(super) struct Joined {
    number: HashMap<Vec<u8>, usize>,
    parent: Vec<usize>,
}

impl Joined {
    /// Whether two regions are.
    pub(super) fn are(&mut self, a: &[u8], b: &[u8]) -> bool {
        match (self.number.get(a).copied(), self.number.get(b).copied()) {
            (Some(a), Some(b)) => self.root(a) == self.root(b),
            _ => false,
        }
    }

    /// Joins two regions; `false` if they were.
    pub(super) fn join(&mut self, a: &[u8], b: &[u8]) -> bool {
        let [a, b] = [a, b].map(|pattern| {
            let number = self.number(pattern);
            self.root(number)
        });
        self.parent[a] = b;
        a != b
    }

    fn number(&mut self, pattern: &[u8]) -> usize {
        if let Some(number) = self.number.get(pattern) {
            return *number;
        }
        let number = self.parent.len();
        self.parent.push(number);
        self.number.insert(pattern.to_vec(), number);
        number
    }

    /// The representative of a set; halves the paths on the way.
    fn root(&mut self, mut node: usize) -> usize {
        while self.parent[node] != node {
            self.parent[node] = self.parent[self.parent[node]];
            node = self.parent[node];
        }
        node
    }
}
