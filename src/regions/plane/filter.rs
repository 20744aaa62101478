//! The pre-activations on a cell in f64, and where lines are with regard to vertices, with bounds on rounding errors.

use super::affine_plane::{Plane, Window};
use super::exact::ExactPieces;
use super::forms::{Bounded, FLOOR, Forms, SLACK, dot_rounding};
use super::pattern::PatternLayout;
use super::terms::LayerTerms;
use crate::error::{Error, Result};
use crate::network::{ActivationKind, Architecture};
use crate::regions::units::{Selected, Switch, Units};

/// Layers after which cells keep forms, and the most forms that they keep: of 32 bytes each.
const MIN_KEPT_DEPTH: usize = 4;
pub(super) const MAX_KEPT: usize = 24;

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

/// A vertex in plane coordinates, and how far either may be from the exact one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub at: [f64; 2],
    pub radius: f64,
}

/// A rectangle in plane coordinates that has the exact vertices of a polygon in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rectangle {
    centre: [f64; 2],
    /// Half its lengths.
    half: [f64; 2],
}

impl Rectangle {
    pub(super) fn around<'p>(vertices: impl Iterator<Item = &'p Point>) -> Self {
        let (mut low, mut high, mut radius) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2], 0.0f64);
        for Point { at, radius: r } in vertices {
            low = [0, 1].map(|axis| low[axis].min(at[axis]));
            high = [0, 1].map(|axis| high[axis].max(at[axis]));
            radius = radius.max(*r);
        }
        let centre = [0, 1].map(|axis| low[axis] + 0.5 * (high[axis] - low[axis]));
        let half = |axis: usize| SLACK * ((high[axis] - centre[axis]).max(centre[axis] - low[axis]) + radius);
        Self { centre, half: [half(0), half(1)] }
    }
}

/// Everything that forms are made of.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    architecture: &'a Architecture,
    layers: &'a [LayerTerms<'a>],
    layout: &'a PatternLayout,
    /// Bounds on the relative rounding errors of the sums of every layer.
    gammas: Vec<f64>,
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
        architecture: &'a Architecture,
        layers: &'a [LayerTerms<'a>],
        units: &[Units],
        layout: &'a PatternLayout,
        plane: &Plane,
        window: &Window,
    ) -> Result<Self> {
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
            architecture,
            layers,
            layout,
            gammas: layers.iter().map(|layer| dot_rounding(layer.n_products())).collect(),
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

    /// Makes the pre-activations of a layer on a cell with this pattern of the layers before it.
    pub(super) fn pre_activations(&self, layer: usize, pattern: &[u64], scratch: &mut Scratch) -> Result<()> {
        let Scratch { forms, outputs, pattern: fields, selected } = scratch;
        if outputs.len() < layer {
            outputs.resize_with(layer, Forms::default);
        }
        for before in 0..layer {
            let words = self.layout.layer(before).of(pattern);
            let z = if before == 0 { &self.first } else { &*forms };
            self.activate(before, words, z, (&mut *fields, &mut *selected), &mut outputs[before]);
            let source = |ix: usize| ix.checked_sub(1).map_or(&self.inputs, |layer| &outputs[layer]);
            self.affine(before + 1, source, forms)?;
        }
        if layer == 0 {
            forms.clone_from(&self.first);
        }
        Ok(())
    }

    /// The same on a cell that has kept what the layer is made of.
    pub(super) fn pre_activations_of(&self, layer: usize, kept: &Kept, scratch: &mut Scratch) -> Result<()> {
        self.affine(layer, |ix| kept.source(ix), &mut scratch.forms)
    }

    /// Whether a layer is the last before the read-out.
    pub(super) fn is_last(&self, layer: usize) -> bool {
        layer + 1 == self.architecture.depth()
    }

    /// Number of outputs of the network.
    pub(super) fn n_outputs(&self) -> usize {
        self.architecture.outputs()
    }

    /// Adds the gradients of all outputs on a part of a cell with these words of the last layer, from its pre-activations.
    pub(super) fn add_gradients(&self, words: &[u64], scratch: &Scratch, gradients: &mut Vec<[f64; 2]>) -> Result<()> {
        let (mut h, mut outputs) = (Forms::default(), Forms::default());
        let depth = self.architecture.depth();
        self.activate(depth - 1, words, &scratch.forms, (&mut Vec::new(), &mut Vec::new()), &mut h);
        self.affine(depth, |_| &h, &mut outputs)?;
        gradients.extend(outputs.a.iter().zip(&outputs.b).map(|(&a, &b)| [a, b]));
        Ok(())
    }

    /// Whether cells keep what comes out of a layer: in deep networks, where it is little, so that every layer takes the same time.
    pub(super) fn keeps(&self, layer: usize) -> bool {
        let n_forms = || self.sources_after(layer).map(|source| self.architecture.source_len(source)).sum::<usize>();
        layer >= MIN_KEPT_DEPTH && n_forms() <= MAX_KEPT
    }

    fn sources_after(&self, layer: usize) -> impl Iterator<Item = usize> {
        self.architecture.kept(layer + 1).iter().copied().chain([layer + 1])
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

    /// Pre-activations of a layer from its sources.
    fn affine<'f>(&self, layer: usize, source: impl Fn(usize) -> &'f Forms, z: &mut Forms) -> Result<()> {
        let LayerTerms { terms, bias } = &self.layers[layer];
        let gamma = self.gammas[layer];
        z.reset(bias.len());
        z.c.copy_from_slice(bias);
        terms.iter().for_each(|term| term.map.add_forms(source(term.source), gamma, self.reach, z));
        for (error, bias) in z.error.iter_mut().zip(bias) {
            // Without any product the bias is the pre-activation.
            if *error > 0.0 {
                *error = SLACK * (*error + gamma * bias.abs());
            }
        }
        // Differences of two of them must be finite, too.
        let limit = 0.25 * f64::MAX;
        if (0..bias.len()).all(|unit| z.magnitude(unit, self.reach) < limit && z.error[unit] < limit) {
            Ok(())
        } else {
            Err(Error::failed(format!("layer {}: a pre-activation exceeds the range of f64", layer + 1)))
        }
    }

    /// The affine map before a layer, or the read-out, without its biases. Empty sources stand for zeros, and so does an empty result.
    pub(super) fn linear(&self, layer: usize, sources: &[Vec<Bounded>]) -> Vec<Bounded> {
        let LayerTerms { terms, bias } = &self.layers[layer];
        let mut z = Vec::new();
        for term in terms.iter().filter(|term| !sources[term.source].is_empty()) {
            z.resize(bias.len(), Bounded { value: 0.0, error: 0.0 });
            term.map.add_values(&sources[term.source], self.gammas[layer], &mut z);
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

    /// Whether a form is somewhere negative and somewhere positive in a rectangle, where it is certain that it is not both.
    pub(super) fn sides(&self, form: &Form, rectangle: &Rectangle) -> Option<[bool; 2]> {
        let Form { a, b, c, error, tau } = *form;
        let Rectangle { centre, half } = *rectangle;
        let (x, y) = (a * centre[0], b * centre[1]);
        let rounding = 2.0 * f64::EPSILON * (x.abs() + y.abs() + c.abs() + tau.abs());
        let spread = SLACK * (error + a.abs() * half[0] + b.abs() * half[1] + rounding);
        match x + y + c - tau {
            value if value > spread => Some([false, true]),
            value if value < -spread => Some([true, false]),
            _ if spread == 0.0 => Some([false, false]),
            _ => None,
        }
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
