//! A hidden layer prepared for counting: what its rows are made of, and which of them are copies.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};

use super::units::{Switch, Units};
use crate::error::{Error, Result};
use crate::network::{self, ActivationKind, AffineWeights};

/// What a layer takes from one source.
#[derive(Debug)]
pub(crate) struct Term {
    /// The network's input (0) or the outputs of the l-th hidden layer.
    pub(crate) source: usize,
    pub(crate) n_inputs: usize,
    /// Row-major: the weight from input `i` to row `r` is element `r * n_inputs + i`. None adds values as they are.
    weight: Option<Vec<f64>>,
}

impl Term {
    /// The number of the first input of a row, and the weights from there on.
    pub(crate) fn row(&self, row: usize) -> (usize, &[f64]) {
        match &self.weight {
            Some(weight) => (0, &weight[row * self.n_inputs..][..self.n_inputs]),
            None => (row, &[1.0]),
        }
    }

    /// The inputs of a row with weights that are not zero.
    pub(crate) fn inputs(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let (first, weights) = self.row(row);
        weights.iter().enumerate().filter(|(_, w)| **w != 0.0).map(move |(ix, &w)| (first + ix, w))
    }
}

/// One hidden layer: rows of pre-activations, each the sum of its terms and a bias, and the units that they make.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) terms: Vec<Term>,
    pub(crate) bias: Vec<f64>,
    units: Units,
    /// The first row with the same weights and bias: they are equal everywhere.
    same_row: Vec<usize>,
    /// The first unit with the same rows: both are always on the same piece.
    pub(crate) twin: Vec<usize>,
    /// Rows that no input changes.
    is_constant: Vec<bool>,
}

/// A layer has what its units have.
impl Deref for Layer {
    type Target = Units;

    fn deref(&self) -> &Units {
        &self.units
    }
}

impl Layer {
    /// A dense layer. `before` are the layers before it.
    ///
    /// # Errors
    /// A set `stop`.
    pub(crate) fn new(
        shape: &network::Layer,
        weights: &AffineWeights<f64>,
        before: &[Self],
        stop: &AtomicBool,
    ) -> Result<Self> {
        let n_rows = shape.affine.units();
        let n_inputs = shape.affine.inputs();
        let weight = Some(row_major(&weights.weight, n_rows, stop)?);
        let mut terms = vec![Term { source: before.len(), n_inputs, weight }];
        for (skip, weight) in shape.skips.iter().zip(&weights.skips) {
            let weight = skip.map.map(|_| row_major(weight, n_rows, stop)).transpose()?;
            let n_inputs = skip.map.map_or(n_rows, |map| map.inputs());
            terms.push(Term { source: skip.source, n_inputs, weight });
        }
        let mut layer = Self {
            terms,
            bias: weights.bias.clone(),
            units: Units::new(&shape.activation, n_rows),
            same_row: Vec::new(),
            twin: Vec::new(),
            is_constant: Vec::new(),
        };
        layer.same_row = layer.equal_rows(stop)?;
        let mut first = HashMap::new();
        let twin = (0..layer.n_units()).map(|u| {
            let rows = &layer.same_row[layer.rows_of(u)];
            *first.entry(rows).or_insert(u)
        });
        layer.twin = twin.collect();
        let terms = || layer.terms.iter();
        let fixed: Vec<Vec<bool>> = terms()
            .map(|term| {
                term.source.checked_sub(1).map_or_else(|| vec![false; term.n_inputs], |l| before[l].fixed_outputs())
            })
            .collect();
        let is_constant =
            |row: usize| terms().zip(&fixed).all(|(term, is_fixed)| term.inputs(row).all(|(input, _)| is_fixed[input]));
        layer.is_constant = (0..n_rows).map(is_constant).collect();
        Ok(layer)
    }

    /// For every row the first that is equal to it.
    fn equal_rows(&self, stop: &AtomicBool) -> Result<Vec<usize>> {
        // Zero of either sign is the same weight.
        let bits = |row: usize| {
            let weights = self.terms.iter().flat_map(move |term| term.row(row).1);
            weights.chain([&self.bias[row]]).map(|w| (w + 0.0).to_bits())
        };
        // A row added as it is differs from all others.
        if self.terms.iter().any(|term| term.weight.is_none()) {
            return Ok((0..self.n_rows()).collect());
        }
        let mut known: HashMap<u64, Vec<usize>> = HashMap::new();
        let mut equal = Vec::with_capacity(self.n_rows());
        for row in 0..self.n_rows() {
            check_stop(stop)?;
            let digest = bits(row).fold(0u64, |sum, w| (sum.rotate_left(5) ^ w).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let rows = known.entry(digest).or_default();
            let first = rows.iter().copied().find(|&other| bits(other).eq(bits(row)));
            if first.is_none() {
                rows.push(row);
            }
            equal.push(first.unwrap_or(row));
        }
        Ok(equal)
    }

    /// Which outputs are the same on all inputs.
    fn fixed_outputs(&self) -> Vec<bool> {
        let of_group = |unit: usize| self.rows_of(unit).all(|row| self.is_constant[row]);
        match *self.kind() {
            ActivationKind::Scalar(_) => self.is_constant.clone(),
            ActivationKind::Crelu(_) => self.is_constant.repeat(2),
            ActivationKind::Maxout { .. } => (0..self.n_units()).map(of_group).collect(),
            ActivationKind::GroupSort { size } => (0..self.n_rows()).map(|row| of_group(row / size)).collect(),
        }
    }

    /// Inputs of all terms.
    pub(crate) fn n_inputs(&self) -> usize {
        self.terms.iter().map(|term| term.n_inputs).sum()
    }

    /// The rows of a maxout unit, from 0, without copies of earlier ones, which are never the first of the largest.
    pub(crate) fn members(&self, unit: usize) -> impl Iterator<Item = usize> + '_ {
        let rows = self.rows_of(unit);
        (0..rows.len()).filter(move |&member| {
            !rows.clone().take(member).any(|other| self.same_row[other] == self.same_row[rows.start + member])
        })
    }

    /// The units that are on the same piece as `unit` everywhere, itself first.
    pub(crate) fn twins(&self, unit: usize) -> impl Iterator<Item = usize> + Clone + '_ {
        (unit..self.n_units()).filter(move |&u| self.twin[u] == unit)
    }

    /// Whether a switch is zero everywhere, or the same on all inputs.
    pub(crate) fn is_fixed(&self, unit: usize, switch: usize) -> bool {
        let Switch { plus, minus, .. } = self.switch(unit, switch);
        match minus {
            None => self.is_constant[plus],
            Some(minus) => {
                self.same_row[plus] == self.same_row[minus] || self.is_constant[plus] && self.is_constant[minus]
            }
        }
    }

    /// Whether the two rows of a switch are copies: the second is never above.
    pub(crate) fn compares_copies(&self, unit: usize, switch: usize) -> bool {
        let Switch { plus, minus, .. } = self.switch(unit, switch);
        minus.is_some_and(|minus| self.same_row[plus] == self.same_row[minus])
    }

    /// Gives every unit that is a copy of another the pattern of that one.
    pub(crate) fn copy_twins(&self, pattern: &mut [usize]) {
        let n = self.fields_per_unit();
        for (unit, &twin) in self.twin.iter().enumerate().filter(|(unit, twin)| unit != *twin) {
            pattern.copy_within(twin * n..(twin + 1) * n, unit * n);
        }
    }
}

/// Weights, input-major, row by row.
fn row_major(weight: &[f64], n_rows: usize, stop: &AtomicBool) -> Result<Vec<f64>> {
    /// Rows that are written together: what is read is one line of the cache.
    const TOGETHER: usize = 8;
    let n_inputs = weight.len() / n_rows;
    let mut rows = vec![0.0; weight.len()];
    for (block, rows) in rows.chunks_mut(TOGETHER * n_inputs).enumerate() {
        check_stop(stop)?;
        for (input, weights) in weight.chunks_exact(n_rows).enumerate() {
            let weights = weights[block * TOGETHER..].iter().take(TOGETHER);
            weights.enumerate().for_each(|(row, &w)| rows[row * n_inputs + input] = w);
        }
    }
    Ok(rows)
}

/// Ends a preparation that was asked to stop.
pub(crate) fn check_stop(stop: &AtomicBool) -> Result<()> {
    match stop.load(Ordering::Relaxed) {
        true => Err(Error::interrupted("interrupted: nothing was counted")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Architecture};

    fn layer(activation: &str, rows: &[[f64; 3]]) -> Layer {
        let activation: Activation = activation.parse().unwrap();
        let width = activation.outputs(rows.len()).unwrap();
        let shape = Architecture::dense(2, &[width], activation, 1).unwrap();
        let weight = (0..2).flat_map(|input| rows.iter().map(move |row| row[input])).collect();
        let weights = AffineWeights::new(weight, rows.iter().map(|row| row[2]).collect());
        Layer::new(&shape.layers()[0], &weights, &[], &AtomicBool::new(false)).unwrap()
    }

    #[test]
    fn copies_are_found() {
        let (a, b) = ([1.0, 2.0, 0.5], [1.0, 2.0, -0.5]);
        let pooled = layer("maxout:3", &[a, b, a, b, b, a, a, b, [1.0, 2.0, 0.5]]);
        assert_eq!(pooled.members(0).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(pooled.members(1).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(pooled.twin, [0, 1, 0]);
        assert_eq!(pooled.twins(0).collect::<Vec<_>>(), [0, 2]);
        let (switch, is_above) = pooled.comparison(2, 0);
        assert!(pooled.compares_copies(0, switch) && is_above);
        assert_eq!(layer("relu", &[a, b, [1.0, 2.0, 0.5], [0.0, 0.0, 1.0], [-0.0, 0.0, 1.0]]).twin, [0, 1, 0, 3, 3]);
    }
}
