//! A network prepared for counting: affine maps of layers on a region, with bounds on their rounding errors.

use super::Domain;
use super::frame::{Frame, gamma, power_of_two};
use super::vector::{add_multiple, dot};
use crate::error::{Error, Result};
use crate::network::{AffineWeights, Network, Pieces};

/// One hidden layer: `z = W h + b`, then the pieces of every unit.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) n_inputs: usize,
    pub(crate) n_units: usize,
    /// Unit-major: the weight from input `i` to unit `u` is element `u * n_inputs + i`.
    pub(crate) weight: Vec<f64>,
    pub(crate) bias: Vec<f64>,
    pub(crate) pieces: Pieces<f64>,
    /// The first unit of the layer with the same weights and bias: both are always on the same piece.
    pub(crate) twin: Vec<usize>,
    /// Units that no input changes.
    pub(crate) is_constant: Vec<bool>,
}

impl Layer {
    fn new(weights: &AffineWeights<f64>, before: Option<&Self>, n_inputs: usize, pieces: &Pieces<f64>) -> Self {
        let n_units = weights.bias.len();
        let column = |u: usize| (0..n_inputs).map(move |i| weights.weight[i * n_units + u]);
        let weight: Vec<f64> = (0..n_units).flat_map(column).collect();
        let mut first = std::collections::HashMap::new();
        let twin = (0..n_units).map(|u| {
            // Zero of either sign is the same weight.
            let row = &weight[u * n_inputs..][..n_inputs];
            let key: Vec<u64> = row.iter().chain([&weights.bias[u]]).map(|w| (w + 0.0).to_bits()).collect();
            *first.entry(key).or_insert(u)
        });
        let twin = twin.collect();
        let is_fixed = |input: usize| before.is_some_and(|layer| layer.is_constant[input]);
        let is_constant = weight
            .chunks_exact(n_inputs)
            .map(|row| row.iter().enumerate().all(|(input, &w)| w == 0.0 || is_fixed(input)));
        let is_constant = is_constant.collect();
        Self { n_inputs, n_units, weight, bias: weights.bias.clone(), pieces: pieces.clone(), twin, is_constant }
    }

    pub(crate) fn row(&self, unit: usize) -> &[f64] {
        &self.weight[unit * self.n_inputs..][..self.n_inputs]
    }

    /// The units that are on the same piece as `unit` everywhere, itself first.
    pub(crate) fn twins(&self, unit: usize) -> impl Iterator<Item = usize> + Clone + '_ {
        (unit..self.n_units).filter(move |&u| self.twin[u] == unit)
    }
}

/// A network and a domain, ready for counting.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) frame: Frame,
    pub(crate) layers: Vec<Layer>,
    /// The read-out, output-major.
    pub(crate) readout: Vec<f64>,
    pub(crate) n_outputs: usize,
    /// The first layer's map, which is the same everywhere.
    first: Map,
    pub(crate) domain: Domain,
}

/// The pre-activations of one layer as affine functions of the input, on a region of the layers before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map {
    /// One row per unit, of the frame's columns.
    pub(crate) rows: Vec<f64>,
    /// Bound on the error of every row, as the largest over the domain.
    pub(crate) errors: Vec<f64>,
    /// Sum of magnitudes of every row over the domain.
    pub(crate) norms: Vec<f64>,
}

/// A row of norm 1 to 2 that is positive on one side of a breakpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut {
    pub(crate) row: Vec<f64>,
    /// Bound on its error over the domain.
    pub(crate) error: f64,
}

impl Model {
    /// # Errors
    /// A domain of another dimension, and weights that leave the range of 64-bit numbers.
    pub(crate) fn new(network: &Network, domain: &Domain) -> Result<Self> {
        let architecture = network.architecture();
        architecture.check_dense_chain("count")?;
        architecture.check_scalar("count")?;
        let n_inputs = architecture.input_dim();
        if let Some(dim) = domain.dim().filter(|&dim| dim != n_inputs) {
            return Err(Error::usage(format!("a box of dimension {dim}, but the network has {n_inputs} inputs")));
        }
        let frame = Frame::new(domain, n_inputs);
        let (rows, errors) = frame.first_rows(&network.affine()[0])?;
        let norms = rows.chunks_exact(frame.dim()).map(|row| frame.norm(row)).collect();
        let first = Map { rows, errors, norms };
        let mut layers: Vec<Layer> = Vec::with_capacity(architecture.depth());
        for (shape, weights) in architecture.layers().iter().zip(network.affine()) {
            layers.push(Layer::new(weights, layers.last(), shape.affine.inputs(), shape.activation.pieces()));
        }
        let readout = &network.affine()[layers.len()];
        let (n_outputs, width) = (readout.bias.len(), layers[layers.len() - 1].n_units);
        let by_output = |o: usize| (0..width).map(move |u| readout.weight[u * n_outputs + o]);
        let model = Self {
            frame,
            readout: (0..n_outputs).flat_map(by_output).collect(),
            layers,
            n_outputs,
            first,
            domain: domain.clone(),
        };
        model.check_range()?;
        Ok(model)
    }

    /// Refuses networks whose pre-activations may leave the range of 64-bit numbers somewhere in the domain.
    fn check_range(&self) -> Result<()> {
        let mut reach: Vec<f64> = self.first.norms.clone();
        for (l, layer) in self.layers.iter().enumerate() {
            if l > 0 {
                let dot = |u: usize| layer.row(u).iter().zip(&reach).map(|(w, h)| w.abs() * h).sum::<f64>();
                reach = (0..layer.n_units).map(|u| dot(u) + layer.bias[u].abs()).collect();
            }
            if let Some(u) = reach.iter().position(|&z| z.is_nan() || z > 1e150) {
                return Err(Error::usage(format!(
                    "layer {}, unit {u}: pre-activations up to {:.0e} are beyond what is computed with; rescale the network",
                    l + 1,
                    reach[u]
                )));
            }
            let Pieces { slopes, intercepts, .. } = &layer.pieces;
            let largest = |values: &[f64]| values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            reach.iter_mut().for_each(|z| *z = *z * largest(slopes) + largest(intercepts));
        }
        Ok(())
    }

    /// The map of a layer from that of the layer before it and the pieces there.
    pub(crate) fn map(&self, layer: usize, before: Option<(&Map, &[usize])>, map: &mut Map) {
        let Some((before, pattern)) = before else { return map.clone_from(&self.first) };
        let (dim, this) = (self.frame.dim(), &self.layers[layer]);
        let Pieces { slopes, intercepts, .. } = &self.layers[layer - 1].pieces;
        map.rows.clear();
        map.rows.resize(this.n_units * dim, 0.0);
        map.errors.clear();
        map.norms.clear();
        let rounding = gamma(this.n_inputs + 8);
        for (unit, row) in map.rows.chunks_exact_mut(dim).enumerate() {
            let (mut constant, mut error, mut sum) = (this.bias[unit], 0.0, 0.0);
            let mut n_terms = 0;
            for (input, &weight) in this.row(unit).iter().enumerate() {
                let factor = weight * slopes[pattern[input]];
                if factor != 0.0 || (weight != 0.0 && slopes[pattern[input]] != 0.0) {
                    add_multiple(factor, &before.rows[input * dim..][..dim], row);
                    error += factor.abs() * before.errors[input] + f64::MIN_POSITIVE;
                    sum += factor.abs() * (before.norms[input] + before.errors[input]);
                    n_terms += 1;
                }
                let shift = weight * intercepts[pattern[input]];
                if shift != 0.0 {
                    constant += shift;
                    sum += shift.abs();
                    n_terms += 1;
                }
            }
            row[dim - 1] += constant;
            if n_terms > 0 {
                error = 1.01 * error + rounding * (sum + this.bias[unit].abs());
            }
            map.errors.push(error);
            map.norms.push(self.frame.norm(row));
        }
    }

    /// Writes the row that is positive above a breakpoint of a unit (`sign` 1), or below it (-1).
    pub(crate) fn cut(&self, map: &Map, layer: usize, unit: usize, breakpoint: usize, sign: f64, cut: &mut Cut) {
        let dim = self.frame.dim();
        let tau = self.layers[layer].pieces.breakpoints[breakpoint];
        cut.row.clear();
        cut.row.extend_from_slice(&map.rows[unit * dim..][..dim]);
        cut.row[dim - 1] -= tau;
        cut.error = map.errors[unit];
        if tau != 0.0 {
            cut.error += f64::EPSILON * cut.row[dim - 1].abs();
        }
        let norm = if tau == 0.0 { map.norms[unit] } else { self.frame.norm(&cut.row) };
        // Zero rows have no size, and tiny ones would lose digits.
        let scale = if norm > 1e-200 { sign / power_of_two(norm) } else { sign };
        cut.row.iter_mut().for_each(|a| *a *= scale);
        cut.error *= scale.abs();
        if norm > 0.0 && norm <= 1e-200 {
            // Nothing is certain of these in f64.
            cut.error = 1.0;
        } else if cut.error != 0.0 {
            cut.error += f64::MIN_POSITIVE;
        }
    }
}

impl Cut {
    /// Whether the row is certainly positive at a point of the domain (`Some(true)`), certainly negative, or neither.
    pub(crate) fn side(&self, point: &[f64]) -> Option<bool> {
        certain_sign(&self.row, self.error, point)
    }

    /// Whether the row is certainly at most 0 on the whole domain.
    pub(crate) fn is_nowhere_positive(&self, frame: &Frame) -> bool {
        let bound = frame.largest(&self.row);
        // A sum of products that are all zero or negative is that in floating point, too.
        if self.error == 0.0 && bound == 0.0 {
            return self
                .row
                .iter()
                .zip(frame.lower.iter().zip(&frame.upper))
                .all(|(a, (l, u))| a * l <= 0.0 && a * u <= 0.0);
        }
        bound + self.error + value_error(self.row.len()) <= 0.0
    }
}

/// A bound on the rounding error of evaluating a row of norm below 2.
fn value_error(dim: usize) -> f64 {
    2.0 * gamma(dim + 2)
}

/// The sign of a row at a point, where it is beyond the rounding error.
pub(crate) fn certain_sign(row: &[f64], error: f64, point: &[f64]) -> Option<bool> {
    let value = dot(row, point);
    (value.abs() > error + value_error(row.len())).then_some(value > 0.0)
}

/// The rows that bound a polytope, each positive inside.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    data: Vec<f64>,
    errors: Vec<f64>,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.errors.len()
    }

    pub(crate) fn push(&mut self, cut: &Cut) {
        self.data.extend_from_slice(&cut.row);
        self.errors.push(cut.error);
    }

    pub(crate) fn pop(&mut self) {
        let dim = self.data.len() / self.len();
        self.data.truncate(self.data.len() - dim);
        self.errors.pop();
    }

    /// Every row with the bound on its error over the domain.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[f64], f64)> {
        let dim = self.data.len() / self.len().max(1);
        self.data.chunks_exact(dim.max(1)).zip(self.errors.iter().copied())
    }

    /// Whether all rows are certainly positive at a point of the domain.
    pub(crate) fn all_hold(&self, point: &[f64]) -> bool {
        self.iter().all(|(row, error)| certain_sign(row, error, point) == Some(true))
    }

    /// Whether all rows but one are certainly positive at a point of the domain at which that one is zero, and which is near `point`.
    pub(crate) fn all_hold_on(&self, facet: usize, frame: &Frame, point: &[f64]) -> bool {
        let Some((row, error)) = self.iter().nth(facet) else { return false };
        let off = dot(row, point).abs() + error + value_error(row.len());
        // One coordinate is moved onto the facet.
        let moved = |&column: &usize| {
            let distance = 1.01 * off / row[column].abs();
            point[column] - frame.lower[column] > 2.0 * distance && frame.upper[column] - point[column] > 2.0 * distance
        };
        let columns = (0..row.len()).filter(|&c| row[c] != 0.0).filter(moved);
        let Some(column) = columns.max_by(|&a, &b| row[a].abs().total_cmp(&row[b].abs())) else { return false };
        let distance = 1.01 * off / row[column].abs();
        let others = self.iter().enumerate().filter(|(ix, _)| *ix != facet);
        others
            .map(|(_, row)| row)
            .all(|(row, error)| certain_sign(row, error + 1.01 * row[column].abs() * distance, point) == Some(true))
    }

    /// Whether these multipliers, none negative but those of rows that are zero, show that no point of the domain has all rows
    /// positive: their combination is nowhere positive, rounding included.
    pub(crate) fn are_certainly_infeasible(&self, frame: &Frame, multipliers: &[f64]) -> bool {
        let mut sum = vec![0.0; frame.dim()];
        let mut error = 0.0;
        let rounding = value_error(frame.dim() + self.len() + 4);
        for ((row, row_error), &y) in self.iter().zip(multipliers) {
            if y != 0.0 {
                add_multiple(y, row, &mut sum);
                error += y.abs() * (row_error + rounding);
            }
        }
        error > 0.0 && frame.largest(&sum) + 1.01 * error <= 0.0
    }
}
