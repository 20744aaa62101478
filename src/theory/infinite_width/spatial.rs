//! The limit of many channels: convolutions, and skips through maps.
//!
//! Weights are independent, so at one position the second moments of a pre-activation are sums of those of the values that it sees: over the
//! window, all channels of a position having one law in the limit. Moments of values at different positions are not needed.

use std::f64::consts::FRAC_1_PI;

use super::{Line, Moments, Outputs, common_gain, gauss_nodes};
use crate::network::{Affine, Layer, RandomNetwork, Windows};
use crate::path::Path;
use crate::theory::rice::Switches;

/// Panels are halved at most so often.
const MAX_HALVINGS: usize = 40;

/// What the law of a network depends on.
pub(super) struct SpatialLaw<'a> {
    /// Of the input.
    channels: usize,
    positions: usize,
    layers: Vec<SpatialLayer<'a>>,
}

struct SpatialLayer<'a> {
    maps: Vec<Seen>,
    bias_variance: f64,
    positions: usize,
    outputs: Outputs<'a>,
    /// Where the activation multiplies all moments by one factor.
    gain: Option<f64>,
    switches: Switches,
}

/// What units see through one of the layer's maps.
struct Seen {
    source: usize,
    /// Variance of a weight, times the channels that a unit sees of a position.
    gain: f64,
    /// `None` sees all positions.
    windows: Option<Windows>,
}

impl Seen {
    /// `None` for maps that have no weights, or look at a source of another shape.
    fn of(network: &RandomNetwork, source: usize, map: &Affine, positions: usize) -> Option<Self> {
        let variance = network.weights().variance(*map);
        // Sums over the channels of the input are known, other channels are alike.
        let channels = |n: usize| if source == 0 { 1.0 } else { n as f64 };
        match map {
            Affine::Dense { inputs, .. } => {
                Some(Self { source, gain: variance * channels(inputs / positions), windows: None })
            }
            Affine::Convolution(map) if map.windows.plane() == positions && (source > 0 || map.groups == 1) => {
                let gain = variance * channels(map.channels_per_group());
                Some(Self { source, gain, windows: Some(map.windows) })
            }
            Affine::Convolution(_) | Affine::AveragePool(_) | Affine::WindowValues(_) => None,
        }
    }

    /// Values that the layer's units see at all positions, a channel for each.
    fn n_seen(&self, positions: usize) -> usize {
        self.windows.map_or(positions, |windows| windows.positions() * windows.area())
    }

    /// Adds the moments at every position to those of the layer.
    fn add(&self, moments: &[Moments], sums: &mut [Moments]) {
        let Some(windows) = &self.windows else {
            let mut all = Moments::ZERO;
            moments.iter().for_each(|moments| all.add(self.gain, moments));
            return sums.iter_mut().for_each(|sum| sum.add(1.0, &all));
        };
        let [height, width] = windows.output();
        for (sum, (y, x)) in sums.iter_mut().zip((0..height).flat_map(|y| (0..width).map(move |x| (y, x)))) {
            let columns = windows.inside(1, x);
            for row in windows.inside(0, y) {
                let row = &moments[row * windows.input[1]..][columns.clone()];
                row.iter().for_each(|moments| sum.add(self.gain, moments));
            }
        }
    }
}

impl<'a> SpatialLaw<'a> {
    /// `None` where the law does not apply: pools, skips without a map, and groups of the input's channels. Weights are independent normal
    /// variables, biases normal or zero.
    pub(super) fn of_network(network: &'a RandomNetwork) -> Option<Self> {
        let architecture = network.architecture();
        let channels = architecture.input()[0];
        let mut positions = vec![architecture.input_dim() / channels];
        let mut layers = Vec::new();
        for (ix, layer) in architecture.layers().iter().enumerate() {
            let here = match &layer.affine {
                Affine::Convolution(map) => map.windows.positions(),
                _ => 1,
            };
            let skips = layer.skips.iter().map(|skip| Some((skip.source, skip.map.as_ref()?)));
            let maps: Option<Vec<(usize, &Affine)>> = [Some((ix, &layer.affine))].into_iter().chain(skips).collect();
            let maps = maps?.into_iter().map(|(source, map)| Seen::of(network, source, map, positions[source]));
            let maps = maps.collect::<Option<Vec<Seen>>>()?;
            if maps.iter().any(|seen| seen.windows.is_some_and(|windows| windows.positions() != here)) {
                return None;
            }
            positions.push(here);
            layers.push(SpatialLayer::new(layer, maps, network.bias().std(layer.affine).powi(2), here));
        }
        Some(Self { channels, positions: positions[0], layers })
    }

    /// About the number of sums that a point of a path takes.
    pub(super) fn work(&self) -> usize {
        let seen = |seen: &Seen| {
            let positions = seen.source.checked_sub(1).map_or(self.positions, |layer| self.layers[layer].positions);
            seen.n_seen(positions)
        };
        self.layers.iter().flat_map(|layer| layer.maps.iter().map(seen)).sum()
    }

    /// Whether crossings have a closed form along lines.
    pub(super) fn is_homogeneous(&self) -> bool {
        self.layers.iter().all(|layer| layer.gain.is_some() && layer.switches.levels.iter().all(|&u| u == 0.0))
    }

    /// Adds the expected crossings of every layer along a path; `false` where they exceed the range of numbers.
    pub(super) fn add_crossings(&self, path: &Path, total: &mut [f64]) -> bool {
        for edge in 0..path.n_vertices() - 1 {
            let line = Line::of_edge(path, edge);
            let at_nearest = self.input(path, edge, line.from);
            match self.is_homogeneous() {
                true => self.add_in_closed_form(line, at_nearest, total),
                false => self.add_by_quadrature(line, at_nearest, total),
            }
        }
        total.iter().all(|total| total.is_finite())
    }

    /// Sums over channels at every position: of squares where the line of an edge is nearest to the origin, of products with the direction, and
    /// of squares of the direction.
    fn input(&self, path: &Path, edge: usize, from: f64) -> Vec<Moments> {
        let length = path.positions()[edge + 1] - path.positions()[edge];
        let mut sums = vec![Moments::ZERO; self.positions];
        let planes = |vertex: usize| path.vertex(vertex).chunks_exact(self.positions);
        debug_assert_eq!(self.channels * self.positions, path.dim());
        for (start, end) in planes(edge).zip(planes(edge + 1)) {
            for (sum, (a, b)) in sums.iter_mut().zip(start.iter().zip(end)) {
                let u = (b - a) / length;
                let x = a - from * u;
                sum.add(1.0, &Moments { q: x * x, r: x * u, s: u * u });
            }
        }
        sums
    }

    /// Hands the moments of every layer's pre-activations at every position to `take`.
    fn propagate(&self, input: Vec<Moments>, mut take: impl FnMut(usize, &SpatialLayer, &[Moments])) {
        let mut sources = vec![input];
        for (ix, layer) in self.layers.iter().enumerate() {
            let mut moments = vec![Moments { q: layer.bias_variance, ..Moments::ZERO }; layer.positions];
            layer.maps.iter().for_each(|seen| seen.add(&sources[seen.source], &mut moments));
            take(ix, layer, &moments);
            moments.iter_mut().for_each(|moments| *moments = layer.outputs(moments));
            sources.push(moments);
        }
    }

    /// E z(t)^2 is a polynomial q + 2 r t + s t^2 at every position, and from t = a to b a unit crosses 0 as often as the angle between z(a)
    /// and z(b) over pi.
    fn add_in_closed_form(&self, line: Line, at_nearest: Vec<Moments>, total: &mut [f64]) {
        self.propagate(at_nearest, |ix, layer, moments| {
            let angle = |&Moments { q, r, s }: &Moments| {
                if s <= 0.0 {
                    return 0.0;
                }
                let (square, centre) = (q / s, r / s);
                let width = (square - centre * centre).max(0.0).sqrt();
                let product = square + centre * (line.from + line.to) + line.from * line.to;
                (width * (line.to - line.from)).atan2(product)
            };
            let angles: f64 = moments.iter().map(angle).sum();
            total[ix] += FRAC_1_PI * angles * layer.crossings_per_process() * layer.switches.levels.len() as f64;
        });
    }

    fn add_by_quadrature(&self, line: Line, at_nearest: Vec<Moments>, total: &mut [f64]) {
        for (t, weight) in self.nodes(line, &at_nearest) {
            let at_t = |&Moments { q, r, s }: &Moments| Moments { q: q + t * (2.0 * r + t * s), r: r + t * s, s };
            self.propagate(at_nearest.iter().map(at_t).collect(), |ix, layer, moments| {
                let rate =
                    |moments: &Moments| layer.switches.levels.iter().map(|&u| moments.crossing_rate(u)).sum::<f64>();
                total[ix] += weight * moments.iter().map(rate).sum::<f64>() * layer.crossings_per_process();
            });
        }
    }

    /// Nodes and weights of an integral along a line, on panels that are no longer than twice the distance to where E z^2 of a unit of a layer
    /// on the input is 0 in the complex plane.
    fn nodes(&self, line: Line, at_nearest: &[Moments]) -> Vec<(f64, f64)> {
        let mut roots: Vec<[f64; 2]> = Vec::new();
        for layer in &self.layers {
            let mut moments = vec![Moments { q: layer.bias_variance, ..Moments::ZERO }; layer.positions];
            let on_input = || layer.maps.iter().filter(|seen| seen.source == 0);
            on_input().for_each(|seen| seen.add(at_nearest, &mut moments));
            let moving = moments.iter().filter(|moments| moments.s > 0.0);
            roots.extend(moving.map(|&Moments { q, r, s }| [-r / s, (q / s - (r / s).powi(2)).max(0.0)]));
        }
        let mut ends = vec![line.from];
        let mut rest = vec![(line.to, 0)];
        while let Some(&(end, halvings)) = rest.last() {
            let start = ends[ends.len() - 1];
            let (middle, half) = (0.5 * (start + end), 0.5 * (end - start));
            let is_near = |&[at, height2]: &[f64; 2]| (middle - at).powi(2) + height2 < half * half;
            if halvings < MAX_HALVINGS && roots.iter().any(is_near) {
                rest.pop();
                rest.extend([(end, halvings + 1), (middle, halvings + 1)]);
            } else {
                ends.push(end);
                rest.pop();
            }
        }
        gauss_nodes(&ends)
    }
}

impl<'a> SpatialLayer<'a> {
    fn new(layer: &'a Layer, maps: Vec<Seen>, bias_variance: f64, positions: usize) -> Self {
        Self {
            maps,
            bias_variance,
            positions,
            outputs: Outputs::of(&layer.activation),
            gain: common_gain(&layer.activation),
            switches: Switches::of_layer(layer),
        }
    }

    /// Changes of piece at a position for each crossing of a level by one of its processes.
    fn crossings_per_process(&self) -> f64 {
        self.switches.multiplicity / self.positions as f64
    }

    fn outputs(&self, moments: &Moments) -> Moments {
        match self.gain {
            Some(gain) => Moments { q: gain * moments.q, r: gain * moments.r, s: gain * moments.s },
            None => moments.of_outputs(self.outputs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Architecture;
    use crate::theory::infinite_width::ChainLaw;

    fn network(shape: &str, activation: &str) -> RandomNetwork {
        let architecture = Architecture::parse(shape, activation.parse().unwrap(), 1).unwrap();
        RandomNetwork::new(architecture, "he-normal".parse().unwrap(), "normal:0.3".parse().unwrap(), 0).unwrap()
    }

    /// A bent path with numbers of no pattern.
    fn path(dim: usize) -> Path {
        let points: Vec<f64> = (0..3 * dim).map(|i| ((i * 37 + 11) % 23) as f64 / 7.0 - 1.6).collect();
        Path::from_points(dim, &points).unwrap()
    }

    fn assert_close(a: &[f64], b: &[f64], tolerance: f64, place: &str) {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance * b.abs()), "{place}: {a:?} {b:?}");
    }

    #[test]
    fn dense_chains_have_one_position() {
        for (shape, activation) in [
            ("3-7-5-9", "relu"),
            ("4-6x3", "crelu"),
            ("3-7-5", "hard-tanh"),
            ("5-6-9", "group-sort:3"),
            ("2-7-4", "maxout:4"),
            ("3-8x2", "soft-threshold:0.4"),
        ] {
            let (network, path) = (network(shape, activation), path(shape[..1].parse().unwrap()));
            let depth = network.architecture().depth();
            let (mut chain, mut spatial) = (vec![0.0; depth], vec![0.0; depth]);
            assert!(ChainLaw::of_network(&network).add_crossings(&path, &mut chain));
            assert!(SpatialLaw::of_network(&network).unwrap().add_crossings(&path, &mut spatial));
            assert_close(&spatial, &chain, 1e-5, shape);
        }
    }

    /// With windows that are whole images or single positions a convolution is a dense layer.
    #[test]
    fn closed_forms_equal_quadrature() {
        for (shape, activation) in [
            ("2x3x4-c5k3x2s2x1p1-c4k2-6", "relu"),
            ("1x8-c4k3p1-c6k3p1g2+-c4k2-5+1", "leaky-relu:0.2"),
            ("3-6-6+x2", "abs"),
            ("2x5-c4k2-c6k3", "max-min"),
        ] {
            let network = network(shape, activation);
            let law = SpatialLaw::of_network(&network).unwrap();
            let path = path(network.architecture().input_dim());
            let mut sums = [vec![0.0; law.layers.len()], vec![0.0; law.layers.len()]];
            assert!(law.is_homogeneous() && law.add_crossings(&path, &mut sums[0]));
            for edge in 0..path.n_vertices() - 1 {
                let line = Line::of_edge(&path, edge);
                law.add_by_quadrature(line, law.input(&path, edge, line.from), &mut sums[1]);
            }
            assert_close(&sums[1], &sums[0], 1e-5, shape);
        }
    }

    #[test]
    fn other_layers_have_no_law() {
        for shape in ["1x6-c4k3-avg2-3", "1x6-c4k3-max2-3", "3-4-4~1", "2x6-c4k3g2-5", "1x6-c4k3p1-[c4k3p1-c4k3p1]"] {
            assert!(SpatialLaw::of_network(&network(shape, "relu")).is_none(), "{shape}");
        }
    }
}
