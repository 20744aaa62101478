//! Units of several pre-activations: where the largest of them, or their order, changes.
//!
//! The piece of a unit along an interval between two vertices follows from the values at both, compared and never subtracted: of
//! rows that are equal at one end the other end decides, of rows equal at both the first counts as the larger. So a unit changes
//! piece at a vertex if the intervals before and after differ there, and between vertices if the two ends of an interval do.

use crate::engine::cpu::real::Real;
use crate::network::{ActivationKind, Grouping, Layer, pair_index, pairs};

/// A change of piece.
pub(super) struct Switch<T> {
    /// Where between the two vertices; `None` at the first of them.
    pub(super) fraction: Option<T>,
    pub(super) unit: usize,
    /// The two rows of the unit that change order, by their place among all pairs.
    pub(super) pair: usize,
    /// Whether the second of the two comes up.
    pub(super) rising: bool,
}

/// The units of a layer along the path.
pub(super) struct Groups<T> {
    grouping: Grouping,
    pairs: Vec<(usize, usize)>,
    pieces: Pieces,
    started: bool,
    /// Room for pre-activations unit after unit, at two vertices.
    room: [Vec<T>; 2],
}

/// The pieces at the end of the interval before.
enum Pieces {
    /// The largest row of every unit.
    Largest(Vec<usize>),
    /// Of every group its rows from the highest to the lowest.
    Order(Vec<usize>),
}

impl<T: Real> Groups<T> {
    /// `None` where every pre-activation changes piece by itself.
    pub(super) fn new(layer: &Layer) -> Option<Self> {
        let pieces = match layer.activation.kind() {
            ActivationKind::Scalar(_) | ActivationKind::Crelu(_) => return None,
            ActivationKind::Maxout { .. } => Pieces::Largest(vec![0; layer.groups()]),
            ActivationKind::GroupSort { size } => {
                Pieces::Order((0..layer.affine.units()).map(|row| row % size).collect())
            }
        };
        let grouping = layer.grouping();
        Some(Self { grouping, pairs: pairs(grouping.size).collect(), pieces, started: false, room: Default::default() })
    }

    /// The rows of the layer that a pair of a unit is.
    pub(super) fn rows(&self, unit: usize, pair: usize) -> (usize, usize) {
        let (i, j) = self.pairs[pair];
        (self.grouping.place(unit, i), self.grouping.place(unit, j))
    }

    /// Forgets the path before.
    pub(super) fn reset(&mut self) {
        self.started = false;
    }

    /// Finds the changes of piece at a vertex with pre-activations `a` and on the interval to the next, with `b`.
    #[inline(always)]
    pub(super) fn scan(&mut self, a: &[T], b: &[T], found: &mut Vec<Switch<T>>) {
        let started = std::mem::replace(&mut self.started, true);
        let (size, [room_a, room_b]) = (self.grouping.size, &mut self.room);
        let (a, b) = (self.grouping.gather(a, room_a), self.grouping.gather(b, room_b));
        let units = a.chunks_exact(size).zip(b.chunks_exact(size)).enumerate();
        match &mut self.pieces {
            Pieces::Largest(rows) => {
                for ((unit, (a, b)), row) in units.zip(rows) {
                    if started && stays_largest(a, b, *row) {
                        continue;
                    }
                    *row = walk(a, b, started.then_some(*row), |fraction, from, to| {
                        let pair = pair_index(a.len(), from.min(to), from.max(to));
                        found.push(Switch { fraction, unit, pair, rising: to > from });
                    });
                }
            }
            Pieces::Order(order) => {
                for ((unit, (a, b)), order) in units.zip(order.chunks_exact_mut(size)) {
                    let mut switch = |fraction, up: usize, down: usize| {
                        let pair = pair_index(a.len(), up.min(down), up.max(down));
                        found.push(Switch { fraction, unit, pair, rising: up > down });
                    };
                    sort(order, a, b, |up, down| {
                        if started {
                            switch(None, up, down);
                        }
                    });
                    sort(order, b, a, |up, down| {
                        switch(Some(meeting([a[down], a[up]], [b[down], b[up]])), up, down);
                    });
                }
            }
        }
    }
}

/// Sorts rows by insertion, from the highest by `first` to the lowest; of those equal the higher by `then` comes first, of those equal in
/// both the one that is first. Hands every pair that changes order to `take`, once: the row that comes up and the row that goes down.
#[inline(always)]
fn sort<T: Real>(rows: &mut [usize], first: &[T], then: &[T], mut take: impl FnMut(usize, usize)) {
    for end in 1..rows.len() {
        for place in (1..=end).rev() {
            let (high, low) = (rows[place - 1], rows[place]);
            let keys = |row: usize| (first[row], then[row]);
            if keys(high) > keys(low) || (keys(high) == keys(low) && high < low) {
                break;
            }
            take(low, high);
            rows.swap(place - 1, place);
        }
    }
}

/// Whether a row of a unit is the largest all along an interval.
#[inline(always)]
fn stays_largest<T: Real>(a: &[T], b: &[T], row: usize) -> bool {
    let (at_a, at_b) = (a[row], b[row]);
    let mut is_beaten = false;
    for (other, (&a, &b)) in a.iter().zip(b).enumerate() {
        is_beaten |= (a > at_a) | (b > at_b) | ((other < row) & (a == at_a) & (b == at_b));
    }
    !is_beaten
}

/// Walks along the largest rows of a unit from `a` to `b`, `before` being the largest before `a`. Hands every change to `take`:
/// where, from which row and to which. Returns the last row.
fn walk<T: Real>(a: &[T], b: &[T], before: Option<usize>, mut take: impl FnMut(Option<T>, usize, usize)) -> usize {
    let ends = |row: usize| (a[row], b[row]);
    let mut row = (1..a.len()).fold(0, |largest, row| if ends(row) > ends(largest) { row } else { largest });
    if let Some(before) = before.filter(|&before| before != row) {
        take(None, before, row);
    }
    // The last change, which is told once the next is known to be elsewhere, so that rows that meet the largest together make
    // one; and the row before it.
    let (mut last, mut from) = (None, row);
    loop {
        let mut next: Option<(T, usize)> = None;
        for other in (0..a.len()).filter(|&other| b[other] > b[row]) {
            let mut fraction = meeting([a[row], a[other]], [b[row], b[other]]);
            // No row meets the largest before the last change, but by rounding.
            if let Some(last) = last.filter(|&last| a[row] <= a[other] || fraction < last) {
                fraction = last;
            }
            if next.is_none_or(|(least, _)| fraction < least) {
                next = Some((fraction, other));
            }
        }
        let told = last.filter(|&last| next.is_none_or(|(fraction, _)| fraction != last));
        if told.is_some() {
            take(told, from, row);
            from = row;
        }
        let Some((fraction, other)) = next else { return row };
        (last, row) = (Some(fraction), other);
    }
}

/// The fraction of an interval at which two rows meet whose order at its ends differs.
fn meeting<T: Real>(a: [T; 2], b: [T; 2]) -> T {
    let at_a = a[0] - a[1];
    at_a / (at_a + (b[1] - b[0]))
}
