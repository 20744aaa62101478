//! Affine forms, lines and vertices in whole numbers: what decides where rounding could not be excluded.
//!
//! All forms of a layer share one power of two as their denominator, so that no fraction is ever reduced; a vertex is the point
//! on two lines in homogeneous coordinates.

use std::collections::{BTreeSet, HashMap};
use std::sync::OnceLock;

use num_bigint::{BigInt, Sign};
use num_traits::{Signed, Zero};

use super::affine_plane::{Plane, Window};
use super::complex::Source;
use super::pattern::PatternLayout;
use super::terms::{LayerTerms, Map, Term};
use super::whole::{cross, fraction_bits, integers, ratio, scaled};
use crate::network::{ActivationKind, Pieces};
use crate::regions::units::{Selected, Switch, Units};

/// A form `a u + b v + c`, a line where it is zero, or a point (u, v, w).
type Triple = [BigInt; 3];

/// An activation in whole numbers. It is given by its breakpoints, its slopes and the intercept of the piece of 0; the other
/// intercepts follow exactly, so that the function is continuous where rounded ones would leave gaps.
#[derive(Clone, Debug)]
pub(super) struct ExactPieces {
    breakpoints: Vec<BigInt>,
    intercepts: Vec<BigInt>,
    /// Of breakpoints and intercepts.
    bits: u64,
    slopes: Vec<BigInt>,
    slope_bits: u64,
}

impl ExactPieces {
    /// The forms through which units pass their rows.
    fn of_units(units: &Units) -> Self {
        match units.kind() {
            ActivationKind::Scalar(pieces) => Self::new(pieces),
            ActivationKind::Crelu(pieces) => {
                let mut both = Self::new(pieces);
                both.slopes.extend([-1.0, 0.0].map(|slope| scaled(slope, both.slope_bits)));
                both.intercepts.extend([BigInt::ZERO, BigInt::ZERO]);
                both
            }
            ActivationKind::Maxout { .. } | ActivationKind::GroupSort { .. } => Self {
                breakpoints: Vec::new(),
                intercepts: vec![BigInt::ZERO],
                bits: 0,
                slopes: vec![BigInt::from(1)],
                slope_bits: 0,
            },
        }
    }

    pub(super) fn new(pieces: &Pieces<f64>) -> Self {
        let slope_bits = fraction_bits(pieces.slopes.iter().copied());
        let home = pieces.lower_piece(0.0);
        let point_bits = fraction_bits(pieces.breakpoints.iter().copied());
        let bits = fraction_bits([pieces.intercepts[home]]).max(slope_bits + point_bits);
        let slopes: Vec<BigInt> = pieces.slopes.iter().map(|&s| scaled(s, slope_bits)).collect();
        let step = |k: usize| (&slopes[k] - &slopes[k + 1]) * scaled(pieces.breakpoints[k], bits - slope_bits);
        let mut intercepts = vec![scaled(pieces.intercepts[home], bits); slopes.len()];
        for k in home + 1..slopes.len() {
            intercepts[k] = &intercepts[k - 1] + step(k - 1);
        }
        for k in (0..home).rev() {
            intercepts[k] = &intercepts[k + 1] - step(k);
        }
        let breakpoints = pieces.breakpoints.iter().map(|&tau| scaled(tau, bits)).collect();
        Self { breakpoints, intercepts, bits, slopes, slope_bits }
    }

    pub(super) fn rounded_intercepts(&self) -> Vec<f64> {
        let one = BigInt::from(1) << self.bits;
        self.intercepts.iter().map(|c| ratio(c, &one)).collect()
    }
}

/// What a layer takes from one source: for every row its inputs with weights that are not zero.
#[derive(Debug)]
struct ExactTerm {
    source: usize,
    rows: Vec<Vec<(usize, BigInt)>>,
}

/// The affine part of a layer, or the read-out.
#[derive(Debug)]
struct ExactAffine {
    terms: Vec<ExactTerm>,
    bias: Vec<BigInt>,
    /// Of weights and biases, and of the sources with the most.
    bits: u64,
    source_bits: u64,
}

impl ExactAffine {
    /// `bits_of` are the bits of the sources so far.
    fn new(layer: &LayerTerms, bits_of: &[u64]) -> Self {
        let n_rows = layer.bias.len();
        let mut all = layer.bias.clone();
        for term in &layer.terms {
            (0..n_rows).for_each(|row| term.map.for_each_input(row, n_rows, |_, w| all.push(w)));
        }
        let bits = fraction_bits(all);
        let row = |map: &Map, row: usize| {
            let mut inputs = Vec::new();
            map.for_each_input(row, n_rows, |input, w| inputs.push((input, scaled(w, bits))));
            inputs
        };
        let of_term =
            |term: &Term| ExactTerm { source: term.source, rows: (0..n_rows).map(|r| row(&term.map, r)).collect() };
        Self {
            terms: layer.terms.iter().map(of_term).collect(),
            bias: layer.bias.iter().map(|&b| scaled(b, bits)).collect(),
            bits,
            source_bits: layer.terms.iter().map(|term| bits_of[term.source]).max().unwrap_or(0),
        }
    }

    /// Bits of the pre-activations.
    fn row_bits(&self) -> u64 {
        self.bits + self.source_bits
    }
}

/// A network on a window of a plane in whole numbers, made when it is first needed.
#[derive(Debug)]
pub(super) struct ExactNetwork<'a> {
    layers: &'a [LayerTerms<'a>],
    units: &'a [Units],
    layout: &'a PatternLayout,
    plane: &'a Plane,
    window: &'a Window,
    numbers: OnceLock<Numbers>,
}

#[derive(Debug)]
struct Numbers {
    affine: Vec<ExactAffine>,
    pieces: Vec<ExactPieces>,
    inputs: Vec<Triple>,
    /// Bits of the input and of the outputs of every layer.
    bits: Vec<u64>,
    sides: Vec<Triple>,
}

impl<'a> ExactNetwork<'a> {
    pub(super) fn new(
        layers: &'a [LayerTerms<'a>],
        units: &'a [Units],
        layout: &'a PatternLayout,
        plane: &'a Plane,
        window: &'a Window,
    ) -> Self {
        Self { layers, units, layout, plane, window, numbers: OnceLock::new() }
    }

    fn numbers(&self) -> &Numbers {
        self.numbers.get_or_init(|| {
            let [u, v] = self.plane.directions();
            let input_bits = fraction_bits(self.plane.origin().iter().chain(u).chain(v).copied());
            let input = |ix: usize| [u[ix], v[ix], self.plane.origin()[ix]].map(|x| scaled(x, input_bits));
            let pieces: Vec<ExactPieces> = self.units.iter().map(ExactPieces::of_units).collect();
            let (mut affine, mut bits) = (Vec::new(), vec![input_bits]);
            for (ix, layer) in self.layers.iter().enumerate() {
                let layer = ExactAffine::new(layer, &bits);
                bits.extend(pieces.get(ix).map(|pieces| (layer.row_bits() + pieces.slope_bits).max(pieces.bits)));
                affine.push(layer);
            }
            let corners = self.window.corners();
            let corner = |ix: usize| {
                let [u, v] = corners[ix % corners.len()];
                integers([u, v, 1.0])
            };
            let sides = (0..corners.len()).map(|side| cross(&corner(side), &corner(side + 1))).collect();
            Numbers { affine, pieces, inputs: (0..self.plane.dim()).map(input).collect(), bits, sides }
        })
    }
}

/// The forms of one cell in whole numbers, each computed when it is first needed.
#[derive(Debug)]
pub(super) struct ExactCell<'a> {
    network: &'a ExactNetwork<'a>,
    pattern: &'a [u64],
    /// What comes out of the first layers.
    outputs: Vec<Vec<Selected>>,
    /// Rows of pre-activations, by layer and number.
    rows: HashMap<(usize, usize), Triple>,
    lines: HashMap<Source, Triple>,
}

impl<'a> ExactCell<'a> {
    /// The cell with this pattern: of all layers before those that are asked for.
    pub(super) fn new(network: &'a ExactNetwork<'a>, pattern: &'a [u64]) -> Self {
        Self { network, pattern, outputs: Vec::new(), rows: HashMap::new(), lines: HashMap::new() }
    }

    /// The sign of the form of a line at the point where two others meet.
    pub(super) fn sign(&mut self, line: Source, point: [Source; 2]) -> i8 {
        let point = self.point(point);
        let line = self.line(line);
        let value: BigInt = line.iter().zip(&point).map(|(l, p)| l * p).sum();
        match value.sign() {
            Sign::Minus => -1,
            Sign::NoSign => 0,
            Sign::Plus => 1,
        }
    }

    /// The point where two lines meet, rounded.
    pub(super) fn rounded_point(&mut self, point: [Source; 2]) -> [f64; 2] {
        let [u, v, w] = self.point(point);
        [ratio(&u, &w), ratio(&v, &w)]
    }

    /// Gradients of the outputs, with the power of two that they are multiplied with.
    pub(super) fn gradients(&mut self) -> (Vec<[BigInt; 2]>, u64) {
        let depth = self.network.units.len();
        let readout = &self.network.numbers().affine[depth];
        let gradient = |output: usize| {
            let [a, b, _] = self.row(depth, output);
            [a, b]
        };
        ((0..readout.bias.len()).map(gradient).collect(), readout.row_bits())
    }

    fn point(&mut self, [first, second]: [Source; 2]) -> Triple {
        let (first, second) = (self.line(first), self.line(second));
        let point = cross(&first, &second);
        if point[2].is_negative() { point.map(|x| -x) } else { point }
    }

    fn line(&mut self, source: Source) -> Triple {
        if let Some(line) = self.lines.get(&source) {
            return line.clone();
        }
        let numbers = self.network.numbers();
        let line = match source {
            Source::Window { side } => numbers.sides[side as usize].clone(),
            Source::Unit { layer, unit, breakpoint } => {
                let layer = layer as usize;
                let units = &self.network.units[layer];
                let Switch { plus, minus, breakpoint } = units.switch(unit as usize, breakpoint as usize);
                let (mut z, bits) = (self.row(layer, plus), numbers.affine[layer].row_bits());
                if let Some(minus) = minus {
                    z.iter_mut().zip(self.row(layer, minus)).for_each(|(z, other)| *z -= other);
                }
                if let Some(breakpoint) = breakpoint {
                    let pieces = &numbers.pieces[layer];
                    let tau = &pieces.breakpoints[breakpoint];
                    if pieces.bits > bits {
                        z = z.map(|x| x << (pieces.bits - bits));
                        z[2] -= tau;
                    } else {
                        z[2] -= tau << (bits - pieces.bits);
                    }
                }
                z
            }
        };
        self.lines.insert(source, line.clone());
        line
    }

    /// A row of pre-activations, by those before it that it is made of.
    fn row(&mut self, layer: usize, row: usize) -> Triple {
        self.select(layer);
        // From the row back: every layer's rows are made of those of layers before.
        let mut missing: BTreeSet<(usize, usize)> = [(layer, row)].into();
        let mut order = Vec::new();
        while let Some(next) = missing.pop_last() {
            if !self.rows.contains_key(&next) {
                missing.extend(self.made_of(next));
                order.push(next);
            }
        }
        for next in order.into_iter().rev() {
            let row = self.compute(next);
            self.rows.insert(next, row);
        }
        self.rows[&(layer, row)].clone()
    }

    /// The rows that a row is made of.
    fn made_of(&self, (layer, row): (usize, usize)) -> impl Iterator<Item = (usize, usize)> + '_ {
        let numbers = self.network.numbers();
        let of_term = move |term: &'a ExactTerm| {
            let before = term.source.checked_sub(1);
            term.rows[row].iter().filter_map(move |(input, _)| {
                let Selected { row, form } = self.outputs[before?][*input];
                (!numbers.pieces[before?].slopes[form].is_zero()).then_some((before?, row))
            })
        };
        numbers.affine[layer].terms.iter().flat_map(of_term)
    }

    fn compute(&self, (layer, row): (usize, usize)) -> Triple {
        let numbers = self.network.numbers();
        let affine = &numbers.affine[layer];
        let mut z = [BigInt::ZERO, BigInt::ZERO, &affine.bias[row] << affine.source_bits];
        for ExactTerm { source, rows } in &affine.terms {
            let shift = affine.source_bits - numbers.bits[*source];
            for (input, w) in &rows[row] {
                let w = w << shift;
                match source.checked_sub(1) {
                    None => add(&mut z, &w, &numbers.inputs[*input]),
                    Some(before) => {
                        let Selected { row, form } = self.outputs[before][*input];
                        let (pieces, bits) = (&numbers.pieces[before], numbers.bits[*source]);
                        let (slope, intercept) = (&pieces.slopes[form], &pieces.intercepts[form]);
                        if !slope.is_zero() {
                            let up = bits - numbers.affine[before].row_bits() - pieces.slope_bits;
                            add(&mut z, &((&w * slope) << up), &self.rows[&(before, row)]);
                        }
                        z[2] += (w * intercept) << (bits - pieces.bits);
                    }
                }
            }
        }
        z
    }

    /// Finds what comes out of the first `n` layers.
    fn select(&mut self, n: usize) {
        for layer in self.outputs.len()..n {
            let field = self.network.layout.layer(layer);
            let pattern: Vec<usize> = field.all(field.of(self.pattern)).collect();
            self.outputs.push(self.network.units[layer].outputs(&pattern));
        }
    }
}

fn add(z: &mut Triple, factor: &BigInt, form: &Triple) {
    z.iter_mut().zip(form).filter(|(_, h)| !h.is_zero()).for_each(|(z, h)| *z += factor * h);
}
