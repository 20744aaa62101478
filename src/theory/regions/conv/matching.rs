//! The search for the vectors that satisfy Hall's condition, by augmenting paths.

use num_bigint::BigUint;
use num_traits::Zero;

use super::layer::ConvLayer;

/// Assigns values of the input to positions, an integral flow. Values that lie in the same windows form a class.
pub(super) struct Matching {
    /// Classes in the window of a position, positions whose window holds a class.
    classes: Vec<Vec<usize>>,
    covers: Vec<Vec<usize>>,
    /// Free values of each class, and values of each class given to each position (`position * classes + class`).
    free: Vec<usize>,
    given: Vec<usize>,
    /// Search marks: the round in which a class or position was last met, and from where.
    round: u64,
    class_from: Vec<(u64, usize)>,
    position_from: Vec<(u64, usize)>,
}

impl Matching {
    pub(super) fn new(layer: &ConvLayer) -> Self {
        // Along one axis: maximal runs of coordinates that lie in the same windows, as (length, windows).
        let runs = |axis: usize| {
            let (n, k, s) = (layer.output()[axis], layer.kernel[axis], layer.stride);
            let mut ends: Vec<usize> = (0..n).flat_map(|i| [i * s, i * s + k]).collect();
            ends.sort_unstable();
            ends.dedup();
            let runs: Vec<(usize, Vec<usize>)> = ends
                .windows(2)
                .map(|e| (e[1] - e[0], (0..n).filter(|i| i * s <= e[0] && e[1] <= i * s + k).collect()))
                .collect();
            runs
        };
        let cols = layer.output()[1];
        let mut m = Self {
            classes: vec![Vec::new(); layer.positions()],
            covers: Vec::new(),
            free: Vec::new(),
            given: Vec::new(),
            round: 0,
            class_from: Vec::new(),
            position_from: vec![(0, 0); layer.positions()],
        };
        for (height, i) in runs(0) {
            for (width, j) in runs(1) {
                let covers: Vec<usize> = i.iter().flat_map(|i| j.iter().map(move |j| i * cols + j)).collect();
                covers.iter().for_each(|&p| m.classes[p].push(m.free.len()));
                m.covers.push(covers);
                m.free.push(height * width * layer.channels);
                m.class_from.push((0, 0));
            }
        }
        m.given = vec![0; m.classes.len() * m.free.len()];
        m
    }

    pub(super) fn index(&self, position: usize, class: usize) -> usize {
        position * self.free.len() + class
    }

    /// Gives one more value to position `p`, by an augmenting path; false if Hall's condition forbids it.
    pub(super) fn augment(&mut self, p: usize) -> bool {
        self.round += 1;
        let round = self.round;
        self.position_from[p].0 = round;
        let mut queue = vec![p];
        while let Some(q) = queue.pop() {
            for a in 0..self.classes[q].len() {
                let k = self.classes[q][a];
                if self.class_from[k].0 == round {
                    continue;
                }
                self.class_from[k] = (round, q);
                if self.free[k] > 0 {
                    self.free[k] -= 1;
                    self.shift_along(p, k);
                    return true;
                }
                for b in 0..self.covers[k].len() {
                    let r = self.covers[k][b];
                    if self.position_from[r].0 != round && self.given[self.index(r, k)] > 0 {
                        self.position_from[r] = (round, k);
                        queue.push(r);
                    }
                }
            }
        }
        false
    }

    /// Moves one value along the path found from position `p` to class `k`.
    pub(super) fn shift_along(&mut self, p: usize, mut k: usize) {
        loop {
            let q = self.class_from[k].1;
            let gain = self.index(q, k);
            self.given[gain] += 1;
            if q == p {
                return;
            }
            k = self.position_from[q].1;
            let loss = self.index(q, k);
            self.given[loss] -= 1;
        }
    }

    /// Takes all values back from position `p`; the others keep theirs, so the matching stays valid.
    pub(super) fn clear(&mut self, p: usize) {
        for a in 0..self.classes[p].len() {
            let k = self.classes[p][a];
            let at = self.index(p, k);
            self.free[k] += std::mem::take(&mut self.given[at]);
        }
    }

    /// Sum over all `t` on positions `p, p + 1, ...` that the values still allow, of the products of `choose[t]`.
    pub(super) fn sum(&mut self, p: usize, choose: &[BigUint]) -> BigUint {
        let mut total = BigUint::zero();
        for (t, c) in choose.iter().enumerate() {
            if t > 0 && !self.augment(p) {
                break;
            }
            if p + 1 == self.classes.len() {
                total += c;
            } else {
                total += c * self.sum(p + 1, choose);
            }
        }
        self.clear(p);
        total
    }
}
