//! Affine maps of layers in whole numbers.

use std::cell::OnceCell;

use num_bigint::BigInt;
use num_traits::Zero;

use super::program::ExactRow;
use super::whole_numbers;
use crate::regions::Domain;
use crate::regions::layer::Layer;
use crate::regions::model::Model;
use crate::regions::units::{Selected, Switch};

/// The numbers of a model as whole ones; its methods take the model itself, too.
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
    /// For every term of the layer and every row its inputs with weights that are not zero.
    terms: Vec<Vec<Vec<(usize, BigInt)>>>,
    bias: Vec<BigInt>,
    slopes: Vec<BigInt>,
    intercepts: Vec<BigInt>,
    breakpoints: Vec<BigInt>,
    /// Powers of two: of breakpoints, of what the layer is made of, of its pre-activations and of its outputs.
    breakpoint_exponent: usize,
    source_exponent: usize,
    exponent: usize,
    output_exponent: usize,
}

/// The pre-activations of one layer on a region, as rows of coefficients and a constant, over a power of two; each is made when it is
/// first needed.
#[derive(Debug)]
pub(in crate::regions) struct ExactMap {
    /// For every term what comes out of its source, nothing for the input.
    sources: Vec<Vec<Selected>>,
    rows: Vec<OnceCell<Vec<BigInt>>>,
}

impl ExactMap {
    /// The map of a layer on a region with these patterns of the layers before it.
    pub(in crate::regions) fn new<'p>(model: &Model, layer: usize, pattern: impl Fn(usize) -> &'p [usize]) -> Self {
        let this = &model.layers[layer];
        let of_source = |l: usize| model.layers[l].outputs(pattern(l));
        let sources = this.terms.iter().map(|term| term.source.checked_sub(1).map_or_else(Vec::new, of_source));
        Self { sources: sources.collect(), rows: vec![OnceCell::new(); this.n_rows()] }
    }

    /// A row, by `make` if it is not there.
    pub(in crate::regions) fn row(&self, row: usize, make: impl FnOnce(&Self) -> Vec<BigInt>) -> &[BigInt] {
        self.rows[row].get_or_init(|| make(self))
    }
}

impl ExactLayer {
    /// `output_exponents` are those of the sources so far.
    fn new(layer: &Layer, output_exponents: &[usize]) -> Self {
        let inputs = |row: usize| layer.terms.iter().flat_map(move |term| term.inputs(row));
        let rows = 0..layer.n_rows();
        let all: Vec<f64> = rows.clone().flat_map(inputs).map(|(_, w)| w).chain(layer.bias.iter().copied()).collect();
        let (mut weights, weight_exponent) = whole_numbers(&all);
        let bias = weights.split_off(all.len() - layer.n_rows());
        let mut weights = weights.into_iter();
        let mut terms: Vec<Vec<Vec<(usize, BigInt)>>> = vec![Vec::new(); layer.terms.len()];
        for row in rows {
            for (term, to) in layer.terms.iter().zip(&mut terms) {
                to.push(term.inputs(row).map(|(input, _)| input).zip(weights.by_ref()).collect());
            }
        }
        let all: Vec<f64> = layer.slopes.iter().chain(&layer.intercepts).copied().collect();
        let (mut slopes, piece_exponent) = whole_numbers(&all);
        let intercepts = slopes.split_off(layer.slopes.len());
        let (breakpoints, breakpoint_exponent) = whole_numbers(&layer.breakpoints);
        let source_exponent = layer.terms.iter().map(|term| output_exponents[term.source]).max().unwrap_or(0);
        let exponent = source_exponent + weight_exponent;
        Self {
            terms,
            bias,
            slopes,
            intercepts,
            breakpoints,
            breakpoint_exponent,
            source_exponent,
            exponent,
            output_exponent: exponent + piece_exponent,
        }
    }
}

impl ExactModel {
    pub(in crate::regions) fn new(model: &Model) -> Self {
        let mut layers: Vec<ExactLayer> = Vec::with_capacity(model.layers.len());
        let mut output_exponents = vec![0];
        for layer in &model.layers {
            let layer = ExactLayer::new(layer, &output_exponents);
            output_exponents.push(layer.output_exponent);
            layers.push(layer);
        }
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

    /// A row of a layer's map, made of rows of layers before it: `of_layer(l, r)` is row r of layer l.
    pub(in crate::regions) fn row<'r>(
        &self,
        model: &Model,
        (layer, row): (usize, usize),
        map: &ExactMap,
        of_layer: impl Fn(usize, usize) -> &'r [BigInt],
    ) -> Vec<BigInt> {
        let this = &self.layers[layer];
        let mut sum = vec![BigInt::zero(); self.n_inputs + 1];
        let terms = model.layers[layer].terms.iter().zip(&this.terms).zip(&map.sources);
        for ((term, rows), outputs) in terms {
            let Some(source) = term.source.checked_sub(1) else {
                rows[row].iter().for_each(|(input, weight)| sum[*input] += weight << this.source_exponent);
                continue;
            };
            let last = &self.layers[source];
            let shift = this.source_exponent - last.output_exponent;
            for (input, weight) in &rows[row] {
                let Selected { row: from, form } = outputs[*input];
                let factor = (weight * &last.slopes[form]) << shift;
                if !factor.is_zero() {
                    sum.iter_mut().zip(of_layer(source, from)).for_each(|(sum, z)| *sum += &factor * z);
                }
                sum[self.n_inputs] += (weight * &last.intercepts[form]) << (last.exponent + shift);
            }
        }
        sum[self.n_inputs] += &this.bias[row] << this.source_exponent;
        sum
    }

    /// The function that is positive above a switch of a unit, in coefficients of the inputs and a constant; `of_row(r)` is row r of the
    /// layer.
    pub(in crate::regions) fn above<'r>(
        &self,
        model: &Model,
        (layer, unit, switch): (usize, usize, usize),
        of_row: impl Fn(usize) -> &'r [BigInt],
    ) -> Vec<BigInt> {
        let this = &self.layers[layer];
        let Switch { plus, minus, breakpoint } = model.layers[layer].switch(unit, switch);
        let mut row: Vec<BigInt> = of_row(plus).iter().map(|a| a << this.breakpoint_exponent).collect();
        if let Some(minus) = minus {
            row.iter_mut().zip(of_row(minus)).for_each(|(a, b)| *a -= b);
        }
        if let Some(breakpoint) = breakpoint {
            row[self.n_inputs] -= &this.breakpoints[breakpoint] << this.exponent;
        }
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

    /// How much the pre-activations of `layer`, or the outputs after the last, change when the sources change by `changes`, of which those
    /// that do not are empty. The powers of two are those of [`Self::row`].
    pub(in crate::regions) fn propagate(&self, model: &Model, layer: usize, changes: &[Vec<BigInt>]) -> Vec<BigInt> {
        let Some(this) = self.layers.get(layer) else {
            let changes = &changes[layer];
            let of_output = |o: usize| {
                self.readout[o * changes.len()..][..changes.len()].iter().zip(changes).map(|(w, c)| w * c).sum()
            };
            return (0..self.n_outputs).map(of_output).collect();
        };
        let mut sums = vec![BigInt::zero(); this.bias.len()];
        for (term, rows) in model.layers[layer].terms.iter().zip(&this.terms) {
            let changes = &changes[term.source];
            if changes.iter().all(Zero::is_zero) {
                continue;
            }
            let shift = this.source_exponent - self.layers[term.source - 1].output_exponent;
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum += row.iter().map(|(input, w)| w * &changes[*input]).sum::<BigInt>() << shift;
            }
        }
        sums
    }

    /// The slope of a form of a layer; times a pre-activation it is what [`Self::propagate`] takes.
    pub(in crate::regions) fn slope(&self, layer: usize, form: usize) -> &BigInt {
        &self.layers[layer].slopes[form]
    }
}
