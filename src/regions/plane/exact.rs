//! Affine forms, lines and vertices in whole numbers: what decides where rounding could not be excluded.
//!
//! All forms of a layer share one power of two as their denominator, so that no fraction is ever reduced; a vertex is the point
//! on two lines in homogeneous coordinates.

use std::collections::HashMap;
use std::sync::OnceLock;

use num_bigint::{BigInt, Sign};
use num_traits::{Signed, Zero};

use super::affine_plane::{Plane, Window};
use super::complex::Source;
use super::pattern::PatternLayout;
use super::whole::{cross, fraction_bits, integers, ratio, scaled};
use crate::network::{ActivationKind, Network, Pieces};
use crate::regions::units::{Selected, Switch, Units};

/// A form `a u + b v + c`, a line where it is zero, or a point (u, v, w).
type Triple = [BigInt; 3];

/// Forms times `2^bits`.
#[derive(Clone, Debug)]
struct Forms {
    forms: Vec<Triple>,
    bits: u64,
}

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

#[derive(Debug)]
struct ExactAffine {
    /// Of every map its source and its weights, input-major; none where values are added as they are.
    maps: Vec<(usize, Option<Vec<BigInt>>)>,
    bias: Vec<BigInt>,
    bits: u64,
}

impl ExactAffine {
    /// The maps of a layer, or of the read-out after the last.
    fn new(network: &Network, layer: usize) -> Self {
        let weights = &network.affine()[layer];
        let values = weights.weight.iter().chain(&weights.bias).chain(weights.skips.iter().flatten());
        let bits = fraction_bits(values.copied());
        let all = |values: &[f64]| -> Vec<BigInt> { values.iter().map(|&v| scaled(v, bits)).collect() };
        let skips = network.architecture().layers().get(layer).map_or(&[][..], |layer| &layer.skips);
        let skips = skips.iter().zip(&weights.skips).map(|(skip, values)| (skip.source, skip.map.map(|_| all(values))));
        let maps = [(layer, Some(all(&weights.weight)))].into_iter().chain(skips).collect();
        Self { maps, bias: all(&weights.bias), bits }
    }

    /// Bits of the sources with the most.
    fn source_bits<'f>(&self, source: impl Fn(usize) -> &'f Forms) -> u64 {
        self.maps.iter().map(|(ix, _)| source(*ix).bits).max().unwrap_or(0)
    }

    fn unit<'f>(&self, unit: usize, source: impl Fn(usize) -> &'f Forms) -> Triple {
        let bits = self.source_bits(&source);
        let mut z = [BigInt::ZERO, BigInt::ZERO, &self.bias[unit] << bits];
        for (ix, weights) in &self.maps {
            let h = source(*ix);
            let mut add = |w: &BigInt, form: &Triple| {
                let shifted = w << (bits - h.bits);
                z.iter_mut().zip(form).filter(|(_, h)| !h.is_zero()).for_each(|(z, h)| *z += &shifted * h);
            };
            match weights {
                Some(weights) => {
                    let row = weights.iter().skip(unit).step_by(self.bias.len());
                    row.zip(&h.forms).filter(|(w, _)| !w.is_zero()).for_each(|(w, form)| add(w, form));
                }
                None => add(&scaled(1.0, self.bits), &h.forms[unit]),
            }
        }
        z
    }

    fn units<'f>(&self, source: impl Fn(usize) -> &'f Forms) -> Forms {
        let forms = (0..self.bias.len()).map(|unit| self.unit(unit, &source)).collect();
        Forms { forms, bits: self.bits + self.source_bits(&source) }
    }
}

/// A network on a window of a plane in whole numbers, made when it is first needed.
#[derive(Debug)]
pub(super) struct ExactNetwork<'a> {
    network: &'a Network,
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
    inputs: Forms,
    /// Pre-activations of the first layer, the same on all cells.
    first: Forms,
    sides: Vec<Triple>,
}

impl<'a> ExactNetwork<'a> {
    pub(super) fn new(
        network: &'a Network,
        units: &'a [Units],
        layout: &'a PatternLayout,
        plane: &'a Plane,
        window: &'a Window,
    ) -> Self {
        Self { network, units, layout, plane, window, numbers: OnceLock::new() }
    }

    fn numbers(&self) -> &Numbers {
        self.numbers.get_or_init(|| {
            let depth = self.units.len();
            let affine: Vec<ExactAffine> = (0..=depth).map(|layer| ExactAffine::new(self.network, layer)).collect();
            let pieces = self.units.iter().map(ExactPieces::of_units).collect();
            let [u, v] = self.plane.directions();
            let bits = fraction_bits(self.plane.origin().iter().chain(u).chain(v).copied());
            let input = |ix: usize| [u[ix], v[ix], self.plane.origin()[ix]].map(|x| scaled(x, bits));
            let inputs = Forms { forms: (0..self.plane.dim()).map(input).collect(), bits };
            let first = affine[0].units(|_| &inputs);
            let corners = self.window.corners();
            let corner = |ix: usize| {
                let [u, v] = corners[ix % corners.len()];
                integers([u, v, 1.0])
            };
            let sides = (0..corners.len()).map(|side| cross(&corner(side), &corner(side + 1))).collect();
            Numbers { affine, pieces, inputs, first, sides }
        })
    }
}

/// The forms of one cell in whole numbers, each computed when it is first needed.
#[derive(Debug)]
pub(super) struct ExactCell<'a> {
    network: &'a ExactNetwork<'a>,
    pattern: &'a [u64],
    /// Activations of the first layers.
    activations: Vec<Forms>,
    lines: HashMap<Source, Triple>,
}

impl<'a> ExactCell<'a> {
    /// The cell with this pattern: of all layers before those that are asked for.
    pub(super) fn new(network: &'a ExactNetwork<'a>, pattern: &'a [u64]) -> Self {
        Self { network, pattern, activations: Vec::new(), lines: HashMap::new() }
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
        let outputs = self.pre_activations(self.network.units.len());
        (outputs.forms.into_iter().map(|[a, b, _]| [a, b]).collect(), outputs.bits)
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
                let (mut z, bits) = self.row(layer, plus);
                if let Some(minus) = minus {
                    z.iter_mut().zip(self.row(layer, minus).0).for_each(|(z, other)| *z -= other);
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

    /// A row of pre-activations, and its bits.
    fn row(&mut self, layer: usize, row: usize) -> (Triple, u64) {
        let numbers = self.network.numbers();
        if layer == 0 {
            return (numbers.first.forms[row].clone(), numbers.first.bits);
        }
        self.activate(layer);
        let affine = &numbers.affine[layer];
        let source = |ix: usize| self.source(ix);
        (affine.unit(row, source), affine.bits + affine.source_bits(source))
    }

    fn pre_activations(&mut self, layer: usize) -> Forms {
        let numbers = self.network.numbers();
        if layer == 0 {
            return numbers.first.clone();
        }
        self.activate(layer);
        numbers.affine[layer].units(|ix| self.source(ix))
    }

    /// The input, or the outputs of a layer that is activated.
    fn source(&self, ix: usize) -> &Forms {
        ix.checked_sub(1).map_or_else(|| &self.network.numbers().inputs, |layer| &self.activations[layer])
    }

    /// Makes the outputs of the first `n` layers.
    fn activate(&mut self, n: usize) {
        while self.activations.len() < n {
            let next = self.activations.len();
            let z = self.pre_activations(next);
            let pieces = &self.network.numbers().pieces[next];
            let field = self.network.layout.layer(next);
            let pattern: Vec<usize> = field.all(field.of(self.pattern)).collect();
            let bits = (z.bits + pieces.slope_bits).max(pieces.bits);
            let shift = bits - z.bits - pieces.slope_bits;
            let activate = |Selected { row, form }: Selected| {
                let mut h = z.forms[row].each_ref().map(|z| (z * &pieces.slopes[form]) << shift);
                h[2] += &pieces.intercepts[form] << (bits - pieces.bits);
                h
            };
            let forms = self.network.units[next].outputs(&pattern).into_iter().map(activate).collect();
            self.activations.push(Forms { forms, bits });
        }
    }
}
