//! Where rates are evaluated.

use std::ops::Range;

use crate::engine::PathCounts;
use crate::ensemble::Ensemble;
use crate::error::Result;
use crate::network::{Affine, RandomNetwork};
use crate::path::{EvenPaths, Path};
use crate::theory::rice::{Switches, homogeneous_gain};

/// Points on some paths of one network, the same number on each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Points {
    per_path: usize,
    /// Row-major, one row per point.
    pub(crate) x: Vec<f64>,
    /// The unit vector along the path at every point.
    pub(crate) direction: Vec<f64>,
    /// What the rate at every point is multiplied by: the sum over a path's points is its integral on average.
    factor: Vec<f64>,
    /// Of every path.
    lengths: Vec<f64>,
}

impl Points {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.factor.len()
    }

    /// The expected crossings of every path in multiples of `unit`, from the rates of every layer at every point (row-major, one row
    /// per point), and from the rate at every point of crossings at the boundaries of others (or none where there is nothing of the
    /// kind).
    pub(crate) fn counts(&self, rates: &[f64], coinciding: &[f64], unit: f64) -> impl Iterator<Item = PathCounts> {
        let depth = rates.len() / self.len();
        let per_path = self.per_path;
        self.lengths.iter().enumerate().map(move |(path, &length)| {
            let points = path * per_path..(path + 1) * per_path;
            let count = |rate: &dyn Fn(usize) -> f64| {
                let sum: f64 = points.clone().map(|p| rate(p) * self.factor[p]).sum();
                // Too large a number saturates, and is refused when it is summed.
                (sum / unit).round() as u64
            };
            let crossings: Vec<u64> = (0..depth).map(|layer| count(&|p| rates[p * depth + layer])).collect();
            let all = crossings.iter().fold(0u64, |sum, &c| sum.saturating_add(c));
            let boundaries = all.saturating_sub(count(&|p| coinciding.get(p).copied().unwrap_or(0.0)));
            PathCounts { length, crossings, boundaries, knots: None }
        })
    }
}

/// Draws points on the paths of an ensemble.
///
/// At infinite width, crossings lie on a line at distance d from the origin with a Cauchy law: centred at the point nearest to
/// the origin, its half-width the root of d^2 + B, where B is the ratio of E z(0)^2 to the factor of |x|^2 in E z(x)^2. Half of
/// the points have the width of the first layer, half that of the last; other layers are between. Where activations are not
/// homogeneous, breakpoints take part in B. Because nothing better is known of deep layers there, and of convolutions and skips, half of the
/// points are uniform then. No rate is multiplied by more than a few times the path's length then.
///
/// A path's points are stratified: point j of m has its place in the j-th m-th of this law.
#[derive(Debug)]
pub(crate) struct PointSampler<'a> {
    paths: EvenPaths<'a>,
    paths_per_network: u64,
    laws: Vec<Law>,
    path: Path,
    edges: Vec<Edge>,
    /// Mass of every law on every edge, and over all edges.
    masses: Vec<f64>,
    totals: Vec<f64>,
    places: Vec<f64>,
}

/// One part of the law of points on a path.
#[derive(Clone, Copy, Debug)]
struct Law {
    share: f64,
    /// The square of the Cauchy law's half-width on a line through the origin; infinite for the uniform law.
    width2: f64,
}

/// An edge of a path.
#[derive(Clone, Copy, Debug)]
struct Edge {
    /// Arc length from the point nearest to the origin to its start.
    from: f64,
    length: f64,
    /// Squared distance of its line to the origin.
    distance2: f64,
}

impl<'a> PointSampler<'a> {
    /// A sampler of `per_path` points on every path.
    pub(crate) fn new(ensemble: &'a Ensemble, per_path: usize) -> Self {
        let laws = laws(&ensemble.network);
        Self {
            paths: EvenPaths::new(&ensemble.path),
            paths_per_network: ensemble.paths_per_network,
            path: Path::at_origin(ensemble.path.dim()),
            edges: Vec::new(),
            masses: Vec::new(),
            totals: vec![0.0; laws.len()],
            laws,
            places: vec![0.0; per_path],
        }
    }

    /// Draws the points on some paths of network `draw`.
    ///
    /// # Errors
    /// A path too long for a 64-bit number.
    pub(crate) fn fill(&mut self, draw: u64, paths: Range<u64>, points: &mut Points) -> Result<()> {
        self.paths.go_to(draw);
        points.per_path = self.places.len();
        for values in [&mut points.x, &mut points.direction, &mut points.factor, &mut points.lengths] {
            values.clear();
        }
        for path_ix in paths {
            self.paths.path(path_ix, self.paths_per_network, &mut self.path)?;
            self.paths.places(path_ix, &mut self.places);
            self.set_masses();
            points.lengths.push(self.path.length());
            for stratum in 0..self.places.len() {
                let place = (stratum as f64 + self.places[stratum]) / self.places.len() as f64;
                self.push(place, points);
            }
        }
        Ok(())
    }

    fn set_masses(&mut self) {
        let (path, laws) = (&self.path, &self.laws);
        self.edges.clear();
        self.edges.extend((0..path.n_vertices() - 1).map(|edge| Edge::new(path, edge)));
        self.masses.clear();
        self.masses.extend(self.edges.iter().flat_map(|edge| laws.iter().map(|law| edge.mass(law.width2))));
        self.totals.fill(0.0);
        for masses in self.masses.chunks_exact(laws.len()) {
            self.totals.iter_mut().zip(masses).for_each(|(total, mass)| *total += mass);
        }
    }

    /// Adds the point at a place, between 0 and 1, of the law on the path at hand.
    fn push(&self, place: f64, points: &mut Points) {
        let dim = self.path.dim();
        let start = points.x.len();
        points.x.resize(start + dim, 0.0);
        points.direction.resize(start + dim, 0.0);
        let Some((edge, offset, density)) = self.locate(place) else {
            // Nothing is crossed on a path without length or on one that a network without biases only scales.
            points.x[start..].copy_from_slice(self.path.vertex(0));
            points.factor.push(0.0);
            return;
        };
        let position = (self.path.positions()[edge] + offset).min(self.path.positions()[edge + 1]);
        self.path.point_on_edge(edge, position, &mut points.x[start..]);
        let step = self.edges[edge].length;
        let ends = self.path.vertex(edge).iter().zip(self.path.vertex(edge + 1));
        points.direction[start..].iter_mut().zip(ends).for_each(|(u, (a, b))| *u = (b - a) / step);
        points.factor.push(1.0 / (density * self.places.len() as f64));
    }

    /// The edge, offset on it and density of the point at a place.
    fn locate(&self, place: f64) -> Option<(usize, f64, f64)> {
        let n_laws = self.laws.len();
        let shares = |ix: usize| if self.totals[ix] > 0.0 { self.laws[ix].share } else { 0.0 };
        let all: f64 = (0..n_laws).map(shares).sum();
        let last = (0..n_laws).rev().find(|&ix| shares(ix) > 0.0)?;
        // Which law, and which place in it.
        let (mut law, mut left) = (0, place * all);
        while law < last && left >= shares(law) {
            left -= shares(law);
            law += 1;
        }
        let mut left = left / shares(law) * self.totals[law];
        let mass = |edge: usize| self.masses[edge * n_laws + law];
        let mut edge = 0;
        while edge + 1 < self.edges.len() && left >= mass(edge) {
            left -= mass(edge);
            edge += 1;
        }
        let offset = self.edges[edge].offset(self.laws[law].width2, left);
        let density = |ix: usize| self.edges[edge].density(self.laws[ix].width2, offset) / self.totals[ix];
        let density: f64 = (0..=last).filter(|&ix| shares(ix) > 0.0).map(|ix| shares(ix) / all * density(ix)).sum();
        Some((edge, offset, density))
    }
}

impl Edge {
    fn new(path: &Path, edge: usize) -> Self {
        let length = path.positions()[edge + 1] - path.positions()[edge];
        let ends = || path.vertex(edge).iter().zip(path.vertex(edge + 1)).map(|(a, b)| (a, (b - a) / length));
        let from: f64 = ends().map(|(a, u)| a * u).sum();
        let distance2 = ends().map(|(a, u)| (a - from * u).powi(2)).sum();
        Self { from, length, distance2 }
    }

    /// Half-width of the law on this edge, start, and length, in units of the largest, and that unit.
    fn scaled(&self, width2: f64) -> [f64; 4] {
        let width = (self.distance2 + width2).sqrt();
        let unit = width.max(self.from.abs()).max(self.length);
        [width / unit, self.from / unit, self.length / unit, unit]
    }

    /// The angle under which the edge is seen from a point at the law's half-width from its line; its length for the uniform law.
    fn mass(&self, width2: f64) -> f64 {
        if width2.is_infinite() {
            return self.length;
        }
        let [w, from, length, _] = self.scaled(width2);
        (w * length).atan2(w * w + from * (from + length))
    }

    /// How far into the edge its law has this mass.
    fn offset(&self, width2: f64, mass: f64) -> f64 {
        let offset = if width2.is_infinite() {
            mass
        } else {
            let [w, from, _, unit] = self.scaled(width2);
            let tangent = mass.tan();
            tangent * (w * w + from * from) / (w - from * tangent) * unit
        };
        // The tangent of almost a right angle or more can leave the edge by rounding.
        if offset.is_nan() { 0.0 } else { offset.clamp(0.0, self.length) }
    }

    /// The derivative of the mass by the offset.
    fn density(&self, width2: f64, offset: f64) -> f64 {
        if width2.is_infinite() {
            return 1.0;
        }
        let (w, t) = ((self.distance2 + width2).sqrt(), self.from + offset);
        1.0 / (w * (1.0 + (t / w).powi(2)))
    }
}

/// The parts of the law of points for a network.
fn laws(network: &RandomNetwork) -> Vec<Law> {
    let architecture = network.architecture();
    let scales = scales(network);
    let (Some(&first), Some(&last)) = (scales.first(), scales.last()) else {
        // Pools alone cross nothing.
        return vec![Law { share: 1.0, width2: f64::INFINITY }];
    };
    // As good as uniform far below this.
    const FAR: f64 = 1e60;
    let far = if last.ratio < FAR { last.ratio } else { FAR };
    let breakpoints = || architecture.layers().iter().flat_map(|layer| Switches::of_layer(layer).levels);
    let is_homogeneous = architecture.layers().iter().all(|layer| homogeneous_gain(&layer.activation).is_some());
    let [near, far] = match is_homogeneous {
        true => [first.ratio, far],
        false => {
            let squares = breakpoints().map(|tau| tau * tau);
            let (low, high) =
                squares.fold((f64::MAX, 0.0), |(low, high): (f64, f64), square| (low.min(square), high.max(square)));
            [low.min(high), high].map(|square| (first.bias_variance + square) / first.a)
        }
    };
    let cauchy = |share, width2| Law { share, width2 };
    match is_homogeneous && architecture.is_dense_chain() {
        true => vec![cauchy(0.5, near), cauchy(0.5, far)],
        false => vec![cauchy(0.25, near), cauchy(0.25, far), cauchy(0.5, f64::INFINITY)],
    }
}

/// E z(x)^2 = a |x|^2 + beta of a layer, as if activations were homogeneous and layers wide.
#[derive(Clone, Copy)]
struct Scale {
    a: f64,
    /// beta / a.
    ratio: f64,
    bias_variance: f64,
}

/// Those of all layers with weights.
fn scales(network: &RandomNetwork) -> Vec<Scale> {
    let architecture = network.architecture();
    // The sum of the squares of a source is `gain` (a |x|^2 + beta).
    let mut sources = vec![(1.0, Scale { a: 1.0, ratio: 0.0, bias_variance: 0.0 })];
    let mut scales = Vec::new();
    for (ix, layer) in architecture.layers().iter().enumerate() {
        let term = |source: usize, map: Option<&Affine>| {
            // What multiplies a square, and how many of them a unit sees.
            let (square, seen) = match map {
                Some(map @ (Affine::Dense { .. } | Affine::Convolution(_))) => {
                    (network.weights().variance(*map), map.fan_in())
                }
                Some(Affine::AveragePool(windows)) => ((windows.area() as f64).powi(-2), windows.area()),
                Some(Affine::WindowValues(_)) | None => (1.0, 1),
            };
            let (gain, scale): (f64, Scale) = sources[source];
            let share = seen as f64 / architecture.source_len(source) as f64;
            (scale.a * (gain * share * square), scale.ratio)
        };
        let skips = layer.skips.iter().map(|skip| term(skip.source, skip.map.as_ref()));
        let terms: Vec<(f64, f64)> = [term(ix, Some(&layer.affine))].into_iter().chain(skips).collect();
        let a: f64 = terms.iter().map(|(a, _)| a).sum();
        let has_bias = layer.affine.n_biases() > 0;
        let bias_variance = if has_bias { network.bias().std(layer.affine).powi(2) } else { 0.0 };
        // The ratio grows from layer to layer.
        let before: f64 = terms.iter().map(|(part, ratio)| part / a * ratio).sum();
        let ratio = before + if bias_variance > 0.0 { bias_variance / a } else { 0.0 };
        let scale = Scale { a, ratio, bias_variance };
        if layer.affine.n_weights() > 0 {
            scales.push(scale);
        }
        sources.push((homogeneous_gain(&layer.activation).unwrap_or(1.0) * layer.outputs() as f64, scale));
    }
    scales
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Architecture, BiasLaw, WeightLaw};
    use crate::path::{PathLaw, RandomPath, StartLaw};

    fn ensemble(activation: &str, bias: BiasLaw, path: &str, length: f64, dim: usize) -> Ensemble {
        let activation: Activation = activation.parse().unwrap();
        let architecture = Architecture::parse(&format!("{dim}-8x4"), activation, 1).unwrap();
        let network = RandomNetwork::new(architecture, WeightLaw::HeNormal, bias, 0).unwrap();
        let law = PathLaw::from_flags(path, StartLaw::Normal(1.0), length, dim).unwrap();
        Ensemble { network, path: RandomPath::new(law, dim, 3).unwrap(), paths_per_network: 500 }
    }

    /// Points are on their paths, and sums of a function over them are its integrals: of 1, the length, and of a narrow bump.
    /// 2000 paths of which each integral is taken by the midpoint rule, too; differences are within 4.9 of their standard errors
    /// (false-alarm rate 1e-6).
    #[test]
    fn sums_over_points_are_integrals() {
        for (activation, bias, path, length, dim) in [
            ("relu", BiasLaw::Normal(0.1), "segment", 2.0, 2),
            ("relu", BiasLaw::Normal(0.1), "segment", 200.0, 3),
            ("relu", BiasLaw::Zero, "chord", 1.0, 3),
            ("abs", BiasLaw::Uniform(0.5), "polyline:5", 1.0, 2),
            ("hard-tanh", BiasLaw::Normal(0.1), "polyline:3", 1.0, 4),
            ("identity", BiasLaw::Torch, "through-origin", 7.0, 2),
        ] {
            let ensemble = ensemble(activation, bias, path, length, dim);
            for per_path in [1, 3] {
                let mut sampler = PointSampler::new(&ensemble, per_path);
                let mut points = Points::default();
                let (mut even, mut drawn) = (EvenPaths::new(&ensemble.path), Path::at_origin(dim));
                let bump = |x: &[f64]| 1.0 / (0.3 + x.iter().map(|x| x * x).sum::<f64>());
                let mut differences = [Vec::new(), Vec::new()];
                for draw in 0..4 {
                    sampler.fill(draw, 0..500, &mut points).unwrap();
                    assert_eq!(points.len(), 500 * per_path);
                    even.go_to(draw);
                    for p in 0..500 {
                        even.path(p as u64, 500, &mut drawn).unwrap();
                        assert_eq!(points.lengths[p], drawn.length());
                        let (mut sums, n) = ([0.0; 2], 500);
                        for ix in p * per_path..(p + 1) * per_path {
                            sums[0] += points.factor[ix];
                            sums[1] += points.factor[ix] * bump(&points.x[ix * dim..][..dim]);
                            let norm: f64 = points.direction[ix * dim..][..dim].iter().map(|u| u * u).sum();
                            assert!((norm - 1.0).abs() < 1e-9);
                        }
                        let (mut x, mut integral) = (vec![0.0; dim], 0.0);
                        for edge in 0..drawn.n_vertices() - 1 {
                            let (from, to) = (drawn.positions()[edge], drawn.positions()[edge + 1]);
                            for i in 0..n {
                                drawn.point_on_edge(
                                    edge,
                                    from + (to - from) * (f64::from(i) + 0.5) / f64::from(n),
                                    &mut x,
                                );
                                integral += bump(&x) * (to - from) / f64::from(n);
                            }
                        }
                        differences[0].push(sums[0] - drawn.length());
                        differences[1].push(sums[1] - integral);
                    }
                }
                for values in differences {
                    let n = values.len() as f64;
                    let mean = values.iter().sum::<f64>() / n;
                    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
                    assert!(mean.abs() < 4.9 * (variance / n).sqrt() + 1e-6, "{activation} {path}: {mean} {variance}");
                }
            }
        }
    }

    #[test]
    fn offsets_invert_masses_at_any_scale() {
        for scale in [1e-150, 1e-9, 1.0, 1e9, 1e150] {
            for (from, length, distance) in
                [(-3.0, 5.0, 0.1), (1e6, 1.0, 1.0), (-1e6, 1.0, 1e3), (-2e-5, 1e6, 1e-3), (0.0, 1.0, 2.0)]
            {
                let edge = Edge { from: from * scale, length: length * scale, distance2: (distance * scale).powi(2) };
                let mass = edge.mass(0.0);
                for part in [0.0, 1e-3, 0.4, 0.999, 1.0] {
                    let offset = edge.offset(0.0, part * mass);
                    let again = Edge { length: offset.max(1e-20 * length * scale), ..edge }.mass(0.0);
                    assert!((again / mass - part).abs() < 1e-6, "{scale} {from} {part}: {offset}, {again} of {mass}");
                }
            }
        }
    }

    #[test]
    fn paths_without_crossings_have_factor_zero() {
        let still = ensemble("relu", BiasLaw::Normal(0.1), "segment", 0.0, 2);
        let radial = ensemble("relu", BiasLaw::Zero, "segment", 2.0, 1);
        for ensemble in [still, radial] {
            let mut points = Points::default();
            PointSampler::new(&ensemble, 2).fill(0, 0..3, &mut points).unwrap();
            assert_eq!(points.factor, [0.0; 6]);
        }
    }
}
