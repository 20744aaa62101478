//! What pre-activations are made of: dense maps as matrices, all others as what is not zero in them.

use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

use super::forms::{Bounded, FLOOR, Forms, SLACK};
use crate::error::Result;
use crate::network::{Connection, Network, SparseRows};

/// The affine part of a layer, or the read-out, with the pre-activations of every unit together.
#[derive(Debug)]
pub(super) struct LayerTerms<'a> {
    pub terms: Vec<Term<'a>>,
    pub bias: Vec<f64>,
}

/// What a layer takes from one source.
#[derive(Debug)]
pub(super) struct Term<'a> {
    /// The network's input (0) or the outputs of the l-th hidden layer.
    pub source: usize,
    pub map: Map<'a>,
}

/// How values of a source are added to pre-activations.
#[derive(Debug)]
pub(super) enum Map<'a> {
    /// As they are.
    Identity,
    /// By weights, input-major; their magnitudes, tiny ones made larger.
    Dense { weights: Cow<'a, [f64]>, magnitudes: Vec<f64> },
    /// Every pre-activation is one of the values, the sole term without a bias: nothing is rounded.
    Selection(Vec<usize>),
    /// By weights of few inputs for each; the same by inputs.
    Sparse { rows: SparseRows, columns: SparseRows },
}

impl<'a> LayerTerms<'a> {
    /// Of a hidden layer, or of the read-out after the last.
    ///
    /// # Errors
    /// A set `stop`.
    pub(super) fn new(network: &'a Network, layer: usize, stop: &AtomicBool) -> Result<Self> {
        let bias = network.biases(layer);
        let is_sole = network.connections(layer).count() == 1 && bias.iter().all(|&b| b == 0.0);
        let term = |connection: Connection<'a>| -> Result<Term<'a>> {
            let map = if connection.is_identity() {
                Map::Identity
            } else if connection.is_dense() {
                let weights = connection.matrix(stop)?;
                let magnitudes = weights.iter().map(|&w| magnitude(w)).collect();
                Map::Dense { weights, magnitudes }
            } else {
                let rows = connection.sparse_rows(stop)?;
                match rows.selection().filter(|_| is_sole) {
                    Some(values) => Map::Selection(values),
                    None => Map::Sparse { columns: rows.transposed(connection.n_inputs()), rows },
                }
            };
            Ok(Term { source: connection.source, map })
        };
        Ok(Self { terms: network.connections(layer).map(term).collect::<Result<_>>()?, bias })
    }

    /// Bytes that the layer takes beside the network.
    pub(super) fn bytes(network: &Network, layer: usize) -> u128 {
        let of_connection = |connection: Connection| match connection.is_dense() {
            true => 16 * connection.n_products(),
            false => 32 * connection.n_products(),
        };
        network.connections(layer).map(of_connection).sum()
    }

    /// Products that a pre-activation is the sum of, at most.
    pub(super) fn n_products(&self) -> usize {
        let n_rows = self.bias.len();
        let of_term = |term: &Term| match &term.map {
            Map::Identity | Map::Selection(_) => 1,
            Map::Dense { weights, .. } => weights.len() / n_rows,
            Map::Sparse { rows, .. } => rows.longest(),
        };
        self.terms.iter().map(of_term).sum()
    }
}

impl Map<'_> {
    /// Adds what comes of forms to those of the pre-activations. Every product and sum has a relative rounding error of `gamma` at most.
    pub(super) fn add_forms(&self, h: &Forms, gamma: f64, reach: f64, z: &mut Forms) {
        // An input of a unit on a flat piece is exactly zero and has no error.
        let error_of = |input: usize| {
            let error = h.error[input] + gamma * h.magnitude(input, reach);
            let is_zero = error == 0.0 && h.a[input] == 0.0 && h.b[input] == 0.0 && h.c[input] == 0.0;
            if is_zero { 0.0 } else { error.max(FLOOR) }
        };
        match self {
            Self::Identity => {
                for input in 0..h.len() {
                    z.a[input] += h.a[input];
                    z.b[input] += h.b[input];
                    z.c[input] += h.c[input];
                    z.error[input] += error_of(input);
                }
            }
            Self::Dense { weights, magnitudes } => {
                let n_rows = z.len();
                let rows = weights.chunks_exact(n_rows).zip(magnitudes.chunks_exact(n_rows));
                for (input, (weights, magnitudes)) in rows.enumerate() {
                    let error = error_of(input);
                    if error > 0.0 {
                        add(&mut z.a, weights, h.a[input]);
                        add(&mut z.b, weights, h.b[input]);
                        add(&mut z.c, weights, h.c[input]);
                        add(&mut z.error, magnitudes, error);
                    }
                }
            }
            Self::Selection(values) => {
                for (row, &value) in values.iter().enumerate() {
                    [z.a[row], z.b[row], z.c[row]] = [h.a[value], h.b[value], h.c[value]];
                    // Products with coordinates may vanish.
                    let is_constant = h.a[value] == 0.0 && h.b[value] == 0.0;
                    z.error[row] = if is_constant { h.error[value] } else { h.error[value].max(FLOOR) };
                }
            }
            Self::Sparse { rows, .. } => {
                let errors: Vec<f64> = (0..h.len()).map(error_of).collect();
                for row in 0..z.len() {
                    let (inputs, weights) = rows.row(row);
                    let [mut a, mut b, mut c, mut error] = [z.a[row], z.b[row], z.c[row], z.error[row]];
                    for (&input, &w) in inputs.iter().zip(weights) {
                        a += w * h.a[input];
                        b += w * h.b[input];
                        c += w * h.c[input];
                        error += magnitude(w) * errors[input];
                    }
                    [z.a[row], z.b[row], z.c[row], z.error[row]] = [a, b, c, error];
                }
            }
        }
    }

    /// Adds what comes of values with their errors.
    pub(super) fn add_values(&self, h: &[Bounded], gamma: f64, z: &mut [Bounded]) {
        let error_of = |h: &Bounded| (SLACK * (h.error + gamma * h.value.abs())).max(FLOOR);
        let is_zero = |h: &Bounded| h.value == 0.0 && h.error == 0.0;
        let add = |z: &mut Bounded, w: f64, magnitude: f64, h: &Bounded, error: f64| {
            z.value += w * h.value;
            z.error += magnitude * error;
        };
        match self {
            Self::Identity => {
                z.iter_mut().zip(h).filter(|(_, h)| !is_zero(h)).for_each(|(z, h)| add(z, 1.0, 1.0, h, error_of(h)));
            }
            Self::Dense { weights, magnitudes } => {
                let rows = weights.chunks_exact(z.len()).zip(magnitudes.chunks_exact(z.len()));
                for (h, (weights, magnitudes)) in h.iter().zip(rows).filter(|(h, _)| !is_zero(h)) {
                    let error = error_of(h);
                    let row = weights.iter().zip(magnitudes);
                    z.iter_mut().zip(row).for_each(|(z, (&w, &magnitude))| add(z, w, magnitude, h, error));
                }
            }
            Self::Selection(values) => z.iter_mut().zip(values).for_each(|(z, &value)| *z = h[value]),
            Self::Sparse { columns, .. } => {
                for (input, h) in h.iter().enumerate().filter(|(_, h)| !is_zero(h)) {
                    let (error, (rows, weights)) = (error_of(h), columns.row(input));
                    rows.iter().zip(weights).for_each(|(&row, &w)| add(&mut z[row], w, magnitude(w), h, error));
                }
            }
        }
    }

    /// Calls `each` with the inputs of one of so many rows and their weights that are not zero.
    pub(super) fn for_each_input(&self, row: usize, n_rows: usize, mut each: impl FnMut(usize, f64)) {
        match self {
            Self::Identity => each(row, 1.0),
            Self::Selection(values) => each(values[row], 1.0),
            Self::Dense { weights, .. } => {
                let weights = weights.iter().skip(row).step_by(n_rows).enumerate();
                weights.filter(|(_, w)| **w != 0.0).for_each(|(input, &w)| each(input, w));
            }
            Self::Sparse { rows, .. } => {
                let (inputs, weights) = rows.row(row);
                inputs.iter().zip(weights).for_each(|(&input, &w)| each(input, w));
            }
        }
    }
}

fn magnitude(w: f64) -> f64 {
    if w == 0.0 { 0.0 } else { w.abs().max(FLOOR) }
}

fn add(sums: &mut [f64], row: &[f64], factor: f64) {
    if factor != 0.0 {
        sums.iter_mut().zip(row).for_each(|(sum, w)| *sum += w * factor);
    }
}
