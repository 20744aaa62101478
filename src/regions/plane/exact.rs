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
use crate::network::{AffineWeights, Network, Pieces};

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
    /// Input-major.
    weight: Vec<BigInt>,
    bias: Vec<BigInt>,
    bits: u64,
}

impl ExactAffine {
    fn new(weights: &AffineWeights<f64>) -> Self {
        let bits = fraction_bits(weights.weight.iter().chain(&weights.bias).copied());
        let all = |values: &[f64]| values.iter().map(|&v| scaled(v, bits)).collect();
        Self { weight: all(&weights.weight), bias: all(&weights.bias), bits }
    }

    fn unit(&self, unit: usize, h: &Forms) -> Triple {
        let mut z = [BigInt::ZERO, BigInt::ZERO, &self.bias[unit] << h.bits];
        for (w, form) in self.weight.iter().skip(unit).step_by(self.bias.len()).zip(&h.forms) {
            if !w.is_zero() {
                z.iter_mut().zip(form).filter(|(_, h)| !h.is_zero()).for_each(|(z, h)| *z += w * h);
            }
        }
        z
    }

    fn units(&self, h: &Forms) -> Forms {
        let forms = (0..self.bias.len()).map(|unit| self.unit(unit, h)).collect();
        Forms { forms, bits: self.bits + h.bits }
    }
}

/// A network on a window of a plane in whole numbers, made when it is first needed.
#[derive(Debug)]
pub(super) struct ExactNetwork<'a> {
    network: &'a Network,
    layout: &'a PatternLayout,
    plane: &'a Plane,
    window: &'a Window,
    numbers: OnceLock<Numbers>,
}

#[derive(Debug)]
struct Numbers {
    affine: Vec<ExactAffine>,
    pieces: Vec<ExactPieces>,
    /// Pre-activations of the first layer, the same on all cells.
    first: Forms,
    sides: Vec<Triple>,
}

impl<'a> ExactNetwork<'a> {
    pub(super) fn new(network: &'a Network, layout: &'a PatternLayout, plane: &'a Plane, window: &'a Window) -> Self {
        Self { network, layout, plane, window, numbers: OnceLock::new() }
    }

    fn numbers(&self) -> &Numbers {
        self.numbers.get_or_init(|| {
            let affine: Vec<ExactAffine> = self.network.affine().iter().map(ExactAffine::new).collect();
            let layers = self.network.architecture().layers();
            let pieces = layers.iter().map(|layer| ExactPieces::new(layer.activation.pieces())).collect();
            let [u, v] = self.plane.directions();
            let bits = fraction_bits(self.plane.origin().iter().chain(u).chain(v).copied());
            let input = |ix: usize| [u[ix], v[ix], self.plane.origin()[ix]].map(|x| scaled(x, bits));
            let inputs = Forms { forms: (0..self.plane.dim()).map(input).collect(), bits };
            let first = affine[0].units(&inputs);
            let corners = self.window.corners();
            let corner = |ix: usize| {
                let [u, v] = corners[ix % corners.len()];
                integers([u, v, 1.0])
            };
            let sides = (0..corners.len()).map(|side| cross(&corner(side), &corner(side + 1))).collect();
            Numbers { affine, pieces, first, sides }
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
        let depth = self.network.network.architecture().depth();
        let outputs = self.pre_activations(depth);
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
                let (layer, unit) = (layer as usize, unit as usize);
                let (mut z, bits) = if layer == 0 {
                    (numbers.first.forms[unit].clone(), numbers.first.bits)
                } else {
                    let h = self.activations(layer - 1);
                    (numbers.affine[layer].unit(unit, h), numbers.affine[layer].bits + h.bits)
                };
                let pieces = &numbers.pieces[layer];
                let tau = &pieces.breakpoints[breakpoint as usize];
                if pieces.bits > bits {
                    z = z.map(|x| x << (pieces.bits - bits));
                    z[2] -= tau;
                } else {
                    z[2] -= tau << (bits - pieces.bits);
                }
                z
            }
        };
        self.lines.insert(source, line.clone());
        line
    }

    fn pre_activations(&mut self, layer: usize) -> Forms {
        let numbers = self.network.numbers();
        if layer == 0 { numbers.first.clone() } else { numbers.affine[layer].units(self.activations(layer - 1)) }
    }

    /// Activations of a layer, after those of the layers before it.
    fn activations(&mut self, layer: usize) -> &Forms {
        while self.activations.len() <= layer {
            let next = self.activations.len();
            let z = self.pre_activations(next);
            let pieces = &self.network.numbers().pieces[next];
            let field = self.network.layout.layer(next);
            let words = field.of(self.pattern);
            let bits = (z.bits + pieces.slope_bits).max(pieces.bits);
            let shift = bits - z.bits - pieces.slope_bits;
            let activate = |(unit, z): (usize, Triple)| {
                let piece = field.piece(words, unit);
                let mut h = z.map(|z| (z * &pieces.slopes[piece]) << shift);
                h[2] += &pieces.intercepts[piece] << (bits - pieces.bits);
                h
            };
            let forms = z.forms.into_iter().enumerate().map(activate).collect();
            self.activations.push(Forms { forms, bits });
        }
        &self.activations[layer]
    }
}
