//! The sampled method: the pattern is compared between neighbouring grid points, and nothing is inserted.
//!
//! A unit exactly on a breakpoint at a grid point is on neither side: it is compared when it next leaves, so that a touch is
//! no change of piece and the count stays a lower bound.

use std::cmp::Ordering;

use pulp::{Simd, WithSimd};

use super::activate::Activate;
use super::affine::{LayerMap, Rows};
use super::halt::Halt;
use super::real::{AllFinite, Real};
use crate::network::{ActivationKind, AffineWeights, Grouping, Layer, pairs};

/// One hidden layer.
pub(super) struct Stage<T> {
    layer: usize,
    map: LayerMap<T>,
    /// The sources of its skips, see [`Skip`](crate::network::Skip).
    skips: Vec<usize>,
    /// Number of pre-activations, and of outputs.
    width: usize,
    outputs: usize,
    breakpoints: Vec<T>,
    activation: Activate<T>,
    grouping: Grouping,
    /// Room for the pre-activations of a row unit after unit.
    room: Vec<T>,
    last_seen: LastSeen<T>,
    z: Vec<T>,
    h: Vec<T>,
    flips: u64,
}

/// Where the units of a layer were when last seen off their breakpoints.
enum LastSeen<T> {
    /// For every breakpoint and unit of one pre-activation the side: -1 below, 1 above, 0 not seen yet; and room for the units that
    /// flip.
    Side { side: Vec<T>, flipped: Vec<u32> },
    /// For every maxout unit the largest row.
    Largest(Vec<Option<usize>>),
    /// For every sorted group and pair of rows which is above: `Less` the first, `Greater` the second, `Equal` not seen yet.
    Order { pairs: Vec<(usize, usize)>, order: Vec<Ordering> },
}

impl<T: Real> LastSeen<T> {
    fn new(shape: &Layer) -> Self {
        let switches = shape.groups() * shape.activation.n_switches();
        match shape.activation.kind() {
            ActivationKind::Scalar(_) | ActivationKind::Crelu(_) => {
                Self::Side { side: vec![T::default(); switches], flipped: vec![0; shape.groups()] }
            }
            ActivationKind::Maxout { .. } => Self::Largest(vec![None; shape.groups()]),
            ActivationKind::GroupSort { size } => {
                Self::Order { pairs: pairs(*size).collect(), order: vec![Ordering::Equal; switches] }
            }
        }
    }

    fn reset(&mut self) {
        match self {
            Self::Side { side, .. } => side.fill(T::default()),
            Self::Largest(rows) => rows.fill(None),
            Self::Order { order, .. } => order.fill(Ordering::Equal),
        }
    }
}

impl<T: Real> Stage<T> {
    pub(super) fn new(layer: usize, shape: &Layer, capacity: usize) -> Self {
        let (width, outputs) = (shape.affine.units(), shape.outputs());
        Self {
            layer,
            map: LayerMap::new(shape),
            skips: shape.skips.iter().map(|skip| skip.source).collect(),
            width,
            outputs,
            breakpoints: shape.activation.breakpoints().iter().map(|&tau| T::from_f64(tau)).collect(),
            activation: Activate::new(shape),
            grouping: shape.grouping(),
            room: Vec::new(),
            last_seen: LastSeen::new(shape),
            z: vec![T::default(); width * capacity],
            h: vec![T::default(); outputs * capacity],
            flips: 0,
        }
    }

    /// Forgets the path before.
    pub(super) fn reset(&mut self) {
        self.last_seen.reset();
        self.flips = 0;
    }

    /// Units that changed piece so far, of sorted groups the pairs that changed order.
    pub(super) fn flips(&self) -> u64 {
        self.flips
    }

    /// Takes a block of grid points from the layers before; marks those before which a unit changed piece.
    fn take(
        &mut self,
        points: Rows<T>,
        before: &[Self],
        weights: &AffineWeights<T>,
        changed: &mut [bool],
    ) -> Result<(), Halt> {
        let z = &mut self.z[..changed.len() * self.width];
        let source = |source: usize| match source.checked_sub(1) {
            None => points,
            Some(layer) => Rows { values: &before[layer].h, stride: before[layer].outputs, picked: None },
        };
        self.map.apply(weights, source(self.layer), self.skips.iter().map(|&skip| source(skip)), z);
        if !pulp::Arch::new().dispatch(AllFinite(z)) {
            return Err(Halt::Overflow { layer: self.layer });
        }
        pulp::Arch::new().dispatch(Compare { stage: self, changed });
        Ok(())
    }
}

/// The search for changes in a block and its activation, compiled to vector instructions.
struct Compare<'a, T> {
    stage: &'a mut Stage<T>,
    changed: &'a mut [bool],
}

impl<T: Real> WithSimd for Compare<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let stage = self.stage;
        let n = self.changed.len();
        let z = &stage.z[..n * stage.width];
        for (z, changed) in z.chunks_exact(stage.width).zip(self.changed) {
            let z = stage.grouping.gather(z, &mut stage.room);
            let flips = match &mut stage.last_seen {
                LastSeen::Side { side, flipped } => compare(&stage.breakpoints, z, side, flipped),
                LastSeen::Largest(rows) => compare_largest(z, rows),
                LastSeen::Order { pairs, order } => compare_order(pairs, z, order),
            };
            stage.flips += u64::from(flips);
            *changed |= flips > 0;
        }
        stage.activation.apply(z, &mut stage.h[..n * stage.outputs]);
    }
}

/// Number of maxout units of which another row is the largest than when last seen.
fn compare_largest<T: Real>(z: &[T], rows: &mut [Option<usize>]) -> u32 {
    let mut flips = 0;
    for (unit, last) in z.chunks_exact(z.len() / rows.len()).zip(rows) {
        let row = (1..unit.len()).fold(0, |largest, row| if unit[row] > unit[largest] { row } else { largest });
        // Where rows are equal, the next grid point decides.
        if unit.iter().filter(|&&z| z == unit[row]).count() == 1 {
            flips += u32::from(last.replace(row).is_some_and(|last| last != row));
        }
    }
    flips
}

/// Number of pairs of rows of sorted groups that have another order than when last seen.
fn compare_order<T: Real>(pairs: &[(usize, usize)], z: &[T], order: &mut [Ordering]) -> u32 {
    let mut flips = 0;
    let n_groups = order.len() / pairs.len();
    for (group, order) in z.chunks_exact(z.len() / n_groups).zip(order.chunks_exact_mut(pairs.len())) {
        for (&(i, j), order) in pairs.iter().zip(order) {
            let now = group[j].partial_cmp(&group[i]).expect("finite pre-activations");
            if now != Ordering::Equal {
                flips += u32::from(*order == now.reverse());
                *order = now;
            }
        }
    }
    flips
}

/// Number of units that are on another side of a breakpoint than when last seen.
#[inline(always)]
fn compare<T: Real>(breakpoints: &[T], z: &[T], side: &mut [T], flipped: &mut [u32]) -> u32 {
    let zero = T::default();
    flipped.fill(0);
    for (&tau, side) in breakpoints.iter().zip(side.chunks_exact_mut(z.len())) {
        for ((&z, side), flipped) in z.iter().zip(side).zip(flipped.iter_mut()) {
            let above = if z > tau { T::ONE } else { zero };
            let below = if z < tau { T::ONE } else { zero };
            let now = above - below;
            *flipped |= u32::from(now * *side < zero);
            *side = if now == zero { *side } else { now };
        }
    }
    flipped.iter().sum()
}

/// Sends a block of grid points (row-major inputs) through the stages; returns the number of intervals that changed.
pub(super) fn advance<T: Real>(
    stages: &mut [Stage<T>],
    weights: &[AffineWeights<T>],
    points: &[T],
    changed: &mut [bool],
) -> Result<u64, Halt> {
    changed.fill(false);
    let points = Rows { values: points, stride: points.len() / changed.len(), picked: None };
    for (layer, weights) in weights.iter().enumerate() {
        let (before, rest) = stages.split_at_mut(layer);
        rest[0].take(points, before, weights, changed)?;
    }
    Ok(changed.iter().filter(|&&c| c).count() as u64)
}
