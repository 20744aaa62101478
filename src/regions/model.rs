//! A network prepared for counting: affine maps of layers on a region, with bounds on their rounding errors.

use std::sync::atomic::AtomicBool;

use super::Domain;
use super::frame::{Frame, gamma, power_of_two};
use super::layer::{Layer, check_stop};
use super::units::{Selected, Switch};
use super::vector::{add_multiple, dot};
use crate::error::{Error, Result};
use crate::memory;
use crate::network::{self, ActivationKind, Affine, Architecture, Network};

/// A network and a domain, ready for counting.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) frame: Frame,
    pub(crate) layers: Vec<Layer>,
    /// The read-out, output-major.
    pub(crate) readout: Vec<f64>,
    pub(crate) n_outputs: usize,
    /// For every layer how many terms its outputs have in sums of what follows, at most, and a few more.
    pub(crate) n_uses: Vec<usize>,
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
    /// A network of dense layers, of which `n_walks` walks will be made at a time.
    ///
    /// # Errors
    /// A domain of another dimension, weights that leave the range of 64-bit numbers, too little memory and a set `stop`.
    pub(crate) fn new(network: &Network, domain: &Domain, n_walks: usize, stop: &AtomicBool) -> Result<Self> {
        let architecture = network.architecture();
        architecture.check_dense("count")?;
        let n_inputs = architecture.input_dim();
        if let Some(dim) = domain.dim().filter(|&dim| dim != n_inputs) {
            return Err(Error::usage(format!("a box of dimension {dim}, but the network has {n_inputs} inputs")));
        }
        check_memory(architecture, n_walks)?;
        let mut layers: Vec<Layer> = Vec::with_capacity(architecture.depth());
        for (shape, weights) in architecture.layers().iter().zip(network.affine()) {
            let layer = Layer::new(shape, weights, &layers, stop)?;
            layers.push(layer);
        }
        let readout = &network.affine()[layers.len()];
        let (n_outputs, width) = (readout.bias.len(), layers[layers.len() - 1].n_outputs());
        let by_output = |o: usize| (0..width).map(move |u| readout.weight[u * n_outputs + o]);
        let mut n_uses = vec![4; layers.len()];
        n_uses[layers.len() - 1] += n_outputs;
        for layer in &layers {
            let sources = layer.terms.iter().filter_map(|term| term.source.checked_sub(1));
            sources.for_each(|source| n_uses[source] += layer.n_outputs());
        }
        let mut model = Self {
            frame: Frame::new(domain, n_inputs),
            n_uses,
            readout: (0..n_outputs).flat_map(by_output).collect(),
            layers,
            n_outputs,
            first: Map::default(),
            domain: domain.clone(),
        };
        let mut first = Map::default();
        model.make_map(0, |_| unreachable!("the first layer takes the input alone"), &mut first);
        check_stop(stop)?;
        model.first = first;
        model.check_range()?;
        Ok(model)
    }

    /// Refuses networks whose pre-activations may leave the range of 64-bit numbers somewhere in the domain.
    fn check_range(&self) -> Result<()> {
        // Largest magnitudes of the sources.
        let mut reach: Vec<Vec<f64>> = vec![(0..self.frame.dim() - 1).map(|input| self.frame.reach(input)).collect()];
        for (l, layer) in self.layers.iter().enumerate() {
            let of_row = |row: usize| -> f64 {
                let terms = layer.terms.iter();
                let products =
                    terms.flat_map(|term| term.inputs(row).map(|(input, w)| w.abs() * reach[term.source][input]));
                products.sum::<f64>() + layer.bias[row].abs()
            };
            let z: Vec<f64> = match l {
                0 => self.first.norms.clone(),
                _ => (0..layer.n_rows()).map(of_row).collect(),
            };
            if let Some(row) = z.iter().position(|&z| z.is_nan() || z > 1e150) {
                return Err(Error::usage(format!(
                    "layer {}, pre-activation {row}: up to {:.0e} is beyond what is computed with; rescale the network",
                    l + 1,
                    z[row]
                )));
            }
            let largest = |values: &[f64]| values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            let (slope, intercept) = (largest(&layer.slopes), largest(&layer.intercepts));
            let size = layer.n_rows() / layer.n_units();
            let of_output = |output: usize| match layer.kind() {
                ActivationKind::Scalar(_) => z[output],
                ActivationKind::Crelu(_) => z[output % z.len()],
                ActivationKind::Maxout { .. } => largest(&z[layer.rows_of(output)]),
                ActivationKind::GroupSort { .. } => largest(&z[layer.rows_of(output / size)]),
            };
            reach.push((0..layer.n_outputs()).map(|output| of_output(output) * slope + intercept).collect());
        }
        Ok(())
    }

    /// The map of a layer from the maps of the layers before it and the patterns there.
    pub(crate) fn map<'a>(&self, layer: usize, before: impl Fn(usize) -> (&'a Map, &'a [usize]), map: &mut Map) {
        match layer {
            0 => map.clone_from(&self.first),
            _ => self.make_map(layer, before, map),
        }
    }

    fn make_map<'a>(&self, layer: usize, before: impl Fn(usize) -> (&'a Map, &'a [usize]), map: &mut Map) {
        let (dim, this) = (self.frame.dim(), &self.layers[layer]);
        let sources: Vec<Option<(&Map, &Layer, Vec<Selected>)>> = this
            .terms
            .iter()
            .map(|term| {
                let source = term.source.checked_sub(1)?;
                let (map, pattern) = before(source);
                Some((map, &self.layers[source], self.layers[source].outputs(pattern)))
            })
            .collect();
        map.rows.clear();
        map.rows.resize(this.n_rows() * dim, 0.0);
        map.errors.clear();
        map.norms.clear();
        let rounding = gamma(this.n_inputs() + 8);
        for (ix, row) in map.rows.chunks_exact_mut(dim).enumerate() {
            let (mut constant, mut error, mut sum) = (this.bias[ix], 0.0, 0.0);
            let mut is_exact = true;
            for (term, source) in this.terms.iter().zip(&sources) {
                let Some((before, layer, outputs)) = source else {
                    for (input, weight) in term.inputs(ix) {
                        let added = self.frame.add_input(weight, input, row);
                        sum += added.size;
                        error += if added.is_exact { 0.0 } else { f64::MIN_POSITIVE };
                        is_exact &= added.is_exact;
                    }
                    continue;
                };
                for (input, weight) in term.inputs(ix) {
                    let Selected { row: from, form } = outputs[input];
                    let (slope, intercept) = (layer.slopes[form], layer.intercepts[form]);
                    let factor = weight * slope;
                    if slope != 0.0 {
                        add_multiple(factor, &before.rows[from * dim..][..dim], row);
                        // What underflows is not zero.
                        error += factor.abs() * before.errors[from] + f64::MIN_POSITIVE * (1.0 + before.norms[from]);
                        sum += factor.abs() * (before.norms[from] + before.errors[from]);
                        is_exact = false;
                    }
                    let shift = weight * intercept;
                    if shift != 0.0 {
                        constant += shift;
                        sum += shift.abs();
                        is_exact = false;
                    }
                }
            }
            row[dim - 1] += constant;
            if !is_exact {
                error = 1.01 * error + rounding * (sum + this.bias[ix].abs());
            }
            map.errors.push(error);
            map.norms.push(self.frame.norm(row));
        }
    }

    /// Writes the row that is positive above a switch of a unit (`sign` 1), or below it (-1).
    pub(crate) fn cut(&self, map: &Map, layer: usize, unit: usize, switch: usize, sign: f64, cut: &mut Cut) {
        let (dim, layer) = (self.frame.dim(), &self.layers[layer]);
        let Switch { plus, minus, breakpoint } = layer.switch(unit, switch);
        cut.row.clear();
        cut.row.extend_from_slice(&map.rows[plus * dim..][..dim]);
        cut.error = map.errors[plus];
        let tau = breakpoint.map_or(0.0, |breakpoint| layer.breakpoints[breakpoint]);
        cut.row[dim - 1] -= tau;
        if tau != 0.0 {
            cut.error += f64::EPSILON * cut.row[dim - 1].abs();
        }
        if let Some(minus) = minus {
            add_multiple(-1.0, &map.rows[minus * dim..][..dim], &mut cut.row);
            cut.error += map.errors[minus] + f64::EPSILON * self.frame.norm(&cut.row);
        }
        let norm = if tau == 0.0 && minus.is_none() { map.norms[plus] } else { self.frame.norm(&cut.row) };
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

/// Refuses networks whose rows, and what walks keep of them, are more than there is memory for.
fn check_memory(architecture: &Architecture, n_walks: usize) -> Result<()> {
    let columns = architecture.input_dim() as u128 + 1;
    let rows = |layer: &network::Layer| layer.affine.units() as u128 * columns;
    let (mut all, mut weights) = (0, 0);
    for layer in architecture.layers() {
        all += rows(layer);
        weights += layer.maps().map(Affine::n_weights).sum::<u128>();
    }
    let needed = 8 * (weights + rows(&architecture.layers()[0]) + n_walks as u128 * all);
    memory::check(
        &format!("{architecture} with its units as functions of the input"),
        needed,
        "fewer inputs, filters or --threads need less",
    )
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
