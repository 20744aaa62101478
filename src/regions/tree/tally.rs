//! What walks have found.

use serde::{Deserialize, Serialize};

use crate::regions::Work;

/// Two activation regions that share a facet at which the network's output does not change, by their packed patterns.
pub(super) type Edge = (Vec<u8>, Vec<u8>);

/// What one walk has found, or several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) regions: u64,
    pub(super) edges: Vec<Edge>,
    /// Sides of breakpoints looked at.
    pub(super) decisions: u64,
    pub(super) programs: u64,
    pub(super) pivots: u64,
    pub(super) close_calls: u64,
    pub(super) exact_programs: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.regions += other.regions;
        self.edges.extend(other.edges);
        self.decisions += other.decisions;
        self.programs += other.programs;
        self.pivots += other.pivots;
        self.close_calls += other.close_calls;
        self.exact_programs += other.exact_programs;
    }

    pub(super) fn work(&self) -> Work {
        Work {
            programs: self.programs,
            pivots: self.pivots,
            close_calls: self.close_calls,
            exact_programs: self.exact_programs,
        }
    }

    /// Activation regions less those that an edge joins to others: the linear regions.
    pub(super) fn linear_regions(&self) -> u64 {
        let mut number = std::collections::HashMap::new();
        for key in self.edges.iter().flat_map(|(a, b)| [a, b]) {
            let next = number.len();
            number.entry(key).or_insert(next);
        }
        let mut parent: Vec<usize> = (0..number.len()).collect();
        let mut joined = 0;
        for (a, b) in &self.edges {
            let (a, b) = (root(&mut parent, number[a]), root(&mut parent, number[b]));
            if a != b {
                parent[a] = b;
                joined += 1;
            }
        }
        self.regions - joined
    }
}

/// The representative of a set; halves the paths on the way.
fn root(parent: &mut [usize], mut node: usize) -> usize {
    while parent[node] != node {
        parent[node] = parent[parent[node]];
        node = parent[node];
    }
    node
}
