//! What layers take from their sources where the pre-activations of every unit come together, as matrices.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{ActivationKind, Affine, Architecture, Grouping, Layer, Network};
use crate::error::{Error, Result};

/// What a layer's pre-activations, or the outputs, take from one source.
///
/// The pre-activations of every unit are consecutive, and so are those of the source: the values of sorted groups of filters come group
/// after group, all others as they do anyway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection<'a> {
    /// The network's input (0) or the outputs of the l-th hidden layer.
    pub(crate) source: usize,
    /// None adds values as they are.
    map: Option<Affine>,
    weight: &'a [f64],
    n_rows: usize,
    /// Of the source's values and of the pre-activations.
    inputs: Grouping,
    rows: Grouping,
}

/// A matrix without its zeros, row by row.
#[derive(Clone, Debug)]
pub(crate) struct SparseRows {
    /// Where every row begins, and where the last one ends.
    starts: Vec<usize>,
    inputs: Vec<usize>,
    weights: Vec<f64>,
}

impl Network {
    /// What a hidden layer takes from its sources, or the outputs after the last: by its main map, then by its skips.
    pub(crate) fn connections(&self, layer: usize) -> impl Iterator<Item = Connection<'_>> {
        let (architecture, weights) = (self.architecture(), &self.affine()[layer]);
        let main = architecture.affine_map(layer);
        let skips = architecture.layers().get(layer).map_or(&[][..], |layer| &layer.skips);
        let skips = skips.iter().zip(&weights.skips).map(|(skip, weight)| (skip.source, skip.map, &weight[..]));
        [(layer, Some(main), &weights.weight[..])].into_iter().chain(skips).map(move |(source, map, weight)| {
            let (inputs, rows) = (architecture.source_order(source), architecture.row_order(layer));
            Connection { source, map, weight, n_rows: main.units(), inputs, rows }
        })
    }

    /// The biases of all pre-activations of a hidden layer in the order of [`Network::connections`], or of the outputs.
    pub(crate) fn biases(&self, layer: usize) -> Vec<f64> {
        let map = self.architecture().affine_map(layer);
        let mut bias = vec![0.0; map.units()];
        map.add_bias(&self.affine()[layer].bias, &mut bias);
        self.architecture().row_order(layer).gather(&bias, &mut Vec::new()).to_vec()
    }
}

impl Architecture {
    fn row_order(&self, layer: usize) -> Grouping {
        self.layers().get(layer).map_or(Grouping::NONE, Layer::grouping)
    }

    /// The order of a source's values. Only sorted groups have as many values as pre-activations, in whose order they are.
    fn source_order(&self, source: usize) -> Grouping {
        let layer = source.checked_sub(1).map(|layer| &self.layers()[layer]);
        let sorted = layer.filter(|layer| matches!(layer.activation.kind(), ActivationKind::GroupSort { .. }));
        sorted.map_or(Grouping::NONE, Layer::grouping)
    }
}

impl<'a> Connection<'a> {
    /// Whether values are added as they are, in the same order.
    pub(crate) fn is_identity(&self) -> bool {
        self.map.is_none() && self.inputs.has_order_of(self.rows)
    }

    /// Whether every input is connected to every pre-activation.
    pub(crate) fn is_dense(&self) -> bool {
        matches!(self.map, Some(Affine::Dense { .. }))
    }

    /// Number of values of the source.
    pub(crate) fn n_inputs(&self) -> usize {
        self.map.map_or(self.n_rows, |map| map.inputs())
    }

    /// At most so many weights are not zero.
    pub(crate) fn n_products(&self) -> u128 {
        self.map.map_or(self.n_rows as u128, |map| map.n_products())
    }

    /// The weights input-major, lent where they are a matrix in this order.
    ///
    /// # Errors
    /// A set `stop`.
    pub(crate) fn matrix(&self, stop: &AtomicBool) -> Result<Cow<'a, [f64]>> {
        if self.is_dense() && self.inputs.is_consecutive() && self.rows.is_consecutive() {
            return Ok(Cow::Borrowed(self.weight));
        }
        let mut matrix = vec![0.0; self.n_inputs() * self.n_rows];
        for row in 0..self.n_rows {
            check_stop(stop)?;
            self.for_each_input(row, |input, w| matrix[input * self.n_rows + row] = w);
        }
        Ok(Cow::Owned(matrix))
    }

    /// The weights that are not zero.
    ///
    /// # Errors
    /// A set `stop`.
    pub(crate) fn sparse_rows(&self, stop: &AtomicBool) -> Result<SparseRows> {
        let mut rows = SparseRows { starts: vec![0], inputs: Vec::new(), weights: Vec::new() };
        for row in 0..self.n_rows {
            check_stop(stop)?;
            self.for_each_input(row, |input, w| {
                if w != 0.0 {
                    rows.inputs.push(input);
                    rows.weights.push(w);
                }
            });
            rows.starts.push(rows.inputs.len());
        }
        Ok(rows)
    }

    /// Calls `each` with the inputs that a row is made of and their weights.
    fn for_each_input(&self, row: usize, mut each: impl FnMut(usize, f64)) {
        let (inputs, unit) = (self.inputs, self.rows.place_of(row));
        match &self.map {
            Some(map) => map.for_each_input(self.weight, unit, |input, w| each(inputs.index_of(input), w)),
            None => each(inputs.index_of(unit), 1.0),
        }
    }
}

impl SparseRows {
    /// The inputs of a row and their weights.
    #[inline]
    pub(crate) fn row(&self, row: usize) -> (&[usize], &[f64]) {
        let range = self.starts[row]..self.starts[row + 1];
        (&self.inputs[range.clone()], &self.weights[range])
    }

    /// The input that every row is, where each is one as it is.
    pub(crate) fn selection(&self) -> Option<Vec<usize>> {
        let is_one =
            self.weights.iter().all(|&w| w == 1.0) && self.starts.windows(2).all(|ends| ends[1] - ends[0] == 1);
        is_one.then(|| self.inputs.clone())
    }

    /// The same column by column: for every one of so many inputs the rows with their weights.
    pub(crate) fn transposed(&self, n_inputs: usize) -> Self {
        let mut starts = vec![0; n_inputs + 1];
        self.inputs.iter().for_each(|input| starts[input + 1] += 1);
        (0..n_inputs).for_each(|input| starts[input + 1] += starts[input]);
        let (mut next, mut rows, mut weights) = (starts.clone(), vec![0; self.inputs.len()], self.weights.clone());
        for row in 0..self.starts.len() - 1 {
            let (inputs, of_row) = self.row(row);
            for (&input, &w) in inputs.iter().zip(of_row) {
                (rows[next[input]], weights[next[input]]) = (row, w);
                next[input] += 1;
            }
        }
        Self { starts, inputs: rows, weights }
    }

    /// Weights of the row with the most.
    pub(crate) fn longest(&self) -> usize {
        self.starts.windows(2).map(|ends| ends[1] - ends[0]).max().unwrap_or(0)
    }
}

fn check_stop(stop: &AtomicBool) -> Result<()> {
    match stop.load(Ordering::Relaxed) {
        true => Err(Error::interrupted("interrupted: nothing was counted")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns_and_selections() {
        // 0 3 0 4
        // 0 0 0 0
        // 5 6 0 0
        let rows = SparseRows { starts: vec![0, 2, 2, 4], inputs: vec![1, 3, 0, 1], weights: vec![3.0, 4.0, 5.0, 6.0] };
        let columns = rows.transposed(4);
        let of_columns: Vec<(&[usize], &[f64])> = (0..4).map(|column| columns.row(column)).collect();
        assert_eq!(of_columns, [(&[2][..], &[5.0][..]), (&[0, 2], &[3.0, 6.0]), (&[], &[]), (&[0], &[4.0])]);
        let again = columns.transposed(3);
        assert!((0..3).all(|row| again.row(row) == rows.row(row)));
        assert_eq!((rows.longest(), columns.longest()), (2, 2));
        assert_eq!(rows.selection(), None);
        let selection =
            |weights: Vec<f64>| SparseRows { starts: vec![0, 1, 2], inputs: vec![7, 3], weights }.selection();
        assert_eq!((selection(vec![1.0, 1.0]), selection(vec![1.0, 2.0])), (Some(vec![7, 3]), None));
    }
}
