//! The engines against the f64 reference: equal counts, or a difference that rounding explains.
//!
//! The rounding bound is that of Higham and Mary, "A new approach to probabilistic rounding error analysis" (SIAM J. Sci.
//! Comput. 41, 2019): errors of a sum of n terms grow like the root of n, propagated through the layers as independent, times 8.
//! A crossing that one side has and the other has not must belong to an excursion beyond the breakpoint that is no
//! deeper than the bound; all others must be at a point where the exact pre-activation is within the bound of the breakpoint.
//! The same holds for differences of two rows of a sorted group and 0, and for maxout units whose largest row exceeds the others.

mod common;

use std::sync::Arc;

use common::connections::{Connection, connections, members};
use linregions::engine::{Engine, Method, Precision};
use linregions::network::{
    ActivationKind, Affine, AffineWeights, Architecture, Convolution, Layer, Network, RandomNetwork, Skip, Windows,
    pairs,
};
use linregions::path::Path;
use linregions::trace::{Crossing, Trace};

/// A network with what explains differences of f32.
struct Explainer<'a> {
    network: &'a Network,
    path: &'a Path,
    /// Of every unit of every hidden layer its connections and bias.
    units: Vec<Vec<(Vec<Connection>, f64)>>,
    /// Rounding bound of every pre-activation of every hidden layer.
    bounds: Vec<Vec<f64>>,
    positions: Vec<f64>,
}

impl<'a> Explainer<'a> {
    fn new(network: &'a Network, path: &'a Path, reference: &Trace) -> Self {
        let mut positions: Vec<f64> = path.positions().to_vec();
        positions.extend(reference.boundaries.iter().map(|b| b.position));
        positions.sort_by(f64::total_cmp);
        let units = (0..network.architecture().depth()).map(|layer| connections(network, layer)).collect();
        let mut this = Self { network, path, units, bounds: Vec::new(), positions };
        // Largest magnitude of each value along the path: piecewise linear between boundaries.
        let values: Vec<Vec<(Vec<f64>, Vec<f64>)>> = this.positions.iter().map(|&p| this.forward(p)).collect();
        let unit_roundoff = 0.5 * f64::from(f32::EPSILON);
        let input: Vec<f64> = (0..path.dim())
            .map(|i| (0..path.n_vertices()).map(|v| path.vertex(v)[i].abs()).fold(0.0, f64::max))
            .collect();
        // Of the input and the outputs of every layer.
        let mut h_error: Vec<Vec<f64>> = vec![input.iter().map(|x| x * unit_roundoff).collect()];
        let mut h_largest = vec![input];
        for (layer, shape) in network.architecture().layers().iter().enumerate() {
            let slopes = shape.activation.scalar().map_or(vec![1.0], |pieces| pieces.slopes.clone());
            let slope = slopes.iter().fold(0.0, |m: f64, s| m.max(s.abs()));
            let mut z_error = Vec::new();
            for (unit, (connections, bias)) in this.units[layer].iter().enumerate() {
                let growth = unit_roundoff * ((connections.len() + 2) as f64).sqrt();
                let (mut inherited, mut size) = (0.0, bias.abs());
                for &Connection { source, place, weight } in connections {
                    inherited += (weight * h_error[source][place]).powi(2);
                    size += (weight * h_largest[source][place]).abs();
                }
                let z_largest = values.iter().map(|v| v[layer].0[unit].abs()).fold(0.0, f64::max);
                z_error.push((inherited + (growth * size).powi(2) + (4.0 * unit_roundoff * z_largest).powi(2)).sqrt());
            }
            this.bounds.push(z_error.iter().map(|e| 8.0 * e).collect());
            let largest = |u: usize| values.iter().map(|v| v[layer].1[u].abs()).fold(0.0, f64::max);
            h_largest.push((0..shape.outputs()).map(largest).collect());
            // Sorting and the largest of several move no value further than the worst of the group.
            let mut unit_of: Vec<usize> = (0..shape.outputs()).collect();
            match shape.activation.kind() {
                // CReLU goes through its units twice.
                ActivationKind::Crelu(_) => unit_of.iter_mut().for_each(|unit| *unit %= shape.groups()),
                ActivationKind::GroupSort { .. } => (0..shape.groups())
                    .for_each(|unit| members(shape, unit).into_iter().for_each(|row| unit_of[row] = unit)),
                _ => {}
            }
            let worst =
                |output: usize| members(shape, unit_of[output]).into_iter().map(|row| z_error[row]).fold(0.0, f64::max);
            let error = |(output, h): (usize, &f64)| slope * worst(output) + 2.0 * unit_roundoff * h;
            h_error.push(h_largest[layer + 1].iter().enumerate().map(error).collect());
        }
        this
    }

    /// Pre-activations and activations of every hidden layer at a position, in f64.
    fn forward(&self, position: f64) -> Vec<(Vec<f64>, Vec<f64>)> {
        let edge = self.path.positions().partition_point(|&p| p <= position).clamp(1, self.path.n_vertices() - 1) - 1;
        let mut h = vec![0.0; self.path.dim()];
        self.path.point_on_edge(edge, position, &mut h);
        let mut all: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
        for (shape, units) in self.network.architecture().layers().iter().zip(&self.units) {
            let value = |c: &Connection| c.weight * c.source.checked_sub(1).map_or(&h, |layer| &all[layer].1)[c.place];
            let z: Vec<f64> = units
                .iter()
                .map(|(connections, bias)| connections.iter().map(value).fold(*bias, |z, h| z + h))
                .collect();
            let h = shape.activate(&z);
            all.push((z, h));
        }
        all
    }

    /// The largest of a value at all points where it may have a kink between two positions.
    fn largest(&self, from: f64, to: f64, value: impl Fn(f64) -> f64) -> f64 {
        let inner = self.positions.iter().copied().filter(|p| (from..=to).contains(p));
        inner.chain([from, to]).map(value).fold(0.0, f64::max)
    }

    /// The crossings of one unit through one breakpoint, without excursions that rounding can make or hide.
    fn deep(&self, mut crossings: Vec<Crossing>, switch: Switch) -> Vec<Crossing> {
        loop {
            let n = crossings.len();
            if n == 0 {
                return crossings;
            }
            let at = |ix: usize| crossings[ix].position;
            let shallow = |from, to| self.largest(from, to, |p| switch.distance(self, p)) <= switch.bound(self);
            if shallow(0.0, at(0)) {
                crossings.remove(0);
            } else if shallow(at(n - 1), self.path.length()) {
                crossings.pop();
            } else if let Some(ix) = (0..n - 1).find(|&ix| shallow(at(ix), at(ix + 1))) {
                crossings.drain(ix..=ix + 1);
            } else {
                return crossings;
            }
        }
    }

    /// The largest rows of a maxout unit along the path, without those that rounding can make or hide.
    fn deep_rows(&self, crossings: &[Crossing], layer: usize, unit: usize, rank: usize) -> Vec<usize> {
        let members = members(&self.network.architecture().layers()[layer], unit);
        let all: Vec<(usize, usize)> = pairs(rank).collect();
        let ends = |c: &Crossing| {
            let (i, j) = all[c.breakpoint];
            if c.rising { (i, j) } else { (j, i) }
        };
        // From one change to the next.
        let positions = std::iter::once(0.0).chain(crossings.iter().map(|c| c.position)).chain([self.path.length()]);
        let positions: Vec<f64> = positions.collect();
        let first = crossings.first().map(|c| ends(c).0).into_iter();
        let mut rows: Vec<usize> = first.chain(crossings.iter().map(|c| ends(c).1)).collect();
        let is_deep = |ix: usize| {
            let row = rows[ix];
            let others = (0..rank).filter(|&other| other != row);
            let (bound, lead) = others.fold((0.0, Vec::new()), |(bound, mut switches): (f64, Vec<Switch>), other| {
                let switch = Switch::Rows { layer, rows: (members[other], members[row]) };
                switches.push(switch);
                (bound.max(switch.bound(self)), switches)
            });
            let least = |p: f64| lead.iter().map(|switch| switch.value(self, p)).fold(f64::MAX, f64::min);
            self.largest(positions[ix], positions[ix + 1], least) > bound
        };
        let deep: Vec<bool> = (0..rows.len()).map(is_deep).collect();
        let mut deep = deep.into_iter();
        rows.retain(|_| deep.next() == Some(true));
        rows.dedup();
        rows
    }

    /// Number of crossings in which two traces differ; an error where rounding does not explain it.
    fn compare(&self, reference: &Trace, engine: &Trace) -> Result<usize, String> {
        let mut mismatches = 0;
        for (layer, shape) in self.network.architecture().layers().iter().enumerate() {
            for unit in 0..shape.groups() {
                let of_unit = |trace: &Trace| -> Vec<Crossing> {
                    trace.crossings.iter().filter(|c| (c.layer, c.unit) == (layer, unit)).copied().collect()
                };
                let (exact, rounded) = (of_unit(reference), of_unit(engine));
                let members = members(shape, unit);
                let rows: Vec<(usize, usize)> = pairs(members.len()).map(|(i, j)| (members[i], members[j])).collect();
                let switch = |breakpoint: usize| match shape.activation.breakpoints().get(breakpoint) {
                    Some(&tau) => Switch::Breakpoint { layer, unit, tau },
                    None => Switch::Rows { layer, rows: rows[breakpoint] },
                };
                mismatches += match shape.activation.kind() {
                    ActivationKind::Maxout { rank } if exact.len() != rounded.len() => {
                        let of = |crossings: &[Crossing]| self.deep_rows(crossings, layer, unit, *rank);
                        if of(&exact) != of(&rounded) {
                            return Err(format!("layer {layer} unit {unit}: {exact:?} against {rounded:?}"));
                        }
                        exact.len().abs_diff(rounded.len())
                    }
                    _ => {
                        let each = |breakpoint| {
                            let of = |all: &[Crossing]| -> Vec<Crossing> {
                                all.iter().filter(|c| c.breakpoint == breakpoint).copied().collect()
                            };
                            self.compare_switch(of(&exact), of(&rounded), switch(breakpoint))
                        };
                        (0..shape.activation.n_switches()).map(each).sum::<Result<usize, String>>()?
                    }
                };
                for crossing in rounded {
                    let switch = switch(crossing.breakpoint);
                    let distance = switch.distance(self, crossing.position);
                    if distance > switch.bound(self) {
                        return Err(format!("{switch:?} is {distance:e} from its breakpoint at {}", crossing.position));
                    }
                }
            }
        }
        Ok(mismatches)
    }

    fn compare_switch(
        &self,
        mut exact: Vec<Crossing>,
        mut rounded: Vec<Crossing>,
        switch: Switch,
    ) -> Result<usize, String> {
        let mismatches = exact.len().abs_diff(rounded.len());
        if mismatches > 0 {
            (exact, rounded) = (self.deep(exact, switch), self.deep(rounded, switch));
        }
        if exact.len() != rounded.len() || exact.iter().zip(&rounded).any(|(a, b)| a.rising != b.rising) {
            return Err(format!("{switch:?}: {exact:?} against {rounded:?}"));
        }
        Ok(mismatches)
    }
}

/// A function of the pre-activations at whose zeros a unit may change piece.
#[derive(Clone, Copy, Debug)]
enum Switch {
    Breakpoint {
        layer: usize,
        unit: usize,
        tau: f64,
    },
    /// The second row of the layer less the first.
    Rows {
        layer: usize,
        rows: (usize, usize),
    },
}

impl Switch {
    fn value(self, explainer: &Explainer, position: f64) -> f64 {
        let all = explainer.forward(position);
        match self {
            Self::Breakpoint { layer, unit, tau } => all[layer].0[unit] - tau,
            Self::Rows { layer, rows: (i, j) } => all[layer].0[j] - all[layer].0[i],
        }
    }

    fn distance(self, explainer: &Explainer, position: f64) -> f64 {
        self.value(explainer, position).abs()
    }

    fn bound(self, explainer: &Explainer) -> f64 {
        match self {
            Self::Breakpoint { layer, unit, .. } => explainer.bounds[layer][unit],
            Self::Rows { layer, rows: (i, j) } => explainer.bounds[layer][i] + explainer.bounds[layer][j],
        }
    }
}

const ACTIVATIONS: [&str; 7] =
    ["relu", "leaky-relu:0.1", "abs", "hard-tanh", "relu6", "soft-threshold:0.5", "identity"];

/// Activations of several pre-activations or outputs, with shapes that they fit.
const GROUPS: [(&str, [&str; 7]); 8] = [
    ("crelu", ["1-2", "2-4x12", "1-18x3", "2-64x10", "3-2-10-2", "10-128-34", "4-66-8x4"]),
    ("maxout:2", ["1-1", "2-3x12", "1-17x3", "2-64x10", "3-1-9-2", "10-128-33", "4-65-7x4"]),
    ("maxout:3", ["1-1", "2-3x12", "1-17x3", "2-64x10", "3-1-9-2", "10-128-33", "4-65-7x4"]),
    ("maxout:5", ["1-1", "2-3x12", "1-17x3", "2-64x5", "3-1-9-2", "10-128-33", "4-65-7x4"]),
    ("maxout:7", ["1-1", "2-3x12", "1-17x3", "2-64x5", "3-1-9-2", "10-128-33", "4-65-7x4"]),
    ("max-min", ["1-2", "2-4x12", "1-18x3", "2-64x10", "3-2-10-2", "10-128-34", "30-16x2"]),
    ("group-sort:4", ["1-4", "2-4x12", "1-12x3", "2-64x10", "3-4-12-4", "10-128-36", "30-20x2"]),
    ("group-sort:5", ["1-5", "2-5x12", "1-15x3", "2-65x5", "3-5-10-5", "10-125-35", "30-15x2"]),
];

/// Hundreds of random networks of all activations on every engine, widths 1 to 300 and depths 1 to 12.
#[test]
fn engines_differ_from_the_reference_only_where_rounding_explains_it() {
    let shapes =
        ["1-1", "2-3x12", "1-17x3", "2-64x3", "2-64x10", "3-1-9-2", "10-128-33", "5-300", "4-65-7x4", "30-16x2"];
    let cases = shapes.iter().enumerate().flat_map(|(seed, shape)| ACTIVATIONS.map(|a| (seed, *shape, a)));
    let [networks, crossings] = compare_engines(cases);
    assert!(networks >= 280 && crossings > 10_000, "{networks} networks with {crossings} crossings");
}

/// The same of maxout and sorted groups.
#[test]
fn engines_differ_on_groups_only_where_rounding_explains_it() {
    let cases = GROUPS.iter().flat_map(|(activation, shapes)| {
        shapes.iter().enumerate().map(move |(seed, shape)| (seed, *shape, *activation))
    });
    let [networks, crossings] = compare_engines(cases);
    assert!(networks >= 220 && crossings > 10_000, "{networks} networks with {crossings} crossings");
}

/// Groups along paths of every law, some of them through the origin, where units without biases change piece together.
#[test]
fn engines_agree_on_groups_along_all_paths() {
    let (mut crossings, mut mismatches, mut together) = (0, 0, 0);
    for (shape, activation) in [
        ("3-7x4", "maxout:2"),
        ("3-33-5-9", "maxout:3"),
        ("3-5x3", "maxout:5"),
        ("3-10x4", "max-min"),
        ("3-12-36-4", "group-sort:4"),
        ("3-9-15", "group-sort:3"),
    ] {
        for path in ["segment", "polyline:7", "chord", "through-origin"] {
            for bias in ["normal:0.1", "zero"] {
                let flags = [("arch", shape), ("activation", activation), ("path", path), ("bias", bias)];
                let ensemble = common::ensemble(&[&flags[..], &[("length", "3"), ("seed", "7")]].concat());
                for draw in 0..4 {
                    let (network, path) = (ensemble.network.draw(draw), ensemble.path.draw(draw, 0, 1).expect("short"));
                    let reference = Trace::reference(&network, &path).expect("finite");
                    let explainer = Explainer::new(&network, &path, &reference);
                    for (name, engine) in common::f32_engines() {
                        let traced = &engine.trace(&network, &[&path], &common::GO_ON).expect("finite")[0];
                        let compared = explainer.compare(&reference, traced);
                        mismatches += compared.unwrap_or_else(|e| panic!("{name}, {flags:?} draw {draw}: {e}"));
                    }
                    crossings += reference.crossings.len();
                    together += reference.boundaries.iter().filter(|b| b.n_crossings > 1).count();
                }
            }
        }
    }
    println!("{crossings} crossings, {mismatches} explained mismatches, {together} boundaries of several crossings");
    assert!(crossings > 2000 && mismatches * 1000 <= crossings && together > 20, "{crossings} {mismatches} {together}");
}

/// Convolutions, pools and skips.
const CONNECTED: [(&str, &str); 19] = [
    ("1x9-c4k3-c3k2s2-7", "relu"),
    ("2x17-c5k3p1g1-avg2-c4k3s2p2-max", "leaky-relu:0.1"),
    ("1x5x5-c3k3-5", "abs"),
    ("3x8x7-c8k3p1-c8k3x2s2p1x0-avg", "relu"),
    ("2x7x7-c6k3p1g2-max2-c4k2-9", "relu"),
    ("1x8x8-c4k3p1-max3s2p1-c6k3g2-avg2", "hard-tanh"),
    ("1x6x6-max2s1-c3k3-4", "relu"),
    ("2-9-9~1-9~1", "relu"),
    ("6-13-13+x5", "soft-threshold:0.5"),
    ("3-[7-3]x6", "relu"),
    ("5-[8-9]-[9-4]-[4-4]x2", "relu6"),
    ("4-8-8+-4~0", "relu"),
    ("3x6x6-c5k3p1-[c5k3p1-c5k3p1]x2-[c7k3s2p1-c7k3p1]-avg-4", "relu"),
    ("1x9-[c3k3p1-c3k3p1]-[c4k3s2p1-c4k3p1]x2", "abs"),
    ("4-12-12+-12+2+-6", "maxout:3"),
    ("2x7x6-c6k3p1g2-avg2-c4k2-5", "maxout:3"),
    ("1x9-c4k3p1-c4k3p1+-max2-c3k2", "maxout:2"),
    ("1x9-c6k3-c9k3s2p1-6", "group-sort:3"),
    ("2x6x5-c4k3p1-[c4k3p1-c4k3p1]-c6k3-4", "max-min"),
];

/// The same of convolutions, pools and skips.
#[test]
fn engines_differ_on_convolutions_and_skips_only_where_rounding_explains_it() {
    let cases = CONNECTED.iter().enumerate().map(|(seed, (shape, activation))| (seed, *shape, *activation));
    let [networks, crossings] = compare_engines(cases);
    assert!(networks >= 60 && crossings > 5_000, "{networks} networks with {crossings} crossings");
}

/// Compares four networks of each seed, shape and activation; returns how many there were, and their crossings.
fn compare_engines<'a>(cases: impl Iterator<Item = (usize, &'a str, &'a str)>) -> [usize; 2] {
    let (mut networks, mut crossings, mut mismatches) = (0, 0, 0);
    for (seed, shape, activation) in cases {
        // Keeps the chaotic activations from making millions of crossings.
        let weights = if activation == "soft-threshold:0.5" { "normal:0.1" } else { "he-normal" };
        let ensemble = common::ensemble(&[
            ("arch", shape),
            ("activation", activation),
            ("weights", weights),
            ("path", if seed % 2 == 0 { "segment" } else { "polyline:3" }),
            ("seed", &seed.to_string()),
        ]);
        for draw in 0..4 {
            let (network, path) = (ensemble.network.draw(draw), ensemble.path.draw(draw, 0, 1).expect("short"));
            let reference = Trace::reference(&network, &path).expect("finite");
            mismatches += compare_traces(&network, &path, &reference, &format!("{shape} {activation} draw {draw}"));
            networks += 1;
            crossings += reference.crossings.len();
        }
    }
    println!("{networks} networks, {crossings} crossings, {mismatches} explained mismatches");
    assert!(mismatches * 1000 <= crossings, "{mismatches} of {crossings}");
    [networks, crossings]
}

/// Compares the traces of all engines with the reference; returns in how many crossings they differ for a reason.
fn compare_traces(network: &Network, path: &Path, reference: &Trace, place: &str) -> usize {
    let explainer = Explainer::new(network, path, reference);
    let mut mismatches = 0;
    for (name, engine) in common::engines() {
        let traced = &engine.trace(network, &[path], &common::GO_ON).expect("finite")[0];
        if engine.provenance().precision == Precision::F32 {
            let compared = explainer.compare(reference, traced);
            mismatches += compared.unwrap_or_else(|e| panic!("{name}, {place}: {e}"));
        } else {
            assert_eq!(traced.crossings.len(), reference.crossings.len(), "{name}, {place}");
            assert_eq!(traced.boundaries.len(), reference.boundaries.len(), "{name}, {place}");
            assert_eq!(traced.n_knots(), reference.n_knots(), "{name}, {place}");
        }
    }
    mismatches
}

/// Units and groups of channels of what no text of an architecture says: of means, to which dense maps and convolutions are added.
#[test]
fn groups_join_channels_whatever_makes_them() {
    let windows = |channels, side, kernel| Windows {
        channels,
        input: [side; 2],
        kernel: [kernel; 2],
        stride: [1; 2],
        padding: [[0; 2]; 2],
    };
    let filters = |windows, filters, groups| Affine::Convolution(Convolution { windows, filters, groups });
    let (mut crossings, mut mismatches) = (0, 0);
    for activation in ["maxout:3", "max-min", "group-sort:6"] {
        let layer = |affine, skips: &[(usize, Affine)], activation: &str| Layer {
            affine,
            skips: skips.iter().map(|&(source, map)| Skip { source, map: Some(map) }).collect(),
            activation: Arc::new(activation.parse().expect("an activation")),
        };
        let first = layer(filters(windows(2, 4, 2), 12, 2), &[], "abs");
        let onto = [(0, Affine::Dense { inputs: 32, units: 48 }), (0, filters(windows(2, 4, 3), 12, 1))];
        let means = layer(Affine::AveragePool(windows(12, 3, 2)), &onto, activation);
        let outputs = means.outputs();
        let last =
            layer(Affine::Dense { inputs: outputs, units: 5 }, &[(1, Affine::Dense { inputs: 108, units: 5 })], "relu");
        let architecture = Architecture::of_layers(vec![2, 4, 4], vec![first, means, last], 1).expect("it fits");
        let law = |architecture| RandomNetwork::new(architecture, "he-normal".parse()?, "normal:0.1".parse()?, 3);
        let networks = law(architecture).expect("laws of all maps");
        let paths = common::ensemble(&[("arch", "32-1"), ("path", "polyline:3"), ("length", "5")]).path;
        for draw in 0..4 {
            let (network, path) = (networks.draw(draw), paths.draw(draw, 0, 1).expect("short"));
            let reference = Trace::reference(&network, &path).expect("finite");
            mismatches += compare_traces(&network, &path, &reference, &format!("{activation} draw {draw}"));
            crossings += reference.crossings_of_layer(1);
        }
    }
    assert!(crossings > 500 && mismatches * 1000 <= crossings, "{mismatches} of {crossings}");
}

/// The negative control: a weight that is off by a thousandth is no rounding.
#[test]
fn a_wrong_weight_is_not_explained_by_rounding() {
    for (activation, draw) in [("relu", 0..5), ("maxout:3", 0..5), ("max-min", 0..5)]
        .into_iter()
        .flat_map(|(a, draws)| draws.map(move |d| (a, d)))
    {
        let ensemble = common::ensemble(&[("arch", "2-64x3"), ("activation", activation)]);
        let (network, path) = (ensemble.network.draw(draw), ensemble.path.draw(draw, 0, 1).expect("short"));
        let reference = Trace::reference(&network, &path).expect("finite");
        let mut affine: Vec<AffineWeights<f64>> = network.affine().to_vec();
        let active = reference.crossings.iter().find(|c| c.layer == 0).expect("a crossing of layer 1");
        let size = network.architecture().layers()[0].activation.group_size();
        let (i, _) = pairs(size).nth(active.breakpoint).unwrap_or((0, 0));
        affine[0].weight[active.unit * size + i] *= 1.001;
        let wrong = Network::new(network.architecture().clone(), affine).expect("the same shape");
        let single = |engine: &dyn Engine| engine.provenance().precision == Precision::F32;
        for (_, engine) in common::engines().filter(|(_, engine)| single(*engine)) {
            let traced = &engine.trace(&wrong, &[&path], &common::GO_ON).expect("finite")[0];
            Explainer::new(&network, &path, &reference).compare(&reference, traced).expect_err("unexplained");
        }
    }
}

/// `count` draws the networks that `draw` gives, and its rule for knots is the slope of the output.
#[test]
fn counting_draws_equals_tracing_them() {
    let (mut hidden, mut dead) = (0, 0);
    for (shape, activation, bias) in [
        ("1-3x6", "relu", "normal:0.5"),
        ("2-2x3", "relu", "normal:1"),
        ("2-4x4", "hard-tanh", "normal:1"),
        ("3-5-1-5", "relu6", "uniform:1"),
        ("2-3x5", "leaky-relu:0.1", "torch"),
        ("2-33-17", "relu", "normal:0.1"),
        ("1-2x4", "soft-threshold:0.5", "normal:1"),
        ("2-5x3", "maxout:3", "normal:1"),
        ("2-6x3", "group-sort:3", "normal:1"),
        ("2-6x3", "crelu", "normal:1"),
        ("2x6-c4k3-c6k2-4", "crelu", "normal:1"),
        ("2x6-c4k3-c3k2-4", "maxout:3", "normal:1"),
        ("2x6-c4k3-c6k2-4", "max-min", "normal:1"),
        ("2-[2-2]x3", "relu", "normal:1"),
        ("1-2-2-2+1-2-2+2", "relu", "normal:1"),
        ("1-2-1-2+2-1-2+x2", "relu", "normal:1"),
        ("2-4-4+x3", "soft-threshold:0.5", "normal:1"),
        ("3-[2-2]x3-[1-2]", "hard-tanh", "normal:1"),
        ("1x6-c2k3-c2k2-max-3", "relu", "normal:1"),
        ("2x4x4-[c2k3p1-c2k3p1]-avg2-3", "relu", "normal:1"),
    ] {
        let plan = common::plan(&[
            ("arch", shape),
            ("activation", activation),
            ("bias", bias),
            ("length", "8"),
            ("paths-per-network", "2"),
        ]);
        for (name, engine) in common::engines() {
            let counts = engine.count(&plan.ensemble, Method::Exact, 100..180, &common::GO_ON).expect("finite");
            for (ix, counts) in counts.iter().enumerate() {
                let (draw, path_ix) = (100 + ix as u64 / 2, ix as u64 % 2);
                let network = plan.ensemble.network.draw(draw);
                let path = plan.ensemble.path.draw(draw, path_ix, 2).expect("short");
                let traced = &engine.trace(&network, &[&path], &common::GO_ON).expect("finite")[0];
                let depth = network.architecture().depth();
                let layers: Vec<u64> = (0..depth).map(|l| traced.crossings_of_layer(l) as u64).collect();
                let place = format!("{name}, {shape} {activation} draw {draw} path {path_ix}");
                assert_eq!(counts.crossings, layers, "{place}");
                assert_eq!(counts.boundaries, traced.boundaries.len() as u64, "{place}");
                let knots = traced.n_knots() as u64;
                assert_eq!(counts.knots, Some(knots), "{place}");
                assert_eq!(counts.length, traced.length, "{place}");
                hidden += u64::from(knots != counts.boundaries);
                dead += u64::from(counts.boundaries == 0);
            }
        }
    }
    assert!(hidden > 50 && dead > 5, "hidden kinks on {hidden} paths, none at all on {dead}");
}

/// Blocks of vertices are a matter of memory alone: polylines of more vertices than a block has count as their edges do.
#[test]
fn long_paths_stream_through_blocks_unchanged() {
    for (shape, activation) in [
        ("2-9x3", "relu"),
        ("2-40-11", "hard-tanh"),
        ("1-5x2", "abs"),
        ("2-9x3", "maxout:3"),
        ("2-12x2", "group-sort:4"),
    ] {
        let anchors = "polyline:1500";
        let ensemble =
            common::ensemble(&[("arch", shape), ("activation", activation), ("path", anchors), ("bias", "normal:0.5")]);
        let (network, path) = (ensemble.network.draw(3), ensemble.path.draw(3, 0, 1).expect("finite"));
        let reference = Trace::reference(&network, &path).expect("finite");
        assert!(reference.crossings.len() > 2000, "{}", reference.crossings.len());
        let depth = network.architecture().depth();
        let layers: Vec<u64> = (0..depth).map(|l| reference.crossings_of_layer(l) as u64).collect();
        for (name, engine) in common::engines() {
            if engine.provenance().precision == Precision::F64 {
                let counts = &engine.count_given(&network, &[&path], Method::Exact).expect("finite")[0];
                assert_eq!(
                    (&counts.crossings, counts.boundaries),
                    (&layers, reference.boundaries.len() as u64),
                    "{shape}"
                );
            } else {
                let single = &engine.trace(&network, &[&path], &common::GO_ON).expect("finite")[0];
                let compared = Explainer::new(&network, &path, &reference).compare(&reference, single);
                compared.unwrap_or_else(|e| panic!("{name}, {shape}: {e}"));
            }
        }
    }
}
