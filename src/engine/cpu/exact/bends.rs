//! Pre-activations of vertices that the layer before has inserted, without a product.
//!
//! Between two vertices of a layer's inputs its pre-activations are linear. So those of the next layer are linear there, too, but for a bend
//! wherever a unit changes piece, along the column of weights of that unit: a few passes over a row for each inserted vertex,
//! instead of a product with the whole matrix.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::block::Block;
use crate::engine::cpu::affine::LayerMap;
use crate::engine::cpu::real::Real;
use crate::network::AffineWeights;

/// A value that changes its slope at a vertex inserted between two others.
pub(super) struct Bend<T> {
    /// Of the block.
    pub(super) row: usize,
    /// Which value.
    pub(super) output: usize,
    /// By how much, in units of the value per whole interval.
    pub(super) change: T,
}

/// The pre-activations of a block of which those of some rows, `known`, have been computed: of all without bends, and of the last.
/// Those of the others are filled in; compiled to vector instructions.
pub(super) struct Follow<'a, T> {
    pub(super) input: &'a Block<T>,
    pub(super) known: &'a [usize],
    /// Rows of `z` before the block, at least one unless the block is the first of the path.
    pub(super) carried: usize,
    /// Of the last of them, where it is inserted, its place in its interval.
    pub(super) before: Option<T>,
    /// Row-major.
    pub(super) z: &'a mut [T],
    /// Room for a row.
    pub(super) slope: &'a mut [T],
    pub(super) map: &'a LayerMap<T>,
    pub(super) weights: &'a AffineWeights<T>,
    /// Of every skip whether it adds the inputs of the layer.
    pub(super) of_inputs: &'a [bool],
}

impl<T: Real> WithSimd for Follow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        let (mut next, mut from, mut bends) = (0, self.before, self.input.bends.as_slice());
        for &row in self.known {
            let to = self.input.places[row];
            if next < row {
                // The bends of a known row are of no use: only the last of a block is known and has any.
                let end = bends.iter().take_while(|bend| bend.row < row).count();
                self.fill(next..row, [from.unwrap_or_default(), to.unwrap_or(T::ONE)], &bends[..end]);
                bends = &bends[end..];
            }
            (next, from) = (row + 1, to);
        }
    }
}

impl<T: Real> Follow<'_, T> {
    /// Fills in rows of one interval between known ones, which have these places in it.
    #[inline(always)]
    fn fill(&mut self, rows: Range<usize>, [from, to]: [T; 2], bends: &[Bend<T>]) {
        let width = self.slope.len();
        let z = &mut self.z[(self.carried + rows.start - 1) * width..][..(rows.len() + 2) * width];
        let place = |row: usize| self.input.places[row].expect("a row with bends");
        let (a, b) = (&z[..width], &z[(rows.len() + 1) * width..]);
        self.slope.iter_mut().zip(a).zip(b).for_each(|((slope, &a), &b)| *slope = b - a);
        for bend in bends {
            self.map.add_column(
                self.weights,
                self.of_inputs,
                bend.output,
                (place(bend.row) - to) * bend.change,
                self.slope,
            );
        }
        if to - from != T::ONE {
            let share = T::ONE / (to - from);
            self.slope.iter_mut().for_each(|slope| *slope *= share);
        }
        let (mut at, mut bends) = (from, bends.iter().peekable());
        for (row, ix) in rows.zip(0..) {
            let step = place(row) - at;
            let (before, z) = z[ix * width..].split_at_mut(width);
            for ((z, &before), &slope) in z.iter_mut().zip(&*before).zip(&*self.slope) {
                *z = before + step * slope;
            }
            while let Some(bend) = bends.next_if(|bend| bend.row == row) {
                self.map.add_column(self.weights, self.of_inputs, bend.output, bend.change, self.slope);
            }
            at = place(row);
        }
    }
}
