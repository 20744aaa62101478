//! Affine forms of pre-activations on a cell in f64, each with a bound on its rounding error.

use super::affine_plane::{Plane, Window};
use super::exact::ExactPieces;
use super::pattern::PatternLayout;
use crate::error::{Error, Result};
use crate::network::{ActivationKind, AffineWeights, Network};
use crate::regions::units::{Selected, Switch, Units};

/// Products of magnitudes of at least this size do not vanish: an error bound is zero only where everything is exactly zero.
const FLOOR: f64 = 1e-150;
/// Layers after which cells keep forms, and the most forms that they keep: of 32 bytes each.
const MIN_KEPT_DEPTH: usize = 4;
pub(super) const MAX_KEPT: usize = 24;
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

/// What the layers after one are made of on a cell: its outputs, and the earlier sources that one of them adds.
#[derive(Clone, Debug)]
pub(super) struct Kept(Vec<(usize, Forms)>);

impl Kept {
    fn source(&self, source: usize) -> &Forms {
        &self.0.iter().find(|(ix, _)| *ix == source).expect("what is added later is kept").1
    }
}

/// One affine form, less a breakpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    a: f64,
    b: f64,
    c: f64,
    error: f64,
    tau: f64,
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
    /// Magnitudes of the weights, tiny ones made larger; without biases.
    magnitudes: Vec<AffineWeights<f64>>,
    /// With the intercepts of the exact activations.
    units: Vec<Units>,
    reach: f64,
    inputs: Forms,
    /// Pre-activations of the first layer, the same on all cells.
    first: Forms,
}

/// Memory to compute forms in.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub forms: Forms,
    /// The outputs of the layers so far.
    outputs: Vec<Forms>,
    pattern: Vec<usize>,
    selected: Vec<Selected>,
}

impl<'a> Filter<'a> {
    pub(super) fn new(
        network: &'a Network,
        units: &[Units],
        layout: &'a PatternLayout,
        plane: &Plane,
        window: &Window,
    ) -> Result<Self> {
        let floored = |values: &Vec<f64>| -> Vec<f64> {
            values.iter().map(|w| if *w == 0.0 { 0.0 } else { w.abs().max(FLOOR) }).collect()
        };
        let magnitudes = |weights: &AffineWeights<f64>| AffineWeights {
            weight: floored(&weights.weight),
            bias: Vec::new(),
            skips: weights.skips.iter().map(floored).collect(),
        };
        let rounded = |units: &Units| {
            let mut units = units.clone();
            if let ActivationKind::Scalar(pieces) = units.kind() {
                units.intercepts = ExactPieces::new(pieces).rounded_intercepts();
            }
            units
        };
        let [u, v] = plane.directions();
        let n = plane.dim();
        let mut filter = Self {
            network,
            layout,
            magnitudes: network.affine().iter().map(magnitudes).collect(),
            units: units.iter().map(rounded).collect(),
            reach: window.reach(),
            inputs: Forms { a: u.clone(), b: v.clone(), c: plane.origin().to_vec(), error: vec![0.0; n] },
            first: Forms::default(),
        };
        let mut first = Forms::default();
        filter.affine(0, |_| &filter.inputs, &mut first)?;
        filter.first = first;
        Ok(filter)
    }

    /// The largest magnitude of a coordinate of the window.
    pub(super) fn reach(&self) -> f64 {
        self.reach
    }

    /// The units of a layer.
    pub(super) fn units(&self, layer: usize) -> &Units {
        &self.units[layer]
    }

    /// Pre-activations of a layer on a cell with this pattern of the layers before it, or the outputs after the last layer.
    pub(super) fn pre_activations<'s>(
        &self,
        layer: usize,
        pattern: &[u64],
        scratch: &'s mut Scratch,
    ) -> Result<&'s Forms> {
        let Scratch { forms, outputs, pattern: fields, selected } = scratch;
        forms.clone_from(&self.first);
        if outputs.len() < layer {
            outputs.resize_with(layer, Forms::default);
        }
        for before in 0..layer {
            let words = self.layout.layer(before).of(pattern);
            self.activate(before, words, forms, (&mut *fields, &mut *selected), &mut outputs[before]);
            let source = |ix: usize| ix.checked_sub(1).map_or(&self.inputs, |layer| &outputs[layer]);
            self.affine(before + 1, source, forms)?;
        }
        Ok(forms)
    }

    /// The same on a cell that has kept what the layer is made of.
    pub(super) fn pre_activations_of(&self, layer: usize, kept: &Kept, scratch: &mut Scratch) -> Result<()> {
        self.affine(layer, |ix| kept.source(ix), &mut scratch.forms)
    }

    /// Whether cells keep what comes out of a layer: in deep networks, where it is little, so that every layer takes the same time.
    pub(super) fn keeps(&self, layer: usize) -> bool {
        let architecture = self.network.architecture();
        let n_forms = || self.sources_after(layer).map(|source| architecture.source_len(source)).sum::<usize>();
        layer >= MIN_KEPT_DEPTH && n_forms() <= MAX_KEPT
    }

    fn sources_after(&self, layer: usize) -> impl Iterator<Item = usize> {
        self.network.architecture().kept(layer + 1).iter().copied().chain([layer + 1])
    }

    /// What is kept behind a layer on a part of a cell with these words of the layer, from its pre-activations and what was kept of the
    /// layers before, or is in the memory in which they were computed.
    pub(super) fn keep(&self, layer: usize, words: &[u64], before: Option<&Kept>, scratch: &Scratch) -> Kept {
        let source = |ix: usize| match before {
            _ if ix == layer + 1 => {
                let mut outputs = Forms::default();
                self.activate(layer, words, &scratch.forms, (&mut Vec::new(), &mut Vec::new()), &mut outputs);
                outputs
            }
            Some(kept) => kept.source(ix).clone(),
            None => ix.checked_sub(1).map_or(&self.inputs, |layer| &scratch.outputs[layer]).clone(),
        };
        Kept(self.sources_after(layer).map(|ix| (ix, source(ix))).collect())
    }

    /// The weights, their magnitudes, and the source of every map of a layer, or of the read-out after the last. Those of a skip that adds
    /// values as they are are empty.
    fn maps(&self, layer: usize) -> impl Iterator<Item = (&[f64], &[f64], usize)> {
        let (weights, magnitudes) = (&self.network.affine()[layer], &self.magnitudes[layer]);
        let skips = self.network.architecture().layers().get(layer).map_or(&[][..], |layer| &layer.skips);
        let skips = skips.iter().zip(weights.skips.iter().zip(&magnitudes.skips));
        let skips = skips.map(|(skip, (weights, magnitudes))| (&weights[..], &magnitudes[..], skip.source));
        [(&weights.weight[..], &magnitudes.weight[..], layer)].into_iter().chain(skips)
    }

    /// Number of terms of a pre-activation of a layer, or of an output.
    fn n_terms(&self, layer: usize) -> usize {
        let architecture = self.network.architecture();
        let skips = architecture.layers().get(layer).map_or(&[][..], |layer| &layer.skips);
        let of_skips: usize = skips.iter().map(|skip| skip.map.map_or(1, |map| map.inputs())).sum();
        architecture.affine_map(layer).inputs() + of_skips
    }

    /// Pre-activations of a layer from its sources.
    fn affine<'f>(&self, layer: usize, source: impl Fn(usize) -> &'f Forms, z: &mut Forms) -> Result<()> {
        let bias = &self.network.affine()[layer].bias;
        let units = bias.len();
        let gamma = dot_rounding(self.n_terms(layer));
        z.reset(units);
        z.c.copy_from_slice(bias);
        for (weights, magnitudes, ix) in self.maps(layer) {
            let h = source(ix);
            for input in 0..h.len() {
                let [a, b, c] = [h.a[input], h.b[input], h.c[input]];
                let error = h.error[input] + gamma * h.magnitude(input, self.reach);
                // Units on a flat piece, exactly zero.
                if error == 0.0 && a == 0.0 && b == 0.0 && c == 0.0 {
                    continue;
                }
                let error = error.max(FLOOR);
                let (to, row, magnitudes) = match weights.is_empty() {
                    true => (input..input + 1, &[1.0][..], &[1.0][..]),
                    false => (0..units, &weights[input * units..][..units], &magnitudes[input * units..][..units]),
                };
                add(&mut z.a[to.clone()], row, a);
                add(&mut z.b[to.clone()], row, b);
                add(&mut z.c[to.clone()], row, c);
                add(&mut z.error[to], magnitudes, error);
            }
        }
        for (error, bias) in z.error.iter_mut().zip(bias) {
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

    /// The affine map before a layer, or the read-out, without its biases. Empty sources stand for zeros, and so does an empty result.
    pub(super) fn linear(&self, layer: usize, sources: &[Vec<Bounded>]) -> Vec<Bounded> {
        let units = self.network.affine()[layer].bias.len();
        let gamma = dot_rounding(self.n_terms(layer));
        let mut z = Vec::new();
        for (weights, magnitudes, source) in self.maps(layer) {
            let h = &sources[source];
            if h.is_empty() {
                continue;
            }
            z.resize(units, Bounded { value: 0.0, error: 0.0 });
            for (input, h) in h.iter().enumerate().filter(|(_, h)| h.value != 0.0 || h.error != 0.0) {
                let error = (SLACK * (h.error + gamma * h.value.abs())).max(FLOOR);
                let (to, row, magnitudes) = match weights.is_empty() {
                    true => (input..input + 1, &[1.0][..], &[1.0][..]),
                    false => (0..units, &weights[input * units..][..units], &magnitudes[input * units..][..units]),
                };
                for (z, (w, magnitude)) in z[to].iter_mut().zip(row.iter().zip(magnitudes)) {
                    z.value += w * h.value;
                    z.error += magnitude * error;
                }
            }
        }
        z
    }

    /// Turns pre-activations of a layer into its outputs on a cell with these words of the layer.
    fn activate(
        &self,
        layer: usize,
        words: &[u64],
        forms: &Forms,
        (fields, selected): (&mut Vec<usize>, &mut Vec<Selected>),
        h: &mut Forms,
    ) {
        let units = &self.units[layer];
        fields.clear();
        fields.extend(self.layout.layer(layer).all(words));
        units.select(fields, selected);
        h.reset(selected.len());
        for (output, &Selected { row, form }) in selected.iter().enumerate() {
            let (slope, intercept) = (units.slopes[form], units.intercepts[form]);
            let is_through = slope == 1.0 && intercept == 0.0;
            h.a[output] = slope * forms.a[row];
            h.b[output] = slope * forms.b[row];
            h.c[output] = slope * forms.c[row] + intercept;
            h.error[output] = forms.error[row];
            if is_through {
                continue;
            }
            let size = slope.abs() * forms.magnitude(row, self.reach) + intercept.abs();
            h.error[output] = SLACK * (slope.abs() * forms.error[row] + 2.0 * f64::EPSILON * size);
            // What vanishes by underflow has an error.
            if slope != 0.0 || intercept != 0.0 {
                h.error[output] = h.error[output].max(FLOOR * FLOOR);
            }
        }
    }

    /// The form whose sign says on which side of a switch of a layer's units a point is.
    pub(super) fn form(&self, forms: &Forms, layer: usize, switch: Switch) -> Form {
        let units = &self.units[layer];
        let Switch { plus, minus, breakpoint } = switch;
        let (a, b, c, error) = (forms.a[plus], forms.b[plus], forms.c[plus], forms.error[plus]);
        let tau = breakpoint.map_or(0.0, |breakpoint| units.breakpoints[breakpoint]);
        let Some(minus) = minus else { return Form { a, b, c, error, tau } };
        let [a, b, c] = [a - forms.a[minus], b - forms.b[minus], c - forms.c[minus]];
        let rounding = f64::EPSILON * ((a.abs() + b.abs()) * self.reach + c.abs());
        Form { a, b, c, error: SLACK * (error + forms.error[minus] + rounding), tau }
    }

    /// A form at a vertex.
    pub(super) fn value(&self, form: &Form, point: &Point) -> Bounded {
        let Form { a, b, c, error, tau } = *form;
        let (x, y) = (a * point.at[0], b * point.at[1]);
        let rounding = 2.0 * f64::EPSILON * (x.abs() + y.abs() + c.abs() + tau.abs());
        let moved = (a.abs() + b.abs()) * point.radius;
        Bounded { value: x + y + c - tau, error: SLACK * (error + moved + rounding) }
    }

    /// The line where a form is zero.
    pub(super) fn line(&self, form: &Form) -> Line {
        let Form { a, b, c, error, tau } = *form;
        Line::new([a, b, c - tau], error + f64::EPSILON * (c.abs() + tau.abs()), self.reach)
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
