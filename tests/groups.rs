//! Maxout and sorted groups: identities with activations of one pre-activation, combinatorics, whole lines, theory.

mod common;

use common::{GO_ON, engines, ensemble};
use linregions::engine::{Method, PathCounts};
use linregions::network::{AffineWeights, Architecture, Network, RandomNetwork, pairs};
use linregions::path::Path;
use linregions::random::{QuantileTable, StandardLaw, Stream};
use linregions::theory::expected::{PoolLaw, groupsort_crossings_on_line, maxout_crossings_on_line, maxout_factor};
use linregions::theory::infinite_width::crossings_per_unit;
use linregions::trace::Trace;

/// Normal numbers.
fn normals(seed: u64, n: usize) -> Vec<f64> {
    let table = QuantileTable::shared(StandardLaw::Normal).expect("a law with a table");
    let mut values = vec![0.0f32; n];
    table.fill(&Stream::new(seed, 0, 0), 1.0, &mut values);
    values.into_iter().map(f64::from).collect()
}

/// A network of other activations from one of scalar units: every hidden row becomes rows with these multiples of it, every
/// input weight is multiplied by `inputs` (the weights of later layers from the outputs that stand for one unit).
fn with_rows(network: &Network, activation: &str, rows: &[f64], inputs: &[f64]) -> Network {
    let depth = network.architecture().depth();
    let affine = network.affine().iter().enumerate().map(|(layer, given)| {
        let units = given.bias.len();
        let rows: &[f64] = if layer < depth { rows } else { &[1.0] };
        let inputs: &[f64] = if layer > 0 { inputs } else { &[1.0] };
        let expand = |values: &[f64]| values.iter().flat_map(|v| rows.iter().map(move |r| r * v)).collect::<Vec<f64>>();
        let weight = given.weight.chunks_exact(units).flat_map(|row| {
            inputs.iter().flat_map(|c| expand(row).into_iter().map(move |w| c * w)).collect::<Vec<f64>>()
        });
        AffineWeights::new(weight.collect(), expand(&given.bias))
    });
    let activation = activation.parse().expect("known");
    let old = network.architecture();
    let widths: Vec<usize> = old.layers().iter().map(|layer| layer.outputs() * inputs.len()).collect();
    let architecture = Architecture::dense(old.input_dim(), &widths, activation, old.outputs()).expect("valid");
    Network::new(architecture, affine.collect()).expect("matching shapes")
}

fn traces(network: &Network, path: &Path) -> Vec<(&'static str, Trace)> {
    let reference = ("reference", Trace::reference(network, path).expect("finite"));
    let traced =
        engines().map(|(name, engine)| (name, engine.trace(network, &[path], &GO_ON).expect("finite").remove(0)));
    std::iter::once(reference).chain(traced).collect()
}

/// max(0, z) is ReLU, max(-z, z) the absolute value: the same crossings, boundaries and knots at the same places.
#[test]
fn maxout_of_two_rows_is_relu_and_abs() {
    let mut hidden = 0;
    for (scalar, rows) in [("relu", [0.0, 1.0]), ("abs", [-1.0, 1.0])] {
        for shape in ["1-3x5", "2-7-3-4", "2-33x2"] {
            let ensemble =
                ensemble(&[("arch", shape), ("activation", scalar), ("bias", "normal:0.5"), ("length", "6")]);
            for draw in 0..10 {
                let (network, path) = (ensemble.network.draw(draw), ensemble.path.draw(draw, 0, 1).expect("short"));
                let expected = Trace::reference(&network, &path).expect("finite");
                let maxout = with_rows(&network, "maxout:2", &rows, &[1.0]);
                for (name, trace) in traces(&maxout, &path) {
                    let place = format!("{name}: {scalar} {shape} draw {draw}");
                    let of = |t: &Trace| t.crossings.iter().map(|c| (c.layer, c.unit, c.rising)).collect::<Vec<_>>();
                    assert_eq!(of(&trace), of(&expected), "{place}");
                    let knots = |t: &Trace| t.boundaries.iter().map(|b| (b.n_crossings, b.is_knot)).collect::<Vec<_>>();
                    assert_eq!(knots(&trace), knots(&expected), "{place}");
                    let close = |(a, b): (f64, f64)| {
                        (a - b).abs() < if ["cpu f32", "gpu"].contains(&name) { 1e-3 } else { 1e-9 }
                    };
                    let positions = |t: &Trace| t.boundaries.iter().map(|b| b.position).collect::<Vec<_>>();
                    assert!(positions(&trace).into_iter().zip(positions(&expected)).all(close), "{place}");
                }
                hidden += expected.boundaries.len() - expected.n_knots();
            }
        }
    }
    assert!(hidden > 20, "kinks that die: {hidden}");
}

/// MaxMin sorts pairs (z, -z) into (|z|, -|z|): the boundaries and knots of the absolute value, one exchange for each of its crossings.
#[test]
fn max_min_of_two_signs_is_abs() {
    for shape in ["1-3x4", "2-7-4"] {
        let ensemble = ensemble(&[("arch", shape), ("activation", "abs"), ("bias", "normal:0.5"), ("length", "6")]);
        for draw in 0..10 {
            let (network, path) = (ensemble.network.draw(draw), ensemble.path.draw(draw, 0, 1).expect("short"));
            let expected = Trace::reference(&network, &path).expect("finite");
            let sorted = with_rows(&network, "max-min", &[-1.0, 1.0], &[0.75, -0.25]);
            for (name, trace) in traces(&sorted, &path) {
                let of = |t: &Trace| t.crossings.iter().map(|c| (c.layer, c.unit, c.rising)).collect::<Vec<_>>();
                assert_eq!(of(&trace), of(&expected), "{name}: {shape} draw {draw}");
                assert_eq!(trace.n_knots(), expected.n_knots(), "{name}: {shape} draw {draw}");
            }
        }
    }
}

/// CReLU of z is ReLU of z and -z: boundaries and knots at the same places, with two crossings of ReLU for each.
#[test]
fn crelu_is_relu_of_both_signs() {
    for shape in ["1-4x4", "2-8-4", "2-66x2"] {
        let ensemble = ensemble(&[("arch", shape), ("activation", "crelu"), ("bias", "normal:0.5"), ("length", "6")]);
        for draw in 0..10 {
            let (network, path) = (ensemble.network.draw(draw), ensemble.path.draw(draw, 0, 1).expect("short"));
            let old = network.architecture();
            let both = |values: &[f64]| values.iter().copied().chain(values.iter().map(|v| -v)).collect::<Vec<f64>>();
            let affine = network.affine().iter().enumerate().map(|(layer, given)| match layer < old.depth() {
                true => {
                    let rows = given.weight.chunks_exact(given.bias.len());
                    AffineWeights::new(rows.flat_map(both).collect(), both(&given.bias))
                }
                false => given.clone(),
            });
            let affine = affine.collect();
            let widths: Vec<usize> = old.layers().iter().map(|layer| layer.outputs()).collect();
            let relu = "relu".parse().expect("known");
            let shape_of_both = Architecture::dense(old.input_dim(), &widths, relu, old.outputs()).expect("valid");
            let expected =
                Trace::reference(&Network::new(shape_of_both, affine).expect("fits"), &path).expect("finite");
            for (name, trace) in traces(&network, &path) {
                let place = format!("{name}: {shape} draw {draw}");
                assert_eq!(2 * trace.crossings.len(), expected.crossings.len(), "{place}");
                assert_eq!(trace.boundaries.len(), expected.boundaries.len(), "{place}");
                assert_eq!(trace.n_knots(), expected.n_knots(), "{place}");
                let close = if ["cpu f32", "gpu"].contains(&name) { 1e-3 } else { 1e-9 };
                let pairs = trace.boundaries.iter().zip(&expected.boundaries);
                assert!(pairs.into_iter().all(|(a, b)| (a.position - b.position).abs() < close), "{place}");
            }
        }
    }
}

/// relu(z) - relu(-z) = z has no kink, relu(z) + relu(-z) = |z| has one.
#[test]
fn the_two_outputs_of_crelu_cancel_or_add_up() {
    let path = Path::from_points(1, &[-1.0, 2.0]).expect("finite");
    for (signs, knots) in [([1.0, -1.0], 0), ([1.0, 1.0], 1), ([1.0, 0.0], 1), ([0.0, 0.0], 0)] {
        let shape = Architecture::dense(1, &[2], "crelu".parse().expect("known"), 1).expect("valid");
        let hidden = AffineWeights::new(vec![2.0], vec![-1.0]);
        let network = Network::new(shape, vec![hidden, AffineWeights::new(signs.to_vec(), vec![0.0])]).expect("fits");
        for (name, trace) in traces(&network, &path) {
            assert_eq!((trace.boundaries.len(), trace.n_knots()), (1, knots), "{name} {signs:?}");
            assert_eq!(trace.boundaries[0].position, 1.5, "{name}");
        }
    }
}

/// Outputs are those of the definitions, at points between boundaries and by linear interpolation of the trace's own boundaries.
#[test]
fn outputs_are_linear_between_boundaries() {
    for activation in ["crelu", "maxout:3", "group-sort:4"] {
        let ensemble =
            ensemble(&[("arch", "2-8x3"), ("activation", activation), ("bias", "normal:0.5"), ("outputs", "2")]);
        for draw in 0..20 {
            let (network, path) = (ensemble.network.draw(draw), ensemble.path.draw(draw, 0, 1).expect("short"));
            let trace = Trace::reference(&network, &path).expect("finite");
            let at = |position: f64| {
                let mut x = vec![0.0; 2];
                path.point_on_edge(0, position, &mut x);
                network.outputs(&x)
            };
            let ends = std::iter::once(0.0).chain(trace.boundaries.iter().map(|b| b.position)).chain([trace.length]);
            let ends: Vec<f64> = ends.collect();
            for pair in ends.windows(2) {
                let (a, b, middle) = (at(pair[0]), at(pair[1]), at(0.5 * (pair[0] + pair[1])));
                let errors = a.iter().zip(&b).zip(&middle).map(|((a, b), m)| (0.5 * (a + b) - m).abs());
                assert!(errors.fold(0.0, f64::max) < 1e-12, "{activation} draw {draw} between {pair:?}");
            }
        }
    }
}

/// One sorted group on a segment: exchanges are the inversions between the orders at its ends.
#[test]
fn exchanges_are_the_inversions_between_the_ends() {
    for size in [2, 3, 5, 8, 17] {
        let values = normals(size as u64, 2 * size * 20);
        for (case, values) in values.chunks_exact(2 * size).enumerate() {
            let (slope, bias) = values.split_at(size);
            let architecture = Architecture::dense(1, &[size], format!("group-sort:{size}").parse().expect("known"), 1);
            let hidden = AffineWeights::new(slope.to_vec(), bias.to_vec());
            let read_out = AffineWeights::new(vec![1.0; size], vec![0.0]);
            let network = Network::new(architecture.expect("valid"), vec![hidden, read_out]).expect("matching");
            let at = |x: f64, row: usize| slope[row] * x + bias[row];
            let inverted = |&(i, j): &(usize, usize)| (at(-1.0, i) > at(-1.0, j)) != (at(2.0, i) > at(2.0, j));
            let expected = pairs(size).filter(inverted).count();
            for (name, trace) in traces(&network, &common::line(&[-1.0, 2.0])) {
                assert_eq!(trace.crossings.len(), expected, "{name}: size {size}, case {case}");
                // The sum of sorted values is that of the values: no boundary shows.
                assert_eq!(trace.n_knots(), 0, "{name}: size {size}, case {case}");
            }
        }
    }
}

/// The whole line is a half-circle in homogeneous coordinates (x, s), biases being weights of s.
fn whole_line() -> Path {
    Path::from_points(2, &[-1.0, 0.0, -1.0, 1.0, 1.0, 1.0, 1.0, 0.0]).expect("finite")
}

/// All differences of two rows vanish exactly once on the whole line.
#[test]
fn a_sorted_group_exchanges_every_pair_once_on_the_whole_line() {
    for (shape, activation, pairs) in [
        ("2-12", "group-sort:2", 6),
        ("2-12", "group-sort:3", 12),
        ("2-12", "group-sort:4", 18),
        ("2-64", "group-sort:64", 2016),
    ] {
        let ensemble = ensemble(&[("arch", shape), ("activation", activation), ("bias", "zero")]);
        for draw in 0..20 {
            let network = ensemble.network.draw(draw);
            for (name, trace) in traces(&network, &whole_line()) {
                assert_eq!(trace.crossings.len(), pairs, "{name}: {activation} draw {draw}");
            }
        }
    }
}

/// Mean and standard error over networks of crossings per unit of each layer, on one path.
fn per_unit(law: &RandomNetwork, path: &Path, n: u64) -> Vec<(f64, f64)> {
    let (_, engine) = engines().next().expect("the CPU");
    let count = |draw| engine.count_given(&law.draw(draw), &[path], Method::Exact).expect("finite").remove(0);
    let counts: Vec<PathCounts> = (0..n).map(count).collect();
    let layers = law.architecture().layers().iter().enumerate();
    layers
        .map(|(l, layer)| {
            let values: Vec<f64> = counts.iter().map(|c| c.crossings[l] as f64 / layer.groups() as f64).collect();
            let mean = values.iter().sum::<f64>() / n as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
            (mean, (variance / n as f64).sqrt())
        })
        .collect()
}

/// A maxout unit changes its largest row c_K times on the whole line, by published and closed values; seed 0, 64 units of 200
/// networks each for five ranks: |z| < 4.9 has a false-alarm rate of 5e-6 together.
#[test]
fn maxout_units_have_their_constant_on_the_whole_line() {
    let constants = [(2, 1.0), (3, 1.5), (4, 1.824_520_34), (5, 2.061_300_86), (8, 2.523_265_84)];
    for (rank, constant) in constants {
        assert!((maxout_factor(rank) - constant).abs() < 1e-8);
        let activation = format!("maxout:{rank}");
        let ensemble = ensemble(&[("arch", "2-64"), ("activation", &activation), ("bias", "zero")]);
        let (mean, error) = per_unit(&ensemble.network, &whole_line(), 200)[0];
        // Of rank 2 exactly one, in every network.
        assert!(rank == 2 || error > 0.0);
        assert!((mean - constant).abs() <= 4.9 * error, "rank {rank}: {mean} ± {error}, expected {constant}");
    }
}

/// The moments' recursion against the closed forms, which are derived and computed otherwise.
#[test]
fn infinite_width_equals_the_closed_forms_of_lines() {
    let (x0, d, length): ([f64; 3], [f64; 3], f64) = ([0.3, -1.0, 0.5], [0.6, 0.0, 0.8], 2.5);
    let end: Vec<f64> = x0.iter().zip(d).map(|(x, d)| x + length * d).collect();
    let path = Path::from_points(3, &[&x0[..], &end].concat()).expect("finite");
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    for (weights, gain) in [("he-normal", 2.0), ("lecun-normal", 1.0)] {
        for (activation, size) in
            [("maxout:2", 2), ("maxout:3", 3), ("maxout:5", 5), ("max-min", 2), ("group-sort:4", 4)]
        {
            let flags = [("arch", "3-8x4"), ("activation", activation), ("weights", weights), ("bias", "normal:0.3")];
            let law = PoolLaw { inputs: 3, weight_gain: gain, bias_variance: 0.09, size };
            let arguments = (dot(&x0, &x0), dot(&x0, &d), dot(&d, &d), [0.0, length]);
            let (a, b, c, window) = arguments;
            let expected = match activation.starts_with("maxout") {
                true => maxout_crossings_on_line(&law, 4, a, b, c, window),
                // Per value there, per group here.
                false => {
                    groupsort_crossings_on_line(&law, 4, a, b, c, window).iter().map(|x| x * size as f64).collect()
                }
            };
            let got = crossings_per_unit(&ensemble(&flags).network, &path).expect("the law applies");
            let close = got.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5 * b);
            assert!(close && got.len() == 4, "{activation} {weights}: {got:?} {expected:?}");
        }
    }
}

/// Exact counts at width 256 against infinite width; seed 0, 80 networks: |z| < 4.9 beside 1 % for the width, 21 layers, a
/// false-alarm rate of 2e-5 together.
#[test]
fn wide_networks_have_the_density_of_infinite_width() {
    let path = Path::from_points(2, &[-1.0, 0.4, 1.0, 0.4]).expect("finite");
    for activation in ["crelu", "maxout:2", "maxout:3", "maxout:4", "maxout:5", "max-min", "group-sort:4"] {
        let flags = [("arch", "2-256x3"), ("activation", activation), ("bias", "normal:0.5")];
        let law = ensemble(&flags).network;
        let expected = crossings_per_unit(&law, &path).expect("the law applies");
        for (layer, ((mean, error), expected)) in per_unit(&law, &path, 80).into_iter().zip(expected).enumerate() {
            assert!(
                (mean - expected).abs() < 4.9 * error + 0.01 * expected,
                "{activation} layer {}: {mean} ± {error}, expected {expected}",
                layer + 1
            );
        }
    }
}
