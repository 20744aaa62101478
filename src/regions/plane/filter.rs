//! Affine forms of pre-activations on a cell in f64, each with a bound on its rounding error.

use super::affine_plane::{Plane, Window};
use super::exact::ExactPieces;
use super::pattern::PatternLayout;
use crate::error::{Error, Result};
use crate::network::{Network, Pieces};

/// Products of magnitudes of at least this size do not vanish: an error bound is zero only where everything is exactly zero.
const FLOOR: f64 = 1e-150;
/// Covers the rounding of bounds themselves.
const SLACK: f64 = 1.01;

/// Affine forms `a u + b v + c` of the units of a layer, and how far each may be from the exact one anywhere in the window.
#[derive(Clone, Debug, Default)]
pub(super) struct Forms {
    pub a: Vec<f64>,
    pub b: Vec<f64>,
    pub c: Vec<f64>,
    pub error: Vec<f64>,
}

impl Forms {
    fn reset(&mut self, n: usize) {
        for values in [&mut self.a, &mut self.b, &mut self.c, &mut self.error] {
            values.clear();
            values.resize(n, 0.0);
        }
    }

    fn len(&self) -> usize {
        self.a.len()
    }

    /// The largest magnitude of a form in a window with coordinates up to `reach`.
    fn magnitude(&self, ix: usize, reach: f64) -> f64 {
        (self.a[ix].abs() + self.b[ix].abs()) * reach + self.c[ix].abs()
    }
}

/// A value with a bound on its error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounded {
    pub value: f64,
    pub error: f64,
}

impl Bounded {
    /// The sign where it is certain.
    pub(super) fn sign(self) -> Option<i8> {
        match self.value {
            v if v > self.error => Some(1),
            v if v < -self.error => Some(-1),
            _ if self.error == 0.0 => Some(0),
            _ => None,
        }
    }
}

/// A vertex in plane coordinates, and how far either may be from the exact one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub at: [f64; 2],
    pub radius: f64,
}

/// Everything that forms are made of.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    network: &'a Network,
    layout: &'a PatternLayout,
    /// Magnitudes of the weights, tiny ones made larger.
    magnitudes: Vec<Vec<f64>>,
    /// With the intercepts of the exact activation.
    pieces: Vec<Pieces<f64>>,
    reach: f64,
    /// Pre-activations of the first layer, the same on all cells.
    first: Forms,
}

/// Memory to compute forms in.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub forms: Forms,
    other: Forms,
}

impl<'a> Filter<'a> {
    pub(super) fn new(network: &'a Network, layout: &'a PatternLayout, plane: &Plane, window: &Window) -> Result<Self> {
        let floored = |w: &f64| if *w == 0.0 { 0.0 } else { w.abs().max(FLOOR) };
        let rounded = |pieces: &Pieces<f64>| Pieces {
            intercepts: ExactPieces::new(pieces).rounded_intercepts(),
            ..pieces.clone()
        };
        let [u, v] = plane.directions();
        let n = plane.dim();
        let inputs = Forms { a: u.clone(), b: v.clone(), c: plane.origin().to_vec(), error: vec![0.0; n] };
        let mut filter = Self {
            network,
            layout,
            magnitudes: network.affine().iter().map(|w| w.weight.iter().map(floored).collect()).collect(),
            pieces: network.architecture().layers().iter().map(|layer| rounded(layer.activation.pieces())).collect(),
            reach: window.reach(),
            first: Forms::default(),
        };
        let mut first = Forms::default();
        filter.affine(0, &inputs, &mut first)?;
        filter.first = first;
        Ok(filter)
    }

    /// The largest magnitude of a coordinate of the window.
    pub(super) fn reach(&self) -> f64 {
        self.reach
    }

    /// The activation of a layer.
    pub(super) fn pieces(&self, layer: usize) -> &Pieces<f64> {
        &self.pieces[layer]
    }

    /// Pre-activations of a layer on a cell with this pattern of the layers before it, or the outputs after the last layer.
    pub(super) fn pre_activations<'s>(
        &self,
        layer: usize,
        pattern: &[u64],
        scratch: &'s mut Scratch,
    ) -> Result<&'s Forms> {
        scratch.forms.clone_from(&self.first);
        for before in 0..layer {
            self.activate(before, pattern, &mut scratch.forms);
            self.affine(before + 1, &scratch.forms, &mut scratch.other)?;
            std::mem::swap(&mut scratch.forms, &mut scratch.other);
        }
        Ok(&scratch.forms)
    }

    fn affine(&self, layer: usize, h: &Forms, z: &mut Forms) -> Result<()> {
        let weights = &self.network.affine()[layer];
        let units = weights.bias.len();
        let gamma = dot_rounding(h.len());
        z.reset(units);
        z.c.copy_from_slice(&weights.bias);
        let rows = weights.weight.chunks_exact(units).zip(self.magnitudes[layer].chunks_exact(units));
        for (input, (row, magnitudes)) in rows.enumerate() {
            let [a, b, c] = [h.a[input], h.b[input], h.c[input]];
            let error = h.error[input] + gamma * h.magnitude(input, self.reach);
            // Units on a flat piece, exactly zero.
            if error == 0.0 && a == 0.0 && b == 0.0 && c == 0.0 {
                continue;
            }
            let error = error.max(FLOOR);
            add(&mut z.a, row, a);
            add(&mut z.b, row, b);
            add(&mut z.c, row, c);
            add(&mut z.error, magnitudes, error);
        }
        for (error, bias) in z.error.iter_mut().zip(&weights.bias) {
            // Without any product the bias is the pre-activation.
            if *error > 0.0 {
                *error = SLACK * (*error + gamma * bias.abs());
            }
        }
        // Differences of two of them must be finite, too.
        let limit = 0.25 * f64::MAX;
        if (0..units).all(|unit| z.magnitude(unit, self.reach) < limit && z.error[unit] < limit) {
            Ok(())
        } else {
            Err(Error::failed(format!("layer {}: a pre-activation exceeds the range of f64", layer + 1)))
        }
    }

    /// The affine map before a layer without its biases. An empty vector stands for zeros.
    pub(super) fn linear(&self, layer: usize, h: &[Bounded]) -> Vec<Bounded> {
        let weights = &self.network.affine()[layer];
        let units = weights.bias.len();
        let gamma = dot_rounding(h.len());
        let mut z = vec![Bounded { value: 0.0, error: 0.0 }; if h.is_empty() { 0 } else { units }];
        let rows = weights.weight.chunks_exact(units).zip(self.magnitudes[layer].chunks_exact(units));
        for (h, (row, magnitudes)) in h.iter().zip(rows).filter(|(h, _)| h.value != 0.0 || h.error != 0.0) {
            let error = (SLACK * (h.error + gamma * h.value.abs())).max(FLOOR);
            for (z, (w, magnitude)) in z.iter_mut().zip(row.iter().zip(magnitudes)) {
                z.value += w * h.value;
                z.error += magnitude * error;
            }
        }
        z
    }

    /// Turns pre-activations of a layer into its activations on a cell.
    fn activate(&self, layer: usize, pattern: &[u64], forms: &mut Forms) {
        let (field, pieces) = (self.layout.layer(layer), &self.pieces[layer]);
        let words = field.of(pattern);
        for unit in 0..forms.len() {
            let piece = field.piece(words, unit);
            let (slope, intercept) = (pieces.slopes[piece], pieces.intercepts[piece]);
            if slope == 1.0 && intercept == 0.0 {
                continue;
            }
            let size = slope.abs() * forms.magnitude(unit, self.reach) + intercept.abs();
            for values in [&mut forms.a, &mut forms.b, &mut forms.c] {
                values[unit] *= slope;
            }
            forms.c[unit] += intercept;
            forms.error[unit] = SLACK * (slope.abs() * forms.error[unit] + 2.0 * f64::EPSILON * size);
            // What vanishes by underflow has an error.
            if slope != 0.0 || intercept != 0.0 {
                forms.error[unit] = forms.error[unit].max(FLOOR * FLOOR);
            }
        }
    }

    /// A unit's pre-activation less a breakpoint at a vertex.
    pub(super) fn value(&self, forms: &Forms, unit: usize, tau: f64, point: &Point) -> Bounded {
        let (a, b, c) = (forms.a[unit], forms.b[unit], forms.c[unit]);
        let (x, y) = (a * point.at[0], b * point.at[1]);
        let rounding = 2.0 * f64::EPSILON * (x.abs() + y.abs() + c.abs() + tau.abs());
        let moved = (a.abs() + b.abs()) * point.radius;
        Bounded { value: x + y + c - tau, error: SLACK * (forms.error[unit] + moved + rounding) }
    }

    /// The line where a unit's pre-activation equals a breakpoint.
    pub(super) fn line(&self, forms: &Forms, unit: usize, tau: f64) -> Line {
        let (a, b, c) = (forms.a[unit], forms.b[unit], forms.c[unit]);
        Line::new([a, b, c - tau], forms.error[unit] + f64::EPSILON * (c.abs() + tau.abs()), self.reach)
    }

    /// The line through two corners of the window.
    pub(super) fn side(&self, [p, q]: [[f64; 2]; 2]) -> Line {
        let (a, b) = (p[1] - q[1], q[0] - p[0]);
        Line::new([a, b, -(a * p[0] + b * p[1])], 4.0 * f64::EPSILON * (a.abs() + b.abs()) * self.reach, self.reach)
    }

    /// Where the second line meets the edge between two vertices on the first, at which it has values of opposite signs.
    pub(super) fn between(&self, lines: [&Line; 2], ends: [&Point; 2], values: [f64; 2]) -> Point {
        let [p, q] = values.map(f64::abs);
        let t = p / (p + q);
        let [from, to] = ends.map(|point| point.at);
        let at = [0, 1].map(|axis| from[axis] + t * (to[axis] - from[axis]));
        // The exact point differs by what makes both exact lines zero there.
        let [first, second] = lines;
        let [r, s] = lines.map(|line| line.residual(at));
        let apart = [0, 1].map(|axis| second.normal[axis].abs() * r + first.normal[axis].abs() * s);
        let det = first.normal[0] * second.normal[1] - first.normal[1] * second.normal[0];
        // Normals have components of at most 1, and errors of at most the line's error over the reach.
        let uncertain =
            2.0 * SLACK * (first.error + second.error + first.error * second.error / self.reach) / self.reach;
        Point { at, radius: SLACK * apart[0].max(apart[1]) / (det.abs() - uncertain - 4.0 * f64::EPSILON).max(0.0) }
    }
}

/// A line: where `normal . (u, v) + offset` is zero. The larger component of the normal is 1 in magnitude.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    normal: [f64; 2],
    offset: f64,
    /// How far the form may be from the exact one anywhere in the window.
    error: f64,
}

impl Line {
    fn new(form: [f64; 3], error: f64, reach: f64) -> Self {
        let scale = form[0].abs().max(form[1].abs());
        let [a, b, offset] = form.map(|x| x / scale);
        let rounding = f64::EPSILON * ((a.abs() + b.abs()) * reach + offset.abs());
        Self { normal: [a, b], offset, error: SLACK * (error / scale + rounding) }
    }

    /// Bound on the magnitude of the exact form at a point of the window.
    fn residual(&self, at: [f64; 2]) -> f64 {
        let (x, y) = (self.normal[0] * at[0], self.normal[1] * at[1]);
        let rounding = 2.0 * f64::EPSILON * (x.abs() + y.abs() + self.offset.abs());
        SLACK * ((x + y + self.offset).abs() + self.error + rounding)
    }
}

/// Bound on the relative rounding error of a sum of a bias and `n` products, in the sum of their magnitudes.
pub(super) fn dot_rounding(n: usize) -> f64 {
    (n + 2) as f64 * f64::EPSILON
}

fn add(sums: &mut [f64], row: &[f64], factor: f64) {
    if factor != 0.0 {
        sums.iter_mut().zip(row).for_each(|(sum, w)| *sum += w * factor);
    }
}
