//! The sampled method: the pattern is compared between neighbouring grid points, and nothing is inserted.
//!
//! A unit exactly on a breakpoint at a grid point is on neither side: it is compared when it next leaves, so that a touch is
//! no change of piece and the count stays a lower bound.

use pulp::{Simd, WithSimd};

use super::activate::activate;
use super::halt::Halt;
use super::product;
use super::real::{AllFinite, Real};
use crate::network::{Activation, AffineWeights, Pieces};

/// One hidden layer.
pub(super) struct Stage<T> {
    layer: usize,
    units: usize,
    pieces: Pieces<T>,
    /// For every breakpoint and unit the side it was last seen on: -1 below, 1 above, 0 not seen yet.
    side: Vec<T>,
    z: Vec<T>,
    h: Vec<T>,
    flipped: Vec<u32>,
    flips: u64,
}

impl<T: Real> Stage<T> {
    pub(super) fn new(layer: usize, units: usize, activation: &Activation, capacity: usize) -> Self {
        let pieces = activation.pieces().map(T::from_f64);
        Self {
            layer,
            units,
            side: vec![T::default(); units * pieces.breakpoints.len()],
            pieces,
            z: vec![T::default(); units * capacity],
            h: vec![T::default(); units * capacity],
            flipped: vec![0; units],
            flips: 0,
        }
    }

    /// Forgets the path before.
    pub(super) fn reset(&mut self) {
        self.side.fill(T::default());
        self.flips = 0;
    }

    /// Units that changed piece so far.
    pub(super) fn flips(&self) -> u64 {
        self.flips
    }

    /// Takes a block of grid points with the layer's inputs; marks those before which a unit changed piece.
    fn take(&mut self, input: &[T], weights: &AffineWeights<T>, changed: &mut [bool]) -> Result<(), Halt> {
        let z = &mut self.z[..changed.len() * self.units];
        product::affine(input, weights, z);
        let finite = pulp::Arch::new().dispatch(AllFinite(z));
        pulp::Arch::new().dispatch(Compare { stage: self, changed });
        if finite { Ok(()) } else { Err(Halt::Overflow { layer: self.layer }) }
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
        let z = &stage.z[..self.changed.len() * stage.units];
        for (z, changed) in z.chunks_exact(stage.units).zip(self.changed) {
            let flips = compare(&stage.pieces.breakpoints, z, &mut stage.side, &mut stage.flipped);
            stage.flips += u64::from(flips);
            *changed |= flips > 0;
        }
        activate(&stage.pieces, z, &mut stage.h[..z.len()]);
    }
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
    let mut input = points;
    for (stage, weights) in stages.iter_mut().zip(weights) {
        stage.take(input, weights, changed)?;
        input = &stage.h[..changed.len() * stage.units];
    }
    Ok(changed.iter().filter(|&&c| c).count() as u64)
}
