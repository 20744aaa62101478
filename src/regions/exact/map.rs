//! Affine maps of layers in whole numbers.

use num_bigint::BigInt;
use num_traits::Zero;

use super::program::ExactRow;
use super::whole_numbers;
use crate::regions::Domain;
use crate::regions::model::Model;

/// A network in whole numbers.
#[derive(Debug)]
pub(in crate::regions) struct ExactModel {
    n_inputs: usize,
    layers: Vec<ExactLayer>,
    readout: Vec<BigInt>,
    n_outputs: usize,
    /// Lower end and width of every input, over 2^`box_exponent`; none on R^n.
    sides: Option<(Vec<BigInt>, Vec<BigInt>)>,
    box_exponent: usize,
}

#[derive(Debug)]
struct ExactLayer {
    n_inputs: usize,
    weight: Vec<BigInt>,
    bias: Vec<BigInt>,
    slopes: Vec<BigInt>,
    intercepts: Vec<BigInt>,
    breakpoints: Vec<BigInt>,
    /// Powers of two: of slopes and intercepts, of breakpoints, of pre-activations.
    piece_exponent: usize,
    breakpoint_exponent: usize,
    exponent: usize,
}

/// The pre-activations of one layer on a region, as rows of coefficients and a constant, over a power of two.
#[derive(Debug)]
pub(in crate::regions) struct ExactMap {
    pub(in crate::regions) rows: Vec<Vec<BigInt>>,
}

impl ExactModel {
    pub(in crate::regions) fn new(model: &Model) -> Self {
        let mut exponent = 0;
        let layers = model.layers.iter().map(|layer| {
            let all: Vec<f64> = layer.weight.iter().chain(&layer.bias).copied().collect();
            let (mut weight, weight_exponent) = whole_numbers(&all);
            let bias = weight.split_off(layer.weight.len());
            let all: Vec<f64> = layer.pieces.slopes.iter().chain(&layer.pieces.intercepts).copied().collect();
            let (mut slopes, piece_exponent) = whole_numbers(&all);
            let intercepts = slopes.split_off(layer.pieces.slopes.len());
            let (breakpoints, breakpoint_exponent) = whole_numbers(&layer.pieces.breakpoints);
            let this = ExactLayer {
                n_inputs: layer.n_inputs,
                weight,
                bias,
                slopes,
                intercepts,
                breakpoints,
                piece_exponent,
                breakpoint_exponent,
                exponent: exponent + weight_exponent,
            };
            exponent = this.exponent + piece_exponent;
            this
        });
        let layers: Vec<ExactLayer> = layers.collect();
        let (mut sides, mut box_exponent) = (None, 0);
        if let Domain::Box { lower, upper } = &model.domain {
            let all: Vec<f64> = lower.iter().chain(upper).copied().collect();
            let (mut low, exponent) = whole_numbers(&all);
            let high = low.split_off(lower.len());
            let width = high.iter().zip(&low).map(|(h, l)| h - l).collect();
            (sides, box_exponent) = (Some((low, width)), exponent);
        }
        Self {
            n_inputs: model.frame.dim() - 1,
            layers,
            readout: whole_numbers(&model.readout).0,
            n_outputs: model.n_outputs,
            sides,
            box_exponent,
        }
    }

    /// The map of a layer from that of the layer before it and the pieces there.
    pub(in crate::regions) fn map(&self, layer: usize, before: Option<(&ExactMap, &[usize])>) -> ExactMap {
        let this = &self.layers[layer];
        let units = 0..this.bias.len();
        let Some((before, pattern)) = before else {
            let row = |u: usize| {
                let mut row = this.weight[u * this.n_inputs..][..this.n_inputs].to_vec();
                row.push(this.bias[u].clone());
                row
            };
            return ExactMap { rows: units.map(row).collect() };
        };
        let last = &self.layers[layer - 1];
        let row = |u: usize| {
            let mut row = vec![BigInt::zero(); self.n_inputs + 1];
            for (input, weight) in this.weight[u * this.n_inputs..][..this.n_inputs].iter().enumerate() {
                let factor = weight * &last.slopes[pattern[input]];
                if !factor.is_zero() {
                    row.iter_mut().zip(&before.rows[input]).for_each(|(sum, z)| *sum += &factor * z);
                }
                row[self.n_inputs] += (weight * &last.intercepts[pattern[input]]) << last.exponent;
            }
            row[self.n_inputs] += &this.bias[u] << (last.exponent + last.piece_exponent);
            row
        };
        ExactMap { rows: units.map(row).collect() }
    }

    /// The function that is positive above a breakpoint of a unit, in coefficients of the inputs and a constant.
    pub(in crate::regions) fn above(
        &self,
        map: &ExactMap,
        layer: usize,
        unit: usize,
        breakpoint: usize,
    ) -> Vec<BigInt> {
        let this = &self.layers[layer];
        let mut row: Vec<BigInt> = map.rows[unit].iter().map(|a| a << this.breakpoint_exponent).collect();
        row[self.n_inputs] -= &this.breakpoints[breakpoint] << this.exponent;
        row
    }

    /// The same function over the unit cube of the domain, or its negative.
    pub(in crate::regions) fn over_domain(&self, above: &[BigInt], is_above: bool) -> ExactRow {
        let (slopes, constant) = (&above[..self.n_inputs], &above[self.n_inputs]);
        let (mut coefficients, constant): (Vec<BigInt>, BigInt) = match &self.sides {
            Some((low, width)) => (
                slopes.iter().zip(width).map(|(a, w)| a * w).collect(),
                slopes.iter().zip(low).fold(constant << self.box_exponent, |sum, (a, l)| sum + a * l),
            ),
            // -1 <= x <= 1 and 0 <= s <= 1.
            None => (
                slopes.iter().map(|a| a << 1).chain([constant.clone()]).collect(),
                -slopes.iter().fold(BigInt::zero(), |sum, a| sum + a),
            ),
        };
        if is_above {
            return ExactRow { coefficients, constant };
        }
        coefficients.iter_mut().for_each(|a| *a = -std::mem::take(a));
        ExactRow { coefficients, constant: -constant }
    }

    /// How much the pre-activations of `layer`, or the outputs after the last, change when the activations before them change by
    /// `changes`. The powers of two are those of [`ExactMap::rows`].
    pub(in crate::regions) fn propagate(&self, layer: usize, changes: &[BigInt]) -> Vec<BigInt> {
        let (weight, n_units) = match self.layers.get(layer) {
            Some(layer) => (&layer.weight, layer.bias.len()),
            None => (&self.readout, self.n_outputs),
        };
        let n = changes.len();
        (0..n_units).map(|u| weight[u * n..][..n].iter().zip(changes).map(|(w, c)| w * c).sum()).collect()
    }

    /// The slope of a piece of a layer; times a pre-activation it is what [`Self::propagate`] takes.
    pub(in crate::regions) fn slope(&self, layer: usize, piece: usize) -> &BigInt {
        &self.layers[layer].slopes[piece]
    }
}
